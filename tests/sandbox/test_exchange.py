"""What a child wrote is copied, checked, then read."""

from __future__ import annotations

import os

import pandas as pd
import pyarrow as pa
import pytest

from omc_agent.errors import SandboxError
from omc_agent.sandbox import exchange
from omc_agent.sandbox.guard import check

FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})


def test_a_frame_is_named_by_its_content(tmp_path):
    first, again = exchange.keep_frame(FRAME, tmp_path), exchange.keep_frame(FRAME.copy(), tmp_path)
    other = exchange.keep_frame(FRAME.assign(a=0.0), tmp_path)
    assert first == again != other
    pd.testing.assert_frame_equal(exchange.read_frame(tmp_path / f"{first}.arrow"), FRAME)


def test_links_fifos_and_hard_links_are_not_followed(tmp_path):
    secret = tmp_path / "secret.arrow"
    secret.write_bytes(b"x")
    (tmp_path / "link.arrow").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe.arrow")
    os.link(secret, tmp_path / "hard.arrow")
    for name in ("link", "pipe", "hard", "nothing"):
        with pytest.raises(SandboxError):
            exchange.take_frame(tmp_path / f"{name}.arrow", tmp_path / "out")


def test_files_that_are_no_plain_arrow_are_refused(tmp_path):
    (tmp_path / "junk.arrow").write_bytes(b"ARROW1" + b"\0" * 100)
    whole = tmp_path / f"{exchange.keep_frame(FRAME, tmp_path)}.arrow"
    (tmp_path / "cut.arrow").write_bytes(whole.read_bytes()[:-40])
    periods = pd.DataFrame({"p": pd.period_range("2024-01", periods=2, freq="M")})
    table = pa.Table.from_pandas(periods)
    with pa.OSFile(str(tmp_path / "ext.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for name in ("junk", "cut", "ext"):
        with pytest.raises(SandboxError):
            exchange.take_frame(tmp_path / f"{name}.arrow", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_a_file_over_the_cap_is_neither_kept_nor_named(tmp_path, monkeypatch):
    whole = tmp_path / f"{exchange.keep_frame(FRAME, tmp_path)}.arrow"
    monkeypatch.setattr(exchange, "FRAME_CAP", whole.stat().st_size - 1)
    with pytest.raises(SandboxError) as caught:
        exchange.take_frame(whole, tmp_path / "out")
    assert caught.value.code == "sandbox.too_large"
    assert not list((tmp_path / "out").glob("*"))
    monkeypatch.setattr(exchange, "FRAME_CAP", whole.stat().st_size)
    assert exchange.take_frame(whole, tmp_path / "out") == whole.stem


def test_a_name_that_the_child_chose_does_not_name_the_kept_file(tmp_path):
    lying = tmp_path / f"{'0' * 64}.arrow"
    lying.write_bytes((tmp_path / f"{exchange.keep_frame(FRAME, tmp_path)}.arrow").read_bytes())
    assert exchange.take_frame(lying, tmp_path / "out") == exchange.keep_frame(FRAME, tmp_path)


def test_values_are_plain_json_within_a_cap(tmp_path, monkeypatch):
    (tmp_path / "v.json").write_text('{"score": 0.5}')
    assert exchange.take_value(tmp_path / "v.json") == {"score": 0.5}
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(SandboxError):
        exchange.take_value(tmp_path / "bad.json")
    monkeypatch.setattr(exchange, "VALUE_CAP", 10)
    (tmp_path / "big.json").write_text('"' + "x" * 100 + '"')
    with pytest.raises(SandboxError, match="larger"):
        exchange.take_value(tmp_path / "big.json")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("!pip install x", "Shell lines"),
        ("%matplotlib inline", "Shell lines"),
        ("import requests", "network"),
        ("from urllib.request import urlopen", "network"),
        ("x = input()", "waits for a person"),
        ("def f(:", "SyntaxError"),
        ("x = '\0'", "null"),
    ],
)
def test_the_guard_says_kindly_what_cannot_work(code, words):
    assert words in check(code).reason


@pytest.mark.parametrize("code", ["import numpy as np", "closed = 'OSE'", "x % 2 if (x := 3) else 0", ""])
def test_the_guard_leaves_honest_code_alone(code):
    assert check(code) is None
