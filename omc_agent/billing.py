"""What is shown of costs: sums by day, model and run; of one run by stage, model and call."""

from __future__ import annotations

from typing import Any

from omc_agent.llm.prices import is_free, price_table
from omc_agent.store.calls import BILLED
from omc_agent.store.records import Row, SessionManager

SUMS = ("calls", "tokens_in", "cached", "tokens_out", "usd", "unpriced", "guessed")


def cost_of_run(store: SessionManager, run_id: str) -> dict[str, Any]:
    """What a run cost over all its branches: the sums, and the same ``by_stage`` and ``by_model``."""
    return {
        **store.cost_of(run_id),
        "by_stage": {row["stage"]: _sums(row) for row in store.costs(("stage",), run_id=run_id)},
        "by_model": {row["model"]: _sums(row) for row in store.costs(("model",), run_id=run_id)},
    }


def bill_of(store: SessionManager, run_id: str | None = None) -> dict[str, Any]:
    """The sums that ``cost`` shows, as plain JSON.

    Parameters
    ----------
    store : SessionManager
        Whose runs.
    run_id : str, optional
        Only this run, all its branches.

    Returns
    -------
    dict
        `run`, `prices` (which table), `total`; then `days`, `models` and `runs`, or for one run `stages`, `models`
        and `calls`. Each row has what it is of, and ``calls, tokens_in, cached, tokens_out, usd, unpriced, guessed``;
        `usd` is None where no price is known, and `free` says that it costs nothing. Days are those of the calls, in
        UTC.
    """
    everything = store.costs((), run_id=run_id)
    models = [_shown(row) for row in store.costs(("model",), run_id=run_id)]
    total = {**_shown(everything[0]), "free": all(row["free"] for row in models)} if everything else None
    bill: dict[str, Any] = {"run": run_id, "prices": price_table(), "total": total}
    if run_id is not None:
        return {
            **bill,
            "stages": [_shown(row) for row in store.costs(("stage",), run_id=run_id)],
            "models": models,
            "calls": [_call(row) for row in store.calls(run_id)],
        }
    goals = {row["id"]: " ".join(row["goal"].split()) for row in store.list(limit=10_000)}
    runs = [{**_shown(row), "goal": goals.get(row["run"], "")} for row in store.costs(("run",))]
    return {
        **bill,
        "days": [_shown(row) for row in store.costs(("day",))][::-1],
        "models": models,
        "runs": runs[::-1],
    }


def _sums(row: Row) -> Row:
    return {name: row[name] for name in SUMS}


def _shown(row: Row) -> Row:
    named: Row = {name: row[name] for name in ("day", "model", "stage", "run") if name in row}
    usd = None if row["unpriced"] == row["calls"] else row["usd"]
    return {**named, **_sums(row), "usd": usd, "free": "model" in row and is_free(row["model"])}


def _call(row: Row) -> Row:
    """One call; what was not billed counts as nothing."""
    names = ("stage", "model", "status", "tokens_in", "cached", "written", "tokens_out", "reasoning", "seconds")
    billed = row["status"] in BILLED
    return {
        "at": f"{row['at']:%Y-%m-%dT%H:%M:%SZ}",
        **{name: row[name] for name in names},
        "usd": row["usd"] if billed else 0.0,
        "free": is_free(row["model"]),
    }
