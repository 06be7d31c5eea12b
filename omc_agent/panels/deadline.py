"""How long an open request waits, and what happens then: as a countdown, and as a time that a saved page can show."""

from __future__ import annotations

from omc_agent.events import RequestOpened
from omc_agent.panels import phrases

_THEN = {"park": "parks", "approve": "is approved", "reject": "is rejected"}


def outcome(event: RequestOpened) -> str:
    """What happens without an answer, such as ``parks``."""
    if event.on_timeout == "approve" and event.gate in ("clarification", "selection"):
        return "takes the default"
    return _THEN.get(event.on_timeout, _THEN["park"])


def countdown(event: RequestOpened, now: float) -> str:
    """The time that is left at `now`, seconds since the epoch.

    Examples
    --------
    >>> asked = RequestOpened(request_id="q", gate="code", question="Run it?", deadline=352.0)
    >>> countdown(asked, 100.0), countdown(asked, 400.0)
    ('Without an answer in 4:12 it parks.', 'The time to answer is over: it parks.')
    """
    if event.deadline is None:
        return "It waits as long as you need."
    left = event.deadline - now
    if left < 0:
        return f"The time to answer is over: it {outcome(event)}."
    minutes, seconds = divmod(int(left), 60)
    hours, minutes = divmod(minutes, 60)
    shown = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"Without an answer in {shown} it {outcome(event)}."


def until(event: RequestOpened) -> str:
    """The same as a time, with its day where it is another one."""
    end = phrases.from_epoch(event.deadline)
    if end is None:
        return "Waits as long as you need."
    began = phrases.from_epoch(event.at)
    day = "" if began is not None and began.date() == end.date() else f"{end.day} {end:%B}, "
    return f"Waits until {day}{phrases.clock(event.deadline)}, then {outcome(event)}."
