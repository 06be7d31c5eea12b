"""The report: what was asked, done, found, and what it does not say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import Command
from pydantic import BaseModel, Field

from omc_agent.agents.base import BaseAgent
from omc_agent.agents.context import Outcome, RunContext
from omc_agent.agents.middleware import StageState
from omc_agent.agents.toolbox import CellTool, Code
from omc_agent.candidate import with_failed


class _Why(BaseModel):
    # LangChain calls a tool without any argument without its runtime too, so there is one.
    why: str = Field("", description="one sentence: why now")


def _names(*names: str) -> Any:
    return lambda context, state: {name: Code(name) for name in names}


def _absorb_text(outcome: Outcome, into: list[str], state: dict[str, Any]) -> dict[str, Any]:
    return {"texts": {into[0]: outcome.values[into[0]]}} if into[0] in outcome.values else {}


class ReportingAgent(BaseAgent):
    """Summary, comparison, recommendations, and the files."""

    stage = "reporting"
    title = "Report"
    task = "Write the report."
    prompt = """\
Stage: reporting. Call generate_summary, create_comparison_report (when `candidates` is not empty) and
generate_recommendations, one after the other, then write_report. The texts are made of what was measured: give them
no name of your own. The `verdict` is given; say what it says and no more, and name no number that no cell has shown.
The stage is done when write_report has named its files.
Example: generate_summary {}
Example: write_report {"why": "All texts are made."}"""

    def tools(self) -> Sequence[BaseTool]:
        """Texts are made in the sandbox from plain values; the files are written on the host."""
        parts = (
            ("generate_summary", "summary", ("brief", "candidates", "verdict")),
            ("create_comparison_report", "comparison", ("candidates",)),
            ("generate_recommendations", "advice", ("brief", "candidates", "verdict", "warnings", "details")),
        )
        built = [
            CellTool(name, "look", (into,), fixed=_names(*given), absorb=_absorb_text, hidden=given).build()
            for name, into, given in parts
        ]
        write = StructuredTool.from_function(
            coroutine=_write_report,
            name="write_report",
            description="Write report.html, report.md, metrics and the model card.",
            args_schema=_Why,
        )
        return [*built, write]

    async def facts(self, state: StageState, context: RunContext) -> dict[str, Any]:
        """Verdict and candidates by name."""
        names = list(state.get("candidates", {}))
        return {**await super().facts(state, context), "candidates": names, "verdict": state.get("verdict", {})}

    def values(self, state: StageState) -> dict[str, Any]:
        """`brief`, `candidates` with those that failed, `verdict`, `warnings`, and `details` of the verdict."""
        brief, failed = state.get("brief", {}), state.get("failed") or {}
        return {
            "brief": brief,
            "candidates": with_failed(list(state.get("candidates", {}).values()), failed, str(brief.get("metric"))),
            "details": (state.get("texts", {}).get("verdict") or {}).get("details") or {},
            "verdict": state.get("verdict") or None,
            "warnings": list(state.get("leaks", {}).values()),
        }

    def missing(self, state: StageState) -> str | None:
        """The report."""
        return None if state.get("texts", {}).get("report") else "the report"


async def _write_report(runtime: ToolRuntime[RunContext, Any], why: str = "") -> Command[Any]:
    written = await runtime.context.write_report(runtime.state)
    reply = ToolMessage(f"Written: {', '.join(written)}.", tool_call_id=runtime.tool_call_id or "")
    return Command(update={"texts": {"report": written}, "messages": [reply]})
