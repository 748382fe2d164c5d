"""The status line: state in words, time, level, the last problem with its hint, the keys."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final

import anywidget
import traitlets

from nbstream import front
from nbstream.audio import SILENCE_DBFS
from nbstream.engine import Snapshot, State

WORDS: Final = {
    State.IDLE: "Ready",
    State.CONNECTING: "Connecting",
    State.RECORDING: "Recording",
    State.RECONNECTING: "Reconnecting",
    State.PAUSED: "Paused",
    State.DRAINING: "Finishing",
    State.STOPPED: "Stopped",
    State.FAILED: "Failed",
}

BEHIND_S: Final = 2.0  # less is on its way
SILENT_S: Final = 5.0  # a microphone in use is not silent for so long
METER_S: Final = 0.19  # between two that only differ in level and time: every second snapshot
SILENT: Final = "Nothing heard for 5 s: is the right microphone chosen?"


class Status(anywidget.AnyWidget):  # type: ignore[misc]
    """State in words, time, level, problem. One writer at a time: see `Recorder`."""

    view = traitlets.Dict().tag(sync=True)

    def __init__(self) -> None:
        self._esm, self._css = front.module("status.js"), front.style("status.js")
        self._shown_s = -math.inf
        super().__init__()

    def on_sign_of_life(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when a page that shows this says so: each 20 s."""

        def answer(_: object, content: dict[str, Any], __: object) -> None:
            if content.get("kind") == "alive":
                callback()

        self.on_msg(answer)

    def show(self, snapshot: Snapshot, *, note: str = "", is_free: bool = False) -> None:
        """Show `snapshot`, and `note` where there is nothing more urgent to say."""
        view, now_s = status_view(snapshot, note=note, is_free=is_free), time.monotonic()
        moves = {key for key in view if view[key] != self.view.get(key)}
        is_small = view["is_live"] and moves <= {"level_dbfs", "elapsed_s"}
        if not is_small or now_s - self._shown_s >= METER_S:
            self._shown_s = now_s
            self.view = view


def status_view(snapshot: Snapshot, *, note: str = "", is_free: bool = False) -> dict[str, Any]:
    """What the status line needs of a snapshot, rounded to what can be seen.

    Returns
    -------
    dict
        ``state``, ``word``, ``detail``, ``is_live``, ``elapsed_s``, ``billed_s`` (None where
        nothing is billed), ``cost_usd``, ``level_dbfs``, ``is_clipped``, ``message``, ``hint``,
        ``note``, ``is_silent`` (the note warns of that), ``folder``.

    """
    is_live = is_running(snapshot.state)
    is_silent = is_live and snapshot.silent_s >= SILENT_S
    return {
        "state": str(snapshot.state),
        "word": WORDS[snapshot.state],
        "detail": _detail(snapshot),
        "is_live": is_live,
        "elapsed_s": round(snapshot.audio_s, 1),
        "billed_s": None if is_free else round(snapshot.billed_s),
        "cost_usd": round(snapshot.cost_usd, 2),
        "level_dbfs": round(snapshot.level_dbfs if is_live else SILENCE_DBFS, 1),
        "is_clipped": is_live and snapshot.clipped,
        "message": snapshot.message,
        "hint": snapshot.hint,
        "note": SILENT if is_silent else note,
        "is_silent": is_silent,
        "folder": snapshot.folder if snapshot.state.is_over and snapshot.audio_s else "",
    }


def _detail(snapshot: Snapshot) -> str:
    details = []
    if snapshot.state is State.DRAINING:
        details.append("waiting for the last turn")
    if snapshot.state is State.PAUSED and snapshot.behind_s < BEHIND_S:
        details.append("nothing is recorded")
    if snapshot.retry_in_s is not None:
        details.append(f"in {math.ceil(snapshot.retry_in_s)} s")
    if is_running(snapshot.state) and snapshot.behind_s >= BEHIND_S:
        is_sending = snapshot.state in (State.RECORDING, State.PAUSED, State.DRAINING)
        details.append("catching up: " * is_sending + f"{snapshot.behind_s:.0f} s behind")
    return ", ".join(details)


def is_running(state: State) -> bool:
    """Whether a recording in this state can be stopped."""
    return state is not State.IDLE and not state.is_over
