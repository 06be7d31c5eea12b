"""What a run has to remember so that it can be made again: packages, seed, fetched rows, frames, cells, decisions."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from omc_agent.config import Source, Trust
from omc_agent.errors import RunError
from omc_agent.events import Event
from omc_agent.report import people_said
from omc_agent.sandbox import exchange
from omc_agent.store.records import Row, recorded
from omc_agent.tools.fingerprint import fingerprint

# What can change a figure when it changes.
PACKAGES = ("omc-agent", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "xgboost", "optuna", "ta", "skops",
            "skrub", "statsmodels")  # fmt: skip


def versions() -> dict[str, str]:
    """Python and the packages that figures come out of, as they are now; without those that are not there."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code_hash(row: Mapping[str, Any]) -> str:
    """Names a cell by its code and kind."""
    return hashlib.sha256(f"{row['stage']}\n{row['kind']}\n{row['code']}".encode()).hexdigest()[:16]


def recipe_of(
    things: Mapping[str, Any],
    cells: Sequence[Row],
    events: Iterable[Event],
    workspace: Path,
    source: Source,
    trust: Trust,
    earlier: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The recipe of a branch as it stands.

    Parameters
    ----------
    things : mapping
        What is kept of the state.
    cells, events
        Of the branch.
    workspace : Path
        Where frames and sealed rows lie; they are read here on the host to be hashed, and go nowhere.
    source, trust
        Where the rows are from, and the seed.
    earlier : mapping, optional
        The recipe of the run as it was before: it knows of frames that a resumed run was not handed again.
    """
    frames = {}
    for name, ref in things.get("frames", {}).items():
        path = workspace / "frames" / f"{ref['sha']}.arrow"
        frames[name] = fingerprint(exchange.read_frame(path)) if path.exists() else None
    return {
        "versions": versions(),
        "seed": trust.seed,
        "trust": {"holdout": trust.holdout, "folds": trust.folds, "leak_cuts": trust.leak_cuts},
        "source": _source(source, earlier or {}),
        "data": _data(things, workspace),
        "frames": frames,
        "cells": {str(row["n"]): code_hash(row) for row in recorded(cells)},
        "decisions": people_said(events),
    }


def fetched_rows(things: Mapping[str, Any], workspace: Path) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Development rows, and the sealed ones (None where nothing was sealed), as the run stored them.

    Raises
    ------
    RunError
        ``run.not_finished`` when nothing was fetched, or the files are gone.
    """
    sealed = things.get("sealed") or {}
    name = sealed.get("frame")
    ref = things.get("frames", {}).get(name)
    paths = [workspace / "frames" / f"{ref['sha']}.arrow"] if ref else []
    paths += [workspace / "sealed" / f"{sealed['sha']}.arrow"] if sealed.get("sha") else []
    if not ref or not all(path.exists() for path in paths):
        raise RunError("run.not_finished", given="The rows of the run are not there.",
                       have="It fetched none, or their files are gone.", try_="Run the goal again.")  # fmt: skip
    read = [exchange.read_frame(path) for path in paths]
    return read[0], read[1] if len(read) > 1 else None


def joined(development: pd.DataFrame, sealed: pd.DataFrame | None) -> pd.DataFrame:
    """All rows in the order that they had before the cut."""
    return development if sealed is None else pd.concat([development, sealed]).sort_index()


def _data(things: Mapping[str, Any], workspace: Path) -> dict[str, Any] | None:
    try:
        development, sealed = fetched_rows(things, workspace)
    except RunError:
        return None
    whole = joined(development, sealed)
    return {
        "frame": things["sealed"]["frame"],
        "rows": len(whole),
        "all": fingerprint(whole),
        "development": fingerprint(development),
        "sealed": None if sealed is None else fingerprint(sealed),
    }


def _source(source: Source, earlier: Mapping[str, Any]) -> dict[str, Any]:
    if source.frames:
        return {"kind": "frame", "name": next(iter(source.frames))}
    if earlier.get("source"):
        return dict(earlier["source"])
    return {"kind": "database", "table": source.table} if source.db else {"kind": "frame", "name": "data"}
