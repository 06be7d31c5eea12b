"""The three wire formats: what a request says, and how a reply goes back, whole or in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from langchain_core.messages import BaseMessage, SystemMessage

from tests.providers.scripts import Reply, Turn, messages_of

JSON, EVENTS, LINES = "application/json", "text/event-stream", "application/x-ndjson"


class Wire(Protocol):
    """One provider's format."""

    name: str
    path: str
    stream_type: str

    def read(self, body: dict[str, Any], number: int) -> Turn:
        """The request."""

    def streams(self, body: dict[str, Any]) -> bool:
        """Whether it asks for a stream."""

    def whole(self, turn: Turn, reply: Reply) -> dict[str, Any]:
        """The answer in one piece."""

    def pieces(self, turn: Turn, reply: Reply) -> Iterator[str]:
        """The answer in pieces, each ready for the socket."""

    def error(self, status: int) -> dict[str, Any]:
        """The body of an HTTP error."""


def words(text: str) -> list[str]:
    """A text in pieces, as models write it."""
    return [f"{word} " for word in text.split(" ")[:-1]] + text.split(" ")[-1:] if text else []


def usage_of(turn: Turn, reply: Reply) -> tuple[int, int]:
    """Tokens in and out: as scripted, else four letters a token."""
    sent = sum(len(message.text) + len(json.dumps(getattr(message, "tool_calls", []))) for message in turn.messages)
    tools = len(json.dumps(turn.tools))
    return reply.tokens_in or (sent + tools) // 4, reply.tokens_out


def _arguments(given: dict[str, Any] | str) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def _in_pieces(given: dict[str, Any] | str) -> list[str]:
    """Arguments as a stream brings them: some twenty letters at a time."""
    whole = _arguments(given)
    return [whole[at : at + 20] for at in range(0, len(whole), 20)] or [""]


class OpenAI:
    """Chat completions."""

    name, path, stream_type = "openai", "/v1/chat/completions", EVENTS

    def read(self, body: dict[str, Any], number: int) -> Turn:
        tools = [tool["function"] for tool in body.get("tools", [])]
        return Turn(self.name, body["model"], messages_of(body["messages"], self.name), tools, number)

    def streams(self, body: dict[str, Any]) -> bool:
        return bool(body.get("stream"))

    def whole(self, turn: Turn, reply: Reply) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
        if reply.stop == "refusal":
            message |= {"content": None, "refusal": reply.text}
        if reply.calls:
            message["tool_calls"] = [
                {"id": f"call_{turn.number}_{k}", "type": "function",
                 "function": {"name": name, "arguments": _arguments(args)}}
                for k, (name, args) in enumerate(reply.calls)
            ]  # fmt: skip
        choice = {"index": 0, "message": message, "finish_reason": self._stop(reply)}
        return {**self._head(turn, "chat.completion"), "choices": [choice], "usage": self._usage(turn, reply)}

    def pieces(self, turn: Turn, reply: Reply) -> Iterator[str]:
        def chunk(delta: dict[str, Any], stop: str | None = None) -> str:
            choices = [{"index": 0, "delta": delta, "finish_reason": stop}]
            return _event({**self._head(turn, "chat.completion.chunk"), "choices": choices})

        yield chunk({"role": "assistant", "content": ""})
        field = "refusal" if reply.stop == "refusal" else "content"
        for word in words(reply.text):
            yield chunk({field: word})
        for k, (name, args) in enumerate(reply.calls):
            head = {"index": k, "id": f"call_{turn.number}_{k}", "type": "function",
                    "function": {"name": name, "arguments": ""}}  # fmt: skip
            yield chunk({"tool_calls": [head]})
            for piece in _in_pieces(args):
                yield chunk({"tool_calls": [{"index": k, "function": {"arguments": piece}}]})
        yield chunk({}, self._stop(reply))
        head = self._head(turn, "chat.completion.chunk")
        yield _event({**head, "choices": [], "usage": self._usage(turn, reply)})
        yield "data: [DONE]\n\n"

    def error(self, status: int) -> dict[str, Any]:
        return {"error": {"message": f"scripted {status}", "type": "scripted", "code": status}}

    def _head(self, turn: Turn, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{turn.number}", "object": kind, "created": 1, "model": turn.model}

    def _stop(self, reply: Reply) -> str:
        named = {"length": "length", "filter": "content_filter"}.get(reply.stop)
        return named or ("tool_calls" if reply.calls else "stop")

    def _usage(self, turn: Turn, reply: Reply) -> dict[str, int]:
        tokens_in, tokens_out = usage_of(turn, reply)
        return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}


