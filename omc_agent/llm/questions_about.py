"""Questions about a run, answered from its record: the lines that bear on the question, quoted with their stage."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from omc_agent.llm import lexicon
from omc_agent.llm.words import STOP, Words, stem

MOST = 5
QUOTED = 300
_ASKS = {"why", "what", "what's", "which", "how", "who", "when", "where", "did", "was", "were", "has", "have", "had"}
_PAST = {"was", "were", "did", "won", "win", "found", "find", "dropped", "chosen", "chose", "failed", "happened"}
_PAST |= {"used", "scored", "took", "taken", "removed", "warned", "decided", "sealed", "tested", "asked", "said"}
_ABOUT = {"run", "verdict", "leak", "result", "winner", "holdout", "score", "candidate", "plan", "cell", "stage"}
# What each kind of event weighs: what was found and decided before what was done.
WEIGHT = {
    "warned": 3.0, "leak_tested": 3.0, "choice_made": 3.0, "verdict_called": 3.0, "reason": 2.0, "said": 2.5,
    "request_decided": 2.5, "branched": 2.5, "holdout_sealed": 2.0, "brief_read": 2.0, "plan_made": 1.5,
    "candidate_scored": 1.5, "run_finished": 1.5, "observe": 1.0, "act": 1.0, "cell_finished": 0.5,
}  # fmt: skip
# Words of a question, and the words and kinds of the record that speak of the same.
_SAME: dict[str, str] = {
    "won": "choice_made chosen recommended", "win": "choice_made chosen recommended", "winner": "choice_made chosen",
    "chosen": "choice_made", "choose": "choice_made", "chose": "choice_made", "best": "choice_made",
    "leak": "leak_tested leaks", "leaked": "leak_tested leak", "dropped": "drop drop_columns without out left",
    "removed": "drop without out", "drop": "dropped without", "verdict": "verdict_called edge",
    "edge": "verdict_called",
    "result": "verdict_called", "row": "rows bars sealed", "bar": "rows bars", "sealed": "holdout_sealed",
    "holdout": "holdout_sealed sealed", "warning": "warned", "warned": "warned", "gap": "gaps missing",
    "score": "candidate_scored", "decided": "request_decided", "changed": "branched", "fail": "failed error",
}  # fmt: skip
_WORD = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
_KEPT = {"score", "scored", "metric", "row", "rows", "bars", "bar"}
_PLAIN = STOP - _KEPT | {"did", "many", "happened", "found", "find", "ever", "never"}
# What was done, not what it was done to: a line must speak of that.
_DEEDS = {"dropped", "drop", "removed", "won", "win", "chosen", "chose", "choose", "decided", "changed", "failed"}
_PREDICTS = {"predict", "predicting", "forecast", "forecasting", "estimate", "anticipate"}


def is_question(goal: str) -> bool:
    """Whether it asks about a run that was made, rather than asking for a new one.

    Examples
    --------
    >>> is_question("why was RSI dropped?"), is_question("which model won and why?")
    (True, True)
    >>> is_question("Will BTC rise tomorrow?"), is_question("now for ETH")
    (False, False)
    """
    words = Words(goal)
    said = [words.said(i) for i in range(len(words)) if words.tokens[i].kind == "word"]
    if not said or said[0] not in _ASKS or set(said) & _PREDICTS:
        return False
    ahead = {"will", "going", "gonna", "would"} & set(said)
    about = set(said) & _PAST or {stem(word) for word in said} & _ABOUT or said[0] == "why"
    return bool(about) and not ahead


def answer_from_record(question: str, events: Sequence[Mapping[str, Any]]) -> str:
    """The lines of a run's record that answer a question, quoted with their stage.

    Parameters
    ----------
    question : str
        In English.
    events : sequence of mapping
        The record, oldest first: `kind`, `stage` and `content` (text) of each event.

    Returns
    -------
    str
        At most five lines in the order of the record, or one sentence that the record holds no answer.

    Examples
    --------
    >>> record = [{"kind": "choice_made", "stage": "selection", "content": "ridge: the simplest within noise"}]
    >>> print(answer_from_record("which model won and why?", record))
    The record says:
    - selection: "ridge: the simplest within noise"
    """
    terms, needed = _terms(question)
    lines = list({(e.get("stage"), str(e.get("content"))): e for e in events if e.get("content")}.values())
    if not terms or not lines:
        return _nothing(question)
    ranked = [(_weight(terms, needed, event, lines), number) for number, event in enumerate(lines)]
    best = max(weight for weight, _ in ranked)
    if best <= 0:
        return _nothing(question)
    chosen = sorted((-weight, number) for weight, number in ranked if weight >= best / 2)[:MOST]
    told = [_quoted(lines[number]) for number in sorted(number for _, number in chosen)]
    return "\n".join(["The record says:", *told])


def _terms(question: str) -> tuple[list[set[str]], list[set[str]]]:
    """The content words, each with the words that speak of the same; and those of them that are no deeds."""
    words = [match.group().lower() for match in _WORD.finditer(question.replace("-", " "))]
    content = [word for word in words if word not in _PLAIN | _ASKS and len(word) > 1]
    terms, needed = list[set[str]](), list[set[str]]()
    for word in dict.fromkeys(content):
        key = stem(word)
        same = {word, key, *_SAME.get(word, _SAME.get(key, "")).split()}
        names = {value for phrase, value in lexicon.INDICATORS.items() if phrase == (key,)}
        terms.append(same | {str(name) for name in names})
        needed += [] if word in _DEEDS else terms[-1:]
    return terms, needed


def _weight(
    terms: list[set[str]], needed: list[set[str]], event: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> float:
    """How much of the question the event bears on; a word that few lines hold says more."""
    kind = str(event.get("kind"))
    if needed and not any(kind in term or _holds(event, term) for term in needed):
        return 0.0
    total, hits = 0.0, 0
    for term in terms:
        direct, by_kind = _holds(event, term), kind in term
        if direct or by_kind:
            hits += 1
            common = sum(_holds(line, term) for line in lines)
            total += (2.0 if by_kind else 0.0) + (1.0 + 1.0 / max(1, common) if direct else 0.0)
    # Half of the question's words at least, so that a line that shares one word by chance is no answer.
    enough = hits * 2 >= len(terms)
    return total * WEIGHT.get(kind, 0.5) * hits / len(terms) if enough else 0.0


def _holds(event: Mapping[str, Any], term: set[str]) -> bool:
    text = str(event.get("content")).lower()
    words = {part for match in _WORD.finditer(text) for part in (match.group(), *match.group().split("_"))}
    stems = words | {stem(word) for word in words}
    if stems & term:
        return True
    long = [word for word in term if len(word) > 5]
    return any(difflib.get_close_matches(word, stems, n=1, cutoff=0.88) for word in long)


def _quoted(event: Mapping[str, Any]) -> str:
    text = " ".join(str(event["content"]).split())
    text = text if len(text) <= QUOTED else text[: QUOTED - 1] + "…"
    return f'- {str(event.get("stage") or "run").replace("_", " ")}: "{text}"'


def _nothing(question: str) -> str:
    shown = " ".join(question.split())
    shown = shown if len(shown) <= 80 else shown[:79] + "…"
    return f"The record of this run holds no answer to: {shown} %agent show ID shows all of it."
