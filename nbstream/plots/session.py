"""Waveform with the turns over it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbstream.audio import FULL_SCALE, Peaks
from nbstream.plots import style
from nbstream.tables import TurnRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_COLUMNS = 2000
_MOST_NUMBERS = 200  # of turns; more have no room
_LEAST_PEAK = 0.05  # silence is not blown up to the height of speech
_WORDS_STRIP = 0.16  # of a lane's height


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
    ax : Axes, optional
        Where to draw; by default a new figure.
    start_s, end_s : float
        What to show, in seconds of session audio.

    Returns
    -------
    Axes

    """
    from nbstream.plots.fit import Fitted

    ax = ax or style.new_axes()
    at_s, low, high = _envelope(peaks, start_s, end_s)
    ax.fill_between(at_s, low, high, color=style.foreground(), alpha=0.75, linewidth=0, step="mid")
    top = max(_LEAST_PEAK, float(np.abs([low, high]).max(initial=0))) * 1.35
    shown = [
        r for r in rows if not math.isnan(r.start_s) and r.end_s > start_s and r.start_s < end_s
    ]
    # One artist for many spans: a session of hours has thousands. Two strengths of one colour:
    # neighbours differ in grey print too.
    across = ax.get_xaxis_transform()
    for parity, alpha in ((0, 0.25), (1, 0.5)):
        spans = [(r.start_s, r.end_s - r.start_s) for r in shown[parity::2]]
        look: dict[str, Any] = {"facecolor": style.PLAIN, "alpha": alpha, "linewidth": 0}
        ax.broken_barh(spans, (0, 1), zorder=0, transform=across, **look)
    opened = [(r.start_s, r.end_s - r.start_s) for r in shown if not r.is_final]
    edge = (*_rgb(style.foreground()), 0.4)
    look = {"facecolor": "none", "edgecolor": edge, "hatch": style.HATCH, "linewidth": 0}
    ax.broken_barh(opened, (0, 1), zorder=0, transform=across, **look)
    for row in shown if len(shown) <= _MOST_NUMBERS else ():
        box = (max(row.start_s, start_s), min(row.end_s, end_s), top * 0.75, top)
        ax.add_artist(
            Fitted(str(row.turn_order), box, fontsize=style.SMALL, color=style.foreground())
        )
    ax.set(xlim=(start_s, max(end_s, start_s + 0.1)), ylim=(-top, top))
    ax.set(xlabel="time in the recording (s)", ylabel="amplitude (full scale = 1)")
    return ax


def turns(
    peaks: npt.NDArray[np.int16],
    turns: pd.DataFrame,
    *,
    ax: Axes | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    words: pd.DataFrame | None = None,
) -> Axes:
    """Who spoke when and what: a lane for each speaker under the waveform.

    Where two speak at once the waveform is hatched; a turn that may still change is hatched.

    Parameters
    ----------
    peaks : array, shape (columns, 2), int16
        Lowest and highest sample of each 10 ms of the session. Drawn to the height of its
        largest, at least 0.05 of full scale.
    turns : DataFrame
        ``turns`` or the timing table: start_s, end_s, is_final, transcript, turn_order, and
        speaker or channel if there are several.
    ax : Axes, optional
        Where to draw; by default a new figure.
    start_s, end_s : float
        What to show, in seconds of session audio; to the end by default.
    words : DataFrame, optional
        ``words``: draws each as a dash under its turn, so that pauses are seen.

    Returns
    -------
    Axes

    """
    from matplotlib.patches import Patch

    turns = turns.reset_index(drop=True)
    names = style.names_of(turns)
    lanes = style.lanes_of(names)
    rows = _spans(turns).assign(lane=names.map({name: i for i, name in enumerate(lanes)}))
    if end_s is None:
        ends = rows["end_s"].max() if len(rows) else 0.0
        end_s = max(len(peaks) * Peaks.COLUMN_MS / 1000, float(ends), start_s + 0.1)
    rows = rows[(rows["end_s"] > start_s) & (rows["start_s"] < end_s)]

    n_lanes = max(1, len(lanes))
    wave = 1 + n_lanes / 8  # its height, in lanes
    ax = ax or style.new_axes(9, 1.5 + 0.5 * (n_lanes + wave))
    ink = style.foreground()
    at_s, low, high = _envelope(peaks, start_s, end_s)
    scale = 0.45 * wave / max(_LEAST_PEAK, float(np.abs([low, high]).max(initial=0)))
    middle = -wave / 2
    ax.fill_between(
        at_s, middle - high * scale, middle - low * scale, color=ink, alpha=0.75, linewidth=0
    )
    for i in range(n_lanes):
        ax.axhline(i, color=ink, alpha=0.25, linewidth=0.6, zorder=0)

    entries = []
    for row in rows.itertuples():
        _turn(ax, row, start_s, end_s)
    if not rows["is_final"].all():
        hatch = Patch(facecolor=style.PLAIN, edgecolor="0.1", hatch=style.HATCH, linewidth=0)
        entries.append((hatch, "may still change"))
    overlaps = _overlaps(rows, n_lanes)
    if overlaps:
        face: dict[str, Any] = {"facecolor": "none", "edgecolor": style.CHANGED, "linewidth": 0}
        ax.broken_barh(overlaps, (-wave, wave), hatch="xxxx", zorder=0.5, **face)
        entries.append((Patch(hatch="xxxx", **face), "overlap"))
    if words is not None and len(words) and len(rows):
        _dash_words(ax, words, rows)

    from nbstream.plots.fit import label_rows

    ax.set(xlim=(start_s, end_s), ylim=(n_lanes, -wave), xlabel="time in the recording (s)")
    labels = ["audio"] + [style.plain(name, 18) for name in lanes or ["no turns"]]
    label_rows(ax, [middle, *(i + 0.5 for i in range(n_lanes))], labels, style.SMALL)
    style.tidy(ax)
    n = len(rows)
    style.head(ax, f"{n} turn" + "s" * (n != 1), entries)
    return ax


