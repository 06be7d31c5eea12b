"""What a person asks for afterwards: a list of runs, the files of a run, a run shown again.

The tables of candidates and the verdict are here by name too, for whoever shows a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from omc_agent.events import Event, RunStarted
from omc_agent.panels import phrases
from omc_agent.panels.candidates import candidates_html, candidates_text
from omc_agent.panels.links import linked, linker
from omc_agent.panels.markup import aligned, esc, plain
from omc_agent.panels.panel import Panel
from omc_agent.panels.plain import PlainPanel
from omc_agent.panels.style import style_block
from omc_agent.panels.verdict import verdict_html, verdict_text

__all__ = [
    "artifacts_html",
    "artifacts_text",
    "candidates_html",
    "candidates_text",
    "run_list_html",
    "run_list_text",
    "show_html",
    "show_text",
    "verdict_html",
    "verdict_text",
]

Row = Mapping[str, Any]
_CALLS = {"edge": "edge", "no_edge": "no edge", "inconclusive": "inconclusive"}


def run_list_html(rows: Sequence[Row]) -> str:
    """The runs as a table.

    Parameters
    ----------
    rows : sequence of mapping
        Keys `id`, `status`, `goal`, `call`, `started` (ISO 8601 or seconds since the epoch, UTC), `seconds`,
        `usd`; any may be missing.
    """
    return _table(_RUN_HEAD, [_run_cells(row) for row in rows], right={4, 5}, empty="No runs yet.")


def run_list_text(rows: Sequence[Row]) -> str:
    """The runs as text, one a line."""
    cells = [[c if i != 1 else c[:60] for i, c in enumerate(_run_cells(row))] for row in rows]
    return _text(_RUN_HEAD, cells, right={4, 5}, empty="No runs yet.")


def artifacts_html(rows: Sequence[Row], link: Callable[[Row], str | None] | None = None) -> str:
    """The files of a run as a table.

    Parameters
    ----------
    rows : sequence of mapping
        Keys `name`, `path`, `sha256`, `size` (bytes), `made_by`; any may be missing.
    link : callable, optional
        Makes a file's address; None where it has none.
    """
    hrefs = [link(row) if link is not None else None for row in rows]
    return _table(_FILE_HEAD, [_file_cells(row) for row in rows], right={1}, empty="The run left no files.",
                  hrefs=hrefs)  # fmt: skip


def artifacts_text(rows: Sequence[Row]) -> str:
    """The files of a run as text."""
    return _text(_FILE_HEAD, [_file_cells(row) for row in rows], right={1}, empty="The run left no files.")


def show_html(events: Iterable[Event], base: str = "") -> str:
    """A run as it looked, from its events: all cards, static, with the goal; `base` as in `links.linker`."""
    found = list(events)
    run_id = _run_id(found)
    panel = Panel(_nowhere, interactive=False, run_id=run_id, show_goal=True, link=linker(run_id, base))
    panel.replay(found)
    return panel.static_html()


def show_text(events: Iterable[Event]) -> str:
    """A run as a terminal shows it, from its events."""
    lines: list[str] = []
    panel = PlainPanel(lines.append)
    for event in events:
        panel.handle(event)
    return "".join(lines).strip("\n")


_RUN_HEAD = ["run", "goal", "status", "verdict", "time", "cost", "started (UTC)"]
_FILE_HEAD = ["file", "size", "sha256", "made by", "where"]


def _run_cells(row: Row) -> list[str]:
    call = row.get("call")
    seconds, cost = row.get("seconds"), row.get("usd")
    return [
        plain(row.get("id", ""), 100),
        plain(" ".join(str(row.get("goal") or "").split()), 300),
        phrases.plain_name(row.get("status") or ""),
        _CALLS.get(str(call), plain(call or "", 40)),
        "" if seconds is None else phrases.duration(seconds),
        "" if cost is None else phrases.usd(cost),
        _when(row.get("started")),
    ]


def _file_cells(row: Row) -> list[str]:
    name, path = plain(row.get("name", ""), 200), plain(row.get("path", ""), 1_000)
    made_by = plain(row.get("made_by") or "", 100).replace("_", " ")
    return [name, phrases.size(row.get("size")), plain(row.get("sha256") or "", 100)[:12], made_by, path]


def _when(value: Any) -> str:
    at = phrases.moment(value) if not isinstance(value, (int, float)) else phrases.from_epoch(value)
    return f"{at:%Y-%m-%d %H:%M}" if at is not None else plain(value or "", 40)


def _table(
    head: list[str], rows: list[list[str]], *, right: set[int], empty: str, hrefs: Sequence[str | None] = ()
) -> str:
    if not rows:
        return f'<div class="omc-card">{style_block()}<p>{esc(empty)}</p></div>'
    css = ['class="omc-r"' if i in right else "" for i in range(len(head))]
    top = "".join(f"<th {c}>{esc(name)}</th>" for c, name in zip(css, head, strict=True))
    said = [[esc(cell) for cell in row] for row in rows]
    for cells, href in zip(said, hrefs, strict=False):
        cells[0] = linked(cells[0], href)
    body = "".join(
        "<tr>" + "".join(f"<td {c}>{cell}</td>" for c, cell in zip(css, cells, strict=True)) + "</tr>"
        for cells in said
    )
    table = f'<table class="omc-wide"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="omc-card">{style_block()}{table}</div>'


def _text(head: list[str], rows: list[list[str]], *, right: set[int], empty: str) -> str:
    return aligned([head, *rows], right=frozenset(right)) if rows else empty


def _run_id(events: Sequence[Event]) -> str:
    return next((event.run_id for event in events if isinstance(event, RunStarted)), "")


def _nowhere(data: Mapping[str, Any], *, display_id: str, update: bool) -> None:
    """Shows nothing: only the cards are wanted."""
