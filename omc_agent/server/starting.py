"""`Starter`: brings runs into kernels, as many at a time as may be; the others wait in the store's line.

It holds nothing that would be missed: rows say who waits and who has a place, and another server, or this one when it
comes up again, goes on from there. What is only here are passwords, which are kept nowhere, and which kernels are its
own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omc_agent import endings
from omc_agent.config import AgentSettings, settings_with
from omc_agent.errors import AgentError, GoalError, RestError, error_from_dict
from omc_agent.secrecy import hide_secrets, refuse_secrets
from omc_agent.server.desk import Desk
from omc_agent.server.failures import conflict
from omc_agent.server.kernels import START_SECONDS, Kernels, no_kernel
from omc_agent.server.line import Line
from omc_agent.server.lookout import Lookout, ended
from omc_agent.server.orders import Order, order_of, secrets_of

if TYPE_CHECKING:
    from omc_agent.branching import Turn
    from omc_agent.store.queue import Place
    from omc_agent.store.records import Row, SessionManager


class Starter:
    """Starts runs in kernels of this server.

    Parameters
    ----------
    desk : Desk
        Settings and store.
    kernels : Kernels
        Of the server.
    log : Logger
        Of the server.
    """

    def __init__(self, desk: Desk, kernels: Kernels, log: logging.Logger) -> None:
        self.desk, self.kernels, self._log = desk, kernels, log
        self.line = Line(desk)
        self.lookout = Lookout(self.line, kernels, self._begin, keep_kernel=desk.settings.keep_kernel, log=log)
        self._secrets: dict[str, dict[str, str]] = {}

    def begin(self) -> None:
        """Begin to look after the line; called on the server's loop."""
        self.lookout.begin()

    async def close(self) -> None:
        """Stop that; what waits stays in the line."""
        await self.lookout.close()

    # -- what routes ask for ----------------------------------------------------------------------

    async def start(self, goal: str, flags: Mapping[str, Any], kernel_id: str | None, user: str) -> Row:
        """Create the run's row, and start it in a kernel or leave it in the line.

        Parameters
        ----------
        goal : str
            One sentence. ``{name}`` is filled from the kernel, where one is named.
        flags : mapping
            The magic's flags by name, as `omc_agent.server.orders.order_of` reads them.
        kernel_id : str, optional
            A kernel of this server to run in; without it one is started.
        user : str
            Whose run it is.

        Returns
        -------
        Row
            Of the run; its status is ``queued``, also when its kernel is on its way.

        Raises
        ------
        AgentError
            What the magic would say of such a goal, or such flags; ``run.no_kernel`` for a kernel that is not here;
            ``rest.too_many`` when the line is full.
        """
        if not goal.strip():
            raise GoalError("goal.empty", given="The goal is empty.", have="A goal is one sentence.",
                            try_="For example: Predict whether BTC rises over the next hour.")  # fmt: skip
        self._check_kernel(kernel_id)
        order = order_of(flags, kernel_id)
        if order.data and not kernel_id:
            raise conflict("data names variables, and the run has a kernel of its own.", "Nothing is in it.",
                           "Name the kernel that holds them as kernel_id, or a database as db.")  # fmt: skip
        await self._check_room()
        settings = settings_with(self.desk.settings, **order.settings)
        row = await self.desk.ask(lambda store: _draft(store, goal, settings, order, user))
        order.settings = secrets_of(order.settings)  # the row has the others
        return await self._put(str(row["id"]), order, user)

    async def go_on(self, run_id: str, flags: Mapping[str, Any], turn: Turn | None, user: str) -> Row:
        """Go on with a run that nobody drives; with `turn` from a stage, on a branch of its own.

        One that is driven or queued already is left to it (a turn is sent there), and one that is finished is
        returned as it is, unless there is a turn. It goes on in the kernel that it had, or that is named in `flags`,
        else in a new one.
        """
        order = order_of(flags, flags.get("kernel_id"))
        self._check_kernel(order.kernel_id)
        refuse_secrets(json.dumps(order.kept), "A setting")
        settings_with(self.desk.settings, **order.settings)
        row, driven = await self.desk.ask(lambda store: _read_or_send(store, run_id, turn))
        if driven or (row["status"] == "finished" and turn is None):
            return row
        await self._check_room()
        order.turn = None if turn is None else {"stage": turn.stage, "overrides": turn.overrides, "by": turn.by}
        return await self._put(run_id, order, user)

    async def queue(self) -> dict[str, Any]:
        """Who has a place and who waits, over all servers of the store.

        Returns
        -------
        dict
            ``limit``; ``running`` and ``queue``, lists of ``{id, user, status, position}``: the next one has
            position 1, who has a place has 0.
        """
        seen = [place for place in await self.line.ask(lambda queue: queue.look()) if place.alive or place.waits]
        line = [place.run_id for place in seen if place.waits]
        told = [{"id": place.run_id, "user": place.user, "status": place.status,
                 "position": line.index(place.run_id) + 1 if place.waits else 0} for place in seen]  # fmt: skip
        return {
            "limit": self.line.limit,
            "running": [each for each in told if not each["position"]],
            "queue": [each for each in told if each["position"]],
        }

    async def position(self, run_id: str) -> int:
        """The place of a run among those that wait, from 1; 0 for one that does not."""
        waiting = (await self.queue())["queue"]
        return next((each["position"] for each in waiting if each["id"] == run_id), 0)

    async def leave(self, run_id: str) -> bool:
        """Take a run out of the line; False when it is in none, or its engine drives it already."""
        event = ended("stopped", endings.stopped(run_id))
        if not await self.line.ask(lambda queue: queue.leave(run_id, event)):
            return False
        self._secrets.pop(run_id, None)
        self.lookout.give_up(run_id)
        return True

    async def forget(self, run_id: str) -> None:
        """A run is removed: end the kernel that was started for it."""
        self._secrets.pop(run_id, None)
        self.lookout.give_up(run_id)
        await self.kernels.end(run_id)

    # -- in a kernel ------------------------------------------------------------------------------

    async def _begin(self, place: Place) -> None:
        """Find or start the kernel, and have it begin the run; what goes wrong ends the run, with its reason."""
        run_id = place.run_id
        try:
            order = Order.read(place.order or {})
            kernel_id = await self._kernel_for(run_id, order)
            code = await self.desk.ask(lambda store: self._code(store, run_id, order, kernel_id))
            own = self.kernels.of(run_id) == kernel_id
            await self.kernels.execute(kernel_id, code, seconds=START_SECONDS if own else None)
            self._secrets.pop(run_id, None)
        except AgentError as problem:
            await self._fail(run_id, problem)
        except Exception as problem:
            self._log.exception("omc_agent: run %s was not begun", run_id)
            await self._fail(run_id, no_kernel(f"The run could not be begun: {type(problem).__name__}.",
                                               "The server's log says more."))  # fmt: skip

    async def _fail(self, run_id: str, problem: AgentError) -> None:
        told = error_from_dict({name: hide_secrets(text) for name, text in problem.to_dict().items()})
        self._log.warning("omc_agent: run %s was not begun. %s", run_id, told.line())
        await self.line.ask(lambda queue: queue.leave(run_id, ended("failed", told)))

    async def _kernel_for(self, run_id: str, order: Order) -> str:
        """The kernel that is named, that the run has, or that it had while it is there; else a new one."""
        if order.kernel_id:
            self._check_kernel(order.kernel_id)
            return order.kernel_id
        had = str(await self.desk.ask(lambda store: store.read(run_id)["settings"].get("kernel_id") or ""))
        if self.kernels.has(had):
            return had
        return self.kernels.of(run_id) or await self.kernels.start(run_id)

    def _code(self, store: SessionManager, run_id: str, order: Order, kernel_id: str) -> str:
        """What the kernel executes. It may hold a password, so it is executed unseen."""
        settings, secrets = self.desk.settings, self._secrets.get(run_id, {})
        kept = store.read(run_id)["settings"]
        if "***" in str(kept.get("db")) and "db" not in {**secrets, **order.kept}:
            raise no_kernel("The password of the run's database is kept nowhere, and has to be said again.",
                            "The server that was told it has ended.",
                            "POST /sessions/{id}/continue with db; or give the database a name.")  # fmt: skip
        store.update(run_id, settings={**kept, "kernel_id": kernel_id})
        named = {"databases": dict(settings.databases)} if settings.databases else {}
        text = json.dumps({
            "id": run_id, "owner": self.line.owner, "given": {**named, **order.kept, **secrets}, "data": order.data,
            "out": order.out, "plan": order.plan, "turn": order.turn, "fill": bool(order.kernel_id),
            "own": self.kernels.of(run_id) == kernel_id,
            "store": {"home": str(settings.resolved_home()), "database_url": settings.store_url()},
        })  # fmt: skip
        return f"import json, omc_agent.beginning\nomc_agent.beginning.begin(get_ipython(), json.loads({text!r}))"

    # -- checks -----------------------------------------------------------------------------------

    async def _put(self, run_id: str, order: Order, user: str) -> Row:
        if secrets := secrets_of(order.settings):
            self._secrets[run_id] = secrets
        kept = {**order.written(), "server": self.line.here}
        if not await self.line.ask(lambda queue: queue.put(run_id, kept, user=user)):
            raise conflict(f"Run {run_id} is driven, or in the line already.", "One run has one engine.",
                           f"GET /sessions/{run_id} shows what it does.")  # fmt: skip
        self.lookout.wake()
        return dict(await self.desk.ask(lambda store: store.read(run_id)))

    async def _check_room(self) -> None:
        waiting = len((await self.queue())["queue"])
        if waiting >= self.desk.settings.max_queue:
            raise RestError("rest.too_many", given="No more runs can wait.",
                            have=f"{waiting} wait already (AgentSettings.max_queue).",
                            try_="Send it again when some have begun; GET /queue shows them.")  # fmt: skip

    def _check_kernel(self, kernel_id: str | None) -> None:
        if kernel_id is not None and not self.kernels.has(kernel_id):
            raise no_kernel(f"There is no kernel {kernel_id[:40]!r}.", "It is none of this server's, or has ended.",
                            "GET /api/kernels lists them; without kernel_id one is started.")  # fmt: skip


def _draft(store: SessionManager, goal: str, settings: AgentSettings, order: Order, user: str) -> Row:
    from omc_agent.drafting import draft  # in a thread, and only when it is needed: it imports for a second

    folder = settings.resolved_home() / "runs"
    return draft(store, folder, goal, settings=settings, session_id=order.id, follow=order.follow, status="queued",
                 user=user)[1]  # fmt: skip


def _read_or_send(store: SessionManager, run_id: str, turn: Turn | None) -> tuple[Row, bool]:
    """The row, and whether somebody drives the run; a turn is sent to them."""
    from omc_agent.store.leases import Leases

    row = store.read(run_id)
    driven = Leases(store.engine).holder(run_id) is not None
    if driven and turn is not None:
        store.send(run_id, "restart", {"stage": turn.stage, "overrides": turn.overrides}, sent_by=turn.by)
    return row, driven
