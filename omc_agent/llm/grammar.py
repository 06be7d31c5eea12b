"""An English goal read into a `Brief` by rules: no model, no network, the same goal always read the same.

Readers go over the goal one after another. Each takes the words it understands and leaves the rest; what no
reader took is listed as unread, what was taken without being said is listed as assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

from omc_agent.brief import (
    CLASSIFIERS,
    PRICE_TABLE,
    PRICE_TARGETS,
    REGRESSORS,
    Brief,
    ModelName,
    Task,
    format_duration,
)
from omc_agent.errors import GoalError
from omc_agent.llm import lexicon
from omc_agent.llm.lexicon import Hit, Words, nearest, stem
from omc_agent.llm.spans import (
    DEFAULT_SPAN,
    Market,
    Span,
    bar_length,
    count_at,
    newest_bar,
    oldest_bar,
    read_bar_size,
    read_horizon,
    read_span,
)

__all__ = ["Question", "Reading", "Span", "nearest", "read_goal"]

DEFAULT_HORIZON = timedelta(hours=1)
CLASS_METRICS = ("roc_auc", "accuracy", "precision", "recall", "f1", "pr_auc", "brier")
NUMBER_METRICS = ("mae", "rmse", "r2", "mase")


@dataclass(frozen=True)
class Question:
    """What a person should be asked; every option, and the default, is a value that the brief's `field` takes.

    A field that holds a list takes its values joined by commas.
    """

    field: str
    question: str
    context: str
    options: list[str]
    default: str


@dataclass(frozen=True)
class Reading:
    """A goal as it was read.

    Parameters
    ----------
    brief : Brief
        The goal in the words of the field, defaults filled in.
    notes : list of str
        Sentences on what was taken how.
    questions : list of Question
        At most three; the brief already holds their defaults.
    unknown_coins : list of str
        Those of ``brief.coins`` that the market lacks; without a market, those that the lexicon lacks.
    span : Span or None
        The span in the person's terms, to be resolved when a market is at hand; None for a table without time.
    """

    brief: Brief
    notes: list[str]
    questions: list[Question]
    unknown_coins: list[str]
    span: Span | None

    @property
    def span_days(self) -> float | None:
        """Length of the span in days where that needs no newest bar, else None."""
        return self.span.days if self.span else None


@dataclass
class _Draft:
    """What the readers share while one goal is read."""

    words: Words
    market: Market
    has_market: bool
    notes: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)

    @property
    def coins(self) -> dict[str, int]:
        """Rows by coin, in the market's order."""
        return {coin.upper(): int(fact.get("rows") or 0) for coin, fact in (self.market.get("coins") or {}).items()}

    @property
    def columns(self) -> list[str]:
        return [str(column) for column in self.market.get("columns") or []]

    @property
    def has_no_time(self) -> bool:
        """Whether the market is a table of rows, not of bars."""
        return self.has_market and not self.coins

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def assume(self, *names: str) -> None:
        self.assumed.extend(name for name in names if name not in self.assumed)

    def refuse(self, hits: list[Hit[bool]], sentence: str) -> None:
        """Leave what the hits name among the unread, and say why."""
        for hit in hits:
            self.note(sentence.format(self.words.text(hit.start, hit.stop)))
            self.words.refuse(hit.start, hit.stop)


@dataclass(frozen=True)
class _Cues:
    """Hints on the task, all over the goal."""

    explores: bool
    predicts: bool
    asks_class: bool
    asks_number: bool
    asks_what: bool

    @property
    def is_task(self) -> bool:
        """Whether the goal says to predict or to explore."""
        return self.explores or self.predicts


