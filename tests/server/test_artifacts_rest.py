"""The files of a run over REST: those that were recorded, as they were recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from omc_agent.store.artifacts import save_artifact


@pytest.fixture
def run_with_file(server):
    row = server.seed()
    folder = Path(row["workspace"]) / "artifacts"
    saved = save_artifact(folder, "report.html", b"<h1>No edge</h1>" * 40_000)
    server.store.record_artifact(row["id"], row["id"], name=saved.name, path=saved.path, sha256=saved.sha256,
                                 size=saved.size, made_by="reporting")  # fmt: skip
    (folder / "unrecorded.txt").write_text("nobody wrote this down")
    return row["id"], saved


def test_files_are_listed_with_what_made_them_and_downloaded(client, run_with_file):
    name, saved = run_with_file
    (listed,) = client.get(f"/sessions/{name}/artifacts").json()["artifacts"]
    assert (listed["name"], listed["sha256"], listed["made_by"]) == ("report.html", saved.sha256, "reporting")
    assert "path" not in listed
    answer = client.get(listed["url"])
    assert answer.content == Path(saved.path).read_bytes()
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["ETag"] == f'"{saved.sha256}"'
    again = client.get(listed["url"], headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["unrecorded.txt", "..%2Freport.html", "%2e%2e%2f%2e%2e%2fstore.db", "report.html%00", "%F0%9F%92%A9",
             "report.html%2F", "REPORT.html"],
)  # fmt: skip
def test_nothing_but_recorded_files_can_be_read(client, run_with_file, name):
    answer = client.get(f"/sessions/{run_with_file[0]}/artifacts/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "rest.no_artifact")


def test_a_file_that_was_changed_or_is_gone_is_not_given_out(client, run_with_file):
    name, saved = run_with_file
    Path(saved.path).write_bytes(b"<h1>Edge!</h1>")
    answer = client.get(f"/sessions/{name}/artifacts/report.html")
    assert (answer.status_code, answer.json()["code"]) == (409, "run.artifact_changed")
    Path(saved.path).unlink()
    gone = client.get(f"/sessions/{name}/artifacts/report.html")
    assert (gone.status_code, gone.json()["code"]) == (404, "run.no_artifact")
