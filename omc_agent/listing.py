"""Lists of runs: which, and how many at once; command line and magic share it."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from omc_agent.ages import moment_of
from omc_agent.errors import UsageError
from omc_agent.flags import Parser

if TYPE_CHECKING:
    from omc_agent.store.records import SessionManager

STATUSES = ("queued", "running", "awaiting_user", "parked", "finished", "failed", "stopped")


def list_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The flags of ``list``."""
    parser = parser or Parser(prog="%agent list", add_help=False)
    parser.add_argument("--status", default=None, help=f"only these, joined by commas: {', '.join(STATUSES)}")
    parser.add_argument("--goal", default=None, metavar="TEXT", help="only goals with that text in them")
    parser.add_argument("--since", default=None, metavar="TIME", help="begun at or after: 2026-01-31 (UTC), or 7d")
    parser.add_argument("--until", default=None, metavar="TIME", help="begun before: 2026-01-31 (UTC), or 7d")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="how many at most")
    parser.add_argument("--offset", type=int, default=0, metavar="N", help="how many of the newest to leave out")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def listed(store: SessionManager, parsed: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """The rows that are asked for, and a sentence where there are more; empty where there are none.

    Raises
    ------
    UsageError
        ``usage.value`` for a status that there is not, a time that is none, or a page of less than one run.
    """
    from omc_agent.result import list_rows

    status = [word.strip() for word in parsed.status.split(",")] if parsed.status else None
    for word in status or []:
        if word not in STATUSES:
            raise UsageError("usage.value", given=f"No run has the status {word!r}.",
                             have=f"There are {', '.join(STATUSES)}.", try_="Name some of these.")  # fmt: skip
    if parsed.limit < 1 or parsed.offset < 0:
        raise UsageError("usage.value", given=f"A page of {parsed.limit} from {parsed.offset} on holds nothing.",
                         have="--limit begins at 1, --offset at 0.", try_="omc-agent list --limit 20")  # fmt: skip
    since, until = (moment_of(text) if text else None for text in (parsed.since, parsed.until))
    which: dict[str, Any] = {"status": status, "goal": parsed.goal, "since": since, "until": until}
    rows = list_rows(store, **which, limit=parsed.limit, offset=parsed.offset)
    total, last = store.count(**which), parsed.offset + len(rows)
    if total <= len(rows):
        return rows, ""
    more = f"; --offset {last} shows the next" if rows and last < total else ""
    return rows, f"{len(rows)} of {total} runs{more}."


def list_json(rows: list[dict[str, Any]], note: str) -> str:
    """The same for scripts: one object with `runs` and `note`; times are ISO 8601, UTC."""
    plain = [{name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
             for row in rows]  # fmt: skip
    return json.dumps({"runs": plain, "note": note})
