"""A run of all kinds of events, for the tests of the panels."""

from __future__ import annotations

import base64
import struct
import zlib
from types import SimpleNamespace
from typing import Any

import pytest

from omc_agent.events import (
    Act,
    ArtifactSaved,
    Branched,
    BriefRead,
    CandidateScored,
    CellFinished,
    CellStarted,
    ChoiceMade,
    Event,
    HoldoutSealed,
    IsolationKnown,
    LeakTested,
    Observe,
    Overridden,
    PlanMade,
    Progressed,
    Reason,
    RequestDecided,
    RequestOpened,
    RunFinished,
    RunStarted,
    RunTracked,
    Said,
    StageFinished,
    StageStarted,
    VerdictCalled,
    Warned,
)

NOTE = "The offline model is a fixed set of rules; free questions need a provider."
VERDICT: dict[str, Any] = {
    "call": "no_edge",
    "reason": "",
    "metric": "roc_auc",
    "score": 0.509,
    "reference": "last_direction",
    "reference_score": 0.504,
    "low": -0.013,
    "high": 0.023,
    "alpha": 0.025,
    "delta": 0.05,
    "block": 60,
    "blocks": 86,
    "smallest_edge": 0.026,
    "claimed": 0.517,
    "claimed_deflated": 0.509,
    "trials": 13,
    "opened": 1,
    "beats": {"constant": True, "naive_rules": {"reversal": False}, "simple_model": False},
}
STEPS = [
    {"stage": "data_retrieval", "title": "Data", "detail": "", "minutes": 0.01},
    {"stage": "leak_test", "title": "Leak test", "detail": "", "minutes": 0.01},
    {"stage": "model_training", "title": "Training", "detail": "", "fits": 15, "minutes": 0.2},
    {"stage": "reporting", "title": "Report", "detail": "", "minutes": 0.1},
]


