"""What a client is told when something cannot be done: a status and an `AgentError`, never a traceback."""

from __future__ import annotations

from tornado.web import HTTPError

from omc_agent.errors import AgentError, RestError, RunError
from omc_agent.secrecy import hide_secrets

# By what stands behind the dot of a code, else by what stands before it.
_STATUS = {
    "unknown": 404, "no_request": 404, "no_route": 404, "no_kernel": 404, "no_artifact": 404,
    "anonymous": 401, "forbidden": 403, "method": 405, "conflict": 409, "too_large": 413, "too_many": 429,
    "store": 503, "artifact_store": 503, "not_ready": 503, "no_start": 503, "tier": 503,
    "slow": 504,
}  # fmt: skip
_OF_KIND = {"goal": 400, "data": 400, "model": 400, "usage": 400, "rest": 400, "run": 409, "store": 503,
            "sandbox": 500}  # fmt: skip


def status_of(error: AgentError) -> int:
    """The HTTP status of an error.

    Examples
    --------
    >>> from omc_agent.errors import UsageError
    >>> status_of(UsageError("usage.flag", given="", have="", try_=""))
    400
    """
    kind, _, what = error.code.partition(".")
    if error.code == "rest.failed":
        return 500
    if kind in ("run", "rest", "sandbox") and what in _STATUS:
        return _STATUS[what]
    return _OF_KIND.get(kind, 500)


def body_of(error: AgentError) -> dict[str, str]:
    """``{code, message, given, have, try}``, without a key or a password in it."""
    told = {name: hide_secrets(text) for name, text in error.to_dict().items()}
    return {"code": error.code, "message": hide_secrets(str(error)), **{k: told[k] for k in ("given", "have", "try")}}


def error_of(problem: BaseException | None, status: int, allowed: str = "") -> AgentError:
    """The error that stands for whatever went wrong; faults of ours say nothing of themselves."""
    if isinstance(problem, AgentError):
        return problem
    if isinstance(problem, HTTPError):
        status = problem.status_code
    if status == 405:
        return RestError("rest.method", given="This address does not take that method.",
                         have=f"It takes {allowed}." if allowed else "", try_="See openapi.yaml.")  # fmt: skip
    if status == 404:
        return no_route()
    if status in (401, 403):
        return forbidden("The request was refused.")
    if status == 413:
        return RestError("rest.too_large", given="The request is larger than the server takes.", have="",
                         try_="Send less.")  # fmt: skip
    if 400 <= status < 500:
        return RestError("rest.body", given="The request cannot be read.", have="", try_="See openapi.yaml.")
    return RestError("rest.failed", given="The server could not answer.", have="The fault is in its log, not yours.",
                     try_="Send it again; if it stays, tell whoever runs the server.")  # fmt: skip


def anonymous() -> RestError:
    """Nobody is logged in."""
    return RestError("rest.anonymous", given="The request does not say who sends it.",
                     have="Each address needs the server's token, or its login cookie.",
                     try_="Send the header Authorization: token TOKEN.")  # fmt: skip


def forbidden(given: str, try_: str = "Ask whoever runs the server.") -> RestError:
    """Somebody is, and may not."""
    return RestError("rest.forbidden", given=given, have="Nothing was done.", try_=try_)


def no_route() -> RestError:
    """An address that is none."""
    return RestError("rest.no_route", given="There is nothing at this address.", have="",
                     try_="See openapi.yaml for those there are.")  # fmt: skip


def unknown_run(name: str) -> RunError:
    """A run that is not there, or that this user may not see: the same words, so that they tell nothing."""
    return RunError("run.unknown", given=f"No run {name[:40]!r}.", have="It is not in the store of this server.",
                    try_="GET /sessions lists the runs there are.")  # fmt: skip


def conflict(given: str, have: str, try_: str) -> RestError:
    """Not in this state."""
    return RestError("rest.conflict", given=given, have=have, try_=try_)


def store_away(problem: BaseException) -> RunError:
    """The store's database does not answer; its own words may hold a password, so only their kind is told."""
    return RunError("run.store", given="The store cannot be reached.", have=f"Database: {type(problem).__name__}.",
                    try_="Send it again in a moment; check database_url in the server's configuration.")  # fmt: skip
