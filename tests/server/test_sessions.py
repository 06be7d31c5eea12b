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


def test_runs_are_listed_by_the_time_they_were_begun(server, client):
    first, second = (server.seed("Explore CARDANO") for _ in range(2))
    between = server.store.read(second["id"])["created_at"].replace(tzinfo=None).isoformat()  # without a zone: UTC
    after = client.get("/sessions", params={"goal": "CARDANO", "since": between}).json()["sessions"]
    before = client.get("/sessions", params={"goal": "CARDANO", "until": f"{between}Z"}).json()["sessions"]
    assert [row["id"] for row in after] == [second["id"]]
    assert [row["id"] for row in before] == [first["id"]]
    for query in ({"since": "yesterday"}, {"status": "lunch"}):
        answer = client.get("/sessions", params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "usage.value")


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


def test_a_run_is_begun_with_the_flags_of_the_magic(server, client):
    body = {"goal": "Predict whether BTC rises", "model": "offline", "on-timeout": "reject", "trials": 3, "budget": 2,
            "approve": "always", "plan": True, "id": "mine-1"}  # fmt: skip
    answer = client.post("/sessions", body)
    assert answer.status_code == 201
    assert answer.json() == {"id": "mine-1", "status": "queued"}
    assert answer.headers["Location"].endswith("/api/v1/lab/agent/sessions/mine-1")
    row = server.store.read("mine-1")
    begun = {"model": "offline", "on_timeout": "reject", "trials": 3, "budget": 2, "approve": "always", "plan": True}
    assert {name: row["settings"][name] for name in begun} == begun
    assert row["user_id"] == row["settings"]["asked_by"]
    assert "mine-1" in [each["id"] for each in client.get("/queue").json()["queue"]]
    out = client.post("/sessions/mine-1/stop")
    assert (out.status_code, out.json()["status"]) == (200, "stopped")
    assert "mine-1" not in [each["id"] for each in client.get("/queue").json()["queue"]]
    again = client.post("/sessions", body)
    assert (again.status_code, again.json()["code"]) == (409, "rest.conflict")


def test_a_run_is_removed_with_its_files_unless_it_is_at_work(server, client):
    from pathlib import Path

    from omc_agent.store.leases import Leases, new_owner

    row = server.seed()
    owner, leases = new_owner(), Leases(server.store.engine)
    assert leases.take(row["id"], owner)
    assert client.delete(f"/sessions/{row['id']}").status_code == 409
    leases.release(row["id"], owner)
    assert Path(row["workspace"]).is_dir()
    gone = client.delete(f"/sessions/{row['id']}")
    assert (gone.status_code, gone.text) == (204, "")
    assert not Path(row["workspace"]).exists()
    assert client.get(f"/sessions/{row['id']}").status_code == 404
