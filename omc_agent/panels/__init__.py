"""Views of a run: they read events, and know nothing else.

`panel` shows a run in a notebook, `plain` in a terminal, `results` afterwards; `live` holds the controls,
and is the one room that opens ipywidgets, so it is imported by its own name.
"""

from omc_agent.panels.panel import Panel, Publish
from omc_agent.panels.plain import PlainPanel

__all__ = ["Panel", "PlainPanel", "Publish"]
