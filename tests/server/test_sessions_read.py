"""Runs are listed and read over REST."""

from __future__ import annotations


def test_a_run_is_read(server, client):
    row = server.seed("Predict whether ETH rises", settings={"model": "offline", "trials": 3, "db": "sqlite:///m.db"})
    told = client.get(f"/sessions/{row['id']}").json()
    assert told["id"] == row["id"]
    assert told["goal"] == "Predict whether ETH rises"
    assert told["status"] == "finished"
    assert told["settings"] == {"model": "offline", "trials": 3, "db": "sqlite:///m.db"}
    assert told["driven"] is False
    assert told["open_requests"] == []
    assert told["branches"] == [row["id"]]
    assert told["created_at"].endswith("+00:00")
    assert "workspace" not in told


def test_runs_are_listed_newest_first_and_in_pages(server, client):
    made = [server.seed(f"Explore SOLANA {n}", status="parked")["id"] for n in range(3)]
    query = {"goal": "SOLANA", "status": "parked"}
    first = client.get("/sessions", params={**query, "limit": 2}).json()
    second = client.get("/sessions", params={**query, "limit": 2, "offset": 2}).json()
    assert [row["id"] for row in first["sessions"] + second["sessions"]] == made[::-1]
    assert (first["more"], second["more"]) == (True, False)
    assert client.get("/sessions", params={**query, "status": "finished"}).json()["sessions"] == []


def test_what_is_not_there_is_told_in_parts(client):
    answer = client.get("/sessions/nothere")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == {"code", "message", "given", "have", "try"}
    assert answer.json()["code"] == "run.unknown"
    assert client.get("/nowhere").json()["code"] == "rest.no_route"
    answer = client("PUT", "/sessions")
    assert (answer.status_code, answer.json()["code"]) == (405, "rest.method")
    assert "GET" in answer.headers["Allow"]


def test_nobody_is_refused_and_a_preflight_tells_nothing(client):
    nobody = client.as_user(None)
    assert nobody.get("/sessions").status_code == 401
    assert nobody.get("/sessions").json()["code"] == "rest.anonymous"
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "GET"}
    assert nobody("OPTIONS", "/sessions", headers=asked).text == ""
    assert nobody("OPTIONS", "/sessions").status_code == 401
