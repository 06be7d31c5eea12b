"""The one style sheet of a run, carried by its header card.

Colours are JupyterLab's own variables; where there are none (a static page), they are mixed from the
colour of the text, so that a light and a dark page both work.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def style_block() -> str:
    """The ``style`` element. An untrusted notebook drops it, and the plain tags remain."""
    sheet = (files(__package__) / "style.css").read_text(encoding="utf-8")
    bare = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    packed = re.sub(r"\s*([{};,])\s*", r"\1", bare).strip()
    return f"<style>{packed}</style>"
