"""Where the store lies: a URL of SQLite or PostgreSQL, read kindly and shown without its password."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from omc_agent.errors import StoreError
from omc_agent.secrecy import HIDDEN, hide_secrets

DRIVER = "postgresql+psycopg"
_SPOKEN = {"sqlite": "sqlite", "sqlite+pysqlite": "sqlite",
           **dict.fromkeys(("postgres", "postgresql", DRIVER), DRIVER)}  # fmt: skip
# File systems of a network: the locks of SQLite do not hold there, or cannot be relied on.
_NETWORKS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "9p",
             "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "davfs"}  # fmt: skip

_BROKEN = re.compile(r"^([a-zA-Z0-9+]*:?/*).*@", re.DOTALL)  # what is no URL has its password before the last @ too


def address_of(url: str) -> URL:
    """The URL as SQLAlchemy takes it; plain ``postgresql://`` is spoken by psycopg 3.

    Raises
    ------
    StoreError
        ``store.url`` for what is no URL, or names another database; ``store.driver`` where psycopg is not installed.

    Examples
    --------
    >>> address_of("postgres://ann@db/runs").drivername
    'postgresql+psycopg'
    >>> address_of("mysql://ann:secret@db/runs")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    omc_agent.errors.StoreError: The store's URL is mysql://ann:***@db/runs. ...
    """
    try:
        parsed = make_url(url)
        parsed.port  # noqa: B018 - a port that is no number raises here at the latest
    except (SQLAlchemyError, ValueError):
        raise _no_url(url, "It cannot be read as a URL.") from None
    if parsed.drivername not in _SPOKEN:
        raise _no_url(url, f"The store lies in SQLite or PostgreSQL, not in {parsed.drivername}.")
    parsed = parsed.set(drivername=_SPOKEN[parsed.drivername])
    if parsed.drivername == DRIVER and importlib.util.find_spec("psycopg") is None:
        raise StoreError("store.driver", given=f"The store's URL is {shown(url)}.", have="psycopg is not installed.",
                         try_="pip install 'omc-agent[postgresql]'")  # fmt: skip
    if parsed.get_backend_name() == "sqlite" and (parsed.database or ":memory:") == ":memory:":
        raise _no_url(url, "It names no file, and a store outlives its process.")
    return parsed


def shown(url: str | URL) -> str:
    """The URL without its password, also where it is none.

    Examples
    --------
    >>> shown("postgresql://ann:hunter2@db:5432/runs"), shown("postgresql://ann:hun@ter:2@db:x/runs")
    ('postgresql://ann:***@db:5432/runs', 'postgresql://***@db:x/runs')
    """
    try:
        text = make_url(url).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        text = _BROKEN.sub(rf"\g<1>{HIDDEN}@", str(url))
    head, mark, query = text.partition("?")
    hidden = "&".join(part if "pass" not in part.lower() else f"{part.partition('=')[0]}={HIDDEN}"
                      for part in query.split("&"))  # fmt: skip
    return hide_secrets(head + mark + hidden)


def network_under(path: Path, mounts: str | None = None) -> str:
    """The kind of network file system that `path` lies on; empty for a local disk, and where it is not known.

    Parameters
    ----------
    path : Path
        A file or folder; it need not be there.
    mounts : str, optional
        What ``/proc/mounts`` says.

    Examples
    --------
    >>> network_under(Path("/data/team/store.db"), "server:/x /data nfs4 rw 0 0" + chr(10) + "/dev/sda / ext4 rw 0 0")
    'nfs4'
    """
    if mounts is None:
        table = Path("/proc/mounts")
        mounts = table.read_text(errors="replace") if table.exists() else ""
    path = path.resolve()
    best, kind = "", ""
    for line in mounts.splitlines():
        words = line.split()
        if len(words) < 3:
            continue
        point = words[1].replace("\\040", " ")
        if path.is_relative_to(point) and len(point) >= len(best):  # of two on one place the later one counts
            best, kind = point, words[2]
    return kind if kind in _NETWORKS else ""


def _no_url(url: str, why: str) -> StoreError:
    return StoreError("store.url", given=f"The store's URL is {shown(url)}.", have=why,
                      try_="OMC_AGENT_DATABASE_URL is like postgresql://user@host/name, or not set.")  # fmt: skip
