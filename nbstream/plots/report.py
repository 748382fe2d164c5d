"""One page that says how a session went."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbstream.audio import Peaks
from nbstream.plots import style
from nbstream.plots.session import turns as draw_turns
from nbstream.plots.stability import stability
from nbstream.plots.timing import floor_transfers, latencies, silences, talk_time
from nbstream.timing import percentile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROWS = (
    # column, name, whether it is of the table of words
    ("first_partial_ms", "first partial", False),
    ("ttfs_ms", "time to final", False),
    ("endpoint_wait_ms", "endpoint wait", False),
    ("delivery_ms", "delivery", False),
    ("emission_latency_first_ms", "word, first shown", True),
    ("emission_latency_final_ms", "word, final", True),
    ("inter_turn_silence_ms", "silence between turns", False),
    ("fto_ms", "floor transfer offset", False),
)
_WIDTHS = (0.3, 0.32, 0.095, 0.095, 0.095, 0.095)
_PERCENTILES = (50, 90, 95)


def report(
    peaks: npt.NDArray[np.int16],
    turns: pd.DataFrame,
    words: pd.DataFrame,
    timing: pd.DataFrame,
    partials: pd.DataFrame,
    *,
    title: str = "",
    figsize: tuple[float, float] = (8.27, 11.69),
) -> Figure:
    """One page (A4 upright): turns, latencies, floor transfers or silences, stability, talk time.

    Parameters
    ----------
    peaks : array, shape (columns, 2), int16
        Lowest and highest sample of each 10 ms of the session.
    turns, partials : DataFrame
        Tables of a session.
    words, timing : DataFrame
        Timing tables of words and of turns.
    title : str
        Name of the session, and its date if wanted.
    figsize : (float, float)
        Width and height in inches.

    Returns
    -------
    Figure
        Shows itself in a notebook; ``figure.savefig("report.pdf")`` makes a file.

    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    class Page(Figure):
        """A figure that shows itself: pyplot does not know it, so it is not shown twice."""

        def _repr_png_(self) -> bytes:
            png = io.BytesIO()
            self.savefig(png, format="png")
            return png.getvalue()

    page = Page(figsize=figsize, layout="constrained", facecolor=mpl.rcParams["figure.facecolor"])
    page.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # type: ignore[union-attr, call-arg]
    n_lanes = max(1, style.names_of(turns).nunique())
    grid = page.add_gridspec(5, 2, height_ratios=(0.45, 1.4 + 0.25 * n_lanes, 2, 2, 1.7))
    _header(page.add_subplot(grid[0, :]), title, _facts(peaks, turns, timing))
    draw_turns(peaks, turns, ax=page.add_subplot(grid[1, :]), words=words)
    latencies(timing, ax=page.add_subplot(grid[2, 0]))
    transfers = floor_transfers if style.numbers(timing, "fto_ms").size else silences
    transfers(timing, ax=page.add_subplot(grid[2, 1]))
    stability(partials, ax=page.add_subplot(grid[3, 0]))
    talk_time(turns, ax=page.add_subplot(grid[3, 1]))
    _table(page.add_subplot(grid[4, :]), timing, words)
    return page


def _header(ax: Axes, title: str, facts: str) -> None:
    from nbstream.plots.fit import Fitted

    ax.set_axis_off()
    ink: dict[str, Any] = {"color": style.foreground(), "transform": ax.transAxes}
    title_box, facts_box = (0.0, 1.0, 0.45, 1.0), (0.0, 1.0, 0.0, 0.45)
    name = title or "Session"
    ax.add_artist(Fitted(name, title_box, fontsize="large", fontweight="bold", **ink))
    ax.add_artist(Fitted(facts, facts_box, fontsize=style.SMALL, **ink))


def _facts(peaks: npt.NDArray[np.int16], turns: pd.DataFrame, timing: pd.DataFrame) -> str:
    minutes, seconds = divmod(round(len(peaks) * Peaks.COLUMN_MS / 1000), 60)
    facts = [f"duration {minutes}:{seconds:02d}"]
    for column in ("model", "mode"):
        known = timing[column].dropna().astype(str).unique() if column in timing else ()
        if len(known):
            facts.append(f"{column} {', '.join(known)}")
    n = len(turns)
    return "  |  ".join([*facts, f"{n} turn" + "s" * (n != 1)])


def _table(ax: Axes, timing: pd.DataFrame, words: pd.DataFrame) -> None:
    """Percentiles as far as the number of values carries them."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.table import Table
    from matplotlib.transforms import Bbox

    ax.set_axis_off()
    style.head(ax, "Latencies and silences (ms)")
    rows = []
    for column, name, is_word in _ROWS:
        table = words if is_word else timing
        values = style.numbers(table, column) if column in table else np.empty(0)
        if values.size:
            found = [percentile(values, q) for q in _PERCENTILES]
            shown = ["-" if math.isnan(value) else f"{value:.0f}" for value in found]
            rows.append([name, column, str(len(values)), *shown])
    if not rows:
        style.say(ax, "No values.", "Latencies and silences (ms)")
        return
    grid = Table(
        ax, bbox=Bbox.from_bounds(0, 1 - 0.11 * (len(rows) + 1), 1, 0.11 * (len(rows) + 1))
    )
    for i, row in enumerate([["", "column", "n", *(f"p{q}" for q in _PERCENTILES)], *rows]):
        for j, text in enumerate(row):
            cell = grid.add_cell(
                i,
                j,
                width=_WIDTHS[j],
                height=1,
                text=text,
                loc="left" if j < 2 else "right",
                edgecolor=style.foreground(),
                facecolor="none",
                fontproperties=FontProperties(size=style.SMALL),
            )
            cell.visible_edges = "horizontal"
            cell.set_linewidth(0.4)
            cell.PAD = 0.02 if j < 2 else 0.1
            cell.get_text().set_color(style.foreground())
    grid.auto_set_font_size(False)
    ax.add_table(grid)
