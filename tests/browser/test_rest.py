"""A run that was begun and answered by REST, beside a notebook that shows the same run."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

LOAD = "%load_ext omc_agent"


def rest(url: str, method: str, path: str, body=None):
    """What the server answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/api/v1/lab/agent{path}", data, {"Content-Type": "application/json"},
                                     method=method)  # fmt: skip
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"null")


def until(url: str, run: str, *wanted: str) -> dict:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        told = rest(url, "GET", f"/sessions/{run}")
        if told["status"] in wanted:
            return told
        time.sleep(0.2)
    pytest.fail(f"{run} is {told['status']} {told['reason']}")


@pytest.mark.parametrize(
    "theme", [None, pytest.param("JupyterLab Dark", marks=pytest.mark.long)], ids=["light", "dark"]
)
def test_a_notebook_shows_a_run_of_rest_and_rest_answers_it(notebook, lab, market, theme):
    url, _ = lab
    goal = "Explore BTC over the last 5 days"
    run = rest(url, "POST", "/sessions", {"goal": goal, "db": market, "approve": "always"})["id"]
    nb = notebook(LOAD, f"%agent attach {run}", "print('after it')", height=3400, theme=theme)
    nb.run_all()
    (asked,) = until(url, run, "awaiting_user")["open_requests"]
    cell = nb.cell(1)
    cell.get_by_text("Go on with this plan?").first.wait_for(timeout=90_000)
    assert nb.prompt(1) == "[*]:"
    name = "dark" if theme else "light"
    nb.shot(f"rest-asked-{name}")

    decided = rest(url, "POST", f"/sessions/{run}/respond", {"decision": "approve", "request": asked})
    assert decided["first"] is True
    cell.locator(".omc-plan").first.wait_for(timeout=60_000)
    cell.locator(".omc-report").first.wait_for(timeout=180_000)
    nb.wait_done(2, 60)
    assert "after it" in nb.text(2)
    assert until(url, run, "finished")["driven"] is False
    assert "REST" in nb.text(1)  # who answered
    nb.shot(f"rest-done-{name}")


def test_a_console_on_the_kernel_of_a_run_has_its_result(notebook, lab, market):
    url, _ = lab
    body = {"goal": "Explore BTC over the last 5 days", "db": market, "plan": True}
    run = rest(url, "POST", "/sessions", body)["id"]
    until(url, run, "finished")
    nb = notebook("1", height=900, width=1400)
    nb.page.goto(f"{url}/lab")
    nb.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=60_000)
    nb.page.locator("li[data-id='jp-running-sessions']").click()
    label = nb.page.locator(".jp-RunningSessions-itemLabel", has_text=f"run {run}").last  # below its kernel
    label.wait_for(timeout=30_000)
    nb.shot("rest-running")
    label.click()
    entry = nb.page.locator(".jp-CodeConsole-input .cm-content")
    entry.wait_for(timeout=30_000)
    entry.click()
    nb.page.keyboard.type("agent_run.id, agent_run.status")
    nb.page.keyboard.press("Shift+Enter")
    nb.page.locator(".jp-CodeConsole-content").get_by_text(f"('{run}', 'finished')").wait_for(timeout=30_000)
    nb.shot("rest-console")
