"""Records the run of 06_models_and_cost.ipynb again: `make record-notebook`, after a prompt or a tool was changed.

No provider is asked: the real client of OpenAI talks to the server of `tests/providers` on this machine, which plans as
the offline model does and, once, writes code of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from tests.providers import ProviderServer, Reply, Turn, as_offline, said  # noqa: E402

GOAL = "Predict whether ETH rises over the next hour with logistic regression, using the last 20 days"
FREE = """\
moves = bars["close"].pct_change().abs()
by_hour = moves.groupby(bars["timestamp"].dt.hour).mean()
quiet, busy = by_hour.idxmin(), by_hour.idxmax()
print(f"quietest hour {quiet:02d} UTC: {by_hour[quiet]:.4%} a bar; busiest {busy:02d} UTC: {by_hour[busy]:.4%}")
by_hour.plot.bar(title="Mean move of a bar by hour of the day, UTC")"""


def thinks(turn: Turn) -> Reply:
    """As the offline model; at the end of the analysis, when no tool is left to call, a look that no tool gives."""
    calls = [call["name"] for message in turn.messages for call in getattr(message, "tool_calls", [])]
    if "run_python" in calls:
        return said("The bars are clean and described, and it is known when the market moves.")
    reply = as_offline(turn)
    if not reply.calls and "perform_eda" in calls:
        return said("No tool shows when in the day ETH moves, so I look with code of my own.",
                    ("run_python", {"code": FREE, "kind": "look"}))
    return reply


def main() -> None:
    """Write eth.jsonl beside the notebook."""
    import omc_agent
    from omc_agent.demo import write_demo

    with tempfile.TemporaryDirectory() as folder, ProviderServer(thinks) as server:
        os.environ.update(server.environment(), OMC_AGENT_HOME=folder)
        os.chdir(folder)
        write_demo("sqlite:///market.db", days=100)
        result = omc_agent.run(GOAL, db="sqlite:///market.db", model="openai:gpt-5-mini", trials=2, warm_spare=False,
                               cache=False, record=str(HERE / "eth.jsonl"))
        print(result.verdict["call"], result.to_dict()["cost"])


if __name__ == "__main__":
    main()
