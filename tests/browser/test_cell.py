"""A goal in a cell of a real JupyterLab, seen by a real browser."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

LOAD = "%load_ext omc_agent\nimport os"
GOAL = "%%agent --db {} --trials 2\nPredict whether BTC rises over the next hour, using the last 45 days"


def test_plan_code_plot_and_verdict_appear_in_the_right_cell(notebook, market):
    nb = notebook(LOAD, GOAL.format(market), "agent_run.verdict['call'], agent_run.status", height=5200)
    nb.run_all()
    nb.cell(1).locator(".omc-plan").first.wait_for(timeout=60_000)
    assert nb.prompt(1) == "[*]:"
    nb.shot("running")
    # Candidates within noise of each other are for a person to choose from.
    nb.cell(1).locator(".omc-asking .omc-yes, .omc-report").first.wait_for(timeout=240_000)
    if nb.cell(1).locator(".omc-asking .omc-yes").count():
        nb.cell(1).locator(".omc-asking .omc-yes").first.click()
    nb.wait_done(2, 120)
    assert "'finished'" in nb.text(2)
    card = nb.cell(1)
    assert card.locator(".omc-verdict").count() >= 1
    assert card.locator("img").count() >= 3
    assert "create_features" in card.locator("details pre").all_text_contents().__str__()
    assert len(nb.outputs(1)) < 40
    nb.shot("done")

    folded = card.locator("details").first
    assert folded.evaluate("d => d.open") is False
    folded.locator("summary").first.click()
    assert folded.evaluate("d => d.open") is True

    nb.save()
    html = nb.path.with_suffix(".html")
    subprocess.run([sys.executable, "-m", "nbconvert", "--to", "html", str(nb.path)], check=True, capture_output=True)
    page = html.read_text()
    for words in ("create_features", "data:image/png;base64", "Direction of BTC", "Leak test"):
        assert words in page
    assert "VBox(" not in page


def test_stop_cancels_and_the_kernel_stays_usable(notebook, market):
    nb = notebook(LOAD, GOAL.format(market), "40 + 2", height=1600)
    nb.run(0)
    nb.wait_done(0)
    nb.run(1)
    nb.cell(1).locator(".omc-stage").nth(3).wait_for(timeout=90_000)
    nb.interrupt()
    nb.page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.content.widgets[1].model.outputs.toJSON().some(o => o.ename)",
        timeout=5_000,
    )
    assert [o["ename"] for o in nb.outputs(1) if o["output_type"] == "error"] == ["KeyboardInterrupt"]
    nb.cell(1).get_by_text("stopped").first.wait_for(timeout=5_000)
    nb.wait_done(1, 5)  # a cell that is sent before the stopped one has ended is aborted with it, by Jupyter
    nb.run(2)
    nb.wait_done(2, 10)
    assert "42" in nb.text(2)


def test_run_all_keeps_order_and_background_runs_report_in_their_own_cells(notebook, market):
    explore = "%%agent --bg --out {} --db {}\nExplore {} over the last 10 days"
    nb = notebook(
        LOAD,
        explore.format("one", market, "BTC"),
        explore.format("two", market, "XRP"),
        f"%%agent --db {market}\nExplore ETH over the last 10 days",
        "agent_run.status",
        height=6000,
    )
    nb.run_all()
    nb.wait_done(1, 60)
    assert nb.prompt(3) == "[*]:"
    assert nb.text(4).strip() == ""
    nb.wait_done(4, 200)
    assert "'finished'" in nb.text(4)
    for index, coin in ((1, "BTC"), (2, "XRP"), (3, "ETH")):
        nb.cell(index).locator(".omc-report").first.wait_for(timeout=120_000)
        assert f"Exploration of {coin}" in nb.text(index)
    nb.shot("three-runs")


def test_a_slip_is_one_line_and_leaves_no_result(notebook, market):
    nb = notebook(
        LOAD,
        f"%%agent --db {market}\nPredict whether FOOCOIN rises over the next hour",
        "'agent_run' in globals()",
        "%%agent --nosuchflag\nPredict BTC",
        height=2000,
    )
    for index in range(4):
        nb.run(index)
        nb.wait_done(index, 60)
    (error,) = [o for o in nb.outputs(1) if o["output_type"] == "error"]
    assert error["ename"] == "DataError"
    assert len(error["traceback"]) == 1
    assert "BTC" in error["traceback"][0]
    assert "False" in nb.text(2)
    (error,) = [o for o in nb.outputs(3) if o["output_type"] == "error"]
    assert error["ename"] == "UsageError"
    assert "--trials" in error["traceback"][0]


def test_the_strip_has_a_stop_button_that_stops(notebook, market):
    nb = notebook(LOAD, GOAL.format(market), height=1600)
    nb.run(0)
    nb.wait_done(0)
    nb.run(1)
    button = nb.cell(1).locator("button", has_text="Stop").first
    button.wait_for(timeout=60_000)
    button.click()
    nb.wait_done(1, 20)
    assert "stopped" in nb.text(1)
    assert nb.cell(1).locator("button", has_text="Stop").count() == 0
