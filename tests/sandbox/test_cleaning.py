"""What a child says is made safe before anyone sees it."""

from __future__ import annotations

import base64
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.sandbox.cleaning import HTML_TAGS_CAP, clean_bundle, clean_html, clean_png, clean_text


def png(width: int, height: int) -> str:
    head = (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0"
    )
    return base64.b64encode(head).decode()


def test_control_sequences_go():
    hostile = "a\x1b[31mred\x1b[0m\x1b]52;c;ZXZpbA==\x07\x1b]8;;http://x\x1b\\link\x9b2J\u202eb\x00"
    assert clean_text(hostile) == "aredlink2Jb"


@given(st.text())
@settings(max_examples=100)
def test_no_text_keeps_an_escape(text):
    assert "\x1b" not in clean_text(text)


def test_long_text_keeps_its_ends():
    said = clean_text("a" * 30_000 + "z" * 30_000, cap=100)
    assert said.startswith("aaa")
    assert said.endswith("zzz")
    assert "the middle was cut" in said


def test_html_keeps_tables_and_loses_what_acts():
    hostile = (
        '<table class="x" style="position:fixed" onclick="x()"><tr><td data-commandlinker-command="c">1</td></tr></table>'
        '<script>alert(1)</script><img src="http://evil/?q=1"><a href="javascript:x">l</a><svg onload=x></svg>'
        "<style>td{background:url(http://evil)}</style><iframe src=x></iframe><form action=x><input></form>"
    )
    cleaned = clean_html(hostile)
    assert "<td>1</td>" in cleaned
    for word in ("script", "img", "href", "svg", "style", "iframe", "input", "data-", "onclick", "evil", "alert"):
        assert word not in cleaned


def test_html_that_is_too_large_or_too_nested_is_dropped():
    assert clean_html("<p>" * (HTML_TAGS_CAP + 1)) is None
    assert clean_html("x" * 200_000) is None


def test_a_picture_must_be_a_png_of_sane_size():
    assert clean_png(png(640, 480))
    assert clean_png(png(100_000, 10)) is None
    assert clean_png(base64.b64encode(b"GIF89a" + b"\0" * 40).decode()) is None
    assert clean_png("%%%") is None


def test_only_three_types_pass():
    bundle = {"text/plain": "t", "application/javascript": "x()", "image/svg+xml": "<svg/>", "text/latex": "$x$"}
    assert clean_bundle(bundle) == {"text/plain": "t"}
    assert clean_bundle({"text/html": 5}) == {}