def read_goal(
    goal: str, market: Market | None = None, table: str | None = None, target: str | None = None
) -> Reading:
    """Read a goal.

    Parameters
    ----------
    goal : str
        What the person typed, in English.
    market : dict, optional
        What the table holds: `table`, `bar_minutes`, `columns`, `coins` (symbol -> `rows`, `start`, `end`) and
        `newest` (ISO 8601 UTC, open time of the newest bar). With it the span gets dates; no `coins` means a
        table without bars.
    table, target : str, optional
        The table and the target column where something other than the goal names them; they win.

    Returns
    -------
    Reading

    Raises
    ------
    GoalError
        ``goal.empty`` when there are no words; ``goal.unread`` when no coin, target or task could be read.

    Examples
    --------
    >>> reading = read_goal("Predict whether BTC rises over the next 30 minutes, using tweets")
    >>> reading.brief.coins, reading.brief.horizon, reading.brief.assumed, reading.brief.unread
    (['BTC'], 'PT30M', ['metric', 'start', 'end'], ['tweets'])
    """
    words = Words(goal)
    if not any(token.kind == "word" for token in words.tokens):
        raise _empty()
    draft = _Draft(words, market or {}, bool(market))
    table_name, named_table = _read_table(draft, table)
    column = _read_column(draft, target, named_table)
    algorithms = _read_models(draft)
    indicators = _read_indicators(draft)
    metrics = _read_metrics(draft)
    threshold = None if column else _read_threshold(draft)
    cues = _read_cues(draft, bool(algorithms.asked))
    span, horizon = _read_times(draft, cues)
    coins, unknown = _read_coins(draft, column)
    price_target = None if column else _read_target(draft, cues, threshold)
    if target in PRICE_TARGETS and not column:
        price_target, threshold = target, _given_threshold(draft, str(target), threshold)
    if not (coins or column or price_target) and (not cues.is_task or _stranger(draft)):
        raise _unread(goal, _stranger(draft))
    task, about = _settle_task(draft, cues, column, price_target, metrics, algorithms.asked)
    coins = coins if coins or column or draft.has_no_time else _default_coins(draft)
    chosen, avoid_models = _settle_models(draft, task, algorithms)
    metric = _settle_metric(draft, task, metrics)
    if column is None and not draft.has_no_time:
        span = span or _default_span(draft)
    start, end, span = _settle_span(draft, span, coins)
    brief = Brief.model_validate(
        {
            "task": task,
            "coins": coins,
            "table": table_name,
            "start": start,
            "end": end,
            "horizon": format_duration(_settle_horizon(draft, horizon)),
            "target": about,
            "threshold": threshold if about == "threshold" else None,
            "models": chosen,
            "avoid_models": avoid_models,
            "indicators": indicators,
            "metric": metric,
            "assumed": draft.assumed,
            "unread": words.left(),
        }
    )
    return Reading(brief, draft.notes, draft.questions[:3], unknown, span)


def _stranger(draft: _Draft) -> str | None:
    """What is to be predicted where it is named, but is nothing known: "predict the weather"."""
    words = draft.words
    if draft.has_no_time:
        return None
    for i in range(len(words)):
        if words.said(i) in lexicon.PREDICT - {"train"}:
            k = i + 1
            while words.said(k) in ("the", "a", "an", "whether", "if", "when", "my", "how", "what", "is", "of"):
                k += 1
            if words.is_free(k) and words.tokens[k].kind == "word" and words.low(k) not in lexicon.STOP:
                return words.tokens[k].text
    return None


def _empty() -> GoalError:
    return GoalError(
        "goal.empty",
        given="The goal has no words in it.",
        have="A goal names a coin or a table, and what to find out.",
        try_="Try: Predict whether BTC rises over the next hour, using the last 90 days.",
    )


def _unread(goal: str, stranger: str | None) -> GoalError:
    shown = " ".join(goal.split())
    have = "No coin, target or task could be read from it."
    if stranger:
        have = f"{stranger!r} is no coin, no target made from prices, and no column that is known."
    return GoalError(
        "goal.unread",
        given=f"The goal was: {shown if len(shown) <= 80 else shown[:77] + '...'!r}.",
        have=have,
        try_="Try: Predict whether BTC rises over the next hour; or: Predict churn from the table customers.",
    )


# --- table and column ----------------------------------------------------------------------------------------


def _read_table(draft: _Draft, given: str | None) -> tuple[str, bool]:
    """Name of the table, and whether the goal itself names it."""
    words, at_hand = draft.words, str(draft.market.get("table") or PRICE_TABLE)
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
    taken = lexicon.STOP | lexicon.PREDICT | lexicon.EXPLORE | {"price", "prices", "named", "called"}
    return low not in taken


def _read_column(draft: _Draft, given: str | None, named_table: bool) -> str | None:
    """The target column; None where the target is made from bars."""
    words = draft.words
    if given:
        for hit in words.hits(lexicon.phrases({given: True})) if _words_in(given) else []:
            words.take(hit.start, hit.stop)
        return None if given in PRICE_TARGETS and not draft.has_no_time else given
    hits = words.hits(lexicon.phrases({c: c for c in draft.columns if _words_in(c) and "|" not in c}))
    cued = [hit for hit in hits if "column" in (words.low(hit.start - 1), words.low(hit.stop))]
    if draft.has_no_time:
        after_verb = [h for h in hits if words.said(h.start - 1) in lexicon.PREDICT | {"whether", "the", "target"}]
        plain = [h for h in hits if not _is_input(words, h.start)]
        cued = cued or after_verb[:1] or plain
    if cued:
        words.take(cued[0].start, cued[0].stop)
        return cued[0].value
    return _column_by_place(words, named_table and not draft.has_market)


def _words_in(name: str) -> bool:
    return any(token.kind != "mark" for token in lexicon.tokenize(name))


def _column_by_place(words: Words, beside_table: bool) -> str | None:
    """Read "column y" anywhere; next to a table nobody has looked into, also the word after "predict"."""
    for i in range(len(words)):
        k = i + 1 + (words.low(i + 1) in ("the", "whether", "if"))
        leads = words.low(i) == "column" or (beside_table and words.low(i) in lexicon.PREDICT - {"train"})
        if leads and words.is_free(k) and words.tokens[k].kind == "word" and words.low(k) not in lexicon.STOP:
            words.take(i)
            words.take(k)
            return words.tokens[k].text
    return None


