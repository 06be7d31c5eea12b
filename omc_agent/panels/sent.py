"""What was sent to the model, call by call: a card with folds, and the same as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from omc_agent.panels import phrases
from omc_agent.panels.markup import esc, folded, indent, plain
from omc_agent.panels.style import style_block

Call = Mapping[str, Any]
NOTHING = "No call of a model is written down for this run."
_WHO = {"user": "to the model", "model": "the model said before", "tool": "answer of a tool", "system": "system"}


def sent_html(calls: Sequence[Call]) -> str:
    """The calls as a card.

    Parameters
    ----------
    calls : sequence of mapping
        Fields of `prompts.SentCall`.

    Returns
    -------
    str
        HTML in which everything that was sent is escaped: no link, no picture, no handler of it is live.
    """
    if not calls:
        return f'<div class="omc-card">{style_block()}<p>{esc(NOTHING)}</p></div>'
    parts = [f"<h4>{esc(_title(calls))}</h4>", f'<p class="omc-dim omc-small">{esc(_about(calls))}</p>']
    for (branch, stage, visit), group in groupby(calls, key=_place):
        found = list(group)
        parts.append(f"<p><b>{esc(_stage(branch, stage, visit))}</b></p>")
        system = f"<pre>{esc(found[0]['system'])}</pre><p>Tools: {esc(', '.join(found[0]['tools']) or 'none')}</p>"
        parts.append(folded("System prompt and tools", system))
        parts += [folded(_line(call), _call_html(call)) for call in found]
    return f'<div class="omc-card">{style_block()}{"".join(parts)}</div>'


def sent_text(calls: Sequence[Call]) -> str:
    """The calls as text."""
    if not calls:
        return NOTHING
    lines = [_title(calls), _about(calls)]
    for (branch, stage, visit), group in groupby(calls, key=_place):
        found = list(group)
        lines += ["", f"== {_stage(branch, stage, visit)}", "system prompt:", indent(plain(found[0]["system"]))]
        lines.append(f"tools: {plain(', '.join(found[0]['tools']) or 'none')}")
        for call in found:
            lines += ["", f"-- {_line(call)}"]
            for head, body in _pieces(call):
                lines += [f"{head}:", *([indent(plain(body))] if body else [])]
    return "\n".join(lines)


def _call_html(call: Call) -> str:
    pieces = "".join(
        f'<p class="omc-dim omc-small">{esc(head)}</p>{f"<pre>{esc(body)}</pre>" if body else ""}'
        for head, body in _pieces(call)
    )
    return f'<div class="omc-sent">{pieces}</div>'


def _pieces(call: Call) -> list[tuple[str, str]]:
    """What is new in this call, then the answer."""
    messages, new = call["messages"], call["new"]
    earlier = len(messages) - new
    before = "1 message" if earlier == 1 else f"{earlier} messages"
    made = [(f"{before} as in the calls above, then", "")] if earlier else []
    made += [(_who(message), _said(message)) for message in messages[earlier:]]
    if call["answer"] is not None:
        made.append(("answer", _said(call["answer"]) or "(no words)"))
    elif call["error"]:
        made.append(("no answer", call["error"]))
    else:
        made.append(("no answer", "the process ended, or the call is still under way"))
    return made


def _who(message: Mapping[str, Any]) -> str:
    who = _WHO.get(str(message.get("role")), str(message.get("role")))
    tool = message.get("tool")
    return f"{who}, {tool}" if tool else who


def _said(message: Mapping[str, Any]) -> str:
    calls = [f"{call['name']}({_args(call)})" for call in message.get("calls") or []]
    return "\n".join(part for part in (str(message.get("text") or ""), *calls) if part)


def _args(call: Mapping[str, Any]) -> str:
    args = call.get("args")
    return ", ".join(f"{name}={value!r}" for name, value in args.items()) if isinstance(args, Mapping) else repr(args)


def _line(call: Call) -> str:
    usage = call["usage"] or {}
    tokens = (
        f"{usage.get('input_tokens', 0):,} tokens in, {usage.get('output_tokens', 0):,} out" if usage else "no usage"
    )
    what = "failed" if call["error"] else "no answer" if call["answer"] is None else tokens
    return f"Call {call['number']}: {plain(call['model'], 100)}, {what}, {phrases.duration(call['seconds'])}"


def _place(call: Call) -> tuple[str, str, int]:
    return str(call["branch"]), str(call["stage"]), int(call["visit"])


def _stage(branch: str, stage: str, visit: int) -> str:
    name = phrases.plain_name(stage)
    again = f", visit {visit}" if visit > 1 else ""
    return f"{name[:1].upper()}{name[1:]}{again}, branch {plain(branch, 60)}"


def _title(calls: Sequence[Call]) -> str:
    count = "1 call" if len(calls) == 1 else f"{len(calls):,} calls"
    return f"What was sent to the model: {count}"


def _about(calls: Sequence[Call]) -> str:
    usage = [call["usage"] or {} for call in calls]
    total = [sum(int(each.get(name) or 0) for each in usage) for name in ("input_tokens", "output_tokens")]
    local = sum(bool(call["local"]) for call in calls)
    where = (
        "All went to the offline model in this process: nothing left the machine."
        if local == len(calls)
        else (f"{local} of them stayed in this process." if local else "Each is shown as it left, after redaction.")
    )
    return f"{total[0]:,} tokens in, {total[1]:,} out. {where}"
