"""Where runs are sent: the tracking URI and the experiment, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from omc_agent.config import AgentSettings
from omc_agent.errors import RunError
from omc_agent.secrecy import hide_secrets

OFF = "off"
EXPERIMENT = "omc_agent"


@dataclass(frozen=True)
class Destination:
    """A tracking store of MLflow.

    Attributes
    ----------
    uri : str
        As MLflow takes it; it may hold a password, so show `shown`.
    experiment : str
        Name of the experiment.
    asked : bool
        Whether this package's own setting or variable names it, not only MLflow's variable.
    """

    uri: str
    experiment: str
    asked: bool

    @property
    def shown(self) -> str:
        """The URI without its password."""
        return hide_secrets(self.uri)


def destination_of(settings: AgentSettings, environment: Mapping[str, str] | None = None) -> Destination | None:
    """Where runs go; None for nowhere.

    The setting goes before ``OMC_AGENT_MLFLOW_URI``, and that before MLflow's own ``MLFLOW_TRACKING_URI``; ``off`` in
    one of the first two is nowhere, whatever the last says.

    Parameters
    ----------
    settings : AgentSettings
        Its `mlflow_uri` and `mlflow_experiment`.
    environment : mapping, optional
        The process's own by default.

    Examples
    --------
    >>> destination_of(AgentSettings(), {}) is None
    True
    >>> destination_of(AgentSettings(), {"MLFLOW_TRACKING_URI": "http://me:secret9@host:5000"}).shown
    'http://me:***@host:5000'
    >>> destination_of(AgentSettings(mlflow_uri="off"), {"MLFLOW_TRACKING_URI": "http://host:5000"}) is None
    True
    """
    found = os.environ if environment is None else environment
    own = (settings.mlflow_uri or found.get("OMC_AGENT_MLFLOW_URI", "")).strip()
    uri = own or found.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri or uri.lower() == OFF:
        return None
    experiment = settings.mlflow_experiment or found.get("MLFLOW_EXPERIMENT_NAME", "") or EXPERIMENT
    return Destination(uri, experiment, bool(own))


def is_installed() -> bool:
    """Whether MLflow can be imported; it is not."""
    return find_spec("mlflow") is not None


def no_package(destination: Destination) -> RunError:
    """The error where the package of MLflow is not installed."""
    return RunError("run.tracking", given=f"Runs are to be sent to MLflow at {destination.shown}.",
                    have="Its package is not installed.", try_='pip install "omc-agent[mlflow]"')  # fmt: skip


def state_of_tracking(settings: AgentSettings) -> tuple[str, str]:
    """What and how it stands, as ``doctor`` says it; no server is asked."""
    destination = destination_of(settings)
    if destination is None:
        return "mlflow", "off: no tracking URI is set"
    off = "" if is_installed() else ', off: pip install "omc-agent[mlflow]"'
    return "mlflow", f"{destination.shown}, experiment {destination.experiment}{off}"
