"""What a call costs, by the dated table of prices that comes with the package genai-prices.

The table is the one inside the package, read by a snapshot of our own: nothing is downloaded, and a program in the
same process that lets genai-prices download does not change what we count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from omc_agent.llm.names import OFFLINE, PROVIDERS

# Providers whose name in the table of prices is another one; local models cost nothing.
_TABLE = {"google_genai": "google", "google_vertexai": "google", "azure_openai": "azure", "bedrock": "aws",
          "mistralai": "mistral", "xai": "x-ai"}  # fmt: skip
FREE = (OFFLINE, "ollama")
_TIERS = ("priority", "flex")  # LangChain puts them in front of the names of details
_DAY = re.compile(r"20\d\d-\d\d-\d\d")


def is_free(name: str) -> bool:
    """Whether calls of the model cost nothing: it runs on a machine of one's own.

    Examples
    --------
    >>> is_free("offline"), is_free("ollama:qwen3"), is_free("openai:gpt-5")
    (True, True, False)
    """
    return name.partition(":")[0] in FREE


def name_of(model: Any, otherwise: str) -> str:
    """``provider:model`` of a chat model that was handed in, as its client says it; else `otherwise`.

    Examples
    --------
    >>> name_of(object(), "Mine")
    'Mine'
    """
    told = getattr(model, "_get_ls_params", None)
    params = told() if callable(told) else {}
    provider, name = str(params.get("ls_provider") or ""), str(params.get("ls_model_name") or "")
    return f"{provider}:{name}" if name and provider in PROVIDERS else otherwise


def price_of(name: str, usage: Mapping[str, Any], at: datetime | None = None) -> float | None:
    """US dollars of one call; None when the model has no known price.

    Tokens that a model thinks in are tokens that it writes: they are billed alike, and `output_tokens` holds both.

    Parameters
    ----------
    name : str
        ``provider:model``.
    usage : mapping
        ``input_tokens`` (those of the cache included), ``output_tokens`` and, where the provider tells,
        ``input_token_details`` with ``cache_read``, ``cache_creation`` or its parts by how long they are kept
        (``ephemeral_5m_input_tokens``, ``ephemeral_1h_input_tokens``): LangChain's usage metadata. Names that begin
        with ``priority_`` or ``flex_`` tell the tier.
    at : datetime, optional
        When it was called, with a time zone; by default now. Prices change, and the table knows when.

    Examples
    --------
    >>> price_of("ollama:qwen3", {"input_tokens": 9_000, "output_tokens": 100})
    0.0
    >>> price_of("openai:no-such-model", {"input_tokens": 1, "output_tokens": 1}) is None
    True
    """
    if is_free(name):
        return 0.0
    from genai_prices import Usage

    provider, _, model = name.partition(":")
    counted, tier = details_of(usage), tier_of(usage)
    kept = min(counted["cached"], counted["tokens_in"])
    long = min(counted["written_1h"], counted["tokens_in"] - kept)
    written = min(counted["written"], counted["tokens_in"] - kept)
    asked = Usage(
        input_tokens=counted["tokens_in"],
        output_tokens=counted["tokens_out"],
        cache_read_tokens=kept or None,
        cache_write_tokens=written or None,
        cache_write_1h_tokens=long or None,
    )
    try:
        found = _snapshot().calc(
            asked, model, _TABLE.get(provider, provider), None, at, {"service_tier": tier} if tier else None
        )
    except (LookupError, ValueError):
        return None
    return float(found.total_price)


def details_of(usage: Mapping[str, Any]) -> dict[str, int]:
    """Tokens of one call: ``tokens_in, tokens_out, cached, written, written_1h, reasoning``.

    `cached` (read from the provider's cache) and `written` (to it) are parts of `tokens_in`, `written_1h` of
    `written`, `reasoning` of `tokens_out`.

    Examples
    --------
    >>> told = {"input_tokens": 9, "output_tokens": 2, "input_token_details": {"flex_cache_read": 4}}
    >>> details_of(told)["cached"]
    4
    """
    read, wrote = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}

    def told(details: Mapping[str, Any], name: str) -> int:
        return sum(int(details.get(f"{tier}{name}") or 0) for tier in ("", *(f"{tier}_" for tier in _TIERS)))

    short, long = told(read, "ephemeral_5m_input_tokens"), told(read, "ephemeral_1h_input_tokens")
    return {
        "tokens_in": int(usage.get("input_tokens") or 0),
        "tokens_out": int(usage.get("output_tokens") or 0),
        "cached": told(read, "cache_read"),
        "written": told(read, "cache_creation") + short + long,
        "written_1h": long,
        "reasoning": told(wrote, "reasoning"),
    }


def tier_of(usage: Mapping[str, Any]) -> str:
    """The tier that the provider says it served: priority, flex, or empty for the usual one."""
    names = {**(usage.get("input_token_details") or {}), **(usage.get("output_token_details") or {})}
    return next((tier for tier in _TIERS if tier in names), "")


def is_priced(name: str) -> bool:
    """Whether the table of prices knows the model, or it costs nothing.

    Examples
    --------
    >>> is_priced("offline"), is_priced("openai:no-such-model")
    (True, False)
    """
    return price_of(name, {"input_tokens": 1, "output_tokens": 1}) is not None


@cache
def price_table() -> str:
    """Which table of prices is used: package, version, and the newest day that it names as one of its prices.

    The package has no date of its own; a price that changed later than that day is not in it.
    """
    today = datetime.now(UTC).date()
    newest = max((day for day in _days() if day <= today), default=None)
    dated = f", newest price of {newest:%Y-%m-%d}" if newest else ""
    return f"genai-prices {version('genai-prices')}{dated}"


def _days() -> Iterator[date]:
    """Days from which prices hold, or on which somebody looked them up."""
    for provider in _snapshot().providers:
        for model in provider.models:
            ways = model.prices if isinstance(model.prices, list) else []
            for way in [*ways, *(model.price_variants or [])]:
                if hasattr(way.constraint, "start_date"):
                    yield way.constraint.start_date
            yield from (date.fromisoformat(day) for day in _DAY.findall(model.price_comments or ""))


@cache
def _snapshot() -> Any:
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)
