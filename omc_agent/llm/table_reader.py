"""The table that a goal names, and the column to predict."""

from __future__ import annotations

from omc_agent.brief import PRICE_TABLE, PRICE_TARGETS
from omc_agent.llm import lexicon
from omc_agent.llm.draft import Draft
from omc_agent.llm.wishes import is_input
from omc_agent.llm.words import STOP, Words, phrases, tokenize


def read_table(draft: Draft, given: str | None) -> tuple[str, bool]:
    """Name of the table, and whether the goal itself names it."""
    words, before = draft.words, draft.base.table if draft.base else PRICE_TABLE
    at_hand = str(draft.market.get("table") or before)
    named = None
    for i in range(len(words)):
        if words.low(i) != "table":
            continue
        for k in (i + 1, i - 1):
            if words.is_free(k) and words.tokens[k].kind == "word" and _names_something(words.low(k)):
                named = words.tokens[k].text
                words.take(k)
                words.take(i)
                break
    if given and named and given != named:
        draft.note(f"The goal names the table {named}; {given} was given beside it, and is taken.")
    return given or named or at_hand, named is not None


def _names_something(low: str) -> bool:
    taken = STOP | lexicon.PREDICT | lexicon.EXPLORE | {"price", "prices", "named", "called"}
    return low not in taken


def read_column(draft: Draft, given: str | None, named_table: bool) -> str | None:
    """The target column; None where the target is made from bars."""
    words = draft.words
    if given:
        for hit in words.hits(phrases({given: True})) if _words_in(given) else []:
            words.take(hit.start, hit.stop)
        return None if given in PRICE_TARGETS and not draft.has_no_time else given
    hits = words.hits(phrases({c: c for c in draft.columns if _words_in(c) and "|" not in c}))
    cued = [hit for hit in hits if "column" in (words.low(hit.start - 1), words.low(hit.stop))]
    if draft.has_no_time:
        after_verb = [h for h in hits if words.said(h.start - 1) in lexicon.PREDICT | {"whether", "the", "target"}]
        plain = [h for h in hits if not is_input(words, h.start)]
        cued = cued or after_verb[:1] or plain
    if cued:
        words.take(cued[0].start, cued[0].stop)
        return cued[0].value
    return _column_by_place(words, named_table and not draft.has_market)


def _words_in(name: str) -> bool:
    return any(token.kind != "mark" for token in tokenize(name))


def _column_by_place(words: Words, beside_table: bool) -> str | None:
    """Read "column y" anywhere; next to a table nobody has looked into, also the word after "predict"."""
    for i in range(len(words)):
        k = i + 1 + (words.low(i + 1) in ("the", "whether", "if"))
        leads = words.low(i) == "column" or (beside_table and words.low(i) in lexicon.PREDICT - {"train"})
        if leads and words.is_free(k) and words.tokens[k].kind == "word" and words.low(k) not in STOP:
            words.take(i)
            words.take(k)
            return words.tokens[k].text
    return None
