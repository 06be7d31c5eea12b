"""What can be pressed or typed into: ipywidgets that name themselves, and answer while the kernel is busy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ipywidgets import (  # type: ignore[import-untyped]
    HTML,
    Button,
    Checkbox,
    Dropdown,
    HBox,
    Layout,
    RadioButtons,
    Text,
    Textarea,
    VBox,
    Widget,
)

from omc_agent.panels.markup import plain

Choices = Sequence[tuple[str, Any]]


def answer_while_busy(widget: Widget) -> None:
    """Let a click on `widget` reach the kernel while its main thread is busy (ipykernel 7.4).

    There a reply is routed to the shell that published last on the comm, which is the busy one. The
    attribute is private and belongs to this one comm; where it is missing nothing is changed.
    """
    comm: Any = widget.comm
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default


def button(says: str, does: str, press: Callable[[], object], *, css: str = "", main: bool = False) -> Button:
    """A button; `does` is its tooltip, `css` the class by which it is found."""
    style = "primary" if main else ""
    made = Button(description=says, tooltip=does, button_style=style, layout=Layout(width="auto"))
    made.on_click(lambda _: press())
    return _ready(made, css)


def html(source: str = "", css: str = "") -> HTML:
    """A piece of HTML; whoever makes `source` has escaped it."""
    return _ready(HTML(value=source, layout=Layout(width="auto", margin="0")), css)


def text(names: str, value: str = "", *, hint: str = "", css: str = "") -> Text:
    """A field of one line; `names` says what belongs into it, for a pointer and a screen reader."""
    layout = Layout(width="auto", min_width="200px", flex="1 1 auto")
    return _ready(Text(value=value, placeholder=hint or names, tooltip=names, layout=layout), css)


def area(names: str, value: str, *, rows: int, css: str = "") -> Textarea:
    """A field of several lines."""
    layout = Layout(width="auto", height="auto")
    return _ready(Textarea(value=value, rows=rows, tooltip=names, placeholder=names, layout=layout), css)


def check(says: str, does: str = "", *, value: bool = False, css: str = "") -> Checkbox:
    """A box to tick."""
    layout = Layout(width="auto", margin="0 14px 0 0")
    return _ready(
        Checkbox(value=value, description=one_line(says), tooltip=does or says, indent=False, layout=layout), css
    )


def radio(names: str, options: Choices, value: Any, css: str = "") -> RadioButtons:
    """One of several; `options` are label and value."""
    layout = Layout(width="auto", margin="0 0 4px 2px")
    return _ready(RadioButtons(options=list(options), value=value, tooltip=names, layout=layout), css)


def dropdown(names: str, options: Choices, value: Any, css: str = "") -> Dropdown:
    """One of many."""
    return _ready(Dropdown(options=list(options), value=value, tooltip=names, layout=Layout(width="auto")), css)


def row(*widgets: Widget, css: str = "") -> HBox:
    """Widgets beside each other, wrapped on a narrow page."""
    layout = Layout(flex_flow="row wrap", align_items="center", grid_gap="2px 4px")
    return _ready(HBox(list(widgets), layout=layout), css)


def column(*widgets: Widget, css: str = "") -> VBox:
    """Widgets below each other."""
    return _ready(VBox(list(widgets), layout=Layout(width="auto")), css)


def show(widget: Widget, visible: bool) -> None:
    """Show a widget, or leave it out of the page."""
    widget.layout.display = None if visible else "none"


def close_all(widget: Widget) -> None:
    """Close a widget and all within it."""
    for child in getattr(widget, "children", ()):
        close_all(child)
    for part in (getattr(widget, "style", None), widget.layout, widget):
        if isinstance(part, Widget):
            part.close()


def within(widget: Widget) -> list[Widget]:
    """A widget and all that it holds."""
    return [widget, *(found for child in getattr(widget, "children", ()) for found in within(child))]


def one_line(words: object, limit: int = 200) -> str:
    """Untrusted words as the label of a control: a label is text, and has one line."""
    return " ".join(plain(words, limit).split())


def _ready(widget: Any, css: str) -> Any:
    if css:
        widget.add_class(css)
    answer_while_busy(widget)
    return widget
