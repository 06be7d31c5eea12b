"""``/artifacts`` and ``/artifacts/{name}``: the files that a run left, with what made them, and their bytes.

Only what the run recorded can be read: a name is looked up among its rows, and never becomes a path.
"""

from __future__ import annotations

import mimetypes
from functools import partial
from typing import Any, BinaryIO

from pydantic import Field
from tornado.iostream import StreamClosedError

from omc_agent.errors import RestError
from omc_agent.server.base import AgentHandler, Row
from omc_agent.server.bodies import Query
from omc_agent.server.reading import BRANCH
from omc_agent.server.shapes import moment
from omc_agent.store.artifacts import open_artifact

CHUNK = 256 * 1024


class BranchQuery(Query):
    """Of which branch; by default the present one."""

    branch: str | None = Field(None, pattern=BRANCH)


class ArtifactsHandler(AgentHandler):
    """The list."""

    async def get(self, name: str) -> None:
        """In the order they were made."""
        row = await self.run(name)
        rows = await self.ask(partial(_of_branch, row, self.query(BranchQuery).branch))
        self.give({"artifacts": [artifact_shape(each, name) for each in rows]})


class ArtifactHandler(AgentHandler):
    """One file."""

    async def get(self, name: str, file: str) -> None:
        """Its bytes, as they were recorded."""
        row = await self.run(name)
        rows = await self.ask(partial(_of_branch, row, self.query(BranchQuery).branch))
        found = next((each for each in rows if each["name"] == file), None)
        if found is None:
            raise _none(file, f"Run {name} has {', '.join(each['name'] for each in rows) or 'none'}.")
        self.set_header("ETag", f'"{found["sha256"]}"')
        self.set_header("Cache-Control", "private, no-cache")
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
            return
        await self._send(found, await self.desk.in_thread(partial(open_artifact, found)))

    async def _send(self, row: Row, reader: BinaryIO) -> None:
        kind = mimetypes.guess_type(str(row["name"]))[0] or "application/octet-stream"
        self.set_attachment_header(str(row["name"]))
        self.set_header("Content-Type", kind)
        self.set_header("Content-Length", str(row["size"]))
        try:
            while chunk := await self.desk.in_thread(partial(reader.read, CHUNK)):
                self.write(chunk)
                await self.flush()
            self.finish(set_content_type=kind)
        except StreamClosedError:  # whoever asked is gone
            return
        finally:
            reader.close()

    def compute_etag(self) -> str | None:
        """None but the recorded hash, which is set already."""
        return None


def artifact_shape(row: Row, run_id: str) -> Row:
    """A file as it is listed; `url` is relative to the address of the list's server, below ours."""
    return {
        "name": row["name"],
        "sha256": row["sha256"],
        "size": row["size"],
        "branch": row["branch"],
        "made_by": row["made_by"],
        "at": moment(row["at"]),
        "url": f"/sessions/{run_id}/artifacts/{row['name']}",
    }


def _of_branch(row: Row, branch: str | None, store: Any) -> list[Row]:
    wanted = branch or row["branch"]
    return [each for each in store.artifacts(row["id"]) if each["branch"] == wanted]


def _none(name: str, have: str) -> RestError:
    return RestError("rest.no_artifact", given=f"There is no artifact {name[:80]!r}.", have=have,
                     try_="GET /artifacts lists them.")  # fmt: skip
