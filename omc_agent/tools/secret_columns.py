"""Columns that are named as a secret: which they are, and a frame without them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import pandas as pd

WITHHELD = "withheld"
# The one list; AgentSettings.secret_columns adds to it, AgentSettings.allow_columns takes from it.
SECRET_NAMES = (
    "password", "passwd", "pwd", "passphrase", "secret", "token", "api key", "apikey", "private key", "secret key",
    "access key", "credential", "credentials", "auth", "authorization", "cookie", "session key",
    "email", "e mail", "mail address", "phone", "telephone", "mobile number", "cell number", "fax number",
    "ssn", "social security number", "national id", "passport", "passport number", "driver license", "tax id",
    "iban", "account number", "bank account", "credit card", "card number", "cvv", "cvc",
    "first name", "last name", "surname", "full name", "street address", "home address", "ip address",
)  # fmt: skip
# Words behind such a name that leave it one: email_address, password_hash.
_CARRIERS = frozenset({"address", "number", "no", "nr", "num", "hash", "value", "text", "raw", "key", "id", "1", "2"})
# Words before it that make it a fact about one: has_phone, n_tokens.
_ABOUT = frozenset({"has", "is", "n", "count", "no", "num", "any", "with"})
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def is_secret(name: Any, more: Collection[str] = (), allowed: Collection[str] = ()) -> bool:
    """Whether a column is named as a secret.

    Parameters
    ----------
    name : str
        Of the column; parts may be joined by anything, or by capitals.
    more : collection of str
        Further names, read the same way.
    allowed : collection of str
        Columns, as they are called, that a person has allowed.

    Examples
    --------
    >>> [is_secret(name) for name in ("e-mail", "userPassword", "api_key", "PHONE_NUMBER", "iban")]
    [True, True, True, True, True]
    >>> [is_secret(name) for name in ("PhoneService", "has_phone", "email_opened", "n_tokens", "close")]
    [False, False, False, False, False]
    """
    if str(name) in allowed:
        return False
    words = _words(str(name))
    while len(words) > 1 and words[-1] in _CARRIERS and not _ends(words, more):
        words = words[:-1]
    found = _ends(words, more)
    return bool(found) and not (len(words) > found and words[0] in _ABOUT)


def withhold(
    frame: pd.DataFrame, more: Collection[str] = (), allowed: Collection[str] = ()
) -> tuple[pd.DataFrame, list[str]]:
    """The frame without columns and index levels that are named as a secret, and their names.

    Parameters
    ----------
    frame : DataFrame (rows, columns)
    more, allowed
        As in `is_secret`.

    Returns
    -------
    DataFrame, list of str
        The frame itself where there is none; never a change in place. ``attrs["withheld"]`` lists them too.

    Examples
    --------
    >>> kept, names = withhold(pd.DataFrame({"age": [30], "email": ["a@b.example"]}))
    >>> list(kept.columns), names
    (['age'], ['email'])
    """
    columns = [name for name in frame.columns if is_secret(name, more, allowed)]
    levels = [name for name in frame.index.names if name is not None and is_secret(name, more, allowed)]
    if not columns and not levels:
        return frame, []
    kept = frame.drop(columns=columns)
    if levels:
        kept = kept.reset_index(level=levels, drop=True)
    names = [*map(str, columns), *map(str, levels)]
    kept.attrs = {**frame.attrs, WITHHELD: [*frame.attrs.get(WITHHELD, []), *names]}
    return kept, names


def withheld_notes(names: Collection[str]) -> list[dict[str, Any]]:
    """A warning for each column that is withheld.

    Examples
    --------
    >>> withheld_notes(["email"])[0]["code"]
    'withheld'
    """
    text = (
        "{0} is named as a secret: no code and no model gets its values, and it is no feature."
        " AgentSettings.allow_columns = ['{0}'] lets it in."
    )
    return [{"code": "withheld", "column": name, "text": text.format(name)} for name in names]


def _words(name: str) -> list[str]:
    return [part.lower() for part in _PARTS.findall(name)] or [name.lower()]


def _ends(words: list[str], more: Collection[str]) -> int:
    """How many words the secret name takes at the end of `words`; 0 where there is none."""
    secrets = [_words(text) for text in (*SECRET_NAMES, *more)]
    return max((len(secret) for secret in secrets if words[-len(secret) :] == secret), default=0)
