"""The one table at the end: what was asked, what was measured, whether it holds; and what lies behind it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from trust import forecasting, tabular

Rows = Sequence[dict[str, Any]]
Line = tuple[str, str, str, bool | None]


def lines(results: dict[str, Any]) -> list[str]:
    """Markdown: one row a question. A question that was not put is left out; one without a limit has no answer."""
    asked: list[Line] = []
    for piece, say in SAY.items():
        if piece in results:
            asked += say(results[piece])
    told = ["| | asked | measured | holds |", "|---|---|---|---|"]
    words = {True: "yes", False: "**no**", None: "-"}
    return told + [f"| {what} | {limit} | {found} | {words[holds]} |" for what, limit, found, holds in asked]


def held(results: dict[str, Any]) -> bool:
    """Whether nothing that has a limit is beyond it."""
    return "**no**" not in "".join(lines(results))


def _tables(rows: Rows) -> list[Line]:
    found = tabular.summary(list(rows))
    means = found["normalised"]
    told = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
    ahead = bool(means) and means["ours"] >= means["flaml"]
    worse = ", ".join(found["worse"]) or "none"
    what = f"A mean normalised score, {found['sets']} sets, {found['splits']} splits"
    return [
        (what, "ours at least FLAML", told or "nothing was scored", ahead),
        ("A worse than its own best baseline beyond noise", "no set", worse, not found["worse"] and bool(means)),
        ("A failures", "none", _counted(found["failures"]), not found["failures"]),
        ("A cost of a split: wall s, CPU s, MB", "shown", _costs(rows), None),
    ]


def _series(rows: Rows) -> list[Line]:
    told: list[Line] = []
    for row in rows:
        if "systems" not in row:
            told.append(
                (f"B {row['set']}", "forecast", _counted(row.get("failures", [row.get("skipped", "")])), None)
            )
            continue
        scores = {name: row["systems"][name]["mase"] for name in forecasting.SYSTEMS}
        mine, call = scores["ours"], row["systems"]["ours"].get("call")
        others = [value for name, value in scores.items() if name not in ("ours", "linear", "hgb") and value]
        best = mine is not None and all(mine <= value for value in others)
        text = ", ".join(f"{name} {'failed' if value is None else f'{value:.3f}'}" for name, value in scores.items())
        limit = 'below FLAML and every naive rule, or "no edge"'
        told.append((f"B MASE, {row['set']}", limit, f"{text}; call {call}", best or call == "no_edge"))
    failed = [text for row in rows for each in row.get("systems", {}).values() for text in each["failures"]]
    return [*told, ("B failures", "none", _counted(failed), not failed)]


def _walks(rows: Rows) -> list[Line]:
    done = _judged(rows)
    calls = Counter(row["verdict"]["call"] for row in done)
    gaps = [
        row["verdict"]["claimed"] - row["verdict"]["score"] for row in done if row["verdict"]["score"] is not None
    ]
    alone = [row for row in done if (row["verdict"]["low"] or 0) > 0]
    edges, most = calls["edge"], max(1, len(rows) // 20)
    text = ", ".join(f"{count} {call}" for call, count in calls.most_common())
    kept = Counter(name for row in alone for name in row["failed"])
    why = f"; of {len(alone)} with the interval above zero kept by: {dict(kept)}" if alone else ""
    mean, wide = statistics.fmean(gaps), statistics.pstdev(gaps)
    failed = [text for row in rows for text in row["failures"]]
    what = f"C1 false edge on {len(rows)} random walks of {rows[0]['days']} days"
    return [
        (
            what,
            f"at most {most} (nominal 2.5 %)",
            f"{edges} ({text}; interval alone {len(alone)}{why})",
            edges <= most,
        ),
        ("C1 claimed minus sealed AUC, mean", "at most 0.02", f"{mean:+.4f} (sd {wide:.3f})", mean <= 0.02),
        ("C1 failures", "none", _counted(failed), not failed),
    ]


def _gaps(rows: Rows) -> list[Line]:
    told = []
    for system in dict.fromkeys(row["system"] for row in rows):
        done = [row for row in rows if row["system"] == system and row.get("true") is not None]
        claimed = statistics.fmean(row["claimed"] for row in done) if done else float("nan")
        true = statistics.fmean(row["true"] for row in done) if done else float("nan")
        text = f"{claimed:.3f} - {true:.3f} = {claimed - true:+.3f} ({len(done)} walks)"
        told.append((f"C1 beside it: {system}, claimed minus sealed AUC", "shown", text, None))
    return told


def _power(rows: Rows) -> list[Line]:
    told = []
    for auc in sorted({row["auc"] for row in rows}):
        done = _judged([row for row in rows if row["auc"] == auc])
        calls = Counter(row["verdict"]["call"] for row in done)
        sealed = statistics.fmean(row["verdict"]["score"] for row in done) if done else float("nan")
        text = f"{_rates(calls, len(done))}; mean sealed AUC {sealed:.3f}"
        told.append(
            (f"C2 planted Bayes AUC {auc}, {len(done)} walks of {rows[0]['days']} days", "reported", text, None)
        )
    return told  # fmt: skip


def _leaks(rows: Rows) -> list[Line]:
    missed = [name for row in rows for name in (*row["missed"], *row["missed_after_dropna"])]
    missed += ["target above the frame's median" for row in rows if not row["threshold_found"]]
    alarms = [name for row in rows for name in row["false_alarms"]]
    return [
        (
            f"C3 planted leaks missed, {len(rows)} seeds, rows kept and dropped",
            "none",
            _counted(missed),
            not missed,
        ),
        ("C3 causal features accused", "none", _counted(alarms), not alarms),
    ]


def _breaks(rows: Rows) -> list[Line]:
    told = []
    for after in sorted({row["after"] for row in rows}):
        done = _judged([row for row in rows if row["after"] == after])
        calls = Counter(row["verdict"]["call"] for row in done)
        claimed = statistics.fmean(row["verdict"]["claimed"] for row in done) if done else float("nan")
        sealed = statistics.fmean(row["verdict"]["score"] for row in done) if done else float("nan")
        text = f"{_rates(calls, len(done))}; claimed {claimed:.3f}, sealed {sealed:.3f}"
        told.append(
            (f"C4 a signal that {after} at the holdout", "no edge called", text, calls["edge"] == 0 and done != [])
        )
    return told  # fmt: skip


def _real(rows: Rows) -> list[Line]:
    told: list[Line] = []
    for row in rows:
        if "skipped" in row:
            return [("C5 real bars", "volatility edge, direction none", f"skipped: {row['skipped']}", None)]
        verdict = row["verdict"]
        what, limit = f"C5 {row['coin']} {row['target']}, {row['days']} days", "edge"
        if row["target"] == "direction":
            limit = "no edge, and why"
        if not verdict:
            told.append((what, limit, _counted(row["failures"]), False))
            continue
        holds = (verdict["call"] == "edge") == (limit == "edge")
        told.append((what, limit, f"{verdict['call']}: {row['sentence']}", holds))
    return told


def _confirmed(rows: Rows) -> list[Line]:
    same = sum(row["same"] for row in rows)
    differ = [name for row in rows for name in (*row.get("differ", []), *row["failures"])]
    text = f"{same} of {len(rows)}" + (f"; differ: {', '.join(differ)}" if differ else "")
    return [("a real run gives the same verdict and scores", "all", text, same == len(rows))]


def _cost(row: dict[str, Any]) -> list[Line]:
    if "share" not in row:
        return [("cost of honesty", "at most 15 %", _counted(row["failures"]), False)]
    stages = ", ".join(f"{name} {value:.1f}" for name, value in row["by_stage"].items() if value >= 0.1)
    text = f"{100 * row['share']:.1f} % of {row['cpu']:.0f} CPU s ({row['days']} days; with the fit of what is"
    text += f" delivered {100 * row['with_fits']:.1f} %; {stages})"
    return [("cost of honesty: both leak tests and scoring", "at most 15 % of CPU", text, row["share"] <= 0.15)]


def _executors(rows: Rows) -> list[Line]:
    told: list[Line] = []
    for row in rows:
        if "failures" in row:
            return [("D executors", "held", _counted(row["failures"]), False)]
        text = (f"{row['got_through']} got through, {row['late']} late, {row['left_behind']} left behind,"
                f" worst overrun {row['worst_overrun']:.1f} s")  # fmt: skip
        mine = row["executor"] == "omc_agent"
        fine = not (row["got_through"] or row["late"] or row["left_behind"])
        told.append((f"D {row['executor']}, {row['snippets']} hostile snippets", "none" if mine else "shown", text,
                     fine if mine else None))  # fmt: skip
    return told


def _judged(rows: Rows) -> list[dict[str, Any]]:
    return [row for row in rows if row.get("verdict")]


def _rates(calls: Counter[str], of: int) -> str:
    return ", ".join(f"{name} {calls[name]} of {of}" for name in ("edge", "inconclusive", "no_edge"))


def _counted(texts: Sequence[str]) -> str:
    short = Counter(text[:90] for text in texts)
    shown = "; ".join(f"{text}{f' (x{count})' if count > 1 else ''}" for text, count in short.most_common(3))
    return (shown + (f"; and {len(short) - 3} more" if len(short) > 3 else "")) or "none"


def _costs(rows: Rows) -> str:
    told = []
    for name in tabular.SYSTEMS:
        each = [row["systems"][name] for row in rows if "systems" in row and "wall" in row["systems"][name]]
        if each:
            middle = [statistics.median(one[key] for one in each) for key in ("wall", "cpu", "peak_mb")]
            told.append(f"{name} {middle[0]:.1f}, {middle[1]:.1f}, {middle[2]:.0f}")
    return "; ".join(told)


SAY = {"A": _tables, "B": _series, "C1": _walks, "C1 peers": _gaps, "C2": _power, "C3": _leaks, "C4": _breaks,
       "C5": _real, "confirm": _confirmed, "cost": _cost, "D": _executors}  # fmt: skip
