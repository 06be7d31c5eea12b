"""`open_chat_models`: names become chat models that are ready to be bound to tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel

from omc_agent.config import ChatSettings
from omc_agent.errors import ModelError
from omc_agent.llm.keys import VARIABLES, find_key
from omc_agent.llm.names import OFFLINE, PROVIDERS, ModelName, read_names

__all__ = ["OFFLINE", "PROVIDERS", "OpenModel", "describe_chat_model", "open_chat_models"]


# Ollama cuts the beginning off, silently, at a server's default of a few thousand tokens; no call of ours is larger.
OLLAMA_CONTEXT = 16_384


@dataclass(frozen=True)
class OpenModel:
    """A chat model that is ready, how it is named, and where its key is from."""

    name: str
    model: BaseChatModel
    key: str = ""


def open_chat_models(settings: ChatSettings) -> list[OpenModel]:
    """The models that the settings name, in the order of fallback.

    Parameters
    ----------
    settings : ChatSettings
        ``model``: ``offline``, or ``provider:model`` as LangChain's ``init_chat_model`` reads it, or an alias;
        several with commas between them. ``base_url``: another server of the first one's provider.

    Raises
    ------
    ModelError
        ``model.unknown`` for a provider that nobody knows, ``model.no_package`` with the pip line,
        ``model.no_key`` with the variable, ``model.failed`` when the client cannot be made.
    """
    names = read_names(settings.model, settings.aliases)
    return [_open(name, settings, settings.base_url if not number else "") for number, name in enumerate(names)]


def _open(name: ModelName, settings: ChatSettings, base_url: str) -> OpenModel:
    if name.provider == OFFLINE:
        from omc_agent.llm.offline import OfflineChatModel

        return OpenModel(OFFLINE, OfflineChatModel(seed=settings.seed))
    from langchain.chat_models import init_chat_model

    key = find_key(name.provider)
    given: dict[str, Any] = {"timeout": settings.timeout, "streaming": True}
    if name.provider == "ollama":
        given = {"client_kwargs": {"timeout": settings.timeout}, "num_ctx": OLLAMA_CONTEXT}
    if key is not None and not key.source.startswith("the variable"):
        given["api_key"] = key.value
    if base_url:
        given["base_url"] = base_url
    try:
        model = init_chat_model(name.model, model_provider=name.provider, **given)
    except ImportError:
        package = PROVIDERS[name.provider]
        raise ModelError(
            "model.no_package",
            given=f"-m {name.text} needs the package {package}, which is not installed.",
            have=f"Without it there is {OFFLINE}.",
            try_=f"pip install {package}",
        ) from None
    except Exception as error:  # each client has its own exception for a missing key
        if key is None and name.provider in VARIABLES:
            raise _no_key(name) from None
        raise ModelError(
            "model.failed",
            given=f"{name.text} cannot be opened: {str(error).splitlines()[0][:200]}",
            have=f"Its key is from {key.source}." if key else "It needs no key of ours.",
            try_="%agent doctor says which provider would answer; without -m there is offline.",
        ) from None
    return OpenModel(name.text, model, key.source if key else "")


def _no_key(name: ModelName) -> ModelError:
    variable = VARIABLES[name.provider][0]
    return ModelError(
        "model.no_key",
        given=f"-m {name.text} needs a key, and there is none.",
        have=f"It is looked for in the variable {variable}, in a .env file and in the keyring; never in a cell.",
        try_=f"Set {variable} before Jupyter starts, or write it into .env.",
    )


def describe_chat_model(model: BaseChatModel, name: str) -> str:
    """One or two sentences for the transcript's first card: what this model is and is not."""
    note = getattr(model, "note", "")
    return str(note) or f"{name} plans and decides; every call goes to that provider."
