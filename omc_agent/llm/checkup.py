"""Which models would answer, in which order, and what is known of each: looked up, nothing is sent to a provider."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from omc_agent.config import ChatSettings
from omc_agent.errors import AgentError
from omc_agent.llm.chat import OpenModel, open_model, server_of
from omc_agent.llm.names import OFFLINE, ModelName, read_names
from omc_agent.llm.prices import FREE, is_priced, price_table
from omc_agent.llm.tracing import tracing_of
from omc_agent.secrecy import hide_secrets

OLLAMA_SECONDS = 1.0
_OLLAMA = "http://127.0.0.1:11434"


def check_models(settings: ChatSettings) -> list[tuple[str, str]]:
    """Pairs of what and how it stands: a line for each model in its order, the table of prices, aliases.

    Nothing is asked of a provider; an Ollama server is asked where it runs on this machine. Never raises for what is
    missing: that is what the lines say.
    """
    lines = []
    try:
        names = read_names(settings.model, settings.aliases)
        lines = [
            (f"model {n}" if len(names) > 1 else "model", _check(name, names, settings))
            for n, name in enumerate(names, start=1)
        ]
        if len(names) > 1:
            lines.append(("order", "asked from the first to the last; the next stands in when one does not answer"))
    except AgentError as error:
        lines = [("model", error.line())]
    lines.append(("prices", price_table()))
    lines += [(f"alias {name}", _alias(name, settings)) for name in sorted(settings.aliases)]
    return lines


def check_tracing() -> tuple[str, str]:
    """Where traces go, as a pair of what and how it stands."""
    found = tracing_of()
    told = []
    if found.langsmith:
        told.append(f"LangSmith at {hide_secrets(found.langsmith)}")
    if found.missing:
        told.append('a collector is named, but the packages are missing: pip install "omc-agent[tracing]"')
    elif found.collector:
        kept = "with prompts and answers" if found.content else "without prompts and answers"
        told.append(f"OpenTelemetry at {hide_secrets(found.collector)}, {kept}")
    return "tracing", "; ".join(told) or "off"


def _check(name: ModelName, names: list[ModelName], settings: ChatSettings) -> str:
    if name.provider == OFFLINE:
        return "offline: embedded, needs no key, costs nothing, calls tools"
    try:
        base_url = server_of(name, names, settings.base_url)
        opened = open_model(name, settings, base_url)
    except AgentError as error:
        return f"{name.text}: not ready. {error.line()}"
    told = [_key(name, opened), _price(name), *_profile(opened.profile)]
    if base_url:
        told.append(f"server {hide_secrets(base_url)}")
    if name.provider == "ollama":
        told.append(_ollama(name.model, base_url))
    return f"{name.text}: {', '.join(told)}"


def _key(name: ModelName, opened: OpenModel) -> str:
    if opened.key:
        return f"key from {opened.key}"
    return "needs no key" if name.provider == "ollama" else "no key of ours"


def _price(name: ModelName) -> str:
    if name.provider in FREE:
        return "costs nothing"
    return "price known" if is_priced(name.text) else "price not known: limited by --max-tokens only"


def _profile(profile: dict[str, Any]) -> list[str]:
    told = ["calls tools"] if profile.get("tool_calling") else ["whether it calls tools is not known"]
    if size := profile.get("max_input_tokens"):
        told.append(f"context of {int(size):,} tokens")
    return told


def _ollama(model: str, base_url: str) -> str:
    """Whether the server of this machine answers and has the model."""
    url = base_url or os.environ.get("OLLAMA_HOST") or _OLLAMA
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 11434
    except ValueError:
        return f"OLLAMA_HOST {hide_secrets(url)} is no address"
    if host not in ("127.0.0.1", "localhost", "::1", "0.0.0.0"):  # noqa: S104 - compared, not bound
        return f"its server {host} is not on this machine, and was not asked"
    host = f"[{host}]" if ":" in host else "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{host}:{port}/api/tags", timeout=OLLAMA_SECONDS) as answer:
            there = {str(each.get("name", "")) for each in json.load(answer).get("models", [])}
    except (OSError, ValueError, AttributeError):
        return "its server does not answer: run ollama serve"
    if model in there or f"{model}:latest" in there:
        return "its server answers and has the model"
    return f"its server answers, but has no such model: ollama pull {model}"


def _alias(name: str, settings: ChatSettings) -> str:
    try:
        return ", then ".join(each.text for each in read_names(name, settings.aliases))
    except AgentError as error:
        return error.line()
