"""What pages tell our widgets, past busy cells: clicks, choices, edits, signs of life.

On some kernels what a page tells a widget waits until no cell runs. So a hidden part, `Commands`,
one in a kernel, opens a line of each page (see `nbstream.channel`), by which the page sends instead
what it would have sent to the comms of the widgets that were given to `carry`. Where no line can be
had, nothing is changed.
"""

from __future__ import annotations

import threading
from typing import Any

import anywidget
import ipywidgets
import traitlets

from nbstream import front
from nbstream.channel import Inbox, Message
from nbstream.widgets.answering import answer_while_a_cell_runs
from nbstream.widgets.control import reach


class Commands(anywidget.AnyWidget):  # type: ignore[misc]
    """Nothing to see: one end of the lines by which pages send their messages.

    Notes
    -----
    Messages are done on the one thread nbstream-commands, in order. Nothing listens before a page
    has asked, or after the last widget was closed. `_lock` guards what is carried.

    """

    models = traitlets.List(traitlets.Unicode()).tag(sync=True)
    control = traitlets.Unicode().tag(sync=True)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._carried: dict[str, ipywidgets.Widget] = {}
        self._inbox: Inbox | None = None
        self._esm, self._css = front.module("commands.js"), ""
        super().__init__(control=reach(self))
        self.on_msg(self._answer)
        answer_while_a_cell_runs(self)

    def add(self, widgets: tuple[ipywidgets.Widget, ...]) -> bool:
        """Carry what is told to them as well, until they are closed; False if this is closed."""
        with self._lock:
            if self.comm is None:
                return False
            self._carried |= {widget.model_id: widget for widget in widgets}
            self.models = list(self._carried)
        for widget in widgets:
            widget.observe(self._drop_closed, "comm")
        return True

    @property
    def routes(self) -> list[str]:
        """How each page that has a line is heard."""
        return self._inbox.routes if self._inbox is not None else []

    def cut(self) -> None:
        """Break all lines, as a network would."""
        if self._inbox is not None:
            self._inbox.cut()

    def close(self) -> None:
        """Carry nothing any more."""
        with self._lock:
            inbox, self._inbox = self._inbox, None
            super().close()
        if inbox is not None:
            inbox.__exit__()

    def _drop_closed(self, change: dict[str, Any]) -> None:
        if change["new"] is not None:
            return
        with self._lock:
            kept = {it: w for it, w in self._carried.items() if w is not change["owner"]}
            self._carried = kept
            if self.comm is not None and kept:
                self.models = list(kept)
        if not kept:
            self.close()

    # -- on the kernel's threads -------------------------------------------------------------------

    def _answer(self, _: object, content: Message, frames: list[Any]) -> None:
        match content:
            case {"kind": "ask", "page": str(page), "origin": str(origin)}:
                with self._lock:
                    if self.comm is None:
                        return
                    if self._inbox is None:
                        self._inbox = Inbox(self._do, self.send).__enter__()
                    inbox = self._inbox
                inbox.invite(page, origin, self.send)
            case {"kind": "line"} if self._inbox is not None:
                self._inbox.through_comm(content, frames)

    # -- on nbstream-commands ----------------------------------------------------------------------

    def _do(self, said: Message) -> None:
        """As ipywidgets does what has come by a comm; what it raises is shown."""
        widget, data = self._carried.get(str(said.get("model_id"))), said.get("data")
        if widget is not None and isinstance(data, dict):
            widget._handle_msg({"content": {"data": data}, "buffers": []})


_making = threading.Lock()
_commands: Commands | None = None


def carry(*widgets: ipywidgets.Widget) -> None:
    """Have what pages tell these widgets done at once, also while a cell runs."""
    global _commands
    for widget in widgets:
        answer_while_a_cell_runs(widget)
    with _making:
        if _commands is None or not _commands.add(widgets):
            _commands = Commands()
            _commands.add(widgets)
