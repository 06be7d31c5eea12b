"""What is shown of costs: the line under a run, the tables, and that HTML and text say the same."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from omc_agent.panels.bill import bill_html, bill_text, cost_words

SUMS = {"calls": 9, "tokens_in": 45_200, "cached": 38_100, "tokens_out": 1_200, "usd": 0.0842, "unpriced": 0,
        "guessed": 0, "free": False}  # fmt: skip
FREE = {**SUMS, "usd": 0.0, "free": True}
UNKNOWN = {**SUMS, "usd": None, "unpriced": 9}
HOSTILE = "<script>alert(1)</script>"
ALL = {
    "run": None,
    "prices": "genai-prices 1.2.3, newest price of 2026-05-01",
    "total": {**SUMS, "guessed": 1},
    "days": [{"day": "2026-05-02", **SUMS}],
    "models": [{"model": "openai:gpt-5", **SUMS}, {"model": "ollama:qwen3", **FREE}, {"model": HOSTILE, **UNKNOWN}],
    "runs": [{"run": "r1", "goal": HOSTILE, **SUMS}, {"run": "", "goal": "", **SUMS}],
}
CALL = {"at": "2026-05-02T10:11:12Z", "stage": "planning", "model": "openai:gpt-5", "tokens_in": 900, "cached": 0,
        "written": 0, "tokens_out": 40, "reasoning": 0, "seconds": 1.5, "usd": 0.0042, "free": False}  # fmt: skip
ONE = {
    **{name: ALL[name] for name in ("prices", "models", "total")},
    "run": "r1",
    "stages": [{"stage": "model_training", **SUMS}],
    "calls": [{**CALL, "status": "answered"}, {**CALL, "status": "sent", "usd": None}, {**CALL, "status": "refused"}],
}


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (SUMS, "45.2K in (38.1K cached) / 1.2K out · $0.0842"),
        ({**SUMS, "guessed": 1}, "45.2K in (38.1K cached) / 1.2K out · about $0.0842"),
        (UNKNOWN, "45.2K in (38.1K cached) / 1.2K out · price not known"),
        ({**SUMS, "unpriced": 2}, "45.2K in (38.1K cached) / 1.2K out · $0.0842 and 2 calls of unknown price"),
        (FREE, "45.2K in (38.1K cached) / 1.2K out · free"),
        ({"tokens_in": 0, "tokens_out": 0, "usd": 0.0, "calls": 12}, "$0.00"),
        ({}, "$0.00"),
    ],
)
def test_a_price_stands_only_where_it_is_true(cost, said):
    assert cost_words(cost) == said


@pytest.mark.parametrize("bill", [ALL, ONE], ids=["all runs", "one run"])
def test_html_and_text_hold_the_same_words(bill):
    text, html = bill_text(bill), BeautifulSoup(bill_html(bill), "html.parser")
    assert html.find("script") is None
    html.style.decompose()
    for cell in [tag.get_text() for tag in html.find_all(["th", "td", "h4", "p"])]:
        assert " ".join(cell.split()) in " ".join(text.split()), cell
    assert "2026-05-01" in text
    assert "price not known" in text
    assert "free" in text


def test_the_calls_of_a_run_say_what_became_of_each():
    text = bill_text(ONE)
    assert "tokens are an estimate" in text
    assert "refused, not billed" in text
    assert "2026-05-02 10:11:12" in text
    assert "model training" in text


def test_runs_that_were_deleted_are_still_in_the_sums():
    assert "(deleted runs)" in bill_text(ALL)


def test_without_calls_it_says_so():
    assert "no model was called" in bill_text({"run": "r9", "prices": "p", "total": None})
    assert "no model was called" in bill_html({"run": "r9", "prices": "p", "total": None})