class Anthropic:
    """Messages."""

    name, path, stream_type = "anthropic", "/v1/messages", EVENTS

    def read(self, body: dict[str, Any], number: int) -> Turn:
        tools = [
            {"name": tool["name"], "description": tool.get("description", ""), "parameters": tool["input_schema"]}
            for tool in body.get("tools", [])
        ]
        system = body.get("system", "")
        text = system if isinstance(system, str) else "".join(part["text"] for part in system)
        first: list[BaseMessage] = [SystemMessage(text)] if text else []
        return Turn(self.name, body["model"], [*first, *messages_of(body["messages"], self.name)], tools, number)

    def streams(self, body: dict[str, Any]) -> bool:
        return bool(body.get("stream"))

    def whole(self, turn: Turn, reply: Reply) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        if reply.thinking:
            content.append({"type": "thinking", "thinking": reply.thinking, "signature": "c2lnbmVk"})
        if reply.text:
            content.append({"type": "text", "text": reply.text})
        for k, (name, args) in enumerate(reply.calls):
            given = args if isinstance(args, dict) else {}
            content.append({"type": "tool_use", "id": f"toolu_{turn.number}_{k}", "name": name, "input": given})
        tokens_in, tokens_out = usage_of(turn, reply)
        usage = {"input_tokens": tokens_in, "output_tokens": tokens_out}
        return {**self._head(turn), "content": content, "stop_reason": self._stop(reply), "usage": usage}

    def pieces(self, turn: Turn, reply: Reply) -> Iterator[str]:
        tokens_in, tokens_out = usage_of(turn, reply)
        usage = {"input_tokens": tokens_in, "output_tokens": 1}
        message = {**self._head(turn), "content": [], "stop_reason": None, "usage": usage}
        yield _named("message_start", message=message)
        index = 0
        if reply.thinking:
            block = {"type": "thinking", "thinking": "", "signature": ""}
            yield _named("content_block_start", index=0, content_block=block)
            for word in words(reply.thinking):
                yield _named("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": word})
            signed = {"type": "signature_delta", "signature": "c2lnbmVk"}
            yield _named("content_block_delta", index=0, delta=signed)
            yield _named("content_block_stop", index=0)
            index += 1
        if reply.text:
            yield _named("content_block_start", index=index, content_block={"type": "text", "text": ""})
            for word in words(reply.text):
                yield _named("content_block_delta", index=index, delta={"type": "text_delta", "text": word})
            yield _named("content_block_stop", index=index)
            index += 1
        for k, (name, args) in enumerate(reply.calls):
            block = {"type": "tool_use", "id": f"toolu_{turn.number}_{k}", "name": name, "input": {}}
            yield _named("content_block_start", index=index, content_block=block)
            for piece in _in_pieces(args):
                delta = {"type": "input_json_delta", "partial_json": piece}
                yield _named("content_block_delta", index=index, delta=delta)
            yield _named("content_block_stop", index=index)
            index += 1
        ended = {"stop_reason": self._stop(reply), "stop_sequence": None}
        yield _named("message_delta", delta=ended, usage={"input_tokens": tokens_in, "output_tokens": tokens_out})
        yield _named("message_stop")

    def error(self, status: int) -> dict[str, Any]:
        kind = {429: "rate_limit_error", 401: "authentication_error"}.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": f"scripted {status}"}}

    def _head(self, turn: Turn) -> dict[str, Any]:
        return {"id": f"msg_{turn.number}", "type": "message", "role": "assistant", "model": turn.model,
                "stop_sequence": None}  # fmt: skip

    def _stop(self, reply: Reply) -> str:
        named = {"length": "max_tokens", "refusal": "refusal", "filter": "refusal"}.get(reply.stop)
        return named or ("tool_use" if reply.calls else "end_turn")


class Ollama:
    """Chat, a JSON object a line."""

    name, path, stream_type = "ollama", "/api/chat", LINES

    def read(self, body: dict[str, Any], number: int) -> Turn:
        tools = [tool["function"] for tool in body.get("tools") or []]
        return Turn(self.name, body["model"], messages_of(body["messages"], self.name), tools, number)

    def streams(self, body: dict[str, Any]) -> bool:
        return bool(body.get("stream", True))

    def whole(self, turn: Turn, reply: Reply) -> dict[str, Any]:
        return {**self._piece(turn, reply.text, reply), **self._end(turn, reply)}

    def pieces(self, turn: Turn, reply: Reply) -> Iterator[str]:
        for word in words(reply.thinking):
            piece = self._piece(turn, "")
            piece["message"]["thinking"] = word
            yield json.dumps({**piece, "done": False}) + "\n"
        for word in words(reply.text):
            yield json.dumps({**self._piece(turn, word), "done": False}) + "\n"
        yield json.dumps({**self._piece(turn, "", reply), **self._end(turn, reply)}) + "\n"

    def error(self, status: int) -> dict[str, Any]:
        return {"error": f"scripted {status}"}

    def _piece(self, turn: Turn, text: str, reply: Reply | None = None) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if reply is not None and reply.calls:
            calls = [(name, args if isinstance(args, dict) else {}) for name, args in reply.calls]
            message["tool_calls"] = [{"function": {"name": name, "arguments": args}} for name, args in calls]
        return {"model": turn.model, "created_at": "2026-01-01T00:00:00Z", "message": message}

    def _end(self, turn: Turn, reply: Reply) -> dict[str, Any]:
        tokens_in, tokens_out = usage_of(turn, reply)
        return {"done": True, "done_reason": "length" if reply.stop == "length" else "stop", "total_duration": 1,
                "prompt_eval_count": tokens_in, "eval_count": tokens_out}  # fmt: skip


WIRES: tuple[Wire, ...] = (OpenAI(), Anthropic(), Ollama())


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _named(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"