# --- algorithms, indicators, metrics ---------------------------------------------------------------------------

_NOT = {"without", "no", "not", "avoid", "avoiding", "except", "excluding", "exclude", "don't", "dont", "never"}
_NOT |= {"skip", "ignore", "omit", "rather", "instead", "drop", "nor", "doesn't", "neither", "minus"}
_YES = {"with", "use", "using", "via", "but", "only", "just", "by", "prefer", "including", "include", "try", "fit"}
_YES |= {"train", "compare", ";", ".", ":", "add", "want"}
_JOINERS = {",", "and", "or", "nor", "/", "&", "+", "a", "an", "the", "any"}


def _wanted(words: Words, spots: list[tuple[int, int]]) -> list[bool]:
    """For each item (its first token, and the token after it) whether the goal asks for it or rules it out."""
    answers: list[bool] = []
    for k, (start, _) in enumerate(spots):
        floor = spots[k - 1][1] if k else max(0, start - 5)
        answer = _nearest_cue(words, start, floor)
        if answer is None and k and _continues(words, spots, k, answers[-1]):
            answer = answers[-1]
        answers.append(answer is not False)
    return answers


def _nearest_cue(words: Words, start: int, floor: int) -> bool | None:
    for i in range(start - 1, floor - 1, -1):
        low, before = words.said(i), words.said(i - 1)
        if low in _NOT:
            words.take(i)
            return False
        if low in _YES:
            if before in _NOT or (low == "but" and before in ("anything", "everything", "all")):
                words.take(i - 1)
                return False
            return True
    return None


def _continues(words: Words, spots: list[tuple[int, int]], k: int, last: bool) -> bool:
    # "without RSI, MACD and EMA" rules out three; "no trees, logistic regression" only the first.
    gaps = [[words.said(i) for i in range(spots[n - 1][1], spots[n][0])] for n in range(k, len(spots))]
    if not set(gaps[0]) <= _JOINERS:
        return False
    if last or {"or", "and", "nor", "/", "&", "+"} & set(gaps[0]):
        return True
    for gap in gaps:
        if not set(gap) <= _JOINERS:
            return False
        if {"or", "and", "nor"} & set(gap):
            return True
    return False


@dataclass(frozen=True)
class _Algorithms:
    """Algorithms asked for and ruled out; whether a simple one, or every one, is wanted."""

    asked: list[ModelName]
    avoided: list[ModelName]
    simple: bool
    every: bool


def _read_models(draft: _Draft) -> _Algorithms:
    words = draft.words
    strangers = words.hits(lexicon.OTHER_MODELS)
    hits = words.hits(lexicon.MODELS)
    hits = [h for h in hits if not any(h.start < s.stop and s.start < h.stop for s in strangers)]
    spots = sorted([(h.start, h.stop) for h in hits] + [(s.start, s.stop) for s in strangers])
    wanted = dict(zip(spots, _wanted(words, spots), strict=True))
    there = ", ".join(dict.fromkeys((*CLASSIFIERS, *REGRESSORS)))
    draft.refuse(strangers, "There is no {} here; the algorithms are " + there + ".")
    asked: list[ModelName] = []
    avoided: list[ModelName] = []
    for hit in hits:
        (asked if wanted[hit.start, hit.stop] else avoided).extend(hit.value)
        words.take(hit.start, hit.stop)
    simple, every = words.hits(lexicon.SIMPLE_MODEL), words.hits(lexicon.EVERY_MODEL)
    for plain in (*simple, *every):
        words.take(plain.start, plain.stop)
    return _Algorithms(list(dict.fromkeys(asked)), list(dict.fromkeys(avoided)), bool(simple), bool(every))


def _read_indicators(draft: _Draft) -> list[str]:
    """The indicators to compute; an empty list leaves the choice to the tool."""
    words = draft.words
    strangers = words.hits(lexicon.OTHER_INDICATORS)
    hits = words.hits(lexicon.INDICATORS)
    spots = sorted([(h.start, h.stop) for h in hits] + [(s.start, s.stop) for s in strangers])
    wanted = dict(zip(spots, _wanted(words, spots), strict=True))
    draft.refuse(strangers, "There is no {} here; the indicators are " + ", ".join(lexicon.ALL_INDICATORS) + ".")
    asked = list(dict.fromkeys(hit.value for hit in hits if wanted[hit.start, hit.stop]))
    avoided = {hit.value for hit in hits if not wanted[hit.start, hit.stop]}
    for hit in hits:
        words.take(hit.start, hit.stop)
        _refuse_window(draft, hit.start, hit.stop)
    return _settle_indicators(draft, asked, avoided)


