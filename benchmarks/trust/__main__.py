"""``make bench-trust``: tracks A to D, one table, one JSON file. See docs/benchmark.md."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The folder is no package of ours, so it is put where Python looks; children that are spawned look there too.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import write_result

from trust import asking, costs, executors, forecasting, gap, honesty, planted, tabular
from trust.table import held, lines

PIECES = {"A": ("A",), "B": ("B",), "C": ("C1", "C1 peers", "C2", "C3", "C4", "C5", "confirm", "cost"), "D": ("D",)}
QUICK_SETS, QUICK_SERIES = ("spector", "diabetes"), ("nile",)
JSON_FILE = Path(__file__).parent / "out" / "trust.json"


def pieces_of(tracks: str) -> list[str]:
    """What belongs to tracks such as ``A,C``; a piece may be named by itself (``C3,cost``)."""
    named = [name.strip() for name in tracks.split(",") if name.strip()]
    known = {piece for track in PIECES.values() for piece in track}
    unknown = [name for name in named if name not in PIECES and name not in known]
    if unknown:
        raise SystemExit(
            f"No track {', '.join(unknown)}; there are {', '.join([*PIECES, *sorted(known - set(PIECES))])}."
        )
    return list(dict.fromkeys(piece for name in named for piece in PIECES.get(name, (name,))))


def calls(args: argparse.Namespace, data: Path) -> dict[str, Callable[[], Any]]:
    """How each piece is measured, whole or quick."""
    base, workers = args.seed_base, args.workers
    if args.quick:
        return {
            "A": lambda: tabular.run(base, workers, data, 1, 5.0, QUICK_SETS),
            "B": lambda: forecasting.run(base, workers, data, 5.0, QUICK_SERIES),
            "C1": lambda: honesty.walks(base, workers, 4, 25, 2),
            "C1 peers": lambda: gap.run(base, workers, 1, 25, 5.0),
            "C2": lambda: honesty.power(base, workers, 1, 25, 2),
            "C3": lambda: planted.run(base, 1),
            "C4": lambda: honesty.breaks(base, workers, 1, 25, 2),
            "C5": lambda: [{"skipped": "the quick version has no time for 249 days"}],
            "confirm": lambda: costs.confirm(base, 1, 25),
            "cost": lambda: costs.honesty_share(base, 25),
            "D": lambda: executors.run(),
        }
    return {
        "A": lambda: tabular.run(base, workers, data),
        "B": lambda: forecasting.run(base, workers, data),
        "C1": lambda: honesty.walks(base, workers),
        "C1 peers": lambda: gap.run(base, workers),
        "C2": lambda: honesty.power(base, workers),
        "C3": lambda: planted.run(base),
        "C4": lambda: honesty.breaks(base, workers),
        "C5": lambda: honesty.real(workers),
        "confirm": lambda: costs.confirm(base),
        "cost": lambda: costs.honesty_share(base),
        "D": lambda: executors.run(),
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All pieces that were asked for; earlier ones of the same seeds and size stay in the file."""
    kind = {"seed_base": args.seed_base, "quick": args.quick}
    file = Path(args.json)
    kept = json.loads(file.read_text()) if file.exists() else {}
    results = kept if {key: kept.get(key) for key in kind} == kind else {**kind, "seconds": {}}
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="omctrust-") as folder:
        data, todo = Path(folder), pieces_of(args.tracks)
        if {"A", "B"} & set(todo):
            asking.bundled_data(data)
        for piece in todo:
            began = time.monotonic()
            results[piece] = calls(args, data)[piece]()
            results["seconds"][piece] = round(time.monotonic() - began, 1)
            file.write_text(json.dumps(results, indent=1))
    return results


def main() -> int:
    """The table on stdout; in RESULTS.md too, unless it is the quick version. Exit 1 when a limit does not hold."""
    parser = argparse.ArgumentParser(prog="bench-trust", description=__doc__)
    parser.add_argument("--seed-base", type=int, default=0, help="all seeds derive from it")
    parser.add_argument("--tracks", default="A,B,C,D", help="tracks or pieces, by comma: A,B,C,D or C1,C3,cost")
    parser.add_argument("--quick", action="store_true", help="a small version of everything, about two minutes")
    parser.add_argument("--workers", type=int, default=2, help="processes side by side, one thread each")
    parser.add_argument("--json", default=str(JSON_FILE), help="file of all that was measured")
    args = parser.parse_args()
    if not asking.have_peers():
        raise SystemExit("The peers' environment is not there; `make bench-trust` makes it.")
    results = measure(args)
    seconds = ", ".join(f"{piece} {spent:.0f}" for piece, spent in results["seconds"].items())
    command = f"`make bench-trust` with --seed-base {args.seed_base}, {args.workers} workers, one thread each."
    told = [f"{command} Wall seconds of the pieces: {seconds}.", "", *lines(results)]
    if args.quick:
        print("\n".join(told))
    else:
        write_result("bench-trust", told)
    return 0 if held(results) else 1


if __name__ == "__main__":
    sys.exit(main())
