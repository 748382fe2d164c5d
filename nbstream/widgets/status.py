"""The status line: state in words, time, level, the last problem with its hint."""

from __future__ import annotations

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


class Status(anywidget.AnyWidget):  # type: ignore[misc]
    """State in words, time, level, problem. One writer at a time: see `Recorder`."""

    _esm = Path(__file__).parent / "status.js"
    _css = Path(__file__).parent / "status.css"

    view = traitlets.Dict().tag(sync=True)

    def show(self, snapshot: Snapshot, *, note: str = "", is_free: bool = False) -> None:
        """Show `snapshot`; `note` is a line for when nothing is recorded."""
        self.view = status_view(snapshot, note=note, is_free=is_free)


def status_view(snapshot: Snapshot, *, note: str = "", is_free: bool = False) -> dict[str, Any]:
    """What the status line needs of a snapshot, rounded to what can be seen.

    Returns
    -------
    dict
        ``state``, ``word``, ``is_live``, ``elapsed_s``, ``billed_s`` (None where nothing is
        billed), ``level_dbfs``, ``is_clipped``, ``message``, ``hint``, ``note``, ``folder``.

    """
    is_live = is_running(snapshot.state)
    return {
        "state": str(snapshot.state),
        "word": WORDS[snapshot.state],
        "is_live": is_live,
        "elapsed_s": round(snapshot.audio_s, 1),
        "billed_s": None if is_free else round(snapshot.billed_s),
        "level_dbfs": round(snapshot.level_dbfs if is_live else SILENCE_DBFS, 1),
        "is_clipped": is_live and snapshot.clipped,
        "message": snapshot.message,
        "hint": snapshot.hint,
        "note": "" if is_live else note,
        "folder": snapshot.folder if snapshot.state.is_over else "",
    }


def is_running(state: State) -> bool:
    """Whether a recording in this state can be stopped."""
    return state is not State.IDLE and not state.is_over
