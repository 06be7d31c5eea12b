"""What a child says, made safe to show: three mime types, no control sequences, no active HTML.

The child's whole message stream is hostile: it could send scripts, links that load when looked at, terminal
sequences that write to the clipboard, or pictures that explode. What does not fit is dropped or turned into text.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import nh3

TEXT_CAP = 20_000
HTML_CAP = 100_000
HTML_TAGS_CAP = 5_000  # nested tags cost nh3 more than linear time
PNG_CAP = 4 * 1024 * 1024
PNG_SIDE = 4000
TAGS = {
    "table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "b", "strong", "i", "em", "code", "pre", "p",
    "br", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "sub", "sup", "small",
}  # fmt: skip

_CONTROL = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links, clipboard
    r"|\x1b[PX^_].*?(?:\x1b\\|$)"  # DCS, SOS, PM, APC
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # CSI, colours too: the card has its own
    r"|\x1b[@-Z\\-_]?"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]",
    re.DOTALL,
)


def clean_text(text: str, cap: int = TEXT_CAP) -> str:
    r"""`text` without control sequences, its middle cut out above `cap` characters.

    Examples
    --------
    >>> clean_text("\x1b[31mred\x1b[0m")
    'red'
    """
    if len(text) > 4 * cap:  # the middle is cut anyway, so it is not worth cleaning
        text = text[: 2 * cap] + text[-2 * cap :]
    text = _CONTROL.sub("", text)
    if len(text) <= cap:
        return text
    half = cap // 2
    return f"{text[:half]}\n... the middle was cut: characters above {cap:,} ...\n{text[-half:]}"


def clean_html(html: str) -> str | None:
    """`html` with tables and plain text tags only and no attributes; None when it is too large to clean."""
    if len(html) > HTML_CAP or html.count("<") > HTML_TAGS_CAP:
        return None
    return nh3.clean(
        html,
        tags=TAGS,
        attributes={},
        url_schemes=set(),
        clean_content_tags={"script", "style"},
        link_rel=None,
    )


def clean_png(data: str) -> str | None:
    """Base64 of a PNG when it is one and has sane dimensions, else None."""
    if len(data) > PNG_CAP:
        return None
    data = "".join(data.split())
    try:
        # Strict, for what is no base64 could end the attribute of the page that the picture is put into.
        head = base64.b64decode(data, validate=True)[:24]
    except (binascii.Error, ValueError):
        return None
    if head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR":
        return None
    width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    if not (0 < width <= PNG_SIDE and 0 < height <= PNG_SIDE):
        return None
    return data


def clean_bundle(data: dict[str, Any]) -> dict[str, str]:
    """The mimebundle with the three types we show; HTML only with its plain text beside it."""
    bundle: dict[str, str] = {}
    plain = data.get("text/plain")
    if isinstance(plain, str):
        bundle["text/plain"] = clean_text(plain)
    html = data.get("text/html")
    if isinstance(html, str) and (cleaned := clean_html(html)) is not None:
        bundle["text/html"] = cleaned
    png = data.get("image/png")
    if isinstance(png, str) and (picture := clean_png(png)) is not None:
        bundle["image/png"] = picture
    return bundle
