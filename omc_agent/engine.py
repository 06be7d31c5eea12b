"""The one background thread with its asyncio loop; a run keeps the context of the cell that started it.

The context holds the cell's parent header, so what a run publishes lands in its own cell however many cells have run
since. All runs of a process, their sandboxes and their checkpoints live on this loop.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextvars
import threading
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")

CLOSE_SECONDS = 5.0


class Running(Generic[T]):
    """Work on the engine's loop, as another thread sees it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._task: asyncio.Task[T] | None = None

    def done(self) -> bool:
        """Whether it ended, one way or another."""
        return self._done.done()

    def result(self, timeout: float | None = None) -> T:
        """What it returned; blocks until then."""
        return self._done.result(timeout)

    def cancel(self) -> None:
        """Ask it to stop; it still ends by itself, with its clean-up."""
        self._loop.call_soon_threadsafe(lambda: self._task.cancel() if self._task else None)

    def begin(self, work: Coroutine[Any, Any, T], context: contextvars.Context) -> None:
        """Start the work; called on the loop."""
        self._task = self._loop.create_task(work, context=context)
        self._task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self._done.set_exception(concurrent.futures.CancelledError())
        elif (error := task.exception()) is not None:
            self._done.set_exception(error)
        else:
            self._done.set_result(task.result())


class Engine:
    """A loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="omc-engine", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Running[T]:
        """Run `work` on the loop in the caller's context."""
        running: Running[T] = Running(self.loop)
        self.loop.call_soon_threadsafe(running.begin, work, contextvars.copy_context())
        return running

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._cancel_all(), self.loop)
            self._thread.join(CLOSE_SECONDS)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    async def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks(self.loop) if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS / 2)
        self.loop.stop()


_engine: Engine | None = None
_lock = threading.Lock()


def the_engine() -> Engine:
    """The process's engine; started when it is first asked for."""
    global _engine
    with _lock:
        if _engine is None:
            _engine = Engine()
            atexit.register(_engine.close)
        return _engine
