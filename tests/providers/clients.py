"""Clients of providers keep their connections, over all models of a process: a test closes what it opened."""

from __future__ import annotations

import sys
from typing import Any


async def close_clients(*models: Any) -> None:
    """Close the connections of `models` on this event loop; the next model opens its own."""
    for model in models:
        kind = type(model).__name__
        if kind == "ChatOpenAI":
            await model.root_async_client.close()
        elif kind == "ChatAnthropic":
            await model._async_client.close()
        elif kind == "ChatOllama":
            await model._async_client._client.aclose()
    for name in ("langchain_openai.chat_models._client_utils", "langchain_anthropic._client_utils"):
        for each in vars(sys.modules.get(name, object)).values():
            if hasattr(each, "cache_clear"):
                each.cache_clear()
