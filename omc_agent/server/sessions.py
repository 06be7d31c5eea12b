"""``/sessions`` and ``/sessions/{id}``: runs are listed, read, started and removed."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import Field

from omc_agent.server.base import AgentHandler, Row
from omc_agent.server.bodies import Query
from omc_agent.server.shapes import session_shape, settings_shape

PAGE = 200  # rows that are read at once where an Authorizer looks at each


class ListQuery(Query):
    """Which runs."""

    status: str | None = Field(None, max_length=40)
    goal: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000)


class SessionsHandler(AgentHandler):
    """All runs."""

    async def get(self) -> None:
        """Runs, newest first; those that this user may read."""
        asked = self.query(ListQuery)
        found = await self._visible(asked, asked.offset + asked.limit + 1)
        page = found[asked.offset : asked.offset + asked.limit]
        more = len(found) > asked.offset + asked.limit
        self.give({"sessions": [session_shape(row) for row in page], "more": more})

    async def _visible(self, asked: ListQuery, most: int) -> list[Row]:
        found: list[Row] = []
        read = 0
        while len(found) < most:
            look = partial(_page, asked, read)
            rows = await self.ask(look)
            found += [row for row in rows if await self.may("read", row)]
            read += len(rows)
            if len(rows) < PAGE:
                break
        return found


class SessionHandler(AgentHandler):
    """One run."""

    async def get(self, name: str) -> None:
        """Where it stands, and what it began with."""
        row = await self.run(name)

        def look(store: Any) -> Row:
            from omc_agent.store.leases import Leases

            return {
                "driven": Leases(store.engine).holder(name) is not None,
                "open_requests": [each["id"] for each in store.requests(name)],
                "branches": store.branches(name),
            }

        self.give({**session_shape(row), **await self.ask(look), "settings": settings_shape(row)})


def _page(asked: ListQuery, offset: int, store: Any) -> list[Row]:
    return list(store.list(status=asked.status, goal=asked.goal, limit=PAGE, offset=offset))
