"""The flags that the magic and the CLI share: one list, so that they cannot differ."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from omc_agent.config import AgentSettings, settings_with
from omc_agent.errors import UsageError
from omc_agent.llm.names import OFFLINE
from omc_agent.overrides import parse_overrides
from omc_agent.request import Decision

# flag(s), arguments of add_argument; `dest` is the setting of that name.
SETTING_FLAGS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("-m", "--model"), {"help": "who thinks: offline, or provider:model"}),
    (("--base-url",), {"metavar": "URL", "help": "server of the model, such as an OpenAI-compatible one"}),
    (
        ("--record",),
        {"metavar": "FILE", "help": "write the model's answers to a file, for --replay"},
    ),
    (("--replay",), {"metavar": "FILE", "help": "answer from such a file: no provider, no key, no cost"}),
    (("--db",), {"metavar": "URL|NAME", "help": "database of the rows: an SQLAlchemy URL or a configured name"}),
    (("--table",), {"metavar": "NAME", "help": "table that holds the rows"}),
    (("--target",), {"metavar": "COLUMN", "help": "column to predict"}),
    (("--time",), {"metavar": "COLUMN", "help": "column that holds the time of a table's rows"}),
    (
        ("--series",),
        {"choices": ("auto", "yes", "no"), "help": "whether a table in time is one series, forecast from its past"},
    ),
    (("--group",), {"metavar": "COLUMN", "help": "column whose equal values belong together, never split"}),
    (("--approve",), {"choices": ("always", "risky", "never"), "help": "when a person is asked"}),
    (("--policy",), {"metavar": "FILE", "help": "YAML file that answers gates and clarifications"}),
    (("--answer-within",), {"type": float, "metavar": "SECONDS", "help": "how long a question waits"}),
    (
        ("--on-timeout",),
        {"choices": ("park", "approve", "reject"), "help": "what happens when nobody answers in time"},
    ),
    (("--budget",), {"type": float, "metavar": "USD", "help": "what the chat model may cost"}),
    (("--max-tokens",), {"type": int, "metavar": "N", "help": "tokens that the chat model may use"}),
    (("--daily-budget",), {"type": float, "metavar": "USD", "help": "what all runs of a day (UTC) may cost"}),
    (("--trials",), {"type": int, "metavar": "N", "help": "trials of the hyperparameter search"}),
    (("--seed",), {"type": int, "metavar": "N", "help": "seed of every random draw"}),
    (("--holdout",), {"type": float, "metavar": "SHARE", "help": "share of the rows that is sealed, 0.05 to 0.5"}),
    (("--fees",), {"type": float, "metavar": "BP", "help": "basis points that a side of a trade costs"}),
    (("--slippage",), {"type": float, "metavar": "BP", "help": "basis points that a side of a trade slips by"}),
    (("--memory",), {"type": int, "metavar": "BYTES", "help": "memory of the run's child kernel"}),
    (("--wall",), {"type": float, "metavar": "SECONDS", "help": "wall time of a cell"}),
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is a UsageError in three parts."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Words of a list called `changes` may stand behind a flag: argparse ends such a list at the first one."""
        parsed, rest = super().parse_known_args(args, namespace)
        if hasattr(parsed, "changes"):
            parsed.changes = [*parsed.changes, *(word for word in rest if not word.startswith("-"))]
            rest = [word for word in rest if word.startswith("-")]
        return parsed, rest

    def error(self, message: str) -> Any:
        """Raise in place of printing and leaving."""
        flags = sorted({option for action in self._actions for option in action.option_strings if option[1] == "-"})
        raise UsageError(
            "usage.flag",
            given=f"{message[0].upper()}{message[1:]}.",
            have=f"Flags: {', '.join(flags)}." if flags else "",
            try_="%agent help, or omc-agent --help, shows them all.",
        )


def words_of_line(line: str) -> list[str]:
    """The words of a line as a shell reads them; prose with an apostrophe in it is split at its spaces.

    Examples
    --------
    >>> words_of_line('say r1 "only momentum"'), words_of_line("reject r1 I don't need it")
    (['say', 'r1', 'only momentum'], ['reject', 'r1', 'I', "don't", 'need', 'it'])
    """
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that set something of `AgentSettings`."""
    for names, arguments in SETTING_FLAGS:
        parser.add_argument(*names, default=None, **arguments)


def decision_of(kind: str, text: str | None, *, code: str | None = None, rest: bool = False) -> Decision:
    """A decision out of words: an answer carries a value, a rejection its reason, an edit its code.

    An edit without code changes values: ``KEY=VALUE ...``.

    Examples
    --------
    >>> decision_of("answer", "ETH").value
    'ETH'
    """
    if kind == "answer":
        return Decision(value=text)
    if kind == "reject":
        return Decision(type="reject", why=text or "")
    if kind == "edit":
        changes = parse_overrides(text.split()) if text and code is None else None
        return Decision(type="edit", code=code, value=changes)
    return Decision(rest=rest)


def given_settings(parsed: argparse.Namespace) -> dict[str, Any]:
    """The settings that `parsed` names."""
    names = [flags[-1].lstrip("-").replace("-", "_") for flags, _ in SETTING_FLAGS]
    given = {name: getattr(parsed, name, None) for name in names}
    if given["replay"] and given["model"] is None:
        given["model"] = OFFLINE  # whatever the configuration names: a replay takes the model from its record
    return {name: value for name, value in given.items() if value is not None}


def settings_from(parsed: argparse.Namespace, base: AgentSettings | None = None, **defaults: Any) -> AgentSettings:
    """The settings that `parsed` asks for, over `base` and `defaults`."""
    return settings_with(base, **{**defaults, **given_settings(parsed)})
