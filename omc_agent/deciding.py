"""The one way in for an answer: widget, magic, command line and REST all decide here, and the first one wins."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

from pydantic import ValidationError

from omc_agent.brief import PlanStep, why_not
from omc_agent.errors import UsageError
from omc_agent.overrides import KEYS, checked, parse_overrides
from omc_agent.request import CLARIFICATION, Decision, Request, words_of
from omc_agent.sandbox import guard
from omc_agent.secrecy import refuse_secrets
from omc_agent.stages import OPTIONAL, STAGES
from omc_agent.store.records import Row, SessionManager


@dataclass(frozen=True)
class Decided:
    """What became of an answer.

    Attributes
    ----------
    request : dict
        The row of `agent_requests`, as it is now.
    first : bool
        Whether this answer is the one that holds.
    words, by : str
        The answer that holds, and whose it is.
    """

    request: Row
    first: bool
    words: str
    by: str

    def line(self) -> str:
        """What happened, in one line."""
        if self.first:
            return f"{self.request['id']}: {self.words}"
        return f"{self.request['id']} was decided before: {self.words}, by {self.by}"


def decide(store: SessionManager, name: str, decision: Decision, by: str) -> Decided:
    """Answer the request `name` (its id, or the id of a run with exactly one open).

    Raises
    ------
    RunError
        ``run.no_request`` when there is none.
    UsageError
        ``usage.edit`` for code that does not parse, ``usage.override`` or ``usage.value`` for values that cannot be;
        the request stays open. ``usage.secret`` for an answer that holds a key.
    """
    refuse_secrets(f"{decision.value or ''} {decision.why} {decision.code or ''}", "The answer")
    row = store.find_request(name)
    first = False
    if row["status"] == "open":
        asked = request_of(row)
        if decision.sha256 not in ("", row["sha256"]):
            raise UsageError("usage.edit", given="What was shown is not what waits now.", have="The run still waits.",
                             try_=f"%agent show {row['session_id']} shows it.")  # fmt: skip
        fitted = _fitted(asked, decision, allowed=_allowed_imports(store, row))
        kept = fitted.model_copy(update={"sha256": row["sha256"]}).model_dump(exclude_none=True)
        first = store.decide(row["id"], kept, by)
        row = store.find_request(row["id"])
    if row["status"] == "withdrawn":
        return Decided(row, False, "withdrawn", "a restart")
    return Decided(row, first, words_of(Decision.model_validate(row["decision"])), str(row["decided_by"]))


def is_same(store: SessionManager, row: Row, decision: Decision) -> bool:
    """Whether `decision` is what the request of that row was answered: then sending it again is harmless."""
    try:
        fitted = _fitted(request_of(row), decision, allowed=_allowed_imports(store, row))
    except UsageError:
        return False
    kept = fitted.model_copy(update={"sha256": row["sha256"]}).model_dump(exclude_none=True)
    return bool(kept == row["decision"])


def request_of(row: Row) -> Request:
    """The question of a row."""
    known = {"gate": row["gate"], "stage": row["stage"], "question": ""}
    return Request.model_validate({**known, **row["payload"]})


def _fitted(asked: Request, decision: Decision, *, allowed: list[str]) -> Decision:
    if decision.type == "reject":
        return decision
    if asked.gate == CLARIFICATION:
        return decision.model_copy(update={"value": _answers(asked, decision.value)})
    if decision.type == "edit":
        return _edited(asked, decision, allowed)
    if asked.changes and "=" in str(decision.value or ""):  # typed in a line, as an answer
        words = str(decision.value).split()
        return decision.model_copy(update={"type": "edit", "value": parse_overrides(words)})
    if asked.gate == "selection" and decision.value not in (None, "", "recommended"):
        return decision.model_copy(update={"value": _option(asked, str(decision.value))})
    if asked.gate == "selection":
        return decision.model_copy(update={"value": asked.default})
    if asked.gate == "budget":
        return decision.model_copy(update={"value": _amount(decision.value or asked.default)})
    if decision.value not in (None, "", "approve", asked.default):
        raise UsageError("usage.value", given=f"The gate {asked.gate} cannot be answered {decision.value!r}.",
                         have="The run still waits.", try_="Approve it, edit it, or reject it.")  # fmt: skip
    return decision


def _edited(asked: Request, decision: Decision, allowed: list[str]) -> Decision:
    if asked.gate == "code":
        if not decision.code or not decision.code.strip():
            raise UsageError("usage.edit", given="There is no code in the edit.", have="The run still waits.",
                             try_="Give the whole cell, or reject.")  # fmt: skip
        refusal = guard.check(decision.code, allowed)
        if refusal is not None:
            place = f" (line {refusal.line})" if refusal.line else ""
            raise UsageError("usage.edit", given=f"The edited code cannot run{place}: {refusal.reason}",
                             have="The run still waits.", try_="Mend it, or approve the code as it was.")  # fmt: skip
        return decision
    if asked.gate == "scope" and decision.plan is not None:
        _check_steps(decision.plan)
        _check_house(asked.plan, decision.plan)
        return decision
    if isinstance(decision.value, dict) and decision.value:
        return decision.model_copy(update={"value": _changes(asked, decision.value)})
    raise UsageError("usage.edit", given=f"Nothing was changed at the gate {asked.gate}.",
                     have="The run still waits.", try_="Approve it, or say KEY=VALUE.")  # fmt: skip


def _changes(asked: Request, given: dict[str, Any]) -> dict[str, Any]:
    """Changes that this gate can take: what another stage makes cannot be changed here."""
    changes, trains = checked(given), asked.gate in ("models", "selection")
    other = [name for name in changes if name not in asked.changes and not (trains and name not in KEYS)]
    if asked.changes and other:
        raise UsageError(
            "usage.override",
            given=f"At the gate {asked.gate} there is no {', '.join(other)} to change.",
            have=f"Known here: {', '.join(asked.changes)}.",
            try_=f"%agent override ID {other[0]}=VALUE begins at the stage that it touches.",
        )
    return changes


def _check_steps(plan: list[dict[str, Any]]) -> None:
    for step in plan:
        try:
            stage = PlanStep.model_validate(step).stage
        except ValidationError as error:
            first = error.errors()[0]
            where, why = ".".join(map(str, first["loc"])), str(first["msg"])
            raise UsageError("usage.edit", given=f"A step of the edited plan is not one: {where}: {why}.",
                             have="The run still waits.",
                             try_="A step has a stage, a title and a detail.") from None  # fmt: skip
        if stage not in STAGES:
            raise UsageError("usage.edit", given=f"The edited plan names {stage}, which is no stage.",
                             have=f"Stages: {', '.join(STAGES)}.", try_="Name one of them.")  # fmt: skip


def _check_house(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """A plan may leave out what a run can do without, and say more of a stage; the order of the stages is fixed."""
    stages = [str(step["stage"]) for step in after]
    lost = [step["stage"] for step in before if step["stage"] not in stages and step["stage"] not in OPTIONAL]
    if lost:
        raise UsageError("usage.edit", given=f"The edited plan leaves out {', '.join(map(str, lost))}.",
                         have=f"A run can do without {', '.join(sorted(OPTIONAL))} only.",
                         try_="Keep the step; say in its words what it should do.")  # fmt: skip
    wrong = next((pair for pair in pairwise(stages) if STAGES.index(pair[0]) > STAGES.index(pair[1])), None)
    if wrong is not None:
        raise UsageError("usage.edit", given=f"{wrong[1]} cannot come after {wrong[0]}.",
                         have=f"The order of the stages is {', '.join(STAGES)}.",
                         try_="Move steps of one stage only.")  # fmt: skip


def _answers(asked: Request, value: Any) -> dict[str, str]:
    """Answers by field: out of a dict, ``field=VALUE`` words, or one plain value for the first question."""
    fields = {question.field: question for question in asked.questions}
    given: dict[str, str] = {}
    if isinstance(value, dict):
        given = {str(name): str(answer) for name, answer in value.items()}
    elif value not in (None, ""):
        words = str(value).split()
        if all("=" in word for word in words):
            given = dict(word.split("=", 1) for word in words)
        elif fields:
            given = {next(iter(fields)): str(value)}
    if unknown := sorted(set(given) - set(fields)):
        raise UsageError("usage.value", given=f"{', '.join(unknown)} was not asked.",
                         have=f"Asked: {', '.join(fields)}.", try_="%agent answer ID FIELD=VALUE")  # fmt: skip
    for name, answer in given.items():
        if answer:
            _check_field(name, answer)
    return {name: given.get(name) or question.default for name, question in fields.items()}


def _check_field(name: str, answer: str) -> None:
    if why := why_not(name, answer):
        raise UsageError("usage.value", given=f"{name} cannot be {answer!r}.", have=f"{why}.",
                         try_="Take one of the options, or a value of that kind.")  # fmt: skip


def _option(asked: Request, value: str) -> str:
    names = {option.value for option in asked.options}
    found = next((name for name in names if value.lower() in (name.lower(), name.lower().replace("_", " "))), None)
    if found is None:
        raise UsageError("usage.value", given=f"{value!r} is no candidate.",
                         have=f"Candidates: {', '.join(sorted(names))}.", try_="Name one of them.")  # fmt: skip
    return found


def _amount(value: Any) -> float | dict[str, float]:
    if isinstance(value, dict) and value:
        return {str(name): _number(limit) for name, limit in value.items()}
    return _number(value)


def _number(value: Any) -> float:
    try:
        amount = float(value)
    except (TypeError, ValueError, OverflowError):
        amount = 0.0
    if 0 < amount < inf:
        return amount
    raise UsageError("usage.value", given=f"{value!r} is not an amount.", have="The budget is a number above 0.",
                     try_="%agent answer ID 2.50")  # fmt: skip


def _allowed_imports(store: SessionManager, row: Row) -> list[str]:
    return list(store.read(row["session_id"])["settings"].get("allowed_imports") or [])
