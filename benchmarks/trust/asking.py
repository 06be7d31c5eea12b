"""Asks a peer: its process is started in the peers' environment, with one thread, and its predictions are read."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from trust.pool import ONE_THREAD

ROOT = Path(__file__).resolve().parents[2]
PEER_PYTHON = ROOT / ".venv-trust" / "bin" / "python"
SCRIPT = Path(__file__).with_name("peers.py")
GRACE = 120.0  # seconds beyond its own budget after which a peer is ended


def have_peers() -> bool:
    """Whether their environment is there; ``make bench-trust`` makes it."""
    return PEER_PYTHON.exists()


def bundled_data(folder: Path) -> None:
    """All bundled sets as Parquet files in `folder`, read in the peers' environment."""
    subprocess.run([PEER_PYTHON, str(SCRIPT), "data", str(folder)], check=True, env=_env(), capture_output=True)


def ask(
    system: str, train: pd.DataFrame, test: pd.DataFrame, *, task: str, metric: str, seconds: float, seed: int,
    claim: bool = False,
) -> tuple[dict[str, Any], pd.DataFrame | None]:  # fmt: skip
    """What a peer claims and costs, and what it predicts of `test` (by its index); None when it failed.

    Parameters
    ----------
    system : str
        ``flaml``, ``flaml time``, ``hgb``, ``linear`` or ``constant``.
    train, test : DataFrame
        Features and `target`; the target of `test` is taken away before the peer sees it.
    task : str
        ``classification`` or ``regression``.
    metric : str
        What the peer is told to care for.
    seconds : float
        Its wall budget, where it takes one.
    """
    with tempfile.TemporaryDirectory(prefix="omctrust-") as name:
        folder = Path(name)
        files = {part: str(folder / f"{part}.parquet") for part in ("train", "test", "out")}
        job = {"system": system, "task": task, "metric": metric, "seconds": seconds, "seed": seed, "claim": claim}
        train.to_parquet(files["train"])
        test.drop(columns="target", errors="ignore").to_parquet(files["test"])
        (folder / "job.json").write_text(json.dumps({**job, **files}))
        command = [PEER_PYTHON, str(SCRIPT), "fit", str(folder / "job.json")]
        try:
            done = subprocess.run(command, env=_env(), capture_output=True, text=True, timeout=seconds + GRACE,
                                  cwd=folder)  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failures": [f"{system}: not done {GRACE:.0f} s after its budget"]}, None
        if done.returncode:
            return {"failures": [f"{system}: {(done.stderr.strip().splitlines() or ['died'])[-1][:200]}"]}, None
        said = pd.read_parquet(files["out"])
        return {**json.loads(done.stdout.splitlines()[-1]), "failures": []}, said.set_axis(test.index)


def _env() -> dict[str, str]:
    return {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
