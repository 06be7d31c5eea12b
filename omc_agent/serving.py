"""A kernel that answers while one of our cells waits, so that a page that is reloaded meanwhile finds its way back.

A reloaded page asks the kernel who it is and what widgets there are, and gets no answer before the running cell ends:
its buttons stay dead. Here everything but cells is answered; cells queue behind the one that waits, as they would.

It rests on private names of ipykernel 7.4 (`_main_asyncio_lock`, `_aborting`, `_send_abort_reply`). Where one is
missing nothing is changed: then Stop and ``%agent resume ID`` are the way back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NEEDED = ("_main_asyncio_lock", "_aborting", "_send_abort_reply", "shell_handlers", "set_parent")


class _Open:
    """Stands where the lock of the main shell stands, and holds nobody up."""

    def locked(self) -> bool:
        return False

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *error: object) -> None:
        return None


def can_serve(kernel: Any) -> bool:
    """Whether this kernel has what it takes."""
    return (
        all(hasattr(kernel, name) for name in _NEEDED)
        and isinstance(kernel._main_asyncio_lock, asyncio.Lock)
        and "execute_request" in kernel.shell_handlers
    )


@contextmanager
def serving(kernel: Any) -> Iterator[None]:
    """Answer requests that are no cells while the block runs; it runs inside a cell, on the kernel's loop.

    Parameters
    ----------
    kernel : ipykernel.kernelbase.Kernel or None
        None, and a kernel that lacks something, is left as it is.
    """
    if kernel is None or not can_serve(kernel):
        yield
        return
    lock, execute = kernel._main_asyncio_lock, kernel.shell_handlers["execute_request"]

    async def queued(stream: Any, ident: Any, parent: Any) -> None:
        async with lock:  # held by the cell that waits; first come, first served
            if kernel._aborting:  # that cell was stopped, and those behind it with it
                kernel._send_abort_reply(stream, parent, ident)
                return
            kernel.set_parent(ident, parent, channel="shell")
            await execute(stream, ident, parent)

    kernel._main_asyncio_lock, kernel.shell_handlers["execute_request"] = _Open(), queued
    try:
        yield
    finally:
        kernel._main_asyncio_lock, kernel.shell_handlers["execute_request"] = lock, execute
