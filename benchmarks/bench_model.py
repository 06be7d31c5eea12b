"""``make bench-model``: what the agent adds to a call of a chat model, what it sends, and how soon words are seen.

Everything goes to the provider on loopback of the tests, through the real client package of OpenAI, streamed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import median, write_result

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "agents")]

STEPS, ROUNDS = 30, 5
WORDS, PAUSE = 60, 0.01
FIGURES = "a line of figures that a cell printed\n" * 45
CODE = "for column in features.columns:\n    print(column, features[column].describe())\n" * 4


@dataclass
class Run:
    """One stage of `STEPS` steps: seconds of each call and of the processor in it, of the server, and of all."""

    calls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    bare_cpus: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    wall: float = 0.0


def look(turn: Any) -> Any:
    """A cell a step, each with as much to read as fits a result."""
    from tests.providers import said

    if turn.number >= STEPS:
        return said("The stage is done.")
    return said(f"Look at part {turn.number}.", ("run_python", {"code": f"# part {turn.number}\n{CODE}"}))


@contextmanager
def serving(script: Callable[[Any], Any], *, pause: float = 0.0) -> Iterator[tuple[Any, Any]]:
    """The server, and a client that talks to it."""
    from langchain.chat_models import init_chat_model

    from tests.providers import ProviderServer

    with ProviderServer(script, pause=pause) as server:
        server.closes = False  # clients keep their connections, as with a real provider
        os.environ.update(server.environment())
        yield server, init_chat_model("gpt-5-mini", model_provider="openai", streaming=True, timeout=30.0)


def world() -> Any:
    """A run's context without a sandbox: cells are answered at once."""
    from worlds import World

    from omc_agent.agents.context import Outcome
    from omc_agent.config import Work

    def outcome(code: str, into: list[str]) -> Outcome:
        return Outcome(n=1, status="ok", text=FIGURES)

    return World(outcome=outcome, work=Work(max_steps=STEPS + 9))


def state() -> dict[str, Any]:
    """What a stage of features begins with."""
    from test_agent_nodes import STATE

    return dict(STATE)


async def staged(*, keep: bool = False, whole: bool = False, paired: bool = False) -> Run:
    """The stage by our agent.

    Parameters
    ----------
    keep : bool
        With checkpoints as a run has them.
    whole : bool
        Without the bound of what is sent.
    paired : bool
        Behind each call the same request by the client alone, so that what else the machine does meets both.
    """
    from omc_agent.agents import bounded
    from omc_agent.agents.data_analyst import FeatureAgent
    from omc_agent.agents.middleware import Steps

    made, sent, history = Run(), [], bounded.HISTORY
    around, fits = Steps.awrap_model_call, bounded.check_fits

    async def timed(self: Any, request: Any, handler: Any) -> Any:
        async with timing(made.calls, made.cpus):
            response = await around(self, request, handler)
        if paired:
            alone = bound(sent[-1])
            messages = [sent[-1].system_message, *sent[-1].messages]
            async with timing(made.bare, made.bare_cpus):
                await alone.ainvoke(messages)
        return response

    def noted(request: Any) -> None:
        sent.append(request)
        fits(request)

    Steps.awrap_model_call, bounded.check_fits = timed, noted  # type: ignore[method-assign, assignment]
    bounded.HISTORY = 10**9 if whole else history
    try:
        with serving(look) as (server, model), serving(look) as (_other, client):
            tools: list[Any] = []

            def bound(request: Any) -> Any:
                if not tools:
                    tools.append(client.bind_tools(request.tools))
                return tools[0]

            graph = FeatureAgent().build(model)
            with tempfile.TemporaryDirectory(prefix="omc-bench-") as folder:
                start = time.perf_counter()
                await _invoke(graph, Path(folder) if keep else None)
                made.wall = time.perf_counter() - start
            made.server = list(server.seconds)
            made.tokens = [_tokens(turn) for turn in server.turns]
    finally:
        Steps.awrap_model_call, bounded.check_fits, bounded.HISTORY = around, fits, history  # type: ignore[method-assign]
    return made


@asynccontextmanager
async def timing(walls: list[float], cpus: list[float]) -> AsyncIterator[None]:
    """Seconds of wall and of all threads' processor; the server's are in both, and are the same for either client."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    walls.append(time.perf_counter() - wall)
    cpus.append(time.process_time() - cpu)


async def _invoke(graph: Any, folder: Path | None) -> None:
    from omc_agent.store.checkpoints import open_checkpoints

    if folder is None:
        await graph.ainvoke(state(), context=world().context)
        return

    async def nothing() -> None:
        return None

    async with open_checkpoints(folder / "checkpoints.db", synchronous="FULL", before=nothing) as saver:
        graph.checkpointer = saver
        thread: Any = {"configurable": {"thread_id": "bench"}}
        await graph.ainvoke(state(), thread, context=world().context, durability="sync")


def _tokens(turn: Any) -> int:
    from tests.providers import Reply
    from tests.providers.wires import usage_of

    return int(usage_of(turn, Reply())[0])


async def first_words() -> tuple[float, float, str]:
    """Milliseconds to the first word: by the bare client, and as whoever looks on sees it; and by which way."""
    from tests.providers import said

    script = lambda turn: said("word " * WORDS)  # noqa: E731
    alone, seen, way = [], [], ""
    for _ in range(ROUNDS):
        with serving(script, pause=PAUSE) as (_server, model):
            start = time.perf_counter()
            async for chunk in model.astream("Go on."):
                if chunk.text:
                    alone.append(time.perf_counter() - start)
                    break
        with serving(script, pause=PAUSE) as (_server, model):
            after, way = await _first_seen(model)
            seen.append(after)
    return 1000 * median(alone), 1000 * median(seen), way


async def _first_seen(model: Any) -> tuple[float, str]:
    """The first words of a stage at the listener; where no event tells them, at LangChain's callback."""
    from langchain_core.callbacks import AsyncCallbackHandler

    from omc_agent.agents.data_analyst import FeatureAgent
    from omc_agent.events import KINDS

    told: list[float] = []
    asked: list[float] = []

    class Pen(AsyncCallbackHandler):
        async def on_chat_model_start(self, *rest: Any, **more: Any) -> None:
            asked.append(time.perf_counter())

        async def on_llm_new_token(self, token: str, **more: Any) -> None:
            if token and "writing" not in KINDS:
                told.append(time.perf_counter())

    made = world()
    emit = made.context.emit

    async def heard(event: Any, key: str) -> None:
        if event.kind == "writing" and event.text:
            told.append(time.perf_counter())
        await emit(event, key)

    made.context.emit = heard
    await FeatureAgent().build(model).ainvoke(state(), {"callbacks": [Pen()]}, context=made.context)
    return told[0] - asked[0], "event `writing`" if "writing" in KINDS else "callback"


