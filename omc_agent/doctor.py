"""What is in force on this machine: isolation, model, store and versions, in plain words."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy.engine import make_url

from omc_agent import __version__
from omc_agent.config import MB, AgentSettings
from omc_agent.engine import the_engine
from omc_agent.errors import SandboxError
from omc_agent.graph.edges import offered_tools
from omc_agent.sandbox import tiers

PACKAGES = ("ipykernel", "ipywidgets", "jupyterlab", "langgraph", "langchain", "pandas", "scikit-learn", "xgboost")


def examine(settings: AgentSettings) -> list[tuple[str, str]]:
    """Pairs of what and how it stands."""
    limits = settings.limits()
    url = make_url(settings.store_url()).render_as_string(hide_password=True)
    found = [
        ("omc_agent", f"{__version__} on Python {platform.python_version()}, {platform.system()}"),
        *_isolation(settings),
        ("limits", f"{limits.memory // MB:,} MB, {limits.wall:g} s and {limits.cpu:g} CPU s a cell"),
        ("model", settings.model),
        ("store", url),
        ("home", str(settings.resolved_home())),
    ]
    return found + _offered(settings) + [(name, _version(name)) for name in PACKAGES]


def examination_text(settings: AgentSettings) -> str:
    """The same as aligned lines."""
    found = examine(settings)
    width = max(len(name) for name, _ in found)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in found)


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
