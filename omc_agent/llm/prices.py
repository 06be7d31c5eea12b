"""What a call costs, by a dated table of prices that comes with the package genai-prices."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from omc_agent.llm.names import OFFLINE

# Providers whose name in the table of prices is another one; local models cost nothing.
_TABLE = {"google_genai": "google", "google_vertexai": "google", "azure_openai": "azure", "bedrock": "aws",
          "mistralai": "mistral", "xai": "x-ai"}  # fmt: skip
FREE = (OFFLINE, "ollama")


def price_of(name: str, usage: Mapping[str, Any]) -> float | None:
    """US dollars of one call; None when the model has no known price.

    Parameters
    ----------
    name : str
        ``provider:model``.
    usage : mapping
        ``input_tokens``, ``output_tokens`` and, where the provider tells, ``input_token_details`` with
        ``cache_read`` and ``cache_creation`` (LangChain's usage metadata).

    Examples
    --------
    >>> price_of("ollama:qwen3", {"input_tokens": 9_000, "output_tokens": 100})
    0.0
    >>> price_of("openai:no-such-model", {"input_tokens": 1, "output_tokens": 1}) is None
    True
    """
    provider, _, model = name.partition(":")
    if provider in FREE:
        return 0.0
    from genai_prices import Usage, calc_price

    details = usage.get("input_token_details") or {}
    read, written = int(details.get("cache_read") or 0), int(details.get("cache_creation") or 0)
    counted = Usage(
        input_tokens=int(usage.get("input_tokens") or 0),
        output_tokens=int(usage.get("output_tokens") or 0),
        cache_read_tokens=read or None,
        cache_write_tokens=written or None,
    )
    try:
        found = calc_price(counted, model_ref=model, provider_id=_TABLE.get(provider, provider))
    except (LookupError, ValueError):
        return None
    return float(found.total_price)


def is_priced(name: str) -> bool:
    """Whether the table of prices knows the model."""
    return price_of(name, {"input_tokens": 1, "output_tokens": 1}) is not None


def price_table() -> str:
    """Which table of prices is used: package and version, which is its date."""
    return f"genai-prices {version('genai-prices')}"
