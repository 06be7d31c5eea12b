"""What is in force on this machine: isolation, model, store and versions, in plain words."""

from __future__ import annotations

import os
import platform
import secrets
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from omc_agent import __version__
from omc_agent.config import MB, AgentSettings
from omc_agent.engine import the_engine
from omc_agent.errors import AgentError, SandboxError
from omc_agent.graph.edges import offered_tools
from omc_agent.llm.checkup import check_models, check_tracing
from omc_agent.llm.keys import read_variables
from omc_agent.sandbox import tiers
from omc_agent.secrecy import HIDDEN, hide_secrets
from omc_agent.store.artifacts import check_place
from omc_agent.store.checkpoint_place import place_of
from omc_agent.store.checkpoints import check_checkpoints
from omc_agent.tracking.destination import state_of_tracking
from omc_agent.upkeep import store_line

PACKAGES = ("ipykernel", "ipywidgets", "jupyterlab", "langgraph", "langchain", "pandas", "scikit-learn", "xgboost")


def examine(settings: AgentSettings) -> list[tuple[str, str]]:
    """Pairs of what and how it stands. What is missing is said, never raised; no key and no password is shown."""
    file = read_variables()
    limits = settings.limits()
    found = [
        ("omc_agent", f"{__version__} on Python {platform.python_version()}, {platform.system()}"),
        *_isolation(settings),
        ("limits", f"{limits.memory // MB:,} MB, {limits.wall:g} s and {limits.cpu:g} CPU s a cell"),
        *check_models(settings.chat()),
        check_tracing(),
        state_of_tracking(settings),
        *_cache(),
        (".env", f"{file.name} of {file.parent.name or file.parent}, read for each run" if file else "none"),
        ("store", store_line(settings)),
        ("checkpoints", _checkpoints(settings)),
        ("home", str(settings.resolved_home())),
        *_artifacts(settings),
    ]
    return found + _offered(settings) + [(name, _version(name)) for name in PACKAGES]


def examination_text(settings: AgentSettings) -> str:
    """The same as aligned lines."""
    found = examine(settings)
    width = max(len(name) for name, _ in found)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in found)


def _cache() -> list[tuple[str, str]]:
    """The server that keeps answers of models, where one is named."""
    url = os.environ.get("OMC_AGENT_REDIS_URL", "")
    if not url:
        return []
    there = _version("redis") != "not installed"
    return [("redis", f"{_without_password(url)}, {'on' if there else 'off: pip install redis'}")]


def _artifacts(settings: AgentSettings) -> list[tuple[str, str]]:
    """Where runs put their files, tried by a small file, where that is not the workspace."""
    url = settings.artifact_root()
    if not url:
        return []
    try:
        check_place(url, f"doctor-{secrets.token_hex(4)}")
    except AgentError as error:
        return [("artifacts", error.line())]
    return [("artifacts", f"{url}, can be written and listed")]


def _checkpoints(settings: AgentSettings) -> str:
    """Where checkpoints lie, whether that can be reached, and what it may lose."""
    try:
        place = place_of(settings.checkpoints_url())
        return f"{place.shown}. {check_checkpoints(place)}".removesuffix(". ")
    except AgentError as error:
        return error.line()


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return f"{hide_secrets(url).partition('@')[2] or HIDDEN} (no URL)"


def _isolation(settings: AgentSettings) -> list[tuple[str, str]]:
    """The tier that is in force, why none better is, and how to get one."""
    try:
        found = the_engine().submit(tiers.isolation(settings.confinement())).result()
    except SandboxError as error:
        return [("isolation", error.line())]
    lines = [("isolation", f"{found.title} ({found.means}). {found.note}")]
    lines += [("tried", why) for why in found.refused]
    return lines + ([("better", found.advice)] if found.advice else [])


def _offered(settings: AgentSettings) -> list[tuple[str, str]]:
    """Tools of other packages, and those that cannot be offered with the reason."""
    found = offered_tools(settings.tools_off)
    lines = [("tool", f"{each.name} of {each.package}, in {each.stage}") for each in found.tools]
    return lines + [("tool", text) for text in found.refused]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
