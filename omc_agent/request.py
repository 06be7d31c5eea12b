"""A question to the person, and the answer: `Request` and `Decision`, as the store keeps and every door shows them.

A request is written before anyone is asked. Whoever answers first wins; what was decided is what runs.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from omc_agent.config import GATES

CLARIFICATION = "clarification"
KINDS = (*GATES, CLARIFICATION)


class ClarificationQuestion(BaseModel):
    """What a person should be asked about the goal or the data; `default` is taken when nobody answers.

    `field` is a field of the brief; one that holds a list takes its values joined by commas. Free text is welcome.
    """

    model_config = ConfigDict(extra="ignore")

    field: str
    question: str
    context: str = Field("", description="what the data offers")
    options: list[str] = Field(default_factory=list)
    default: str = ""


class Option(BaseModel):
    """One way to answer, with what speaks for and against it."""

    value: str
    label: str = ""
    note: str = ""
    pros: list[str] = Field(default_factory=list)
    cons: list[str] = Field(default_factory=list)


class Request(BaseModel):
    """What is asked at a gate.

    Attributes
    ----------
    gate : str
        scope, features, models, code, budget, selection or clarification.
    stage : str
        The stage that waits.
    question : str
        One sentence that ends with a question mark.
    context : str
        Why it is asked, and what the data offers.
    effect : str
        What approving does: rows read, columns made, candidates and folds, expected minutes and money.
    options, default
        Ways to answer; `default` is the recommendation. None: there is no safe default.
    code : str
        At the code gate: exactly what will run. May be edited.
    plan : list of dict
        Fields of `PlanStep`: at the scope gate the whole plan (may be edited: steps dropped, added, put in another
        order, changed), at features and models the step of the stage.
    changes : dict
        At features, models and selection: what may be changed (keys of `overrides.KEYS`) and how it stands now.
    questions : list of ClarificationQuestion
        At most three.
    candidates : list of dict
        At the selection gate, as in ``--json``.
    rest : bool
        Whether "Allow this for the rest of the run" may be chosen.
    limits : dict
        At the budget gate: each limit that is used up (usd, tokens, day), with `limit` as it stands and `next`, what
        approving makes of it.
    """

    model_config = ConfigDict(extra="ignore")

    gate: str
    stage: str
    question: str
    context: str = ""
    effect: str = ""
    options: list[Option] = Field(default_factory=list)
    default: str | None = None
    code: str = ""
    plan: list[dict[str, Any]] = Field(default_factory=list)
    changes: dict[str, Any] = Field(default_factory=dict)
    questions: list[ClarificationQuestion] = Field(default_factory=list)
    candidates: list[dict[str, Any]] = Field(default_factory=list)
    rest: bool = False
    limits: dict[str, dict[str, float]] = Field(default_factory=dict)

    def sha256(self) -> str:
        """Hash of exactly what an approval is of: the code, or else all that is shown.

        Examples
        --------
        >>> asked = Request(gate="code", stage="data_analysis", question="Run this code?", code="bars.head()")
        >>> asked.sha256() == digest("bars.head()")
        True
        """
        return digest(self.code) if self.gate == "code" else digest(self.model_dump_json())


class ClarificationRequest(Request):
    """At most three questions about the goal, asked at once."""

    gate: str = CLARIFICATION
    stage: str = CLARIFICATION
    question: str = "A few questions before the plan"


class Decision(BaseModel):
    """An answer.

    Attributes
    ----------
    type : str
        approve, reject or edit.
    value : Any
        The option that was chosen; at a clarification a dict of field to answer; at features, models and selection
        with ``edit`` a dict of changes; at the budget the new limit, or new limits by name.
    why : str
        The reason of a rejection, or guidance.
    code : str or None
        The edited code.
    plan : list of dict or None
        The edited plan.
    rest : bool
        Allow this gate for the rest of the run.
    sha256 : str
        Of what was shown when it was decided.
    """

    model_config = ConfigDict(extra="ignore")

    type: Literal["approve", "reject", "edit"] = "approve"
    value: Any = None
    why: str = ""
    code: str | None = None
    plan: list[dict[str, Any]] | None = None
    rest: bool = False
    sha256: str = ""


class ClarificationResponse(Decision):
    """Answers by field; a field that is left out takes its default."""

    @property
    def answers(self) -> dict[str, str]:
        """Field to answer."""
        given = self.value if isinstance(self.value, dict) else {}
        return {str(name): str(value) for name, value in given.items()}


def digest(text: str) -> str:
    """SHA-256 of a text, in hex.

    Examples
    --------
    >>> digest("x = 1")[:12]
    '8ff436def145'
    """
    return hashlib.sha256(text.encode()).hexdigest()


def words_of(decision: Decision, request: Request | None = None) -> str:
    """The decision as a person reads it.

    Examples
    --------
    >>> words_of(Decision(type="reject", why="too slow"))
    'rejected: too slow'
    """
    if decision.type == "reject":
        return f"rejected: {decision.why}" if decision.why else "rejected"
    if decision.type == "edit":
        what = "the code" if decision.code is not None else "the plan" if decision.plan is not None else "it"
        changed = decision.value if isinstance(decision.value, dict) else {}
        told = ", ".join(f"{key}={_short(value)}" for key, value in changed.items())
        return f"changed {told}" if told else f"changed {what} and approved"
    if isinstance(decision.value, dict):
        return ", ".join(f"{key}: {_short(value)}" for key, value in decision.value.items()) or "the defaults"
    told = str(decision.value) if decision.value not in (None, "") else "approved"
    return f"{told}, for the rest of the run" if decision.rest else told


def _short(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:59] + "…" if isinstance(value, str) else json.dumps(value)[:60]
