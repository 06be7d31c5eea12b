"""What calls of chat models cost: a row a call, written before it is sent.

They are rows of a table and no events of the ledger, for three reasons. Money is summed over all runs of a store and
over all branches of a run, by day and by model, before each call: an index does that, a walk through JSON does not. A
row is written before the call and again after it, so that a process that dies in between loses no call; an event is
written once. And a day's sum must not sink because a run is deleted.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, case, func, select, update

from omc_agent.store.patience import called_at, patient
from omc_agent.store.rows import Row, Rows, fence, insert_or_ignore
from omc_agent.store.tables import AgentCall
from omc_agent.store.values import in_utc, short_key

SENT, ANSWERED, GUESSED, REFUSED, REMEMBERED = "sent", "answered", "guessed", "refused", "remembered"
"""Of a call: on its way, or its process died; usage told by the provider; answered without usage; refused with a
status, so not billed; answered by a cache, so not billed."""
BILLED = (SENT, ANSWERED, GUESSED)
ZERO: dict[str, float] = {"tokens_in": 0, "tokens_out": 0, "usd": 0.0, "calls": 0,
                          "cached": 0, "unpriced": 0, "guessed": 0}  # fmt: skip
_BY = {"day": AgentCall.day, "model": AgentCall.model, "stage": AgentCall.stage, "run": AgentCall.session_id}


@patient
class Calls:
    """Calls of chat models and their sums; a part of `SessionManager`."""

    engine: Engine

    def begin_call(self, run_id: str, branch: str, *, owner: str | None = None, **values: Any) -> None:
        """Write a call before it is sent, with what it is thought to cost.

        Raises
        ------
        LeaseLost
            With `owner`, when another process drives the run: then nothing may be sent.
        """
        at = in_utc(values.pop("at", None) or called_at())
        row = {"session_id": run_id, "branch": branch, "status": SENT, "at": at, "day": f"{at:%Y-%m-%d}", **values}
        row["model"] = short_key(str(row.get("model", "")), 128)
        with self.engine.begin() as db:
            fence(db, run_id, owner)
            insert_or_ignore(db, AgentCall, row)

    def end_call(self, key: str, **values: Any) -> None:
        """Write what a call did cost. No owner is asked for: it has been paid, whoever drives the run by now."""
        with self.engine.begin() as db:
            db.execute(update(AgentCall).where(AgentCall.key == key).values(**values))

    def calls(self, run_id: str) -> Rows:
        """All calls of a run, of all its branches, in order."""
        query = select(AgentCall.__table__).where(AgentCall.session_id == run_id).order_by(AgentCall.id)
        with self.engine.connect() as db:
            return [dict(row) for row in db.execute(query).mappings()]

    def cost_of(self, run_id: str) -> dict[str, float]:
        """What a run cost so far: ``tokens_in, tokens_out, usd, calls, cached, unpriced, guessed``.

        `usd` is of the calls whose price is known, `unpriced` counts the others; `guessed` counts those whose usage
        nobody told.
        """
        found = self.costs((), run_id=run_id)
        return found[0] if found else dict(ZERO)

    def costs(self, by: tuple[str, ...], *, run_id: str | None = None) -> list[dict[str, Any]]:
        """Sums of calls by `day` (UTC, of the call), `model`, `stage` and `run`, in the order of the first call."""
        groups = [_BY[name].label(name) for name in by]
        query = select(*groups, *_SUMS).where(AgentCall.status.in_(BILLED))
        if run_id is not None:
            query = query.where(AgentCall.session_id == run_id)
        query = query.group_by(*groups).order_by(func.min(AgentCall.id))
        with self.engine.connect() as db:
            return [_plain(dict(row)) for row in db.execute(query).mappings() if row["calls"]]

    def spent_on(self, day: str) -> float:
        """US dollars of all calls of all runs of one day, ``YYYY-MM-DD`` in UTC."""
        query = select(func.sum(AgentCall.usd)).where(AgentCall.day == day, AgentCall.status.in_(BILLED))
        with self.engine.connect() as db:
            return float(db.scalar(query) or 0.0)


_SUMS = (
    func.sum(AgentCall.tokens_in).label("tokens_in"),
    func.sum(AgentCall.tokens_out).label("tokens_out"),
    func.sum(AgentCall.usd).label("usd"),
    func.count().label("calls"),
    func.sum(AgentCall.cached).label("cached"),
    func.sum(case((AgentCall.usd.is_(None), 1), else_=0)).label("unpriced"),
    func.sum(case((AgentCall.status != ANSWERED, 1), else_=0)).label("guessed"),
)


def _plain(row: Row) -> Row:
    """Integers and one float: a database may sum whole numbers as decimals."""
    sums = {name: int(row[name] or 0) for name in ZERO if name != "usd"}
    return {**row, **sums, "usd": float(row["usd"] or 0.0)}
