"""What the offline model does next, from the bound tools, the facts and the results so far.

Moves that were made are kept; the first one that a stage still owes is next. A child that died is tried again; any
other failure ends the stage, for fixed rules have no second idea; but a candidate that fails is left, and the others
go on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from omc_agent.llm.listening import listen
from omc_agent.llm.moves import STAGES
from omc_agent.llm.situation import SCORE, Move, Situation, is_lost

MAX_RETRIES = 2


def next_move(tools: tuple[str, ...], situation: Situation) -> Move:
    """The next move; the bound tools name the stage.

    Parameters
    ----------
    tools : tuple of str
        Names of the bound tools.
    situation : Situation
        Facts, results, and what was said.
    """
    found = next((row for row in STAGES if row[0] in tools), None)
    if found is None:
        return Move("There is no rule for these tools.")
    if again := _once_more(situation.results):
        return again
    failed = next((r for r in _without_retried(situation.results) if not r["ok"] and not _left(r)), None)
    if failed is not None:
        return Move(f"{failed['tool']} failed and there is no rule for another way.")
    now, answers = listen(situation, found[1])
    made = {Move("", r["tool"], r["args"]).what for r in situation.results if r["ok"] or _left(r)}
    move = next((move for move in found[2](now) if move.what not in made), Move(""))
    return replace(move, reason=" ".join([*answers, move.reason]).strip())


def _left(result: dict[str, Any]) -> bool:
    """Whether it is a candidate that could not be scored: that says nothing about the others."""
    return bool(result["tool"] == SCORE and not result["ok"] and not is_lost(result))


def _once_more(results: list[dict[str, Any]]) -> Move | None:
    if not results or not is_lost(results[-1]) or sum(map(is_lost, results)) > MAX_RETRIES:
        return None
    tool, args = results[-1]["tool"], results[-1]["args"]
    return Move(f"The child kernel died under {tool}; call it once more, with the same arguments.", tool, args)


def _without_retried(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results without the failed attempts that were made again."""
    return [result for k, result in enumerate(results) if k == len(results) - 1 or not is_lost(result)]
