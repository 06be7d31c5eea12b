"""The portrait of a frame, and columns that are named as a secret."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.errors import DataError
from omc_agent.tools.data import query_before
from omc_agent.tools.portrait import portrait
from omc_agent.tools.secret_columns import SECRET_NAMES, is_secret, withheld_notes, withhold

# -- the portrait ----------------------------------------------------------------------------------


def test_of_a_frame_in_time_only_what_comes_before_the_cut_is_told_whatever_its_order():
    times = pd.date_range("2024-01-01", periods=100, freq="1D", tz="UTC")
    frame = pd.DataFrame({"date": times, "y": np.arange(100), "kind": ["early"] * 80 + ["late"] * 20})
    about = portrait(frame.sample(frac=1, random_state=0), holdout=0.2)
    assert about["statistics"]["y"] == {"missing": 0, "min": 0, "mean": 39.5, "max": 79}
    assert about["statistics"]["date"]["last"] == times[79].isoformat()
    assert about["statistics"]["kind"]["most"] == {"early": 80}
    assert "late" not in json.dumps(about)
    assert all(row["y"] < 80 for row in about["head"])


def test_bars_of_several_coins_are_cut_at_one_time():
    times = pd.date_range("2024-01-01", periods=10, freq="1h", tz="UTC")
    bars = pd.DataFrame({"coin": ["BTC"] * 10 + ["ETH"] * 10, "timestamp": [*times, *times], "close": range(20)})
    assert portrait(bars)["statistics"]["close"]["max"] == 17


def test_without_time_or_before_the_seal_no_value_is_told():
    frame = pd.DataFrame({"size": [41, 42], "name": ["Ann", "Bob"]})
    for about in (portrait(frame), portrait(frame, part="schema")):
        assert about["rows"] == 2
        assert about["columns"]["size"] == "int64"
        assert about["columns"]["name"] in ("text", "str")  # as this version of pandas holds words
        assert not {"head", "statistics"} & set(about)
        assert "Ann" not in json.dumps(about)


def test_development_rows_are_told_whole_in_figures_and_three_rows():
    about = portrait(pd.DataFrame({"size": [1.5, np.nan, np.inf, 4.5], "name": list("aabc")}), part="all")
    assert about["statistics"]["size"] == {"missing": 1, "min": 1.5, "mean": 3, "max": 4.5}
    assert about["statistics"]["name"] == {"missing": 0, "distinct": 3, "most": {"a": 2}}
    assert about["head"] == [{"size": 1.5, "name": "a"}, {"size": None, "name": "a"}, {"size": None, "name": "b"}]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": []}),
        pd.DataFrame({"a": [np.nan]}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("x", "y")])),
        pd.DataFrame({"a": pd.Categorical(["x"])}, index=pd.Index(["r"], name="label")),
        pd.DataFrame({"a": [1 + 2j], "b": [b"x"], "c": [[1]], "d": [pd.Timedelta(1)], "e": [10**400]}),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array(["x", None], dtype="string")}),
        pd.DataFrame({"a": pd.period_range("2024", periods=2, freq="D"), "b": pd.interval_range(0, 2)}),
        pd.DataFrame({f"c{n}": ["x" * 500] * 50 for n in range(300)}),
    ],
    ids=lambda frame: f"{frame.shape}",
)
def test_any_frame_has_a_portrait_that_is_short_json(frame):
    before = frame.copy()
    for part in ("first", "all", "schema"):
        text = json.dumps(portrait(frame, part=part), allow_nan=False)
        assert len(text) <= 6_100
    pd.testing.assert_frame_equal(frame, before)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.booleans()), max_size=6))
def test_a_column_of_anything_plain_has_a_portrait(values):
    about = portrait(pd.DataFrame({"a": pd.Series(values, dtype=object)}), part="all")
    assert about["rows"] == len(values)
    assert json.loads(json.dumps(about, allow_nan=False)) == about


# -- secret columns --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_each_name_of_the_list_is_known_in_every_spelling(name):
    words = name.split()
    spelled = {"_".join(words), "-".join(words), "".join(words[:1] + [w.title() for w in words[1:]]), name.upper()}
    for each in {*spelled, f"user_{'_'.join(words)}"}:
        assert is_secret(each), each


NO_SECRETS = (
    "close timestamp coin PhoneService has_phone email_opened token_count n_tokens age name account_age phones_sold"
    " street secretary passengers iban_valid Street authors pinned"
)


@pytest.mark.parametrize("name", NO_SECRETS.split())
def test_what_only_speaks_of_one_stays(name):
    assert not is_secret(name)


def test_a_person_adds_names_and_allows_columns():
    assert is_secret("badge_no", more=["badge"])
    assert not is_secret("token", allowed=["token"])
    assert not is_secret("email", more=["badge"], allowed=["email"])


def test_columns_and_index_levels_are_left_out_and_the_frame_stays_as_it_was():
    frame = pd.DataFrame({"age": [1], "email": ["a@b.example"]}, index=pd.Index(["+49"], name="phone"))
    kept, names = withhold(frame)
    assert (list(kept.columns), names, kept.index.name) == (["age"], ["email", "phone"], None)
    assert "+49" not in kept.to_json()
    assert list(frame.columns) == ["age", "email"]
    assert [note["column"] for note in withheld_notes(names)] == names
    assert withhold(kept)[0] is kept


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.execute('CREATE TABLE customers (age INT, email TEXT, "select" TEXT)')
        db.execute("INSERT INTO customers VALUES (31, 'ann@secret.example', 'x')")
        db.execute("CREATE TABLE only_secret (password TEXT)")
        db.execute("CREATE TABLE plain (age INT)")
    return f"sqlite:///{path}"


def asked(sql, shop, allowed=()):
    return query_before(
        sql, shop, "customers", None, sealed=False, withheld=lambda name: is_secret(name, allowed=allowed)
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM customers",
        "SELECT c.* FROM customers AS c",
        "SELECT 1 AS a, 2 AS b UNION ALL SELECT * FROM customers",
        "WITH t(a, b) AS (SELECT * FROM customers) SELECT a, b FROM t",
        "SELECT * FROM (SELECT * FROM customers) AS t",
        'SELECT * FROM "main"."customers"',
        "SELECT (SELECT group_concat(age) FROM customers) AS all_of_them",
    ],
)
def test_no_query_gives_a_secret_column(shop, sql):
    answer = asked(sql, shop)
    assert "secret.example" not in answer.to_json()
    assert "31" in answer.to_json()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT email FROM customers",
        "SELECT age AS n, EMAIL AS e FROM customers",
        'SELECT "email" FROM customers',
        "SELECT age FROM customers WHERE email LIKE 'a%'",
        "SELECT age FROM customers ORDER BY substr(email, 1, 1)",
        "SELECT * FROM only_secret",
    ],
)
def test_a_query_that_names_one_is_refused_and_says_what_allows_it(shop, sql):
    with pytest.raises(DataError, match="allow_columns"):
        asked(sql, shop)
    asked(sql, shop, allowed=["email", "password"])
