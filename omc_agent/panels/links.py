"""Addresses of a run's files: near the notebook, or by the server that it is open in; none where there is neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from omc_agent.events import ArtifactSaved
from omc_agent.panels.markup import esc

Link = Callable[[ArtifactSaved], str | None]
ROUTE = "api/v1/lab/agent/sessions/{run}/artifacts/{name}"


def linker(run_id: str, base: str) -> Link:
    """Makes the addresses of the files of a run.

    Parameters
    ----------
    run_id : str
        The run.
    base : str
        Base URL of the Jupyter server that has the agent's routes, such as ``/user/ada/``; empty: there is none. A
        page resolves it on its own host, so it works behind a proxy too.
    """

    def link(artifact: ArtifactSaved) -> str | None:
        return near_link(artifact) or served_link(run_id, artifact.name, base, branch_of(artifact.path, run_id))

    return link


def row_linker(base: str) -> Callable[[Mapping[str, Any]], str | None]:
    """The same for rows of `agent_artifacts`."""
    return lambda row: linker(str(row["session_id"]), base)(
        ArtifactSaved(name=row["name"], path=row["path"], sha256=row["sha256"])
    )


def near_link(artifact: ArtifactSaved) -> str | None:
    """A link that works from the notebook: a file below the working folder, relative to it; else None."""
    if not artifact.path or "://" in artifact.path:
        return None
    try:
        below = Path(artifact.path).resolve().relative_to(Path.cwd())
    except (ValueError, OSError):
        return None
    return quote(below.as_posix())


def served_link(run_id: str, name: str, base: str, branch: str = "") -> str | None:
    """The route of a file, with its branch, so that it stays true after a restart; None without a server or a run.

    Examples
    --------
    >>> served_link("7f3a", "model card.md", "/user/ada/", "7f3a.2")
    '/user/ada/api/v1/lab/agent/sessions/7f3a/artifacts/model%20card.md?branch=7f3a.2'
    """
    if not base or not run_id:
        return None
    route = ROUTE.format(run=quote(run_id, safe=""), name=quote(name, safe=""))
    return f"{base.rstrip('/')}/{route}{f'?branch={quote(branch)}' if branch else ''}"


def branch_of(path: str, run_id: str) -> str:
    """The branch whose file lies at `path`: its folder has the name of a later one, else it is the first.

    Examples
    --------
    >>> branch_of("s3://bucket/7f3a/7f3a.2/report.md", "7f3a"), branch_of("runs/7f3a/artifacts/report.md", "7f3a")
    ('7f3a.2', '7f3a')
    """
    folder = path.rpartition("/")[0].rpartition("/")[2]
    return folder if folder.startswith(f"{run_id}.") else run_id


def linked(html: str, href: str | None) -> str:
    """`html` as a link that opens beside the notebook; as it is without an address, or with one that is no page."""
    return f'<a href="{esc(href, 1_000)}" target="_blank">{html}</a>' if href and is_safe(href) else html


def is_safe(href: str) -> bool:
    """Whether it is a path, or http."""
    # A name may hold a colon; only a scheme in front of the first slash makes it one.
    scheme, colon, _ = href.partition(":")
    return not colon or "/" in scheme or scheme.lower() in {"http", "https"}
