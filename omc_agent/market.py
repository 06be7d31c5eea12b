"""The host's metadata of the rows: coins, spans, newest bar. Read once a run, before any code runs."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

from omc_agent.config import Source
from omc_agent.errors import DataError


class Market:
    """What there is to work on.

    Parameters
    ----------
    source : Source
        A database, or frames that were handed in.
    optional : bool
        Whether a goal may be read without one (``plan``).
    """

    def __init__(self, source: Source, *, optional: bool = False) -> None:
        self.source, self.optional = source, optional
        self._known: dict[str, Any] | None = None

    async def describe(self) -> dict[str, Any]:
        """Coins with rows and spans, bar length, columns; an empty dict when there is nothing and none is needed."""
        if self._known is None:
            self._known = await asyncio.to_thread(self._read)
        return self._known

    def _read(self) -> dict[str, Any]:
        from omc_agent.tools import describing

        if self.source.frames:
            name, frame = next(iter(self.source.frames.items()))
            return describing.describe_frame(frame, name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.source.target:
                    more, allowed = self.source.secret_columns, self.source.allowed
                    return describing.describe_table(self.source.db, self.source.table, more, allowed)
                return describing.describe_market(self.source.db, self.source.table)
        except DataError as error:
            if self.optional and error.code == "data.no_database":
                return {}
            raise
