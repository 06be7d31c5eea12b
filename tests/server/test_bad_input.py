"""Bad input gets a coded error: no traceback, no secret, neither in the answer nor in the log."""

from __future__ import annotations

import json

import pytest

from tests.server.conftest import serving

KEY = "sk-proj-A1b2C3d4E5f6G7h8"
PASSWORD = "hunter2-is-the-word"
GOAL = "Predict whether BTC rises"
DEEP = "[" * 60 + "]" * 60

IDS = ["..%2Fx", "%2e%2e%2fx", "..", "%00", "a%00b", "%F0%9F%92%A9", "x" * 200, "%20", "a%20b", "-x", ".x", "a%5Cb",
       "%22", "a;b", "a'b", "nothere"]  # fmt: skip

BODIES = [
    ("no JSON", b"{", 400, "rest.body"),
    ("no object", b"[1]", 400, "rest.body"),
    ("not UTF-8", b'{"goal": "\xff"}', 400, "rest.body"),
    ("NaN", b'{"goal": "x", "budget": NaN}', 400, "rest.body"),
    ("deep", b'{"goal": "x", "data": ' + DEEP.encode() + b"}", 400, "rest.body"),
    ("deeper than Python", b"[" * 100_000, 400, "rest.body"),
    ("NUL", b'{"goal": "a\\u0000b"}', 400, "rest.body"),
    ("half a character", b'{"goal": "a\\ud800b"}', 400, "rest.body"),
    ("endless number", b'{"goal": "x", "seed": 1' + b"0" * 5000 + b"}", 400, "rest.body"),
    ("no goal", b"{}", 400, "usage.flag"),
    ("nothing", b"", 400, "usage.flag"),
    ("goal of 1 MB", json.dumps({"goal": "a" * 2**20}).encode(), 413, "rest.too_large"),
    ("long goal", json.dumps({"goal": "a " * 6000}).encode(), 413, "rest.too_large"),
]
FIELDS = [
    ({"goal": ""}, "goal.empty"),
    ({"goal": " \n"}, "goal.empty"),
    ({"goal": 3}, "usage.value"),
    ({"goal": None}, "usage.value"),
    ({"trails": 4}, "usage.flag"),
    ({"trials": "4"}, "usage.value"),
    ({"trials": True}, "usage.value"),
    ({"trials": 0}, "usage.value"),
    ({"trials": 2**70}, "usage.value"),
    ({"holdout": 0.9}, "usage.value"),
    ({"approve": "perhaps"}, "usage.value"),
    ({"on-timeout": "park", "on_timeout": "park"}, "usage.flag"),
    ({"data": ["bars"]}, "usage.flag"),
    ({"d": ["a.b"], "kernel_id": "x"}, "usage.value"),
    ({"kernel_id": "../x"}, "run.no_kernel"),
    ({"out": "a-b"}, "usage.value"),
    ({"id": "../x"}, "usage.value"),
    ({"id": "x" * 40}, "usage.value"),
    ({"follow": "nothere"}, "run.unknown"),
    ({"db": "nowhere"}, "usage.value"),
    ({"model": KEY}, "usage.secret"),
    ({"goal": f"Predict BTC with {KEY}"}, "usage.secret"),
    ({"goal": f"Predict BTC from postgresql://u:{PASSWORD}@db.example.org/x"}, "usage.secret"),
    ({"table": f"postgresql://u:{PASSWORD}@db.example.org/x"}, "usage.secret"),
    ({"policy": f"password={PASSWORD}9"}, "usage.secret"),
]


def is_told_well(answer, server) -> None:
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == {"code", "message", "given", "have", "try"}
    log = server.log.read_text()
    for text in (answer.text, log):
        assert "Traceback" not in text
        assert KEY not in text
        assert PASSWORD not in text


@pytest.mark.parametrize("name", IDS)
def test_an_id_that_is_none_is_unknown(server, client, name):
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/results"),
        ("POST", "/stop"),
        ("GET", "/artifacts/x"),
    ):
        answer = client(method, f"/sessions/{name}{path}")
        if name == "..":  # the client itself takes it out of the address
            assert answer.status_code in (404, 405)
        else:
            assert (answer.status_code, answer.json()["code"]) == (404, "run.unknown")
        is_told_well(answer, server)


def test_an_address_that_is_no_text_is_refused(server, client):
    answer = client.get("/sessions/%ff")
    assert answer.status_code == 400
    is_told_well(answer, server)


@pytest.mark.parametrize(("what", "body", "status", "code"), BODIES, ids=[each[0] for each in BODIES])
def test_a_body_that_cannot_be_read(server, client, what, body, status, code):
    answer = client("POST", "/sessions", data=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    is_told_well(answer, server)


@pytest.mark.parametrize(("fields", "code"), FIELDS, ids=[str(each[0])[:40] for each in FIELDS])
def test_a_field_that_cannot_be(server, client, fields, code):
    answer = client.post("/sessions", {"goal": GOAL, **fields})
    assert (answer.status_code, answer.json()["code"]) == (404 if code.startswith("run.") else 400, code)
    is_told_well(answer, server)


def test_an_unknown_field_is_told_with_those_near(client):
    answer = client.post("/sessions", {"goal": GOAL, "trails": 4, "budget": 1.0})
    assert "trials" in answer.json()["try"]


def test_a_password_in_the_url_of_a_database_is_told_nobody(server, client):
    url = f"postgresql://u:{PASSWORD}@127.0.0.1:1/x"
    answer = client.post("/sessions", {"goal": GOAL, "db": url})
    assert answer.status_code == 201
    for path in ("", "/results", "/messages"):
        assert PASSWORD not in client.get(f"/sessions/{answer.json()['id']}{path}").text
    assert PASSWORD not in server.log.read_text()


def test_queries_that_cannot_be(server, client):
    name = server.seed()["id"]
    for path, query in (
        ("/messages", {"after_seq": "x"}), ("/messages", {"after_seq": -1}), ("/messages", {"limit": 10**9}),
        ("/messages", {"branch": "../x"}), ("/requests", {"status": "all of them"}),
        ("/artifacts", {"branch": "a b"}), ("/messages", {"after_seq": "9" * 5000}),
    ):  # fmt: skip
        answer = client.get(f"/sessions/{name}{path}", params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "usage.value")
        is_told_well(answer, server)


def test_a_store_that_cannot_be_reached_is_told_and_found_again(tmp_path):
    url = f"postgresql+psycopg://u:{PASSWORD}@127.0.0.1:1/x"
    with serving(tmp_path, OMC_AGENT_DATABASE_URL=url) as running:
        for method, path in (("GET", "/sessions"), ("GET", "/sessions/x1"), ("POST", "/sessions/x1/stop")):
            answer = running.client(method, path)
            assert answer.status_code == 503
            assert answer.json()["code"].startswith(("run.store", "store."))
            is_told_well(answer, running)
        assert running.client.get("/openapi.yaml").status_code == 200
