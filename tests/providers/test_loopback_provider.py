"""The page that explains the provider on loopback is run."""

from __future__ import annotations

import doctest
from pathlib import Path

from tests.providers import loopback, scripts, server, wires


def test_the_readme_runs():
    failed, tried = doctest.testfile(str(Path(__file__).parent / "README.md"), module_relative=False)
    assert tried >= 10
    assert failed == 0


def test_its_own_examples_run():
    for module in (loopback, scripts, server, wires):
        assert doctest.testmod(module).failed == 0
