"""One small agent over a real client package, with a provider on loopback behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field
from worlds import World

from omc_agent.agents import calling
from omc_agent.agents.base import BaseAgent, free_code_tool
from omc_agent.config import ChatSettings
from omc_agent.llm.chat import OpenModel, open_chat_models
from tests.providers import ProviderServer

WIRES = ("openai", "anthropic", "ollama")


class _Lags(BaseModel):
    lags: list[int] = Field(description="bars back, at least one")
    window: int = Field(3, description="bars")


class Worker(BaseAgent):
    """A stage with one tool that counts its calls, and free code."""

    stage = "data_analysis"
    title = "Analysis"
    task = "Make lags."
    prompt = "Stage: data_analysis."

    def __init__(self) -> None:
        self.made: list[list[int]] = []

    def tools(self):
        async def make_lags(lags: list[int], window: int = 3) -> str:
            self.made.append(lags)
            return f"{len(lags)} lags"

        lags = StructuredTool.from_function(
            coroutine=make_lags, name="make_lags", description="Lags.", args_schema=_Lags
        )
        return [lags, free_code_tool()]


class Wired:
    """The agent's run: the world that it acts in, and the state that it left."""

    def __init__(self, world: World, agent: Worker, state: dict[str, Any]) -> None:
        self.world, self.agent, self.state = world, agent, state

    @property
    def texts(self) -> list[str]:
        """What was told as reasons."""
        return [event.text for event in self.world.events if event.kind == "reason"]

    @property
    def tries(self) -> list[str]:
        """Warnings of failed tries."""
        return self.warned("model_try")

    def warned(self, code: str) -> list[str]:
        """Texts of the warnings with that code."""
        return [event.text for event in self.world.events if event.kind == "warned" and event.code == code]

    @property
    def replies(self) -> list[ToolMessage]:
        """What tools answered."""
        return [message for message in self.state["messages"] if isinstance(message, ToolMessage)]

    @property
    def answers(self) -> list[AIMessage]:
        """What the model answered."""
        return [message for message in self.state["messages"] if isinstance(message, AIMessage)]


@contextmanager
def clients(
    server: ProviderServer, monkeypatch: Any, names: str, *, whole: bool = False
) -> Iterator[list[OpenModel]]:
    """The chat models of `names`, as the session opens them, that talk to `server`."""
    server.closes = True
    for key, value in server.environment().items():
        monkeypatch.setenv(key, value)
    opened = open_chat_models(ChatSettings(model=names, timeout=20.0))
    if whole:
        opened = [OpenModel(each.name, _whole(each.name)) for each in opened]
    yield opened


def _whole(name: str) -> Any:
    provider, _, model = name.partition(":")
    more = {"disable_streaming": True} if provider == "ollama" else {"streaming": False, "max_retries": 0}
    return init_chat_model(model, model_provider=provider, **more)


async def worked(models: Sequence[OpenModel], *, timeout: float = 20.0, world: World | None = None) -> Wired:
    """Run the agent with the first model, the others standing in."""
    world, agent = world or World(timeout=timeout), Worker()
    names = {id(each.model): each.name for each in models}
    world.context.name_of = lambda model: names[id(model)]
    graph = agent.build(models[0].model, [each.model for each in models[1:]])
    try:
        state = await graph.ainvoke({"goal": "g", "frames": {}}, context=world.context)
    finally:
        await asyncio.sleep(0)  # connections that were closed are gone before their loop is
    return Wired(world, agent, state)


def hurry(monkeypatch: Any) -> None:
    """No pause between tries."""
    monkeypatch.setattr(calling, "FIRST_PAUSE", 0.001)
