"""`PageMicrophone`: the part of a page that captures for a `BrowserMicrophone`.

To see is what the person has to answer there, which tab is to be recorded; and where there is no
panel that says it, what the person should know.

What a page needs to find the kernel, port and secret, is sent as a message, when a recording begins
or a page asks, and never is a trait: it would be saved with the notebook.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import anywidget
import traitlets
from IPython import get_ipython
from IPython.display import display

from nbstream import front
from nbstream.channel import LOOPBACK_NAMES
from nbstream.sources.browser import BrowserMicrophone
from nbstream.widgets.answering import answer_while_a_cell_runs
from nbstream.widgets.control import reach

LONGEST_NAME: Final = 100  # characters; of more, the beginning is found as well
MOST_NAMES: Final = 50


class PageMicrophone(anywidget.AnyWidget):  # type: ignore[misc]
    """Lends the page's microphone to one source at a time.

    Parameters
    ----------
    source : BrowserMicrophone, optional
        Which at first; see `lend`.
    on_page : callable, optional
        Called when a page shows this, with whether it is on this machine, as far as its address
        tells; on the kernel's threads.
    on_inputs : callable, optional
        Called when a page tells what it has, with the names of its microphones, as far as it may
        know them, and whether it can share the sound of a tab; on the kernel's threads.

    """

    # By which a page that is loaded again finds what it kept; no secret.
    place = traitlets.Unicode().tag(sync=True)
    control = traitlets.Unicode().tag(sync=True)  # see `reach`
    said = traitlets.List(traitlets.Unicode(), ["", ""]).tag(sync=True)  # message, hint

    def __init__(
        self,
        source: BrowserMicrophone | None = None,
        *,
        on_page: Callable[[bool], None] | None = None,
        on_inputs: Callable[[tuple[str, ...], bool], None] | None = None,
    ) -> None:
        self._source: BrowserMicrophone | None = None
        self._on_page, self._on_inputs = on_page, on_inputs
        self._origins: set[str] = set()  # of the pages that show this
        self._esm, self._css = front.module("capture.js"), front.style("capture.js")
        super().__init__(place=uuid.uuid4().hex, control=reach(self))
        self.on_msg(self._answer)
        answer_while_a_cell_runs(self)
        if hasattr(self.comm, "handle_msg"):
            # Past the hooks of a cell's begin and end, which would cut up what others draw.
            self.comm.handle_msg = self._handle_msg
        if source is not None:
            self.lend(source)

    def lend(self, source: BrowserMicrophone) -> BrowserMicrophone:
        """Have `source` captured by pages that show this. Returns it."""
        self._source = source
        source.tell, source.origins = self.send, self._origins
        return source

    def say(self, message: str, hint: str) -> None:
        """Have it read in the cell; nothing if empty. From any thread."""
        self.said = [message, hint]

    def _answer(self, _: object, content: dict[str, Any], buffers: list[Any]) -> None:
        if content.get("kind") == "ask":
            origin = str(content.get("origin", ""))
            if origin:
                self._origins.add(origin)
            if self._on_page is not None:
                self._on_page(is_here(origin))
        if content.get("kind") == "devices" and self._on_inputs is not None:
            self._on_inputs(plain_names(content.get("names")), content.get("tab") is True)
        if self._source is not None:
            self._source.asked(content, [bytes(part) for part in buffers])

    def __repr__(self) -> str:
        return f"<PageMicrophone for {self._source!r}>"


def plain_names(said: object) -> tuple[str, ...]:
    """Names of devices as a page tells them: each once, on one line, none empty, not too many."""
    given = said if isinstance(said, list) else []
    lines = (" ".join(name.split())[:LONGEST_NAME] for name in given if isinstance(name, str))
    shown = ("".join(filter(str.isprintable, line)) for line in lines)
    return tuple(dict.fromkeys(filter(None, shown)))[:MOST_NAMES]


def is_here(origin: str) -> bool:
    """Whether a page from `origin` is on this machine, or looks so through a tunnel."""
    try:
        return urlsplit(origin).hostname in LOOPBACK_NAMES
    except ValueError:
        return False


def show(source: BrowserMicrophone) -> None:
    """Have the page that runs this cell capture for `source`; does nothing without a notebook."""
    if getattr(get_ipython(), "kernel", None) is not None:
        shown = PageMicrophone(source)
        source.heed = shown.say
        display(shown)