def _settle_indicators(draft: _Draft, asked: list[str], avoided: set[str]) -> list[str]:
    words = draft.words
    every = words.hits(lexicon.ANY_INDICATOR)
    spots = [(hit.start, hit.stop) for hit in every]
    none_at_all = not asked and False in _wanted(words, spots)
    if none_at_all:
        draft.refuse(every, "Leaving out all {} is not possible; they are computed.")
    for hit in every:
        words.take(hit.start, hit.stop)
    if both := sorted(avoided & set(asked)):
        draft.note(f"The goal both asks for and rules out {', '.join(both)}; left out.")
    if asked:
        return [name for name in asked if name not in avoided]
    if avoided:
        rest = [name for name in lexicon.ALL_INDICATORS if name not in avoided]
        draft.note(f"Without {', '.join(sorted(avoided))}, the other indicators are taken: {', '.join(rest)}.")
        return rest
    return list(lexicon.ALL_INDICATORS) if every and not none_at_all else []


def _refuse_window(draft: _Draft, start: int, stop: int) -> None:
    """Mark a window such as RSI(14), 14-period RSI or 20-day SMA as not served."""
    words = draft.words
    k = stop + (words.said(stop) == "(")
    if (
        words.is_free(k)
        and words.tokens[k].kind == "number"
        and (k > stop or stem(words.said(k + 1)) not in _TIME_WORDS)
    ):
        windows = [(k, k + 1)]
    elif stem(words.said(start - 1)) in _TIME_WORDS and words.is_free(start - 2):
        windows = [(start - 2, start)] if words.tokens[start - 2].kind == "number" else []
    else:
        return
    for first, last in windows:
        draft.note(f"The window {words.text(first, last)} was left out: an indicator's windows are the tool's own.")
        words.refuse(first, last)


_TIME_WORDS = {"period", "day", "hour", "minute", "bar", "week", "h", "d", "m", "min", "%", "percent", "candle"}


def _read_metrics(draft: _Draft) -> list[str]:
    """Metrics in the order they are named."""
    words = draft.words
    strangers = words.hits(lexicon.OTHER_METRICS)
    there = ", ".join((*CLASS_METRICS, *NUMBER_METRICS))
    draft.refuse(strangers, "{} is not among the metrics here: " + there + ".")
    hits = words.hits(lexicon.METRICS)
    for hit in hits[:1]:
        words.take(hit.start, hit.stop)
    for hit in hits[1:]:
        if hit.value == hits[0].value:
            words.take(hit.start, hit.stop)
            continue
        draft.note(f"One metric decides: {hits[0].value}; {words.text(hit.start, hit.stop)} was left out.")
        words.refuse(hit.start, hit.stop)
    return [hit.value for hit in hits[:1]]


# --- what is asked ---------------------------------------------------------------------------------------------

_PROBABILITY = {"whether", "probability", "chance", "chances", "likelihood", "odds", "classify", "classification"}
_NUMBER = {"regress", "regression", "level", "levels", "magnitude", "size", "exact", "amount", "number"}
_HOW = {"much", "many", "high", "low", "far", "volatile", "big", "large", "strongly"}


def _read_cues(draft: _Draft, has_models: bool) -> _Cues:
    words = draft.words
    said = [words.low(i) for i in range(len(words))]
    here = set(said)
    opens = {said[i] for i in range(len(said)) if i == 0 or words.said(i - 1) in (",", ".", ";", ":")}
    will = bool(here & {"will", "going", "gonna"})
    asks_class = bool(here & (_PROBABILITY | {"classifier"}))
    how = any(a == "how" and b in _HOW for a, b in pairwise(said))
    asks_number = not asks_class and (bool(here & _NUMBER) or how)
    asks_what = not asks_class and bool(here & {"what", "what's"})
    predicts = bool(here & lexicon.PREDICT) or has_models
    compares = "compare" in here or "comparison" in here or "comparing" in here
    explores = not predicts and not will and bool(here & lexicon.EXPLORE or (compares and "whether" not in here))
    for i, low in enumerate(said):
        if low in lexicon.PREDICT | lexicon.EXPLORE | _PROBABILITY | _NUMBER or (how and low in _HOW - {"volatile"}):
            words.take(i)
    asks_class = asks_class or bool(opens & {"will", "is", "does", "are"})
    return _Cues(explores, predicts and bool(here & lexicon.PREDICT), asks_class, asks_number, asks_what)


_PERCENT = {("%",): 0.01, ("percent",): 0.01, ("per", "cent"): 0.01, ("pct",): 0.01, ("percentage", "point"): 0.01}
_PERCENT |= {("bps",): 1e-4, ("bp",): 1e-4, ("basis", "point"): 1e-4}
_BEFORE = {"by", "of", "a", "an", "at", "least", "more", "than", "over", "about", "around", "roughly", "some", "the"}
_BEFORE |= {"above", "below", "beyond", "in", "price", "value", "it", "its", "or", "greater", "another", "to"}
_AFTER = {"or", "more", "in", "a", "price", "to", "the"}
_BEYOND = {
    "exceed": 1,
    "exceeds": 1,
    "above": 1,
    "over": 1,
    "greater": 1,
    "more": 1,
    "below": -1,
    "under": -1,
    "less": -1,
}


