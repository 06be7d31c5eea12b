"""Small pictures of intervals, made of plain boxes: no script and no SVG, which sanitised output drops.

Each picture also holds its numbers as words, hidden while the style sheet is there, so that it reads as
a sentence where styles are stripped and by a screen reader.
"""

from __future__ import annotations

from typing import Any

from omc_agent.panels import phrases
from omc_agent.panels.markup import esc

Axis = tuple[float, float]


def axis(values: list[Any], *, pad: float = 0.06) -> Axis | None:
    """The range that shows all finite `values`, widened by the share `pad` on each side.

    Examples
    --------
    >>> axis([0.0, 1.0, None], pad=0.5)
    (-0.5, 1.5)
    """
    known = [found for found in map(phrases.number, values) if found is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    room = (high - low) * pad or abs(high) * 0.05 or 1.0
    return low - room, high + room


def percent(value: float, ends: Axis) -> float:
    """Where `value` lies on the axis, in percent of its width, within 0 and 100."""
    return round(min(100.0, max(0.0, 100 * (value - ends[0]) / (ends[1] - ends[0]))), 1)


def interval_html(low: Any, high: Any, point: Any, baseline: Any, ends: Axis | None) -> str:
    """An interval with its point and the best baseline as a thin line; "" where a number is missing."""
    a, b, at = (phrases.number(value) for value in (low, high, point))
    if ends is None or a is None or b is None or at is None:
        return ""
    left = percent(a, ends)
    marks = f'<i style="left:{left}%;width:{round(percent(b, ends) - left, 1)}%"></i>'
    line = phrases.number(baseline)
    if line is not None:
        marks += f'<s style="left:{percent(line, ends)}%"></s>'
    return f'<span class="omc-ci">{marks}<b style="left:{percent(at, ends)}%"></b></span>'


def interval_words(low: Any, high: Any) -> str:
    """The interval as text."""
    if phrases.number(low) is None or phrases.number(high) is None:
        return ""
    return f"{phrases.score(low)} to {phrases.score(high)}"


def scale_html(low: float, high: float, difference: float, *, reference: str, point: str) -> str:
    """The difference to the reference on a line whose zero is the reference.

    Parameters
    ----------
    low, high, difference : float
        Interval and value of score minus reference score.
    reference, point : str
        Plain labels of the zero line and of the value.
    """
    ends = axis([low, high, difference, 0.0], pad=0.24)
    assert ends is not None
    a, b, at, zero = (percent(value, ends) for value in (low, high, difference, 0.0))
    edge = "omc-start" if zero < 28 else "omc-end" if zero > 72 else ""
    bare = (
        '<i class="omc-axis"></i>'
        f'<i class="omc-band" style="left:{a}%;width:{round(b - a, 1)}%"></i>'
        f'<i class="omc-zero" style="left:{zero}%"></i><i class="omc-point" style="left:{at}%"></i>'
    )
    labels = (
        (f"omc-at {edge}", zero, "0", "var(--omc-bad)", reference, ". "),
        ("omc-at", at, "50px", "inherit", point, ". Interval of the difference: "),
        ("omc-at omc-lower", a, "36px", "var(--omc-dim)", phrases.signed(low), " to "),
        ("omc-at omc-upper", b, "36px", "var(--omc-dim)", phrases.signed(high), "."),
    )
    said = "".join(
        f'<span class="{css}" style="left:{left}%;top:{top};color:{colour}">{esc(text)}</span>'
        f'<span class="omc-alt">{after}</span>'
        for css, left, top, colour, text, after in labels
    )
    return f'<p class="omc-scale">{bare}{said}</p>'
