"""Where a provider's key comes from: the environment, a `.env` file, the keyring. Never from a cell, never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The first variable is the one that is named when none is set. Providers without a row need no key of this kind.
VARIABLES: dict[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "azure_openai": ("AZURE_OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "mistralai": ("MISTRAL_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "cohere": ("COHERE_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "huggingface": ("HUGGINGFACEHUB_API_TOKEN",),
    "xai": ("XAI_API_KEY",),
    "perplexity": ("PPLX_API_KEY", "PERPLEXITY_API_KEY"),
    "openrouter": ("OPENROUTER_API_KEY",),
}
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
        The process's own by default; it wins.
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
    environment = os.environ if environment is None else environment
    variables = VARIABLES.get(provider, ())
    for name in variables:
        if environment.get(name):
            return Key(environment[name], f"the variable {name}")
    path = _env_file(Path.cwd() if folder is None else folder) if variables else None
    if path is not None:
        from dotenv import dotenv_values

        values = dotenv_values(path)
        for name in variables:
            if values.get(name):
                return Key(str(values[name]), f"{name} in {path.name} of {path.parent.name or path.parent}")
    return _from_keyring(variables)


def _env_file(folder: Path) -> Path | None:
    """The nearest `.env`, no higher than the home folder or the root of a repository."""
    for each in (folder, *folder.parents):
        if (each / ".env").is_file():
            return each / ".env"
        if (each / ".git").exists() or each == Path.home():
            return None
    return None


def _from_keyring(variables: tuple[str, ...]) -> Key | None:
    if not variables:
        return None
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
