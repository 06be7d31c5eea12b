"""What the runs of one home share: the store, and a warm child."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from omc_agent.config import PRELUDE, AgentSettings
from omc_agent.sandbox.spares import Spares
from omc_agent.secrecy import hide_secrets
from omc_agent.store.checkpoint_place import place_of
from omc_agent.store.checkpoints import delete_checkpoints
from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager


class AgentOrchestrator:
    """What runs of one home share; lives on the engine's loop.

    Parameters
    ----------
    settings : AgentSettings
        Its `home`, store URL and whether a spare child is kept.
    """

    def __init__(self, settings: AgentSettings) -> None:
        self.settings = settings
        self.home = settings.resolved_home()
        engine = open_database(settings.store_url(), synchronous=settings.synchronous)
        self.store = SessionManager(engine, forget=self.forget)
        self.spares = Spares(settings.limits(), PRELUDE, settings.confinement()) if settings.warm_spare else None

    def warm(self) -> None:
        """Begin to start the spare child, so that no run waits for its imports."""
        if self.spares is not None:
            self.spares.warm()

    def forget(self, branches: Sequence[str]) -> None:
        """Remove the checkpoints of a run that is deleted, the first branch being the run itself; blocks."""
        delete_checkpoints(self.settings.checkpoints_url(), branches[0])

    async def close(self) -> None:
        """End the spare child and the store's connections."""
        if self.spares is not None:
            await self.spares.close()
        self.store.engine.dispose()


def stored_settings(settings: AgentSettings) -> dict[str, Any]:
    """The settings of a run as its row keeps them; URLs without passwords."""
    from sqlalchemy.engine import make_url

    values = {name: getattr(settings, name) for name in sorted(settings.trait_names(config=True))}
    for name in ("db", "database_url"):
        if "://" in str(values[name]):
            values[name] = make_url(values[name]).render_as_string(hide_password=True)
    values["artifact_url"] = settings.artifact_root()  # also where the environment said so
    if named := settings.named_checkpoints():  # also by the environment: whoever resumes may have another one
        values["checkpoint_url"] = place_of(named).shown
    for name in ("base_url", "mlflow_uri"):
        values[name] = hide_secrets(values[name])
    values["databases"] = sorted(values["databases"])
    return {**values, "limits": asdict(settings.limits())}
