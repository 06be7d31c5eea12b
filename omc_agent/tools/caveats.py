"""What a result does not show: limits that follow from how it was judged, for the report and the model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omc_agent.brief import PRICE_TARGETS
from omc_agent.naming import metric_name
from omc_agent.tools.verdict_words import signed

Fields = Mapping[str, Any]


def limits_of(
    brief: Fields,
    verdict: Fields | None,
    *,
    scored: str = "",
    refit: bool = False,
) -> list[str]:
    """What this result does not show.

    Parameters
    ----------
    brief : dict
        Fields of `omc_agent.brief.Brief`.
    verdict : dict or None
        Fields of `verdict.Verdict`.
    scored : str
        The sealed rows in words, such as ``2,304 rows, 2024-08-01 to 2024-08-09 UTC``.
    refit : bool
        Whether the delivered model was fitted again on all rows, and so is not the one scored.

    Returns
    -------
    list of str
        Plain sentences; never empty.

    Examples
    --------
    >>> limits_of({"task": "analysis", "coins": ["BTC"]}, None)
    ['Nothing was predicted: what was seen in these rows was tested on no others.']
    """
    if not verdict:
        return ["Nothing was predicted: what was seen in these rows was tested on no others."]
    said = [*_call(verdict), *_precision(verdict), *_scope(brief, scored), *_looks(verdict)]
    if refit:
        said.append("The numbers belong to the model that was scored, not to the refitted one.")
    return said


def _call(verdict: Fields) -> Iterator[str]:
    if verdict["call"] == "edge":
        return
    if verdict.get("low") is None:
        yield "No edge was shown, for no sealed row was scored: do not use the predictions as if there were one."
        return
    difference = signed(verdict["score"] - verdict["reference_score"])
    yield (
        f"No edge was shown ({difference}, {signed(verdict['low'])} to {signed(verdict['high'])}): do not use the "
        "predictions as if there were one."
    )


def _precision(verdict: Fields) -> Iterator[str]:
    if verdict.get("smallest_edge") is None or verdict.get("low") is None:
        return
    unit, half = metric_name(verdict["metric"]), (verdict["high"] - verdict["low"]) / 2
    if verdict["call"] == "edge":
        yield f"The size of the edge is known to {half:.3f} of {unit} either way."
    else:
        yield (
            f"An edge below {verdict['smallest_edge']:.3f} of {unit} would be missed more than one time in five: "
            "that none was found does not show that there is none."
        )


def _scope(brief: Fields, scored: str) -> Iterator[str]:
    rows = f" ({scored})" if scored else ""
    if brief.get("target") in PRICE_TARGETS:
        coins = " and ".join(brief.get("coins") or []) or "the coins"
        yield f"The score is for {coins}, this horizon and these sealed rows{rows}, no others."
        yield "Markets change: a later stretch may differ by more than the interval, which knows this stretch only."
        yield "Spread, delay and the size of orders are in no score here. This is no advice to trade."
    else:
        yield f"The score is for rows that come from where the sealed ones came from{rows}, no others."
        yield "What goes with the target need not cause it: nothing here says what happens when a column is changed."


def _looks(verdict: Fields) -> Iterator[str]:
    opened = int(verdict.get("opened") or 0)
    if opened > 1:
        yield f"The sealed rows were opened {opened} times; a choice that has seen them is no longer blind to them."
    if verdict.get("metric") == "log_loss_skill":
        yield "Reliability is measured for the class that is named, not for the others."
