"""Sends a run to MLflow once it ended: a process speaks, this waits, and nothing here ever fails a run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from omc_agent.config import AgentSettings
from omc_agent.errors import RunError
from omc_agent.events import CandidateScored
from omc_agent.secrecy import hide_secrets
from omc_agent.store.records import SessionManager
from omc_agent.tracking.destination import Destination, destination_of, is_installed, no_package
from omc_agent.tracking.payload import payload_of

WAIT = 30.0  # seconds that the end of a run waits; less than a lease lasts
WAIT_ALONE = 900.0  # seconds where somebody asked for the sending itself
# A server that is gone is known as one within seconds; what the person has set goes before.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
             "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """What came of it.

    Attributes
    ----------
    uri : str
        Without its password.
    experiment, experiment_id, run_id : str
        Where in it; the run is the session's.
    runs, written : int
        MLflow runs of the session, and how many of them were written now.
    missing : list of str
        Files of the run that are gone, and so could not be sent.
    """

    uri: str
    experiment: str
    experiment_id: str
    run_id: str
    runs: int
    written: int
    missing: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The page of the run, where the store is a server; else empty."""
        if not self.uri.startswith(("http://", "https://")):
            return ""
        host = re.sub(r"//[^/@]*@", "//", self.uri).rstrip("/")
        return f"{host}/#/experiments/{self.experiment_id}/runs/{self.run_id}"

    def to_dict(self) -> dict[str, Any]:
        """The fields and the page, ready for JSON."""
        return {**asdict(self), "url": self.url}

    def line(self) -> str:
        """One line for a person."""
        new = f"{self.written} written now" if self.written else "all there already"
        place = self.url or f"{self.uri}, run {self.run_id}"
        gone = f" Gone, and so not sent: {', '.join(self.missing)}." if self.missing else ""
        return f"MLflow experiment {self.experiment}: {self.runs} runs, {new}.{gone} {place}"


def send_at_end(store: SessionManager, run_id: str, settings: AgentSettings, status: str) -> tuple[Sent | None, str]:
    """Send a run that just ended, and never raise: what was sent, and a sentence where it was not. Blocks.

    A run that was stopped or is parked goes on: it is sent when it ends.
    """
    destination = destination_of(settings)
    if destination is None or status not in ("finished", "failed") or not (destination.asked or is_installed()):
        return None, ""
    try:
        return send_run(store, run_id, settings, status=status, wait=WAIT), ""
    except RunError as error:
        return None, f"{error.given} {error.have} The run itself is whole. {error.try_}".strip()
    except Exception as error:  # a bug of ours in what is only a copy of the run
        return None, f"MLflow was not told of the run: {type(error).__name__}: {hide_secrets(str(error))[:200]}"


def send_run(
    store: SessionManager,
    run_id: str,
    settings: AgentSettings,
    *,
    status: str | None = None,
    wait: float = WAIT_ALONE,
) -> Sent | None:
    """Send what MLflow lacks of a run. Blocks.

    Parameters
    ----------
    store : SessionManager
        The run is read from it.
    run_id : str
        The run; its present branch is sent.
    settings : AgentSettings
        They say where to.
    status : str, optional
        In place of the one in the store.
    wait : float
        Seconds after which the sending is broken off. What was sent by then stays, and the next sending completes it.

    Returns
    -------
    Sent or None
        None when the run has nothing to show yet.

    Raises
    ------
    RunError
        ``run.tracking`` when no tracking URI is set, the package is missing, or MLflow refused, was not there, or
        took too long; ``run.unknown``.
    """
    row = store.read(run_id)
    destination = destination_of(settings)
    if destination is None:
        raise RunError("run.tracking", given=f"Run {run_id} was to be sent to MLflow.",
                       have="No tracking URI is set.",
                       try_="Set OMC_AGENT_MLFLOW_URI, such as http://localhost:5000.")  # fmt: skip
    if not is_installed():
        raise no_package(destination)
    branch = str(row["branch"])
    artifacts = [each for each in store.artifacts(run_id) if each["branch"] == branch]
    events = [told.event for told in store.story(run_id, branch)]
    scored = {str(e.candidate["name"]): e.at for e in events if isinstance(e, CandidateScored)}
    payload = payload_of(row, artifacts, scored, status=status)
    if payload is None:
        return None
    with _alone(Path(row["workspace"]), wait) as alone:
        if not alone:
            raise _not_sent(destination, run_id, "another process is sending it")
        said = _spoken(destination, payload, run_id, wait)
    return Sent(destination.shown, destination.experiment, said["experiment_id"], said["run_id"], said["runs"],
                said["written"], said["missing"])  # fmt: skip


def send_again(store: SessionManager, run_id: str, settings: AgentSettings) -> Sent:
    """Send a run because somebody asked for it, and remember where it is. Blocks.

    Raises
    ------
    RunError
        As in `send_run`; ``run.not_finished`` when there is nothing to send yet.
    """
    sent = send_run(store, run_id, settings)
    if sent is None:
        raise RunError("run.not_finished", given=f"Run {run_id} has nothing to send to MLflow.",
                       have="It has no candidate and no report yet.",
                       try_="Send it when it has come that far.")  # fmt: skip
    store.update(run_id, summary={**store.read(run_id)["summary"], "mlflow": sent.to_dict()})
    return sent


def _spoken(destination: Destination, payload: dict[str, Any], run_id: str, wait: float) -> dict[str, Any]:
    asked = json.dumps({"uri": destination.uri, "experiment": destination.experiment, "payload": payload})
    environment = {**_PATIENCE, **os.environ, "MLFLOW_TRACKING_URI": destination.uri}
    speaker = subprocess.Popen(
        [sys.executable, "-P", "-m", "omc_agent.tracking.speaker"], text=True, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = speaker.communicate(asked, timeout=wait)
    except subprocess.TimeoutExpired:
        raise _not_sent(destination, run_id, f"it took longer than {wait:g} s") from None
    finally:
        if speaker.poll() is None:
            speaker.kill()
            speaker.communicate()
    try:
        said: dict[str, Any] = json.loads(out)
    except ValueError:
        last = err.strip().splitlines()[-1:] or ["it gave no answer"]
        raise _not_sent(destination, run_id, last[0]) from None
    if "error" in said:
        raise _not_sent(destination, run_id, str(said["error"]))
    return said


def _not_sent(destination: Destination, run_id: str, why: str) -> RunError:
    said = hide_secrets(why.replace(destination.uri, destination.shown)).strip()
    if "MLFLOW_ALLOW_FILE_STORE" in said:
        said = "MLflow keeps no more runs in a folder; sqlite:///mlflow.db is a file that it takes"
    elif "Max retries exceeded" in said or "ConnectionError" in said:
        said = "the server cannot be reached"
    first = said.splitlines()[0][:300].rstrip(". ") if said else "it gave no reason"
    return RunError("run.tracking", given=f"Run {run_id} was not sent to MLflow at {destination.shown}.",
                    have=f"The reason: {first}.",
                    try_=f"omc-agent mlflow {run_id}, or %agent mlflow {run_id}, sends it.")  # fmt: skip


@contextlib.contextmanager
def _alone(folder: Path, wait: float) -> Iterator[bool]:
    """One sending of a run at a time on this machine: two would both find nothing there, and send all of it."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + wait
    with (folder / "mlflow.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= ends:
                    yield False
                    return
                time.sleep(0.1)
            else:
                yield True
                return
