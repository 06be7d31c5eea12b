"""What the host asks of the child: bind a frame, save a frame, start a clean namespace.

This module runs inside the child. Nothing here protects anybody: what it writes is checked again by
:mod:`omc_agent.sandbox.exchange` on the host.
"""

from __future__ import annotations

import base64
import json
import math
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

PIECE = 64 * 1024  # characters

_shell: Any = None
_state: dict[str, Any] = {}
_base: dict[str, Any] = {}
_elsewhere: dict[str, str] = {}  # the folders of a kernel that shares none with the host


def settle(shell: Any) -> None:
    """Keep the shell and make plots and tables small and quiet."""
    global _shell
    _shell = shell
    warnings.filterwarnings("ignore", module="IPython|ipykernel|jupyter_client")
    for stream in (sys.stdout, sys.stderr):
        _flush_often(stream)
    shell.user_ns.update(save_state=save_state, load_state=load_state)


def _flush_often(stream: Any) -> None:
    """Send what is printed in pieces: a flood that the kernel gathers into one message is too large to be read."""
    written, unsent = stream.write, 0

    def write(text: str) -> Any:
        nonlocal unsent
        done = written(text)
        unsent += len(text)
        if unsent > PIECE:
            unsent = 0
            stream.flush()
        return done

    stream.write = write


def start(code: str, limits: dict[str, int]) -> None:
    """Run the standard imports once and remember the names they gave; then set the limits."""
    exec(compile(code, "<prelude>", "exec"), _shell.user_ns)  # noqa: S102 - this is the sandbox
    _shell.user_ns.update(save_state=save_state, load_state=load_state)
    _base.clear()
    _base.update(_shell.user_ns)
    bound(limits)


def reset(state: str = "{}") -> None:
    """A namespace of exactly the standard imports, and the named state given as JSON."""
    import matplotlib.pyplot as plt

    plt.close("all")
    _state.clear()
    _state.update(json.loads(state))
    _shell.user_ns.clear()
    _shell.user_ns.update(_base)


def bound(limits: dict[str, int]) -> None:
    """Set rlimits on this process, soft and hard: what comes after can lower them only."""
    import resource

    for name, value in limits.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            resource.setrlimit(kind, (value, value))


def bind(name: str, path: str, mapped: bool) -> None:
    """Bind variable `name` to the frame of an Arrow file; `mapped` frames are read-only."""
    import pyarrow as pa

    path = _here("in", path)
    source = pa.memory_map(path) if mapped else pa.OSFile(path)
    table = pa.ipc.open_file(source).read_all()
    frame = table.to_pandas(split_blocks=mapped)
    frame = frame if mapped else frame.copy()
    freq = (table.schema.metadata or {}).get(b"omc_freq")
    if freq and hasattr(frame.index, "freq"):
        frame.index.freq = freq.decode()
    _shell.user_ns[name] = frame


def bind_value(name: str, path: str) -> None:
    """Bind variable `name` to the value of a JSON file."""
    _shell.user_ns[name] = json.loads(Path(_here("in", path)).read_text())


def export(name: str, folder: str) -> None:
    """Write variable `name` to `folder`: a frame or series as Arrow, anything plain as JSON."""
    import pandas as pd

    folder = _here("out", "") if folder == "out" else folder
    value = _shell.user_ns[name]
    if isinstance(value, pd.Series):
        value = value.to_frame(value.name or name)
    if isinstance(value, pd.DataFrame):
        write_arrow(value, Path(folder) / f"{name}.arrow")
    else:
        Path(folder, f"{name}.json").write_text(json.dumps(plain(value)))


def write_arrow(frame: Any, path: Path) -> None:
    """One record batch, so that a reader can map the columns; the index keeps its `freq`."""
    import pyarrow as pa

    table = pa.Table.from_pandas(frame)
    freq = getattr(frame.index, "freqstr", None)
    if freq:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"omc_freq": freq.encode()})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, table.num_rows))


def plain(value: Any) -> Any:
    """`value` as plain JSON: numpy scalars and arrays become numbers and lists, NaN becomes null."""
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def save_state(name: str, value: Any) -> None:
    """Write named state (JSON or arrays) in a fit cell; a replay on a longer frame reads it."""
    _state[name] = plain(value)


def load_state(name: str) -> Any:
    """Read named state that a fit cell wrote."""
    if name not in _state:
        raise KeyError(f"no state named {name!r}; a fit cell writes it with save_state({name!r}, value)")
    return _state[name]


def export_state(folder: str) -> None:
    """Write all named state to `folder`/_state.json."""
    folder = _here("out", "") if folder == "out" else folder
    Path(folder, "_state.json").write_text(json.dumps(_state))


def receive(name: str, piece: str, first: bool) -> None:
    """Add a piece of base64 to the file `name` that the host sends."""
    with open(_here("in", Path(name).name), "wb" if first else "ab") as file:
        file.write(base64.b64decode(piece))


def send(folder: str, name: str, offset: int, length: int) -> None:
    """Print a piece of the file `name` of `out` or `work` as base64, or `absent`."""
    path = Path(_here(folder, name))
    if not path.is_file():
        print("absent")  # noqa: T201 - it is what the host reads
        return
    with path.open("rb") as file:
        file.seek(offset)
        print(base64.b64encode(file.read(length)).decode())  # noqa: T201


def leave() -> None:
    """Remove the folders that `_here` made: nobody else on that machine knows of them."""
    for folder in ("in", "out"):
        shutil.rmtree(_elsewhere.pop(folder, ""), ignore_errors=True)


def _here(folder: str, name: str) -> str:
    """A path that is absolute already, or one in a folder of our own; `work` is where the kernel stands."""
    if os.path.isabs(name):
        return name
    if folder not in _elsewhere:
        _elsewhere[folder] = os.getcwd() if folder == "work" else tempfile.mkdtemp(prefix="omc-")
    return os.path.join(_elsewhere[folder], name)


def names() -> dict[str, str]:
    """Variables made by cells, with the name of their type."""
    return {
        name: type(value).__name__
        for name, value in _shell.user_ns.items()
        if not name.startswith("_") and name not in _base
    }
