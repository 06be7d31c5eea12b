"""The shelf of a branch: what its URL does not take is kept here, told once, and brought there later."""

from __future__ import annotations

import asyncio
import threading

import fsspec
import pytest

from omc_agent import cli, shelf
from omc_agent.config import settings_with
from omc_agent.errors import RunError, UsageError
from omc_agent.events import Branched
from omc_agent.face import orchestrator_for
from omc_agent.ledger import Ledger
from omc_agent.result import RunResult
from omc_agent.store.artifacts import read_artifact
from omc_agent.store.filesystems import FileSystem
from omc_agent.store.leases import Leases, new_owner
from omc_agent.verbs import Verbs


@pytest.fixture
def desk(own_home, tmp_path):
    return Desk(own_home, f"memory://{tmp_path.name}")


class Desk:
    """A run without an engine, its shelf, and what was told."""

    def __init__(self, home, url):
        self.settings = settings_with(None, home=str(home))
        self.store = orchestrator_for(self.settings).store
        kept = {"artifact_url": url}
        self.row = self.store.create("Explore ETH", workspaces=home / "runs", model="offline", settings=kept)
        self.id, self.url, self.told = self.row["id"], url, []
        self.owner = new_owner()
        assert Leases(self.store.engine).take(self.id, self.owner)
        self.ledger = Ledger(self.store, self.id, self.id, owner=self.owner)
        self.ledger.stage = "reporting"
        self.shelf = shelf.Shelf(self.store, run_row=self.row, url=url, ledger=self.ledger, emit=self.emit)

    async def emit(self, event, key):
        if key not in [told for told, _ in self.told]:
            self.told.append((key, event))

    def kinds(self):
        return [event.kind for _, event in self.told]

    def leave(self):
        Leases(self.store.engine).release(self.id, self.owner)


@pytest.fixture
def away(monkeypatch):
    """Puts fail while it is set; their number is counted."""
    state = {"away": True, "puts": 0}
    put = FileSystem.put

    def failing(self, url, data):
        state["puts"] += 1
        if state["away"]:
            raise RunError("run.artifact_store", given="It cannot be reached.", have="It is away.", try_="Later.")
        put(self, url, data)

    monkeypatch.setattr(FileSystem, "put", failing)
    return state


async def test_a_file_goes_to_the_url_with_its_maker(desk):
    saved = await desk.shelf.save("data_analysis-cell4-1.png", b"picture")
    assert saved.path == f"{desk.url}/{desk.id}/{desk.id}/data_analysis-cell4-1.png"
    await desk.shelf.save("report.md", b"text")
    desk.store.record_cell(desk.id, desk.id, key="k", n=7, stage="scoring", where="sandbox", kind="model",
                           status="ok",
                           code="model_sha256 = save_model(model, 'model.skops')")  # fmt: skip
    desk.ledger.stage = "scoring"
    await desk.shelf.save("model.skops", b"model")
    rows = {row["name"]: row for row in desk.store.artifacts(desk.id)}
    made = {name: row["made_by"] for name, row in rows.items()}
    assert made == {"data_analysis-cell4-1.png": "cell 4, data_analysis", "report.md": "reporting",
                    "model.skops": "cell 7, scoring"}  # fmt: skip
    assert [read_artifact(row) for row in rows.values()] == [b"picture", b"text", b"model"]


async def test_what_is_not_taken_is_kept_here_told_once_and_brought_at_the_end(desk, away):
    for name in ("report.html", "report.md", "metrics.json"):
        saved = await desk.shelf.save(name, name.encode())
        assert saved.path == str(desk.shelf.workspace / "artifacts" / name)
    assert away["puts"] == 1  # the place is left alone for a while
    assert desk.kinds() == ["warned", *["artifact_saved"] * 3]
    warned = desk.told[0][1]
    assert warned.code == "artifacts_kept_here"
    assert f"omc-agent artifacts {desk.id} --upload" in warned.text
    assert [read_artifact(row).decode() for row in desk.store.artifacts(desk.id)] == [
        "report.html", "report.md", "metrics.json"]  # fmt: skip
    assert await desk.shelf.bring() == 3
    away["away"] = False
    assert await desk.shelf.bring() == 0
    rows = desk.store.artifacts(desk.id)
    assert {row["path"].rpartition("/")[0] for row in rows} == {f"{desk.url}/{desk.id}/{desk.id}"}
    assert {row["made_by"] for row in rows} == {"reporting"}
    assert [read_artifact(row).decode() for row in rows] == ["report.html", "report.md", "metrics.json"]
    assert list((desk.shelf.workspace / "artifacts").iterdir()) == []
    assert [event.path for _, event in desk.told[4:]] == [row["path"] for row in rows]  # the cards learn of it
    assert await desk.shelf.bring() == 0


async def test_a_file_that_was_changed_here_is_not_brought_and_the_others_are(desk, away):
    for name in ("a.md", "b.md"):
        await desk.shelf.save(name, b"text")
    (desk.shelf.workspace / "artifacts" / "a.md").write_bytes(b"other")
    away["away"] = False
    assert await desk.shelf.bring() == 1
    assert [row["path"].startswith("memory://") for row in desk.store.artifacts(desk.id)] == [False, True]


async def test_the_loop_goes_on_while_a_place_is_slow(desk, monkeypatch):
    freed, put = threading.Event(), FileSystem.put

    def slow(self, url, data):
        freed.wait(20)
        put(self, url, data)

    monkeypatch.setattr(FileSystem, "put", slow)
    saving = asyncio.create_task(desk.shelf.save("report.md", b"text"))
    for _ in range(20):  # a loop that is held up does not come to free it
        await asyncio.sleep(0.005)
    assert not saving.done()
    freed.set()
    assert (await saving).path.startswith("memory://")