def _read_threshold(draft: _Draft) -> float | None:
    """The signed fraction of "rise by 2%", "a 3 percent drop", "falls 50 bps"; the first one named."""
    words, threshold = draft.words, None
    for i in range(len(words)):
        share, stop = _percent_at(words, i)
        if share is None:
            continue
        move = _move_beside(words, i, stop)
        if move is None or threshold is not None or not -1 < share * (move[0] or 1) <= 10 or share == 0:
            if move is None or share != 0:
                words.refuse(i, stop)
                draft.note(f"{words.text(i, stop)} was not read as a threshold.")
            else:
                words.take(i, stop)
            continue
        sign, first, last = move
        threshold = share if share < 0 else share * (sign or 1)
        if sign == 0 and share > 0 and words.tokens[i].text[0] != "+":
            _ask_side(draft, share, words.text(min(first, i), max(last, stop)))
        words.take(min(first, i), max(last, stop))
        draft.note(f"A threshold of {100 * threshold:+g} % counts as reached when it is touched within the horizon.")
    return threshold


def _percent_at(words: Words, i: int) -> tuple[float | None, int]:
    number = words.tokens[i].number if words.is_free(i) else None
    number = count_at(words, i) if number is None else number
    if number is None:
        return None, i
    for unit, scale in _PERCENT.items():
        stop = i + 1 + len(unit)
        if all(stem(words.low(i + 1 + k)) == stem(part) for k, part in enumerate(unit)):
            return round(number * scale, 12), stop
    return None, i


def _move_beside(words: Words, i: int, stop: int) -> tuple[int, int, int] | None:
    """Sign of the move that a percentage belongs to, and the tokens from the move to its end."""
    k = i - 1
    while k > i - 6 and words.low(k) in _BEFORE and lexicon.move_sign(words.low(k)) is None:
        k -= 1
    if (sign := lexicon.move_sign(words.low(k))) is not None:
        both = _names_both(words, k, sign)
        return (0 if both else sign), k - 2 * both, stop
    k = stop
    while k < stop + 3 and words.low(k) in _AFTER:
        k += 1
    if (sign := lexicon.move_sign(words.low(k))) is not None:
        return sign, i, k + 1
    for n in (i - 1, i - 2):
        if words.said(n) in _BEYOND and any(stem(words.said(m)) in ("return", "change") for m in range(n)):
            return _BEYOND[words.said(n)], n, stop
    if words.low(i - 1) == "by" or words.tokens[i].text[0] in "+-":
        signs = [s for m in range(i) if (s := lexicon.move_sign(words.low(m))) is not None]
        if signs or words.tokens[i].text[0] in "+-":
            return (signs[-1] if signs else 0), i, stop
    return None


def _names_both(words: Words, k: int, sign: int) -> bool:
    """Whether the move at `k` ends a pair such as "rise or fall"."""
    other = lexicon.move_sign(words.low(k - 2))
    return words.low(k - 1) in ("or", "/") and other is not None and other != sign


def _given_threshold(draft: _Draft, target: str, threshold: float | None) -> float | None:
    if target != "threshold" or threshold is not None:
        return threshold
    draft.assume("threshold")
    draft.note("The goal names no threshold; a rise of 1 % is taken.")
    return 0.01


def _ask_side(draft: _Draft, share: float, said: str) -> None:
    draft.note(f"'{said}' does not say which way; a rise is taken.")
    draft.assume("threshold")
    draft.questions.append(
        Question(
            field="threshold",
            question=f"A move of {100 * share:g} % up, or down?",
            context=f"The goal says '{said}'; one model learns one side.",
            options=[f"{share:g}", f"{-share:g}"],
            default=f"{share:g}",
        )
    )


_BETWEEN = {"past", "historical", "recent", "lagged", "the", "its", "their", "previous", "own", "only", "on", "and"}
_BETWEEN |= {"raw", "just", "hourly", "daily", "coin", "last"}
_SOFT = {"positive", "negative", "high", "low", "elevated", "calm", "spike", "spikes", "large", "big", "sign", "way"}


def _is_input(words: Words, i: int) -> bool:
    """Whether the word at `i` is something to learn from: "using past returns"."""
    k = i - 1
    while k > i - 6 and _is_between(words.said(k)):
        k -= 1
    return words.said(k) in lexicon.INPUTS


def _is_between(low: str) -> bool:
    key = (stem(low),)
    return low in _BETWEEN or low.upper() in lexicon.COINS or key in lexicon.COIN_NAMES or key in lexicon.TARGETS


