"""``/messages``, ``/requests`` and ``/results``: what a run told, what it asks, what it came to."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from pydantic import Field

from omc_agent.server.base import AgentHandler, Row
from omc_agent.server.bodies import Query
from omc_agent.server.shapes import moment, request_shape

BRANCH = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$"


class MessagesQuery(Query):
    """Which part of the ledger."""

    after_seq: int = Field(0, ge=0, le=2**31 - 1)
    limit: int = Field(200, ge=1, le=1000)
    branch: str | None = Field(None, pattern=BRANCH)


class RequestsQuery(Query):
    """Which questions."""

    status: Literal["open", "decided", "withdrawn", "all"] = "open"
    branch: str | None = Field(None, pattern=BRANCH)


class MessagesHandler(AgentHandler):
    """The ledger."""

    async def get(self, name: str) -> None:
        """Its rows after a number, in order."""
        await self.run(name)
        asked = self.query(MessagesQuery)
        rows = await self.ask(
            lambda store: store.told(name, after_seq=asked.after_seq, limit=asked.limit + 1, branch=asked.branch)
        )
        page = rows[: asked.limit]
        last = page[-1]["seq"] if page else asked.after_seq
        told = [message_shape(row) for row in page]
        self.give({"messages": told, "after_seq": last, "more": len(rows) > asked.limit})


class RequestsHandler(AgentHandler):
    """Clarifications, gates and choices."""

    async def get(self, name: str) -> None:
        """Those that wait for an answer, or others by their status."""
        await self.run(name)
        asked = self.query(RequestsQuery)
        status = None if asked.status == "all" else asked.status
        rows = await self.ask(lambda store: store.requests(name, status=status, branch=asked.branch))
        self.give({"requests": [request_shape(row) for row in rows]})


class ResultsHandler(AgentHandler):
    """What ``omc-agent run --json`` prints."""

    async def get(self, name: str) -> None:
        """As far as it got."""
        self.give(await self.ask(partial(_outcome, await self.run(name))))


def message_shape(row: Row) -> Row:
    """A row of the ledger as REST and streams tell it: `metadata` are all fields of the event."""
    names = ("seq", "branch", "stage", "role", "kind", "content")
    return {**{name: row[name] for name in names}, "at": moment(row["at"]), "metadata": row["fields"]}


def _outcome(row: Row, store: Any) -> Row:
    from omc_agent.outcome import outcome_of

    return outcome_of(store, row)
