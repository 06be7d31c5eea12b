"""A provider's failure that has a cure says it: no such model, no server, no tools."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from test_middleware import Worker
from worlds import World

import omc_agent
from omc_agent.agents import calling
from omc_agent.agents.cures import known_failure
from omc_agent.config import ChatSettings
from omc_agent.errors import ModelError
from omc_agent.llm.chat import open_chat_models
from tests.providers import Fault, ProviderServer, in_turn, said

NO_TOOLS = [
    "registry.ollama.ai/library/gemma:2b does not support tools",
    "Unsupported parameter: 'tools' is not supported with this model.",
    "`tool calling` is not supported with this model: tool use is not supported",
    "No endpoints found that support tool use.",
    "This model doesn't support tool use in streaming mode.",
]


_seconds = itertools.count(200)


def settings(name, **more):
    """Clients keep their connections by base URL and timeout: each test has a timeout of its own."""
    return ChatSettings(model=name, timeout=float(next(_seconds)), **more)


def opened(server, monkeypatch, name):
    for variable, value in server.environment().items():
        monkeypatch.setenv(variable, value)
    return open_chat_models(settings(name))


def clients_of(model, *, later):
    """What a model's package holds open."""
    kinds = {
        "ChatOpenAI": lambda: model.root_async_client if later else model.root_client,
        "ChatAnthropic": lambda: model._async_client if later else model._client,
        "ChatOllama": lambda: model._async_client._client if later else model._client._client,
    }
    return kinds.get(type(model).__name__, lambda: None)()


async def stage(models):
    """One stage of an agent with these models, the first asked first; the connections are closed at its end."""
    try:
        return await _stage(models)
    finally:
        for client in (clients_of(each.model, later=True) for each in models):
            if client is not None:
                await (client.aclose() if hasattr(client, "aclose") else client.close())


def asked(model):
    """One call; the connection is closed."""
    text = model.invoke("Hello").text
    clients_of(model, later=False).close()
    return text


async def _stage(models):
    world = World()
    names = {id(each.model): each.name for each in models}
    world.context.name_of = lambda model: names[id(model)]
    world.context.model_name = models[0].name
    graph = Worker().build(models[0].model, [each.model for each in models[1:]])
    first = {"goal": "g", "frames": {}}
    return await graph.ainvoke(first, None, context=world.context), world


@pytest.mark.parametrize("text", NO_TOOLS)
def test_each_provider_s_way_to_say_no_tools_is_known(text):
    assert known_failure("openai:some", ValueError(text), 400).code == "model.no_tools"


def test_an_answer_that_only_mentions_tools_is_not_taken_for_it():
    assert known_failure("openai:some", ValueError("messages with role 'tool' must follow tool_calls"), 400) is None


@pytest.mark.parametrize(
    ("wire", "status", "text", "code", "cure"),
    [
        ("ollama", 400, "gemma does not support tools", "model.no_tools", "-m ollama:qwen3"),
        ("ollama", 404, "model 'gemma' not found", "model.not_there", "ollama pull gemma"),
        ("openai", 404, "The model `gemma` does not exist", "model.not_there", "-m provider:model"),
        ("anthropic", 404, "model: gemma is not here", "model.not_there", "-m provider:model"),
        ("openai", 400, "'tools' is not supported with this model.", "model.no_tools", "-m openai:gpt-5-mini"),
    ],
)
def test_the_answer_of_a_server_becomes_a_sentence_with_its_cure(wire, status, text, code, cure, monkeypatch):
    with ProviderServer(lambda turn: Fault(status=status, text=text)) as server:
        models = opened(server, monkeypatch, f"{wire}:gemma")
        with pytest.raises(ModelError) as failed:
            asyncio.run(stage(models))
    assert failed.value.code == code
    assert "gemma" in failed.value.given
    assert cure in failed.value.try_
    assert failed.value.have
    assert len(server.turns) == 1, "another try would not help"


