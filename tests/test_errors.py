"""One tree of errors: three parts, one line, JSON both ways."""

from __future__ import annotations

import pytest

from omc_agent import errors
from omc_agent.errors import CODES, AgentError, ApprovalNeeded, RunError, RunStopped, UsageError, error_from_dict

PARTS = {"given": "This was given.", "have": "That is there.", "try_": "Try the other."}


@pytest.mark.parametrize("code", CODES)
def test_every_code_comes_back_from_its_fields_as_the_same_kind(code):
    fields = {"code": code, "given": "g", "have": "h", "try": "t"}
    error = error_from_dict(fields)
    assert error.to_dict() == fields
    assert error.code.split(".")[0] in type(error).__name__.lower() or isinstance(error, RunError)
    assert CODES[code].endswith(".")


def test_stop_and_approval_are_kinds_of_their_own():
    assert isinstance(error_from_dict({"code": "run.stopped", "given": "", "have": "", "try": ""}), RunStopped)
    parked = error_from_dict({"code": "run.approval_needed", "given": "", "have": "", "try": ""})
    assert isinstance(parked, ApprovalNeeded)


@pytest.mark.parametrize(
    ("kind", "exit_code"), [(AgentError, 1), (RunError, 1), (RunStopped, 1), (ApprovalNeeded, 3), (UsageError, 2)]
)
def test_exit_codes_are_those_of_the_contract(kind, exit_code):
    assert kind.exit_code == exit_code


def test_a_person_sees_one_line_in_place_of_a_traceback():
    error = errors.DataError("data.constant", **PARTS)
    line = "data.constant: This was given. That is there. Try the other."
    assert error.line() == line
    assert error._render_traceback_() == [line]
    assert str(error) == "This was given. That is there. Try the other."


def test_a_code_that_nobody_documented_cannot_be_raised():
    with pytest.raises(KeyError, match=r"data\.new"):
        errors.DataError("data.new", **PARTS)


def test_the_tree_in_the_docstring_is_the_tree():
    names = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, AgentError)
    }  # fmt: skip
    assert names == {name for name in names if name in (errors.__doc__ or "")}
