"""Bounded search over parameters, counted in trials: a budget of wall time could not be repeated.

Wall time is a kill limit only. Whatever ends a search early, the best trial that was validated whole comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import AgentError
from omc_agent.tools.algorithms import Params, find_algorithm
from omc_agent.tools.class_metrics import class_columns
from omc_agent.tools.early_stopping import ROUNDS, find_rounds
from omc_agent.tools.gain import no_gain, tuning_gain
from omc_agent.tools.metrics import HIGHER_IS_BETTER, classes_of, metrics_for, task_of
from omc_agent.tools.modeling import cross_validate_model
from omc_agent.tools.rule import as_likelihood
from omc_agent.tools.rungs import climb, rung_frames
from omc_agent.tools.searching import Search, check_bounds, make_search
from omc_agent.tools.spaces import space_for
from omc_agent.tools.trials import Log, Tried

Space = Mapping[str, Sequence[Any]]


def tune_hyperparameters(
    features: pd.DataFrame,
    model: str = "xgboost",
    trials: int = 8,
    metric: str | None = None,
    n_splits: int = 5,
    seed: int = 0,
    space: Space | None = None,
    keep_trials: bool = False,
    params: Params | None = None,
    method: str = "tpe",
    wall: float | None = None,
    early_stopping: bool = False,
    task: str | None = None,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Search parameters in counted, seeded trials; the first trial is the defaults.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame of development rows.
    model : str
        A name in ``CLASSIFIERS`` or ``REGRESSORS``.
    trials : int
        How many parameter sets are tried, at least 1. Each costs `n_splits` fits.
    metric : str, optional
        What to improve; see `modeling.cross_validate_model`.
    n_splits : int
        Number of test blocks.
    seed : int
        Seed of the search, the models and the intervals.
    space : mapping, optional
        Bounds by parameter instead of those of `spaces.space_for`: ``("int", low, high)``, ``("float", low, high)``,
        ``("log", low, high)`` or ``("choice", one, other, ...)``.
    keep_trials : bool
        Whether `oof` also holds the prediction of every trial, in columns ``trial_0``, ``trial_1``, ... (of more
        than two classes the probability of the one that occurred).
    params : mapping, optional
        Parameters that are fixed in every trial, the first one too; they are not searched.
    method : str
        ``tpe`` (tree-structured Parzen estimator), ``randomized``, ``grid`` (the finest even grid that the trials can
        walk) or ``halving`` (successive halving over growing shares of the rows).
    wall : float, optional
        Seconds after which no further trial begins: a kill limit, not a budget. None: no limit.
    early_stopping : bool
        For boosted trees: the last trial is the best one so far with as many rounds as `early_stopping.find_rounds`
        finds on the training rows (the median over folds).
    task : str, optional
        As `modeling.cross_validate_model`; by default read from the target.

    Returns
    -------
    best : dict
        The best trial as `modeling.cross_validate_model` scores it, named ``<model> (tuned)``, or as the model
        when the defaults were best. ``gain`` says how far it is ahead of the defaults on the same folds (see
        `gain.tuning_gain`), ``stopped`` why the search ended early (empty: it did not).
    trials : DataFrame (trials, 4)
        `trial`, `params` (JSON text), `score` (NaN when the trial failed, or left a halving early), `fit_seconds`.
    oof : DataFrame
        Out-of-fold rows of the best trial. Its score is the best of several: see `rule.trials_lift`.

    Raises
    ------
    UsageError
        ``usage.value`` for an unknown model, metric or method, fewer trials than one, or a space that cannot be read.
    DataError
        As `modeling.cross_validate_model`.

    Notes
    -----
    TPE: Bergstra, Bardenet, Bengio and Kegl (2011), NeurIPS 24, as in Optuna. Successive halving: Jamieson and
    Talwalkar (2016), AISTATS 51; see `rungs`. An interrupt (Stop, SIGINT) ends the search as `wall` does, when at
    least one trial is done.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": range(60), "target": [0.0, 1.0] * 30})
    >>> best, tried, _ = tune_hyperparameters(rows, "logistic_regression", trials=2, n_splits=2)
    >>> len(tried), tried["params"].iloc[0]
    (2, '{}')
    """
    task = task_of(features, task)
    find_algorithm(task, model)
    metric = metric or metrics_for(task, classes_of(features, task))[0]
    higher = HIGHER_IS_BETTER.get(metric, True)
    fixed = dict(params or {})
    bounds = check_bounds(model, space_for(model, len(features), metric) if space is None else space, trials)
    bounds = {name: bound for name, bound in bounds.items() if name not in fixed}
    rounds = ROUNDS.get(model) if early_stopping and trials > 1 else None
    rounds = None if rounds in fixed else rounds
    searched = trials - 1 if rounds is None else max(trials - 2, 0)

    def score_of(rows: pd.DataFrame, chosen: dict[str, Any]) -> Tried:
        given, name = {**fixed, **chosen}, f"{model} (tuned)" if chosen else model
        return Tried(*cross_validate_model(rows, model, given, metric, n_splits, seed, name, task))

    log = Log(higher, wall)
    try:
        log.add(score_of(features, {}))
        search = make_search(method, bounds, searched, seed, higher)
        if not bounds:
            pass  # all that could be searched is fixed
        elif method == "halving":
            _halve(log, features, search, searched, seed, score_of)
        else:
            _walk(log, features, search, searched, score_of)
        if rounds is not None and not log.late(trials):
            chosen = {name: value for name, value in log.best.score["params"].items() if name not in fixed}
            found = find_rounds(features, model, {**fixed, **chosen}, n_splits, seed, task=task)
            log.attempt(lambda: score_of(features, {**chosen, rounds: int(np.median(found))}), fixed | chosen)
    except KeyboardInterrupt:
        if not log.tried:
            raise
        log.stopped = (
            f"Stopped after {len(log.tried)} of {trials} trials by an interrupt; the best of these is given."
        )
    best = log.best
    gain = _gain(log, metric, features, seed)
    oof = best.oof
    if keep_trials:
        oof = oof.assign(
            **{f"trial_{n}": as_likelihood(one.oof)["prediction"] for n, one in enumerate(log.tried) if len(one.oof)}
        )
    return {**best.score, "gain": gain, "stopped": log.stopped}, log.table(), oof


