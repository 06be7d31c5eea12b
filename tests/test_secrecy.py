"""What looks like a key is seen, hidden and refused; ordinary goals are not."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

import omc_agent
from omc_agent import cli, secrecy
from omc_agent.config import settings_with
from omc_agent.errors import ModelError, UsageError
from omc_agent.secrecy import hide_secrets, holds_secret, remember_secret
from tests.conftest import QUICK
from tests.providers import Fault, ProviderServer

SHAPES = [
    "sk-A1b2C3d4E5f6G7h8I9j0", "sk-proj-A1b2C3d4E5f6_G7h8", "sk-ant-api03-A1b2C3d4E5f6", "sk-or-v1-0a1b2c3d4e5f6a7b",
    "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q", "gsk_A1b2C3d4E5f6G7h8I9j0", "hf_A1b2C3d4E5f6G7h8I9j0",
    "xai-A1b2C3d4E5f6G7h8I9j0", "pplx-A1b2C3d4E5f6G7h8I9j0", "lsv2_pt_0a1b2c3d4e5f6a7b8c9d_0a1b2c3d",
    "AKIA0123456789ABCDEF",
    "ghp_A1b2C3d4E5f6G7h8I9j0", "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl", "api_key=A1b2C3d4E5f6G7",
    'password: "correcthorse42"', "Bearer A1b2C3d4E5f6G7h8", "postgresql://me:hunter2@db/market",
]  # fmt: skip
GOALS = [
    "Predict whether BTC rises over the next hour", "Predict risk-adjusted returns of ETH with sk-learn models",
    "Predict fw_expected_return_24h_ahead_of_bars", "Predict the price from hf_transformer_feature_value_2024",
    "Predict tokens = 3 of the table token_holders_2024", "Explore DOGE from 2024-01-01T00:00:00+00:00 to now",
    "Predict passwords_reset: yes or no", "Predict churn in sqlite:///market.db",
]  # fmt: skip
KEY = "sk-loopback-A1b2C3d4E5f6G7h8"


@pytest.mark.parametrize("text", SHAPES)
def test_a_key_is_seen_and_hidden_within_a_sentence(text):
    sentence = f"Predict BTC, {text} for the next hour"
    assert holds_secret(sentence)
    hidden = hide_secrets(sentence)
    assert "A1b2C3d4" not in hidden
    assert "hunter2" not in hidden
    assert hidden.startswith("Predict BTC, ")
    assert not holds_secret(hidden)


@pytest.mark.parametrize("goal", GOALS)
def test_an_ordinary_goal_holds_no_secret_and_stays_as_it_is(goal):
    assert not holds_secret(goal)
    assert hide_secrets(goal) == goal


@given(st.text(st.characters(codec="ascii"), max_size=200))
def test_hiding_twice_hides_no_more(text):
    assert hide_secrets(hide_secrets(text)) == hide_secrets(text)


def test_a_key_that_was_read_is_known_by_its_value_and_by_its_ends(monkeypatch):
    monkeypatch.setattr(secrecy, "_remembered", set())
    odd = "plainwordsofnoform"
    assert not holds_secret(f"use {odd}")
    remember_secret(odd)
    assert holds_secret(f"use {odd}")
    assert hide_secrets(f"bad key {odd}, plainwo******form, plainwordsof...") == "bad key ***, ***, ***..."


@pytest.mark.parametrize(
    "call",
    [
        lambda: omc_agent.run(f"Predict BTC with {KEY}"),
        lambda: omc_agent.run("Predict BTC", model=f"openai:{KEY}"),
        lambda: settings_with(None, model="openai:gpt-5") and omc_agent.run("Predict BTC", model=f"openai/{KEY}"),
    ],
)
def test_a_key_in_a_goal_or_a_name_is_refused_before_there_is_a_run(call, own_home):
    with pytest.raises(UsageError) as refused:
        call()
    assert refused.value.code == "usage.secret"
    assert all((refused.value.given, refused.value.have, refused.value.try_))
    assert "A1b2C3d4" not in refused.value.line()
    assert not kept_of(own_home, "A1b2C3d4")


def test_a_key_that_is_said_or_answered_is_refused(own_home, capsys):
    assert cli.main(["plan", "Predict Bitcoin price", "--id", "mine"]) == 0
    capsys.readouterr()
    assert cli.main(["say", "mine", "use", KEY]) == 2
    assert capsys.readouterr().err.startswith("usage.secret: ")
    assert cli.main(["decide", "mine", "answer", KEY]) == 2
    assert capsys.readouterr().err.startswith("usage.secret: ")
    assert not kept_of(own_home, "A1b2C3d4")


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_run_that_the_provider_refuses_leaves_no_part_of_the_key(wire, own_home, monkeypatch, market, capfd):
    shown = f"Incorrect API key provided: {KEY[:8]}***************{KEY[-4:]}. Or whole: {KEY}"
    with ProviderServer(lambda turn: Fault(status=401, text=shown)) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, KEY if name.endswith("_API_KEY") else value)
        with pytest.raises(ModelError) as failed:
            omc_agent.run(
                "Predict whether BTC rises", model=f"{wire}:some-model", db=market, model_timeout=97.0, **QUICK
            )
    assert failed.value.code == "model.failed"
    assert failed.value.__cause__ is None
    assert "Check the key" in failed.value.try_
    assert set(server.keys) == {KEY}
    told = failed.value.line() + "".join(capfd.readouterr())
    for part in (KEY, KEY[:8], KEY[-4:]):
        assert part not in told
        assert not kept_of(own_home, part), "in the store, the checkpoints or the workspace"
    assert kept_of(own_home, "Incorrect API key provided")


def test_a_fault_of_ours_is_written_down_without_the_key(tmp_path):
    from omc_agent.endings import crashed

    try:
        raise ValueError(f"no client for {KEY}")
    except ValueError as error:
        told = crashed(tmp_path, error)
    written = (tmp_path / "crash.txt").read_text()
    assert "no client for ***" in written
    assert "A1b2C3d4" not in written + told.line()


def kept_of(home, text: str) -> list[str]:
    """The files below `home` that hold `text`; databases with what is in their journals."""
    for path in home.rglob("*.db"):
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA wal_checkpoint(FULL)")
        database.close()
    return [str(path) for path in home.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