def png() -> str:
    """The smallest real PNG, as base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\x00\xff"))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")).decode()


def candidate(name: str, score: float, *, baseline: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "params": {} if baseline else {"C": 0.1},
        "score": score,
        "low": score - 0.02,
        "high": score + 0.02,
        "folds": 5,
        "fit_seconds": 0.0 if baseline else 0.2,
        "baseline": baseline,
    }


def opening() -> list[Event]:
    """A run up to its plan."""
    return [
        RunStarted(
            at=1000.0,
            run_id="7f3a",
            goal="Will BTC rise",
            model="offline",
            model_note=NOTE,
        ),
        IsolationKnown(at=1000.2, tier="walled", means="zygote", title="walled: namespaces", note="No network."),
        BriefRead(
            at=1000.5,
            title="Direction of BTC, one hour ahead",
            brief={
                "task": "classification",
                "metric": "roc_auc",
                "horizon": "PT1H",
                "start": "2024-06-08T00:00:00Z",
                "end": "2024-09-06T00:00:00Z",
                "assumed": ["metric", "horizon"],
                "unread": ["pronto"],
            },
        ),
        PlanMade(at=1001.0, steps=STEPS),
    ]


def leak() -> LeakTested:
    found = {"column": "smooth_close", "cuts": 20, "change": 0.018, "cell": 4, "line": 3, "text": "it looks ahead."}
    return LeakTested(at=1004.0, stage="leak_test", where="development", cuts=20, columns=27, findings=[found])


def whole_run() -> list[Event]:
    """Every kind of event at least once, in the order of a run."""
    data, leaks, train = "data_retrieval", "leak_test", "model_training"
    outputs = [
        {"image/png": png(), "text/plain": "<Figure>"},
        {"text/html": "<table><tr><td>0.25</td></tr></table>", "text/plain": "0.25"},
        {"text/plain": "just words"},
    ]
    sealed = HoldoutSealed(
        at=1002.2,
        stage=data,
        rows=5184,
        start="2024-08-19T00:00:00Z",
        end="2024-09-06T00:00:00Z",
        development_rows=20736,
        development_start="2024-06-08T00:00:00Z",
        development_end="2024-08-19T00:00:00Z",
    )
    return [
        *opening(),
        StageStarted(at=1002.0, stage=data, title="Data"),
        Reason(at=1002.1, stage=data, text="Fetch the bars."),
        Act(at=1002.1, stage=data, tool="get_available_coins", args={}),
        Observe(at=1002.1, stage=data, tool="get_available_coins", text="BTC, ETH"),
        CellStarted(at=1002.1, stage=data, n=1, code="prices = fetch('BTC')  # bars", where="host"),
        CellFinished(
            at=1002.2,
            stage=data,
            n=1,
            code="prices = fetch('BTC')  # bars",
            where="host",
            text="printed words",
            outputs=outputs,
        ),
        Warned(
            at=1002.2, stage=data, code="data.gaps", text="12 bars are missing.", column="close", cell=1, line_no=2
        ),
        sealed,
        StageFinished(at=1002.4, stage=data, status="ok", seconds=0.4, cells=1),
        StageStarted(at=1003.0, stage=leaks, title="Leak test"),
        leak(),
        StageFinished(at=1004.5, stage=leaks, status="back", seconds=0.6, cells=0),
        StageStarted(at=1005.0, stage=leaks, title="Leak test", visit=2),
        LeakTested(at=1005.5, stage=leaks, where="development", cuts=20, columns=26, findings=[]),
        StageFinished(at=1005.6, stage=leaks, status="ok", seconds=0.6, cells=0, visit=2),
        Branched(
            at=1005.9, stage=train, new_branch="2", parent="", overrides={"models": ["xgboost"]}, decided_by="ann"
        ),
        StageStarted(at=1006.0, stage=train, title="Training"),
        Reason(at=1006.0, stage=train, text="Baselines first."),
        RequestOpened(
            at=1006.1, stage=train, request_id="q1", gate="models", question="Train them?", options=["yes"]
        ),
        RequestDecided(at=1006.2, stage=train, request_id="q1", gate="models", decision="approve", decided_by="you"),
        Overridden(at=1006.25, stage="hyperparameter_tuning", overrides={"trials": 2}, decided_by="ann"),
        Progressed(at=1006.3, stage=train, done=1, total=3, text="fold 1 of 5"),
        CandidateScored(at=1006.4, stage=train, candidate=candidate("last_direction", 0.503, baseline=True)),
        CandidateScored(at=1006.5, stage=train, candidate=candidate("logistic_regression", 0.517)),
        CandidateScored(at=1006.6, stage=train, candidate=candidate("xgboost", 0.519)),
        CellFinished(
            at=1006.8,
            stage=train,
            n=2,
            code="boom()",
            status="error",
            error={"type": "KeyError", "message": "'x'", "line": 1},
        ),
        Observe(at=1006.8, stage=train, tool="run_python", text="KeyError", ok=False),
        ChoiceMade(at=1006.9, stage=train, name="logistic_regression", why="The simplest.", recommended="xgboost"),
        Said(at=1007.0, stage=train, text="fine with me"),
        StageFinished(at=1007.0, stage=train, status="failed", seconds=1.0, cells=1),
        VerdictCalled(
            at=1008.0, stage="scoring", verdict=VERDICT, headline="No edge found", sentence="Chance does it."
        ),
        ArtifactSaved(
            at=1008.1, stage="reporting", name="report.html", path="/srv/r/report.html", sha256="ab", size=9
        ),
        RunTracked(at=1008.9, place="sqlite:///m.db", experiment="omc_agent", mlflow_run="ab12", runs=3),
        RunFinished(at=1009.0, status="finished", seconds=9.0, cost={"tokens_in": 0, "tokens_out": 0, "usd": 0.0}),
    ]


def requests_by_gate() -> dict[str, dict[str, Any]]:
    """The fields of a request for each gate."""
    told = {"context": "The data offer it.", "effect": "About 9 s, $0.00."}
    plan = [
        {"stage": "data_analysis", "title": "Analysis", "detail": "Look at the bars.", "rows": 18411},
        {"stage": "feature_engineering", "title": "Features", "detail": "Lags and RSI.", "rows": 18411,
         "columns": 26, "minutes": 0.1},
        {"stage": "model_training", "title": "Training", "detail": "Four models.", "fits": 20, "minutes": 0.2},
    ]  # fmt: skip
    scored = [
        {**candidate("last_direction", 0.503, baseline=True), "folds": []},
        {**candidate("logistic_regression", 0.517), "folds": [0.51] * 5, "predict_seconds": 0.01},
        {**candidate("xgboost", 0.519), "folds": [0.52] * 5, "predict_seconds": 0.02},
    ]
    options = [
        {"value": "logistic_regression", "pros": ["simplest"], "cons": ["linear"]},
        {"value": "xgboost", "pros": ["non-linear"], "cons": ["within noise"]},
    ]
    questions = [
        {"field": "coins", "question": "Which coin?", "context": "Both are there.", "options": ["ETH", "BTC"],
         "default": "BTC"},
        {"field": "horizon", "question": "How far ahead?", "options": ["PT1H", "PT4H"], "default": "PT1H"},
    ]  # fmt: skip
    return {
        "code": {**told, "question": "Run this code?", "code": "for bar in bars:\n    print(bar)", "rest": True},
        "scope": {**told, "question": "Is this the plan?", "plan": plan},
        "features": {
            **told,
            "question": "Make these features?",
            "plan": plan[1:2],
            "changes": {"indicators": ["rsi", "macd"], "lags": [1, 3], "drop": []},
        },
        "models": {
            **told,
            "question": "Train these models?",
            "changes": {"models": ["xgboost"], "metric": "roc_auc", "folds": 5, "xgboost.max_depth": [2, 8]},
            "rest": True,
        },
        "selection": {
            **told,
            "question": "Which one goes to scoring?",
            "options": options,
            "default": "logistic_regression",
            "candidates": scored,
            "changes": {"trials": 8},
        },
        "clarification": {**told, "question": "A few questions before the plan", "questions": questions},
        "budget": {**told, "question": "Go on past the budget?", "default": "0.5"},
    }


def opened(gate: str, **values: Any) -> RequestOpened:
    """A request of `gate` that is open."""
    stages = {"code": "data_analysis", "scope": "planning", "features": "feature_engineering",
              "models": "model_training"}  # fmt: skip
    fields = requests_by_gate()[gate]
    stage = stages.get(gate, gate)
    request = {"gate": gate, "stage": stage, **fields, **values.pop("request", {})}
    return RequestOpened(
        stage=stage, request_id=f"q-{gate}", gate=gate, question=fields["question"], request=request, **values
    )


class Shown:
    """A publish function that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, Any], str, bool]] = []

    def __call__(self, data: Any, *, display_id: str, update: bool) -> None:
        self.calls.append((dict(data), display_id, update))

    def last(self, key: str, mime: str = "text/html") -> str:
        """The newest form of a card."""
        return next(data[mime] for data, display_id, _ in reversed(self.calls) if display_id.endswith(key))


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
def made() -> SimpleNamespace:
    """What the tests of this folder make their runs of."""
    return SimpleNamespace(
        whole_run=whole_run, opening=opening, leak=leak, candidate=candidate, png=png, verdict=VERDICT, note=NOTE
    )


@pytest.fixture
def requests() -> Any:
    """``requests(gate)`` is an open request of that gate."""
    return opened
