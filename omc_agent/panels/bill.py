"""What runs cost: the line under a run, and the tables of ``cost``, as HTML and as the same in text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omc_agent.panels import phrases
from omc_agent.panels.markup import aligned, esc, plain
from omc_agent.panels.style import style_block

Row = Mapping[str, Any]
_WHAT = {
    "sent": "no answer came: tokens are an estimate",
    "guessed": "no usage told: tokens are an estimate",
    "refused": "refused, not billed",
    "remembered": "from the cache, not billed",
}


def tokens(count: Any) -> str:
    """A number of tokens, short.

    Examples
    --------
    >>> tokens(812), tokens(45_210), tokens(2_000_000)
    ('812', '45.2K', '2.0M')
    """
    found = phrases.number(count) or 0
    for unit, step in (("M", 1e6), ("K", 1e3)):
        if found >= step:
            return f"{found / step:.1f}{unit}"
    return f"{found:.0f}"


def price(usd: float) -> str:
    """US dollars; four digits behind the point where two would hide what a call costs.

    Examples
    --------
    >>> price(0), price(0.0842), price(2.5)
    ('$0.00', '$0.0842', '$2.50')
    """
    return f"${usd:,.2f}" if usd >= 1 or round(usd, 4) == round(usd, 2) else f"${usd:.4f}"


def cost_words(cost: Row) -> str:
    """Tokens and price of a run or a part of it; a price only where it is true.

    Parameters
    ----------
    cost : mapping
        ``tokens_in, tokens_out, cached, usd, calls, unpriced, guessed``; any may be missing.

    Examples
    --------
    >>> told = {"tokens_in": 45_200, "tokens_out": 1_200, "cached": 38_100, "usd": 0.0842, "calls": 9}
    >>> cost_words(told)
    '45.2K in (38.1K cached) / 1.2K out · $0.0842'
    >>> cost_words({**told, "cached": 0, "unpriced": 9, "usd": 0})
    '45.2K in / 1.2K out · price not known'
    """
    told = {name: phrases.number(cost.get(name)) or 0 for name in (*_SUMS, "usd")}
    cached = f" ({tokens(told['cached'])} cached)" if told["cached"] else ""
    used = f"{tokens(told['tokens_in'])} in{cached} / {tokens(told['tokens_out'])} out"
    parts = [used] if told["tokens_in"] or told["tokens_out"] else []
    return " · ".join([*parts, _money(cost)])


def bill_html(bill: Row) -> str:
    """The tables of a bill (`omc_agent.billing.bill_of`) as one card."""
    lead, tables, notes = _parts(bill)
    body = "".join(f"<h4>{esc(title)}</h4>{_table(head, rows)}" for title, head, rows in tables if rows)
    said = "".join(f'<p class="omc-dim omc-small">{esc(note)}</p>' for note in notes)
    return f'<div class="omc-card">{style_block()}<p><b>{esc(lead)}</b></p>{body}{said}</div>'


def bill_text(bill: Row) -> str:
    """The same as text."""
    lead, tables, notes = _parts(bill)
    parts = [lead]
    for title, head, rows in tables:
        if rows:
            parts.append(f"\n{title}\n{aligned([head, *rows], right=frozenset(_right(head)))}")
    return plain("\n".join([*parts, "", *notes]).strip())


_SUMS = ("tokens_in", "tokens_out", "cached", "calls", "unpriced", "guessed")
_NUMBERS = ["calls", "tokens in", "cached", "tokens out", "cost"]
_CALL = ["at (UTC)", "stage", "model", "tokens in", "cached", "tokens out", "time", "cost", ""]
_Table = tuple[str, list[str], list[list[str]]]


def _parts(bill: Row) -> tuple[str, list[_Table], list[str]]:
    total, run = bill.get("total"), bill.get("run")
    whose = f"Run {run}" if run else "All runs of this store"
    if not total:
        return f"{whose}: no model was called.", [], [f"Prices: {bill['prices']}."]
    lead = f"{whose}: {phrases.count(total['calls'], 'call')}, {cost_words(total)}"
    named = (
        [("stages", "stage"), ("models", "model")] if run else [("days", "day"), ("models", "model"), ("runs", "run")]
    )
    tables: list[_Table] = [
        (f"By {name}", [_TITLES.get(name, name), *_NUMBERS], [_sums(row, name) for row in bill[key]])
        for key, name in named
    ]
    if run:
        tables.append(("By call", _CALL, [_call(row) for row in bill["calls"]]))
    notes = [f"Prices: {bill['prices']}. Days are days in UTC, by the time of the call."]
    if total["guessed"]:
        said = "call: its tokens are an estimate" if total["guessed"] == 1 else "calls: their tokens are an estimate"
        notes.append(f"Nobody told the usage of {phrases.thousands(total['guessed'])} {said}.")
    if total["unpriced"]:
        notes.append(f"The price of {phrases.count(total['unpriced'], 'call')} is not known: tokens only.")
    return lead, tables, notes


_TITLES = {"day": "day (UTC)"}


def _sums(row: Row, name: str) -> list[str]:
    what = str(row[name]) or "(deleted runs)"
    if row.get("goal"):
        goal = str(row["goal"])
        what = f"{what} · {goal if len(goal) <= 48 else goal[:47] + '…'}"
    return [
        phrases.plain_name(what) if name == "stage" else plain(what, 120),
        phrases.thousands(row["calls"]),
        phrases.thousands(row["tokens_in"]),
        phrases.thousands(row["cached"]),
        phrases.thousands(row["tokens_out"]),
        _money(row),
    ]


def _call(row: Row) -> list[str]:
    unknown = row["usd"] is None
    cost = "free" if row.get("free") else "not known" if unknown else price(row["usd"])
    return [
        plain(row["at"], 40).replace("T", " ").rstrip("Z"),
        phrases.plain_name(row["stage"]),
        plain(row["model"], 120),
        phrases.thousands(row["tokens_in"]),
        phrases.thousands(row["cached"]),
        phrases.thousands(row["tokens_out"]),
        phrases.duration(row["seconds"]),
        cost,
        _WHAT.get(str(row["status"]), ""),
    ]


def _money(cost: Row) -> str:
    """The price where it is true; where a part is not known, or an estimate, it says so."""
    if cost.get("free"):
        return "free"
    calls, unpriced = phrases.number(cost.get("calls")) or 0, phrases.number(cost.get("unpriced")) or 0
    usd = phrases.number(cost.get("usd")) or 0.0
    if unpriced and unpriced >= calls:
        return "price not known"
    about = "about " if cost.get("guessed") and usd else ""
    more = f" and {phrases.count(unpriced, 'call')} of unknown price" if unpriced else ""
    return f"{about}{price(usd)}{more}"


def _right(head: Sequence[str]) -> set[int]:
    return {i for i, name in enumerate(head) if name in (*_NUMBERS, "time")}


def _table(head: list[str], rows: list[list[str]]) -> str:
    css = [' class="omc-r"' if i in _right(head) else "" for i in range(len(head))]
    top = "".join(f"<th{c}>{esc(name)}</th>" for c, name in zip(css, head, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{c}>{esc(cell)}</td>" for c, cell in zip(css, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<table class="omc-wide"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