def _turn(ax: Axes, row: Any, start_s: float, end_s: float) -> None:
    """One span in its lane, with as much of its text as fits."""
    from matplotlib.patches import Rectangle

    from nbstream.plots.fit import Fitted

    fill = style.FILLS[row.lane % len(style.FILLS)]
    ink = style.ink_on(fill)
    hatch = None if row.is_final else style.HATCH
    ax.add_patch(
        Rectangle(
            (row.start_s, row.lane + 0.06),
            row.end_s - row.start_s,
            0.88,
            facecolor=fill,
            edgecolor=ink,
            hatch=hatch,
            linewidth=0,
        )
    )
    if row.end_s - row.start_s > 0.01 * (end_s - start_s):
        # Turns of one speaker may follow without a gap.
        lane = [row.lane + 0.06, row.lane + 0.94]
        ax.plot([row.start_s] * 2, lane, color=ink, linewidth=0.8, solid_capstyle="butt")
    left, right = max(row.start_s, start_s), min(row.end_s, end_s)
    text = Fitted(
        f"{row.turn_order} {row.transcript}",
        (left, right, row.lane + 0.06, row.lane + 0.94 - _WORDS_STRIP),
        short=str(row.turn_order),
        color=ink,
        fontsize=style.SMALLER,
    )
    if hatch:
        text.set_bbox({"facecolor": fill, "linewidth": 0, "pad": 1})
    ax.add_artist(text)


def _dash_words(ax: Axes, words: pd.DataFrame, rows: pd.DataFrame) -> None:
    keys = ["connection", "turn_order"]
    if not set(keys) <= set(rows.columns) & set(words.columns):
        return
    placed = words.merge(rows[[*keys, "lane"]], on=keys).dropna(subset=["start_s", "end_s"])
    for lane, part in placed.groupby("lane"):
        spans = list(zip(part["start_s"], part["end_s"] - part["start_s"], strict=True))
        ink = style.ink_on(style.FILLS[int(str(lane)) % len(style.FILLS)])
        strip = (float(str(lane)) + 0.92 - _WORDS_STRIP, _WORDS_STRIP * 0.7)
        ax.broken_barh(spans, strip, facecolor=ink, linewidth=0, alpha=0.8)


def _spans(turns: pd.DataFrame) -> pd.DataFrame:
    """The columns a span is drawn from, of the turns that have a place in time."""
    columns = {
        "connection": 0,
        "turn_order": range(len(turns)),
        "start_s": math.nan,
        "end_s": math.nan,
        "transcript": "",
        "is_final": True,
    }
    spans = pd.DataFrame(
        {name: turns.get(name, default) for name, default in columns.items()}, index=turns.index
    )
    spans["transcript"] = spans["transcript"].fillna("").astype(str)
    spans["is_final"] = spans["is_final"].fillna(True).astype(bool)
    spans = spans.astype({"start_s": "float64", "end_s": "float64"})
    return spans[spans["end_s"] > spans["start_s"]]


def _overlaps(rows: pd.DataFrame, n_lanes: int) -> list[tuple[float, float]]:
    """Starts and lengths of the stretches in which more than one speaks."""
    edges_s, active = style.activity(
        rows["start_s"].to_numpy(np.float64),
        rows["end_s"].to_numpy(np.float64),
        rows["lane"].to_numpy(np.int64),
        n_lanes,
    )
    both = active.sum(axis=1) > 1
    return list(zip(edges_s[:-1][both], np.diff(edges_s)[both], strict=True))


def _rgb(color: Any) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(color)


def _envelope(peaks: npt.NDArray[np.int16], start_s: float, end_s: float) -> Any:
    """Times in s, lows and highs in full scales, at most `_MAX_COLUMNS` of them."""
    column_s = Peaks.COLUMN_MS / 1000
    first, last = max(0, int(start_s / column_s)), math.ceil(end_s / column_s)
    part = peaks[first:last]
    group = max(1, math.ceil(len(part) / _MAX_COLUMNS))
    whole = part[: len(part) // group * group].reshape(-1, group, 2)
    at_s = (first + np.arange(len(whole)) * group + group / 2) * column_s
    return at_s, whole[:, :, 0].min(axis=1) / FULL_SCALE, whole[:, :, 1].max(axis=1) / FULL_SCALE
