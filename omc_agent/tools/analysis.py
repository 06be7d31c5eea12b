"""Looking at bars, by its old address: cleaning, exploring and their distributions live in files of their own."""

from __future__ import annotations

from omc_agent.tools.cleaning import clean_data
from omc_agent.tools.exploring import perform_eda

__all__ = ["clean_data", "perform_eda"]
