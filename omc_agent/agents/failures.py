"""A call of a chat model that failed: whether another try may help, how long to wait, and how it is said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from langgraph.errors import GraphBubbleUp

from omc_agent.agents.cures import known_failure
from omc_agent.errors import AgentError, ModelError
from omc_agent.secrecy import hide_secrets

LONGEST_WAIT = 60.0  # seconds of Retry-After that a run waits for; beyond that a stand-in is asked, or it ends
_BROKEN = {"APIConnectionError", "TransportError", "ConnectionError", "JSONDecodeError", "RemoteProtocolError",
           "APIResponseValidationError"}  # fmt: skip
# What the clients say of a stream without a single piece, and of a body that is no answer.
_UNREAD = ("No generation", "No data received", "Unexpected response type", "'str' object has no attribute")
_KEY = "Check the key: %agent doctor says where it is from."
_HINTS = {
    401: _KEY,
    403: _KEY,
    413: "Ask for fewer coins or columns, or use a model with a larger context.",
    429: "Wait, or name a second model: -m first,second.",
}
_CONTEXT = ("context length", "context window", "too long", "maximum context")


class BrokenAnswer(Exception):
    """An answer that ended without its end, or could not be read."""


def is_passing(error: BaseException) -> bool:
    """Whether another try may succeed: no answer, a broken one, too many requests, or a fault of the server.

    Examples
    --------
    >>> is_passing(TimeoutError()), is_passing(ValueError("no such model"))
    (True, False)
    """
    if isinstance(error, (AgentError, GraphBubbleUp)) or wait_asked(error) > LONGEST_WAIT:
        return False
    status = status_of(error)
    if status is not None:
        return status in (408, 409, 429) or status >= 500
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, (TimeoutError, ConnectionError, BrokenAnswer)) or names & _BROKEN:
        return True
    return str(error).startswith(_UNREAD)


def is_about_the_request(error: BaseException) -> bool:
    """Whether the model is well and only this request was too much for it, or wrong."""
    return status_of(error) in (400, 413, 422)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that a client's exception carries, whatever its class."""
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int) and status > 0:
            return status
    return None


def wait_asked(error: BaseException) -> float:
    """Seconds that the provider asks to wait (Retry-After, as seconds or as a date); 0 where it does not.

    Ollama's client drops the headers from its exception, but raises it while that of httpx is handled.
    """
    for each in _chain(error):
        headers = getattr(getattr(each, "response", None), "headers", None)
        if headers is None:
            continue
        exact, plain = headers.get("retry-after-ms"), headers.get("retry-after")
        try:
            if exact or plain:
                return max(0.0, float(exact) / 1000 if exact else float(plain))
        except ValueError:
            return _until(str(plain))
    return 0.0


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 5:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1


def _until(date: str) -> float:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def said(error: BaseException, limit: int = 200) -> str:
    """The exception in one line, without keys."""
    words = hide_secrets(" ".join(str(error).split()))[:limit].rstrip(". ")
    return words or type(error).__name__


def span(seconds: float) -> str:
    """A wait in words.

    Examples
    --------
    >>> span(0.4), span(90), span(7200)
    ('0.4 s', '2 minutes', '2 hours')
    """
    if seconds < 60:
        return f"{seconds:.2g} s"
    many, unit = (seconds / 60, "minute") if seconds < 5400 else (seconds / 3600, "hour")
    return f"{many:.0f} {unit}{'' if round(many) == 1 else 's'}"


def failed(name: str, error: Exception) -> ModelError:
    """A provider's exception as one sentence."""
    have = "The work so far is kept."
    if isinstance(error, TimeoutError):
        return ModelError("model.failed", given=f"{name} gave {error}.", have=have,
                          try_="Raise AgentSettings.model_timeout, or use another model with -m.")  # fmt: skip
    if (known := known_failure(name, error, status_of(error))) is not None:
        return known
    wait = wait_asked(error)
    if wait > LONGEST_WAIT:
        return ModelError("model.failed", given=f"{name} asks to be left alone for {span(wait)}: {said(error)}.",
                          have=have,
                          try_="Resume the run then, or name a second model: -m first,second.")  # fmt: skip
    words = f"{type(error).__name__}: {said(error, 300)}."
    context = any(each in words.lower() for each in _CONTEXT)
    have += " The messages are larger than the model's context." if context else ""
    hint = _HINTS[413] if context else _HINTS.get(status_of(error) or 0)
    try_ = hint or "Check the network and the provider, or use another model with -m."
    return ModelError("model.failed", given=f"{name}: {words}", have=have, try_=try_)
