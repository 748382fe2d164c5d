"""The kernel's control channel as a way to a widget: it is read while a cell runs.

A page sends ``{"to", "content"}`` there, with frames as buffers; that is done as if it had come
through the widget. What goes to the page goes through the widget in any case.
"""

from __future__ import annotations

import uuid
import weakref
from typing import Any, Final

import ipywidgets
from IPython import get_ipython

MESSAGE_TYPE: Final = "nbstream"
_reached: weakref.WeakValueDictionary[str, ipywidgets.Widget] = weakref.WeakValueDictionary()


def reach(widget: ipywidgets.Widget) -> str:
    """Have pages reach `widget` that way.

    Returns
    -------
    str
        The name that they must say, no secret; empty where the kernel has no such channel.

    """
    handlers = getattr(getattr(get_ipython(), "kernel", None), "control_handlers", None)
    if not isinstance(handlers, dict):
        return ""
    handlers[MESSAGE_TYPE] = _take
    name = uuid.uuid4().hex
    _reached[name] = widget
    return name


def _take(stream: object, idents: object, message: dict[str, Any]) -> None:
    """Called on the kernel's control thread; the same in ipykernel 6 and 7."""
    said = message.get("content", {})
    widget, content = _reached.get(str(said.get("to"))), said.get("content")
    if widget is not None and widget.comm is not None and isinstance(content, dict):
        frames = [bytes(part) for part in message.get("buffers", ())]
        widget._handle_custom_msg(content, frames)  # What it raises is shown.
