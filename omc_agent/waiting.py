"""Where a run waits for people: each question is written down first, then answered by whoever comes first.

Widget, magic, command line and REST write to the same row; this room only looks at it. Human time is on no model's
clock.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from typing import Any

from omc_agent.config import Gates
from omc_agent.events import RequestDecided, RequestOpened
from omc_agent.graph.gates import opened, unanswered
from omc_agent.ledger import Ledger
from omc_agent.request import Decision, Request, words_of
from omc_agent.store.records import Row, SessionManager

LOOK_SECONDS = 0.1


class WaitingRoom:
    """The open questions of one branch of a run.

    Parameters
    ----------
    store : SessionManager
        Where they are written.
    ledger : Ledger
        Where they are told; its run, branch and owner are those of the questions.
    gates : Gates
        Whether somebody is there, how long to wait, and what then.

    Attributes
    ----------
    asked : set of (gate, stage, sha256)
        What a person was asked: it is asked again by a node that is entered again, so that the answer is heard.
    """

    def __init__(self, store: SessionManager, ledger: Ledger, gates: Gates) -> None:
        self.store, self.ledger, self.gates = store, ledger, gates
        self.asked: set[tuple[str, str, str]] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at once; called on the loop by whoever has just decided in this process."""
        self._wake.set()

    async def settle(self, key: str, request: Request, decision: Decision, by: str) -> Decision:
        """Write down what a policy answered; the same question again gets the answer that it got."""
        row_id = f"{self.ledger.branch}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        given = decision.model_copy(update={"sha256": request.sha256()})

        def write() -> Row:
            self._open(row_id, request, request.sha256())
            self.store.decide(row_id, given.model_dump(exclude_none=True), by)
            return self.store.find_request(row_id)

        row = await asyncio.to_thread(write)
        told = RequestOpened(stage=request.stage, request_id=row_id, gate=request.gate, question=request.question,
                             effect=request.effect, options=[option.value for option in request.options],
                             default=request.default or "")  # fmt: skip
        await self.ledger.emit(told, f"{key}:opened")
        await self._tell_decided(row, key)
        return Decision.model_validate(row["decision"])

    async def answers(self, interrupts: Sequence[Any]) -> dict[str, Any] | None:
        """Decisions by interrupt id, once all are there; None: the run parks."""
        opens = {waiting.id: opened(waiting.value) for waiting in interrupts}
        names = {await asyncio.to_thread(self._row_of, each, opens[each][1]): each for each in opens}
        asked = {name: opens[each] for name, each in names.items()}
        for request, sha256, _ in asked.values():
            self.asked.add((request.gate, request.stage, sha256))
        patience = await self._ask(asked)
        due = time.monotonic() + patience if patience else None  # whatever happens to the time of day meanwhile
        await asyncio.to_thread(self.store.update, self.ledger.run_id, status="awaiting_user")
        while True:
            rows = await asyncio.to_thread(self.store.requests, self.ledger.run_id, status=None)
            mine = [row for row in rows if row["id"] in asked]
            if any(row["status"] == "withdrawn" for row in mine):
                return None
            if all(row["status"] == "decided" for row in mine):
                for row in mine:
                    await self._tell_decided(row, row["id"])
                await asyncio.to_thread(self.store.update, self.ledger.run_id, status="running")
                return {names[row["id"]]: row["decision"] for row in mine}
            if not self.gates.interactive or (due is not None and time.monotonic() >= due):
                if not await self._give_up(asked):
                    return None
                continue
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue

    def _row_of(self, interrupt_id: str, sha256: str) -> str:
        """The id of the question's row: the interrupt's, unless the same step asked something else before."""
        there = self.store.requests(self.ledger.run_id, status=None)
        earlier = any(row["id"] == interrupt_id and row["sha256"] != sha256 for row in there)
        return f"{interrupt_id}-{sha256[:16]}" if earlier else interrupt_id

    async def _ask(self, asked: dict[str, tuple[Request, str, bool]]) -> float | None:
        """Write each question, and only then show it; returns the seconds that it may wait; None: any."""
        patience = self.gates.answer_within if self.gates.interactive else 0.0
        deadline = time.time() + patience if patience else None
        for request_id, (request, sha256, held) in asked.items():
            await asyncio.to_thread(self._open, request_id, request, sha256)
            then = "park" if unanswered(request, self.gates.on_timeout, held=held) is None else self.gates.on_timeout
            told = RequestOpened(
                stage=request.stage,
                request_id=request_id,
                gate=request.gate,
                question=request.question,
                effect=request.effect,
                options=[option.value for option in request.options],
                default=request.default or "",
                request=request.model_dump(),
                deadline=deadline,
                on_timeout=then,
            )
            if not await self.ledger.emit(told, f"{request_id}:opened"):
                self.ledger.show(told)  # it waits again, with a new deadline
        await self.ledger.flush()
        return patience or None

    async def _give_up(self, asked: dict[str, tuple[Request, str, bool]]) -> bool:
        """Nobody answered: the chosen outcome; False: park."""
        outcomes = {
            request_id: unanswered(request, self.gates.on_timeout, held=held)
            for request_id, (request, _, held) in asked.items()
        }
        if any(outcome is None for outcome in outcomes.values()):
            return False
        who = "the clock" if self.gates.interactive else "nobody is there"
        by = f"{who}: --on-timeout {self.gates.on_timeout}"
        for request_id, outcome in outcomes.items():
            assert outcome is not None
            given = outcome.model_copy(update={"sha256": asked[request_id][1]})
            kept = given.model_dump(exclude_none=True)
            await asyncio.to_thread(self.store.decide, request_id, kept, by)
        return True

    def _open(self, request_id: str, request: Request, sha256: str) -> None:
        self.store.open_request(
            self.ledger.run_id,
            self.ledger.branch,
            request_id,
            owner=self.ledger.owner,
            gate=request.gate,
            stage=request.stage,
            payload=request.model_dump(),
            sha256=sha256,
        )

    async def _tell_decided(self, row: Row, key: str) -> None:
        decision = Decision.model_validate(row["decision"])
        why = decision.why if decision.type == "reject" else words_of(decision)
        default = row["decided_by"] == "default"
        told = RequestDecided(stage=row["stage"], request_id=row["id"], gate=row["gate"],
                              decision=decision.type if decision.type != "approve" else words_of(decision),
                              decided_by=str(row["decided_by"]),
                              why="the stated default" if default else why)  # fmt: skip
        await self.ledger.emit(told, f"{key}:decided")