def test_ollama_without_a_server_says_how_to_start_one(monkeypatch):
    with ProviderServer() as server:
        url = server.url("ollama")
    monkeypatch.setenv("OLLAMA_HOST", url)  # nobody listens there any more
    with pytest.raises(ModelError) as failed:
        asyncio.run(stage(open_chat_models(settings("ollama:qwen3"))))
    assert failed.value.code == "model.not_there"
    assert "ollama serve" in failed.value.try_


def test_of_several_models_the_one_that_failed_last_is_named(monkeypatch):
    answers = in_turn(Fault(status=401, text="first"), Fault(status=404, text="model 'second' not found"))
    with ProviderServer(answers) as server:
        models = opened(server, monkeypatch, "openai:first,ollama:second")
        with pytest.raises(ModelError) as failed:
            asyncio.run(stage(models))
    assert failed.value.try_ == "ollama pull second"


def test_offline_stands_in_for_a_provider_that_does_not_answer(monkeypatch):
    with ProviderServer(lambda turn: Fault(status=401, text="no")) as server:
        models = opened(server, monkeypatch, "openai:gpt-5,offline")
        state, world = asyncio.run(stage(models))
    assert state["messages"][-1].response_metadata[calling.ASKED] == "offline"
    assert [event.code for event in world.events if event.kind == "warned"] == ["model_try", "model_stands_in"]


@pytest.mark.parametrize("name", ["openai:text-embedding-3-small", "openai:gpt-image-1"])
def test_a_model_whose_profile_has_no_tools_is_refused_before_the_run(name, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with pytest.raises(ModelError) as failed:
        open_chat_models(settings(name))
    assert failed.value.code == "model.no_tools"
    assert name in failed.value.given


def test_a_model_of_ones_own_without_bind_tools_is_refused():
    with pytest.raises(ModelError) as failed:
        omc_agent.run("Predict whether BTC rises", model=FakeListChatModel(responses=["Hello."]))
    assert failed.value.code == "model.no_tools"
    assert "FakeListChatModel" in failed.value.given


def test_a_server_of_ones_own_needs_no_key_and_gets_the_one_that_is_set(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with ProviderServer(lambda turn: said("Done.")) as server:
        url = server.url("openai")
        first, second, third = open_chat_models(settings("openai:qwen,openai:llama,offline", base_url=url))
        assert (first.key, second.key, third.name) == ("", "", "offline")
        assert first.model.invoke("Hello").text == "Done."
        assert asked(second.model) == "Done."
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-mine")
        asked(open_chat_models(settings("openai:qwen", base_url=url))[0].model)
    assert [turn.model for turn in server.turns] == ["qwen", "llama", "qwen"]
    assert server.keys == ["no-key-needed", "no-key-needed", "sk-of-mine"]


def test_openai_itself_still_needs_its_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")
    with pytest.raises(ModelError) as failed:
        open_chat_models(settings("openai:gpt-5"))
    assert failed.value.code == "model.no_key"


@pytest.mark.parametrize("wire", ["anthropic", "ollama"])
def test_base_url_sends_each_wire_format_to_its_server(wire, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    with ProviderServer(lambda turn: said("Done.")) as server:
        (model,) = open_chat_models(settings(f"{wire}:some", base_url=server.url(wire)))
        assert asked(model.model) == "Done."
    assert [turn.wire for turn in server.turns] == [wire]


def test_base_url_is_that_of_the_first_provider_only(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    named = settings("offline,openai:qwen,anthropic:claude", base_url="http://127.0.0.1:1/v1")
    _, first, second = open_chat_models(named)
    assert first.model.openai_api_base == "http://127.0.0.1:1/v1"
    assert "127.0.0.1" not in str(second.model.anthropic_api_url)


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", "nothing"])
def test_a_base_url_that_is_none_is_told(url):
    with pytest.raises(omc_agent.errors.UsageError) as failed:
        open_chat_models(settings("openai:qwen", base_url=url))
    assert failed.value.code == "usage.value"
    assert "http://" in failed.value.have
