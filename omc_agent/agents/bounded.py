"""What a chat model is sent stays of one size, however long a stage works: cost grows as the steps, not their square.

It stands on LangChain's `ContextEditingMiddleware`, which changes a call and never the stored messages. The edits are
ours: the one that comes with it clears results, but keeps every step and says neither what a step was nor where its
result is now. `SummarizationMiddleware` would cost a call, answer differently each time, and rewrite the checkpoint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

from langchain.agents.middleware import ContextEditingMiddleware
from langchain.agents.middleware.context_editing import ContextEdit, TokenCounter
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from omc_agent.agents.outline import is_long, outlined
from omc_agent.errors import ModelError

HISTORY = 4_000  # tokens of the steps of a stage; above it the older ones are put aside, until half of it is left
KEPT = 2  # newest steps that are always whole
LINES = 24  # of what was put aside
SCHEMAS = 4_000  # tokens that the schemas of an agent's tools stay below
ASIDE = (
    "Earlier steps of this stage, a line each. Their results were cleared to keep this conversation short;"
    " read_cell gives the result of a cell again."
)
Call = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
_MARKS = "<>`\x7f"
_FACTS = re.compile(r"```json\n(.*?)\n```", re.DOTALL)


def rough_tokens(messages: Sequence[BaseMessage]) -> int:
    """Tokens, four letters each: words and the arguments of calls.

    Examples
    --------
    >>> rough_tokens([HumanMessage("four letters a token")])
    5
    """
    return sum(_letters(message) for message in messages) // 4


def _letters(message: BaseMessage) -> int:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return len(message.text) + sum(len(call["name"]) + len(json.dumps(call["args"], default=str)) for call in calls)


class Bounded(ContextEditingMiddleware[Any, Any]):
    """Facts in outline, old steps in a line each, and a sentence when a model's context is too small all the same.

    A model that says `reads_all` gets everything: fixed rules cannot ask for what was put aside. It stands next to
    the call, behind the stand-ins: what one of them has to be sent may be other than what the first model had.
    """

    def __init__(self) -> None:
        super().__init__(edits=[ShortFacts(), OldSteps()], token_counter=rough_tokens)

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Call) -> ModelResponse[Any] | AIMessage:
        """Shorten, check, call."""
        if getattr(request.model, "reads_all", False):
            return await handler(request)

        async def fitting(edited: ModelRequest[Any]) -> ModelResponse[Any]:
            check_fits(edited)
            return await handler(edited)

        return await super().awrap_model_call(request, fitting)


class ShortFacts(ContextEdit):
    """The opening message's facts in outline."""

    def apply(self, messages: list[AnyMessage], *, count_tokens: TokenCounter) -> None:
        """Cut the facts of the first message that has some."""
        for place, message in enumerate(messages):
            if isinstance(message, HumanMessage) and isinstance(message.content, str):
                messages[place] = message.model_copy(update={"content": _shortened(message.content)})
                return


@lru_cache(maxsize=64)
def _shortened(text: str) -> str:
    block = _FACTS.search(text)
    facts = json.loads(block.group(1)) if block else {}
    if block is None or not isinstance(facts, dict) or not is_long(facts):
        return text
    told = json.dumps(outlined(facts))
    for mark in _MARKS:  # a name of the data must not look like the end of the block, however it came in
        told = told.replace(mark, f"\\u{ord(mark):04x}")
    return f"{text[: block.start(1)]}{told}{text[block.end(1) :]}"


class OldSteps(ContextEdit):
    """Steps that are put aside, each with its call and all its answers, so that no answer is left without a call.

    The place of the cut moves in jumps: a provider that keeps what it has read finds the same beginning for several
    calls.
    """

    def apply(self, messages: list[AnyMessage], *, count_tokens: TokenCounter) -> None:
        """Replace the oldest steps by a line each in the opening message."""
        begins = [place for place, message in enumerate(messages) if isinstance(message, AIMessage)]
        if not begins or not begins[0] or not isinstance(messages[begins[0] - 1], HumanMessage):
            return
        steps = [messages[begin:end] for begin, end in zip(begins, [*begins[1:], len(messages)], strict=True)]
        cut = _cut([count_tokens(step) for step in steps])
        if not cut:
            return
        opening = messages[begins[0] - 1]
        told = "\n".join([opening.text, "", ASIDE, *_lines(steps[:cut])])
        messages[begins[0] - 1 : begins[cut]] = [opening.model_copy(update={"content": told})]


