"""The steps of a plan, told with what each of them reads, makes, takes and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omc_agent.panels import phrases
from omc_agent.panels.markup import Piece, esc, plain
from omc_agent.panels.spine import stage_title

Step = Mapping[str, Any]


def step_title(step: Step) -> str:
    """Its title, or its stage's."""
    return plain(step.get("title") or stage_title(str(step.get("stage", ""))), 120)


def step_effect(step: Step) -> str:
    """What a step reads, makes and takes; "" where the plan does not say.

    Examples
    --------
    >>> step_effect({"stage": "model_training", "rows": 18411, "fits": 25, "minutes": 0.15, "usd": 0.0})
    '18,411 rows, 25 fits, about 9 s, $0.00'
    """
    parts = [
        phrases.count(step[key], noun)
        for key, noun in (("rows", "row"), ("columns", "column"), ("fits", "fit"))
        if phrases.number(step.get(key)) is not None
    ]
    minutes = phrases.number(step.get("minutes"))
    parts += [f"about {phrases.duration(max(1.0, 60 * minutes), whole=True)}"] if minutes else []
    return ", ".join(parts + ([phrases.usd(step["usd"])] if phrases.number(step.get("usd")) is not None else []))


def plan_piece(steps: Sequence[Step]) -> Piece:
    """The plan as a numbered list."""
    items, lines = [], []
    for at, step in enumerate(steps, start=1):
        title, detail, effect = step_title(step), str(step.get("detail") or ""), step_effect(step)
        dim = f' <span class="omc-dim">{esc(effect)}</span>' if effect else ""
        items.append(f"<li><b>{esc(title)}</b> {esc(detail)}{dim}</li>")
        lines.append(plain(f"{at}. {title}. {detail} {f'({effect})' if effect else ''}".strip()))
    return Piece(f'<ol class="omc-listed">{"".join(items)}</ol>' if items else "", "\n".join(lines))
