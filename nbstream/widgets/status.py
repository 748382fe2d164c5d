"""The status line: state in words, time, level, the last problem with its hint."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from nbstream.audio import SILENCE_DBFS
from nbstream.engine import Snapshot, State

WORDS: Final = {
    State.IDLE: "Ready",
    State.CONNECTING: "Connecting",
    State.RECORDING: "Recording",
    State.RECONNECTING: "Reconnecting",
    State.DRAINING: "Finishing",
    State.STOPPED: "Stopped",
    State.FAILED: "Failed",
}


BEHIND_S: Final = 2.0  # less is on its way


class Status(anywidget.AnyWidget):  # type: ignore[misc]
    """State in words, time, level, problem. One writer at a time: see `Recorder`."""

    _esm = Path(__file__).parent / "status.js"
    _css = Path(__file__).parent / "status.css"

    view = traitlets.Dict().tag(sync=True)

    def on_sign_of_life(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when a page that shows this says so: each 20 s."""

        def answer(_: object, content: dict[str, Any], __: object) -> None:
            if content.get("kind") == "alive":
                callback()

        self.on_msg(answer)

    def show(self, snapshot: Snapshot, *, note: str = "", is_free: bool = False) -> None:
        """Show `snapshot`; `note` is a line for when nothing is recorded."""
        self.view = status_view(snapshot, note=note, is_free=is_free)


def status_view(snapshot: Snapshot, *, note: str = "", is_free: bool = False) -> dict[str, Any]:
    """What the status line needs of a snapshot, rounded to what can be seen.

    Returns
    -------
    dict
        ``state``, ``word``, ``detail``, ``is_live``, ``elapsed_s``, ``billed_s`` (None where
        nothing is billed), ``cost_usd``, ``level_dbfs``, ``is_clipped``, ``message``, ``hint``,
        ``note``, ``folder``.

    """
    is_live = is_running(snapshot.state)
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
        "note": "" if is_live else note,
        "folder": snapshot.folder if snapshot.state.is_over else "",
    }


def _detail(snapshot: Snapshot) -> str:
    if snapshot.retry_in_s is not None:
        return f"in {math.ceil(snapshot.retry_in_s)} s"
    if is_running(snapshot.state) and snapshot.behind_s >= BEHIND_S:
        return f"{snapshot.behind_s:.0f} s behind"
    return ""


def is_running(state: State) -> bool:
    """Whether a recording in this state can be stopped."""
    return state is not State.IDLE and not state.is_over
