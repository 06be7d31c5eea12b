"""The one way in for an answer: what each gate takes, what is refused and leaves it open, and that the first wins."""

from __future__ import annotations

import threading

import pytest

from omc_agent.config import GATES
from omc_agent.deciding import Decided, decide, request_of
from omc_agent.errors import RunError, UsageError
from omc_agent.request import ClarificationQuestion, ClarificationRequest, Decision, Option, Request
from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager

STEP = {"stage": "data_retrieval", "title": "Data", "detail": "Read the bars."}
SHOWN = {
    "scope": {"plan": [STEP], "default": "approve"},
    "features": {"changes": {"indicators": ["rsi"], "lags": [1], "windows": [12], "drop": []}, "default": "approve"},
    "models": {"changes": {"models": [], "avoid_models": [], "metric": "roc_auc"}, "default": "approve"},
    "code": {"code": "x = 1", "rest": True},
    "budget": {"default": "2"},
    "selection": {
        "options": [Option(value="random_forest"), Option(value="ridge")],
        "default": "ridge",
        "changes": {"models": ["ridge"], "metric": "mae"},
    },
}
QUESTIONS = [
    ClarificationQuestion(field="coins", question="Which coin?", options=["BTC", "ETH"], default="BTC"),
    ClarificationQuestion(field="horizon", question="How far?", default="PT1H"),
]


@pytest.fixture
def store(tmp_path):
    made = SessionManager(open_database(f"sqlite:///{tmp_path / 'store.db'}"))
    made.create("Predict BTC", workspaces=tmp_path / "runs", model="offline", settings={}, session_id="run")
    yield made
    made.engine.dispose()


def open_at(store, gate, request_id="q1", run="run"):
    if gate == "clarification":
        request = ClarificationRequest(questions=QUESTIONS)
    else:
        request = Request(gate=gate, stage="planning", question="Well?", **SHOWN[gate])
    store.open_request(run, run, request_id, gate=gate, stage=request.stage, payload=request.model_dump(),
                       sha256=request.sha256())  # fmt: skip
    return request


def kept(store, request_id="q1"):
    return Decision.model_validate(store.request(request_id)["decision"])


NO = Decision(type="reject", why="too slow")
TAKEN = [
    *((gate, NO, NO, "rejected: too slow") for gate in (*GATES, "clarification")),
    ("scope", Decision(), Decision(), "approved"),
    ("scope", Decision(value="approve"), Decision(value="approve"), "approve"),
    ("scope", Decision(type="edit", plan=[STEP]), Decision(type="edit", plan=[STEP]),
     "changed the plan and approved"),
    ("scope", Decision(type="edit", value={"horizon": "4h"}), Decision(type="edit", value={"horizon": "PT4H"}),
     "changed horizon=PT4H"),
    ("features", Decision(), Decision(), "approved"),
    ("features", Decision(type="edit", value={"indicators": "RSI,macd", "lags": [1, 2]}),
     Decision(type="edit", value={"indicators": ["rsi", "macd"], "lags": [1, 2]}),
     "changed indicators=rsi,macd, lags=1,2"),
    ("models", Decision(), Decision(), "approved"),
    ("models", Decision(type="edit", value={"model": "ridge", "ridge.alpha": "0.5"}),
     Decision(type="edit", value={"models": ["ridge"], "ridge.alpha": 0.5}), "changed models=ridge, ridge.alpha=0.5"),
    ("code", Decision(), Decision(), "approved"),
    ("code", Decision(rest=True), Decision(rest=True), "approved, for the rest of the run"),
    ("code", Decision(type="edit", code="x = 2"), Decision(type="edit", code="x = 2"),
     "changed the code and approved"),
    ("budget", Decision(), Decision(value=2.0), "2.0"),
    ("budget", Decision(value="2.5"), Decision(value=2.5), "2.5"),
    ("selection", Decision(), Decision(value="ridge"), "ridge"),
    ("selection", Decision(value="recommended"), Decision(value="ridge"), "ridge"),
    ("selection", Decision(value="Random Forest"), Decision(value="random_forest"), "random_forest"),
    ("selection", Decision(type="edit", value={"models": ["lasso"]}),
     Decision(type="edit", value={"models": ["lasso"]}), "changed models=lasso"),
    ("clarification", Decision(), Decision(value={"coins": "BTC", "horizon": "PT1H"}), "coins: BTC, horizon: PT1H"),
    ("clarification", Decision(value="ETH"), Decision(value={"coins": "ETH", "horizon": "PT1H"}),
     "coins: ETH, horizon: PT1H"),
    ("clarification", Decision(value="coins=ETH horizon=PT4H"), Decision(value={"coins": "ETH", "horizon": "PT4H"}),
     "coins: ETH, horizon: PT4H"),
    ("clarification", Decision(value={"horizon": "PT2H"}), Decision(value={"coins": "BTC", "horizon": "PT2H"}),
     "coins: BTC, horizon: PT2H"),
]  # fmt: skip


