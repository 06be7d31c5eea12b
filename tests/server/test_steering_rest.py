"""A run in the hands of a client: decisions, words, Stop, changes."""

from __future__ import annotations

import pytest

from omc_agent.request import Request
from omc_agent.store.leases import Leases, new_owner


@pytest.fixture
def waiting(server):
    """A run that asks about code, and the id of its question."""
    name = server.seed(status="awaiting_user")["id"]
    asked = Request(gate="code", stage="data_analysis", question="Run this code?", code="x = 1", rest=True)
    server.store.open_request(name, name, f"{name}-q", gate=asked.gate, stage=asked.stage,
                              payload=asked.model_dump(), sha256=asked.sha256())  # fmt: skip
    return name, f"{name}-q"


@pytest.fixture
def driven(server):
    """A run that this very process seems to drive."""
    name, owner = server.seed(status="running")["id"], new_owner()
    leases = Leases(server.store.engine)
    assert leases.take(name, owner)
    yield name
    leases.release(name, owner)


def inbox(server, name):
    return [(row["kind"], row["payload"]) for row in server.store.take_inbox(name)]


def test_the_first_decision_wins_and_repeating_it_is_harmless(server, client, waiting):
    name, request = waiting
    body = {"request": request, "decision": "edit", "code": "x = 2"}
    first = client.post(f"/sessions/{name}/respond", body)
    assert first.status_code == 200
    assert first.json()["first"] is True
    assert first.json()["request"]["decision"]["code"] == "x = 2"
    assert first.json()["by"].endswith(", REST")
    again = client.post(f"/sessions/{name}/respond", body)
    assert (again.status_code, again.json()["first"]) == (200, False)
    assert again.json()["request"] == first.json()["request"]
    other = client.post(f"/sessions/{name}/respond", {"request": request, "decision": "reject"})
    assert (other.status_code, other.json()["code"]) == (409, "rest.conflict")
    assert server.store.request(request)["decision"]["code"] == "x = 2"


def test_the_only_open_question_needs_no_name(client, waiting):
    name, request = waiting
    answer = client.post(f"/sessions/{name}/respond", {"decision": "approve", "rest": True})
    assert answer.json()["request"]["id"] == request
    assert answer.json()["request"]["decision"]["rest"] is True
    answer = client.post(f"/sessions/{name}/respond", {"decision": "approve"})
    assert (answer.status_code, answer.json()["code"]) == (404, "run.no_request")


def test_an_answer_that_cannot_be_leaves_the_question_open(server, client, waiting):
    name, request = waiting
    for body, code in (
        ({"decision": "edit", "code": "x ="}, "usage.edit"),
        ({"decision": "answer"}, "usage.flag"),
        ({"decision": "answer", "value": "maybe"}, "usage.value"),
        ({"decision": "approve", "sha256": "0" * 64}, "usage.edit"),
        ({"decision": "reject", "why": "my key is sk-proj-A1b2C3d4E5f6G7h8"}, "usage.secret"),
        ({"decision": "perhaps"}, "usage.value"),
    ):
        answer = client.post(f"/sessions/{name}/respond", {"request": request, **body})
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert server.store.request(request)["status"] == "open"


def test_a_question_of_another_run_is_not_answered(server, client, waiting):
    other = server.seed(status="awaiting_user")["id"]
    answer = client.post(f"/sessions/{other}/respond", {"request": waiting[1], "decision": "approve"})
    assert answer.status_code == 404
    assert server.store.request(waiting[1])["status"] == "open"


def test_words_and_stop_reach_the_inbox_of_whoever_drives(server, client, driven):
    said = client.post(f"/sessions/{driven}/say", {"text": "only momentum"})
    assert (said.status_code, said.json()["driven"]) == (202, True)
    assert client.post(f"/sessions/{driven}/stop").status_code == 202
    assert inbox(server, driven) == [("say", {"text": "only momentum"}), ("stop", {})]
    on = client.post(f"/sessions/{driven}/continue")
    assert (on.status_code, on.json()["driven"]) == (200, True)


def test_stop_is_harmless_where_nothing_runs(server, client):
    over, dead = server.seed(status="parked")["id"], server.seed(status="running")["id"]
    assert client.post(f"/sessions/{over}/stop").status_code == 200
    assert inbox(server, over) == []  # it would stop the run that is resumed
    answer = client.post(f"/sessions/{dead}/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "rest.conflict")


def test_changes_go_to_whoever_drives_else_to_a_kernel(server, client, driven):
    changes = {"changes": {"trials": 16, "xgboost.max_depth": [2, 8]}}
    sent = client.post(f"/sessions/{driven}/override", changes)
    assert (sent.status_code, sent.json()["stage"]) == (202, "hyperparameter_tuning")
    assert inbox(server, driven) == [("override", {"overrides": {"trials": 16, "xgboost.max_depth": [2, 8]}})]
    body = {"stage": "model_training", "changes": {"models": ["xgboost"]}}
    assert client.post(f"/sessions/{driven}/restart", body).status_code == 202
    payload = {"stage": "model_training", "overrides": {"models": ["xgboost"]}}
    assert inbox(server, driven) == [("restart", payload)]
    over = server.seed()["id"]
    answer = client.post(f"/sessions/{over}/restart", {"stage": "model_training"})
    assert (answer.status_code, answer.json()["driven"]) == (202, False)
    assert server.store.read(over)["settings"]["go_on"]["turn"]["stage"] == "model_training"


def test_a_parked_run_goes_on_with_other_flags(server, client):
    name = server.seed(status="parked")["id"]
    answer = client.post(f"/sessions/{name}/continue", {"budget": 3.5})
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert server.store.read(name)["settings"]["go_on"]["flags"] == {"budget": 3.5}
    done = server.seed(status="finished")["id"]
    assert client.post(f"/sessions/{done}/continue").status_code == 409


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("override", {}, "usage.override"),
        ("override", {"changes": {"lags": "many"}}, "usage.override"),
        ("override", {"changes": {"horizon": "99999999999999999999d"}}, "usage.override"),
        ("override", {"changes": {"threshold": "nan"}}, "usage.override"),
        ("override", {"changes": {"trials": 4}, "stage": "selection"}, "usage.flag"),
        ("restart", {}, "usage.flag"),
        ("restart", {"stage": "lunch"}, "usage.value"),
        ("restart", {"stage": "scoring", "changes": {"trials": 4}}, "usage.override"),
        ("say", {"text": " "}, "goal.empty"),
        ("say", {"text": "use sk-proj-A1b2C3d4E5f6G7h8"}, "usage.secret"),
        ("say", {}, "usage.flag"),
        ("stop", {"now": True}, "usage.flag"),
        ("continue", {"trials": "four"}, "usage.value"),
        ("continue", {"goal": "another"}, "usage.flag"),
    ],
)
def test_what_cannot_be_is_refused(server, client, driven, path, body, code):
    answer = client.post(f"/sessions/{driven}/{path}", body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert inbox(server, driven) == []
