"""Files of a run on this machine and at a URL: whole, hashed, apart by branch, removed with the run."""

from __future__ import annotations

import contextlib
import sys
import threading
import time

import fsspec
import pytest

from omc_agent.errors import RunError, UsageError
from omc_agent.store import artifacts
from omc_agent.store.artifacts import (
    artifact_folder,
    check_place,
    check_url,
    delete_artifacts,
    fetch_artifact,
    open_artifact,
    read_artifact,
    save_artifact,
)
from omc_agent.store.filesystems import FileSystem


@pytest.fixture(params=["folder", "file", "memory"])
def root(request, tmp_path):
    """The place of all runs, of each kind that needs no server."""
    if request.param == "memory":
        yield f"memory://{tmp_path.name}"
        with contextlib.suppress(FileNotFoundError):
            fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)
    else:
        yield str(tmp_path / "all") if request.param == "folder" else f"file://{tmp_path}/all"


def saved(root, run, branch, name="report.md", data=b"text"):
    event = save_artifact(artifact_folder(root, None, run, branch), name, data)
    return {"name": name, "path": event.path, "sha256": event.sha256, "size": event.size, "branch": branch}


def change(path, data):
    """Change the bytes behind the back of the store."""
    with fsspec.open(path, "wb") as writer:
        writer.write(data)


def test_a_file_comes_back_as_it_was_written_and_a_branch_has_its_own(root, tmp_path):
    first, second = saved(root, "r1", "r1"), saved(root, "r1", "r1.2", data=b"other")
    assert read_artifact(first) == b"text"
    assert read_artifact(second) == b"other"
    assert first["path"] != second["path"]
    assert fetch_artifact(second, tmp_path / "fetched").read_bytes() == b"other"
    with open_artifact(first["path"]) as reader:
        assert reader.read(2) == b"te"
    again = saved(root, "r1", "r1", data=b"newer")
    assert again["path"] == first["path"]
    assert read_artifact(again) == b"newer"
    assert [name for name in names_below(root) if ".part" in name] == []


def names_below(root):
    files, path = fsspec.core.url_to_fs(root)
    return files.find(path)


def test_a_changed_file_and_one_that_is_gone_are_named(root, tmp_path):
    row = saved(root, "r1", "r1")
    copy = fetch_artifact(row, tmp_path / "fetched")
    change(row["path"], b"texT")
    for use in (read_artifact, open_artifact):
        with pytest.raises(RunError, match=r"report\.md is not the file that the run wrote") as refused:
            use(row)
        assert refused.value.code == "run.artifact_changed"
    if "://" in row["path"]:  # what was fetched is compared too, and fetched again when it was changed
        copy.write_bytes(b"lies")
        with pytest.raises(RunError):
            fetch_artifact(row, tmp_path / "fetched")
    delete_artifacts([row], "r1")
    with pytest.raises(RunError) as gone:
        read_artifact(row)
    assert gone.value.code == "run.no_artifact"


def test_deleting_takes_the_run_with_all_branches_and_leaves_the_others(root):
    mine, branch, other = saved(root, "r1", "r1"), saved(root, "r1", "r1.2"), saved(root, "r10", "r10")
    assert delete_artifacts([mine, branch], "r1") == []
    assert delete_artifacts([mine, branch], "r1") == []
    assert delete_artifacts(root, "r1") == []
    assert delete_artifacts(root, "never-there") == []
    assert read_artifact(other) == b"text"
    assert len(names_below(root)) == 1
    with pytest.raises(ValueError, match="no id"):
        delete_artifacts(root, "../r10")
    assert delete_artifacts(root, "r10") == []
    assert names_below(root) == []


def test_rows_of_old_runs_with_plain_paths_still_work(tmp_path):
    event = save_artifact(tmp_path / "runs" / "r1" / "artifacts", "report.md", b"text")
    row = {"name": "report.md", "path": event.path, "sha256": event.sha256, "size": 4, "branch": "r1"}
    assert read_artifact(row) == b"text"
    assert fetch_artifact(row, tmp_path / "fetched") == tmp_path / "runs" / "r1" / "artifacts" / "report.md"
    (tmp_path / "runs" / "r1" / "artifacts" / "mine.txt").write_text("not of the run")
    assert delete_artifacts([row], "r1") == []
    assert [path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()] == ["mine.txt"]
    # A row is only a row: what does not lie in a folder of the run is nobody's to remove.
    assert delete_artifacts([{**row, "path": str(tmp_path / "runs" / "r1" / "artifacts" / "mine.txt")}], "r2") == []
    assert (tmp_path / "runs" / "r1" / "artifacts" / "mine.txt").exists()


def test_a_place_is_tried_before_a_run_and_holds_no_other_run_of_that_id(root):
    check_place(root, "r1")
    assert names_below(root) == []
    row = saved(root, "r1", "r1")
    with pytest.raises(RunError, match="A run of that id has 1 files there already") as refused:
        check_place(root, "r1")
    assert refused.value.code == "run.artifact_store"
    assert read_artifact(row) == b"text"
    check_place(root, "r2")


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("nowhere://x", "usage.value", "There is no file system 'nowhere'"),
        ("s3://", "usage.value", "It names no bucket"),
        ("simplecache::s3://bucket/x", "usage.value", "chains several"),
        ("gs://bucket/x", "usage.value", "pip install gcsfs"),
        ("s3://AKIAABCDEFGHIJKLMNOP:a1b2c3d4e5f6g7h8i9@bucket/x", "usage.secret", "looks like a key"),
        ("sftp://me:hunter22@host/x", "usage.secret", "looks like a key"),
    ],
)
def test_a_url_that_cannot_be_used_is_a_sentence_without_its_key(url, code, words):
    with pytest.raises(UsageError, match=words) as refused:
        check_url(url)
    assert refused.value.code == code
    assert "a1b2c3" not in refused.value.line()
    assert "hunter22" not in refused.value.line()


def test_without_the_package_for_s3_there_is_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(UsageError, match=r"pip install 'omc-agent\[s3\]'"):
        check_url("s3://bucket/x")


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(RunError, match=r"cannot be written to .*taken.*Not a directory") as refused:
        check_place(str(tmp_path / "taken"), "r1")
    assert refused.value.code == "run.artifact_store"


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    row = saved(str(tmp_path), "r1", "r1")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        saved(str(tmp_path), "r1", "r1", data=b"half")
    assert read_artifact(row) == b"text"
    assert names_below(str(tmp_path)) == [row["path"]]


def test_a_place_that_stands_still_is_left_after_its_time(monkeypatch, tmp_path):
    """Whatever the file system does with its own time-outs: the call ends."""
    files, freed = FileSystem(f"memory://{tmp_path.name}"), threading.Event()
    monkeypatch.setattr("omc_agent.store.filesystems.SECONDS", 0.3)
    monkeypatch.setattr(files._files, "pipe_file", lambda *_, **__: freed.wait(20))
    began = time.monotonic()
    with pytest.raises(RunError, match="no answer in time"):
        files.put(f"memory://{tmp_path.name}/x", b"x")
    freed.set()
    assert time.monotonic() - began < 10
