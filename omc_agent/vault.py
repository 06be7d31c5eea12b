"""The sealed rows: set aside on the host before any code sees them, opened once, counted by rows.

The sandbox of a run never holds these files; they lie in ``sealed/`` of the run's workspace, which is never mounted.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from omc_agent.brief import Brief
from omc_agent.config import Source, Trust
from omc_agent.errors import RunError
from omc_agent.sandbox import exchange
from omc_agent.store.records import Row, SessionManager
from omc_agent.tools.repeats import count_repeats
from omc_agent.tools.sealing import repeats_of
from omc_agent.tools.sketch import share_rows, sketch_rows
from omc_agent.tools.splits import seal

HANDED_IN = "frames"  # no database and table: the rows are known by what they hold


class Vault:
    """The sealed part of one run.

    Parameters
    ----------
    folder : Path
        ``sealed/`` of the run's workspace.
    trust : Trust
        Share that is sealed, and the seed for rows without time.
    source : Source
        Names the rows, so that openings are counted over all runs of the store.
    """

    def __init__(self, folder: Path, trust: Trust, source: Source, store: SessionManager) -> None:
        self.folder, self.trust, self.source, self.store = folder, trust, source, store

    def seal(self, frame: pd.DataFrame, brief_values: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Cut `frame`; returns development and what may be known of the sealed part.

        Task analysis seals nothing: it predicts nothing, and its span is recorded as seen.
        """
        brief = Brief.model_validate(brief_values)
        has_time = "timestamp" in frame
        if brief.task == "analysis":
            facts: dict[str, Any] = {"rows": 0, "sha": None, **_span(frame, "", has_time)}
            return frame, {**facts, **_span(frame, "development_", has_time), "development_rows": len(frame)}
        by: dict[str, Any] = {} if has_time else {"target": brief.target, "group": self.source.group}
        development, sealed = seal(frame, fraction=self.trust.holdout, seed=self.trust.seed, **by)
        development = _known_categories(development)
        sha = exchange.keep_frame(sealed, self.folder)
        facts = {"rows": len(sealed), "sha": sha, "development_rows": len(development)}
        facts["time"] = "timestamp" if has_time else None
        if not has_time:
            facts |= {"group": self.source.group} if self.source.group else {}
            facts |= {"repeated": count_repeats(repeats_of(frame, brief.target))} if not self.source.group else {}
        facts["source"] = self._source_key()
        facts.update(_span(sealed, "", has_time), **_span(development, "development_", has_time))
        return development, facts

    def open(
        self,
        run_id: str,
        branch: str,
        facts: dict[str, Any],
        frozen: dict[str, Any],
        owner: str | None = None,
        again: tuple[str, str] | None = None,
    ) -> tuple[pd.DataFrame, int]:
        """Write the opening, then hand out the rows; returns them and which opening of these rows this is.

        Rows of a database are known by table, coins and time; those of a frame that was handed in by what they hold,
        so another name, span or length of the frame does not make them new. An engine that lost the run (`owner`)
        opens nothing. A replay repeats the opening of another run and branch (`again`): it counts once, as theirs.
        """
        path = self.folder / f"{facts['sha']}.arrow"
        if not path.exists():
            raise RunError(
                "run.not_finished",
                given="The sealed rows are not there.",
                have=f"They belong into {self.folder}.",
                try_="Run the goal again.",
            )
        brief, sealed = frozen["brief"], exchange.read_frame(path)
        # A restart has no frame in hand any more; what was sealed says where it is from.
        sketch = sketch_rows(sealed) if facts["source"] == _key(HANDED_IN) else ""

        def same(earlier: Row) -> bool:
            return share_rows(str(earlier["frozen"].get("rows", "")), sketch)

        # Nobody is handed the rows before the opening is written.
        opened = self.store.open_sealed(
            run_id,
            branch,
            owner=owner,
            again=again,
            source=facts["source"],
            coins=sorted(brief["coins"]),
            family=brief["target"],
            start=facts.get("start") or "",
            end=facts.get("end") or "",
            frozen={**frozen, "rows": sketch} if sketch else frozen,
            same=same if sketch else None,
        )
        return sealed, opened

    def _source_key(self) -> str:
        """Names where the rows are from: database and table. Rows of a frame that was handed in name themselves."""
        return _key(HANDED_IN if self.source.frames else f"{self.source.db}|{self.source.table}")


def _known_categories(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without names of categories that only sealed rows have."""
    held = [str(name) for name, kind in rows.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
    spare: dict[str, Any] = {name: rows[name].cat.remove_unused_categories() for name in held}
    return rows.assign(**spare) if spare else rows


def _key(where: str) -> str:
    return hashlib.sha256(where.encode()).hexdigest()


def _span(frame: pd.DataFrame, prefix: str, has_time: bool) -> dict[str, str]:
    if not has_time or frame.empty:
        return {f"{prefix}start": "", f"{prefix}end": ""}
    times = frame["timestamp"]
    return {f"{prefix}start": times.min().isoformat(), f"{prefix}end": times.max().isoformat()}
