"""`offer`: a function of another package becomes a tool of a stage, by the entry point group ``omc_agent.tools``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

MARK = "__omc_agent_offer__"
KINDS = ("transform", "fit", "look")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Offer:
    """Where a function is offered.

    Attributes
    ----------
    stage : str
        Of the agent that may call it.
    kind : str
        transform, fit or look: what a replay does with its cell.
    into : tuple of str
        Names of what it returns, when the model gives none.
    """

    stage: str
    kind: str
    into: tuple[str, ...]


def offer(stage: str, kind: str = "transform", into: Sequence[str] = ("features",)) -> Callable[[F], F]:
    """Mark a function as a tool of a stage; its signature and docstring are what a chat model sees of it.

    Parameters
    ----------
    stage : str
        ``data_analysis``, ``feature_engineering``, ``model_training`` or ``model_evaluation``.
    kind : str
        ``transform`` (causal, keeps every row; run again on shortened and on sealed rows), ``fit`` (what it returns
        is kept as named state) or ``look``.
    into : sequence of str
        Names of what it returns, when the model gives none.

    Returns
    -------
    callable
        The decorator; it gives the function back as it is.

    Raises
    ------
    ValueError
        For a kind that is none, or no name to return into.

    Examples
    --------
    >>> @offer("feature_engineering")
    ... def add_calm(features):
    ...     '''Add the ratio of two volatilities.'''
    >>> getattr(add_calm, MARK).into
    ('features',)
    """
    if kind not in KINDS or not into:
        raise ValueError(f"kind is one of {', '.join(KINDS)} and into names a result; got {kind!r} and {into!r}")

    def mark(function: F) -> F:
        setattr(function, MARK, Offer(stage, kind, tuple(into)))
        return function

    return mark
