"""What looks like a key or a password: kept out of whatever is written down, and out of what is told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from omc_agent.errors import UsageError

HIDDEN = "***"
_SHORTEST = 12  # characters of a secret in the environment; shorter ones may be plain words
# Forms that providers give to their keys and tokens; what may not be typed, and what may not leave.
KEY_FORMS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|rk)-(?=[\w-]*\d)[\w-]{16,}|(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}|ya29\.[\w-]{20,}"
    r"|(?:gsk|hf|fw|csk|gh[opsur])_(?=[A-Za-z]*\d)[A-Za-z0-9]{18,}|glpat-[\w-]{16,}"
    r"|(?:tgp_v1|lsv2_pt|lsv2_sk|github_pat)_\w{18,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{30,}"
    r"|(?:xai|pplx|nvapi|r8)-[\w-]{18,}|xox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r")"
)
_NAMED = re.compile(
    r"(?i)((?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d)\w*[\"']?\s*[=:]\s*[\"']?|\bbearer\s+)"
    r"((?=[^\s\"']*\d)(?=[^\s\"']*[a-z])[^\s\"',;]{12,})"
)
_IN_URL = re.compile(r"(://[^:/@\s]*):(?!\*\*\*@)[^/@\s]+@")
# What a provider shows of a key that it refuses: its ends, and stars or dots between them.
_SHORTENED = re.compile(r"[\w-]+\*{3,}[\w-]*|\b(?:sk|rk)-[\w-]*\.{2,}[\w-]*|\b(?:sk|rk)-[\w-]{8,}")
_SECRET_NAME = re.compile(r"(?i)(api_?key|token|secret|passw(or)?d)")
_remembered: set[str] = set()


def remember_secret(value: str) -> None:
    """Hold a key that was read, so that it is known wherever it turns up; for this process only."""
    if len(value) >= 8:
        _remembered.add(value)


def holds_secret(text: str) -> bool:
    """Whether `text` holds what looks like a key, a URL with its password, or a key that this process has.

    Examples
    --------
    >>> holds_secret("Predict BTC with sk-proj-A1b2C3d4E5f6G7h8"), holds_secret("Predict risk-adjusted returns")
    (True, False)
    """
    known = any(value in text for value in _known())
    return known or any(form.search(text) is not None for form in (KEY_FORMS, _NAMED, _IN_URL))


def hide_secrets(text: str) -> str:
    """`text` without keys: whole ones, those that this process has, and the ends of one that a provider shows.

    Examples
    --------
    >>> hide_secrets("Incorrect API key provided: sk-abcde**********wxyz.")
    'Incorrect API key provided: ***.'
    """
    for value in _known():
        text = text.replace(value, HIDDEN)
    for value in _remembered:
        text = re.sub(re.escape(value[:7]) + r"[\w*.-]*[\w*]", HIDDEN, text)
    text = _IN_URL.sub(rf"\1:{HIDDEN}@", text)
    text = _NAMED.sub(rf"\g<1>{HIDDEN}", KEY_FORMS.sub(HIDDEN, text))
    return _SHORTENED.sub(HIDDEN, text)


def refuse_secrets(text: str, what: str) -> None:
    """Refuse a text of a person that holds a key, before it is written down.

    Raises
    ------
    UsageError
        ``usage.secret``; the key is not in it.
    """
    if holds_secret(text):
        raise UsageError(
            "usage.secret",
            given=f"{what} holds what looks like a key or a password.",
            have="It was not written down and not sent; where you typed it, it still stands.",
            try_="Take it out; keys come from the environment, .env or the keyring, a database URL from --db.",
        )


def _known() -> Iterator[str]:
    yield from sorted(_remembered, key=len, reverse=True)
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and _SECRET_NAME.search(name) and "/" not in value and " " not in value:
            yield value
