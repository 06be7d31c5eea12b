"""Every seed comes from one number, so that the tables can be checked on seeds that are in no file."""

from __future__ import annotations

import zlib

import numpy as np


def seed_for(base: int, what: str, number: int = 0) -> int:
    """A seed below 2**31 for the `number`-th piece of `what`; unlike for any two of them, as far as chance allows."""
    words = np.random.SeedSequence([base, zlib.crc32(what.encode()), number]).generate_state(1)
    return int(words[0] >> 1)
