"""What a replay is compared by: checks, the sum of them, and what differs between two frames in figures."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from omc_agent.tools.fingerprint import TIMINGS, fingerprint

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Check:
    """One comparison: `result` is same, differs, or note (said, but it decides nothing)."""

    name: str
    result: str
    said: str

    def line(self) -> str:
        """As it is shown."""
        return f"{self.name:<12} {self.result:<8} {self.said}"


@dataclass
class Verification:
    """What a replay gave.

    Attributes
    ----------
    id, branch : str
        Which run, and which of its branches.
    checks : list of Check
        In the order in which they were made.
    """

    id: str
    branch: str
    checks: list[Check] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return all(check.result != "differs" for check in self.checks)

    def add(self, name: str, same: bool | None, said: str) -> None:
        """Note one comparison; None for what decides nothing."""
        self.checks.append(Check(name, {True: "same", False: "differs", None: "note"}[same], said))

    def lines(self) -> list[str]:
        """One line a check, then the sum of them."""
        end = "verified: it comes out as it was" if self.same else "not verified: see what differs"
        return [*(check.line() for check in self.checks), f"{self.branch}: {end}"]

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        checks = [dataclasses.asdict(check) for check in self.checks]
        return {"id": self.id, "branch": self.branch, "same": self.same, "checks": checks}

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def difference(was: pd.DataFrame, now: pd.DataFrame) -> str:
    """What differs between two frames, with figures; empty when nothing does.

    Examples
    --------
    >>> difference(pd.DataFrame({"size": [1.0, 2.0]}), pd.DataFrame({"size": [1.0, 3.0]}))
    'size differs in 1 of 2 rows, first in row 1: 2.0 then, 3.0 now'
    """
    if len(was) != len(now):
        return f"{len(was):,} rows then, {len(now):,} now"
    if [str(name) for name in was] != [str(name) for name in now]:
        return f"columns {', '.join(map(str, was))} then, {', '.join(map(str, now))} now"
    now = now.set_axis(was.index)
    for name in (name for name in was if name not in TIMINGS):
        if fingerprint(was[[name]]) == fingerprint(now[[name]]):
            continue
        one, two = was[name].astype(object), now[name].astype(object)
        changed = ~((one == two) | (one.isna() & two.isna())).to_numpy(dtype=bool)
        place = int(changed.argmax())
        where = f"row {was.index[place]}"
        if "timestamp" in was and name != "timestamp":
            where = f"{was['coin'].iloc[place] if 'coin' in was else 'row'} {was['timestamp'].iloc[place]}"
        return (f"{name} differs in {changed.sum():,} of {len(was):,} rows, first in {where}:"
                f" {one.iloc[place]} then, {two.iloc[place]} now")  # fmt: skip
    return ""


def close(was: Any, now: Any) -> bool:
    """Numbers within 1e-9 of their size, everything else the same."""
    if isinstance(was, float) and isinstance(now, int | float):
        return abs(was - now) <= TOLERANCE * max(1.0, abs(was))
    if isinstance(was, dict) and isinstance(now, dict):
        return set(was) == set(now) and all(close(was[name], now[name]) for name in was)
    if isinstance(was, list) and isinstance(now, list):
        return len(was) == len(now) and all(close(one, two) for one, two in zip(was, now, strict=True))
    return bool(was == now)


def told(value: Any) -> str:
    """A value as a check shows it."""
    return f"{value:.6f}" if isinstance(value, float) else str(value)
