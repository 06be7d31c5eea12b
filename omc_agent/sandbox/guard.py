"""Kind, early refusals: what would not work in a cell anyway, said before a kernel is spent.

This stops nobody (``().__class__.__subclasses__()`` walks past any such list); the operating system does. It exists
so that the model and the person get a sentence they can act on.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass

_NETWORK = {
    "requests", "httpx", "urllib", "urllib3", "socket", "ftplib", "smtplib", "aiohttp", "ccxt", "yfinance",
    "websocket", "websockets", "paramiko", "boto3",
}  # fmt: skip
_ASKING = {"input", "breakpoint", "exit", "quit"}


@dataclass(frozen=True)
class Refusal:
    """Why a cell was not run; `line` counts from 1."""

    reason: str
    line: int
    syntax: bool = False


def check(code: str, allowed: Collection[str] = ()) -> Refusal | None:
    """The first thing in `code` that cannot work in a cell of the agent, or None; packages in `allowed` pass.

    Examples
    --------
    >>> check("x = 1") is None
    True
    >>> check("import requests").line
    1
    """
    for number, line in enumerate(code.splitlines(), start=1):
        if line.lstrip().startswith(("!", "%")):
            return Refusal(
                "Shell lines and magics do not run in a cell of the agent; write plain Python. Packages are those"
                " already installed.",
                number,
            )
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        return Refusal(f"SyntaxError: {error.msg}", error.lineno or 1, syntax=True)
    except (ValueError, RecursionError, MemoryError) as error:
        return Refusal(f"The code cannot be parsed: {error}", 1, syntax=True)
    for node in ast.walk(tree):
        refusal = _check_node(node, allowed)
        if refusal:
            return refusal
    return None


def _check_node(node: ast.AST, allowed: Collection[str]) -> Refusal | None:
    modules: list[str] = []
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        modules = [node.module]
    for module in modules:
        if module.split(".")[0] in _NETWORK and module.split(".")[0] not in allowed:
            return Refusal(
                f"{module} needs the network, which a cell of the agent does not have; data comes in as frames.",
                getattr(node, "lineno", 1),
            )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ASKING:
        return Refusal(
            f"{node.func.id}() waits for a person or ends the kernel; a cell of the agent does neither.",
            node.lineno,
        )
    return None
