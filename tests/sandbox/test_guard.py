"""Early refusals are kind, name their line, and do not refuse what is harmless."""

from __future__ import annotations

import pytest

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
