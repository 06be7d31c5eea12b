"""Files of a run in S3: moto's server on loopback, with a proxy before it that fails as networks do."""

from __future__ import annotations

import pytest

from omc_agent.errors import RunError
from omc_agent.store import filesystems
from omc_agent.store.artifacts import (
    artifact_folder,
    check_place,
    delete_artifacts,
    fetch_artifact,
    open_artifact,
    read_artifact,
    save_artifact,
)
from tests.servers.s3 import KEYS, faulty_proxy, moto_server

ROOT = "s3://lab/prefix"
DATA = bytes(range(256)) * 400


@pytest.fixture(scope="module")
def servers():
    with moto_server("lab") as behind, faulty_proxy(behind) as before:
        yield behind, before


@pytest.fixture
def proxy(servers, monkeypatch):
    """S3 through the proxy, without faults at first; waits are short."""
    proxy = servers[1]
    proxy.faults.clear()
    proxy.seen.clear()
    proxy.always = ""
    for name, value in proxy.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(filesystems, "WAITS", (0.05, 0.05, 0.05))
    return proxy


def saved(run, name="report.md", data=DATA, branch=None):
    event = save_artifact(artifact_folder(ROOT, None, run, branch or run), name, data)
    return {"name": name, "path": event.path, "sha256": event.sha256, "size": event.size, "branch": branch or run}


def test_a_file_is_one_put_with_its_digest_and_comes_back(proxy, tmp_path):
    check_place(ROOT, "r1")
    proxy.seen.clear()
    row = saved("r1", "model card.md", branch="r1.2")
    assert row["path"] == "s3://lab/prefix/r1/r1.2/model card.md"
    assert proxy.seen == ["PUT /lab/prefix/r1/r1.2/model%20card.md"]
    with open_artifact(row) as reader:
        assert reader.read() == DATA
    copy = fetch_artifact(row, tmp_path)
    assert copy.read_bytes() == DATA
    proxy.seen.clear()
    assert fetch_artifact(row, tmp_path) == copy
    assert proxy.seen == []  # it is there, with its hash
    copy.write_bytes(b"lies")
    assert fetch_artifact(row, tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("fault", ["500", "503", "reset", "truncate", "0.2"])
def test_a_fault_that_passes_is_tried_again(proxy, fault):
    # What is late is not wrong; and the answer to a put has no body that could be cut short.
    times = 1 if fault == "0.2" else 2
    proxy.faults[:] = [fault] * times if fault != "truncate" else []
    row = saved("faults")
    assert proxy.faults == []
    proxy.faults[:] = [fault] * times
    assert read_artifact(row) == DATA
    assert proxy.faults == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("500", "answered: We encountered an internal error"),
        ("503", "answered: Please reduce your request rate"),
        ("reset", "does not answer"),
        ("denied", "refused the keys, or what they may do: Access Denied"),
        ("wrong key", "refused the keys"),
    ],
)
def test_a_fault_that_stays_is_a_sentence_after_a_bounded_number_of_tries(proxy, fault, words):
    proxy.always = fault
    with pytest.raises(RunError, match=words) as failed:
        saved("r2")
    assert failed.value.code == "run.artifact_store"
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in failed.value.line()
    # Keys that are refused stay refused; a connection that is reset is opened once more by the client below.
    assert len(proxy.seen) == 1 if fault in ("denied", "wrong key") else 4 <= len(proxy.seen) <= 8
    with pytest.raises(RunError):
        check_place(ROOT, "r2")


def test_slow_answers_end_at_the_bound(proxy, monkeypatch):
    monkeypatch.setattr(filesystems, "SECONDS", 0.5)
    monkeypatch.setattr(filesystems, "SLOWEST", 1e12)
    proxy.always = "1.5"
    with pytest.raises(RunError, match="does not answer: no answer in time"):
        saved("r3")


def test_no_keys_no_bucket_and_no_server_are_sentences(proxy, monkeypatch):
    with pytest.raises(RunError, match="has no bucket nope"):
        check_place("s3://nope/x", "r1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RunError, match=r"http://127\.0\.0\.1:9 does not answer"):
        check_place(ROOT, "r1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(RunError, match="There are no keys for S3"):
        check_place(ROOT, "r1")


def test_a_changed_file_is_refused_and_bytes_lost_on_the_way_are_not_taken_for_one(proxy):
    row = saved("r4")
    save_artifact("s3://lab/prefix/r4/r4", "report.md", DATA[:-1] + b"!")
    proxy.seen.clear()
    with pytest.raises(RunError, match="is not the file that the run wrote") as refused:
        read_artifact(row)
    assert refused.value.code == "run.artifact_changed"
    assert len(proxy.seen) == 2
    assert read_artifact({**row, "sha256": ""})[-1:] == b"!"


def test_a_run_is_removed_with_its_branches_and_a_place_that_is_away_is_named(proxy):
    rows = [saved("r5"), saved("r5", branch="r5.2"), saved("r50")]
    assert delete_artifacts(rows[:2], "r5") == []
    with pytest.raises(RunError) as gone:
        read_artifact(rows[1])
    assert gone.value.code == "run.no_artifact"
    assert read_artifact(rows[2]) == DATA
    assert delete_artifacts("s3://lab/prefix", "r5") == []
    proxy.always = "503"
    (left,) = delete_artifacts([rows[2]], "r50")
    assert left.startswith("run.artifact_store")
    proxy.always = ""
    assert read_artifact(rows[2]) == DATA