def side_by_side() -> list[str]:
    """Host-side tools of one answer; measured in a file of its own."""
    try:
        from model_parallel import measure
    except ImportError:
        return []
    found = measure()
    rows = [("a database on this machine", "local"), ("one that takes 0.2 s to answer", "remote")]
    return [
        "",
        "| three reads of one answer | one after the other, s | at once, s | quicker by |",
        "|---|---|---|---|",
        *(
            f"| {words} | {found[f'{key}_apart']:.2f} | {found[f'{key}_at_once']:.2f} |"
            f" {found[f'{key}_ratio']:.1f} x |"
            for words, key in rows
        ),
    ]


async def rounds() -> dict[str, list[Run]]:
    """Every way `ROUNDS` times, in turn."""
    found: dict[str, list[Run]] = {"paired": [], "ours": [], "kept": []}
    await staged()  # imports, and the first connection
    for _ in range(ROUNDS):
        found["paired"].append(await staged(paired=True))
        found["ours"].append(await staged())
        found["kept"].append(await staged(keep=True))
    return found


def overhead(found: dict[str, list[Run]]) -> list[str]:
    """A row for each way; what is added is the median of the differences of the pairs."""
    pairs = found["paired"]

    def all_of(name: str) -> list[float]:
        return [1000 * value for run in pairs for value in getattr(run, name)]

    def added(ours: str, bare: str) -> float:
        return median([a - b for a, b in zip(all_of(ours), all_of(bare), strict=True)])

    server = median([1000 * value for run in pairs for value in run.server])
    whole, kept = (
        1000 * median([(run.wall - sum(run.server)) / (STEPS + 1) for run in found[name]])
        for name in ("ours", "kept")
    )
    return [
        "| a model call, ms | in all | processor, the server's with it |",
        "|---|---|---|",
        f"| the bare client | {median(all_of('bare')):.1f} | {median(all_of('bare_cpus')):.1f} |",
        f"| the same request in the agent | {median(all_of('calls')):.1f} | {median(all_of('cpus')):.1f} |",
        f"| **added by the agent** (aim: under 15) | **{added('calls', 'bare'):.1f}** |"
        f" {added('cpus', 'bare_cpus'):.1f} |",
        "",
        f"The server's own time is {server:.1f} ms of each. A whole step, model and tool, beyond the server:"
        f" {whole:.1f} ms; {kept:.1f} ms with durable checkpoints (FULL).",
    ]


def growth(bounded: Run, whole: Run) -> list[str]:
    """Tokens of each step, with and without the bound."""

    def ratio(tokens: list[int]) -> float:
        return sum(tokens[STEPS // 2 :]) / sum(tokens[: STEPS // 2])

    return [
        "",
        f"Tokens sent per step, {STEPS} steps, results of {len(FIGURES):,} letters:"
        f" {', '.join(str(n) for n in bounded.tokens[:STEPS])}.",
        "",
        "| tokens sent | all steps | largest call | second half over first |",
        "|---|---|---|---|",
        *(
            f"| {words} | {sum(run.tokens):,} | {max(run.tokens):,} | {ratio(run.tokens[:STEPS]):.2f} |"
            for words, run in (("as it is", bounded), ("everything, for comparison", whole))
        ),
    ]


async def everything() -> tuple[dict[str, list[Run]], Run, tuple[float, float, str]]:
    """On one loop, for clients keep connections that belong to it."""
    return await rounds(), await staged(whole=True), await first_words()


def main() -> None:
    """Measure and write down."""
    found, whole, (alone, seen, way) = asyncio.run(everything())
    lines = [
        f"{ROUNDS} rounds of a stage with {STEPS} steps on loopback, OpenAI's client, streamed; medians.",
        "",
        *overhead(found),
        *growth(found["ours"][-1], whole),
        "",
        f"First streamed word: {alone:.1f} ms by the bare client, {seen:.1f} ms at the listener ({way}); a word each"
        f" {1000 * PAUSE:.0f} ms.",
        *side_by_side(),
    ]
    write_result("bench-model", lines)


if __name__ == "__main__":
    main()
