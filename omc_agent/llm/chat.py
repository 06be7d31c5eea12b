"""`open_chat_models`: names become chat models that are ready to be bound to tools."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel

from omc_agent.config import ChatSettings
from omc_agent.errors import ModelError, UsageError
from omc_agent.llm.keys import VARIABLES, Key, find_key, set_in_a_cell
from omc_agent.llm.names import OFFLINE, PROVIDERS, ModelName, package_of, read_names
from omc_agent.secrecy import hide_secrets

__all__ = ["OFFLINE", "PROVIDERS", "OpenModel", "describe_chat_model", "open_chat_models", "open_model", "server_of"]

# Where a client takes its key by another name than api_key.
_ARGUMENTS = {"cohere": "cohere_api_key", "huggingface": "huggingfacehub_api_token"}
# A client that misses its key only at the first call, and the variable that may stand in for the key.
_LATE = {"anthropic": "ANTHROPIC_AUTH_TOKEN"}
# Variables of a client's own server, the one that wins first.
_SERVERS = {
    "openai": ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
    "anthropic": ("ANTHROPIC_API_URL", "ANTHROPIC_BASE_URL"),
}
_NO_KEY = "no-key-needed"  # clients insist on some key; a server of one's own, such as vLLM, does not look at it


# Clients that try again by themselves, and let it be switched off so.
OWN_TRIES = ("openai", "azure_openai", "anthropic", "deepseek", "xai")


# Ollama cuts the beginning off, silently, at a server's default of a few thousand tokens; no call of ours is larger.
OLLAMA_CONTEXT = 16_384


@dataclass(frozen=True)
class OpenModel:
    """A chat model that is ready, how it is named, and where its key is from."""

    name: str
    model: BaseChatModel
    key: str = ""

    @property
    def profile(self) -> dict[str, Any]:
        """What its package knows of it: ``tool_calling``, ``max_input_tokens`` and more; empty when nothing."""
        return dict(getattr(self.model, "profile", None) or {})


def open_chat_models(settings: ChatSettings) -> list[OpenModel]:
    """The models that the settings name, in the order of fallback.

    Parameters
    ----------
    settings : ChatSettings
        ``model``: ``offline``, or ``provider:model`` as LangChain's ``init_chat_model`` reads it, or an alias;
        several with commas between them. ``base_url``: another server for the models of the provider named first.

    Raises
    ------
    ModelError
        ``model.unknown`` for a provider that nobody knows, ``model.no_package`` with the pip line,
        ``model.no_key`` with the variable, ``model.no_tools`` for a model of which its package knows that it cannot
        call tools, ``model.failed`` when the client cannot be made.
    UsageError
        ``usage.value`` for a base_url that is none, ``usage.secret`` for a key in the place of a name.
    """
    names = read_names(settings.model, settings.aliases)
    return [open_model(name, settings, server_of(name, names, settings.base_url)) for name in names]


def server_of(name: ModelName, names: list[ModelName], base_url: str) -> str:
    """The base_url that holds for `name`: that of the setting for the provider that is named first, else empty."""
    if not base_url:
        return ""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            "usage.value",
            given=f"The base_url {hide_secrets(base_url)} is no address of a server.",
            have="It begins with http:// or https://, and mostly ends with /v1.",
            try_="For example --base-url http://localhost:8000/v1.",
        )
    first = next((each.provider for each in names if each.provider != OFFLINE), "")
    return base_url if name.provider == first else ""


def open_model(name: ModelName, settings: ChatSettings, base_url: str = "") -> OpenModel:
    """One model, ready; raises as `open_chat_models` does."""
    if name.provider == OFFLINE:
        from omc_agent.llm.offline import OfflineChatModel

        return OpenModel(OFFLINE, OfflineChatModel(seed=settings.seed))
    key = find_key(name.provider)
    keyless = key is None and _has_own_server(name.provider, base_url)
    if key is None and not keyless and (variable := set_in_a_cell(name.provider)):
        raise _from_a_cell(name, variable)
    model = _made(name, _arguments(name, settings, key, base_url, keyless=keyless), key)
    if key is None and not keyless and name.provider in _LATE and not _has_other_credentials(name.provider):
        raise _no_key(name) from None
    check_tools(model, name.text)
    return OpenModel(name.text, model, "" if key is None else key.source)


def check_tools(model: BaseChatModel, name: str) -> None:
    """Refuse a model of which it is known that it cannot call tools.

    Raises
    ------
    ModelError
        ``model.no_tools``.
    """
    profile = getattr(model, "profile", None) or {}
    if profile.get("tool_calling") is False:
        raise cannot_call_tools(name, "The profile in its package says so.")
    if type(model).bind_tools is BaseChatModel.bind_tools:
        raise cannot_call_tools(name, "Its class has no bind_tools.")


def _arguments(
    name: ModelName, settings: ChatSettings, key: Key | None, base_url: str, *, keyless: bool
) -> dict[str, Any]:
    """What the client is given; a key that it finds in the environment by itself is left to it."""
    given: dict[str, Any] = {"timeout": settings.timeout, "streaming": True}
    if name.provider in OWN_TRIES:
        given["max_retries"] = 0  # the tries are ours, and told: theirs would multiply with them
    if name.provider == "openai":
        given["stream_usage"] = True  # else a server of one's own is not asked what a call cost
    if name.provider == "ollama":
        given = {"client_kwargs": {"timeout": settings.timeout}, "num_ctx": OLLAMA_CONTEXT}
    argument = _ARGUMENTS.get(name.provider, "api_key")
    if keyless:
        given[argument] = _NO_KEY
    elif key is not None and os.environ.get(VARIABLES[name.provider][0]) != key.value:
        given[argument] = key.value
    if base_url:
        given["base_url"] = base_url
    return given


def _has_own_server(provider: str, base_url: str) -> bool:
    """Whether the calls go to a server of one's own, which may want no key."""
    named = [os.environ[name] for name in _SERVERS.get(provider, ()) if os.environ.get(name)]
    url = base_url or (named[0] if named else "")
    host = urlsplit(url).hostname or ""
    return bool(host) and provider in VARIABLES and not host.endswith(("openai.com", "anthropic.com"))


