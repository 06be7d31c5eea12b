"""What Jupyter loads: the routes of the agent, added to a server that is starting."""

from __future__ import annotations

from typing import Any


def load(app: Any) -> None:
    """Add the routes below ``/api/v1/lab/agent`` to the server's web application."""
    app.log.info("omc_agent is loaded.")