@pytest.mark.parametrize(("gate", "given", "holds", "words"), TAKEN)
def test_each_gate_takes_its_answers_and_keeps_them_with_the_hash_of_what_was_shown(store, gate, given, holds, words):
    request = open_at(store, gate)
    decided = decide(store, "q1", given, "ann")
    assert kept(store) == holds.model_copy(update={"sha256": request.sha256()})
    assert (decided.first, decided.words, decided.by) == (True, words, "ann")
    assert decided.line() == f"q1: {words}"
    assert store.requests("run") == []


REFUSED = [
    ("scope", Decision(value="later"), "usage.value", "'later'"),
    ("scope", Decision(type="edit"), "usage.edit", "Nothing was changed"),
    ("scope", Decision(type="edit", plan=[]), "usage.edit", "leaves out data_retrieval"),
    ("scope", Decision(type="edit", plan=[{**STEP, "stage": "reporting"}]), "usage.edit", "out data_retrieval"),
    (
        "scope",
        Decision(type="edit", plan=[{**STEP, "stage": "reporting"}, STEP]),
        "usage.edit",
        "data_retrieval cannot come after reporting",
    ),
    ("scope", Decision(type="edit", plan=[{**STEP, "stage": "lunch"}]), "usage.edit", "lunch"),
    ("scope", Decision(type="edit", plan=[{"stage": "data_retrieval"}]), "usage.edit", "title: Field required"),
    ("features", Decision(value="no"), "usage.value", "'no'"),
    ("features", Decision(type="edit", value={}), "usage.edit", "Nothing was changed"),
    ("features", Decision(type="edit", value={"colour": "red"}), "usage.override", "colour"),
    ("features", Decision(type="edit", value={"indicators": "aroon"}), "usage.override", "aroon"),
    ("features", Decision(type="edit", value={"horizon": "4h"}), "usage.override", "horizon"),
    ("features", Decision(type="edit", value={"ridge.alpha": 1}), "usage.override", "ridge.alpha"),
    ("models", Decision(value="ridge"), "usage.value", "'ridge'"),
    ("models", Decision(type="edit", value={"lags": [1]}), "usage.override", "lags"),
    ("code", Decision(value="no"), "usage.value", "'no'"),
    ("code", Decision(type="edit"), "usage.edit", "no code"),
    ("code", Decision(type="edit", code="  \n"), "usage.edit", "no code"),
    ("code", Decision(type="edit", code="x = 1\ny = ("), "usage.edit", "line 2"),
    ("code", Decision(type="edit", code="import socket"), "usage.edit", "socket"),
    ("code", Decision(type="edit", code="import requests"), "usage.edit", "requests"),
    ("budget", Decision(value="much"), "usage.value", "'much'"),
    ("budget", Decision(value=-1), "usage.value", "-1"),
    ("budget", Decision(value="nan"), "usage.value", "'nan'"),
    ("budget", Decision(value="inf"), "usage.value", "'inf'"),
    ("selection", Decision(value="nobody"), "usage.value", "'nobody'"),
    ("selection", Decision(type="edit"), "usage.edit", "Nothing was changed"),
    ("selection", Decision(type="edit", value={"horizon": "4h"}), "usage.override", "horizon"),
    ("clarification", Decision(value={"colour": "red"}), "usage.value", "colour"),
    ("clarification", Decision(value="horizon=soon"), "usage.value", "'soon'"),
    ("clarification", Decision(value={"horizon": "PT0S"}), "usage.value", "'PT0S'"),
]  # fmt: skip


