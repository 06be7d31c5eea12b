"""A page from plain parts, written as Markdown and as one HTML file: no script, nothing fetched, all escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from omc_agent.errors import UsageError

_KEYS = ("heading", "headline", "markdown", "paragraphs", "bullets", "table", "code", "output", "png_base64", "alt")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5b6470;--line:#d5dae0;--ground:#fff;--soft:#f5f7f9}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--dim:#9aa4af;--line:#3a424b;--ground:#14171a;--soft:#1d2125}}
body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:46rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.2rem;margin-top:2rem}h3{font-size:1rem}
.subtitle,footer{color:var(--dim)}.headline{font-size:1.15rem;font-weight:600}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th{white-space:nowrap}
th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
summary{color:var(--dim);cursor:pointer;font-size:.9rem}
td:not(:last-child){white-space:nowrap}
pre{background:var(--soft);padding:.8rem;overflow-x:auto;font-size:.85rem}code{font-family:ui-monospace,monospace}
img{max-width:100%}footer{margin-top:3rem;font-size:.9rem}
@media print{body{max-width:none;margin:0;color:#000;background:#fff}pre{white-space:pre-wrap}
details::details-content{content-visibility:visible;block-size:auto}h2,h3{break-after:avoid}table,img,pre{break-inside:avoid}}
""".strip()


@dataclass(frozen=True)
class Block:
    """One part of a page: `kind` is h2, h3, headline, p, ul, table, code, output or img."""

    kind: str
    text: str = ""
    items: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def render_report(
    title: str, sections: Sequence[Mapping[str, Any]], *, subtitle: str = "", footer: str = ""
) -> tuple[str, str]:
    """Markdown and HTML of the same report.

    Parameters
    ----------
    title : str
        Plain text.
    sections : list of dict
        Each may have, shown in this order: ``heading``; ``headline`` (a large line); ``markdown`` (paragraphs,
        ``-`` bullets, ``#`` headings, fenced code and pipe tables); ``paragraphs`` and ``bullets`` (lists of
        text); ``table`` (a DataFrame without its index, or a list of dicts); ``code``; ``output`` (what the code
        showed, as text); ``png_base64`` with
        ``alt`` (one picture, or a list of them each). In HTML code is folded. Text may hold ``**bold**`` and
        ``code`` in backticks.
    subtitle, footer : str
        Plain text below the title, and at the end.

    Returns
    -------
    markdown, html : str
        The HTML is one printable file for light and dark screens, with no script and no address to fetch.
        All text is escaped in both: what data or a model wrote is shown, never obeyed.

    Raises
    ------
    UsageError
        ``usage.value`` for another key, or a picture that is not base64.

    Examples
    --------
    >>> markdown, page = render_report("Run 7", [{"heading": "A <b>", "paragraphs": ["Fine."]}])
    >>> "&lt;b&gt;" in page and "<b>" not in page
    True
    """
    blocks = [block for section in sections for block in _section_blocks(section)]
    markdown = [f"# {_plain(title)}", _plain(subtitle), *map(_markdown, blocks), _plain(footer)]
    head = [f"<h1>{html.escape(title)}</h1>"]
    if subtitle:
        head.append(f'<p class="subtitle">{html.escape(subtitle)}</p>')
    foot = [f"<footer>{html.escape(footer)}</footer>"] if footer else []
    body = "\n".join([*head, *map(_html, blocks), *foot])
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
    return "\n\n".join(part for part in markdown if part) + "\n", page


def markdown_table(table: pd.DataFrame | Sequence[Mapping[str, Any]]) -> str:
    r"""A pipe table; floats with four significant digits, pipes and HTML escaped.

    Examples
    --------
    >>> print(markdown_table([{"name": "a|b", "score": 0.51234}]))
    | name | score |
    | --- | --- |
    | a\|b | 0.5123 |
    """
    return _markdown(_table_block(table))


def _section_blocks(section: Mapping[str, Any]) -> Iterator[Block]:
    unknown = sorted(set(section) - set(_KEYS))
    if unknown:
        raise _bad("A section had " + ", ".join(unknown) + ".", f"A section may have {', '.join(_KEYS)}.")
    for key, kind in (("heading", "h2"), ("headline", "headline")):
        if section.get(key):
            yield Block(kind, str(section[key]))
    yield from parse_blocks(str(section.get("markdown") or ""))
    yield from (Block("p", str(text)) for text in section.get("paragraphs") or ())
    if section.get("bullets"):
        yield Block("ul", items=tuple(str(item) for item in section["bullets"]))
    table = section.get("table")
    if table is not None and len(table):
        yield _table_block(table)
    if section.get("code"):
        yield Block("code", str(section["code"]))
    if section.get("output"):
        yield Block("output", str(section["output"]))
    yield from _pictures(section.get("png_base64"), section.get("alt"))


def _pictures(png: Any, alt: Any) -> Iterator[Block]:
    pictures = [png] if isinstance(png, str) else list(png or ())
    names = [alt] if isinstance(alt, str) else list(alt or ())
    for place, picture in enumerate(pictures):
        if not _BASE64.fullmatch(picture):
            raise _bad("A picture was given that is not base64.", "A picture is a PNG file in base64.")
        name = str(names[place]) if place < len(names) else "figure"
        yield Block("img", name, items=("".join(picture.split()),))


