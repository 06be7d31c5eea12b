"""A bad model or limit is one sentence in three parts, the same in a cell, on the command line and in Python."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

import omc_agent
from omc_agent import cli, magics
from omc_agent.errors import AgentError
from tests.providers import Fault, ProviderServer

GOAL = "Predict whether BTC rises over the next hour"
BAD = [
    ({"model": "opnai:gpt-5"}, "model.unknown", "openai"),
    ({"model": "gpt-5"}, "model.unknown", "-m openai:gpt-5"),
    ({"model": "groq:llama"}, "model.no_package", "pip install langchain-groq"),
    ({"model": "openai:gpt-5"}, "model.no_key", "OPENAI_API_KEY"),
    ({"model": "offline,anthropic:claude"}, "model.no_key", "ANTHROPIC_API_KEY"),
    ({"model": "openai:text-embedding-3-small", "base_url": "http://127.0.0.1:9/v1"}, "model.no_tools", "text-emb"),
    ({"model": "openai:qwen", "base_url": "localhost:8000"}, "usage.value", "http://"),
    ({"model": "openai:sk-A1b2C3d4E5f6G7h8"}, "usage.secret", ".env"),
    ({"budget": -1.0}, "usage.value", "budget"),
    ({"budget": float("nan")}, "usage.value", "budget"),
    ({"budget": float("inf")}, "usage.value", "budget"),
    ({"max_tokens": -5}, "usage.value", "max_tokens"),
]  # fmt: skip
NAMES = [f"{next(iter(given))}-{list(given.values())[-1]}"[:40] for given, *_ in BAD]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "ANTHROPIC_", "OLLAMA_"))]:
        monkeypatch.delenv(name)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)


def words_of(given) -> list[str]:
    """The flags that give these settings."""
    return [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.mark.parametrize(("given", "code", "said"), BAD, ids=NAMES)
def test_in_python(given, code, said):
    with pytest.raises(AgentError) as failed:
        omc_agent.run(GOAL, **given, warm_spare=False)
    error = failed.value
    assert error.code == code
    assert said in error.line()
    assert all((error.given, error.have, error.try_))
    assert error.__cause__ is None or error.__suppress_context__


@pytest.mark.parametrize(("given", "code", "said"), BAD, ids=NAMES)
def test_on_the_command_line(given, code, said, capsys):
    assert cli.main(["run", GOAL, *words_of(given), "--json"]) == (2 if code.startswith("usage") else 1)
    captured = capsys.readouterr()
    told = json.loads(captured.out)["error"]
    assert told["code"] == code
    assert said in " ".join(told.values())
    assert all(told.values())
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(("given", "code", "said"), BAD, ids=NAMES)
def test_in_a_cell(given, code, said):
    from IPython.core.interactiveshell import InteractiveShell

    cell = magics.AgentMagics(InteractiveShell())
    cell.settings.warm_spare = False
    with pytest.raises(AgentError) as failed:
        asyncio.run(cell.run_async(" ".join(words_of(given)), GOAL))
    assert failed.value.code == code
    assert failed.value._render_traceback_() == [failed.value.line()]
    assert said in failed.value.line()


def test_a_daily_budget_below_nothing_is_refused():
    with pytest.raises(AgentError) as failed:
        omc_agent.run(GOAL, daily_budget=-0.5)
    assert failed.value.code == "usage.value"


def test_base_url_alias_and_order_are_taken_by_the_command_line(capsys):
    with ProviderServer() as server:
        words = ["plan", GOAL, "-m", "openai:qwen,offline", "--base-url", server.url("openai"), "--json"]
        assert cli.main(words) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "finished"
    assert {turn.model for turn in server.turns} == {"qwen"}
    assert set(server.keys) == {"no-key-needed"}


def test_an_alias_with_a_stand_in_is_taken_by_python(market, tmp_path):
    with ProviderServer(lambda turn: Fault(status=401, text="no")) as server:
        result = omc_agent.run(
            "Explore DOGE over the last 5 days", db=market, model="mine", models={"mine": "openai:qwen,offline"},
            base_url=server.url("openai"), warm_spare=False, model_timeout=83.0,
        )  # fmt: skip
    assert result.status == "finished"
    assert {warning["code"] for warning in result.to_dict()["warnings"]} >= {"model_try"}
    assert server.turns
