"""Where a provider's key comes from: the environment, a `.env` file, the keyring. Never from a cell, never shown."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omc_agent.llm.env_file import apply_env_file, find_env_file, read_env_file
from omc_agent.secrecy import remember_secret

# The first variable is the one that is named when none is set. Providers without a row need no key of this kind.
VARIABLES: dict[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "azure_openai": ("AZURE_OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "mistralai": ("MISTRAL_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "fireworks": ("FIREWORKS_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "huggingface": ("HUGGINGFACEHUB_API_TOKEN", "HF_TOKEN"),
    "xai": ("XAI_API_KEY",),
    "perplexity": ("PPLX_API_KEY", "PERPLEXITY_API_KEY"),
    "openrouter": ("OPENROUTER_API_KEY",),
    "nvidia": ("NVIDIA_API_KEY",),
    "upstage": ("UPSTAGE_API_KEY",),
    "baseten": ("BASETEN_API_KEY",),
    "ibm": ("WATSONX_APIKEY",),
    "langsmith": ("LANGSMITH_GATEWAY_API_KEY", "LANGSMITH_API_KEY"),
}
KEY_NAMES = frozenset(
    name for provider, names in VARIABLES.items() if provider != "langsmith" for name in names
)  # LangSmith's own client reads its key from the environment alone
SERVICE = "omc_agent"


@dataclass(frozen=True)
class Key:
    """A key and where it is from; its value is not in its repr."""

    value: str = field(repr=False)
    source: str


def find_key(
    provider: str, *, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Key | None:
    """The key of a provider; None when there is none, or it needs none.

    Parameters
    ----------
    provider : str
        As in ``names.PROVIDERS``.
    environment : mapping, optional
        The process's own by default; it wins. In a notebook that is the environment that the kernel started with:
        what a cell has set is not taken.
    folder : Path, optional
        Where `.env` lies, or above it; the working folder by default. Then the keyring is asked, service
        ``omc_agent``, where the package ``keyring`` is installed.

    Examples
    --------
    >>> find_key("openai", environment={"OPENAI_API_KEY": "sk-1"})
    Key(source='the variable OPENAI_API_KEY')
    >>> find_key("ollama") is None
    True
    """
    variables = VARIABLES.get(provider, ())
    found = _find(variables, environment, folder) if variables else None
    if found is not None:
        remember_secret(found.value)
    return found


def _find(variables: tuple[str, ...], environment: Mapping[str, str] | None, folder: Path | None) -> Key | None:
    environment = _environment() if environment is None else environment
    for name in variables:
        if environment.get(name):
            return Key(environment[name], f"the variable {name}")
    path = find_env_file(folder)
    values = read_env_file(path)
    for name in variables:
        if path is not None and values.get(name):
            return Key(values[name], f"{name} in {path.name} of {path.parent.name or path.parent}")
    return _from_keyring(variables)


def set_in_a_cell(provider: str) -> str | None:
    """The variable of the provider's key that a cell of this notebook has set; None when none has."""
    outside = _environment()
    return next((name for name in VARIABLES.get(provider, ()) if os.environ.get(name) != outside.get(name)), None)


def read_variables(folder: Path | None = None) -> Path | None:
    """Apply the `.env`, but for keys of providers; call it before what a run needs is read. Returns the file."""
    return apply_env_file(KEY_NAMES, folder)


def _environment() -> Mapping[str, str]:
    kernel = sys.modules.get("ipykernel.kernelapp")
    is_notebook = kernel is not None and kernel.IPKernelApp.initialized()
    return _started_with() if is_notebook else os.environ


@functools.cache
def _started_with() -> Mapping[str, str]:
    import psutil

    try:
        return psutil.Process().environ()
    except (psutil.Error, OSError, NotImplementedError):  # where the system does not tell it
        return os.environ


def _from_keyring(variables: tuple[str, ...]) -> Key | None:
    try:
        import keyring  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    for name in variables:
        try:
            value = keyring.get_password(SERVICE, name)
        except Exception:  # a keyring without a backend, or one that is locked
            return None
        if value:
            return Key(str(value), f"{name} in the keyring")
    return None
