"""Predictions of a scored model on new rows, in a child: history is carried from the rows that the run stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.config import PRELUDE, AgentSettings
from omc_agent.errors import DataError, SandboxError
from omc_agent.naming import model_name
from omc_agent.recipe import fetched_rows, joined
from omc_agent.sandbox.box import Sandbox
from omc_agent.sandbox.replay import RecordedCell, replay
from omc_agent.tools.bar_reader import as_prices
from omc_agent.tools.bars import bar_interval
from omc_agent.tools.features import feature_columns
from omc_agent.tools.plain_frame import plain_frame
from omc_agent.tools.stored_time import parse_times
from omc_agent.tools.time_column import with_time

TOLERANCE = 1e-9
PREDICT = """\
predictions = predict_frame(load_model('model.skops'), features)"""


class Predictor:
    """The scored model of one run.

    Parameters
    ----------
    things : mapping
        What the run kept: brief, choice, frames, sealed.
    workspace : Path
        The run's folder.
    cells : sequence of RecordedCell
        Of its branch, without scoring.
    model : bytes
        The scored model's file, as it was recorded; it is opened in the child only.
    settings : AgentSettings
        Limits and confinement of the child.
    branch : str
        Names the file that remembers `needs_rows`.
    """

    def __init__(
        self,
        things: Mapping[str, Any],
        workspace: Path,
        cells: Sequence[RecordedCell],
        model: bytes,
        settings: AgentSettings,
        branch: str,
    ) -> None:
        self.things = things
        self.brief, self.name = things["brief"], str(things["sealed"]["frame"])
        self.chosen = str(things.get("choice", {}).get("name", ""))
        self.development, sealed = fetched_rows(things, workspace)
        self.stored = joined(self.development, sealed)
        self._cells, self._model, self._settings = list(cells), model, settings
        self._known = workspace / "work" / f"needs_rows-{branch}.json"
        self.group = things["sealed"].get("group")
        self.timed = "timestamp" in self.stored
        self.is_bars = self.timed and self.name == "prices"
        self.bar = bar_interval(self.stored) if self.is_bars else None

    async def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """See `RunResult.predict`."""
        new = self._read(frame)
        history, said = self._history(new)
        async with self._box() as box:
            if self.timed and history.empty:
                needs = await self._needs(box)
                if len(new) <= needs:
                    raise _too_few(said, needs, len(new))
            rows, mine = self._together(history, new)
            await replay(box, self._cells, {self.name: rows}, [], kinds=("transform",))
            result = await box.run(PREDICT)
            if result.status in ("killed", "memory", "timeout"):
                raise _died(self.chosen, result.reason or result.status)
            if not result.ok:
                why = (result.error or {}).get("message", result.reason)
                raise SandboxError("sandbox.replay", given=f"The frame cannot be predicted: {why}",
                                   have=f"The run was made from {self.name} with the columns of its own rows.",
                                   try_="Give rows like those of agent_run.frames.")  # fmt: skip
            raw = (await box.get("predictions")).reindex(mine)
        return self._answer(new, raw, said)

    async def needs_rows(self) -> int:
        """See `RunResult.needs_rows`."""
        if not self.timed:
            return 0
        if self._known.exists():
            return int(json.loads(self._known.read_text()))
        async with self._box() as box:
            return await self._needs(box)

    async def _needs(self, box: Sandbox) -> int:
        """Halve the history until the last complete row no longer comes out as with all of it."""
        if self._known.exists():
            return int(json.loads(self._known.read_text()))
        full = await self._features(box, self.stored)
        names = feature_columns(full)
        numbers = full[names].select_dtypes("number")
        whole = full.index[full[names].notna().all(axis=1)]
        last: Any = full["timestamp"].loc[whole].idxmax() if len(whole) else full.index[-1]
        until = full["timestamp"].loc[last]
        times = np.sort(self.stored.loc[self.stored["timestamp"] <= until, "timestamp"].unique())
        scale = numbers.abs().max().replace(0, 1.0)

        async def enough(bars: int) -> bool:
            since = times[len(times) - 1 - bars]
            part = self.stored[(self.stored["timestamp"] >= since) & (self.stored["timestamp"] <= until)]
            try:
                made = (await self._features(box, part)).loc[last, list(numbers)]
            except (SandboxError, KeyError):  # too few rows even to know how long a bar is
                return False
            away = (made.astype("float64") - numbers.loc[last].astype("float64")).abs() / scale
            return bool((away <= TOLERANCE).all())

        low, high = -1, 1  # `low` is not enough, `high` may be
        while high < len(times) - 1 and not await enough(high):
            low, high = high, 2 * high
        high = min(high, len(times) - 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if await enough(middle) else (middle, high)
        self._known.parent.mkdir(parents=True, exist_ok=True)
        self._known.write_text(json.dumps(high))
        return high

    async def _features(self, box: Sandbox, rows: pd.DataFrame) -> pd.DataFrame:
        return (await replay(box, self._cells, {self.name: rows}, ["features"], kinds=("transform",)))["features"]

    @asynccontextmanager
    async def _box(self) -> AsyncIterator[Sandbox]:
        settings = self._settings
        async with Sandbox(limits=settings.limits(), prelude=PRELUDE, confinement=settings.confinement(),
                           allowed_imports=settings.allowed_imports) as box:  # fmt: skip
            (box.workspace / "work" / "model.skops").write_bytes(self._model)
            yield box

    def _read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The new rows in the shape of the run's own."""
        frame = plain_frame(frame)
        if frame.empty:
            raise DataError("data.too_few_rows", given="The frame is empty.", have="There is nothing to predict.",
                            try_="Give at least one new row.")  # fmt: skip
        new = self._read_bars(frame) if self.is_bars else self._read_table(frame)
        if self.group and self.group not in new:
            new = new.assign(**{str(self.group): None})  # it is no feature: a new row may be of nobody known
        wanted = [str(name) for name in self.stored if name != self._target()]
        missing = [name for name in wanted if name not in new]
        if missing:
            raise DataError("data.unreadable", given=f"The frame lacks {', '.join(missing)}.",
                            have=f"The run's own rows have {', '.join(wanted)}.",
                            try_="Give these columns too.")  # fmt: skip
        target = self._target()
        if target is None:
            return new[wanted]
        # The earlier values of a series are features of the later rows; elsewhere a known answer is not looked at.
        past = new[target] if self.things["sealed"].get("lags") and target in new else np.nan
        return new[wanted].assign(**{target: past})

    def _target(self) -> str | None:
        """The column of a table that a new row does not have yet."""
        return None if self.is_bars else str(self.brief["target"])

    def _read_bars(self, frame: pd.DataFrame) -> pd.DataFrame:
        coins = sorted(self.stored["coin"].unique())
        new = as_prices(frame) if len(coins) > 1 else as_prices(frame, _only(frame, coins[0]))
        strangers = sorted(set(new["coin"]) - set(coins))
        if strangers:
            raise DataError("data.unknown_coin", given=f"The frame holds {', '.join(strangers)}.",
                            have=f"The model was made for {', '.join(coins)}.",
                            try_="Leave the other rows out, or run the goal for that coin.")  # fmt: skip
        return new.set_axis(frame.index) if _same_rows(frame, new) else new

    def _read_table(self, frame: pd.DataFrame) -> pd.DataFrame:
        if not self.timed:
            return frame
        made = with_time(frame, str(self.brief["target"]), self._settings.time or None)
        if "timestamp" not in made:
            raise DataError("data.no_time", given="The rows to predict have no time.",
                            have=f"Their columns are {', '.join(map(str, frame.columns[:30]))}.",
                            try_="Give the time column that the run's own rows have.")  # fmt: skip
        return made

    def _history(self, new: pd.DataFrame) -> tuple[pd.DataFrame, str]:
        """Stored rows before the new ones, and from where they are in words; none where they do not join."""
        none = self.stored.iloc[:0]
        if not self.timed:
            return none, "none is needed: a row of a table stands by itself"
        coin = self.stored["coin"] if "coin" in self.stored else pd.Series("", index=self.stored.index)
        mine = new["coin"] if "coin" in new else pd.Series("", index=new.index)
        first = new["timestamp"].groupby(mine).min()
        limit = coin.map(first).fillna(first.min())
        before = self.stored[self.stored["timestamp"] < limit]
        for name, begins in first.items():
            ends = before.loc[coin.loc[before.index] == name, "timestamp"].max()
            what = f"{name}: " if name else ""
            if pd.isna(ends):
                return none, f"{what}the new rows begin {begins:%Y-%m-%d %H:%M}, before the run's own rows"
            if self.bar is not None and begins - ends > self.bar:
                bars = int((begins - ends) / self.bar) - 1
                return none, (f"{what}{bars:,} bars are missing between the run's last, {ends:%Y-%m-%d %H:%M} UTC,"
                              f" and the first new one, {begins:%Y-%m-%d %H:%M} UTC")  # fmt: skip
        return before, f"{len(before):,} stored rows of the run, up to {before['timestamp'].max():%Y-%m-%d %H:%M} UTC"

    def _together(self, history: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, Any]:
        """History and new rows in order, and the labels of the new ones in the order of `new`."""
        if not self.timed:
            return new, new.index
        numbered = new.assign(_place=np.arange(len(new)))
        rows = pd.concat([history.assign(_place=-1), numbered], ignore_index=True) if len(history) else numbered
        order = ["coin", "timestamp"] if "coin" in rows else ["timestamp"]
        rows = rows.sort_values(order, kind="stable", ignore_index=True)
        places = rows.index[rows["_place"] >= 0][np.argsort(rows.loc[rows["_place"] >= 0, "_place"].to_numpy())]
        rows = rows.drop(columns="_place")
        return rows, places

    def _answer(self, new: pd.DataFrame, raw: pd.DataFrame, said: str) -> pd.DataFrame:
        kind = "probability" if self.brief["task"] == "classification" else "prediction"
        made = new[[name for name in ("coin", "timestamp") if name in new]].copy()
        if self.bar is not None:
            made["decision_time"] = made["timestamp"] + self.bar
        several = [name for name in raw if str(name).startswith("p_")]
        values = raw[several] if several else raw.rename(columns={"prediction": kind})
        for name in values:
            made[name] = values[name].to_numpy()
        classes = self._classes()
        if several:
            best = values[several].fillna(-1.0).to_numpy().argmax(axis=1)
            labels = classes if classes and len(classes) == len(several) else [str(n)[2:] for n in several]
            known = values[several].notna().all(axis=1).to_numpy()
            made["class"] = [labels[place] if there else None for place, there in zip(best, known, strict=True)]
        made.attrs = {
            "model": self.chosen,
            "refit": False,
            "history": said,
            "without": int(values.isna().any(axis=1).sum()),
            "of": str(classes[1]) if classes and len(classes) == 2 and not several else None,
            "lines": [],
        }
        made.attrs["lines"] = _lines(made, self.bar)
        return made

    def _classes(self) -> list[Any] | None:
        if self.is_bars or self.brief["task"] != "classification":
            return None
        return list(self.things["sealed"].get("classes") or []) or None


