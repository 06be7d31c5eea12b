"""What can go wrong, in one tree.

    AgentError                  code + what was given, what is there, what to try
    ├── GoalError               the goal cannot be read                (exit 1)
    ├── DataError               database, table, coins, span, prices   (exit 1)
    ├── ModelError              the chat model or its provider         (exit 1)
    ├── SandboxError            the child kernel                       (exit 1)
    ├── StoreError              the store's database                   (exit 1)
    ├── RunError                a run that is not there, or failed     (exit 1)
    │   ├── RunStopped          somebody pressed Stop, or said no      (exit 1)
    │   │   └── LeaseLost       another process took the run over      (exit 1)
    │   └── ApprovalNeeded      parked: nobody is there to answer      (exit 3)
    ├── RestError               what a client of the server sent       (exit 1)
    └── UsageError              the command line itself                (exit 2)

An error never logs itself and never shows a traceback to the person whose slip it was: IPython
prints the one line of ``_render_traceback_``, the CLI the same line, ``--json`` the fields.
"""

from __future__ import annotations

from typing import Any

CODES: dict[str, str] = {
    "goal.empty": "The goal has no words in it.",
    "goal.unread": "No coin, target or task could be read from the goal.",
    "data.no_database": "No database was named, or it cannot be opened.",
    "data.no_table": "The database has no such table.",
    "data.no_time": "The table has no column that holds the time of a bar.",
    "data.no_price": "The table has no price column.",
    "data.no_target": "The target column is not in the table.",
    "data.unknown_coin": "None of the coins asked for is in the table.",
    "data.empty_span": "The span ends before it starts, or holds no bar.",
    "data.outside_span": "The span lies outside the bars there are.",
    "data.too_few_rows": "There are too few bars to learn and to judge from.",
    "data.constant": "The prices never change, so there is nothing to predict.",
    "data.unreadable": "A file or frame could not be read as bars.",
    "data.exchange": "An exchange cannot be asked, or what it answers cannot be used.",
    "data.not_read_only": "The query would change the database.",
    "data.bad_query": "The database refused the query.",
    "model.unknown": "No provider of that name.",
    "model.no_package": "The provider's package is not installed.",
    "model.no_key": "The provider's key is not there.",
    "model.no_tools": "The model cannot call tools.",
    "model.not_there": "The provider has no such model, or its server does not run.",
    "model.failed": "The provider did not answer.",
    "model.small_context": "What a stage has to send is larger than the model's context.",
    "model.refused": "The model refused to answer.",
    "model.replay": "The record does not hold what is asked.",
    "sandbox.no_start": "The child kernel did not start.",
    "sandbox.tier": "Less isolation is to be had than `require_tier` asks for.",
    "sandbox.no_frame": "The sandbox has no variable of that name that is a frame.",
    "sandbox.too_large": "What goes into the sandbox, or came out of it, is larger than the limit.",
    "sandbox.replay": "Replayed cells did not give the recorded result.",
    "sandbox.died": "The child died while it predicted.",
    "run.unknown": "No run of that id.",
    "run.no_request": "No open request of that id.",
    "run.no_kernel": "There is no kernel for the run.",
    "run.held": "Another process drives the run.",
    "run.lease_lost": "Another process took the run over.",
    "run.failed": "A stage failed and could not be mended.",
    "run.rejected": "A person rejected the plan of a stage.",
    "run.store": "The store cannot be written.",
    "run.checkpoints": "The checkpoints cannot be read or written.",
    "run.wall": "The run took longer than AgentSettings.run_wall.",
    "run.daily": "The budget of the day is used up.",
    "run.stopped": "The run was stopped.",
    "run.approval_needed": "The run waits for a person, and nobody is there.",
    "run.tracking": "MLflow was not told of a run.",
    "run.not_finished": "The run has not got that far.",
    "run.artifact_store": "The place of the artifacts cannot be reached, or does not take them.",
    "run.artifact_changed": "A file is not the one that the run wrote.",
    "run.no_artifact": "The run left no file of that name, or it is gone.",
    "store.url": "The store's URL is no URL, or names no database that a store can lie in.",
    "store.driver": "The package that speaks to the store's database is not installed.",
    "store.unreachable": "The store's database cannot be opened.",
    "store.unreadable": "The database is no store, or it is damaged.",
    "store.files": "Files of a run cannot be removed.",
    "store.newer": "A newer version of omc_agent has written the store.",
    "usage.flag": "The command line holds a flag that is not known, or lacks one.",
    "usage.value": "A setting has a value it cannot take.",
    "usage.secret": "A text holds what looks like a key or a password.",
    "usage.override": "There is nothing of that name, or no such value, to override.",
    "usage.policy": "The policy file cannot be read, or names what is no gate.",
    "usage.edit": "The edited code does not parse, or would be refused.",
    "usage.kernel": "This ipykernel is too old for cells that can be clicked in.",
    "rest.anonymous": "The request does not say who sends it.",
    "rest.forbidden": "This user may not do that, or the request comes from another page.",
    "rest.no_route": "There is nothing at this address.",
    "rest.method": "This address does not take the method.",
    "rest.body": "The body of the request cannot be read.",
    "rest.too_large": "The request, or a text in it, is larger than the limit.",
    "rest.too_many": "This user sends more requests than the limit, or more than the server works on at once.",
    "rest.conflict": "The run or its question is not in a state for this.",
    "rest.no_artifact": "The run has no such file, or it is not as it was recorded.",
    "rest.slow": "The answer took longer than the limit.",
    "rest.not_ready": "The server cannot do this now.",
    "rest.failed": "The server has a fault.",
}


