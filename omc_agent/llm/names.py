"""What is written behind `-m`: one model or several in the order of fallback, by provider or by alias."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from omc_agent.errors import ModelError

OFFLINE = "offline"
# provider -> the package that LangChain's init_chat_model imports for it
PROVIDERS = {
    "openai": "langchain-openai",
    "anthropic": "langchain-anthropic",
    "ollama": "langchain-ollama",
    "google_genai": "langchain-google-genai",
    "google_vertexai": "langchain-google-vertexai",
    "azure_openai": "langchain-openai",
    "bedrock": "langchain-aws",
    "mistralai": "langchain-mistralai",
    "groq": "langchain-groq",
    "deepseek": "langchain-deepseek",
    "cohere": "langchain-cohere",
    "fireworks": "langchain-fireworks",
    "together": "langchain-together",
    "huggingface": "langchain-huggingface",
    "xai": "langchain-xai",
    "perplexity": "langchain-perplexity",
    "openrouter": "langchain-openrouter",
}


@dataclass(frozen=True)
class ModelName:
    """One model of one provider; `text` is how it is said."""

    provider: str
    model: str

    @property
    def text(self) -> str:
        """``provider:model``, or ``offline``."""
        return f"{self.provider}:{self.model}" if self.model else self.provider


def read_names(text: str, aliases: Mapping[str, str] | None = None) -> list[ModelName]:
    """The models that `text` names: the first is asked, the others stand in for it in their order.

    Parameters
    ----------
    text : str
        ``offline``, ``provider:model`` or ``provider/model``, or an alias; several with commas between them.
    aliases : mapping of str to str, optional
        Names for any of these; an alias may stand for several.

    Raises
    ------
    ModelError
        ``model.unknown`` for a provider that nobody knows, or one without a model.

    Examples
    --------
    >>> [name.text for name in read_names("fast,openai:gpt-5", {"fast": "ollama:qwen3:8b"})]
    ['ollama:qwen3:8b', 'openai:gpt-5']
    """
    aliases = aliases or {}
    parts = [part.strip() for part in text.split(",")]
    spelled = [other.strip() for part in parts for other in aliases.get(part, part).split(",")]
    return list(dict.fromkeys(_read(part, aliases) for part in spelled))


def _read(part: str, aliases: Mapping[str, str]) -> ModelName:
    if part == OFFLINE:
        return ModelName(OFFLINE, "")
    # provider:model, or provider/model; the model's own name may hold both signs.
    provider, *rest = re.split("[:/]", part, maxsplit=1)
    name = rest[0].strip() if rest else ""
    if name and provider in PROVIDERS:
        return ModelName(provider, name)
    near = difflib.get_close_matches(provider, [*PROVIDERS, *aliases], n=3) or sorted(PROVIDERS)
    lead = "Nearest" if len(near) <= 3 else "Providers"
    also = f" Aliases: {', '.join(sorted(aliases))}." if aliases else ""
    raise ModelError(
        "model.unknown",
        given=f"{part!r} names no model of a provider that is known.",
        have=f"{lead}: {', '.join(near)}.{also} Without a key there is {OFFLINE}.",
        try_="Write -m provider:model, for example -m openai:gpt-5.",
    )