def _lines(made: pd.DataFrame, bar: pd.Timedelta | None) -> list[str]:
    """What is said with the predictions."""
    attrs = made.attrs
    lines = [f"{len(made):,} rows, {attrs['without']:,} without a prediction (a feature is missing)."]
    lines += [f"History: {attrs['history']}."]
    lines += (
        [f"Each is known at decision_time, the close of its bar ({bar} after its timestamp, UTC)."] if bar else []
    )
    lines += [f"probability is that of {attrs['of']}."] if attrs["of"] else []
    return [*lines, "The model is the one that was scored; it was not refitted. No label was scored."]


def _only(frame: pd.DataFrame, coin: str) -> str | None:
    """The coin of a frame that does not name one."""
    from omc_agent.tools.prices_table import find_roles

    return None if "coin" in find_roles(str(name) for name in frame.columns) else coin


def _same_rows(frame: pd.DataFrame, new: pd.DataFrame) -> bool:
    """Whether the rows stand as they were given, so that they may keep their labels."""
    if len(frame) != len(new) or "timestamp" not in frame or not frame.index.is_unique:
        return False
    return bool((parse_times(frame["timestamp"]).to_numpy() == new["timestamp"].to_numpy()).all())


def _died(model: str, why: str) -> SandboxError:
    return SandboxError("sandbox.died",
                        given=f"The child did not survive predicting with {model_name(model or 'the model')}:"
                              f" {why.partition('. ')[0].rstrip('.')}.",
                        have="Nothing else was harmed: the model file is opened in that child alone.",
                        try_="Give fewer rows at once. If that changes nothing, the model is bad: omc-agent restart"
                             " ID --from scoring makes another, and opens the sealed rows once more.")  # fmt: skip


def _too_few(said: str, needs: int, rows: int) -> DataError:
    return DataError("data.too_few_rows", given=f"No stored row leads up to the frame ({said}).",
                     have=f"Its features need {needs:,} bars before the first prediction, and it has {rows:,} rows.",
                     try_="Give the bars in between too, or or that many before the first that counts.")  # fmt: skip