def _read_target(draft: _Draft, cues: _Cues, threshold: float | None) -> str | None:
    """Which of the targets made from bars the goal is about."""
    words, names = draft.words, list[str]()
    for hit in words.hits(lexicon.TARGETS):
        is_data = stem(words.low(hit.stop)) in ("history", "data", "bar", "candle") or words.low(hit.stop) == "table"
        is_data = is_data or _is_input(words, hit.start)
        if (
            names
            and not is_data
            and hit.value not in names
            and words.said(hit.start - 1) in ("and", "or", ",", "/", "&")
        ):
            draft.note(f"One run has one target; {words.text(hit.start, hit.stop)} was left out.")
            words.refuse(hit.start, hit.stop)
        elif not is_data:
            names.append(hit.value)
            words.take(hit.start, hit.stop)
        elif hit.value in ("price", "return"):
            words.take(hit.start, hit.stop)
        else:
            words.refuse(hit.start, hit.stop)
    signs = {sign for i in range(len(words)) if (sign := lexicon.move_sign(words.low(i))) is not None}
    soft = {words.low(i) for i in range(len(words))} & _SOFT
    target = _pick_target(names, cues, threshold, bool(signs), bool(soft))
    if target is None:
        return None
    for i in range(len(words)):
        if lexicon.move_sign(words.low(i)) is not None or (
            words.low(i) in _SOFT and target in ("direction", "volatility")
        ):
            words.take(i)
    if target == "direction" and -1 in signs and 1 not in signs:
        draft.note("The label is 1 when the close is higher at the horizon; a fall is the same model read as 0.")
    return target


def _pick_target(names: list[str], cues: _Cues, threshold: float | None, moved: bool, soft: bool) -> str | None:
    if threshold is not None:
        return "threshold"
    if "volatility" in names:
        return "volatility"
    if "return" in names:
        return (
            "direction"
            if not (cues.asks_number or cues.asks_what) and (soft or (moved and cues.asks_class))
            else "return"
        )
    if "direction" in names:
        return "direction"
    if moved:
        return "return" if cues.asks_number else "direction"
    return "price" if "price" in names else None


def _settle_task(
    draft: _Draft,
    cues: _Cues,
    column: str | None,
    price_target: str | None,
    metrics: list[str],
    models: list[ModelName],
) -> tuple[Task, str]:
    """Task and target, each as said, as implied by the other, or as assumed."""
    number = cues.asks_number or any(metric in NUMBER_METRICS for metric in metrics)
    only_numbers = bool(models) and not set(models) & set(CLASSIFIERS)
    if column or draft.has_no_time:
        return _column_task(draft, cues, column, number or only_numbers)
    if cues.explores:
        if price_target is None:
            draft.assume("target")
        return "analysis", price_target or "direction"
    if price_target is None:
        return _default_target(draft, cues, number or only_numbers)
    if price_target == "volatility":
        number = number or cues.asks_what
        if not number and not cues.asks_class:
            draft.assume("task")
        if not number:
            draft.note("Volatility is predicted as a class: above its median over the development rows, or not.")
        return ("regression" if number else "classification"), price_target
    return ("regression" if price_target in ("return", "price") else "classification"), price_target


def _default_target(draft: _Draft, cues: _Cues, number: bool) -> tuple[Task, str]:
    draft.assume("target")
    if number:
        draft.note("The goal asks for a number but not for which: the return is taken.")
        return "regression", "return"
    if not cues.asks_class:
        draft.assume("task")
    draft.questions.append(
        Question(
            field="target",
            question="What is to be predicted?",
            context="The goal does not say; for a number, write 'return' or 'price' into the goal.",
            options=["direction", "volatility"],
            default="direction",
        )
    )
    return "classification", "direction"


def _column_task(draft: _Draft, cues: _Cues, column: str | None, number: bool) -> tuple[Task, str]:
    if cues.explores:
        if column is None:
            draft.assume("target")
        return "analysis", column or (draft.columns or ["direction"])[-1]
    if column is None and draft.columns:
        left = draft.words.left()
        close = [name for word in left for name in nearest(word, draft.columns)]
        column = (close or draft.columns)[-1 if not close else 0]
        draft.assume("target")
        options = list(dict.fromkeys([column, *draft.columns]))[:6]
        draft.questions.append(
            Question("target", "Which column is to be predicted?", "The goal names none of them.", options, column)
        )
    kind = (draft.market or {}).get("kinds", {}).get(column)
    number = number or (kind == "number" and not cues.asks_class)
    if not number and not cues.asks_class and kind is None:
        draft.assume("task")
        draft.questions.append(
            Question(
                field="task",
                question=f"Is {column} a class or a number?",
                context="The goal does not say.",
                options=["classification", "regression"],
                default="classification",
            )
        )
    return ("regression" if number else "classification"), column or "direction"


# --- algorithms and metric that fit the task -------------------------------------------------------------------