async def test_whoever_lost_the_run_writes_nothing(desk):
    desk.leave()
    with pytest.raises(RunError) as lost:
        await desk.shelf.save("report.md", b"text")
    assert lost.value.code == "run.lease_lost"
    assert desk.store.artifacts(desk.id) == []
    assert not fsspec.filesystem("memory").exists(f"{desk.url}/{desk.id}")


async def test_without_a_url_nothing_waits_and_a_full_disk_elsewhere_is_no_end(desk, tmp_path):
    plain = shelf.Shelf(desk.store, run_row=desk.row, url="", ledger=desk.ledger, emit=desk.emit)
    assert (await plain.save("report.md", b"text")).path == str(plain.workspace / "artifacts" / "report.md")
    assert await plain.bring() == 0
    (tmp_path / "taken").write_text("a file")
    blocked = shelf.Shelf(
        desk.store, run_row=desk.row, url=str(tmp_path / "taken"), ledger=desk.ledger, emit=desk.emit
    )
    assert (await blocked.save("b.md", b"text")).path == str(plain.workspace / "artifacts" / "b.md")
    assert desk.told[-2][1].code == "artifacts_kept_here"
    assert await blocked.bring() == 2


async def test_a_branch_that_kept_its_scoring_has_the_model_of_the_branch_before(desk):
    desk.ledger.stage = "scoring"
    await desk.shelf.save("model.skops", b"model")
    await desk.shelf.save("report.md", b"text")
    desk.store.record_cell(desk.id, desk.id, key="k", n=7, stage="scoring", where="sandbox", kind="model",
                           status="ok", code="x = 1")  # fmt: skip
    for branch, kept in ((f"{desk.id}.2", {7}), (f"{desk.id}.3", set())):
        told = Branched(stage="reporting", new_branch=branch, parent=desk.id)
        desk.store.fork(desk.id, branch, told, kept, owner=desk.owner)
        result = RunResult(desk.store, desk.id, desk.settings)
        found = result._find("model.skops")
        assert (found["branch"] if found else None) == (desk.id if kept else None)
        assert result._find("report.md") is None


async def test_a_package_that_is_not_there_when_the_run_goes_on_is_no_end(desk):
    lacking = shelf.Shelf(desk.store, run_row=desk.row, url="gs://b/x", ledger=desk.ledger, emit=desk.emit)
    await lacking.save("report.md", b"text")
    assert "pip install gcsfs" in desk.told[0][1].text
    assert await lacking.bring() == 1


async def test_what_is_set_now_goes_before_what_the_run_began_with(desk, monkeypatch):
    await desk.shelf.save("a.md", b"text")
    plain = shelf.Shelf(desk.store, run_row=desk.row, url="", ledger=desk.ledger, emit=desk.emit)
    await plain.save("b.md", b"text")
    desk.leave()
    monkeypatch.setenv("OMC_AGENT_ARTIFACT_URL", f"{desk.url}-moved")
    Verbs(desk.settings, print).call(["artifacts", desk.id, "--upload"])
    places = [row["path"].partition(f"/{desk.id}/")[0] for row in desk.store.artifacts(desk.id)]
    assert places == [desk.url, f"{desk.url}-moved"]


async def test_upload_by_hand_once_nobody_drives_the_run(desk, away, capsys):
    await desk.shelf.save("report.md", b"text")
    assert cli.main(["artifacts", desk.id, "--upload"]) == 1
    assert capsys.readouterr().err.startswith("run.held: ")
    desk.leave()
    assert cli.main(["artifacts", desk.id, "--upload"]) == 1
    assert "It is away." in capsys.readouterr().err
    away["away"] = False
    assert cli.main(["artifacts", desk.id, "--upload"]) == 0
    assert capsys.readouterr().out == f"{desk.id}: brought report.md\n"
    Verbs(desk.settings, print).call(["artifacts", desk.id, "--upload"])
    assert capsys.readouterr().out == f"{desk.id}: no file waits\n"
    assert fsspec.filesystem("memory").exists(f"{desk.url}/{desk.id}/{desk.id}/report.md")


def test_upload_without_a_place_is_a_sentence(desk):
    desk.leave()
    desk.store.update(desk.id, settings={})
    with pytest.raises(UsageError, match="Set OMC_AGENT_ARTIFACT_URL"):
        Verbs(desk.settings, print).call(["artifacts", desk.id, "--upload"])


async def test_the_notebook_lists_fetches_and_links(desk, tmp_path, monkeypatch):
    await desk.shelf.save("report.md", b"text")
    verbs = Verbs(desk.settings, print)
    plain = verbs.call(["artifacts", desk.id])
    assert "<a " not in plain._repr_html_()
    assert f"{desk.url}/{desk.id}/{desk.id}/report.md" in plain._repr_html_()
    monkeypatch.setenv("OMC_AGENT_SERVER_BASE", "/user/ada/")
    route = f'href="/user/ada/api/v1/lab/agent/sessions/{desk.id}/artifacts/report.md?branch={desk.id}"'
    assert route in verbs.call(["artifacts", desk.id])._repr_html_()
    assert verbs.call(["artifacts", desk.id, "--get", "report.md", "--to", str(tmp_path)]) == tmp_path / "report.md"
    assert (tmp_path / "report.md").read_bytes() == b"text"
    monkeypatch.setenv("OMC_AGENT_SERVER_BASE", "//evil.example/")
    assert "<a " not in verbs.call(["artifacts", desk.id])._repr_html_()