def parse_blocks(text: str) -> list[Block]:
    r"""Blocks of simple Markdown. What is not recognised is a paragraph; HTML in it is text.

    Examples
    --------
    >>> [block.kind for block in parse_blocks("## A\n\ntext\n\n- one\n- two")]
    ['h2', 'p', 'ul']
    """
    blocks: list[Block] = []
    for number, part in enumerate(re.split(r"^```[^\n]*\n(.*?)^```[ \t]*$", text, flags=re.M | re.S)):
        if number % 2:
            blocks.append(Block("code", part.rstrip("\n")))
            continue
        for chunk in re.split(r"\n\s*\n|(?<=\n)(?=#)", part):
            blocks.extend(_chunk_blocks([_alive(line) for line in chunk.splitlines() if line.strip()]))
    return blocks


def _chunk_blocks(lines: list[str]) -> Iterator[Block]:
    if lines and (heading := re.match(r"(#{1,6})\s+(.*)", lines[0])):
        yield Block("h2" if len(heading[1]) < 3 else "h3", heading[2])
        lines = lines[1:]
    if not lines:
        return
    if len(lines) > 1 and all(line.startswith("|") for line in lines) and set(lines[1]) <= set("|-: "):
        cells = [_cells(line) for line in [lines[0], *lines[2:]]]
        yield Block("table", columns=cells[0], rows=tuple(cells[1:]))
    elif all(re.match(r"[-*] ", line) for line in lines):
        yield Block("ul", items=tuple(line[2:].strip() for line in lines))
    else:
        first = next((n for n, line in enumerate(lines) if re.match(r"[-*] ", line)), len(lines))
        if first:
            yield Block("p", " ".join(lines[:first]))
        if first < len(lines):
            yield Block("ul", items=tuple(re.sub(r"^[-*] ", "", line) for line in lines[first:]))


def _cells(line: str) -> tuple[str, ...]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner))


def _table_block(table: pd.DataFrame | Sequence[Mapping[str, Any]]) -> Block:
    frame = table if isinstance(table, pd.DataFrame) else pd.DataFrame(list(table))
    rows = tuple(tuple(_cell(value) for value in row) for row in frame.itertuples(index=False, name=None))
    return Block("table", columns=tuple(str(name) for name in frame.columns), rows=rows)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value) or value is pd.NaT:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _html(block: Block) -> str:
    if block.kind == "ul":
        return "<ul>\n" + "\n".join(f"<li>{_inline(item)}</li>" for item in block.items) + "\n</ul>"
    if block.kind == "table":
        head = "".join(f"<th>{_inline(name)}</th>" for name in block.columns)
        rows = ("<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in block.rows)
        body = "\n".join(rows)
        return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
    if block.kind == "code":
        lines = block.text.count("\n") + 1
        said = f"Code, {lines} line{'s' * (lines != 1)}"
        return f"<details><summary>{said}</summary><pre><code>{html.escape(block.text)}</code></pre></details>"
    if block.kind == "output":
        return f"<pre>{html.escape(block.text)}</pre>"
    if block.kind == "img":
        return f'<p><img alt="{html.escape(block.text)}" src="data:image/png;base64,{block.items[0]}"></p>'
    if block.kind == "headline":
        return f'<p class="headline">{_inline(block.text)}</p>'
    return f"<{block.kind}>{_inline(block.text)}</{block.kind}>"


def _inline(text: str) -> str:
    """Escaped text with `code` and **bold**."""
    return _INLINE.sub(lambda m: f"<code>{m[1]}</code>" if m[1] else f"<strong>{m[2]}</strong>", html.escape(text))


def _markdown(block: Block) -> str:
    if block.kind == "ul":
        return "\n".join(f"- {_plain(item)}" for item in block.items)
    if block.kind == "table":
        rows = [block.columns, ("---",) * len(block.columns), *block.rows]
        return "\n".join("| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)
    if block.kind in ("code", "output"):
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", block.text)), default=0))
        return f"{fence}{'python' if block.kind == 'code' else 'text'}\n{block.text}\n{fence}"
    if block.kind == "img":
        name = re.sub(r"[\[\]]", "", _plain(block.text))
        return f"![{name}](data:image/png;base64,{block.items[0]})"
    if block.kind == "headline":
        return f"**{_plain(block.text)}**"
    return {"h2": "## ", "h3": "### "}.get(block.kind, "") + _plain(block.text)


def _plain(text: str) -> str:
    """One line of text in which HTML is not alive, nor are links and pictures that would be fetched."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("](", "]\\(")


def _alive(text: str) -> str:
    """What `_plain` made harmless, as it was, for a writer that escapes again."""
    return html.unescape(text.strip()).replace("]\\(", "](")


def _bad(given: str, have: str) -> UsageError:
    return UsageError("usage.value", given=given, have=have, try_="Try the keys that render_report names.")
