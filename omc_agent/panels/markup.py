"""From untrusted text to a piece of a card: escaping, cleaning, highlighting, pictures.

Everything that an event holds was written by somebody else: a person, a model, generated code or data.
HTML was cleaned where it left the sandbox and is cleaned here again, by a narrower list.
"""

from __future__ import annotations

import html
import re
from typing import NamedTuple

import nh3
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Number, Operator, String, _TokenType

MAX_HTML = 100_000
MAX_TAGS = 5_000
MAX_TEXT = 20_000
MAX_PICTURE = 6_000_000

_TABLE = {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}
_WORDS = {"p", "br", "b", "i", "em", "strong", "code", "pre", "ul", "ol", "li", "h4", "h5", "div", "span"}
_ATTRIBUTES = {"th": {"colspan", "rowspan"}, "td": {"colspan", "rowspan"}, "*": set[str]()}
# Whole escape sequences first (CSI, then OSC with its end, then any two-letter one), then single controls.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)
_PNG = re.compile(r"iVBORw0KGgo[A-Za-z0-9+/]*={0,2}")
_COLOURS: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "omc-c"),
    (Keyword, "omc-k"),
    (Operator.Word, "omc-k"),
    (String, "omc-s"),
    (Number, "omc-n"),
)
_LEXER = PythonLexer(stripnl=False, ensurenl=False)


class Piece(NamedTuple):
    """A part of a card, told twice: as HTML and as plain text."""

    html: str
    text: str


def plain(text: object, limit: int = MAX_TEXT) -> str:
    r"""`text` without terminal escapes, control and direction characters, cut at `limit` characters.

    Examples
    --------
    >>> plain("a\x1b[31mb\x1b]52;c;eA==\x07\x00c")
    'abc'
    """
    found = _CONTROL.sub("", str(text).replace("\r\n", "\n"))
    if len(found) <= limit:
        return found
    return f"{found[:limit]}\n… {len(found) - limit:,} more characters"


def esc(text: object, limit: int = MAX_TEXT) -> str:
    """`text` for the inside of a tag or of a quoted attribute."""
    return html.escape(plain(text, limit), quote=True)


def clean_html(source: str) -> str | None:
    """`source` with plain tables and words only; None where it is too large to clean safely.

    No attribute but ``colspan`` and ``rowspan`` stays, hence no link, no picture, no style, no handler.
    Deep nesting costs more than linear time, so size and tags are capped before cleaning.
    """
    if len(source) > MAX_HTML or source.count("<") > MAX_TAGS:
        return None
    return nh3.clean(
        source,
        tags=_TABLE | _WORDS,
        clean_content_tags={"script", "style", "svg", "math", "iframe", "object", "template", "title"},
        attributes=_ATTRIBUTES,
        url_schemes=set(),
        link_rel=None,
        strip_comments=True,
    ).strip()


def highlight(code: str) -> str:
    """Python code as escaped HTML with a class for each keyword, string, number and comment."""
    parts: list[str] = []
    for kind, value in _LEXER.get_tokens(plain(code)):
        css = next((name for token, name in _COLOURS if token is kind or token in kind.split()), "")
        shown = html.escape(value)
        parts.append(f'<span class="{css}">{shown}</span>' if css and value.strip() else shown)
    return "".join(parts).rstrip()


def folded(summary: str, body: str) -> str:
    """A fold that is closed at first; `summary` is escaped here, `body` is HTML."""
    return f"<details><summary>{esc(summary)}</summary>{body}</details>"


def picture(data: str, alt: str) -> str | None:
    """A base64 PNG as an ``img``; None where it is no PNG or too large."""
    packed = "".join(str(data)[: MAX_PICTURE * 2].split())
    if len(packed) > MAX_PICTURE or not _PNG.fullmatch(packed):
        return None
    return f'<p class="omc-pic"><img src="data:image/png;base64,{packed}" alt="{esc(alt, 300)}"></p>'


def indent(text: str, by: str = "  ") -> str:
    """Each line of `text` moved to the right."""
    return "\n".join(by + line if line else line for line in text.splitlines())


def aligned(rows: list[list[str]], right: frozenset[int] = frozenset()) -> str:
    """Rows of a table as text, columns padded to one width; columns in `right` are right-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
