"""Where checkpoints lie: a URL that was read, with the form of it that may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from omc_agent.errors import UsageError
from omc_agent.secrecy import HIDDEN, remember_secret

SQLITE, POSTGRESQL, REDIS = "sqlite", "postgresql", "redis"
_KINDS = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "postgres": POSTGRESQL,
          "redis": REDIS, "rediss": REDIS}  # fmt: skip
_SECRET_KEY = re.compile(r"(?i)([?&][^=&]*(?:pass|token|secret)[^=&]*=)[^&]*")


@dataclass(frozen=True)
class Place:
    """A store of checkpoints.

    Parameters
    ----------
    kind : str
        sqlite, postgresql or redis.
    url : str
        As it was given, with its password: never shown.
    shown : str
        The same without it.
    """

    kind: str
    url: str = field(repr=False)
    shown: str

    @property
    def file(self) -> Path:
        """The file, of SQLite."""
        return Path(self.url.partition(":///")[2].partition("?")[0]).expanduser()


def place_of(where: Place | Path | str) -> Place:
    """Read a URL, or the path of a SQLite file.

    Raises
    ------
    UsageError
        ``usage.value`` for a URL that is none or of another kind; no password is in it.

    Examples
    --------
    >>> place_of("redis://:swordfish@localhost:6379/0")
    Place(kind='redis', shown='redis://:***@localhost:6379/0')
    """
    if isinstance(where, Place):
        return where
    if isinstance(where, Path):
        return Place(SQLITE, f"sqlite:///{where}", f"sqlite:///{where}")
    scheme, there, _ = where.partition("://")
    kind = _KINDS.get(scheme.partition("+")[0].lower(), "")
    if not there or not kind:
        raise unusable(where, f"{scheme}:// is no store of checkpoints" if there else "it is no URL")
    place = Place(kind, where, without_password(where))
    try:
        _check(place)
    except (ArgumentError, ValueError):  # what they say may hold a part of the URL, and so of its password
        raise unusable(where, "it is malformed") from None
    return place


def without_password(url: str) -> str:
    """A URL that may be shown, whatever characters its password holds.

    Examples
    --------
    >>> without_password("postgresql://me:p@ss/word@db/runs?sslpassword=x")
    'postgresql://me:***@db/runs?sslpassword=***'
    """
    scheme, there, rest = url.partition("://")
    if not there:
        return HIDDEN
    user, at, host = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    return _SECRET_KEY.sub(rf"\1{HIDDEN}", f"{scheme}://{name}{colon}{HIDDEN if colon else ''}{at}{host}")


def is_thread_of(run_id: str, thread_id: str) -> bool:
    """Whether a thread is the run's: `ID`, or one of its branches, `ID.2` and so on.

    Examples
    --------
    >>> [name for name in ("r", "r.2", "r.b", "r2") if is_thread_of("r", name)]
    ['r', 'r.2']
    """
    return thread_id == run_id or re.fullmatch(re.escape(run_id) + r"\.\d+", thread_id) is not None


def _check(place: Place) -> None:
    if place.kind == SQLITE:
        if str(place.file) in (".", ":memory:"):
            raise unusable(place.url, "it names no file, and what is in memory only cannot be resumed")
        return
    if place.kind == POSTGRESQL:
        password = make_url(place.url).password
    else:
        parts = urlsplit(place.url)
        password = unquote(parts.password) if parts.password else None
        if not parts.hostname or parts.port == 0:
            raise ValueError
        number = parts.path.strip("/") or "0"
        if int(number) != 0:
            raise unusable(place.url, f"it names database {number}, and Redis searches database 0 only")
    if password:
        remember_secret(str(password))


def unusable(url: str, why: str) -> UsageError:
    """The setting names no store of checkpoints."""
    return UsageError(
        "usage.value",
        given=f"The URL of the checkpoints, {without_password(url)}, cannot be used: {why}.",
        have="Checkpoints lie in a SQLite file, in PostgreSQL, or in Redis 8 (or Redis Stack).",
        try_="For example sqlite:////full/path/checkpoints.db, postgresql://user@host/name or redis://host:6379/0.",
    )
