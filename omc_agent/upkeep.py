"""``omc-agent db``: whether the store is whole, bringing it to head, removing what is old, giving room back."""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omc_agent.ages import age_of
from omc_agent.config import AgentSettings
from omc_agent.errors import AgentError, StoreError, UsageError
from omc_agent.flags import Parser
from omc_agent.listing import STATUSES
from omc_agent.store.checkpoint_place import SQLITE, Place, place_of

Upkeep = Callable[[argparse.Namespace], tuple[int, str]]


def add_db_verbs(parser: argparse.ArgumentParser) -> None:
    """The verbs below ``db``; `parsed.upkeep` gives the exit code and what is printed."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=Parser)
    _add(verbs, "check", _check, "whether it is whole: revision, pages, ledgers, sizes; exit 1 where it is not")
    _add(verbs, "upgrade", _upgrade, "bring it to the revision of this version")
    _add(verbs, "vacuum", _vacuum, "give back the room that removed runs took")
    each = _add(verbs, "prune", _prune, "remove runs that ended long ago, with their files")
    each.add_argument(
        "--older-than", required=True, metavar="SPAN", help="such as 90d: nothing happened for that long"
    )
    each.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    each.add_argument("--keep-status", default="", metavar="STATUS,...", help="remove none of these")
    each.add_argument("--parked", action="store_true", help="remove runs too that wait for an answer or for money")
    each.add_argument("--abandoned", action="store_true", help="remove runs too that died at work")
    each.add_argument("--missing", action="store_true", help="remove runs too whose folder is not on this machine")


def store_line(settings: AgentSettings) -> str:
    """The store in one line, for ``doctor``: where it is, and whether it answers."""
    from omc_agent.store.address import network_under, shown
    from omc_agent.store.database import head_revision, open_database, revision_of

    url = settings.store_url()
    try:
        engine = open_database(url, synchronous=settings.synchronous, upgrade=False)
    except StoreError as error:
        return f"{shown(url)}: {error.code}: {error.have} {error.try_}"
    try:
        revision, path = revision_of(engine), engine.url.database or ""
        behind = "" if revision in (None, head_revision()) else f", revision {revision}: omc-agent db upgrade"
        kind = network_under(Path(path)) if engine.dialect.name == "sqlite" else ""
        wrong = f", on {kind}, where locks of SQLite do not hold: take PostgreSQL, or a local disk" if kind else ""
        return f"{shown(engine.url)}, answers{behind}{wrong}"
    finally:
        engine.dispose()


def _check(parsed: argparse.Namespace) -> tuple[int, str]:
    from omc_agent.store.database import open_database
    from omc_agent.store.inspection import examine_store
    from omc_agent.store.records import SessionManager
    from omc_agent.store.retention import measured, remains

    settings = AgentSettings()
    engine = open_database(settings.store_url(), upgrade=False)
    try:
        found = examine_store(engine)
        known = [row["id"] for row in SessionManager(engine).list(limit=None)] if found.tables else []
    finally:
        engine.dispose()
    home = settings.resolved_home()
    files, size = measured(home / "runs")
    if found.tables:
        stray, left = remains(home / "runs", known)
        found.notes += [f"{len(stray)} folders in runs/ are of no run of this store: {', '.join(stray[:5])}."] * bool(
            stray
        )
        found.notes += [f"{left} folders are left of removals that broke off; the next removal clears them."] * bool(
            left
        )
    place = place_of(settings.checkpoints_url())
    found.problems += _damage(place)
    bytes_there = place.file.stat().st_size if place.kind == SQLITE and place.file.exists() else 0
    told = {**vars(found), "whole": not found.problems, "checkpoint_bytes": bytes_there, "run_files": files,
            "run_bytes": size}  # fmt: skip
    if parsed.json:
        return int(bool(found.problems)), json.dumps(told)
    lines = [
        f"store        {found.url}, revision {found.revision}, {_size(found.bytes)}",
        f"checkpoints  {_where(place, bytes_there)}",
        f"workspaces   {files:,} files, {_size(size)}, in {home / 'runs'}",
        f"runs         {', '.join(f'{count} {status}' for status, count in found.runs.items()) or 'none'}",
        *(f"rows         {count:>9,} {name}" for name, count in found.tables.items()),
        *(f"note         {note}" for note in found.notes),
        *(f"PROBLEM      {problem}" for problem in found.problems),
    ]
    return int(bool(found.problems)), "\n".join([*lines, *([] if found.problems else ["It is whole."])])


def _upgrade(parsed: argparse.Namespace) -> tuple[int, str]:
    from omc_agent.store.database import head_revision, open_database, revision_of

    settings = AgentSettings()
    engine = open_database(settings.store_url(), upgrade=False)
    before = revision_of(engine)
    engine.dispose()
    open_database(settings.store_url()).dispose()
    done = {"from": before, "to": head_revision()}
    if parsed.json:
        return 0, json.dumps(done)
    same = before == done["to"]
    return 0, f"revision {done['to']}: it was there already" if same else f"from {before or 'empty'} to {done['to']}"


def _vacuum(parsed: argparse.Namespace) -> tuple[int, str]:
    from omc_agent.store.database import open_database
    from omc_agent.store.inspection import compact, examine_store

    settings = AgentSettings()
    engine = open_database(settings.store_url())
    try:
        before = examine_store(engine).bytes
        compact(engine)
        after = examine_store(engine).bytes
    finally:
        engine.dispose()
    place = place_of(settings.checkpoints_url())
    checkpoints = place.file
    if place.kind == SQLITE and checkpoints.exists():
        before += checkpoints.stat().st_size
        with sqlite3.connect(checkpoints, timeout=30) as file:
            file.execute("VACUUM")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        file.close()
        after += checkpoints.stat().st_size
    told = {"before": before, "after": after}
    return 0, json.dumps(told) if parsed.json else f"from {_size(before)} to {_size(after)}"


def _prune(parsed: argparse.Namespace) -> tuple[int, str]:
    from omc_agent import face

    older_than = age_of(parsed.older_than)
    keep = [word.strip() for word in parsed.keep_status.split(",") if word.strip()]
    for word in keep:
        if word not in STATUSES:
            raise UsageError("usage.value", given=f"No run has the status {word!r}.",
                             have=f"There are {', '.join(STATUSES)}.", try_="Name some of these.")  # fmt: skip
    store = face.orchestrator_for(AgentSettings()).store
    done = store.prune(older_than, keep_status=keep, parked=parsed.parked, abandoned=parsed.abandoned,
                       missing=parsed.missing, dry_run=parsed.dry_run)  # fmt: skip
    if parsed.json:
        return 0, json.dumps(done.to_dict())
    lines = [f"{run.id:<12} {run.status:<9} {run.last:%Y-%m-%d} {_size(run.bytes):>9}  {run.goal[:60]}"
             for run in done.removed]  # fmt: skip
    lines += [f"{run.id:<12} stays: {run.why}" for run in done.kept]
    verb = "would be removed" if done.dry_run else "removed"
    rows = sum(run.rows for run in done.removed)
    files = sum(run.files for run in done.removed)
    lines.append(f"{len(done.removed)} runs {verb}: {rows:,} rows, {files:,} files, {_size(done.bytes)}."
                 f" Before {done.before:%Y-%m-%d %H:%M} UTC; openings and costs stay.")  # fmt: skip
    return 0, "\n".join(lines)


def _add(verbs: Any, name: str, upkeep: Upkeep, about: str) -> argparse.ArgumentParser:
    each: argparse.ArgumentParser = verbs.add_parser(name, help=about, description=about)
    each.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    each.set_defaults(upkeep=upkeep, parser=each)
    return each


def _damage(place: Place) -> list[str]:
    """What is wrong with the checkpoints."""
    from omc_agent.store.checkpoints import check_checkpoints

    try:
        if place.kind != SQLITE:
            check_checkpoints(place)
            return []
        if not place.file.exists():
            return []
        file = sqlite3.connect(f"file:{place.file}?mode=ro", uri=True, timeout=30)
        said = [str(row[0]) for row in file.execute("PRAGMA quick_check(5)")]
        file.close()
    except AgentError as error:
        return [error.line()]
    except sqlite3.DatabaseError as error:
        return [f"{place.file.name}: {error}."]
    return [f"{place.file.name}: {line}" for line in said if line != "ok"]


def _where(place: Place, size: int) -> str:
    return f"{place.file.name}, {_size(size)}" if place.kind == SQLITE else place.shown


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"
