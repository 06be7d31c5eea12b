"""Export: a run as a plain notebook or script, with no agent in it, that makes frames, model and metrics again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from omc_agent.agents.data_analyst import table_facts
from omc_agent.agents.toolbox import render_call
from omc_agent.brief import Brief
from omc_agent.config import PRELUDE
from omc_agent.errors import RunError
from omc_agent.events import Event, Reason
from omc_agent.graph.leak_test import horizon_of
from omc_agent.graph.scoring import simple_rival
from omc_agent.naming import model_name
from omc_agent.notebook import END, LEAK_TEST, SETUP, as_function, as_notebook, as_script
from omc_agent.recipe import fetched_rows, joined
from omc_agent.report import HEADINGS, people_said
from omc_agent.store.records import Row, recorded
from omc_agent.tools.fingerprint import fingerprint
from omc_agent.tools.naive import NAIVE_COLUMNS
from omc_agent.tools.sealing import seal
from omc_agent.tools.table_features import prepare_table

Cells = list[tuple[str, str]]
# Looks at candidates read values of the run, so they are shown and not run; the scores are checked by themselves.
REPLAYED = ("data_analysis", "feature_engineering", "model_training", "hyperparameter_tuning", "model_evaluation")


class Exporter:
    """The present branch of one run, ready to be written down.

    Parameters
    ----------
    row : Row
        Of `agent_sessions`.
    cells, events
        Of the branch.
    """

    def __init__(self, row: Row, cells: Sequence[Row], events: Sequence[Event]) -> None:
        self.row, self.cells, self.events = row, recorded(cells), list(events)
        self.things: dict[str, Any] = row["summary"].get("things", {})
        self.recipe: dict[str, Any] = row["summary"].get("recipe") or {}
        self.workspace = Path(row["workspace"])
        if not self.things.get("brief") or not self.recipe.get("data"):
            raise RunError("run.not_finished", given=f"Run {row['id']} has no rows to export.",
                           have=f"Its status is {row['status']}.",
                           try_="Export a run that fetched its rows, or its record as .json.")  # fmt: skip
        self.brief = Brief.model_validate(self.things["brief"])
        self.sealed, self.name = self.things["sealed"], str(self.things["sealed"]["frame"])
        self.horizon = horizon_of(self.things)
        self.verdict: dict[str, Any] = self.things.get("verdict") or {}

    def write(self, target: Path) -> Path:
        """Write `target` (.ipynb, or a script) and, for a frame that was handed in, its rows beside it."""
        development, sealed = fetched_rows(self.things, self.workspace)
        rows_file = None
        if self.recipe["source"]["kind"] == "frame":
            rows_file = f"{target.stem}-rows.feather"
            # Rows that nobody has opened stay where they are.
            opened = sealed is not None and bool(self.verdict)
            whole = joined(development, sealed) if opened else development
            whole.to_feather(target.with_name(rows_file))
        cells = [*self._head(), *self._data(development, sealed, rows_file), *self._stages()]
        if self.verdict.get("call"):
            cells += self._scoring()
        cells += [("markdown", "## Checks"), ("code", END)]
        target.write_text(as_notebook(cells) if target.suffix == ".ipynb" else as_script(cells))
        return target

    def _head(self) -> Cells:
        said = self.things.get("texts", {}).get("verdict", {})
        people = people_said(self.events)
        packages = ", ".join(f"{name} {number}" for name, number in self.recipe["versions"].items())
        lines = [
            f"# {self.brief.title()}",
            "",
            f"Asked: {self.row['goal']}",
            "",
            f"Run {self.row['branch']} as a plain notebook: no agent is in it. Run it from top to bottom on the same"
            " data, and it makes the frames, the model and the scores again; the last cell compares them with the"
            " record.",
            "",
            *([f"The run said: **{said['headline']}**. {said['sentence']}", ""] if said else []),
            f"- seed: {self.recipe['seed']}",
            f"- packages: {packages}",
            f"- data: {self.recipe['data']['rows']:,} rows, fingerprint {self.recipe['data']['all'][:16]}",
            *(["- The sealed rows were opened by the run. To open them again here is a further look: change nothing"
               " after it and call it confirmed."] if self.verdict else []),
        ]  # fmt: skip
        lines += ["", "## What people decided", "", *(f"- {line}" for line in people)] if people else []
        setup = SETUP.format(prelude=PRELUDE.rstrip(), seed=self.recipe["seed"])
        return [("markdown", "\n".join(lines)), ("code", setup)]

    def _data(self, development: pd.DataFrame, sealed: pd.DataFrame | None, rows_file: str | None) -> Cells:
        name, data = self.name, self.recipe["data"]
        cells: Cells = []
        opened = sealed is not None and (rows_file is None or bool(self.verdict))
        into = "everything" if opened else name
        if rows_file:
            left_out = "" if opened or sealed is None else ", without the sealed rows: they were not opened"
            text = f"The rows were handed in as a frame. A copy lies beside this notebook: `{rows_file}`{left_out}."
            code = f"{into} = pd.read_feather({rows_file!r})"
        else:
            text = "The rows come from the database. Set `OMC_AGENT_DB` to its SQLAlchemy URL, or write it here."
            code = self._fetch(into)
        cells.append(("markdown", f"## Data\n\n{text}"))
        cells.append(("code", code))
        if opened and sealed is not None:
            share = (
                f"The last {self.recipe['trust']['holdout']:.0%} are" if self.sealed.get("time") else "A sample is"
            )
            code = (f"check('rows', fingerprint(everything), {data['all']!r})\n"
                    f"{self._cut(joined(development, sealed), development)}\n"
                    f"check('sealed rows', fingerprint(sealed), {data['sealed']!r})")  # fmt: skip
            cells += [("markdown", f"{share} set aside before anything looks at the rows."), ("code", code)]
        cells.append(("code", f"check('development rows', fingerprint({name}), {data['development']!r})"))
        return cells

    def _fetch(self, name: str) -> str:
        table = str(self.recipe["source"].get("table") or self.brief.table)
        lines = ['DB = os.environ.get("OMC_AGENT_DB", "")  # such as sqlite:///market.db']
        if self.name != "prices":
            withheld = self.sealed.get("withheld")
            fetched = f"fetch_table({self.brief.table!r}, DB)"
            lines += [f"{name} = {fetched}.drop(columns={withheld!r})" if withheld else f"{name} = {fetched}",
                      f"time = find_roles(map(str, {name})).get('timestamp')",
                      f"if time and time != {self.brief.target!r}:",
                      f"    {name} = {name}.rename(columns={{time: 'timestamp'}})",
                      f"    {name} = {name}.assign(timestamp=parse_times({name}['timestamp']))",
                      f"    {name} = {name}.sort_values('timestamp', kind='stable', ignore_index=True)"]  # fmt: skip
            return "\n".join(lines)
        code = next(r["code"] for r in reversed(self.cells) if r["where"] == "host" and self.name in r["frames"])
        call = code.strip().partition("= ")[2]
        lines.append(f"{name} = {call.rstrip()[:-1]}, db=DB, table={table!r})")
        if "end=" not in code:
            newest = max(str(self.sealed.get("end") or ""), str(self.sealed.get("development_end") or ""))
            lines.append(f"{name} = {name}[{name}['timestamp'] <= pd.Timestamp({newest!r})]")
        return "\n".join(lines)

    def _cut(self, whole: pd.DataFrame, development: pd.DataFrame) -> str:
        """The call that gives this cut; where none does, the cut as it was recorded."""
        share = self.recipe["trust"]["holdout"]
        given: dict[str, Any] = {"fraction": share, "horizon": self.brief.horizon, "seed": self.recipe["seed"]}
        if not self.sealed.get("time"):
            given["target"] = self.brief.target
            given |= {"group": self.sealed["group"]} if self.sealed.get("group") else {}
        if fingerprint(seal(whole, **given)[0]) == fingerprint(development):
            words = ", ".join(f"{key}={value!r}" for key, value in given.items())
            return f"{self.name}, sealed = seal(everything, {words})"
        held = [int(place) for place in (~whole.index.isin(development.index)).nonzero()[0]]
        return (f"held = {held}  # as the run sealed them\nsealed = everything.iloc[held].copy()\n"
                f"{self.name} = everything.drop(index=sealed.index)")  # fmt: skip

    def _stages(self) -> Cells:
        made: Cells = []
        reasons: dict[str, list[str]] = {}
        for event in self.events:
            if isinstance(event, Reason):
                reasons.setdefault(event.stage, []).append(event.text)
        stage = ""
        for row in self.cells:
            if row["where"] == "host" and set(row["frames"]) - {self.name}:
                made.append(("code", self._query(row)))
            if row["where"] != "sandbox" or row["stage"] not in REPLAYED:
                continue
            if row["stage"] != stage:
                stage = row["stage"]
                said = list(dict.fromkeys(reasons.pop(stage, [])))
                made.append(("markdown", f"## {HEADINGS.get(stage, stage)}\n\n" + "\n\n".join(said)))
            if stage == "model_evaluation":
                made.append(("markdown", f"Looked at, cell {row['n']}:\n\n```python\n{row['code']}\n```"))
            else:
                made.append(("code", self._cell(row)))
        return made

    def _query(self, row: Row) -> str:
        """A query of the run, with the rows that it saw."""
        table = str(self.recipe["source"].get("table") or self.brief.table)
        rows = max(ref["rows"] for ref in row["frames"].values())
        given = f"DB, {table!r}, {self.sealed.get('start') or None!r}, sealed={self.brief.task != 'analysis'}"
        call = row["code"].replace("= query(", "= query_before(", 1).rstrip()[:-1]
        lines = [f"# cell {row['n']}: a query of the host", "from omc_agent.tools.data import query_before"]
        return "\n".join([*lines, f"{call}, {given}, max_rows={rows})"])

    def _cell(self, row: Row) -> str:
        lines = [f"# cell {row['n']}: {row['kind']}", row["code"]]
        for name, ref in row["frames"].items():
            last = self.things["frames"].get(name, {})
            if last.get("sha") == ref["sha"] and self.recipe["frames"].get(name) and last["stage"] == row["stage"]:
                lines.append(f"check({name!r}, fingerprint({name}), {self.recipe['frames'][name]!r})")
        for name, value in row["values"].items():
            if isinstance(value, Mapping) and isinstance(value.get("score"), float):
                lines.append(f"check('score of {name}', float({name}['score']), {value['score']!r})")
        return "\n".join(lines)

    def _scoring(self) -> Cells:
        name, brief, choice = self.name, self.brief, self.things["choice"]
        transforms = [row["code"] for row in self.cells if row["kind"] == "transform" and row["where"] == "sandbox"]
        timed = bool(self.sealed.get("time"))
        cells: Cells = [
            ("markdown", "## Leak test\n\nA feature is causal when nothing after a row can change it: features are"
             " made again without the bars after a cut, and with other ones."),
            ("code", as_function(name, transforms)),
        ]  # fmt: skip
        if timed:
            cuts = self.recipe["trust"]["leak_cuts"]
            cells.append(("code", LEAK_TEST.format(name=name, cuts=cuts, horizon=self.horizon)))
        trainer, model = f"train_{brief.task}_model", choice["model"]
        rival = simple_rival(self.things, brief.task)
        simple = f"\nsimple = {trainer}(features, model={rival!r}, seed=SEED)" if rival else ""
        cells += [
            ("markdown", f"## Model\n\nThe choice was frozen before the sealed rows were opened:"
             f" {model_name(choice['name'])}. {choice.get('why', '')}"),
            ("code", f"model = {trainer}(features, model={model!r}, params={choice['params']!r}, seed=SEED)"
             f"{simple}"),
            ("markdown", f"## Scoring\n\nThe sealed rows come in behind the development rows. This was opening"
             f" {self.verdict['opened']} of these rows; to run this cell is a further look at them."),
            ("code", self._score()),
            ("code", self._call()),
        ]  # fmt: skip
        return cells

    def _score(self) -> str:
        brief, name = self.brief, self.name
        lines = [
            f"joined = pd.concat([{name}, sealed]).sort_index()",
            "joined_features = make_features(joined)",
            f"again = compare(features, joined_features.reindex(features.index), "
            f"{'features[' + repr('timestamp') + '].max()' if self.sealed.get('time') else None}, {self.horizon!r})",
            "check('development features that sealed rows change', len(again), 0)",
            "scored = predict_frame(model, joined_features)",
        ]
        if simple_rival(self.things, brief.task):
            lines.append("scored = scored.join(predict_frame(simple, joined_features, 'simple'))")
        if name == "prices":
            lines += ["bars = clean_data(joined)  # labels are made from the bars themselves"]
            threshold = repr(brief.threshold) if brief.target == "threshold" else "None"
            if brief.target == "volatility" and brief.task == "classification":
                threshold = f"fit_median_volatility(bars.loc[{name}.index], {brief.horizon!r})"
            lines += [f"label = make_target(bars, target={brief.target!r}, horizon={brief.horizon!r},",
                      f"                    threshold={threshold})",
                      "label = bars[['coin', 'timestamp']].join(label)"]  # fmt: skip
        else:
            given = {"target": brief.target, **table_facts(self.sealed, brief.task)}
            kept = ("timestamp", "label_end", *NAIVE_COLUMNS, "row_group", "target")
            lines += [render_call(prepare_table, {"frame": "joined", **given}, ["frame"], ["label"]),
                      f"label = label[[c for c in {kept!r} if c in label]]"]  # fmt: skip
        return "\n".join([*lines, "scored = label.reindex(sealed.index).join(scored)"])

    def _call(self) -> str:
        brief, verdict, choice = self.brief, self.verdict, self.things["choice"]
        horizon = repr(self.horizon) if self.sealed.get("time") else "None"
        tried = [c for c in self.things["candidates"].values() if not c["baseline"]]
        claimed = repr(choice["score"]) if brief.metric == "roc_auc" else "None"
        lines = [
            f"oof = {choice['oof']}.join(features[[c for c in {NAIVE_COLUMNS!r} if c in features]])",
            "trials = []",
            f"for tried in ({', '.join(c['oof'] for c in tried)},):",
            "    trials += trial_frames(tried) or [tried]",
            f"rule = freeze_rule(oof, task={brief.task!r}, horizon={horizon}, opened={verdict['opened']}, seed=SEED)",
            f"verdict = call_verdict(scored, oof, task={brief.task!r}, horizon={horizon}, claimed={claimed},",
            f"                       trials={sum(int(c['trials']) for c in tried)}, opened={verdict['opened']},",
            "                       seed=SEED, oof_trials=trials, rule=rule)",
        ]
        keep = ("call", "score", "reference", "reference_score", "low", "high", "claimed_deflated")
        lines += [f"check('verdict: {key}', verdict.{key}, {verdict[key]!r})" for key in keep if key in verdict]
        return "\n".join(lines)


def record_of(told: Mapping[str, Any], row: Row, cells: Sequence[Row]) -> str:
    """The record as JSON: what the run gave, and what it needs to be made again."""
    keep = ("n", "stage", "where", "kind", "code", "state")
    kept = [{name: each[name] for name in keep} for each in recorded(cells)]
    whole = {**told, "goal": row["goal"], "branch": row["branch"], "cells": kept,
             "recipe": row["summary"].get("recipe") or {}}  # fmt: skip
    return json.dumps(whole, indent=1, sort_keys=True) + "\n"
