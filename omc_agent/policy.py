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

from math import inf
from pathlib import Path
from typing import Any

import yaml

from omc_agent.brief import why_not
from omc_agent.config import GATES
from omc_agent.errors import UsageError
from omc_agent.overrides import checked
from omc_agent.request import CLARIFICATION, Decision, Request

PARK = "park"
WORDS = ("approve", "recommended", "reject", PARK)
EDITS = {"features": ("indicators", "lags", "windows", "drop"), "models": ("models", "avoid_models", "metric")}


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
    if not isinstance(text, dict) or not all(isinstance(text[part] or {}, dict) for part in text):
        raise _refused(f"The policy file {path} does not map names to answers.")
    if unknown := [str(name) for name in text if name not in ("gates", "clarifications")]:
        raise _refused(f"The policy file {path} holds {', '.join(unknown)}, which is no part of it.")
    gates = text.get("gates") or {}
    if unknown := [str(name) for name in gates if name not in GATES]:
        raise _refused(f"The policy file {path} names {', '.join(unknown)}, which is no gate.")
    asked = {f"{CLARIFICATION}.{name}": value for name, value in (text.get("clarifications") or {}).items()}
    for name, said in (text.get("clarifications") or {}).items():
        if said not in ("default", PARK, None) and (why := why_not(str(name), _words(said))):
            raise _refused(f"The policy file answers {name} with {said!r}: {why}.")
    return {**{name: _checked(name, said) for name, said in gates.items()}, **asked}


def _checked(gate: str, said: Any) -> Any:
    """An answer that the gate can take: a slip of the pen must not approve anything."""
    said = {True: "approve", False: "reject"}[said] if isinstance(said, bool) else said  # YAML's yes and no
    if said in WORDS or (gate == "selection" and isinstance(said, str)):
        return said
    if gate == "budget" and isinstance(said, (int, float)) and 0 < said < inf:
        return said
    keys = EDITS.get(gate, ())
    if not isinstance(said, dict) or not keys:
        raise _refused(f"The gate {gate} cannot be answered {said!r}.")
    made = checked(said)
    if late := [name for name in made if name not in keys and not (gate == "models" and "." in name)]:
        raise _refused(f"At the gate {gate} there is no {', '.join(late)} to change.")
    return made


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
    names = [option.value for option in request.options]
    if request.gate == "selection" and said not in WORDS and names and said not in names:
        return None  # that candidate was not trained: as if the file said nothing
    return Decision(value=request.default if said in ("approve", "recommended") else str(said))


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
        answers[question.field] = question.default if said == "default" else _words(said)
    return Decision(value=answers)


def _words(said: Any) -> str:
    return ",".join(map(str, said)) if isinstance(said, list) else str(said)


def _refused(given: str) -> UsageError:
    return UsageError(
        "usage.policy",
        given=given,
        have=f"Its parts are gates ({', '.join(GATES)}) and clarifications (by field of the brief).",
        try_="docs/steering.md shows one.",
    )
