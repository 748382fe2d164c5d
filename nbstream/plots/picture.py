"""A session as a PNG: what a saved notebook shows of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy.typing as npt

from nbstream.plots import style
from nbstream.plots.session import session, turns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nbstream.tables import TurnRow

_WIDTH_IN: Final = 10.0
_DPI: Final = 96


def picture(
    peaks: npt.NDArray[np.int16],
    rows: list[TurnRow],
    table: pd.DataFrame,
    *,
    end_s: float,
    marks_s: Sequence[float] = (),
    pauses_s: Sequence[float] = (),
) -> bytes:
    """Waveform and turns as a PNG, some 20 KB; of several speakers, with a lane for each.

    It stands on a card of its own, light unless the style in use is dark, so that it can be read on
    any page. It can be drawn on any thread: pyplot is not used.

    Parameters
    ----------
    peaks : array, shape (columns, 2), int16
        Lowest and highest sample of each 10 ms.
    rows : list of TurnRow
        The turns.
    table : DataFrame
        They again, as ``turns``.
    end_s : float
        Length of the recording.
    marks_s, pauses_s : sequence of float
        Where the person marked, and paused: lines, of which the second are dotted.

    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_speakers = int(table["speaker"].nunique())
    height_in = 2.2 if n_speakers < 2 else 2.4 + 0.35 * n_speakers
    figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    if n_speakers < 2:
        session(peaks, rows, ax=ax, end_s=end_s)
    else:
        turns(peaks, table, ax=ax, end_s=end_s)
    for at_s in marks_s:
        ax.axvline(at_s, color=style.CHANGED, linewidth=1.2)
    for at_s in pauses_s:
        ax.axvline(at_s, color=style.foreground(), linewidth=1.2, linestyle=":")
    if style.lightness(style.foreground()) < 50:
        figure.set_facecolor("white")  # however transparent the style in use would have it
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor=figure.get_facecolor())
    return file.getvalue()
