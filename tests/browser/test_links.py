"""The files of a run as links of a notebook: a click downloads the file through the server that the page is from."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

DATA = b"# a model" * 1000
SEED = f"""
from pathlib import Path
from omc_agent.config import AgentSettings
from omc_agent.events import ArtifactSaved, RunFinished, RunStarted
from omc_agent.face import orchestrator_for
from omc_agent.store.artifacts import artifact_folder, save_artifact
shared = orchestrator_for(AgentSettings())
row = shared.store.create("Explore ETH", workspaces=shared.home / "runs", model="offline", settings={{}},
                          session_id="linked")
folder = artifact_folder("", Path(row["workspace"]), "linked", "linked")
saved = save_artifact(folder, "model card.md", {DATA!r})
shared.store.record_artifact("linked", "linked", name=saved.name, path=saved.path, sha256=saved.sha256,
                             size=saved.size, made_by="reporting")
started = RunStarted(run_id="linked", goal="Explore ETH", model="offline")
ended = RunFinished(status="finished", reason="", error=None, seconds=1.0, cost={{}})
shared.store.append("linked", "linked", [("a", started), ("b", saved), ("c", ended)])
shared.store.update("linked", status="finished")
"""


@pytest.fixture(scope="module")
def shown(lab, desk):
    """A notebook that shows a run of the store of the lab."""
    home = lab[1].parent / "agent"
    subprocess.run([sys.executable, "-c", SEED], env={**os.environ, "OMC_AGENT_HOME": str(home)}, check=True)
    nb = desk.open("links", "%load_ext omc_agent", "%agent artifacts linked", "%agent show linked")
    nb.run_all()
    nb.wait_done(2, 60)
    return nb


@pytest.mark.parametrize("cell", [1, 2], ids=["list", "card"])
def test_a_click_downloads_the_file(shown, lab, cell):
    link = shown.cell(cell).locator("a", has_text="model card.md").first
    route = "/api/v1/lab/agent/sessions/linked/artifacts/model%20card.md?branch=linked"
    assert link.evaluate("a => a.href") == f"{lab[0]}{route}"
    with shown.page.expect_download(timeout=20_000) as caught:
        link.click()
    got = Path(caught.value.path()).read_bytes()
    assert hashlib.sha256(got).hexdigest() == hashlib.sha256(DATA).hexdigest()
    assert caught.value.suggested_filename == "model card.md"
