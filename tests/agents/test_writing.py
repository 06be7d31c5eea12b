"""What a model writes is told while it writes; and the connection is closed when nobody wants it any more."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from wired import WIRES, clients, hurry, worked
from worlds import World

from omc_agent.agents.writing import PACE, TAIL, Pen
from tests.providers import Fault, ProviderServer, Reply, in_turn, said

LAGS = said("I make lags of the last two bars of all.", ("make_lags", {"lags": [1, 2]}))
DONE = said("It is done.")

each_wire = pytest.mark.parametrize("wire", WIRES)


def written(world):
    return [event for event in world.events if event.kind == "writing"]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    hurry(monkeypatch)


# -- while it is written ---------------------------------------------------------------------------------------------


@each_wire
async def test_the_words_grow_until_the_whole_text_takes_their_place(monkeypatch, wire):
    with (
        ProviderServer(in_turn(LAGS, DONE), pause=0.03) as server,
        clients(server, monkeypatch, f"{wire}:m") as models,
    ):
        done = await worked(models)
    kinds = [event.kind for event in done.world.events]
    first = done.world.events[: kinds.index("reason")]
    texts = [event.text for event in first if event.kind == "writing"]
    assert len(texts) >= 3
    assert texts[-1] == ""
    assert all(late.startswith(early) for early, late in itertools.pairwise(texts[:-1]))
    assert "I make lags of the last two bars of all.".startswith(texts[-2])
    assert done.texts == ["I make lags of the last two bars of all.", "It is done."]
    assert kinds[kinds.index("reason") - 1] == "writing"
    assert first[-1].text == first[-1].tool == first[-1].code == ""


async def test_a_model_that_answers_whole_tells_nothing_before(monkeypatch):
    with (
        ProviderServer(in_turn(LAGS, DONE)) as server,
        clients(server, monkeypatch, "openai:m", whole=True) as models,
    ):
        done = await worked(models)
    assert written(done.world) == []


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_code_is_shown_as_it_grows(monkeypatch, wire):
    code = "\n".join(f"lag_{n} = close.shift({n})" for n in range(20))
    answer = said("I look.", ("run_python", {"code": code, "kind": "look"}))
    with (
        ProviderServer(in_turn(answer, DONE), pause=0.02) as server,
        clients(server, monkeypatch, f"{wire}:m") as models,
    ):
        done = await worked(models, world=World("never"))
    codes = [event.code for event in written(done.world) if event.code]
    assert len(codes) >= 2
    assert all(code.startswith(part) for part in codes)
    assert {event.tool for event in written(done.world) if event.code} == {"run_python"}


@each_wire
@pytest.mark.parametrize("fault", ["cut", "short"])
async def test_of_a_try_that_failed_no_half_sentence_stays(monkeypatch, wire, fault):
    half = said("This one breaks off in the middle of its words and more")
    with (
        ProviderServer(in_turn(Fault(fault, reply=half), LAGS, DONE), pause=0.03) as server,
        clients(server, monkeypatch, f"{wire}:m") as models,
    ):
        done = await worked(models)
    told = [event for event in done.world.events if event.kind in ("writing", "warned")]
    at = next(n for n, event in enumerate(told) if event.kind == "warned")
    assert told[at - 2].text.startswith("This one")
    assert told[at - 1].text == ""
    assert not any("This one" in event.line() for event in told[at:])


async def test_what_it_thinks_is_said_but_not_shown(monkeypatch):
    thought = Reply("I make lags.", [("make_lags", {"lags": [1]})], thinking="The person seems to be in a hurry now")
    with (
        ProviderServer(in_turn(thought, DONE), pause=0.03) as server,
        clients(server, monkeypatch, "anthropic:m") as models,
    ):
        done = await worked(models)
    assert written(done.world)[0].doing == "thinks"
    assert written(done.world)[0].text == ""
    assert not any("hurry" in event.text for event in written(done.world))


class Slow:
    """Ten thousand pieces, told to a pen."""

    async def tell(self, pen, pieces):
        for _ in range(pieces):
            chunk = ChatGenerationChunk(message=AIMessageChunk("word "))
            await pen.on_llm_new_token("word ", chunk=chunk)


async def test_many_pieces_make_few_events_and_the_last_ones_come_too():
    world = World()
    pen = Pen(world.emit, "planning")
    await Slow().tell(pen, 3000)
    assert len(written(world)) <= 2 + world_seconds(world) / PACE
    await asyncio.sleep(PACE * 2)
    assert written(world)[-1].text == ("word " * 3000).strip()[-TAIL:]
    await pen.close()
    assert written(world)[-1].text == ""
    count = len(world.events)
    await pen.close()
    assert len(world.events) == count


def world_seconds(world):
    return world.events[-1].at - world.events[0].at


# -- Stop ------------------------------------------------------------------------------------------------------------

STOPPED = {
    "streaming": (said("word " * 200), False),
    "before it streams": (said("Late.", wait=30), False),
    "whole": (said("Late.", wait=30), True),
    "hanging": (Fault("hang"), False),
    "hanging whole": (Fault("hang"), True),
}


@each_wire
@pytest.mark.parametrize("name", STOPPED)
async def test_a_call_that_is_stopped_closes_its_connection(monkeypatch, wire, name):
    answer, whole = STOPPED[name]
    with (
        ProviderServer(in_turn(answer), pause=0.05) as server,
        clients(server, monkeypatch, f"{wire}:m", whole=whole) as models,
    ):
        world = World()
        work = asyncio.create_task(worked(models, world=world))
        while not server.turns or (name == "streaming" and not written(world)):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        stopped = time.monotonic()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        while not server.left and time.monotonic() - stopped < 2:
            await asyncio.sleep(0.01)
        assert server.left == [0]
    print(f"{wire}, {name}: closed after {1000 * (server.left_at[0] - stopped):.0f} ms")
    assert not any(event.text for event in written(world)[-1:])
