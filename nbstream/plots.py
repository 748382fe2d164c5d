"""Pictures with matplotlib: `ax` in, Axes out. Data comes as arrays and rows, not as a session."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nbstream.audio import FULL_SCALE, Peaks
from nbstream.tables import TurnRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_COLUMNS = 2000


def session(
    peaks: npt.NDArray[np.int16],
    rows: Sequence[TurnRow],
    *,
    ax: Axes | None = None,
    start_s: float = 0.0,
    end_s: float,
) -> Axes:
    """Waveform with its turns as numbered spans.

    Parameters
    ----------
    peaks : array, shape (columns, 2), int16
        Lowest and highest sample of each 10 ms of the session.
    rows : sequence of TurnRow
        Turns; partials are hatched.
    start_s, end_s : float
        What to show, in seconds of session audio.

    """
    if ax is None:
        ax = _new_axes()
    at_s, low, high = _envelope(peaks, start_s, end_s)
    ax.fill_between(at_s, low, high, color="0.35", linewidth=0, step="mid")
    top = max(0.05, float(np.abs([low, high]).max()) if low.size else 0.05) * 1.25
    shown = [
        r for r in rows if not math.isnan(r.start_s) and r.end_s > start_s and r.start_s < end_s
    ]
    for number, row in enumerate(shown):
        # Two lightnesses of one hue: neighbours differ in grey print too.
        color = "#8fb8de" if number % 2 else "#d6e6f5"
        hatch = None if row.is_final else "//"
        ax.axvspan(row.start_s, row.end_s, color=color, hatch=hatch, zorder=0, linewidth=0)
        if len(shown) <= 40:
            ax.text(max(row.start_s, start_s), top, f" {row.turn_order}", va="top", fontsize=8)
    ax.set(xlim=(start_s, max(end_s, start_s + 0.1)), ylim=(-top, top))
    ax.set(xlabel="time in the recording (s)", ylabel="amplitude (full scale = 1)")
    return ax


def _new_axes() -> Axes:
    # pyplot here only: a person asked for a figure, in a cell. Threads never come this way.
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(9, 2.4), layout="constrained")[1]


def _envelope(peaks: npt.NDArray[np.int16], start_s: float, end_s: float) -> Any:
    """Times in s, lows and highs in full scales, at most `_MAX_COLUMNS` of them."""
    column_s = Peaks.COLUMN_MS / 1000
    first, last = int(start_s / column_s), math.ceil(end_s / column_s)
    part = peaks[first:last]
    group = max(1, math.ceil(len(part) / _MAX_COLUMNS))
    whole = part[: len(part) // group * group].reshape(-1, group, 2)
    at_s = (first + np.arange(len(whole)) * group + group / 2) * column_s
    return at_s, whole[:, :, 0].min(axis=1) / FULL_SCALE, whole[:, :, 1].max(axis=1) / FULL_SCALE
