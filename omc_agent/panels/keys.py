"""The keys of an override, as a person reads and types them."""

from __future__ import annotations

from typing import Any

from omc_agent.overrides import KEYS


def about(key: str) -> str:
    """What a key is; what is no key of a run is a hyperparameter.

    Examples
    --------
    >>> about("trials"), about("xgboost.max_depth")
    ('trials of the search', 'one value, or LOW..HIGH to search')
    """
    return KEYS[key].about if key in KEYS else "one value, or LOW..HIGH to search"


def typed(key: str, now: Any) -> str:
    """A value as it is typed; nothing as "".

    Examples
    --------
    >>> typed("lags", [1, 3]), typed("xgboost.max_depth", [2, 8]), typed("threshold", None)
    ('1, 3', '2..8', '')
    """
    if now in (None, "", []):
        return ""
    if isinstance(now, (list, tuple)):
        return f"{now[0]}..{now[1]}" if key not in KEYS and len(now) == 2 else ", ".join(map(str, now))
    return str(now)
