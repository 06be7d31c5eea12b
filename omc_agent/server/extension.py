"""What Jupyter loads: the routes of the agent, added to a server that is starting."""

from __future__ import annotations

import os
from typing import Any


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
    web.settings[KEY] = desk = Desk(AgentSettings(config=app.config))
    desk.starter = starter = Starter(desk, Kernels(app.kernel_manager, app.session_manager, app.log), app.log)
    app.io_loop.add_callback(starter.begin)
    # Kernels inherit it, and link the files of a run below it; where another server starts them, it is not set.
    os.environ["OMC_AGENT_SERVER_BASE"] = web.settings["base_url"]
    web.add_handlers(".*$", handlers(web.settings["base_url"]))
    app.log.info("omc_agent answers below %s", PREFIX)
