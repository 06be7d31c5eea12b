"""A data-science agent for JupyterLab: goal in, honest verdict out.

%load_ext omc_agent

%%agent --db sqlite:///market.db
Predict whether BTC rises over the next hour, using the last 90 days
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["RunResult", "Session", "__version__", "load_ipython_extension", "run", "unload_ipython_extension"]

if TYPE_CHECKING:
    from omc_agent.face import run
    from omc_agent.result import RunResult
    from omc_agent.session import Session


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext omc_agent``."""
    from omc_agent.magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext omc_agent``."""
    from omc_agent.magics import unload

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "omc_agent"}]


def _load_jupyter_server_extension(app: Any) -> None:
    from omc_agent.server.extension import load

    load(app)


def __getattr__(name: str) -> Any:
    # Lazy: importing this package must cost a notebook next to nothing.
    homes = {"run": "face", "RunResult": "result", "Session": "session"}
    if name in homes:
        from importlib import import_module

        return getattr(import_module(f"omc_agent.{homes[name]}"), name)
    raise AttributeError(f"module 'omc_agent' has no attribute {name!r}")
