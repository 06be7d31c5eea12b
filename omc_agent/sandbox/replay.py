"""Replay(cells, inputs) in a fresh namespace: the one primitive behind resume, leak test, sealed holdout and export.

*fit* cells write named state from development rows; a replay on a longer frame skips them and reads the state
that was recorded. *look* cells show something and are not replayed for scoring.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from omc_agent.errors import SandboxError
from omc_agent.sandbox.box import Sandbox


@dataclass(frozen=True)
class RecordedCell:
    """A cell as the ledger keeps it.

    Attributes
    ----------
    n : int
        Its number in the run, from 1.
    code : str
        What ran.
    kind : str
        transform, fit, look or model.
    frames : dict
        Name to sha256 of the frames it made.
    state : dict
        Named state after it ran, for a fit cell.
    """

    n: int
    code: str
    kind: str = "look"
    frames: dict[str, str] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


async def replay(
    box: Sandbox,
    cells: Iterable[RecordedCell],
    inputs: Mapping[str, pd.DataFrame],
    outputs: Sequence[str],
    *,
    kinds: Sequence[str] = ("transform", "fit"),
) -> dict[str, pd.DataFrame]:
    """Run `cells` of those `kinds` on `inputs` in a clean namespace and return the frames named by `outputs`.

    Parameters
    ----------
    box : Sandbox
        Where they run; its namespace is reset first.
    cells : iterable of RecordedCell
        In their order.
    inputs : mapping of str to DataFrame
        The frames that the namespace starts with.
    outputs : sequence of str
        Names of frames to bring out.
    kinds : sequence of str
        Without "fit", the state that fit cells recorded is read in place of running them.

    Returns
    -------
    dict of str to DataFrame

    Raises
    ------
    SandboxError
        ``sandbox.replay`` when a cell that ran before does not run now.
    """
    todo = list(cells)
    state: dict[str, Any] = {}
    if "fit" not in kinds:
        for cell in todo:
            state.update(cell.state)
    await box.reset(state)
    for name, frame in inputs.items():
        await box.put(name, frame)
    for cell in todo:
        if cell.kind in kinds:
            await _run_again(box, cell)
    return {name: await box.get(name) for name in outputs}


async def _run_again(box: Sandbox, cell: RecordedCell) -> None:
    result = await box.run(cell.code)
    if not result.ok:
        why = result.reason or (result.error or {}).get("message", result.status)
        raise SandboxError(
            "sandbox.replay",
            given=f"Cell {cell.n} ran before and does not run again: {why}",
            have=f"Its code is: {cell.code.splitlines()[0][:120]}",
            try_="It may use something that was not recorded, such as a variable of another stage.",
        )
