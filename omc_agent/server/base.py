"""What stands before every route: who asks, whether that user may, how often, how much; and how errors are told.

It is in `prepare`, which tornado calls before any method of any handler: no route can forget it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar, cast

from jupyter_core.utils import ensure_async
from jupyter_server.auth import User
from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from pydantic import BaseModel
from tornado.web import HTTPError, RequestHandler, authenticated

from omc_agent.errors import AgentError, RestError
from omc_agent.secrecy import hide_secrets
from omc_agent.server.bodies import fitted, read_json, read_query
from omc_agent.server.desk import KEY, Desk
from omc_agent.server.failures import anonymous, body_of, error_of, forbidden, status_of, unknown_run

RESOURCE = "omc_agent"  # what an Authorizer is asked about
RUN_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,31}", re.ASCII)
_NOBODY = re.compile(r"[0-9a-f]{32}")  # the name that Jupyter draws for whoever has the token
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Row = dict[str, Any]


class Gate(JupyterHandler):
    """Authentication, authorization and limits; a mixin for handlers of requests and of WebSockets alike.

    Attributes
    ----------
    actions : mapping of str to str
        Method to action (read, write or execute), where it is not the usual one.
    bulk : int
        How many times `rest_body` a request may be large.
    row : dict or None
        The run that is asked for, once it was read; an Authorizer may look at its ``user_id``.
    """

    auth_resource = RESOURCE
    actions: ClassVar[Mapping[str, str]] = {}
    bulk: ClassVar[int] = 1
    row: Row | None = None

    def __init_subclass__(cls) -> None:
        # `prepare` is the gate. This says so to Jupyter, which looks for handlers that have none.
        for name in METHODS:
            method = cls.__dict__.get(name)
            if method is not None:
                setattr(cls, name, authenticated(method))

    options = APIHandler.options

    @property
    def desk(self) -> Desk:
        """What all routes share."""
        return cast("Desk", self.settings[KEY])

    @property
    def user_name(self) -> str:
        """Whose name stands on what is written: the server's user when it has a name, else who runs the server."""
        from omc_agent.store.rows import user_name

        user = cast("User", self.current_user)
        nobody = _NOBODY.fullmatch(user.username) and (user.name or "").startswith("Anonymous ")
        return user_name() if nobody else user.username[:100]

    async def prepare(self, **more: Any) -> None:
        """Let in who may ask."""
        await super().prepare(**more)
        if self._finished or self._is_preflight():
            return
        if self.current_user is None:
            raise anonymous()
        self._check_rate()
        await self.check_may(self._action())
        if len(self.request.body or b"") > self.desk.settings.rest_body * self.bulk:
            raise RestError("rest.too_large", given="The request is too large.",
                            have=f"The limit is {self.desk.settings.rest_body * self.bulk:,} bytes.",
                            try_="Send less.")  # fmt: skip

    def check_xsrf_cookie(self) -> None:
        """As Jupyter does; whoever is nobody is refused for that, not for the missing cookie."""
        if getattr(self, "_jupyter_current_user", None) is None:
            return
        try:
            super().check_xsrf_cookie()
        except HTTPError:
            raise forbidden("The request does not come from a page of this server.",
                            "Send the _xsrf cookie as header X-XSRFToken, or use a token.") from None  # fmt: skip

    def get_login_url(self) -> str:
        """Nobody is sent to a page to log in: this is no page."""
        raise anonymous()

    async def check_may(self, action: str) -> None:
        """Whether this user may do that, with the run that `row` holds; RestError ``rest.forbidden`` if not."""
        if not await self.may(action):
            raise forbidden(f"This user may not {action} {RESOURCE}.")

    async def may(self, action: str, row: Row | None = None) -> bool:
        """What the Authorizer of the server says, with `row` as the run in question."""
        before, self.row = self.row, row or self.row
        try:
            user = cast("User", self.current_user)
            return bool(await ensure_async(self.authorizer.is_authorized(self, user, action, RESOURCE)))
        finally:
            self.row = before

    async def run(self, name: str) -> Row:
        """The row of the run of that name, if this user may do to it what is asked; see `readable`."""
        row = await self.readable(name)
        self.row = row
        await self.check_may(self._action())
        return row

    async def readable(self, name: str) -> Row:
        """The row of a run that this user may read.

        Raises
        ------
        RunError
            ``run.unknown``, also for a name that is no name.
        """
        if not RUN_ID.fullmatch(name):
            raise unknown_run(name)
        try:
            row: Row = await self.ask(lambda store: store.read(name))
        except AgentError as problem:
            raise (unknown_run(name) if problem.code == "run.unknown" else problem) from None
        if not await self.may("read", row):
            raise unknown_run(name)
        return row

    async def is_driven(self, name: str) -> bool:
        """Whether a process drives the run now, or answers for it in the queue."""
        return await self.ask(partial(_is_driven, name))

    async def ask(self, question: Callable[[Any], T]) -> T:
        """``question(store)`` in a thread."""
        return await self.desk.ask(question)

    def body(self, model: type[M]) -> M:
        """The body as a `model`."""
        return fitted(model, read_json(self.request.body), "request")

    def query(self, model: type[M]) -> M:
        """The query as a `model`."""
        return fitted(model, read_query(self.request.query_arguments), "query")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error is ``{code, message, given, have, try}``, tornado's own too."""
        problem = kwargs["exc_info"][1] if kwargs.get("exc_info") else None
        allowed = self._allowed()
        error = error_of(problem, status_code, allowed)
        status = status_of(error)
        self.set_status(status)
        if status == 401:
            self.set_header("WWW-Authenticate", 'token realm="Jupyter Server"')
        if status == 405:
            self.set_header("Allow", allowed)
        if isinstance(error, RestError) and error.code == "rest.too_many":
            self.set_header("Retry-After", str(self._wait))
        self.set_header("Content-Type", "application/json")
        RequestHandler.finish(self, json.dumps(body_of(error)))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A slip of the client is a line of the access log; only a fault of ours has a traceback, without secrets."""
        if isinstance(value, (AgentError, HTTPError)):
            return
        import traceback

        told = "".join(traceback.format_exception(typ, value, tb))
        self.log.error("omc_agent: %s %s\n%s", self.request.method, self.request.path, hide_secrets(told))

    _wait = 1

    def _check_rate(self) -> None:
        wait = self.desk.rate.take(self.user_name)
        if wait:
            self._wait = math.ceil(wait)
            raise RestError("rest.too_many", given="Too many requests.",
                            have=f"The limit is {self.desk.settings.rest_rate:g} a second.",
                            try_=f"Wait {self._wait} s; /stream tells what happens unasked.")  # fmt: skip

    def _action(self) -> str:
        method = str(self.request.method)
        return self.actions.get(method) or HTTP_METHOD_TO_AUTH_ACTION.get(method, "write")

    def _allowed(self) -> str:
        missing = RequestHandler._unimplemented_method
        return ", ".join(name.upper() for name in METHODS if getattr(type(self), name) is not missing)

    def _is_preflight(self) -> bool:
        """A browser asks whether it may ask; it sends no credentials, and is told nothing but what it may send."""
        sent = self.request.headers
        return self.request.method == "OPTIONS" and "Origin" in sent and "Access-Control-Request-Method" in sent


class AgentHandler(Gate, APIHandler):
    """A route that takes and gives JSON."""

    def give(self, value: Any, status: int = 200) -> None:
        """Answer."""
        self.set_status(status)
        self.finish(as_json(value))


def as_json(value: Any) -> str:
    """JSON of plain values; a number that is none is null.

    Examples
    --------
    >>> as_json({"score": float("nan")})
    '{"score": null}'
    """
    try:
        return json.dumps(value, default=str, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), default=str, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_driven(name: str, store: Any) -> bool:
    from omc_agent.store.leases import Leases

    return Leases(store.engine).holder(name) is not None


class NowhereHandler(AgentHandler):
    """An address below ours that is none."""

    async def prepare(self, **more: Any) -> None:
        """Say so, to whoever may ask."""
        await super().prepare(**more)
        if not self._finished:
            raise error_of(None, 404)
