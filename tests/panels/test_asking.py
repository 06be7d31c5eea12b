"""Open requests as plain cards and a terminal show them."""

import re

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from omc_agent.events import RequestDecided, RequestOpened
from omc_agent.panels import PlainPanel, steps
from omc_agent.panels.asking import asked
from omc_agent.panels.deadline import countdown, until
from omc_agent.panels.effects import step_effect
from omc_agent.panels.style import style_block

GATES = ("code", "scope", "features", "models", "selection", "clarification", "budget")


@pytest.mark.parametrize("gate", GATES)
def test_question_context_and_effect_are_said_in_html_and_text(requests, gate):
    event = requests(gate)
    piece = asked(event, "7f3a")
    words = BeautifulSoup(piece.html, "html.parser").get_text(" ")
    for part in (event.request["question"], event.request["context"], event.request["effect"]):
        assert part in words
        assert part in piece.text


@pytest.mark.parametrize(
    ("gate", "parts"),
    [
        ("code", ["bars", "%agent approve 7f3a", "%agent approve 7f3a --rest", "edit, with the code below it",
                  "%%agent edit 7f3a",
                  "%agent reject 7f3a WHY"]),
        ("scope", ["Features", "Lags and RSI.", "18,411 rows, 26 columns, about 6 s", "%agent approve 7f3a"]),
        ("features", ["indicators", "rsi, macd", "indicators to use", "%agent answer 7f3a indicators=rsi,macd"]),
        ("models", ["models", "algorithms to try", "5", "2..8", "LOW..HIGH"]),
        ("selection", ["logistic regression (recommended)", "0.497 to 0.537", "For: simplest", "Against: linear",
                       "last direction (baseline)", "high: coefficients", "%agent answer 7f3a xgboost",
                       "%agent answer 7f3a trials=8", "%agent reject 7f3a WHY"]),
        ("clarification", ["Which coin?", "BTC (default)", "ETH", "%agent answer 7f3a coins=BTC horizon=PT1H",
                           "%agent approve 7f3a"]),
        ("budget", ["%agent answer 7f3a LIMIT", "%agent approve 7f3a", "stop"]),
    ],
)  # fmt: skip
def test_each_gate_shows_what_is_decided_and_what_to_type(requests, gate, parts):
    piece = asked(requests(gate), "7f3a")
    words = " ".join(BeautifulSoup(piece.html, "html.parser").get_text(" ").split())
    for part in parts:
        assert part in words, part
        assert part in piece.text, part


def test_a_shell_is_told_its_own_verbs_for_every_way(requests):
    text = asked(requests("code"), "q1", shell=True).text
    for line in (
        "decide q1 approve",
        "decide q1 approve --rest",
        "decide q1 edit --file FILE",
        "decide q1 reject WHY",
    ):
        assert f"omc-agent {line}" in text
    assert "%" not in text


def test_the_code_is_highlighted_and_whole(requests):
    soup = BeautifulSoup(asked(requests("code"), "7f3a").html, "html.parser")
    assert soup.pre.get_text() == requests("code").request["code"]
    assert soup.select("pre .omc-k")


def test_an_answer_that_holds_a_space_stays_one_word(requests):
    event = requests("clarification")
    event.request["questions"][0]["default"] = "the big one; rm -rf"
    assert "'coins=the big one; rm -rf' horizon=PT1H" in asked(event, "7f3a").text


def test_the_deadline_is_a_clock_time_and_a_countdown():
    event = RequestOpened(at=1_725_633_000.0, request_id="q", gate="code", question="Run?", deadline=1_725_633_120.0)
    assert until(event) == "Waits until 14:32 UTC, then parks."
    assert countdown(event, 1_725_632_868.0) == "Without an answer in 4:12 it parks."
    late = RequestOpened(at=0.0, request_id="q", gate="code", question="?", deadline=1e5, on_timeout="reject")
    assert until(late) == "Waits until 2 January, 03:46 UTC, then is rejected."
    assert countdown(late, 0.0) == "Without an answer in 27:46:40 it is rejected."
    never = RequestOpened(request_id="q", gate="code", question="?")
    assert until(never) == "Waits as long as you need."


@given(left=st.floats(-1e6, 1e6), then=st.sampled_from(["park", "approve", "reject", "other"]))
def test_a_countdown_never_shows_less_than_nothing(left, then):
    event = RequestOpened(request_id="q", gate="scope", question="?", deadline=1e7 + left, on_timeout=then)
    said = countdown(event, 1e7)
    assert ("is over" in said) == (1e7 + left < 1e7)
    assert "-" not in said


@given(st.dictionaries(st.sampled_from(["rows", "columns", "fits", "minutes", "usd"]), st.none() | st.floats()))
def test_a_step_tells_any_effect(step):
    assert isinstance(step_effect(step), str)


@pytest.mark.parametrize("gate", GATES)
def test_hostile_requests_become_no_tags(requests, gate):
    evil = "<script>x</script><img src=x onerror=x>'\""

    def spoil(found, key=""):
        if isinstance(found, dict):
            return {k: spoil(v, k) for k, v in found.items()}
        if isinstance(found, list):
            return [spoil(each, key) for each in found]
        return found + evil if isinstance(found, str) and key not in ("gate", "metric") else found

    soup = BeautifulSoup(asked(requests(gate, request=spoil(requests(gate).request)), "7f3a").html, "html.parser")
    tags = soup.find_all(True)
    assert not {"script", "img"} & {tag.name for tag in tags}
    assert {name for tag in tags for name in tag.attrs} <= {"class", "style", "colspan"}


@pytest.mark.parametrize("gate", GATES)
def test_the_sheet_knows_every_class_of_a_request(requests, gate):
    soup = BeautifulSoup(asked(requests(gate), "7f3a").html, "html.parser")
    used = {name for tag in soup.find_all(True) for name in tag.get("class", [])}
    assert used - set(re.findall(r"\.(omc-[\w-]+)", style_block())) <= {"omc-step"}


def test_a_saved_notebook_shows_the_open_request_and_then_the_decision(requests, made, shown):
    from omc_agent.panels import Panel

    panel = Panel(shown, interactive=False, run_id="7f3a")
    for event in [*made.opening(), requests("code")]:
        panel.handle(event)
    assert "omc-gate" in shown.last("data_analysis")
    panel.handle(
        RequestDecided(
            at=1_725_633_120.0, stage="data_analysis", request_id="q-code", gate="code",
            decision="rejected: too slow", decided_by="ann", why="too slow",
        )
    )  # fmt: skip
    assert "omc-gate" not in shown.last("data_analysis")
    assert "Run this code? rejected: too slow, by ann, 14:32 UTC." in shown.last("data_analysis", "text/plain")


def test_with_several_open_requests_each_is_named(requests):
    lines = []
    panel = PlainPanel(lines.append)
    panel.story.run_id = "7f3a"
    panel.handle(requests("code"))
    panel.handle(requests("budget"))
    assert "%agent approve 7f3a" in lines[0]
    assert "%agent approve q-budget" in lines[1]


def test_who_decided_and_why_is_told():
    event = RequestDecided(
        at=0.0, request_id="q", gate="code", decision="approved", decided_by="timeout", why="no answer"
    )
    assert steps.decided(event, "Run?").text == "Run? approved, by timeout, 00:00 UTC: no answer"
