"""What goes into the store comes out the same from either database, also what only one of them would take."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from omc_agent.errors import UsageError
from omc_agent.events import CandidateScored, Reason
from omc_agent.store.values import in_utc, plain_text, read_json, short_key, write_json

numbers = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text()
plain = st.recursive(numbers, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def same(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right and type(left) is type(right)


@given(plain)
@settings(max_examples=150, deadline=None)
def test_json_comes_back_and_is_json_to_everybody(value):
    written = write_json(value)
    assert "NaN" not in written.replace('{"$number": "NaN"}', "") or "NaN" in repr(value)
    assert same(read_json(written), value)


@given(st.text(st.characters()))
@settings(max_examples=150, deadline=None)
def test_plain_text_can_be_encoded_has_no_nul_and_is_left_alone_otherwise(words):
    made = plain_text(words)
    made.encode()
    assert "\x00" not in made
    assert plain_text(made) == made
    if "\x00" not in words and words.encode("utf-8", "replace").decode() == words:
        assert made == words


def test_what_sqlite_wrote_before_is_still_read():
    assert math.isnan(read_json('{"score": NaN}')["score"])


def test_numbers_that_json_has_no_word_for_come_back(store, new):
    new(session_id="r")
    scored = {"name": "ridge", "score": math.nan, "low": -math.inf, "high": math.inf}
    store.append("r", "r", [("k", CandidateScored(candidate=scored))])
    (event,) = store.events("r")
    assert same(event.candidate, scored)
    store.update("r", summary={"seconds": math.nan})
    assert math.isnan(store.read("r")["summary"]["seconds"])


@pytest.mark.parametrize("words", ["a\x00b", "half \ud83d a pair", "whole \U0001f600 pair", "größer"])
def test_text_that_a_database_refuses_is_written_all_the_same(store, new, words):
    new(f"Predict {words}", session_id="r")
    store.append("r", "r", [("k", Reason(text=words))])
    store.send("r", "say", {"text": words})
    store.record_cell("r", "r", key=words, n=1, stage="planning", where="host", kind="look", code=words, status="ok")
    assert store.read("r")["goal"] == f"Predict {plain_text(words)}"
    assert store.told("r")[0]["content"] == plain_text(words)
    assert store.cell("r", words)["code"] == plain_text(words)
    assert store.take_inbox("r")[0]["payload"]["text"] == words
    assert [row["id"] for row in store.list(goal=words)] == ["r"]


def test_times_come_back_in_utc_with_their_zone(store, new):
    row = new(session_id="r")
    assert row["created_at"].tzinfo is UTC
    assert abs(datetime.now(UTC) - row["created_at"]) < timedelta(minutes=1)
    at = datetime(2024, 3, 31, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    store.update("r", lease_until=at)
    assert store.read("r")["lease_until"] == at
    assert in_utc(datetime(2024, 1, 1)) == datetime(2024, 1, 1, tzinfo=UTC)


def test_a_file_of_more_than_two_gigabytes_has_its_size(store, new):
    new(session_id="r")
    store.record_artifact("r", "r", name="big", path="big", sha256="0", size=5 * 2**31)
    assert store.artifacts("r")[0]["size"] == 5 * 2**31


def test_names_that_are_longer_than_their_columns_are_kept_apart(store, new):
    new(session_id="r", user_id="u" * 500)
    keys = ["refused:" + "x" * 400, "refused:" + "x" * 401]
    assert store.append("r", "r", [(key, Reason(text=key)) for key in keys]) == 2
    assert store.append("r", "r", [(key, Reason(text="again")) for key in keys]) == 0
    store.open_request("r", "r", "q", gate="code", stage="planning", payload={})
    assert store.decide("q", {"type": "approve"}, "somebody " * 40)
    store.begin_call("r", "r", key="c", model="openai:" + "m" * 300)
    assert len(store.calls("r")[0]["model"]) == 128
    assert short_key("short") == "short"


@pytest.mark.parametrize("name", ["../out", "a/b", "", " ", ".hidden", "x" * 33, "ä", "a b", "a\x00"])
def test_an_id_is_a_plain_word(store, new, tmp_path, name):
    if name == "":
        assert new(session_id=name)["id"], "an empty one is none"
        return
    with pytest.raises(UsageError) as refused:
        new(session_id=name)
    assert refused.value.code == "usage.value"
    assert store.count() == 0
    assert not (tmp_path / "runs").exists()


def test_numbers_of_the_ledger_have_no_gap_and_no_double(store, new):
    """On PostgreSQL the count of an insert is not told; taken for one it gave the same number twice."""
    new(session_id="r")
    for n in range(3):
        assert store.append("r", "r", [(f"k{n}", Reason(text="x")), (f"l{n}", Reason(text="y"))]) == 2
        assert store.append("r", "r", [(f"k{n}", Reason(text="again"))]) == 0
    with store.engine.connect() as db:
        assert list(db.scalars(text("SELECT seq FROM agent_session_messages ORDER BY id"))) == [1, 2, 3, 4, 5, 6]
