"""Tables as a run may read them: rows from before the seal, and nothing else.

Every table that a query names is replaced by its rows up to a time. The brief's own table is clipped where its rows
are sealed. Another table has to have a time of its own, and is clipped one of its steps earlier: a daily row that is
stamped with its morning knows the evening.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlglot import exp

from omc_agent.errors import DataError
from omc_agent.tools.prices_table import PricesTable, find_table
from omc_agent.tools.stored_time import TimeStyle, parse_times
from omc_agent.tools.time_span import as_utc

CTE = "omc_with_"
Withheld = Callable[[str], bool]
_SYSTEM = {"information_schema", "pg_catalog", "pg_toast", "mysql", "performance_schema", "sys", "sqlite_master"}
_STEPS = 200  # newest times that tell how far apart rows of another table lie


def nothing_withheld(name: str) -> bool:
    """No column stays out."""
    return False


@dataclass(frozen=True)
class Clip:
    """One table, and its rows that may be read.

    Attributes
    ----------
    name : str
        The table's own name.
    rows : Select
        ``SELECT * FROM table WHERE time < bound``; without a seal the whole table.
    view : bool
        Whether it is a view.
    """

    name: str
    rows: exp.Select
    view: bool


def find_clips(
    engine: sa.Engine,
    parsed: exp.Query,
    table: str,
    before: str | pd.Timestamp | None,
    time: str | None = None,
    *,
    sealed: bool = True,
    withheld: Withheld = nothing_withheld,
) -> dict[str, Clip]:
    """The tables that `parsed` names, by the names it uses (lower case), as they may be read.

    Parameters
    ----------
    engine : Engine
        The database.
    parsed : Query
        Of plain parts only; see `sql_words.only_plain`.
    table : str
        The table of the run.
    before : str or Timestamp or None
        Where its rows are sealed; ISO 8601, naive is UTC.
    time : str, optional
        Its column of times, where its name does not say so.
    sealed : bool
        False: nothing is sealed (task analysis), and tables are read whole.
    withheld : callable
        ``withheld(name)`` says whether a column of that name stays out: tables stand there without it.

    Raises
    ------
    DataError
        ``data.no_table``; ``data.bad_query`` for a table whose sealed rows cannot be told from others, and for a
        query that names a column that is withheld.
    """
    if sealed and before is None:
        raise DataError(
            "data.bad_query",
            given="The rows of this run cannot be told from sealed ones.",
            have="Queries see rows from before the time at which rows are sealed, and here is none: rows are fetched"
            " first, and rows without a time are sealed by chance.",
            try_="Try fetch_price_data or fetch_rows first, or work on the frames there are.",
        )
    named = {cte.alias_or_name.lower() for cte in parsed.find_all(exp.CTE)}
    own, clips = find_table(engine, table), {}
    kept_back: set[str] = set()
    for node in parsed.find_all(exp.Table):
        shown = node.name if not node.db else f"{node.db}.{node.name}"
        if not node.db and node.name.lower() in named:
            continue
        found = own if _is(node, own, engine) else _other(engine, node, shown)
        hidden = [name for name in found.columns if withheld(name)]
        if len(hidden) == len(found.columns):
            raise _withheld(found.name)
        kept_back |= {name.lower() for name in hidden}
        clip = _clip(engine, found, before if sealed else None, time, own=found is own, sealed=sealed)
        clips[shown.lower()] = _without(clip, found, hidden)
    # A database may take an unknown name in quotes for a text, so it is refused by name.
    asked = sorted({column.name for column in parsed.find_all(exp.Column) if column.name.lower() in kept_back})
    if asked:
        raise _withheld(", ".join(asked))
    for name in named & {own.source.name.lower(), *(clip.name.lower() for clip in clips.values())}:
        raise DataError(
            "data.bad_query",
            given=f"WITH {name} has the name of a table.",
            have=f"{name} is a table of this database.",
            try_="Try another name after WITH.",
        )
    return clips


def put_in(parsed: exp.Query, clips: dict[str, Clip], stands: Iterable[tuple[str, exp.Expression]]) -> exp.Query:
    """`parsed` with each table replaced by what `stands` for it, and names of WITH that no table can have."""
    for cte in list(parsed.find_all(exp.CTE)):
        cte.args["alias"].set("this", exp.to_identifier(CTE + cte.alias_or_name.lower(), quoted=True))
    place = dict(stands)
    for node in list(parsed.find_all(exp.Table)):
        shown = (node.name if not node.db else f"{node.db}.{node.name}").lower()
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name, quoted=True))
        if shown in clips:
            new = place[shown].copy()
            new = new.subquery() if isinstance(new, exp.Select) else new
        else:
            new = exp.Table(this=exp.to_identifier(CTE + node.name.lower(), quoted=True))
        new.set("alias", alias.copy())
        node.replace(new)
    for column in parsed.find_all(exp.Column):
        column.set("db", None)
        column.set("catalog", None)
    return parsed


def _other(engine: sa.Engine, node: exp.Table, shown: str) -> PricesTable:
    """A table beside the run's own; the tables of the database about itself hold its values too."""
    if node.db.lower() not in _SYSTEM:
        try:
            return find_table(engine, _full_name(node, engine))
        except DataError as error:
            if error.code != "data.no_table":
                raise
    there = sorted(sa.inspect(engine).get_table_names())
    raise DataError(
        "data.no_table",
        given=f"The query reads {shown}.",
        have=f"There is no such table for a query; there are {', '.join(there[:20]) or 'none'}.",
        try_="Try one of these.",
    ) from None


