"""What stands around model calls and tool calls: one cell at a time, limits, the code gate, errors as answers."""

from __future__ import annotations

import asyncio
import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel
from scripted import ScriptedChatModel, call, in_turn
from worlds import World

from omc_agent.agents.base import BaseAgent, free_code_tool
from omc_agent.agents.context import Outcome
from omc_agent.agents.toolbox import CellTool
from omc_agent.brief import Brief
from omc_agent.config import Work
from omc_agent.errors import DataError, ModelError, RunStopped
from omc_agent.graph.gates import opened
from omc_agent.request import digest


class _Why(BaseModel):
    why: str = ""


class Worker(BaseAgent):
    """A stage with a library tool, free code, and a tool that fails."""

    stage = "data_analysis"
    title = "Analysis"
    task = "Do it."
    prompt = "Stage: data_analysis."
    owes = None

    def tools(self):
        async def fail(why: str = ""):
            raise DataError("data.constant", given="It never changes.", have="One value.", try_="Another span.")

        failing = StructuredTool.from_function(coroutine=fail, name="fail", description="Fails.", args_schema=_Why)
        return [CellTool("clean_data", "transform", ("bars",)).build(), free_code_tool(), failing]

    def missing(self, state):
        return self.owes


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("omc_agent.agents.calling.FIRST_PAUSE", 0.001)


FRAMES = {"prices": {"sha": "s0", "rows": 9, "columns": ["close"]}}
CLEAN = call("clean_data", prices="prices")
CODE = call("run_python", code="look = 1", kind="look")


async def stage_of(world, *answers, agent=None, script=None, state=None, saver=None):
    """Run one stage with a scripted model; returns the state it left."""
    model = ScriptedChatModel(script=script or in_turn(*answers))
    graph = (agent or Worker()).build(model)
    if saver is not None:
        graph.checkpointer = saver
    thread = {"configurable": {"thread_id": "t"}} if saver is not None else None
    first = {"goal": "g", "frames": FRAMES, **(state or {})}
    return await graph.ainvoke(first, thread, context=world.context), graph, thread


def replies(state):
    return [message for message in state["messages"] if isinstance(message, ToolMessage)]


# -- opening, telling, ending ------------------------------------------------------------------


async def test_the_opening_holds_task_and_facts_as_one_json_block():
    state, *_ = await stage_of(World(), state={"brief": {"coins": ["BTC"]}})
    opening = state["messages"][0]
    assert isinstance(opening, HumanMessage)
    assert opening.text.startswith("Do it.")
    facts = json.loads(opening.text.split("```json\n")[1].split("\n```")[0])
    assert facts == {
        "stage": "data_analysis",
        "visit": 1,
        "goal": "g",
        "brief": {"coins": ["BTC"]},
        "frames": {"prices": {"rows": 9, "columns": ["close"]}},
        "overrides": {},
    }


async def test_reason_act_and_observe_are_told_in_order_and_the_visit_is_counted():
    world = World()
    state, *_ = await stage_of(world, ("Clean first.", [CLEAN]), state={"visits": {"data_analysis": 1}})
    assert world.kinds() == ["stage_started", "reason", "act", "observe", "reason", "stage_finished"]
    started, reason, act, observe, *_, finished = world.events
    assert (started.visit, finished.visit, finished.status, finished.cells) == (2, 2, "ok", 1)
    assert reason.text == "Clean first."
    assert (act.tool, act.args) == ("clean_data", {"prices": "prices"})
    assert (observe.tool, observe.ok) == ("clean_data", True)
    assert state["visits"] == {"data_analysis": 2}
    assert state["trouble"] is None
    assert world.spent[0] == ("data_analysis", {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10})


