"""The names of the stages, in their order; without a framework, so that a server may read them cheaply."""

from __future__ import annotations

STAGES = (
    "understanding",
    "clarification",
    "planning",
    "data_retrieval",
    "data_analysis",
    "feature_engineering",
    "leak_test",
    "model_training",
    "model_evaluation",
    "hyperparameter_tuning",
    "selection",
    "scoring",
    "reporting",
)
# A run without these is still a run; the circuit breaker may drop them.
OPTIONAL = frozenset({"hyperparameter_tuning"})
