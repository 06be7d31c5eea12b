"""Rows of a table without time that belong together: groups that a person names, what looks like one, and repeats."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from omc_agent.errors import UsageError

_ENTITIES = frozenset(
    {"id", "user", "customer", "client", "patient", "subject", "account", "store", "shop", "person", "member"}
    | {"player", "student", "school", "household", "device", "machine", "sensor", "session", "visitor", "employee"}
    | {"hospital", "driver", "team"}
)
_FEWEST, _MOST = 10, 0.5  # groups, and groups a row: fewer are a category, more hardly repeat


def check_group(frame: pd.DataFrame, group: str | None) -> None:
    """Raise ``usage.value`` where the column of the groups is not there."""
    if group is not None and group not in frame.columns:
        raise UsageError(
            "usage.value",
            given=f"The group column {group!r} is not there.",
            have=f"Columns: {', '.join(map(str, frame.columns[:30]))}.",
            try_="Name one of them with --group, or leave it out.",
        )


def entity_column(frame: pd.DataFrame, target: str) -> str | None:
    """A column that looks like the name of an entity with several rows each; the one with the most values.

    Examples
    --------
    >>> rows = pd.DataFrame({"patient_id": [*range(20)] * 3, "mark": 1.0, "ill": [0, 1] * 30})
    >>> entity_column(rows, "ill")
    'patient_id'
    """
    found = [(frame[name].nunique(), str(name)) for name in frame.columns if name != target and _is_entity(name)]
    several = [(count, name) for count, name in found if _FEWEST <= count <= _MOST * len(frame)]
    repeat = [(count, name) for count, name in several if frame[name].dropna().duplicated(keep=False).mean() > 0.5]
    return max(repeat)[1] if repeat else None


def _is_entity(name: Any) -> bool:
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name)).lower())
    return any(word.removesuffix("s") in _ENTITIES for word in words)


def belonging_warnings(
    frame: pd.DataFrame, target: str, group: str | None, facts: dict[str, Any]
) -> list[dict[str, Any]]:
    """What to tell of rows that belong together.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        Development rows.
    target : str
        Its target column.
    group : str or None
        The column that the person named.
    facts : dict
        What is known of the seal: ``time``, ``repeated``.
    """
    if facts.get("time"):
        if group is None:
            return []
        said = (
            f"Rows in time are cut in time, for all of {group} at once; a group may lie on both sides of the seal, as"
            " it will when the model is used."
        )
        return [{"code": "split_groups", "text": said}]
    notes: list[dict[str, Any]] = []
    if count := facts.get("repeated"):
        said = (
            f"{count:,} rows repeat another one. Equal rows lie on one side of the seal and in one fold, or some"
            " would be scored that were learned by heart."
        )
        notes.append({"code": "repeated_rows", "text": said})
    seen = entity_column(frame, target) if group is None else None
    if seen is not None:
        each = len(frame) / frame[seen].nunique()
        said = (
            f"{seen} looks like one thing with several rows each ({each:.1f} on average), and its rows lie on both"
            " sides of the seal: what is learned of one of them is scored on another. To keep them together, give"
            f" --group {seen}."
        )
        notes.append({"code": "split_groups", "text": said, "column": seen})
    return notes