def _cut(sizes: Sequence[int]) -> int:
    """How many steps are put aside: a function of the steps so far, the same at each call until it has to move."""
    cut = 0
    for end in range(1, len(sizes) + 1):
        if sum(sizes[cut:end]) > HISTORY:
            while cut < end - KEPT and sum(sizes[cut:end]) > HISTORY // 2:
                cut += 1
    return cut


def _lines(steps: Sequence[Sequence[AnyMessage]]) -> list[str]:
    lines = []
    for number, step in enumerate(steps, 1):
        call_of = {call["id"]: call for m in step if isinstance(m, AIMessage) for call in m.tool_calls}
        for message in step:
            if isinstance(message, ToolMessage) and message.tool_call_id in call_of:
                lines.append(f"- step {number}: {_line(call_of[message.tool_call_id], message)}")
    more = len(lines) - LINES
    return lines if more <= 0 else [f"- {more} earlier calls", *lines[more:]]


def _line(call: Any, answer: ToolMessage) -> str:
    """What was called, its cell, and how it ended."""
    given = ", ".join(f"{name}={json.dumps(value, default=str)[:40]}" for name, value in call["args"].items())
    told = _parsed(answer.text)
    where = f", cell {told['cell']}" if "cell" in told else ""
    return f"{call['name']}({given[:120]}){where}: {_ended(told, answer)}"


def _ended(told: dict[str, Any], answer: ToolMessage) -> str:
    if answer.status == "error":
        error = told.get("error") if isinstance(told.get("error"), dict) else {}
        kind = str((error or {}).get("type") or (error or {}).get("code") or "")
        return f"failed ({kind})" if _is_plain(kind) else "failed"
    values = told.get("values") if isinstance(told.get("values"), dict) else {}
    scores = [
        f"{name} scored {value['score']:.4g}" for name, value in (values or {}).items() if _is_scored(name, value)
    ]
    frames = [name for name in told.get("frames") or {} if _is_plain(name)]
    left = [f"left {', '.join(frames[:6])}"] if frames else []
    return "; ".join(["ok", *scores[:3], *left])


def _is_scored(name: str, value: Any) -> bool:
    return _is_plain(name) and isinstance(value, dict) and isinstance(value.get("score"), (int, float))


def _is_plain(name: str) -> bool:
    """Whether a name can hold no sentence: what stands in these lines is no longer marked as data."""
    return len(name) <= 60 and name.replace(".", "_").isidentifier()


def _parsed(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def check_fits(request: ModelRequest[Any]) -> None:
    """Raise when what is sent is larger than the context of the model, where that is known.

    Raises
    ------
    ModelError
        ``model.small_context``, with the size of the largest frame's description.
    """
    profile = getattr(request.model, "profile", None) or {}
    window = int(profile.get("max_input_tokens") or getattr(request.model, "num_ctx", None) or 0)
    if not window:
        return
    opening = next((m for m in request.messages if isinstance(m, HumanMessage)), None)
    head = [request.system_message] if request.system_message is not None else []
    words = rough_tokens([*head, *request.messages])
    if words + SCHEMAS <= window:  # schemas are counted only where it is close: that takes a while
        return
    sent = words + tool_tokens(request.tools)
    if sent <= window:
        return
    facts = rough_tokens([opening]) if opening is not None else 0
    raise ModelError(
        "model.small_context",
        given=f"The stage sends about {sent:,} tokens, {facts:,} of them for what is known of frames and columns.",
        have=f"The model's context takes {window:,} tokens.",
        try_="Name a model with a larger context with -m, or hand in fewer columns or coins.",
    )


def tool_tokens(tools: Sequence[Any]) -> int:
    """Tokens of the tools' schemas, four letters each."""
    return sum(_schema_letters(tool) for tool in tools) // 4


def _schema_letters(tool: Any) -> int:
    return len(json.dumps(convert_to_openai_tool(tool)))
