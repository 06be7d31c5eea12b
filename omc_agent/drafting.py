"""A run before it begins: what it is to begin with is checked, and its row is written. Opens no model, no sandbox.

It imports little, so that a server can draft runs without what they are made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omc_agent.config import AgentSettings
from omc_agent.orchestrator import stored_settings
from omc_agent.secrecy import refuse_secrets
from omc_agent.spending import check_limits
from omc_agent.store.artifacts import check_url
from omc_agent.store.checkpoint_place import place_of
from omc_agent.store.records import Row, SessionManager
from omc_agent.thinking import with_record


def draft(
    store: SessionManager,
    workspaces: Path,
    goal: str,
    *,
    settings: AgentSettings,
    model: Any = None,
    session_id: str | None = None,
    follow: str = "",
    named: Mapping[str, Any] | None = None,
    status: str = "running",
    user: str = "",
) -> tuple[AgentSettings, Row]:
    """Check what a run is to begin with, and create its row.

    Parameters
    ----------
    store : SessionManager
        Where it will be remembered.
    workspaces : Path
        The folder that holds a folder for each run.
    goal : str
        One sentence.
    settings : AgentSettings
        Of the run.
    model : BaseChatModel, optional
        In place of the one that `settings.model` names.
    session_id : str, optional
        Its name.
    follow : str
        The run that it follows.
    named : mapping, optional
        What is told of the things that the goal names.
    status : str
        ``running``, or ``queued``.
    user : str
        In whose name; default: whoever runs this process.

    Returns
    -------
    AgentSettings
        Those of the run, with the paths of its record made absolute.
    Row
        Of `agent_sessions`.

    Raises
    ------
    AgentError
        A secret in the goal, a database, policy, record, budget, place for its files or earlier run that cannot be:
        before there is a run.
    """
    refuse_secrets(goal, "The goal")  # before there is a run, whose record would keep it
    refuse_secrets(settings.model, "The name of the model")
    place_of(settings.checkpoints_url())  # a URL that is none is the command line's fault, before there is a run
    settings.source()  # a --db name that is not known is the command line's fault, before there is a run
    settings.gates(interactive=True)  # and so is a policy file that cannot be read
    check_limits(settings, model)  # and a budget that would limit nothing
    if settings.artifact_root():
        check_url(settings.artifact_root())  # and a place for its files that no package can open
    settings = with_record(settings, model)
    kept = stored_settings(settings)
    if follow:
        kept["follow"] = _followed(store, follow, settings)
    if named:
        kept["named"] = dict(named)
    row = store.create(goal, workspaces=workspaces, model=settings.model, settings=kept, session_id=session_id,
                       user_id=user, status=status)  # fmt: skip
    return settings, row


def _followed(store: SessionManager, run_id: str, settings: AgentSettings) -> Row:
    from omc_agent.result import RunResult  # with pandas: only where it is needed

    earlier = RunResult(store, run_id, settings)
    return {"id": earlier.id, "brief": earlier.brief}
