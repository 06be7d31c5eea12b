"""Which parts of SQL a query of a run may be made of: a list of what passes, so that what nobody thought of does not.

A list of what is forbidden would miss the next function that reads a file, and the next way to name a table
(``1 IN other_table`` is one, and so are table functions and sequences).
"""

from __future__ import annotations

from sqlglot import exp

from omc_agent.errors import DataError

# Ordinary functions: of a row's values, of a group, of a window, of a time. None knows the clock, the session, a
# file, chance or a table by its name, and none makes rows of its own.
_NAMES = """
abs acos asin atan atan2 ceil ceiling cos degrees exp floor greatest least ln log log10 log2 mod pi pow power radians
round safe_divide sign sin sqrt square tan trunc truncate
avg corr count count_if covar_pop covar_samp group_concat logical_and logical_or max median min mode percentile_cont
percentile_disc regr_intercept regr_r2 regr_slope stddev stddev_pop stddev_samp string_agg sum total var_pop var_samp
variance variance_pop within_group
cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
case cast coalesce exists if ifnull iif nullif nvl nvl2 try_cast typeof and or xor not
char_length concat concat_ws contains ends_with hex initcap instr json_extract json_extract_scalar left length lower
ltrim printf replace reverse right rtrim starts_with str_position string_position substr substring trim upper
date date_add date_bin date_diff date_part date_sub date_trunc datediff datetime datetime_trunc day day_of_month
day_of_week day_of_year dayofmonth dayofweek dayofyear extract hour julianday minute month quarter second str_to_date
str_to_time str_to_unix strftime time time_to_str time_to_unix timestamp timestamp_trunc to_char to_timestamp
ts_or_ds_to_date ts_or_ds_to_datetime ts_or_ds_to_time ts_or_ds_to_timestamp unix_to_str unix_to_time unixepoch week
year
"""
FUNCTIONS = frozenset(_NAMES.split())
_PARTS = (
    exp.Select, exp.SetOperation, exp.Subquery, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Qualify,
    exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Fetch, exp.Distinct, exp.With, exp.CTE, exp.TableAlias,
    exp.Table, exp.Identifier, exp.Column, exp.Alias, exp.Star, exp.Literal, exp.Boolean, exp.Null, exp.Paren,
    exp.Tuple, exp.Values, exp.Between, exp.In, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Var, exp.Window,
    exp.WindowSpec, exp.Filter, exp.WithinGroup, exp.Collate, exp.AtTimeZone, exp.Binary, exp.Unary, exp.JSONPath,
    exp.JSONPathPart, exp.IntervalSpan, exp.All, exp.Any,
)  # fmt: skip
_TABLE_ARGS = {"this", "db", "alias"}


def only_plain(parsed: exp.Query, shown: str) -> None:
    """Let through what is made of ordinary parts only.

    Raises
    ------
    DataError
        ``data.bad_query`` with the part that is not let through and what is.

    Examples
    --------
    >>> import sqlglot
    >>> only_plain(sqlglot.parse_one("SELECT max(last) FROM bars"), "")
    >>> only_plain(sqlglot.parse_one("SELECT pg_sleep(9)"), "")
    Traceback (most recent call last):
    omc_agent.errors.DataError: pg_sleep() is no function that a query of a run may call. ...
    """
    for node in parsed.walk():
        why = _objection(node)
        if why is not None:
            raise DataError(
                "data.bad_query", given=why, have=shown, try_="Try plain SELECT, JOIN, GROUP BY, windows."
            )


def _objection(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Func):
        name = str(node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        allowed = name in FUNCTIONS or isinstance(node, (exp.Connector, exp.Binary))
        return None if allowed else f"{name}() is no function that a query of a run may call."
    if not isinstance(node, _PARTS):
        return f"{type(node).__name__} is not let through in a query of a run."
    if isinstance(node, exp.With) and node.recursive:
        return "WITH RECURSIVE is not let through: it can go on without end."
    if isinstance(node, exp.In) and node.args.get("field") is not None:
        return f"{node.sql()} reads a table by its name alone: write IN (SELECT ...)."
    if isinstance(node, exp.Table):
        return _of_table(node)
    return None


def _of_table(node: exp.Table) -> str | None:
    if not isinstance(node.this, exp.Identifier):
        return f"{node.sql()} is no table: functions that make rows are not let through."
    more = [name for name, value in node.args.items() if value and name not in _TABLE_ARGS]
    if node.catalog or more:
        return f"{node.sql()} is not let through: name a table, and join it without brackets, hints or samples."
    return None
