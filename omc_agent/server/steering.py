"""``/respond``, ``/continue``, ``/say``, ``/stop``, ``/override``, ``/restart``: a run in the hands of a client.

All go through the store, as a button in the notebook does: whoever drives the run reads it there.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field

from omc_agent.errors import RunError, UsageError
from omc_agent.server.base import AgentHandler, Row
from omc_agent.server.beginning import Flags, check_text, given_flags, plain_names
from omc_agent.server.bodies import Body, fitted, read_json
from omc_agent.server.failures import conflict
from omc_agent.server.shapes import request_shape

_REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
OVER = ("finished", "failed", "stopped", "parked")


class Answer(Body):
    """A decision."""

    decision: Literal["approve", "reject", "answer", "edit"]
    request: str | None = None
    value: Any = None
    why: str = ""
    code: str | None = None
    plan: list[dict[str, Any]] | None = None
    rest: bool = False
    sha256: str = Field("", max_length=64)


class Words(Body):
    """What is said to a run."""

    text: str


class Changes(Body):
    """What is to be otherwise, and from where on."""

    changes: dict[str, Any] = Field(default_factory=dict, max_length=50)
    stage: str | None = None


class RespondHandler(AgentHandler):
    """Answers a question; the first answer holds."""

    actions: ClassVar = {"POST": "execute"}

    async def post(self, name: str) -> None:
        """The same answer again is harmless, another one is a conflict."""
        await self.run(name)
        answer = self.body(Answer)
        by = f"{self.user_name}, REST"
        row, first, words, decided_by = await self.ask(partial(_decide, name, answer, by))
        driven = await self.is_driven(name)
        self.give({"request": request_shape(row), "first": first, "words": words, "by": decided_by, "driven": driven})


class ContinueHandler(AgentHandler):
    """Goes on with a run that is parked, stopped, or whose process died."""

    actions: ClassVar = {"POST": "execute"}

    async def post(self, name: str) -> None:
        """A run that somebody drives is left to them."""
        row = await self.run(name)
        asked = fitted(Flags, plain_names(read_json(self.request.body)), "request")
        flags = given_flags(asked, self.desk.settings)
        if row["status"] == "finished":
            raise conflict(f"Run {name} is finished.", "There is nothing left to do.",
                           "/restart does it again from a stage.")  # fmt: skip
        if await self.is_driven(name):
            self.give({"id": name, "status": row["status"], "driven": True})
            return
        row = await self.desk.who_starts().go_on(name, flags, None, self.user_name)
        self.give({"id": name, "status": row["status"], "driven": False}, 202)


class SayHandler(AgentHandler):
    """Tells the agent something; it reads that before its next step."""

    async def post(self, name: str) -> None:
        """Into the inbox."""
        row = await self.run(name)
        text = self.body(Words).text
        check_text(text, "text", self.desk.settings.rest_goal)
        await self.ask(lambda store: store.send(name, "say", {"text": text}, sent_by=self.user_name))
        self.give({"id": name, "status": row["status"], "driven": await self.is_driven(name)}, 202)


class StopHandler(AgentHandler):
    """Stops a run, or takes it out of the queue."""

    async def post(self, name: str) -> None:
        """A run that is over stays as it is."""
        row = await self.run(name)
        self.body(Body)
        driven = await self.is_driven(name)
        if not driven and row["status"] not in (*OVER, "queued"):
            raise conflict(f"Nobody drives run {name}.", f"Its process is gone; its status is still {row['status']}.",
                           "/continue goes on with it, DELETE removes it.")  # fmt: skip
        if row["status"] == "queued" and await self.desk.who_starts().leave(name):
            row, driven = await self.run(name), False
        if driven:
            await self.ask(lambda store: store.send(name, "stop", {}, sent_by=self.user_name))
        self.give({"id": name, "status": row["status"], "driven": driven}, 202 if driven else 200)


class OverrideHandler(AgentHandler):
    """Changes something; what it touches is done again."""

    actions: ClassVar = {"POST": "execute"}
    kind: ClassVar[str] = "override"

    async def post(self, name: str) -> None:
        """By whoever drives the run, else in a kernel."""
        from omc_agent.overrides import checked
        from omc_agent.turning import turn_of

        row = await self.run(name)
        asked = self.body(Changes)
        if self.kind == "restart" and asked.stage is None:
            raise UsageError("usage.flag", given="The request lacks stage.", have="A restart begins at a stage.",
                             try_="Name one, or use /override.")  # fmt: skip
        if self.kind == "override" and asked.stage is not None:
            raise UsageError("usage.flag", given="An override finds its stage itself.", have="It takes changes.",
                             try_="/restart begins at a stage that you name.")  # fmt: skip
        turn = turn_of(asked.stage, checked(asked.changes), self.user_name)
        if await self.is_driven(name):
            payload: Row = {"overrides": turn.overrides}
            payload |= {"stage": turn.stage} if self.kind == "restart" else {}
            await self.ask(lambda store: store.send(name, self.kind, payload, sent_by=turn.by))
            self.give({"id": name, "status": row["status"], "stage": turn.stage, "driven": True}, 202)
            return
        row = await self.desk.who_starts().go_on(name, {}, turn, self.user_name)
        self.give({"id": name, "status": row["status"], "stage": turn.stage, "driven": False}, 202)


class RestartHandler(OverrideHandler):
    """Does it again from a stage, on a branch of its own."""

    kind = "restart"


def _decide(run_id: str, answer: Answer, by: str, store: Any) -> tuple[Row, bool, str, str]:
    from omc_agent.deciding import decide, is_same

    row = _asked(run_id, answer.request, store)
    decision = _decision(answer)
    done = decide(store, row["id"], decision, by)
    if not done.first and (done.request["status"] != "decided" or not is_same(store, done.request, decision)):
        raise conflict(f"Request {row['id']} is not open any more.", f"It was decided: {done.words}, by {done.by}.",
                       "GET /requests?status=all shows what was decided.")  # fmt: skip
    return done.request, done.first, done.words, done.by


def _asked(run_id: str, name: str | None, store: Any) -> Row:
    """The row of the question; without a name the one that is open."""
    waiting = store.requests(run_id)
    if name is None and len(waiting) == 1:
        return dict(waiting[0])
    found = store.request(name) if name is not None and _REQUEST_ID.fullmatch(name) else None
    if found is not None and found["session_id"] == run_id:
        return dict(found)
    given = f"Run {run_id} asks nothing of the id {name[:40]!r}." if name else f"Run {run_id} has no single question."
    raise RunError("run.no_request", given=given,
                   have=f"Open requests: {', '.join(row['id'] for row in waiting) or 'none'}.",
                   try_="Name one of them as request.")  # fmt: skip


def _decision(answer: Answer) -> Any:
    from omc_agent.request import Decision

    if answer.decision == "answer" and answer.value in (None, ""):
        raise UsageError("usage.flag", given="An answer needs a value.", have="The run still waits.",
                         try_="Give value.")  # fmt: skip
    kind = answer.decision if answer.decision in ("reject", "edit") else "approve"
    why = answer.why or (str(answer.value) if kind == "reject" and answer.value else "")
    return Decision(type=kind, value=answer.value if kind != "reject" else None, why=why, code=answer.code,
                    plan=answer.plan, rest=answer.rest, sha256=answer.sha256)  # fmt: skip
