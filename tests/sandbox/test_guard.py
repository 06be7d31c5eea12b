"""Early refusals are kind, name their line, and do not refuse what is harmless."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.sandbox import guard
from omc_agent.sandbox.guard import check


@pytest.mark.parametrize(
    ("code", "line", "word"),
    [
        ("x = 1\nimport requests", 2, "network"),
        ("import os, socket", 1, "network"),
        ("import urllib.request as u", 1, "network"),
        ("from urllib.request import urlopen", 1, "network"),
        ("def f():\n    import httpx", 2, "network"),
        ("!pip install x", 1, "Shell lines"),
        ("x = 1\n  %timeit x", 2, "Shell lines"),
        ("%%bash\nls", 1, "Shell lines"),
        ("answer = input('? ')", 1, "input()"),
        ("if True:\n    quit()", 2, "quit()"),
        ("breakpoint()", 1, "breakpoint()"),
    ],
)
def test_what_cannot_work_is_named_with_its_line(code, line, word):
    refusal = check(code)
    assert refusal.line == line
    assert word in refusal.reason
    assert not refusal.syntax


@pytest.mark.parametrize("code", ["x = (1", "def f(:\n    pass", "\tx = 1", "x = 1\x00"])
def test_code_that_cannot_be_parsed_is_a_syntax_matter(code):
    assert check(code).syntax


def test_code_nested_beyond_all_bounds_is_told_and_does_not_crash():
    assert check("(" * 100_000 + ")" * 100_000).syntax


@pytest.mark.parametrize(
    "code",
    [
        "",
        "x = 7 % 3",
        "import numpy as np\nnp.random.default_rng(0)",
        "text = 'import requests'",
        "frame.input = 1\nframe.exit()",
        "from . import data",
        "# !ls",
    ],
)
def test_what_is_harmless_passes(code):
    assert check(code) is None


@pytest.mark.parametrize("module", sorted(guard._NETWORK))
def test_each_package_that_is_refused_can_be_allowed(module):
    assert module in check(f"import {module}.x").reason
    assert module in check(f"def f():\n    from {module} import y").reason
    assert check(f"import {module}", {module}) is None


@pytest.mark.parametrize("call", sorted(guard._ASKING))
def test_each_call_that_waits_or_leaves_is_refused(call):
    assert call in check(f"if True:\n    {call}()").reason


def test_the_list_in_the_docs_is_the_list():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    section = page.split("## What a cell is refused for")[1].split("\n## ")[0]
    for name in guard._NETWORK | {f"{call}()" for call in guard._ASKING}:
        assert f"`{name}`" in section, name


@given(st.text(max_size=200) | st.text("abc()[]{}:=\n '\"#!%\\importdefclass.0", max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_is_allowed_or_refused_with_a_line(code):
    refusal = check(code)
    assert refusal is None or (refusal.reason and refusal.line >= 1)