async def test_a_library_tool_runs_as_a_cell_and_its_frame_enters_the_state():
    world = World()
    state, *_ = await stage_of(world, ("", [call("clean_data", prices="prices", into="neat")]))
    (cell,) = world.cells
    assert (cell.code, cell.kind, cell.into) == ("neat = clean_data(prices)", "transform", ["neat"])
    assert cell.entered["frames"] == {"prices": "s0"}
    assert state["frames"]["neat"] == {
        "cell": 1,
        "sha": "sha1",
        "rows": 3,
        "columns": ["a"],
        "stage": "data_analysis",
        "visit": 1,
    }
    assert state["cells"] == {"1": {"stage": "data_analysis", "visit": 1, "status": "ok"}}


async def test_what_a_stage_owes_and_did_not_leave_is_trouble_with_the_last_error():
    class Owing(Worker):
        owes = "the cleaned bars"

    world = World()
    state, *_ = await stage_of(world, ("", [call("fail")]), agent=Owing())
    assert state["trouble"]["missing"] == "the cleaned bars"
    assert state["trouble"]["error"]["error"]["code"] == "data.constant"
    assert world.events[-1].status == "failed"


# -- one cell at a time ------------------------------------------------------------------------


async def test_of_several_cells_in_one_answer_only_the_first_runs():
    world = World()
    state, *_ = await stage_of(world, ("", [CLEAN, CODE, CLEAN]))
    assert [cell.code for cell in world.cells] == ["bars = clean_data(prices)"]
    first, second, third = replies(state)
    assert first.status == "success"
    for reply in (second, third):
        assert reply.text.startswith("not run: one cell at a time")
        assert reply.status == "error"
    assert len([event for event in world.events if event.kind == "act"]) == 1


async def test_a_tool_of_the_host_is_no_cell_and_runs_beside_one():
    class Mixed(Worker):
        def tools(self):
            async def query(why: str = ""):
                return "42 rows"

            host = StructuredTool.from_function(coroutine=query, name="query", description="Reads.", args_schema=_Why)
            return [*super().tools(), host]

    world = World()
    state, *_ = await stage_of(world, ("", [call("query"), CLEAN, call("query")]), agent=Mixed())
    assert [reply.status for reply in replies(state)] == ["success"] * 3
    assert len(world.cells) == 1


# -- limits ------------------------------------------------------------------------------------


async def test_too_many_steps_end_the_stage():
    world = World(work=Work(max_steps=4))
    state, *_ = await stage_of(world, script=lambda seen: ("Again.", [CLEAN]))
    assert len(world.cells) == 4
    assert "max_steps" in state["messages"][-1].text


async def test_too_many_failed_steps_end_the_stage():
    world = World(work=Work(failures=2))
    state, *_ = await stage_of(world, script=lambda seen: ("Again.", [call("fail")]))
    assert len(replies(state)) == 2
    assert "failures" in state["messages"][-1].text


async def test_a_model_that_does_not_answer_in_time_is_a_model_error():
    class Slow(ScriptedChatModel):
        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            await asyncio.sleep(30)

    world = World(timeout=0.05)
    with pytest.raises(ModelError, match=r"gave no answer within 0\.05 s") as failed:
        await Worker().build(Slow(script=in_turn())).ainvoke({"goal": "g"}, context=world.context)
    assert failed.value.code == "model.failed"


async def test_what_a_provider_raises_becomes_a_model_error_of_one_line():
    def explode(seen):
        raise ConnectionError("no route to host")

    with pytest.raises(ModelError, match="ConnectionError: no route to host") as failed:
        await stage_of(World(), script=explode)
    assert "\n" not in failed.value.line()


# -- errors are answers ------------------------------------------------------------------------


async def test_an_agent_error_in_a_tool_is_an_error_answer_in_three_parts():
    world = World()
    state, *_ = await stage_of(world, ("", [call("fail")]), ("Then clean.", [CLEAN]))
    failed, cleaned = replies(state)
    assert failed.status == "error"
    assert json.loads(failed.text)["error"] == {
        "code": "data.constant",
        "given": "It never changes.",
        "have": "One value.",
        "try": "Another span.",
    }
    assert cleaned.status == "success"
    assert [event.ok for event in world.events if event.kind == "observe"] == [False, True]