@pytest.mark.parametrize(("gate", "given", "code", "said"), REFUSED)
def test_what_a_gate_cannot_take_is_refused_in_three_parts_and_it_stays_open(store, gate, given, code, said):
    open_at(store, gate)
    with pytest.raises(UsageError) as refused:
        decide(store, "q1", given, "ann")
    assert refused.value.code == code
    assert said in refused.value.given
    assert refused.value.have
    assert refused.value.try_
    assert [row["status"] for row in store.requests("run")] == ["open"]
    assert decide(store, "q1", NO, "ben").first, "it can still be answered"


def test_what_the_settings_of_the_run_allow_may_be_imported_by_edited_code(store, tmp_path):
    store.create("g", workspaces=tmp_path / "runs", model="offline", settings={"allowed_imports": ["requests"]},
                 session_id="free")  # fmt: skip
    open_at(store, "code", run="free")
    assert decide(store, "free", Decision(type="edit", code="import requests"), "ann").first


def test_what_is_approved_is_what_waits(store):
    request = open_at(store, "code")
    with pytest.raises(UsageError):  # a page that shows an older question
        decide(store, "q1", Decision(sha256="0" * 64), "ann")
    decide(store, "q1", Decision(sha256=request.sha256()), "ann")
    assert kept(store).sha256 == request.sha256()


@pytest.mark.parametrize("name", ["gone", "run"])
def test_an_answer_to_a_question_that_is_not_there_is_refused_with_those_that_are(store, name, tmp_path):
    store.create("g", workspaces=tmp_path / "runs", model="offline", settings={}, session_id="other")
    open_at(store, "scope", request_id="q-other", run="other")
    with pytest.raises(RunError) as refused:
        decide(store, name, Decision(), "ann")
    assert refused.value.code == "run.no_request"
    assert "q-other" in refused.value.have


def test_a_run_with_two_open_questions_is_not_enough_of_a_name(store):
    open_at(store, "scope", request_id="q1")
    open_at(store, "code", request_id="q2")
    with pytest.raises(RunError) as refused:
        decide(store, "run", Decision(), "ann")
    assert "q1" in refused.value.have
    assert "q2" in refused.value.have
    assert decide(store, "q2", Decision(), "ann").first
    assert decide(store, "run", Decision(), "ann").request["id"] == "q1"


def test_deciding_again_is_harmless_and_says_what_holds(store):
    open_at(store, "selection")
    decide(store, "q1", Decision(value="random_forest"), "ann")
    again = decide(store, "q1", NO, "ben")
    assert (again.first, again.words, again.by) == (False, "random_forest", "ann")
    assert again.line() == "q1 was decided before: random_forest, by ann"
    assert kept(store).value == "random_forest"


def test_a_second_answer_is_not_looked_at_so_that_it_cannot_be_wrong(store):
    open_at(store, "budget")
    decide(store, "q1", Decision(value=3), "ann")
    assert not decide(store, "q1", Decision(value="much"), "ben").first


def test_a_question_that_a_restart_took_back_is_not_decided(store):
    open_at(store, "scope")
    store.withdraw_requests("run", "run")
    late = decide(store, "q1", Decision(), "ann")
    assert (late.first, late.words, late.by) == (False, "withdrawn", "a restart")
    assert store.request("q1")["status"] == "withdrawn"


ANSWERS = {"widget": Decision(value="random_forest"), "command line": NO, "REST": Decision(value="ridge")}


@pytest.mark.parametrize("attempt", range(5))
def test_of_answers_that_race_one_is_first_and_all_see_the_same(store, attempt):
    open_at(store, "selection")
    start, seen = threading.Barrier(len(ANSWERS)), {}

    def answer(by):
        start.wait()
        seen[by] = decide(store, "q1", ANSWERS[by], by)

    threads = [threading.Thread(target=answer, args=(by,)) for by in ANSWERS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [by for by, decided in seen.items() if decided.first]
    assert {(decided.words, decided.by) for decided in seen.values()} == {(seen[winner].words, winner)}
    assert kept(store).type == ANSWERS[winner].type


def test_a_row_is_read_back_as_the_request_that_was_shown(store):
    request = open_at(store, "selection")
    assert request_of(store.request("q1")) == request
    assert isinstance(decide(store, "q1", NO, "ann"), Decided)
