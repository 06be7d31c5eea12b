"""What a run told, what it asks and what it came to, over REST."""

from __future__ import annotations

from omc_agent.events import Said, StageFinished, StageStarted
from omc_agent.outcome import outcome_of
from omc_agent.request import Request


def told(server, *texts, **values):
    row = server.seed(**values)
    events = [(f"k{n}", Said(text=text, stage="planning")) for n, text in enumerate(texts)]
    server.store.append(row["id"], row["id"], events)
    return row["id"]


def test_the_ledger_is_read_on_from_a_number(server, client):
    name = told(server, "one", "two", "three")
    first = client.get(f"/sessions/{name}/messages", params={"limit": 2}).json()
    assert [row["seq"] for row in first["messages"]] == [1, 2]
    assert (first["after_seq"], first["more"]) == (2, True)
    rest = client.get(f"/sessions/{name}/messages", params={"after_seq": 2}).json()
    assert [row["metadata"]["text"] for row in rest["messages"]] == ["three"]
    assert (rest["after_seq"], rest["more"]) == (3, False)
    only = {"seq", "at", "branch", "stage", "role", "kind", "content", "metadata"}
    assert set(rest["messages"][0]) == only
    assert rest["messages"][0]["kind"] == "said"
    end = client.get(f"/sessions/{name}/messages", params={"after_seq": 3}).json()
    assert end == {"messages": [], "after_seq": 3, "more": False}
    assert client.get(f"/sessions/{name}/messages", params={"branch": f"{name}.2"}).json()["messages"] == []


def test_a_misspelt_query_is_refused_but_not_what_jupyter_sends(server, client):
    name = told(server, "one")
    answer = client.get(f"/sessions/{name}/messages", params={"after_sec": 3})
    assert (answer.status_code, answer.json()["code"]) == (400, "usage.flag")
    assert "after_seq" in answer.json()["try"]
    assert client.get(f"/sessions/{name}/messages?1732780000123").ok
    assert client.get(f"/sessions/{name}/messages", params={"no_track_activity": 1}).ok


def test_questions_are_told_with_what_was_decided(server, client):
    name = server.seed(status="awaiting_user")["id"]
    asked = Request(gate="code", stage="data_analysis", question="Run this code?", code="x = 1")
    for each in ("q1", "q2"):
        server.store.open_request(name, name, f"{name}-{each}", gate=asked.gate, stage=asked.stage,
                                  payload=asked.model_dump(), sha256=asked.sha256())  # fmt: skip
    server.store.decide(f"{name}-q2", {"type": "reject", "why": "no"}, "ann")
    (open_one,) = client.get(f"/sessions/{name}/requests").json()["requests"]
    assert open_one["id"] == f"{name}-q1"
    assert open_one["payload"]["code"] == "x = 1"
    assert open_one["decision"] is None
    (decided,) = client.get(f"/sessions/{name}/requests", params={"status": "decided"}).json()["requests"]
    assert (decided["decision"]["why"], decided["decided_by"]) == ("no", "ann")
    both = client.get(f"/sessions/{name}/requests", params={"status": "all"}).json()["requests"]
    assert len(both) == 2
    assert client.get(f"/sessions/{name}").json()["open_requests"] == [f"{name}-q1"]


def test_results_are_what_the_command_line_prints(server, client):
    verdict = {"call": "no_edge", "score": float("nan")}
    row = server.seed(summary={"seconds": 1.5, "verdict": verdict, "things": {"verdict": verdict}})
    name = row["id"]
    begun = StageStarted(stage="planning", title="Plan")
    events = [("a", begun), ("b", StageFinished(stage="planning", status="ok", seconds=1.0, cells=0))]
    server.store.append(name, name, events)
    shown = client.get(f"/sessions/{name}/results").json()
    assert shown["verdict"] == {"call": "no_edge", "score": None}  # JSON has no NaN
    assert [stage["name"] for stage in shown["stages"]] == ["planning"]
    own = outcome_of(server.store, server.store.read(name))
    assert {**own, "verdict": shown["verdict"]} == shown
    assert client.get("/sessions", params={"limit": 500}).json()["sessions"][0]["call"] == "no_edge"
