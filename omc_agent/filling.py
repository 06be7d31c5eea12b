"""``{name}`` in a goal: its text where it is plain, else a name whose portrait goes to the model beside the goal."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PosixPath, WindowsPath
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.agents.redaction import without_secrets
from omc_agent.tools.portrait import is_plain, portrait, type_name
from omc_agent.tools.secret_columns import is_secret

TEXT, ITEMS, SOURCE = 500, 20, 2_000
PATHS = (PosixPath, WindowsPath)  # a file of a flag, such as --policy {policy}
_BRACE = re.compile(r"\{([A-Za-z_]\w*)\}|\{(In|Out|Err)\[(\d{1,6})\]\}", re.ASCII)
# Braces that mean something else where they stand: templates, LaTeX, f-strings and what is doubled.
_KEPT = re.compile(
    r"\{\{.*?\}\}|\$\{[^{}]*\}|\\[A-Za-z]+\*?(?:\[[^\]]*\])?(?:\{[^{}]*\})+|\^\{[^{}]*\}"
    r"|(?<!\w)(?:[fF][rR]?|[rR][fF])(\"\"\"|'''|\"|')(?:(?!\1).)*\1",
    re.DOTALL,
)


@dataclass(frozen=True)
class Filled:
    """A text with its names filled, and what is told of those that are no text."""

    text: str
    named: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Notebook:
    """What may be named: variables, and sources, values and errors of cells by their number."""

    names: Mapping[str, Any]
    errors: Mapping[int, str] = field(default_factory=dict)


def fill(
    text: str,
    notebook: Notebook,
    *,
    holdout: float = 0.2,
    more: Collection[str] = (),
    allowed: Collection[str] = (),
) -> Filled:
    """Fill ``{name}`` where `name` exists; every other brace stays as typed.

    Parameters
    ----------
    text : str
        As the person typed it. ``{In[3]}``, ``{Out[3]}`` and ``{Err[3]}`` are cells by their number.
    notebook : Notebook
    holdout, more, allowed
        As in `tools.portrait.portrait`.

    Returns
    -------
    Filled
        A frame, a source or an error is written as its name; `named` describes it.

    Examples
    --------
    >>> made = fill("Predict {coin} as {x!r}, {0} or {a.b}", Notebook({"coin": "BTC", "x": 1}))
    >>> made.text
    'Predict BTC as {x!r}, {0} or {a.b}'
    """
    kept = [found.span() for found in _KEPT.finditer(text)]
    named: dict[str, Any] = {}

    def one(found: re.Match[str]) -> str:
        if any(start <= found.start() < end for start, end in kept):
            return found.group(0)
        name, kind, number = found.groups()
        label = name or f"{kind}[{number}]"
        there, value = _of_cell(kind, int(number), notebook) if kind else _of_name(name, notebook.names)
        if not there or (name and is_secret(name, more, allowed)):
            return found.group(0)
        if kind in ("In", "Err"):
            named[label] = {"kind": "source of a cell" if kind == "In" else "error of a cell", "text": value[:SOURCE]}
            return label
        frame = _as_frame(value)
        if frame is not None:
            about = portrait(frame, holdout=holdout, more=more, allowed=allowed)
            named[label] = {"kind": type_name(value), **about}
            return label
        return without_secrets(plain_text(value))

    return Filled(_BRACE.sub(one, text), named)


def plain_text(value: Any) -> str:
    """The text of a plain value, capped; of anything else the name of its type. Nobody's code is called.

    Examples
    --------
    >>> plain_text(["BTC", "ETH"]), plain_text(0.5), plain_text(object()), plain_text(PosixPath("a/policy.yml"))
    ('BTC, ETH', '0.5', 'object', 'a/policy.yml')
    """
    if type(value) is int and value.bit_length() > 1_000:
        return "int"
    if is_plain(value) or type(value) in PATHS:
        text = str(value)
        return text if len(text) <= TEXT else f"{text[:TEXT]}..."
    if type(value) in (list, tuple, set, frozenset):
        few = len(value) <= ITEMS and all(map(is_plain, value))
        return ", ".join(map(_short, value)) if few else f"{type_name(value)} of {len(value):,}"
    if type(value) is dict:
        few = len(value) <= ITEMS and all(is_plain(key) and is_plain(item) for key, item in value.items())
        if few and not any(is_secret(key) for key in value):
            return ", ".join(f"{_short(key)}={_short(item)}" for key, item in value.items())
        return f"dict of {len(value):,}"
    if type(value) is np.ndarray:
        few = value.ndim == 1 and len(value) <= ITEMS and value.dtype != np.dtype(object)
        return ", ".join(map(_short, value.tolist())) if few else f"ndarray of shape {value.shape}"
    return type_name(value)


def told_of_errors(errors: dict[int, str], most: int = 200) -> Callable[[Any], None]:
    """A listener for ``post_run_cell`` that keeps the last line of each cell's error in `errors`."""

    def listen(result: Any) -> None:
        error = getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)
        number = getattr(result, "execution_count", None)
        if not isinstance(error, BaseException) or type(number) is not int:
            return
        args = BaseException.__dict__["args"].__get__(error)
        said = ", ".join(_short(each) for each in args if is_plain(each))
        errors[number] = f"{type_name(error)}: {said}".rstrip(": ")
        while len(errors) > most:
            errors.pop(next(iter(errors)))

    return listen


def _short(value: Any) -> str:
    text = "int" if type(value) is int and value.bit_length() > 1_000 else str(value)
    return text if len(text) <= TEXT else f"{text[:TEXT]}..."


def _of_name(name: str, names: Mapping[str, Any]) -> tuple[bool, Any]:
    return name in names, names.get(name)


def _of_cell(kind: str, number: int, notebook: Notebook) -> tuple[bool, Any]:
    if kind == "Err":
        return number in notebook.errors, notebook.errors.get(number, "")
    held = notebook.names.get(kind)
    if kind == "In" and type(held) is list:
        there = 0 < number < len(held) and type(held[number]) is str
        return there, held[number] if there else ""
    if kind == "Out" and type(held) is dict:
        return number in held, held.get(number)
    return False, None


def _as_frame(value: Any) -> pd.DataFrame | None:
    """A DataFrame, or a Series as one; a subclass may call code of its own, and is only named."""
    if type(value) is pd.DataFrame:
        return value
    if type(value) is pd.Series:
        name = value.name if is_plain(value.name) and value.name is not None else "value"
        return pd.DataFrame({str(name): value.array}, index=value.index)
    return None
