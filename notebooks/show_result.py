"""Print the verdict of the newest run, and where its files are. ``make demo`` ends with this."""

import sys
from pathlib import Path

from omc_agent.config import AgentSettings
from omc_agent.face import orchestrator_for
from omc_agent.panels.results import candidates_text, verdict_text
from omc_agent.result import RunResult


def main() -> None:
    """Show the newest run of the home."""
    settings = AgentSettings(warm_spare=False)
    store = orchestrator_for(settings).store
    result = RunResult(store, store.list(limit=1)[0]["id"], settings)
    said = result.texts["verdict"]
    print()
    print(result.goal)
    print()
    print(candidates_text(result.candidates, result.choice["name"]))
    print()
    print(verdict_text(result.verdict, said["headline"], said["sentence"]))
    print()
    print(f"executed notebook  {Path(sys.argv[1]) / '01_first_goal.ipynb'} (and .html)")
    print(f"report             {result.report.path}")


if __name__ == "__main__":
    main()
