"""The rolling waveform: the last 30 s of sound, with the turns in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from nbstream.audio import Peaks
from nbstream.session import Session
from nbstream.tables import TurnRow

WINDOW_S: Final = 30.0
COLUMN_MS: Final = 20
_MERGED: Final = COLUMN_MS // Peaks.COLUMN_MS
_N_PEAKS: Final = int(WINDOW_S * 1000) // Peaks.COLUMN_MS


class Waveform(anywidget.AnyWidget):  # type: ignore[misc]
    """The last 30 s of sound and the turns in it. One writer at a time: see `Recorder`."""

    _esm = Path(__file__).parent / "waveform.js"
    _css = Path(__file__).parent / "waveform.css"

    view = traitlets.Dict().tag(sync=True)

    def __init__(self) -> None:
        super().__init__(view=waveform_view(np.empty((0, 2), np.int16), 0, ()))

    def show(self, session: Session | None, rows: Iterable[TurnRow]) -> None:
        """Show the end of what `session` has recorded, and those of `rows` that are in it."""
        peaks, n_peaks = (np.empty((0, 2), np.int16), 0) if session is None else _tail(session)
        self.view = waveform_view(peaks, n_peaks, rows)


def waveform_view(
    peaks: npt.NDArray[np.int16], n_peaks: int, rows: Iterable[TurnRow]
) -> dict[str, Any]:
    """What the waveform needs, the whole window each time: about 6 KB.

    Parameters
    ----------
    peaks : array, shape (columns, 2), int16
        Lowest and highest sample of the last columns of 10 ms, from an even one on.
    n_peaks : int
        How many columns the recording has, all told.
    rows : iterable of TurnRow
        Turns to mark.

    Returns
    -------
    dict
        ``columns`` (bytes: little-endian int16 pairs, lowest and highest of each 20 ms),
        ``column_s``, ``end_s`` (of the last column), ``window_s``, ``spans`` (of each turn in the
        window: start_s, end_s, is_final, turn_order).

    """
    # Columns are merged in pairs that start at an even one, so that a bar keeps its height while
    # it moves through the window.
    whole = len(peaks) // _MERGED * _MERGED
    pairs = peaks[:whole].reshape(-1, _MERGED, 2)
    columns = np.stack([pairs[:, :, 0].min(axis=1), pairs[:, :, 1].max(axis=1)], axis=1)
    end_s = (n_peaks - n_peaks % _MERGED) * Peaks.COLUMN_MS / 1000
    start_s = max(0.0, end_s - WINDOW_S)
    return {
        "columns": columns.astype("<i2").tobytes(),
        "column_s": COLUMN_MS / 1000,
        "end_s": end_s,
        "window_s": WINDOW_S,
        "spans": [
            [round(row.start_s, 3), round(row.end_s, 3), row.is_final, row.turn_order]
            for row in rows
            if row.words and row.end_s > start_s
        ],
    }


def _tail(session: Session) -> tuple[npt.NDArray[np.int16], int]:
    """The last peaks of `session`, from an even column on, and how many it has all told."""
    peaks, first = session.recent_peaks(_N_PEAKS + 1)
    n_peaks = first + len(peaks)
    return peaks[first % _MERGED :], n_peaks