def _settle_models(draft: _Draft, task: Task, read: _Algorithms) -> tuple[list[ModelName], list[ModelName]]:
    if task == "analysis":
        return read.asked, read.avoided
    fitting: tuple[str, ...] = CLASSIFIERS if task == "classification" else REGRESSORS
    stand_in: ModelName = "logistic_regression" if task == "classification" else "linear"
    models: list[ModelName] = []
    for name in [*read.asked, *([stand_in] if read.simple else [])]:
        if name not in fitting:
            draft.note(f"{name} is not made for {task}; {stand_in} is taken.")
        models.append(name if name in fitting else stand_in)
    avoid = list(read.avoided)
    if read.every:
        models += [name for name in _model_names(fitting) if name not in avoid]
    if "linear" in avoid and stand_in not in avoid:
        draft.note(f"For {task} the linear model is {stand_in}; left out.")
        avoid.append(stand_in)
    models = list(dict.fromkeys(models))
    clash = [name for name in models if name in avoid]
    if not clash:
        return models, avoid
    rest = [name for name in models if name not in avoid]
    rest = rest or [name for name in _model_names(fitting) if name not in avoid]
    draft.note(f"The goal both asks for and rules out {', '.join(clash)}; left out.")
    draft.assume("models")
    draft.questions.append(
        Question(
            field="models",
            question=f"With or without {', '.join(clash)}?",
            context="The goal both asks for it and rules it out.",
            options=[", ".join(rest), ", ".join(dict.fromkeys([*clash, *(m for m in models if m in rest)]))],
            default=", ".join(rest),
        )
    )
    return rest, avoid


def _model_names(names: tuple[str, ...]) -> list[ModelName]:
    return list(dict.fromkeys(name for hit in lexicon.MODELS.values() for name in hit if name in names))


def _settle_metric(draft: _Draft, task: Task, metrics: list[str]) -> str:
    fitting = NUMBER_METRICS if task == "regression" else CLASS_METRICS
    if metrics and metrics[0] in fitting:
        return metrics[0]
    draft.assume("metric")
    if metrics and task != "analysis":
        draft.note(f"{metrics[0]} does not measure a {task}; {fitting[0]} is taken.")
        draft.questions.append(
            Question(
                field="metric",
                question=f"Which metric, as {metrics[0]} does not fit?",
                context=f"The goal asks for a {task}, and {metrics[0]} does not measure one.",
                options=list(fitting),
                default=fitting[0],
            )
        )
    return fitting[0]


# --- times -----------------------------------------------------------------------------------------------------


def _read_times(draft: _Draft, cues: _Cues) -> tuple[Span | None, list[timedelta]]:
    words, bar = draft.words, bar_length(draft.market)
    size = read_bar_size(words, bar)
    if size is not None and size[1] != bar:
        draft.note(f"'{size[0]}' was left out: the bars are of {bar / timedelta(minutes=1):g} minutes.")
    span, notes = read_span(words, bar=bar, exploring=cues.explores)
    horizons, history = read_horizon(words, bar=bar)
    for sentence in notes:
        draft.note(sentence)
    if history is not None and span is None:
        draft.note(f"'{history.words}' is taken as the history to learn from, as the horizon is the shorter time.")
    for i, token in enumerate(words.tokens):
        if words.is_free(i) and token.kind in ("odd", "date"):
            draft.note(f"'{token.text}' was not read as a date; write dates as 2024-06-01.")
    return span or history, horizons


