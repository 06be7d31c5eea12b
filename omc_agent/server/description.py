"""``/openapi.yaml``: the description of all routes, served as it lies beside this file."""

from __future__ import annotations

from pathlib import Path

from omc_agent.server.base import AgentHandler

FILE = Path(__file__).with_name("openapi.yaml")
MIME = "application/yaml"


class DescriptionHandler(AgentHandler):
    """OpenAPI 3.1."""

    async def get(self) -> None:
        """The file; addresses in it are relative to its own."""
        self.finish(await self.desk.in_thread(FILE.read_bytes), set_content_type=MIME)
