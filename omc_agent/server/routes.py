"""The table of routes: addresses as `openapi.yaml` writes them, and who answers."""

from __future__ import annotations

import re
from typing import Any

from jupyter_server.utils import url_path_join
from tornado.web import RequestHandler

from omc_agent.server.artifacts import ArtifactHandler, ArtifactsHandler
from omc_agent.server.base import NowhereHandler
from omc_agent.server.description import DescriptionHandler
from omc_agent.server.predicting import PredictHandler
from omc_agent.server.reading import MessagesHandler, RequestsHandler, ResultsHandler
from omc_agent.server.sessions import QueueHandler, SessionHandler, SessionsHandler
from omc_agent.server.steering import (
    ContinueHandler,
    OverrideHandler,
    RespondHandler,
    RestartHandler,
    SayHandler,
    StopHandler,
)
from omc_agent.server.streaming import StreamHandler

PREFIX = "/api/v1/lab/agent"
ROUTES: tuple[tuple[str, type[RequestHandler]], ...] = (
    ("/openapi.yaml", DescriptionHandler),
    ("/queue", QueueHandler),
    ("/sessions", SessionsHandler),
    ("/sessions/{id}", SessionHandler),
    ("/sessions/{id}/messages", MessagesHandler),
    ("/sessions/{id}/stream", StreamHandler),
    ("/sessions/{id}/requests", RequestsHandler),
    ("/sessions/{id}/results", ResultsHandler),
    ("/sessions/{id}/artifacts", ArtifactsHandler),
    ("/sessions/{id}/artifacts/{name}", ArtifactHandler),
    ("/sessions/{id}/respond", RespondHandler),
    ("/sessions/{id}/continue", ContinueHandler),
    ("/sessions/{id}/say", SayHandler),
    ("/sessions/{id}/stop", StopHandler),
    ("/sessions/{id}/override", OverrideHandler),
    ("/sessions/{id}/restart", RestartHandler),
    ("/sessions/{id}/predict", PredictHandler),
)


def handlers(base_url: str) -> list[tuple[str, Any]]:
    """Tornado's rules for a server with that base URL; what lies below ours and is no route is answered too."""
    here = re.escape(url_path_join(base_url, PREFIX))
    rules: list[tuple[str, Any]] = [(here + _pattern(path) + "$", handler) for path, handler in ROUTES]
    return [*rules, (here + r"(?:/.*)?$", NowhereHandler)]


def _pattern(path: str) -> str:
    """``/sessions/{id}`` as a pattern; a name never reaches over a slash, written out or not."""
    return re.sub(r"\\\{\w+\\\}", r"([^/]+)", re.escape(path))
