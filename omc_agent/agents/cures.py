"""Failures of a provider that name their cure: no such model, no server, a model that cannot call tools."""

from __future__ import annotations

import re

from omc_agent.errors import ModelError
from omc_agent.secrecy import hide_secrets

KEPT = "The work so far is kept."
_NO_TOOLS = re.compile(
    r"(?i)(not|n't) support (the )?(use of )?(tool|function)"
    r"|(tool|function)s?( use| calling| calls)? (is|are) not (supported|available|enabled)"
    r"|'tools' is not supported|unsupported parameter: '?tools|no endpoints found that support tool"
)


def known_failure(name: str, error: BaseException, status: int | None) -> ModelError | None:
    """The failure as a sentence with its cure; None for one that is of no known kind.

    Parameters
    ----------
    name : str
        ``provider:model``.
    error : BaseException
        What the client raised.
    status : int or None
        The HTTP status that it carries.

    Examples
    --------
    >>> known_failure("ollama:gemma", ValueError("gemma does not support tools"), 400).code
    'model.no_tools'
    >>> known_failure("ollama:qwen3", ConnectionError("refused"), None).try_
    'Run ollama serve in a terminal, or set OLLAMA_HOST; then resume the run.'
    """
    provider, _, model = name.partition(":")
    said = " ".join(str(error).split())
    if _NO_TOOLS.search(said) or isinstance(error, NotImplementedError):
        return ModelError(
            "model.no_tools",
            given=f"{name} cannot call tools: {hide_secrets(said)[:200] or 'its class has no bind_tools'}",
            have=f"Each stage works by calling tools. {KEPT}",
            try_="Name one that can, such as -m openai:gpt-5-mini or -m ollama:qwen3; without -m there is offline.",
        )
    if status == 404:
        return _not_there(provider, model, hide_secrets(said)[:200])
    if provider == "ollama" and status is None and _is_unreachable(error):
        return ModelError(
            "model.not_there",
            given=f"No Ollama server answers for {name}.",
            have=KEPT,
            try_="Run ollama serve in a terminal, or set OLLAMA_HOST; then resume the run.",
        )
    return None


def _not_there(provider: str, model: str, said: str) -> ModelError:
    if provider == "ollama":
        return ModelError("model.not_there", given=f"The Ollama server has no model {model!r}.", have=KEPT,
                          try_=f"ollama pull {model}")  # fmt: skip
    return ModelError(
        "model.not_there",
        given=f"The provider {provider} has no model {model!r}, or its server has no such path: {said}",
        have=KEPT,
        try_="Check the model's name, and base_url where one is set; -m provider:model names another.",
    )


def _is_unreachable(error: BaseException) -> bool:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & {"ConnectionError", "ConnectError", "ConnectTimeout"})
