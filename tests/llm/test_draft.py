"""What the readers of a goal share."""

from __future__ import annotations

from omc_agent.llm.draft import Draft
from omc_agent.llm.words import Hit, Words
from tests.llm.goals import CUSTOMERS, MARKET, ROWS


def test_a_draft_knows_coins_columns_and_whether_there_is_time() -> None:
    words = Words("anything")
    assert Draft(words, MARKET, True).coins == ROWS
    assert not Draft(words, MARKET, True).has_no_time
    assert Draft(words, CUSTOMERS, True).columns[-1] == "churn"
    assert Draft(words, CUSTOMERS, True).has_no_time
    assert not Draft(words, {}, False).has_no_time


def test_a_note_and_an_assumption_are_kept_once() -> None:
    draft = Draft(Words("anything"), {}, False)
    for _ in range(2):
        draft.note("so it is")
        draft.assume("start", "end")
    assert (draft.notes, draft.assumed) == (["so it is"], ["start", "end"])


def test_what_is_refused_stays_unread_and_is_said() -> None:
    draft = Draft(Words("use catboost please"), {}, False)
    draft.refuse([Hit(1, 2, True)], "There is no {} here.")
    assert (draft.notes, draft.words.left()) == (["There is no catboost here."], ["catboost"])
