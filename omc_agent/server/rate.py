"""How often one user may ask: a bucket of tokens for each, filled at an even rate."""

from __future__ import annotations

import time
from collections.abc import Callable

BURST_SECONDS = 2.0  # what a quiet user may send at once: a page that opens asks for several things
MOST_USERS = 10_000


class Rate:
    """Buckets by user.

    Parameters
    ----------
    per_second : float
        Requests a second in the long run; 0: no limit.
    clock : callable
        Seconds that only grow.

    Examples
    --------
    >>> rate = Rate(0.5, clock=lambda: 0.0)
    >>> rate.take("ann"), rate.take("ann"), rate.take("bob")
    (0.0, 2.0, 0.0)
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._most = max(1.0, per_second * BURST_SECONDS)
        self._buckets: dict[str, tuple[float, float]] = {}  # user -> (tokens, when they were counted)

    def take(self, user: str) -> float:
        """Take one token; the seconds until there is one, 0 when there was."""
        if not self._per_second:
            return 0.0
        now = self._clock()
        tokens, then = self._buckets.get(user, (self._most, now))
        tokens = min(self._most, tokens + (now - then) * self._per_second)
        if user not in self._buckets and len(self._buckets) >= MOST_USERS:
            self._forget(now)
        if tokens < 1:
            self._buckets[user] = (tokens, now)
            return (1 - tokens) / self._per_second
        self._buckets[user] = (tokens - 1, now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Leave out users whose bucket is full again, and the quietest half of the others when that is not enough."""
        full = self._most / self._per_second
        self._buckets = {user: held for user, held in self._buckets.items() if now - held[1] < full}
        if len(self._buckets) >= MOST_USERS:
            newest = sorted(self._buckets.items(), key=lambda item: item[1][1])[MOST_USERS // 2 :]
            self._buckets = dict(newest)
