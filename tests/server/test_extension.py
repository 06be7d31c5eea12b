"""What the extension loads with: the store of the notebooks beside it."""

from __future__ import annotations

import os

from omc_agent.config import AgentSettings
from omc_agent.server.extension import with_env_file


def test_the_server_opens_the_store_that_a_env_file_of_the_notebooks_names(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("OMC_AGENT_DATABASE_URL=sqlite:///shared.db\nOMC_AGENT_HOME=elsewhere\nOTHER=x\n")
    monkeypatch.delenv("OMC_AGENT_HOME")
    settings = with_env_file(AgentSettings(home="mine"), tmp_path)
    assert (settings.home, settings.database_url) == ("mine", "sqlite:///shared.db")
    assert "OTHER" not in os.environ
    assert "OMC_AGENT_DATABASE_URL" not in os.environ
    monkeypatch.setenv("OMC_AGENT_DATABASE_URL", "sqlite:///set.db")
    assert with_env_file(AgentSettings(), tmp_path).store_url() == "sqlite:///set.db"
