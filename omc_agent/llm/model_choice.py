"""Which algorithms are tried, and why, from the task and the size of the data; and the simple ones beside them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from omc_agent.brief import CLASSIFIERS, REGRESSORS, Brief
from omc_agent.candidate import SIMPLE_LINEAR, SIMPLE_TREE, SMALL_TREES
from omc_agent.naming import model_name

# What is tried when the person names none. Linear first: at these sizes it matches or beats tuned trees.
DEFAULT_CLASSIFIERS = ("logistic_regression", "random_forest", "gradient_boosting", "xgboost")
DEFAULT_REGRESSORS = ("ridge", "random_forest", "gradient_boosting", "xgboost")
FEW_ROWS = 500
# Below this many rows a forest of values is whole: it takes a second, and sees what a line does not.
FULL_FOREST_ROWS = 2_000
_ROWS_A_COLUMN = 5
_COLUMNS_A_TEXT = 10

_LINEAR = ("logistic_regression", "linear", "ridge", "lasso")
_WHY = {
    "logistic_regression": "linear, hard to overfit, and what more complex models have to beat",
    "linear": "linear without a penalty: what the columns say by themselves",
    "ridge": "linear, hard to overfit, and what more complex models have to beat",
    "lasso": "linear, and leaves out columns that say nothing",
    "random_forest": "trees that need no settings, and see where columns act together",
    "gradient_boosting": "boosted trees find bends and thresholds, for which there are rows enough",
    "xgboost": "boosted trees on samples of rows and columns, sturdier where much is noise",
}


@dataclass(frozen=True)
class Choice:
    """An algorithm to try.

    Attributes
    ----------
    model : str
        Its name.
    why : str
        The reason in words, without a full stop.
    params : dict
        Parameters over the defaults.
    yardstick : bool
        Whether it is only there to compare with: nobody asked for it, so it is not recommended.
    """

    model: str
    why: str
    params: dict[str, Any] = field(default_factory=dict)
    yardstick: bool = False


def choose_models(
    brief: Brief,
    rows: int | None = None,
    columns: int | None = None,
    texts: int = 0,
    exactly: bool = False,
) -> list[Choice]:
    """The algorithms to try, in order.

    Parameters
    ----------
    brief : Brief
        Task, and the algorithms that were asked for or ruled out.
    rows, columns : int, optional
        Size of the development rows; unknown counts as neither few nor wide.
    texts : int
        How many of the columns hold words: each becomes several columns.
    exactly : bool
        Whether a person changed the list by hand. Then of the simple models only the linear one stands beside it.

    Returns
    -------
    list of Choice
        The simple ones and then those asked for; else the defaults that suit the size.

    Notes
    -----
    Few rows, or columns that are many for the rows: linear and a forest, for boosted trees would learn the sample.
    Else boosted trees as well. What the person rules out is never tried, unless they ruled out all.

    Examples
    --------
    >>> [choice.model for choice in choose_models(Brief(), rows=200)]
    ['logistic_regression', 'random_forest']
    >>> [(choice.model, choice.yardstick) for choice in choose_models(Brief(models=["xgboost"]))]
    [('logistic_regression', True), ('random_forest', True), ('xgboost', False)]
    """
    fitting = CLASSIFIERS if brief.task == "classification" else REGRESSORS
    asked = [name for name in brief.models if name in fitting]
    if asked:
        chosen = [Choice(name, f"you named it; {_WHY[name]}") for name in asked]
        return _yardsticks(brief, asked, fitting, exactly) + chosen
    defaults: Collection[str] = DEFAULT_CLASSIFIERS if brief.task == "classification" else DEFAULT_REGRESSORS
    small = _small(rows, columns, texts)
    if small:
        defaults = [name for name in defaults if name not in ("gradient_boosting", "xgboost")]
    left = [name for name in defaults if name not in brief.avoid_models]
    left = left or [name for name in fitting if name not in brief.avoid_models] or list(fitting[:1])
    return [Choice(name, _reason(name, rows, small), _params(brief, name, rows)) for name in left]


def reasons(choices: Collection[Choice]) -> str:
    """The reasons as one sentence an algorithm.

    Examples
    --------
    >>> reasons([Choice("ridge", "linear")])
    'Ridge: linear.'
    """
    told = []
    for choice in choices:
        name = model_name(choice.model)
        told.append(f"{name[0].upper()}{name[1:]}: {choice.why}.")
    return " ".join(told)


def _small(rows: int | None, columns: int | None, texts: int) -> str:
    """Why boosted trees are left out; empty where they are not."""
    if rows is None:
        return ""
    if rows < FEW_ROWS:
        return f"{rows:,} rows are few"
    width = (columns or 0) + _COLUMNS_A_TEXT * texts
    if width * _ROWS_A_COLUMN > rows:
        words = f", {texts} of them words," if texts else ""
        return f"{columns or 0} columns{words} are many for {rows:,} rows"
    return ""


def _reason(name: str, rows: int | None, small: str) -> str:
    if small:
        return f"{small}, and a boosted tree would learn the sample; {_WHY[name]}"
    if rows is not None and name in ("gradient_boosting", "xgboost"):
        return _WHY[name].replace("there are rows enough", f"{rows:,} rows are enough")
    return _WHY[name]


def _params(brief: Brief, name: str, rows: int | None) -> dict[str, Any]:
    # For values the full forest takes the longest of all and is rarely the best, but where rows are few.
    few = rows is not None and rows < FULL_FOREST_ROWS
    return dict(SMALL_TREES) if name == SIMPLE_TREE and brief.task == "regression" and not few else {}


def _yardsticks(brief: Brief, asked: Collection[str], fitting: Collection[str], exactly: bool) -> list[Choice]:
    made = []
    linear = [SIMPLE_LINEAR[brief.task], *_LINEAR]
    free = [name for name in linear if name in fitting and name not in brief.avoid_models]
    if free and not set(asked) & set(_LINEAR):
        made.append(Choice(free[0], "beside what you named: does complexity pay", yardstick=True))
    if not exactly and SIMPLE_TREE not in (*asked, *brief.avoid_models):
        why = "a few shallow trees beside what you named: does complexity pay"
        made.append(Choice(SIMPLE_TREE, why, dict(SMALL_TREES), yardstick=True))
    return made
