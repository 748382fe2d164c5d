"""`View`: a session in a page, live or reopened. The Python side of ``front/store.js``.

A page gets everything once, in the trait `state`, and then what is new, in the trait `delta`, each
with the number that follows. One that has missed something asks for everything again; what is
seldom looked at (sound in detail, words of old turns) is asked for as well.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Final

import anywidget
import traitlets

from nbstream import front
from nbstream.audio import Peaks
from nbstream.front import page
from nbstream.front.page import snapshot_json
from nbstream.session import Session
from nbstream.widgets.answering import answer_while_a_cell_runs

__all__ = ["View", "snapshot_json"]

MOST_TILES: Final = 64  # answered at once
MOST_WORDS: Final = 500  # turns


class View(anywidget.AnyWidget):  # type: ignore[misc]
    """Waveform, transcript and table of a session.

    Parameters
    ----------
    session : Session, optional
        What is shown at first. One that is being recorded stands as it is now, until `show`.

    Notes
    -----
    `show` is called by one thread at a time, nbstream-notify while an engine runs; the kernel's
    threads ask for `state` and send messages. `_lock` guards what pages have been told, and is held
    while that is sent, so that numbers leave in order.

    Messages up: ``{kind: "all", to, seq}``, ``{kind: "tiles", tiles: [{level, first}]}``,
    ``{kind: "words", keys}``. Down: ``{kind: "state", to, state}``, ``{kind: "tiles", tiles}``,
    both with a buffer for each part of sound, in order, and ``{kind: "words", words}``.

    """

    entry = "view.js"

    # Never set: each page that comes is given it as it stands then.
    state = traitlets.Any().tag(sync=True, to_json=lambda _, view: view.whole())
    delta = traitlets.Dict({"seq": 0}).tag(sync=True)

    def __init__(self, session: Session | None = None) -> None:
        self._lock = threading.RLock()
        self._seq = 0
        self._session = session
        self._told = page.Told()
        page.whole(session, self._told)
        self._esm, self._css = front.module(self.entry), front.style(self.entry)
        super().__init__()
        self.on_msg(self._answer)
        answer_while_a_cell_runs(self)

    def show(self, session: Session | None) -> None:
        """Show what is new in `session`; sends nothing if nothing is."""
        with self._lock:
            if session is not self._session:
                self._session, self._told, self._seq = session, page.Told(), self._seq + 1
                self._send_state(self.whole(self._told), None)
            elif found := page.news(session, self._told):
                self._seq += 1
                self.delta = {"seq": self._seq} | found

    def whole(self, told: page.Told | None = None) -> dict[str, Any]:
        """Everything, as the trait `state` has it."""
        with self._lock:
            if told is None:  # A page that joins is told what the others know.
                known = page.Told(speakers=dict(self._told.speakers), noted=self._told.noted)
            else:
                known = told
            return {"seq": self._seq} | page.whole(self._session, known)

    def __repr__(self) -> str:
        return f"<View {self._session!r}>" if self._session else "<View of nothing yet>"

    # -- what pages ask for, on the kernel's threads ----------------------------------------------

    def _answer(self, _: object, content: dict[str, Any], __: object) -> None:
        session = self._session
        match content:
            case {"kind": "all", "to": str(to)}:
                with self._lock:
                    if content.get("seq") != self._seq:
                        self._send_state(self.whole(), to)
            case {"kind": "tiles", "tiles": list(wanted)} if session is not None:
                tiles = [page.tile(session, *at) for at in _places(wanted[:MOST_TILES])]
                self._send_parts({"kind": "tiles", "tiles": tiles}, tiles)
            case {"kind": "words", "keys": list(keys)} if session is not None:
                rows = session.find_turns(keys_of(keys[:MOST_WORDS]))
                found = {f"{row.connection}.{row.turn_order}": page.words(row) for row in rows}
                self.send({"kind": "words", "words": found})

    def _send_state(self, whole: dict[str, Any], to: str | None) -> None:
        self._send_parts({"kind": "state", "to": to, "state": whole}, whole["sound"]["parts"])

    def _send_parts(self, message: dict[str, Any], parts: list[dict[str, Any]]) -> None:
        """Send a message whose `parts` give their columns as buffers."""
        self.send(message, [part.pop("columns") for part in parts])


def _places(wanted: list[Any]) -> Iterable[tuple[int, int]]:
    """Level and first column of the tiles in a message; what is none is left out."""
    for place in wanted:
        match place:
            case {"level": int(level), "first": int(first)}:
                if 0 <= level < Peaks.N_LEVELS and first >= 0:
                    yield level, first


def keys_of(keys: list[Any]) -> Iterable[tuple[int, int]]:
    """Connection and order of the turns in a message; what is none is left out."""
    for key in keys:
        connection, _, order = str(key).partition(".")
        if connection.isdecimal() and order.isdecimal():
            yield int(connection), int(order)