class AgentError(Exception):
    """A failure told in three parts.

    Parameters
    ----------
    code : str
        One of ``CODES``.
    given : str
        What was given.
    have : str
        What is there.
    try_ : str
        What to try.
    """

    exit_code = 1

    def __init__(self, code: str, *, given: str, have: str, try_: str) -> None:
        if code not in CODES:
            raise KeyError(f"error code {code!r} is not in errors.CODES")
        super().__init__(f"{given} {have} {try_}".strip())
        self.code, self.given, self.have, self.try_ = code, given, have, try_

    def line(self) -> str:
        """The one line a person sees."""
        return f"{self.code}: {self.given} {self.have} {self.try_}".strip()

    def to_dict(self) -> dict[str, str]:
        """The fields, as ``--json`` and the ledger hold them."""
        return {"code": self.code, "given": self.given, "have": self.have, "try": self.try_}

    def _render_traceback_(self) -> list[str]:
        return [self.line()]


class GoalError(AgentError):
    """The goal cannot be read."""


class DataError(AgentError):
    """Database, table, coins, span or prices do not carry the goal."""


class ModelError(AgentError):
    """The chat model or its provider."""


class SandboxError(AgentError):
    """The child kernel, or what came out of it."""


class RunError(AgentError):
    """A run that is not there, or that failed."""


class StoreError(AgentError):
    """The store's database."""


class RunStopped(RunError):
    """Somebody pressed Stop."""


class LeaseLost(RunStopped):
    """Another process drives the run now: this one stops, and writes nothing more."""


class ApprovalNeeded(RunError):
    """The run is parked and nobody is there to answer."""

    exit_code = 3


class UsageError(AgentError):
    """The command line itself."""

    exit_code = 2


class RestError(AgentError):
    """What a client of the server sent, or what the server can do now."""


_KINDS: dict[str, type[AgentError]] = {
    "goal": GoalError,
    "data": DataError,
    "model": ModelError,
    "sandbox": SandboxError,
    "run": RunError,
    "store": StoreError,
    "usage": UsageError,
    "rest": RestError,
}


def error_from_dict(fields: dict[str, Any]) -> AgentError:
    """The error whose :meth:`AgentError.to_dict` gave `fields`."""
    code = str(fields["code"])
    special: dict[str, type[AgentError]] = {
        "run.daily": RunStopped,
        "run.stopped": RunStopped,
        "run.wall": RunStopped,
        "run.rejected": RunStopped,
        "run.lease_lost": LeaseLost,
        "run.approval_needed": ApprovalNeeded,
    }
    kind = special.get(code, _KINDS[code.split(".")[0]])
    return kind(code, given=str(fields["given"]), have=str(fields["have"]), try_=str(fields["try"]))
