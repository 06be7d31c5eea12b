"""A name becomes a chat model, or one sentence that says what to type instead."""

from __future__ import annotations

import pytest

from omc_agent.config import ChatSettings
from omc_agent.errors import ModelError
from omc_agent.llm.chat import OFFLINE, PROVIDERS, describe_chat_model, open_chat_models
from omc_agent.llm.offline import OfflineChatModel


def open_chat_model(settings):
    return open_chat_models(settings)[0].model


def test_offline_needs_nothing_and_takes_the_seed():
    model = open_chat_model(ChatSettings(model=OFFLINE, seed=3))
    assert isinstance(model, OfflineChatModel)
    assert model.seed == 3


@pytest.mark.parametrize("name", ["openai:gpt-5", "openai/gpt-5"])
def test_a_provider_is_opened_with_key_and_timeout_of_the_run(name, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    model = open_chat_model(ChatSettings(model=name, timeout=7.0))
    assert type(model).__name__ == "ChatOpenAI"
    assert model.model_name == "gpt-5"
    assert model.request_timeout == 7.0


def test_a_name_with_a_slash_behind_its_provider_stays_whole(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert open_chat_model(ChatSettings(model="openai:org/model:free")).model_name == "org/model:free"


@pytest.mark.parametrize(
    ("name", "near"),
    [("opnai:gpt-5", "openai"), ("antropic:claude", "anthropic"), ("gpt-5", "offline"), ("", "offline")],
)
def test_an_unknown_provider_names_the_nearest(name, near):
    with pytest.raises(ModelError) as failed:
        open_chat_model(ChatSettings(model=name))
    assert failed.value.code == "model.unknown"
    assert near in failed.value.have


@pytest.mark.parametrize("name", ["openai:", "openai"])
def test_a_provider_without_a_model_is_unknown(name):
    with pytest.raises(ModelError) as failed:
        open_chat_model(ChatSettings(model=name))
    assert failed.value.code == "model.unknown"


def test_a_missing_package_gives_the_pip_line():
    missing = next(p for p in ("mistralai", "cohere", "groq") if not _installed(PROVIDERS[p]))
    with pytest.raises(ModelError) as failed:
        open_chat_model(ChatSettings(model=f"{missing}:some-model"))
    assert failed.value.code == "model.no_package"
    assert failed.value.try_ == f"pip install {PROVIDERS[missing]}"


@pytest.mark.parametrize(
    ("name", "variable"), [("openai:gpt-5", "OPENAI_API_KEY"), ("anthropic:claude", "ANTHROPIC_API_KEY")]
)
def test_a_missing_key_is_one_sentence_without_a_traceback(name, variable, monkeypatch):
    for each in (variable, "ANTHROPIC_AUTH_TOKEN", "OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(each, raising=False)
    with pytest.raises(ModelError) as failed:
        open_chat_model(ChatSettings(model=name))
    assert failed.value.code == "model.no_key"
    assert variable in failed.value.try_
    assert "\n" not in failed.value.line()
    assert failed.value.__suppress_context__


def test_a_model_is_described_by_its_note_or_by_where_calls_go(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    openai = open_chat_model(ChatSettings(model="openai:gpt-5"))
    assert describe_chat_model(openai, "openai:gpt-5").startswith("openai:gpt-5 ")
    offline = OfflineChatModel()
    assert describe_chat_model(offline, OFFLINE) == offline.note


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package.replace("-", "_")) is not None
