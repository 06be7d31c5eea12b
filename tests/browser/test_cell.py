"""A goal in a cell of a real JupyterLab, seen by a real browser."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

LOAD = "%load_ext omc_agent\nimport os"
GOAL = "%%agent --db {} --trials 2\nPredict whether BTC rises over the next hour, using the last 90 days"


def test_plan_code_plot_and_verdict_appear_in_the_right_cell(notebook, market):
    nb = notebook(LOAD, GOAL.format(market), "agent_run.verdict['call'], agent_run.status", height=5200)
    nb.run_all()
    nb.cell(1).locator(".omc-plan").first.wait_for(timeout=60_000)
    assert nb.prompt(1) == "[*]:"
    nb.shot("running")
    nb.wait_done(2, 300)
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