def _is(node: exp.Table, own: PricesTable, engine: sa.Engine) -> bool:
    home = own.source.schema or _default(engine)
    return node.name.lower() == own.source.name.lower() and (node.db or home or "").lower() == (home or "").lower()


def _default(engine: sa.Engine) -> str | None:
    return sa.inspect(engine).default_schema_name


def _full_name(node: exp.Table, engine: sa.Engine) -> str:
    return node.name if not node.db or node.db == _default(engine) else f"{node.db}.{node.name}"


def _clip(engine: sa.Engine, found: PricesTable, before: Any, time: str | None, *, own: bool, sealed: bool) -> Clip:
    source = exp.table_(found.source.name, db=found.source.schema or _default(engine), quoted=True)
    rows, view = exp.select("*").from_(source), _is_view(engine, found)
    if not sealed:
        return Clip(found.source.name, rows, view)
    column = (time if own and time in found.columns else None) or found.roles.get("timestamp")
    if column is None or (view and not own):
        what = "a view, which may hold sums over sealed rows" if view else "no column of times"
        raise DataError(
            "data.bad_query",
            given=f"{found.name} is {what}." if view else f"{found.name} has {what}.",
            have="Only rows from before the sealed stretch may be read, and these cannot be told from later ones.",
            try_="Try a table with a time of its own, or one named timestamp.",
        )
    return Clip(found.source.name, rows.where(_before(engine, found, column, as_utc(before), own=own)), view)


def _without(clip: Clip, found: PricesTable, hidden: Collection[str]) -> Clip:
    """The rows of `clip`, of the columns that are not hidden."""
    if not hidden:
        return clip
    names = [exp.column(name, quoted=True) for name in found.columns if name not in hidden]
    return replace(clip, rows=clip.rows.select(*names, append=False))


def _withheld(names: str) -> DataError:
    return DataError(
        "data.bad_query",
        given=f"The query reads {names}.",
        have="What is named as a secret is withheld.",
        try_="Try other columns; a person can allow it with AgentSettings.allow_columns.",
    )


def _is_view(engine: sa.Engine, found: PricesTable) -> bool:
    tables = sa.inspect(engine).get_table_names(found.source.schema)
    return found.source.name not in tables


def _before(engine: sa.Engine, found: PricesTable, name: str, moment: pd.Timestamp, *, own: bool) -> exp.Condition:
    column = found.source.c[name]
    with engine.connect() as connection:
        first = connection.scalar(sa.select(column).where(column.is_not(None)).limit(1))
        style = TimeStyle.of(first)
        step = pd.Timedelta(0) if own else _step(connection, column, style, moment, found.name)
    bound = None if style.kind == "empty" else style.bound(moment - step)
    if bound is None:
        raise DataError(
            "data.bad_query",
            given=f"The times of {found.name} do not sort as they are stored.",
            have="Rows from before the sealed stretch cannot be told from later ones in SQL.",
            try_="Work on the frames there are.",
        )
    value = exp.Literal.number(bound) if style.kind == "epoch" else exp.Literal.string(str(bound))
    time = exp.column(name, quoted=True)
    clipped: exp.Condition = exp.LT(this=time, expression=value)
    if engine.dialect.name == "sqlite":  # a column of SQLite may hold times of several kinds, which sort by kind
        clipped = exp.and_(clipped, _same_kind(time, style))
    return clipped


def _same_kind(time: exp.Column, style: TimeStyle) -> exp.Condition:
    if style.kind == "epoch":
        kind = exp.Anonymous(this="typeof", expressions=[time.copy()])
        return exp.In(this=kind, expressions=[exp.Literal.string("integer"), exp.Literal.string("real")])
    return exp.Glob(this=time.copy(), expression=exp.Literal.string("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"))


def _step(connection: sa.Connection, column: Any, style: TimeStyle, moment: pd.Timestamp, name: str) -> pd.Timedelta:
    """The usual distance of neighbouring times before `moment`; nothing where no row is."""
    bound = style.bound(moment)
    if bound is None or style.kind == "empty":
        return pd.Timedelta(0)
    newest = sa.select(column).where(column < bound).distinct().order_by(column.desc()).limit(_STEPS)
    times = parse_times(pd.Series([row[0] for row in connection.execute(newest)], dtype=object)).dropna()
    if len(times) == 1:
        raise DataError(
            "data.bad_query",
            given=f"{name} has one time before the sealed stretch.",
            have="How long a stretch its rows stand for cannot be told.",
            try_="Work on the frames there are.",
        )
    steps = times.sort_values().diff().dropna()
    return pd.Timedelta(steps.median()) if len(steps) else pd.Timedelta(0)