def _settle_horizon(draft: _Draft, horizons: list[timedelta]) -> timedelta:
    if not horizons:
        draft.assume("horizon")
        return DEFAULT_HORIZON
    bar = bar_length(draft.market)
    if len(horizons) > 1:
        draft.assume("horizon")
        names = [format_duration(horizon) for horizon in horizons]
        draft.note(f"The goal names {len(horizons)} horizons; {names[0]} is taken.")
        draft.questions.append(
            Question("horizon", "Which horizon?", "One run has one horizon.", names[:4], default=names[0])
        )
    horizon = horizons[0]
    bars = -(-horizon // bar)
    if draft.coins and bars * bar != horizon:
        whole = format_duration(bars * bar)
        draft.note(f"A horizon of {format_duration(horizon)} is no whole number of bars; {whole} is taken.")
        draft.assume("horizon")
        horizon = bars * bar
    return horizon


def _default_span(draft: _Draft) -> Span:
    draft.assume("start", "end")
    return DEFAULT_SPAN


def _settle_span(draft: _Draft, span: Span | None, coins: list[str]) -> tuple[str | None, str | None, Span | None]:
    """Dates where a newest bar is known, and the span, turned round where it ends before it starts."""
    if span is None:
        return None, None, None
    newest = newest_bar(draft.market, coins)
    turned = _turned(draft, span)
    if newest is None:
        return None, None, turned
    start, end = turned.resolve(draft.market, coins)
    shown = f"{newest:%Y-%m-%d %H:%M} UTC"
    if turned.back is not None and turned.end is None:
        lead = "No span is named; " if turned is DEFAULT_SPAN else ""
        draft.note(f"{lead}{turned.words} counts back from the newest bar, {shown}.")
    elif start and end:
        draft.note(
            f"'{turned.words}' is taken as {start[:16].replace('T', ' ')} to {end[:16].replace('T', ' ')} UTC."
        )
    oldest = oldest_bar(draft.market, coins)
    if start and oldest and start < oldest.isoformat():
        draft.note(f"The bars begin only at {oldest:%Y-%m-%d %H:%M} UTC.")
    if end and end > (newest + bar_length(draft.market)).isoformat():
        draft.note(f"The newest bar is of {shown}, before the span ends.")
    return start, end, turned


def _turned(draft: _Draft, span: Span) -> Span:
    newest = newest_bar(draft.market)
    if span.start is None or (newest is None and not span.is_absolute):
        return span
    limit = (newest + bar_length(draft.market)) if newest else None
    start, end = span.ends(newest, limit)
    if start is None or start < end:
        return span
    if span.end is None:
        draft.note(f"'{span.words}' starts after the newest bar.")
        return span
    draft.assume("start", "end")
    turned = span.turned()
    draft.note(f"'{span.words}' ends before it starts; the two dates are taken the other way round.")
    start, end = turned.ends(newest, limit)
    if start is None or start >= end:
        draft.note("The span is empty; the last 90 days are taken.")
        turned = DEFAULT_SPAN
        return turned
    options = [start.isoformat(), (end - timedelta(days=90)).isoformat()]
    draft.questions.append(
        Question(
            field="start",
            question="Where does the span start?",
            context=f"The goal says '{span.words}', which holds no bar; the span ends at {end.isoformat()}.",
            options=list(dict.fromkeys(options)),
            default=options[0],
        )
    )
    return turned


# --- coins -----------------------------------------------------------------------------------------------------


def _read_coins(draft: _Draft, column: str | None) -> tuple[list[str], list[str]]:
    """Coins asked for, and those of them that are not at hand."""
    words, there = draft.words, draft.coins
    if column and not there:
        return [], []
    known = set(there) | set(lexicon.COINS)
    shouting = lexicon.is_shouting(words)
    hits = lexicon.coin_hits(words, known, shouting)
    wanted = _wanted(words, [(hit.start, hit.stop) for hit in hits]) if hits else []
    for hit in hits:
        words.take(hit.start, hit.stop)
    strangers = [] if column or shouting else lexicon.stranger_hits(words)
    for hit in strangers:
        words.take(hit.start, hit.stop)
    named = sorted(
        [*zip(hits, wanted, strict=True), *((hit, True) for hit in strangers)], key=lambda pair: pair[0].start
    )
    coins = list(dict.fromkeys(hit.value for hit, is_wanted in named if is_wanted))
    outs = {hit.value for hit, is_wanted in named if not is_wanted}
    groups = words.hits(lexicon.COIN_GROUPS)
    for group in groups:
        words.take(group.start, group.stop)
    if groups and there:
        coins = [coin for coin in there if coin not in outs]
    elif groups and not coins:
        draft.note("'All coins' is resolved when a database is at hand.")
    coins = [coin for coin in coins if coin not in outs] or (
        _misspelt(draft, known) if not (column or groups) else []
    )
    unknown = [coin for coin in coins if coin not in (there or lexicon.COINS)]
    for coin in unknown:
        close = nearest(coin, there or lexicon.COINS)
        where = "is not in the table" if there else "is no coin that is known here"
        draft.note(f"{coin} {where}" + (f"; nearest: {', '.join(close)}." if close else "."))
    return coins, unknown


def _misspelt(draft: _Draft, known: set[str]) -> list[str]:
    """A coin that is nearly spelt ("bitcion"), or that only its ending gives away ("foocoin")."""
    words = draft.words
    for i, token in enumerate(words.tokens):
        if not words.is_free(i) or token.kind != "word" or len(token.low) < 5 or token.low in lexicon.STOP:
            continue
        name = lexicon.near_coin(token.low, known)
        if name:
            draft.note(f"'{token.text}' is taken as {name}.")
            draft.assume("coins")
            words.take(i)
            return [name]
        if token.low.endswith("coin"):
            words.take(i)
            return [token.low.upper()]
    return []


def _default_coins(draft: _Draft) -> list[str]:
    """The coin to take when the goal names none."""
    there = draft.coins
    if any("'All coins'" in sentence for sentence in draft.notes):
        return []
    draft.assume("coins")
    if len(there) == 1:
        return list(there)
    default = "BTC" if "BTC" in there or not there else max(there, key=lambda coin: there[coin])
    draft.note(f"The goal names no coin; {default} is taken.")
    largest = sorted(there, key=lambda coin: -there[coin])
    options = list(dict.fromkeys([default, *largest, "BTC", "ETH"] if not there else [default, *largest]))[:4]
    if 1 < len(there) <= 10:
        options.append(", ".join(there))
    draft.questions.insert(0, Question("coins", "Which coin?", "The goal names none.", options, default=default))
    return [default]
