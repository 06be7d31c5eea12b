"""A policy file: the answers of somebody who will not be there, by the name of the gate.

gates:
  scope: approve
  selection: recommended        # or the name of a candidate
  code: reject                  # approve, reject, or park
clarifications:
  coins: ETH                    # by the field of the brief
  default: default              # for all others; park: wait for a person
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from omc_agent.config import GATES
from omc_agent.errors import UsageError
from omc_agent.request import CLARIFICATION, Decision, Request

PARK = "park"


def read_policy(path: str) -> dict[str, Any]:
    """The answers of the file: gate, or ``clarification.FIELD``, to the answer.

    Raises
    ------
    UsageError
        ``usage.policy`` when it cannot be read, or names what is no gate.
    """
    try:
        text = yaml.safe_load(Path(path).expanduser().read_text()) or {}
    except OSError as error:
        raise _refused(f"The policy file {path} cannot be read: {error.strerror or error}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refused(f"The policy file {path} is not YAML: {' '.join(str(error).split())[:160]}.") from None
    if not isinstance(text, dict) or not all(isinstance(text.get(part, {}), dict) for part in text):
        raise _refused(f"The policy file {path} does not map names to answers.")
    if unknown := [str(name) for name in text if name not in ("gates", "clarifications")]:
        raise _refused(f"The policy file {path} holds {', '.join(unknown)}, which is no part of it.")
    gates = text.get("gates") or {}
    if unknown := [str(name) for name in gates if name not in GATES]:
        raise _refused(f"The policy file {path} names {', '.join(unknown)}, which is no gate.")
    asked = {f"{CLARIFICATION}.{name}": value for name, value in (text.get("clarifications") or {}).items()}
    return {**gates, **asked}


def answer_of(policy: dict[str, Any], request: Request) -> Decision | None:
    """What the policy answers to `request`; None when it says nothing, or says to wait for a person.

    Examples
    --------
    >>> asked = Request(gate="selection", stage="selection", question="Which?", default="ridge")
    >>> answer_of({"selection": "recommended"}, asked).value
    'ridge'
    """
    if request.gate == CLARIFICATION:
        return _clarified(policy, request)
    said = policy.get(request.gate)
    if said is None or said == PARK:
        return None
    if said == "reject":
        return Decision(type="reject", why="the policy file says so")
    if isinstance(said, dict):
        return Decision(type="edit", value=said)
    default = said in ("approve", "recommended", True)
    return Decision(value=request.default if default else str(said))


def waits(policy: dict[str, Any], request: Request) -> bool:
    """Whether the policy says that a person must answer."""
    if request.gate != CLARIFICATION:
        return bool(policy.get(request.gate) == PARK)
    names = [f"{CLARIFICATION}.{question.field}" for question in request.questions]
    return any(policy.get(name, policy.get(f"{CLARIFICATION}.default")) == PARK for name in names)


def _clarified(policy: dict[str, Any], request: Request) -> Decision | None:
    answers: dict[str, str] = {}
    for question in request.questions:
        said = policy.get(f"{CLARIFICATION}.{question.field}", policy.get(f"{CLARIFICATION}.default"))
        if said is None or said == PARK:
            return None
        said = ",".join(map(str, said)) if isinstance(said, list) else str(said)
        answers[question.field] = question.default if said == "default" else said
    return Decision(value=answers)


def _refused(given: str) -> UsageError:
    return UsageError(
        "usage.policy",
        given=given,
        have=f"Its parts are gates ({', '.join(GATES)}) and clarifications (by field of the brief).",
        try_="docs/steering.md shows one.",
    )
