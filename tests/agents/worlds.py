"""A run context without a sandbox, a database or a store: what is called is written down and answered."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from omc_agent.agents.context import Outcome, RunContext, Words
from omc_agent.config import Gates, Source, Trust, Work
from omc_agent.graph.gates import make_ask

MARKET = {
    "table": "price_data_5min",
    "bar_minutes": 5.0,
    "columns": ["coin", "timestamp", "close"],
    "coins": {"BTC": {"rows": 34_560, "start": "2024-05-04T00:00:00+00:00", "end": "2024-08-31T23:55:00+00:00"}},
    "newest": "2024-08-31T23:55:00+00:00",
    "simulated": True,
    "notes": {},
}


class World:
    """A run context that is real but for the sandbox: cells are written down and answered by `outcome`."""

    def __init__(self, approve: str = "never", *, work: Work | None = None, timeout: float = 30.0, **more) -> None:
        self.events, self.cells, self.spent, self.reported = [], [], [], []
        self.words, self.pending, self.settled, self.kept = Words(), {}, [], {}
        self.outcome = more.get("outcome")
        gates = Gates(approve)
        self.context = RunContext(
            run_id="r", branch="r", model_name="scripted", model_timeout=timeout,
            source=more.get("source") or Source(), trust=Trust(),
            work=work or Work(), gates=gates, emit=self.emit, run_cell=self.run_cell, host_cell=self.host_cell,
            fresh_box=None, describe=self.describe, seal=self.seal, load_frame=self.load_frame, open_sealed=None,
            ask=make_ask(gates, self.settle), save_artifact=None, afford=self.afford,
            words=self.words, pending=lambda: self.pending, base={},
            walled=self.walled, keep_settings=self.keep_settings,
            spend=self.spend, name_of=lambda model: "scripted", write_report=self.write_report,
        )  # fmt: skip

    async def emit(self, event, key):
        self.events.append(event)

    async def settle(self, key, request, decision, by):
        self.settled.append((request, decision, by))
        return decision

    async def walled(self):
        return True

    async def keep_settings(self, changes):
        self.kept.update(changes)

    async def afford(self, stage, key):
        pass

    async def spend(self, stage, name, usage, key):
        self.spent.append((stage, usage))

    async def run_cell(self, code, *, key, kind, into, entered, check=None):
        self.cells.append(SimpleNamespace(code=code, key=key, kind=kind, into=list(into), entered=entered))
        if self.outcome is not None:
            return self.outcome(code, into) if callable(self.outcome) else self.outcome
        ref = {"sha": f"sha{len(self.cells)}", "rows": 3, "columns": ["a"]}
        return Outcome(n=len(self.cells), status="ok", text="fine", frames=dict.fromkeys(into, ref))

    async def host_cell(self, code, call, *, key, into, entered):
        self.cells.append(SimpleNamespace(code=code, key=key, kind="host", into=list(into), entered=entered))
        left = call()
        frames = {name: {"sha": name, "rows": len(value), "columns": list(value.columns)}
                  for name, value in left.items() if isinstance(value, pd.DataFrame)}  # fmt: skip
        values = {name: value for name, value in left.items() if name not in frames}
        return Outcome(n=len(self.cells), status="ok", frames=frames, values=values)

    async def describe(self):
        return MARKET

    def seal(self, frame, brief):
        cut = int(len(frame) * 0.8)
        at = [time.isoformat() for time in frame["timestamp"]]
        spans = {"development_start": at[0], "development_end": at[cut - 1], "start": at[cut], "end": at[-1]}
        return frame.iloc[:cut], {"rows": len(frame) - cut, "development_rows": cut, **spans}

    async def load_frame(self, sha):
        return pd.DataFrame({"a": [1, 2, 3]})

    async def write_report(self, state):
        self.reported.append(state)
        return {"report.html": "the report"}

    def kinds(self):
        return [event.kind for event in self.events]
