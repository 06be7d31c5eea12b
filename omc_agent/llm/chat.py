"""`open_chat_model`: a name becomes a chat model that is ready to be bound to tools."""

from __future__ import annotations

import difflib
import re

from langchain_core.language_models import BaseChatModel

from omc_agent.config import ChatSettings
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


def open_chat_model(settings: ChatSettings) -> BaseChatModel:
    """The model of that name.

    Parameters
    ----------
    settings : ChatSettings
        ``offline``, or ``provider:model`` as LangChain's ``init_chat_model`` reads it.

    Raises
    ------
    ModelError
        ``model.unknown`` for a provider that nobody knows, ``model.no_package`` with the pip line.
    """
    if settings.model == OFFLINE:
        from omc_agent.llm.offline import OfflineChatModel

        return OfflineChatModel(seed=settings.seed)
    # provider:model, or provider/model; the model's own name may hold both signs.
    provider, *rest = re.split("[:/]", settings.model, maxsplit=1)
    name = rest[0] if rest else ""
    if not name or provider not in PROVIDERS:
        near = difflib.get_close_matches(provider, PROVIDERS, n=3) or sorted(PROVIDERS)[:5]
        raise ModelError(
            "model.unknown",
            given=f"{settings.model!r} names no provider that is known.",
            have=f"Nearest: {', '.join(near)}; without a key there is {OFFLINE}.",
            try_="Write -m provider:model, for example -m openai:gpt-5.",
        )
    from langchain.chat_models import init_chat_model

    try:
        return init_chat_model(name, model_provider=provider, timeout=settings.timeout)
    except ImportError:
        package = PROVIDERS[provider]
        raise ModelError(
            "model.no_package",
            given=f"-m {settings.model} needs the package {package}, which is not installed.",
            have=f"Without it there is {OFFLINE}.",
            try_=f"pip install {package}",
        ) from None
    except Exception as error:  # each client has its own exception for a missing key
        raise ModelError(
            "model.failed",
            given=f"{settings.model} cannot be opened: {str(error).splitlines()[0][:200]}",
            have="Keys are read from the environment, never from a cell.",
            try_=f"Set the key of {provider} in the environment, or leave -m out.",
        ) from None


def describe_chat_model(model: BaseChatModel, name: str) -> str:
    """One or two sentences for the transcript's first card: what this model is and is not."""
    note = getattr(model, "note", "")
    return str(note) or f"{name} plans and decides; every call goes to that provider."
