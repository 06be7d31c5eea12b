"""What a child says is made safe to show."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.sandbox.cleaning import (
    HTML_CAP,
    HTML_TAGS_CAP,
    PNG_CAP,
    PNG_SIDE,
    TEXT_CAP,
    clean_bundle,
    clean_html,
    clean_png,
    clean_text,
)

CONTROL = [
    "\x1b]52;c;c2VjcmV0\x07",  # writes the clipboard
    "\x1b]8;;http://evil.example\x1b\\",  # a link
    "\x1b]0;title",  # never ended
    "\x1b[2J",
    "\x1b[?1049h",
    "\x1b[31;1m",
    "\x1bP+q544e\x1b\\",  # DCS
    "\x1b_private\x1b\\",
    "\x9b31m",
    "\x00\x07\x08\x7f",
    "\u202e\u2066",  # turns the direction of reading
]


@pytest.mark.parametrize("sequence", CONTROL)
def test_control_sequences_are_taken_out_of_text(sequence):
    cleaned = clean_text(f"before{sequence}\nafter")
    assert not any(sign in cleaned for sign in "\x1b\x9b\x00\x07\x08\x7f\u202e\u2066")
    assert cleaned.startswith("before")


def test_what_stands_between_control_sequences_stays():
    hostile = "a\x1b[31mred\x1b[0m\x1b]52;c;ZXZpbA==\x07\x1b]8;;http://x\x1b\\link\x9b2J\u202eb\x00"
    assert clean_text(hostile) == "aredlink2Jb"


@given(st.text())
@settings(max_examples=100)
def test_no_text_keeps_an_escape(text):
    assert "\x1b" not in clean_text(text)


def test_plain_text_stays_as_it_is():
    text = "tab\tline\nümläut 日本 [0m 🙂\r\n"
    assert clean_text(text) == text


def test_long_text_loses_its_middle_and_says_so():
    cleaned = clean_text("a" * TEXT_CAP + "b" * TEXT_CAP * 9)
    assert cleaned.startswith("a" * 100)
    assert cleaned.endswith("b" * 100)
    assert "the middle was cut" in cleaned
    assert len(cleaned) < TEXT_CAP + 200


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<table><tr><td onclick='x()'>1</td></tr></table>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:x()'>go</a>",
        "<iframe src='http://evil.example'></iframe>",
        "<style>@import 'http://evil.example'</style>",
        "<svg onload=alert(1)>",
        "<math><mi xlink:href='data:x,<script>alert(1)</script>'>",
        "<td style='background:url(http://evil.example)'>1</td>",
        "<form action='http://evil.example'><input></form>",
        "<!--<script>-->",
        "<b id=omc class=omc-verdict>edge</b>",
    ],
)
def test_html_keeps_nothing_that_acts_or_loads_or_poses(html):
    cleaned = clean_html(html).lower()
    for word in ("script", "onclick", "onerror", "onload", "href", "src", "style", "form", "evil", "class", "id="):
        assert word not in cleaned, cleaned


def test_tables_stay_tables():
    html = "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>"
    assert clean_html(html) == html


def test_html_that_is_too_large_or_too_deep_is_dropped_and_its_text_stays():
    assert clean_html("x" * (HTML_CAP + 1)) is None
    assert clean_html("<b>" * (HTML_TAGS_CAP + 1)) is None
    assert clean_bundle({"text/html": "<b>" * 6000, "text/plain": "b"}) == {"text/plain": "b"}


def _png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", width, height)
    return base64.b64encode(head + b"\x08\x02\x00\x00\x00" + bytes(20)).decode()


def test_a_png_of_sane_size_passes_without_white_space():
    data = _png(640, 480)
    assert clean_png(data[:40] + "\n" + data[40:]) == data


@pytest.mark.parametrize(
    "data",
    [
        _png(PNG_SIDE + 1, 10),
        _png(10, 2**31 - 1),
        _png(0, 10),
        base64.b64encode(b"GIF89a" + bytes(40)).decode(),
        base64.b64encode(b"<svg onload=alert(1)>").decode(),
        "=",
        "",
        "A" * (PNG_CAP + 1),
    ],
)
def test_a_picture_that_is_none_or_explodes_is_dropped(data):
    assert clean_png(data) is None


@pytest.mark.parametrize("tail", ["'><script>alert(1)</script>", '" onload="x()', "\x00<b>"])
def test_a_png_that_would_end_its_attribute_is_dropped(tail):
    assert clean_png(_png(10, 10) + tail) is None
    assert clean_png(tail + _png(10, 10)) is None


def test_a_bundle_keeps_three_types_and_only_text_in_them():
    bundle = {
        "text/plain": "\x1b[1mhi",
        "text/html": "<b>hi</b>",
        "image/png": _png(3, 3),
        "image/svg+xml": "<svg onload=alert(1)>",
        "application/javascript": "alert(1)",
        "application/vnd.jupyter.widget-view+json": {"model_id": "1"},
        "text/latex": "$x$",
    }
    assert clean_bundle(bundle) == {"text/plain": "hi", "text/html": "<b>hi</b>", "image/png": _png(3, 3)}
    assert clean_bundle({"text/plain": 3, "text/html": ["x"], "image/png": None}) == {}
