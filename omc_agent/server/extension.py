"""What Jupyter loads: the routes of the agent, added to a server that is starting."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omc_agent.config import AgentSettings


def load(app: Any) -> None:
    """Add the routes below ``/api/v1/lab/agent`` to the server's web application.

    Settings are those of the server's configuration: ``c.AgentSettings.database_url = ...`` in
    ``jupyter_server_config.py``.
    """
    from omc_agent.config import AgentSettings
    from omc_agent.server.desk import KEY, Desk
    from omc_agent.server.kernels import Kernels
    from omc_agent.server.routes import PREFIX, handlers
    from omc_agent.server.starting import Starter

    web = app.web_app
    settings = with_env_file(AgentSettings(config=app.config), Path(app.root_dir))
    web.settings[KEY] = desk = Desk(settings)
    desk.starter = starter = Starter(desk, Kernels(app.kernel_manager, app.session_manager, app.log), app.log)
    app.io_loop.add_callback(starter.begin)
    web.add_handlers(".*$", handlers(web.settings["base_url"]))
    app.log.info("omc_agent answers below %s", PREFIX)


def with_env_file(settings: AgentSettings, folder: Path) -> AgentSettings:
    """The same, with the store that a `.env` of the notebooks' folder names: kernels read it, so the server has to.

    Nothing of the file enters the server's environment.
    """
    from omc_agent.llm.env_file import find_env_file, read_env_file

    found = read_env_file(find_env_file(folder))
    for name, variable in (("home", "OMC_AGENT_HOME"), ("database_url", "OMC_AGENT_DATABASE_URL")):
        if variable in found and variable not in os.environ and not getattr(settings, name):
            setattr(settings, name, found[variable])
    return settings