def _has_other_credentials(provider: str) -> bool:
    """A token in place of the key, or LangSmith's gateway, which has a key of its own."""
    gateway = os.environ.get("LANGSMITH_GATEWAY", "").lower() not in ("", "false", "0", "no")
    return gateway or bool(os.environ.get(_LATE[provider]))


def _made(name: ModelName, given: dict[str, Any], key: Key | None) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    try:
        model: BaseChatModel = init_chat_model(name.model, model_provider=name.provider, **given)
        return model
    except ImportError:
        package = package_of(name.provider)
        raise ModelError(
            "model.no_package",
            given=f"-m {name.text} needs the package {package}, which is not installed.",
            have=f"Without it there is {OFFLINE}.",
            try_=f"pip install {package}",
        ) from None
    except Exception as error:  # each client has its own exception for a missing key
        if key is None and name.provider in VARIABLES and "api_key" not in given:
            raise _no_key(name) from None
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            "model.failed",
            given=f"{name.text} cannot be opened: {hide_secrets(said)[:200]}",
            have=f"Its key is from {key.source}." if key else "It needs no key of ours.",
            try_="%agent doctor says which provider would answer; without -m there is offline.",
        ) from None


def _no_key(name: ModelName) -> ModelError:
    variable = VARIABLES[name.provider][0]
    return ModelError(
        "model.no_key",
        given=f"-m {name.text} needs a key, and there is none.",
        have=f"It is looked for in the variable {variable}, in a .env file and in the keyring; never in a cell.",
        try_=f"Set {variable} before Jupyter starts, or write it into .env.",
    )


def _from_a_cell(name: ModelName, variable: str) -> ModelError:
    return ModelError(
        "model.no_key",
        given=f"{variable} was set inside this notebook; -m {name.text} takes no key from a cell.",
        have="What stands in a cell is saved with the notebook, and goes wherever the notebook goes.",
        try_=f"Write {variable} into .env, or set it before Jupyter starts; a key that was saved is to be made anew.",
    )


def cannot_call_tools(name: str, why: str) -> ModelError:
    """The error of a model that only talks."""
    return ModelError(
        "model.no_tools",
        given=f"{name} cannot call tools. {why}",
        have="Each stage works by calling tools; without -m there is offline, which can.",
        try_="Name a model that can call tools, such as -m openai:gpt-5-mini or -m ollama:qwen3.",
    )


def describe_chat_model(model: BaseChatModel, name: str) -> str:
    """One or two sentences for the transcript's first card: what this model is and is not."""
    note = getattr(model, "note", "")
    return str(note) or f"{name} plans and decides; every call goes to that provider."
