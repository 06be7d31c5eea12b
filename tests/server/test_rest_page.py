"""The examples of docs/rest.md are run, and a run that came to its end is what it is in the notebook."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

from omc_agent.request import Request
from omc_agent.server.base import METHODS
from omc_agent.server.routes import ROUTES
from tests.server.conftest import ROOT, TOKEN, serving
from tests.test_docs import rows

PAGE = (ROOT / "docs/rest.md").read_text()
EXAMPLES = re.findall(r"^```http\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
SAME = ("id", "status", "code", "decision", "first", "driven", "stage", "gate", "kind", "position", "more", "call")


@pytest.fixture(scope="module")
def whole(finished, tmp_path_factory):
    """A server on a copy of the store that knows the finished run, with a run that asks and one to remove."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "copy").mkdir()
    for file in finished.workspace.parent.parent.glob("store.db*"):
        shutil.copy(file, folder / "copy")
    with serving(folder, OMC_AGENT_HOME=str(folder / "copy")) as running:
        running.move(folder / "copy")
        running.seed(id="0ld", status="stopped")
        running.seed(id="b81c04", status="parked")
        asked = Request(gate="code", stage="data_analysis", question="Run this code?", code="bars.head()")
        running.store.open_request("b81c04", "b81c04", "b81c04-q1", gate="code", stage=asked.stage,
                                   payload=asked.model_dump(), sha256=asked.sha256())  # fmt: skip
        yield running


def test_the_examples_of_the_page_get_the_answers_that_it_shows(whole, finished):
    for number, text in enumerate(EXAMPLES, start=1):
        asked, _, told = text.replace("7f3a21", finished.id).partition("\n\n")
        first, _, body = asked.partition("\n")
        method, _, path = first.partition(" ")
        status, _, shown = told.partition("\n")
        answer = whole.client(method, path, json=json.loads(body) if body else None)
        where = f"example {number}: {first}: {answer.text[:500]}"
        assert f"{answer.status_code}" == status.split()[0], where
        if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            lines = answer.text.splitlines()
            assert all(
                any(line.startswith(each.removesuffix("...")) for line in lines) for each in shown.splitlines()
            )
        elif shown.strip():
            assert_shape(answer.json(), json.loads(shown), where)


def assert_shape(found, shown, where: str) -> None:
    """The same keys (unless "..." says that there are more), kinds of values, and words that are stable."""
    if shown == "...":
        assert isinstance(found, (str, type(None))), where
    elif isinstance(shown, dict):
        keys = set(shown) - {"..."}
        assert keys <= set(found) if "..." in shown else keys == set(found), where
        for key in keys:
            if key in SAME and shown[key] != "...":
                assert found[key] == shown[key], f"{key} in {where}"
            assert_shape(found[key], shown[key], f"{key} in {where}")
    elif isinstance(shown, list):
        assert isinstance(found, list), where
        assert bool(found) == bool(shown), where
        for each in found if shown else []:
            assert_shape(each, shown[0], where)
    elif shown is not None and found is not None:
        assert isinstance(found, (int, float)) if isinstance(shown, (int, float)) else isinstance(found, type(shown))


def test_the_line_for_a_terminal_runs(whole):
    (line,) = re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    if shutil.which("curl") is None:
        pytest.skip("needs curl: apt-get install curl")
    env = {**os.environ, "TOKEN": TOKEN, "SERVER": whole.url}
    done = subprocess.run(["sh", "-c", line], env=env, capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)["sessions"]) <= 5


def test_each_route_has_a_row_with_its_action_and_an_example():
    actions = {}
    for path, handler in ROUTES:
        for method in methods_of(handler):
            actions[f"{method} {path}"] = handler.actions.get(method, "read" if method == "GET" else "write")
    assert {name: cells[2] for name, cells in rows("rest.md", "Routes").items()} == actions
    firsts = [example.partition("\n")[0].partition("?")[0] for example in EXAMPLES]
    for name in set(actions) - {"GET /openapi.yaml"}:
        pattern = re.sub(r"\\\{\w+\\\}", r"[\\w.-]+", re.escape(name))
        assert any(re.fullmatch(pattern, first) for first in firsts), f"{name} has no example"


def methods_of(handler) -> set[str]:
    missing = handler._unimplemented_method
    return {name.upper() for name in METHODS if getattr(handler, name) is not missing} - {"OPTIONS"}


def test_results_and_files_are_those_of_the_run(whole, finished):
    assert whole.client.get(f"/sessions/{finished.id}/results").json() == finished.to_dict()
    listed = whole.client.get(f"/sessions/{finished.id}/artifacts").json()["artifacts"]
    assert {"report.html", "model.skops"} <= {each["name"] for each in listed}
    for each in listed:
        got = whole.client.get(each["url"])
        assert hashlib.sha256(got.content).hexdigest() == each["sha256"]
        assert len(got.content) == each["size"]


def test_rows_that_cannot_be_predicted_are_refused(whole, finished):
    for sent, code in (([{"x": 1}], "data."), ([], "usage.value"), ("all", "usage.value")):
        answer = whole.client.post(f"/sessions/{finished.id}/predict", {"rows": sent})
        assert answer.status_code == 400, answer.text
        assert answer.json()["code"].startswith(code)
    assert "Traceback" not in whole.log.read_text()
