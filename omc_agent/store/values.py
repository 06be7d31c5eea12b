"""Values as SQLite and PostgreSQL both take them, and give them back alike.

PostgreSQL takes no NUL in a text and no NaN in JSON, and a text longer than its column is an error; SQLite takes all
that, and gives times back without their zone. What goes in here comes out the same from either.
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator

_TAG = "$number"
_NO_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_NUL = "\N{SYMBOL FOR NULL}"


class Moment(TypeDecorator[datetime]):
    """A time in UTC, with its zone, whichever database keeps it; one without a zone is taken as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """As it is written."""
        return None if value is None else in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """As it is read."""
        return None if value is None else in_utc(value)


def in_utc(at: datetime) -> datetime:
    """The same moment in UTC; without a zone it is UTC already.

    Examples
    --------
    >>> in_utc(datetime(2024, 1, 1)).isoformat()
    '2024-01-01T00:00:00+00:00'
    """
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def write_json(value: Any) -> str:
    """JSON that every database takes: a number that JSON has no word for is written as ``{"$number": "NaN"}``.

    Examples
    --------
    >>> write_json({"score": float("nan"), "n": 1})
    '{"score": {"$number": "NaN"}, "n": 1}'
    """
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_tagged(value), allow_nan=False)


def read_json(text: str | bytes) -> Any:
    """What :func:`write_json` wrote, and JSON as it was written before there was that word.

    Examples
    --------
    >>> read_json('{"score": {"$number": "-Infinity"}, "n": 1}')
    {'score': -inf, 'n': 1}
    """
    if _TAG in (text if isinstance(text, str) else text.decode()):
        return json.loads(text, object_hook=_untagged)
    return json.loads(text)


def plain_text(text: str) -> str:
    r"""`text` without what a database refuses: NUL becomes its symbol, half a surrogate pair the replacement sign.

    Examples
    --------
    >>> plain_text("a\x00b"), plain_text("\ud800!") == "\ufffd!"
    ('a␀b', True)
    """
    if "\x00" in text:
        text = text.replace("\x00", _NUL)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def short_key(key: str, length: int = 200) -> str:
    """`key`, or where it is longer than its column its beginning and a hash of all of it."""
    if len(key) <= length:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{key[: length - 33]}:{digest}"


def plain_parameters(parameters: Any) -> Any:
    """Parameters of a statement, or of many, with every text in them as :func:`plain_text` leaves it."""
    if isinstance(parameters, str):
        return plain_text(parameters)
    if isinstance(parameters, dict):
        return {name: plain_parameters(value) for name, value in parameters.items()}
    if type(parameters) in (list, tuple):
        return type(parameters)(plain_parameters(value) for value in parameters)
    return parameters


def _tagged(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {_TAG: "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, dict):
        return {name: _tagged(each) for name, each in value.items()}
    return [_tagged(each) for each in value] if isinstance(value, (list, tuple)) else value


def _untagged(found: dict[str, Any]) -> Any:
    return _NO_JSON.get(found[_TAG], found) if found.keys() == {_TAG} and isinstance(found[_TAG], str) else found
