"""What is written behind `-m`: one model or several in the order of fallback, by provider or by alias."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from omc_agent.errors import ModelError
from omc_agent.secrecy import refuse_secrets

OFFLINE = "offline"
# provider -> what pip installs for it. LangChain's init_chat_model has the same table, without the packages.
PROVIDERS = {
    "openai": "langchain-openai",
    "anthropic": "langchain-anthropic",
    "ollama": "langchain-ollama",
    "google_genai": "langchain-google-genai",
    "google_vertexai": "langchain-google-vertexai",
    "google_anthropic_vertex": "langchain-google-vertexai",
    "azure_openai": "langchain-openai",
    "azure_ai": "langchain-azure-ai",
    "bedrock": "langchain-aws",
    "bedrock_converse": "langchain-aws",
    "anthropic_bedrock": "langchain-aws",
    "bedrock_mantle_openai": '"langchain-aws[openai]"',
    "bedrock_mantle_anthropic": '"langchain-aws[anthropic]"',
    "mistralai": "langchain-mistralai",
    "groq": "langchain-groq",
    "deepseek": "langchain-deepseek",
    "cohere": "langchain-cohere",
    "fireworks": "langchain-fireworks",
    "together": "langchain-together",
    "huggingface": "langchain-huggingface",
    "ibm": "langchain-ibm",
    "nvidia": "langchain-nvidia-ai-endpoints",
    "xai": "langchain-xai",
    "perplexity": "langchain-perplexity",
    "openrouter": "langchain-openrouter",
    "upstage": "langchain-upstage",
    "baseten": "langchain-baseten",
    "litellm": "langchain-litellm",
    "meta": "langchain-meta",
    "langsmith": "langchain-openai",
}
# How the names of well-known models begin: only to say what was probably meant.
_FAMILIES = {
    "gpt": "openai", "o1": "openai", "o3": "openai", "o4": "openai", "claude": "anthropic", "gemini": "google_genai",
    "grok": "xai", "deepseek": "deepseek", "qwen": "ollama", "llama": "ollama", "gemma": "ollama",
    "mistral": "mistralai", "sonar": "perplexity", "command": "cohere",
}  # fmt: skip


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
        Names for any of these; an alias may stand for several, and for other aliases.

    Raises
    ------
    ModelError
        ``model.unknown`` for a provider that nobody knows, or one without a model, or an alias of itself.
    UsageError
        ``usage.secret`` when a key stands in the place of a name.

    Examples
    --------
    >>> [name.text for name in read_names("fast,openai:gpt-5", {"fast": "ollama:qwen3:8b"})]
    ['ollama:qwen3:8b', 'openai:gpt-5']
    """
    aliases = aliases or {}
    refuse_secrets(text, "The name of the model")
    spelled = _spelled_out(text, aliases, ())
    return list(dict.fromkeys(_read(part, aliases) for part in spelled))


def package_of(provider: str) -> str | None:
    """What pip installs for a provider; None when neither we nor the LangChain that is installed know it.

    Examples
    --------
    >>> package_of("groq"), package_of("nobody")
    ('langchain-groq', None)
    """
    if provider in PROVIDERS:
        return PROVIDERS[provider]
    module = _langchain_knows().get(provider)
    return module.partition(".")[0].replace("_", "-") if module else None


def _langchain_knows() -> dict[str, str]:
    """Provider to module, as the installed LangChain has it: a newer one may know more than our table."""
    from langchain.chat_models import base

    table = getattr(base, "_BUILTIN_PROVIDERS", {})
    return {name: str(entry[0]) for name, entry in table.items()}


def _spelled_out(text: str, aliases: Mapping[str, str], within: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for part in (each.strip() for each in text.split(",")):
        if part in within:
            raise ModelError(
                "model.unknown",
                given=f"The alias {part!r} stands for itself.",
                have=f"It is {' -> '.join([*within, part])}.",
                try_="Let it stand for a provider:model in AgentSettings.models.",
            )
        found += _spelled_out(aliases[part], aliases, (*within, part)) if part in aliases else [part]
    return found


def _read(part: str, aliases: Mapping[str, str]) -> ModelName:
    if part == OFFLINE:
        return ModelName(OFFLINE, "")
    # provider:model, or provider/model; the model's own name may hold both signs.
    said, *rest = re.split("[:/]", part, maxsplit=1)
    provider, name = said.strip().lower().replace("-", "_"), rest[0].strip() if rest else ""
    if name and package_of(provider):
        return ModelName(provider, name)
    family = next((of for start, of in _FAMILIES.items() if not rest and provider.startswith(start)), "")
    near = difflib.get_close_matches(provider, [*PROVIDERS, *aliases], n=3, cutoff=0.7) or sorted(PROVIDERS)
    lead = "Nearest" if len(near) <= 3 else "Providers"
    also = f" Aliases: {', '.join(sorted(aliases))}." if aliases else ""
    example = f"{provider}:MODEL" if provider in PROVIDERS else "openai:gpt-5"
    example = f"{family}:{said.strip()}" if family else example
    raise ModelError(
        "model.unknown",
        given=f"{part!r} names no model of a provider that is known.",
        have=f"{lead}: {', '.join(near)}.{also} Without a key there is {OFFLINE}.",
        try_=f"Write -m provider:model, for example -m {example}.",
    )
