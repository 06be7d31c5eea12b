"""What is written behind -m becomes models in their order, or one sentence that says what to write."""

from __future__ import annotations

import pytest

from omc_agent.errors import ModelError, UsageError
from omc_agent.llm.names import PROVIDERS, package_of, read_names


def texts(text, aliases=None):
    return [name.text for name in read_names(text, aliases)]


def test_each_provider_of_the_installed_langchain_is_known_with_its_package():
    from langchain.chat_models.base import _BUILTIN_PROVIDERS

    assert set(_BUILTIN_PROVIDERS) <= set(PROVIDERS)
    for provider, (module, *_) in _BUILTIN_PROVIDERS.items():
        package = PROVIDERS[provider].strip('"').partition("[")[0]
        assert package.replace("-", "_") == module.partition(".")[0], provider


def test_a_provider_that_only_a_newer_langchain_knows_is_taken_from_it(monkeypatch):
    from langchain.chat_models import base

    monkeypatch.setitem(base._BUILTIN_PROVIDERS, "newcomer", ("langchain_newcomer.chat", "ChatNewcomer", None))
    assert package_of("newcomer") == "langchain-newcomer"
    assert texts("newcomer:one") == ["newcomer:one"]


def test_several_names_keep_their_order_and_stand_once():
    assert texts("openai:a, ollama:b ,offline,openai:a") == ["openai:a", "ollama:b", "offline"]


def test_capitals_and_hyphens_of_a_provider_are_read_as_langchain_reads_them():
    assert texts("OpenAI:gpt-5,google-genai:gemini-2.5-pro") == ["openai:gpt-5", "google_genai:gemini-2.5-pro"]


def test_an_alias_may_stand_for_several_and_for_another_alias():
    aliases = {"fast": "ollama:qwen3:8b", "safe": "fast,openai:gpt-5,offline"}
    assert texts("safe", aliases) == ["ollama:qwen3:8b", "openai:gpt-5", "offline"]


def test_an_alias_that_stands_for_itself_is_told():
    with pytest.raises(ModelError) as failed:
        texts("a", {"a": "b", "b": "a"})
    assert failed.value.code == "model.unknown"
    assert "a -> b -> a" in failed.value.have


@pytest.mark.parametrize(
    ("text", "example"),
    [("gpt-5", "openai:gpt-5"), ("claude-sonnet-4-5", "anthropic:claude"), ("openai", "openai:MODEL"),
     ("qwen3", "ollama:qwen3"), ("nobody:x", "openai:gpt-5")],
)  # fmt: skip
def test_what_was_probably_meant_is_the_example(text, example):
    with pytest.raises(ModelError) as failed:
        texts(text)
    assert example in failed.value.try_
    assert failed.value.have


def test_an_empty_part_is_no_model():
    with pytest.raises(ModelError) as failed:
        texts("openai:gpt-5,,offline")
    assert failed.value.code == "model.unknown"


@pytest.mark.parametrize("text", ["openai:sk-proj-A1b2C3d4E5f6G7h8I9", "sk-ant-api03-A1b2C3d4E5f6G7h8"])
def test_a_key_in_the_place_of_a_name_is_refused_and_not_repeated(text):
    with pytest.raises(UsageError) as failed:
        texts(text)
    assert failed.value.code == "usage.secret"
    assert "A1b2C3d4" not in failed.value.line()


def test_names_with_slashes_and_colons_of_their_own_stay_whole():
    assert texts("openrouter:meta-llama/llama-3:free") == ["openrouter:meta-llama/llama-3:free"]
    assert texts("openai/org/model:free") == ["openai:org/model:free"]
