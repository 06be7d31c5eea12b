"""``/sessions``, ``/sessions/{id}`` and ``/queue``: runs are started, listed, read and removed."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Literal

from jupyter_core.utils import ensure_async
from jupyter_server.utils import url_path_join
from pydantic import Field

from omc_agent.server.base import AgentHandler, Row
from omc_agent.server.beginning import Beginning, check_frames, check_text, given_flags, plain_names
from omc_agent.server.bodies import Query, fitted, read_json
from omc_agent.server.failures import conflict, forbidden
from omc_agent.server.kernels import no_kernel
from omc_agent.server.shapes import session_shape, settings_shape

PAGE = 200  # rows that are read at once where an Authorizer looks at each


class ListQuery(Query):
    """Which runs."""

    status: Literal["queued", "running", "awaiting_user", "finished", "failed", "stopped", "parked"] | None = None
    goal: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000)
    since: datetime | None = None
    until: datetime | None = None


class SessionsHandler(AgentHandler):
    """All runs."""

    actions: ClassVar = {"POST": "execute"}

    async def get(self) -> None:
        """Runs, newest first; those that this user may read."""
        asked = self.query(ListQuery)
        found = await self._visible(asked, asked.offset + asked.limit + 1)
        page = found[asked.offset : asked.offset + asked.limit]
        more = len(found) > asked.offset + asked.limit
        self.give({"sessions": [session_shape(row) for row in page], "more": more})

    async def post(self) -> None:
        """Begin a run, in a kernel of its own or in the one that is named."""
        asked: Any = fitted(Beginning, plain_names(read_json(self.request.body)), "request")
        check_text(asked.goal, "goal", self.desk.settings.rest_goal)
        check_frames(asked.data, asked.kernel_id)
        flags = given_flags(asked, self.desk.settings)
        flags |= {name: value for name in ("data", "id", "follow", "plan", "out") if (value := getattr(asked, name))}
        starter = self.desk.who_starts()
        await self._check_kernel(asked.kernel_id)
        if asked.follow:
            await self.readable(asked.follow)
        if asked.id and await self.ask(lambda store: bool(_row_of(store, asked.id))):
            raise conflict(f"There is a run {asked.id} already.", "An id names one run.",
                           "Leave id out, or choose another.")  # fmt: skip
        row = await starter.start(asked.goal, flags, asked.kernel_id, self.user_name)
        self.set_header("Location", url_path_join(self.base_url, "/api/v1/lab/agent/sessions", str(row["id"])))
        self.give({"id": row["id"], "status": row["status"]}, 201)

    async def _check_kernel(self, kernel_id: str | None) -> None:
        if kernel_id is None:
            return
        may = self.authorizer.is_authorized(self, self.current_user, "execute", "kernels")
        if not await ensure_async(may):
            raise forbidden("This user may not execute kernels.")
        if kernel_id not in self.kernel_manager:
            raise no_kernel(f"There is no kernel {kernel_id!r}.", "A run lives in a kernel of this server.",
                            "GET /api/kernels lists them; without kernel_id it gets its own.")  # fmt: skip

    async def _visible(self, asked: ListQuery, most: int) -> list[Row]:
        found: list[Row] = []
        read = 0
        while len(found) < most:
            rows = await self.ask(partial(_page, asked, read))
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
        more = await self.ask(partial(_more_of, name))
        if row["status"] == "queued" and self.desk.starter is not None:
            more["position"] = await self.desk.starter.position(name)
        self.give({**session_shape(row), **more, "settings": settings_shape(row)})

    async def delete(self, name: str) -> None:
        """Remove it with its files; not while somebody drives it."""
        row = await self.run(name)
        if row["status"] == "queued" and self.desk.starter is not None:
            await self.desk.starter.leave(name)  # one that is begun already is driven, and refused below
        if await self.is_driven(name):
            raise conflict(f"Run {name} is at work.", "What it writes would come back.", "Stop it first.")
        await self.ask(lambda store: store.delete(name))
        if self.desk.starter is not None:
            await self.desk.starter.forget(name)
        self.set_status(204)
        self.finish()


class QueueHandler(AgentHandler):
    """Runs that wait for a place."""

    async def get(self) -> None:
        """The next first."""
        seen = await self.desk.who_starts().queue()
        for each in (*seen["running"], *seen["queue"]):
            if not await self.may("read", {"id": each["id"], "user_id": each["user"]}):
                each |= {"id": None, "user": None}  # that somebody is there is seen, and not who
        self.give(seen)


def _page(asked: ListQuery, offset: int, store: Any) -> list[Row]:
    return list(store.list(status=asked.status, goal=asked.goal, since=asked.since, until=asked.until, limit=PAGE,
                           offset=offset))  # fmt: skip


def _more_of(name: str, store: Any) -> Row:
    from omc_agent.store.leases import Leases

    return {
        "driven": Leases(store.engine).holder(name) is not None,
        "open_requests": [each["id"] for each in store.requests(name)],
        "branches": store.branches(name),
        "kernel_id": (store.read(name)["settings"] or {}).get("kernel_id"),
    }


def _row_of(store: Any, name: str) -> Row | None:
    from omc_agent.errors import RunError

    try:
        return dict(store.read(name))
    except RunError:
        return None