def trial_frames(oof: pd.DataFrame) -> list[pd.DataFrame]:
    """The out-of-fold frames of all trials, from the `oof` of ``tune_hyperparameters(..., keep_trials=True)``.

    Examples
    --------
    >>> frame = pd.DataFrame({"target": [1.0], "prediction": [0.7], "trial_0": [0.6], "trial_1": [0.7]})
    >>> [each["prediction"].item() for each in trial_frames(frame)]
    [0.6, 0.7]
    """
    names = [name for name in oof.columns if str(name).startswith("trial_")]
    bare = oof.drop(columns=[*names, *class_columns(oof)])
    return [bare.assign(prediction=oof[name]) for name in names]


def _walk(
    log: Log,
    features: pd.DataFrame,
    search: Search,
    count: int,
    score_of: Callable[[pd.DataFrame, dict[str, Any]], Tried],
) -> None:
    """One trial after the other, each on all rows."""
    for _ in range(count):
        if log.late(count + 1):
            return
        chosen = search.suggest()
        if chosen is None:
            return
        search.tell(log.attempt(lambda chosen=chosen: score_of(features, chosen), chosen))  # type: ignore[misc]


def _halve(
    log: Log,
    features: pd.DataFrame,
    search: Search,
    count: int,
    seed: int,
    score_of: Callable[[pd.DataFrame, dict[str, Any]], Tried],
) -> None:
    """All on few rows, the better third on more; only those that reach the top, all rows, have scores to compare."""
    drawn = [chosen for chosen in iter(search.suggest, None) if chosen is not None]

    def score_on(rows: pd.DataFrame, chosen: dict[str, Any]) -> float:
        try:
            return float(score_of(rows, chosen).score["score"])
        except (AgentError, ValueError):
            return float("nan")  # too few rows for this rung says nothing against the parameters

    top, left = climb(drawn, rung_frames(features, count, seed), score_on, log.higher, lambda: log.late(count + 1))
    for chosen in top:
        if log.late(count + 1):
            break
        log.attempt(lambda chosen=chosen: score_of(features, chosen), chosen)  # type: ignore[misc]
    for chosen in left:
        log.add(Tried({"params": chosen, "score": float("nan"), "fit_seconds": 0.0}))


def _gain(log: Log, metric: str, features: pd.DataFrame, seed: int) -> dict[str, Any]:
    first, best = log.tried[0], log.best
    if best is first:
        return no_gain(len(log.tried))
    horizon = None
    if "label_end" in features.columns:
        horizon = pd.Timedelta((features["label_end"] - features["timestamp"]).median())
    return tuning_gain(first.oof, best.oof, metric, horizon, len(log.tried), seed)