async def test_a_cell_that_failed_is_an_error_answer_and_leaves_no_frame():
    error = {"type": "KeyError", "message": "'close'", "line": 1}
    world = World(outcome=Outcome(n=1, status="error", error=error))
    state, *_ = await stage_of(world, ("", [CLEAN]))
    (reply,) = replies(state)
    assert reply.status == "error"
    assert json.loads(reply.text) == {"cell": 1, "status": "error", "error": error, "reason": ""}
    assert set(state["frames"]) == {"prices"}


async def test_arguments_that_do_not_fit_are_answered_and_nothing_runs():
    world = World()
    state, *_ = await stage_of(world, ("", [call("clean_data")]), ("", [call("no_such_tool")]))
    assert [reply.status for reply in replies(state)] == ["error", "error"]
    assert "prices" in replies(state)[0].text
    assert world.cells == []


# -- free code ---------------------------------------------------------------------------------


async def test_free_code_runs_under_never_and_the_decision_is_written_down():
    world = World("never")
    state, *_ = await stage_of(world, ("Look.", [CODE]))
    assert [(cell.code, cell.kind) for cell in world.cells] == [("look = 1", "look")]
    ((request, decision, by),) = world.settled
    assert (request.gate, request.code, decision.type, by) == (
        "code",
        "look = 1",
        "approve",
        "policy: --approve never",
    )
    assert replies(state)[0].status == "success"


@pytest.mark.parametrize("approve", ["risky", "always"])
async def test_free_code_waits_for_a_person(approve):
    world = World(approve)
    _, graph, thread = await stage_of(world, ("Look.", [CODE]), saver=InMemorySaver())
    assert world.cells == []
    snapshot = await graph.aget_state(thread)
    (waiting,) = snapshot.interrupts
    request, sha256, held = opened(waiting.value)
    assert (request.gate, request.code, held) == ("code", "look = 1", True)
    assert sha256 == digest("look = 1")
    resumed = Command(resume={waiting.id: {"type": "approve", "sha256": sha256}})
    await graph.ainvoke(resumed, thread, context=world.context)
    assert [cell.code for cell in world.cells] == ["look = 1"]


async def test_code_other_than_what_was_approved_does_not_run():
    world = World("risky")
    _, graph, thread = await stage_of(world, ("Look.", [CODE]), saver=InMemorySaver())
    (waiting,) = (await graph.aget_state(thread)).interrupts
    answer = Command(resume={waiting.id: {"type": "approve", "sha256": digest("look = 0")}})
    state = await graph.ainvoke(answer, thread, context=world.context)
    assert world.cells == []
    assert "what was approved is not what would run now" in replies(state)[0].text


async def test_code_allowed_for_the_rest_of_the_run_is_kept_in_the_state():
    world = World("risky")
    _, graph, thread = await stage_of(world, ("Look.", [CODE]), ("Again.", [CODE]), saver=InMemorySaver())
    (waiting,) = (await graph.aget_state(thread)).interrupts
    answer = Command(resume={waiting.id: {"type": "approve", "rest": True}})
    state = await graph.ainvoke(answer, thread, context=world.context)
    assert [cell.code for cell in world.cells] == ["look = 1", "look = 1"]
    assert state["allowed"] == {"code": True}


async def test_rejected_code_does_not_run_and_the_model_hears_why():
    world = World("risky")
    _, graph, thread = await stage_of(world, ("Look.", [CODE]), saver=InMemorySaver())
    (waiting,) = (await graph.aget_state(thread)).interrupts
    answer = Command(resume={waiting.id: {"type": "reject", "why": "use less memory"}})
    state = await graph.ainvoke(answer, thread, context=world.context)
    assert world.cells == []
    assert "use less memory" in replies(state)[0].text
    assert replies(state)[0].status == "error"


