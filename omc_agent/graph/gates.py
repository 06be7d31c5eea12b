"""When a person is asked, and what is taken when nobody is there.

Every question and every answer is written down, also the ones that the policy gave.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from langgraph.types import interrupt

from omc_agent.config import Gates
from omc_agent.events import Event, RequestDecided, RequestOpened

# Gates that have a safe default: the recommendation, or the default that was stated.
SAFE = frozenset({"clarification", "selection", "features", "models"})

Emit = Callable[[Event, str], Awaitable[None]]
Write = Callable[..., Awaitable[str]]


async def _walled() -> bool:
    return True


def make_ask(
    gates: Gates,
    emit: Emit,
    write: Write,
    *,
    walled: Callable[[], Awaitable[bool]] = _walled,
    asked: Collection[tuple[str, str, str]] = (),
) -> Callable[..., Awaitable[dict[str, Any]]]:
    """The `ask` of a run.

    Parameters
    ----------
    gates : Gates
        The policy, as it was when the run began.
    emit : callable
        ``await emit(event, key)``.
    write : callable
        ``await write(request_id, gate=, stage=, payload=, sha256=, decision=, decided_by=)``; returns the
        id of the row.
    walled : callable
        ``await walled()``: whether generated code is held by a wall. Where it is not, no policy runs it unasked.
    asked : collection of (gate, stage, sha256)
        What a person was asked before this process took the run up. It is asked again, so that the answer is heard:
        a policy or a tier that has changed since must not run what was rejected.
    """

    async def ask(
        *, gate: str, stage: str, question: str, payload: dict[str, Any], sha256: str, key: str
    ) -> dict[str, Any]:
        by = _policy(gates, gate, walled=gate != "code" or await walled())
        if (gate, stage, sha256) in asked:
            by = None
        if by is None:
            # LangGraph keeps the question; whoever drives the run writes its row before anyone is asked.
            return dict(
                interrupt({"gate": gate, "stage": stage, "question": question, "payload": payload, "sha256": sha256})
            )
        default = payload.get("default", "approve")
        decision = {"type": "approve", "value": payload.get("default")}
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        request_id = await write(
            name, gate=gate, stage=stage, payload=payload, sha256=sha256, decision=decision, decided_by=by
        )
        opened = RequestOpened(
            stage=stage,
            request_id=request_id,
            gate=gate,
            question=question,
            options=[str(option) for option in payload.get("options", [])],
            default=str(default),
        )
        await emit(opened, f"{key}:opened")
        decided = RequestDecided(
            stage=stage,
            request_id=request_id,
            gate=gate,
            decision=str(default),
            decided_by=by,
            why="the stated default",
        )
        await emit(decided, f"{key}:decided")
        return decision

    return ask


def _policy(gates: Gates, gate: str, *, walled: bool) -> str | None:
    """Who answers by policy; None when a person must."""
    if not walled and not gates.unsafe_local:
        return None
    if gates.approve == "never":
        return "policy: --approve never"
    if gate in SAFE:
        return "default"
    return None
