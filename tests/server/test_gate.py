"""Nobody gets past the gate: every address, with every method, and who may do what behind it."""

from __future__ import annotations

import re

import pytest
import requests

from omc_agent.server.base import METHODS
from omc_agent.server.routes import ROUTES
from tests.server.conftest import PREFIX, TOKEN, serving

PATHS = [path for path, _ in ROUTES]
USERS = '''
from jupyter_server.auth import Authorizer, IdentityProvider, User

class Named(IdentityProvider):
    """A token is the name of its user."""

    def get_user(self, handler):
        name = (self.get_token(handler) or "").removeprefix("token-of-")
        return User(name) if name in ("ann", "bob", "eve", "root") else None

    def is_token_authenticated(self, handler):
        return True

class OwnRuns(Authorizer):
    """Eve only reads; Ann and Bob see their own runs; root sees all."""

    def is_authorized(self, handler, user, action, resource):
        if resource != "omc_agent" or user.username == "root":
            return True
        if user.username == "eve":
            return action == "read"
        row = getattr(handler, "row", None)
        return row is None or row["user_id"] == user.username

c.ServerApp.identity_provider_class = Named
c.ServerApp.authorizer_class = OwnRuns
c.AgentSettings.rest_rate = 20
'''


def filled(path: str, run_id: str) -> str:
    return re.sub(r"\{\w+\}", "report.html", path.replace("{id}", run_id))


@pytest.mark.parametrize("path", [*PATHS, "", "/", "/nowhere", "/sessions/"])
def test_nobody_is_refused_at_every_address_with_every_method(server, path):
    name = server.seed(status="parked")["id"]
    with requests.Session() as nobody:
        for method in METHODS:
            for headers in ({}, {"Authorization": "token wrong"}, {"Upgrade": "websocket", "Connection": "Upgrade"}):
                url = f"{server.url}{PREFIX}{filled(path, name)}"
                answer = nobody.request(method, url, headers=headers, json={"text": "hello"}, timeout=30)
                assert answer.status_code in (401, 403), f"{method} {path}"
                assert method == "head" or answer.json()["code"] in ("rest.anonymous", "rest.forbidden")
    assert server.store.read(name)["status"] == "parked"
    assert server.store.take_inbox(name) == []


def test_a_cookie_writes_only_with_its_xsrf_token(server):
    name = server.seed(status="parked")["id"]
    with requests.Session() as browser:
        form = browser.get(f"{server.url}/login", timeout=30)
        assert form.ok
        xsrf = browser.cookies["_xsrf"]
        browser.post(
            f"{server.url}/login", data={"password": TOKEN, "_xsrf": xsrf}, timeout=30, allow_redirects=False
        )
        url = f"{server.url}{PREFIX}/sessions/{name}"
        assert browser.get(url, timeout=30).status_code == 200  # the cookie does for reading
        for path, method in (("/say", "POST"), ("/stop", "POST"), ("", "DELETE")):
            answer = browser.request(method, url + path, json={"text": "hello"}, timeout=30)
            assert (answer.status_code, answer.json()["code"]) == (403, "rest.forbidden")
        assert server.store.take_inbox(name) == []
        sent = browser.post(url + "/say", json={"text": "hello"}, headers={"X-XSRFToken": browser.cookies["_xsrf"]},
                            timeout=30)  # fmt: skip
        assert sent.status_code == 202
        elsewhere = {"X-XSRFToken": browser.cookies["_xsrf"], "Origin": "https://example.org"}
        other = browser.post(url + "/say", json={"text": "hello"}, timeout=30, headers=elsewhere)
        assert other.status_code == 403


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server of several users, behind a base URL, with a limit of requests."""
    folder = tmp_path_factory.mktemp("shared")
    with serving(folder, "--ServerApp.base_url=/x/y/", files={"jupyter_server_config.py": USERS}) as running:
        yield running


def test_an_authorizer_lets_one_read_only_and_others_see_their_own_runs(shared):
    ann, bob, eve, root = (shared.client.as_user(f"token-of-{name}") for name in ("ann", "bob", "eve", "root"))
    body = {"goal": "Predict whether BTC rises"}
    hers, his = ann.post("/sessions", body).json()["id"], bob.post("/sessions", body).json()["id"]
    assert shared.store.read(hers)["user_id"] == "ann"
    assert [row["id"] for row in ann.get("/sessions").json()["sessions"]] == [hers]
    assert ann.get(f"/sessions/{hers}").json()["user"] == "ann"
    theirs, none = bob.get(f"/sessions/{hers}"), bob.get("/sessions/nobody")
    assert (theirs.status_code, none.status_code) == (404, 404)
    assert theirs.json()["message"] == none.json()["message"].replace("nobody", hers)  # it tells nothing
    assert bob.post(f"/sessions/{hers}/say", {"text": "x"}).status_code == 404
    assert bob.delete(f"/sessions/{hers}").status_code == 404
    assert bob.post("/sessions", {**body, "follow": hers}).status_code == 404
    assert {row["id"] for row in root.get("/sessions").json()["sessions"]} == {hers, his}
    assert {row["id"] for row in eve.get("/sessions").json()["sessions"]} == {hers, his}
    for path, sent in (("/sessions", body), (f"/sessions/{hers}/say", {"text": "x"}), (f"/sessions/{hers}/stop", {})):
        answer = eve.post(path, sent)
        assert (answer.status_code, answer.json()["code"]) == (403, "rest.forbidden")
    for client in (ann, bob, eve, root):
        client.http.close()


def test_behind_a_base_url_addresses_hold_it(shared):
    ann = shared.client.as_user("token-of-ann")
    answer = ann.post("/sessions", {"goal": "Predict whether ETH rises"})
    assert answer.headers["Location"].startswith("/x/y/api/v1/lab/agent/sessions/")
    root = shared.url.removesuffix("/x/y")
    again = ann.http.get(
        root + answer.headers["Location"], headers={"Authorization": "token token-of-ann"}, timeout=30
    )
    assert again.json()["id"] == answer.json()["id"]
    ann.http.close()


def test_who_asks_too_often_waits_and_the_others_do_not(shared):
    ann, bob = (shared.client.as_user(f"token-of-{name}") for name in ("ann", "bob"))
    answers = [ann.get("/openapi.yaml") for _ in range(80)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) > 10
    assert refused[0].json()["code"] == "rest.too_many"
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert bob.get("/openapi.yaml").status_code == 200
    for client in (ann, bob):
        client.http.close()