async def test_edited_code_runs_in_place_of_what_the_model_wrote():
    world = World("risky")
    _, graph, thread = await stage_of(world, ("Look.", [CODE]), saver=InMemorySaver())
    (waiting,) = (await graph.aget_state(thread)).interrupts
    answer = Command(resume={waiting.id: {"type": "edit", "code": "look = 2"}})
    await graph.ainvoke(answer, thread, context=world.context)
    assert [cell.code for cell in world.cells] == ["look = 2"]


async def test_code_that_was_allowed_for_the_run_asks_no_more():
    world = World("risky")
    await stage_of(world, ("Look.", [CODE]), state={"allowed": {"code": True}})
    assert len(world.cells) == 1
    assert world.settled == []


async def test_library_tools_never_ask():
    world = World("risky")
    await stage_of(world, ("", [CLEAN]))
    assert world.settled == []
    assert len(world.cells) == 1


async def test_free_code_of_an_unknown_kind_is_not_run_and_nobody_is_asked():
    world = World("risky")
    state, *_ = await stage_of(world, ("", [call("run_python", code="x = 1", kind="model", into=["x"])]))
    assert (world.cells, world.settled) == ([], [])
    assert "transform: causal" in next(m.text for m in state["messages"] if m.type == "tool")


# -- what people send ----------------------------------------------------------------------------


async def test_what_a_person_said_stands_behind_all_messages_and_is_marked():
    heard = []

    def script(seen):
        heard.append(seen.messages)
        return in_turn(("Clean.", [CLEAN]))(seen)

    world = World()
    world.words.said.append("only momentum")
    await stage_of(world, script=script)
    assert len(heard) == 2
    for messages in heard:
        assert isinstance(messages[-1], HumanMessage)
        assert json.loads(messages[-1].text.split("```json\n")[1].split("\n```")[0]) == {
            "said": ["only momentum"],
            "heard": 0,
        }


async def test_an_override_that_waits_is_taken_up_where_the_stage_begins():
    world = World()
    world.pending.update({"indicators": ["rsi"], "lags": [1]})
    state, *_ = await stage_of(world, state={"brief": Brief(coins=["BTC"]).model_dump(), "overrides": {"lags": [2]}})
    assert state["overrides"] == {"indicators": ["rsi"], "lags": [1]}
    assert state["brief"]["indicators"] == ["rsi"]
    facts = json.loads(state["messages"][0].text.split("```json\n")[1].split("\n```")[0])
    assert facts["overrides"] == {"indicators": ["rsi"], "lags": [1]}


async def test_a_call_that_is_not_paid_for_is_not_made():
    world = World()

    async def afford(stage, key):
        raise RunStopped("run.rejected", given="The budget is used up.", have="", try_="")

    world.context.afford = afford
    with pytest.raises(RunStopped, match="used up"):
        await stage_of(world, ("Clean.", [CLEAN]))
    assert world.spent == []


@pytest.mark.parametrize("left", [{"goto": "planning"}, {"error": {"code": "x"}}])
async def test_a_stage_that_a_person_ended_owes_nothing(left):
    class Ended(Worker):
        owes = "the cleaned bars"

        def tools(self):
            async def leave(why: str = ""):
                return Command(update={**left, "messages": [ToolMessage("{}", tool_call_id="call-2-0")]})

            return [
                StructuredTool.from_function(coroutine=leave, name="leave", description="Ends.", args_schema=_Why)
            ]

    world = World()
    state, *_ = await stage_of(world, ("", [call("leave")]), ("", [call("leave")]), agent=Ended())
    assert state["trouble"] is None
    assert world.events[-1].status == "back"
    assert world.kinds().count("act") == 1


async def test_the_rules_of_the_house_are_the_system_message():
    seen_messages = []

    def script(seen):
        seen_messages.extend(seen.messages)
        return "Done.", []

    await stage_of(World(), script=script)
    system = seen_messages[0]
    assert isinstance(system, SystemMessage)
    assert "Rules of the house" in system.text
    assert system.text.endswith("Stage: data_analysis.")
    assert not any(isinstance(message, AIMessage) for message in seen_messages)
