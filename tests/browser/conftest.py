"""A real JupyterLab and a real Chromium; notebooks are written as files and driven by commands."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

playwright_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright (make setup does)")

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


NOTEBOOK = "jupyterapp.shell.currentWidget"
KERNEL = f"{NOTEBOOK}.sessionContext.session.kernel"
READY = (
    f"window.jupyterapp && {NOTEBOOK} && {NOTEBOOK}.sessionContext && {NOTEBOOK}.sessionContext.session && {KERNEL}"
    f" && {NOTEBOOK}.content.widgets.length > 0"
)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="session")
def lab(tmp_path_factory, market):
    """URL and folder of a JupyterLab of its own."""
    home = tmp_path_factory.mktemp("lab")
    (folder := home / "notebooks").mkdir()
    (settings := home / "app-settings").mkdir()
    (settings / "overrides.json").write_text(json.dumps(OVERRIDES))
    env = {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "OMC_AGENT_HOME": str(home / "agent"),
        "OMC_MARKET": market,
    }
    port = _free_port()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True", "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly", f"--LabApp.app_settings_dir={settings}",
        f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    log = (home / "lab.log").open("w")
    server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/api", timeout=1).close()
                break
            time.sleep(0.2)
        else:
            pytest.fail(f"JupyterLab did not start: {(home / 'lab.log').read_text()[-2000:]}")
        yield url, folder
    finally:
        server.terminate()
        server.wait(15)
        log.close()


@pytest.fixture(scope="session")
def chromium():
    """One browser a session."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"Chromium is not at {CHROMIUM}; apt-get install chromium, or set CHROMIUM")
    with playwright_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Notebook:
    """One notebook that is open in the browser."""

    def __init__(self, page, url: str, path: Path) -> None:
        self.page, self.url, self.path = page, url, path

    def run(self, index: int) -> None:
        """Start cell `index`; does not wait for it."""
        self.page.evaluate(
            """i => { const nb = jupyterapp.shell.currentWidget.content; nb.deselectAll(); nb.activeCellIndex = i;
                      jupyterapp.commands.execute('notebook:run-cell'); }""",
            index,
        )

    def run_all(self) -> None:
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def interrupt(self) -> None:
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:interrupt-kernel'); }")

    def save(self) -> None:
        self.page.evaluate("async () => { await jupyterapp.commands.execute('docmanager:save'); }")

    def reload(self) -> None:
        """Reload the page; the kernel may be busy, so only the notebook is waited for."""
        self.page.reload()
        self.page.wait_for_function(f"() => {READY}", timeout=60_000)

    def wait_idle(self, seconds: float = 60) -> None:
        """Wait until the kernel says that it has nothing to do."""
        self.page.wait_for_function(f"() => {KERNEL}.status === 'idle'", timeout=seconds * 1000)

    def cell(self, index: int):
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def prompt(self, index: int) -> str:
        return str(self.cell(index).locator(".jp-InputPrompt").first.inner_text())

    def outputs(self, index: int) -> list[dict]:
        return self.page.evaluate(
            "i => jupyterapp.shell.currentWidget.content.widgets[i].model.outputs.toJSON()", index
        )

    def text(self, index: int) -> str:
        return str(self.cell(index).locator(".jp-OutputArea").first.inner_text())

    def wait_done(self, index: int, seconds: float = 120) -> None:
        """Wait until the prompt of the cell holds a number."""
        self.page.wait_for_function(
            """i => /^\\[\\d+\\]:$/.test(document.querySelectorAll('.jp-Notebook .jp-Cell')[i]
                     .querySelector('.jp-InputPrompt').innerText.trim())""",
            arg=index,
            timeout=seconds * 1000,
        )

    def write(self, index: int, source: str) -> None:
        """Put `source` into cell `index`, without its old output."""
        self.page.evaluate(
            """([i, text]) => { const m = jupyterapp.shell.currentWidget.content.widgets[i].model;
                                m.outputs.clear(); m.executionCount = null; m.sharedModel.setSource(text); }""",
            [index, source],
        )

    def shot(self, name: str) -> None:
        """Keep a picture where OMC_SHOTS names a folder."""
        if folder := os.environ.get("OMC_SHOTS"):
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))


class Desk:
    """Opens notebooks, and closes them and their kernels."""

    def __init__(self, url: str, folder: Path, chromium) -> None:
        self.url, self.folder, self.chromium = url, folder, chromium
        self.opened: list = []

    def open(
        self, name: str, *cells: str, height: int = 2400, width: int = 1100, theme: str | None = None
    ) -> Notebook:
        """Write a notebook, open it, and wait for its kernel."""
        path = self.folder / f"{name}-{len(self.opened)}.ipynb"
        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(nb, path)
        context = self.chromium.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        page.on("dialog", lambda d: d.accept())
        page.goto(f"{self.url}/doc/tree/{path.name}")
        page.wait_for_function(f"() => {READY} && {KERNEL}.status === 'idle'", timeout=60_000)
        if theme:
            page.evaluate("t => jupyterapp.commands.execute('apputils:change-theme', {theme: t})", theme)
        made = Notebook(page, self.url, path)
        self.opened.append((context, made))
        return made

    def close(self) -> None:
        """Close the pages, and end their kernels."""
        paths = {made.path.name for _, made in self.opened}
        for context, _ in self.opened:
            context.close()
        sessions = json.loads(urllib.request.urlopen(f"{self.url}/api/sessions", timeout=10).read())
        for session in sessions:
            if session["path"] in paths:
                delete = urllib.request.Request(f"{self.url}/api/sessions/{session['id']}", method="DELETE")
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(delete, timeout=20).close()


@pytest.fixture
def notebook(lab, chromium, request):
    """``notebook(cell, cell, ...)`` writes, opens and returns a `Notebook`; it is closed after the test."""
    desk = Desk(*lab, chromium)
    yield lambda *cells, **how: desk.open(request.node.name, *cells, **how)
    desk.close()


@pytest.fixture(scope="module")
def desk(lab, chromium):
    """Notebooks that the tests of a file share."""
    desk = Desk(*lab, chromium)
    yield desk
    desk.close()
