"""The `.env` file: read anew for each run; the process's own environment wins."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

# What may be set by a `.env`, beside the keys of providers, which never enter the environment of the process.
PREFIXES = (
    "OMC_AGENT_", "LANGSMITH_", "LANGCHAIN_", "OTEL_", "OLLAMA_", "OPENAI_", "AZURE_", "ANTHROPIC_", "AWS_",
    "GOOGLE_", "MISTRAL_", "GROQ_", "WATSONX_", "MLFLOW_",
)  # fmt: skip
_applied: dict[str, str] = {}
_lock = threading.Lock()


def find_env_file(folder: Path | None = None) -> Path | None:
    """The nearest `.env` of the working folder or above it, no higher than the home folder or a repository's root."""
    start = Path.cwd() if folder is None else folder
    for each in (start, *start.parents):
        if (each / ".env").is_file():
            return each / ".env"
        if (each / ".git").exists() or each == Path.home():
            return None
    return None


def read_env_file(path: Path | None) -> dict[str, str]:
    """Names and values of a `.env`; empty without one, or when it cannot be read."""
    if path is None:
        return {}
    from dotenv import dotenv_values

    try:
        found = dotenv_values(path)
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: value for name, value in found.items() if value}


def apply_env_file(keys: frozenset[str], folder: Path | None = None) -> Path | None:
    """Let a `.env` set what the process's environment does not; what it set before and holds no more is taken back.

    Parameters
    ----------
    keys : frozenset of str
        Variables of keys: they stay in the file, so that no cell and no child process sees them.
    folder : Path, optional
        Where to begin; the working folder by default.

    Returns
    -------
    Path or None
        The file.
    """
    path = find_env_file(folder)
    found = read_env_file(path)
    values = {name: value for name, value in found.items() if name.startswith(PREFIXES) and name not in keys}
    with _lock:
        if values != _applied:
            _put(values)
    return path


def _put(values: Mapping[str, str]) -> None:
    for name in [name for name in _applied if name not in values]:
        if os.environ.get(name) == _applied.pop(name):
            del os.environ[name]
    for name, value in values.items():
        if name not in os.environ or os.environ[name] == _applied.get(name):
            os.environ[name] = _applied[name] = value
    langsmith = sys.modules.get("langsmith.utils")  # it remembers what it read
    if langsmith is not None:
        langsmith.get_env_var.cache_clear()
