"""``/predict``: the scored model on rows that a client sends, in a process of its own that may crash and be ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from typing import Any, ClassVar

from pydantic import Field

from omc_agent.config import AgentSettings
from omc_agent.errors import RestError, RunError, error_from_dict
from omc_agent.server.base import AgentHandler
from omc_agent.server.bodies import Body

AT_ONCE = 2  # each takes some hundred MB
GRACE_SECONDS = 3.0
_places = asyncio.Semaphore(AT_ONCE)


class Rows(Body):
    """What is predicted: rows of a table, or bars, as objects of column to value."""

    rows: list[dict[str, Any]] = Field(min_length=1)


class PredictHandler(AgentHandler):
    """Predicts."""

    actions: ClassVar = {"POST": "execute"}
    bulk = 16

    async def post(self, name: str) -> None:
        """One prediction a row, with what is to be known of them."""
        row = await self.run(name)
        asked = self.body(Rows)
        if not (row["summary"] or {}).get("things", {}).get("verdict"):
            raise RunError("run.not_finished", given=f"Run {name} has no scored model.",
                           have=f"Its status is {row['status']}.",
                           try_="Predict with a run that ended with a verdict.")  # fmt: skip
        if _places.locked():
            raise RestError("rest.too_many", given="The server is predicting already.",
                            have=f"At most {AT_ONCE} predictions run at once.", try_="Wait a moment.")  # fmt: skip
        async with _places:
            self.give(await predict(name, asked.rows, self.desk.settings))


async def predict(run_id: str, rows: list[dict[str, Any]], settings: AgentSettings) -> dict[str, Any]:
    """The predictions of a run's model, made in a child of this Python that imports what they need.

    Raises
    ------
    AgentError
        What the child could not do; ``rest.slow`` after `rest_predict_wall` seconds.
    """
    given = {name: getattr(settings, name) for name in settings.trait_names(config=True)}
    defaults = AgentSettings()
    changed = {name: value for name, value in given.items() if value != getattr(defaults, name)}
    changed |= {"home": str(settings.resolved_home()), "database_url": settings.store_url(), "warm_spare": False}
    work = json.dumps({"run": run_id, "rows": rows, "settings": changed}).encode()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "omc_agent.server.prediction_child", stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        told, _ = await asyncio.wait_for(child.communicate(work), settings.rest_predict_wall)
    except TimeoutError:
        raise RestError("rest.slow", given="The rows were not predicted in time.",
                        have=f"The limit: {settings.rest_predict_wall:g} s.",
                        try_="Send fewer rows.") from None  # fmt: skip
    finally:
        await _end(child)
    return _answer(told, child.returncode)


def _answer(told: bytes, code: int | None) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(told)
    except ValueError:
        raise RestError("rest.not_ready", given="The predictions could not be made.",
                        have=f"Their process ended with code {code}.",
                        try_="omc-agent predict on this machine says more.") from None  # fmt: skip
    if "error" in found:
        raise error_from_dict(found["error"])
    return found


async def _end(child: asyncio.subprocess.Process) -> None:
    """Nothing of the child stays: an interrupt, and after a moment the end of its whole group."""
    for sent in (signal.SIGINT, signal.SIGKILL):
        if child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, sent)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), GRACE_SECONDS)
