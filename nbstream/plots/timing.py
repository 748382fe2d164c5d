"""Distributions of turn timing: floor transfers, silences, latencies; and who talked how long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbstream.plots import style
from nbstream.timing import percentile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = npt.NDArray[np.float64]

# What `latencies` looks for, in the table of turns or of words.
LATENCIES = ("first_partial_ms", "ttfs_ms", "endpoint_wait_ms", "delivery_ms")
_MARKS = {50: "o", 90: "^"}  # percentile -> marker
WORD_LATENCIES = ("emission_latency_first_ms", "emission_latency_final_ms")


def floor_transfers(
    timing: pd.DataFrame,
    *,
    ax: Axes | None = None,
    bin_ms: float = 100,
    window_ms: float = 5000,
) -> Axes:
    """Histogram of floor transfer offsets: from the end of one's turn to the start of the next's.

    Parameters
    ----------
    timing : DataFrame
        Timing table of turns; uses ``fto_ms``, and ``speaker`` or ``channel`` where it is empty.
    ax : Axes, optional
        Where to draw; by default a new figure.
    bin_ms : float
        Width of a bar; zero is an edge, so that no bar holds overlaps and gaps.
    window_ms : float
        Transfers further from zero are counted in the legend, not drawn.

    Returns
    -------
    Axes

    """
    ax = ax or style.new_axes(6, 3.2)
    title, values = "Floor transfers", style.numbers(timing, "fto_ms")
    if not values.size:
        return style.say(ax, f"No floor transfers: {_why_no_transfers(timing)}", title)
    _histogram(ax, values, bin_ms, window_ms, title, "floor transfer offset (ms)", signed=True)
    return ax


def silences(
    timing: pd.DataFrame,
    *,
    ax: Axes | None = None,
    bin_ms: float = 100,
    window_ms: float = 5000,
) -> Axes:
    """Histogram of silences between turns, whoever spoke: for dictation, where no floor changes.

    Parameters
    ----------
    timing : DataFrame
        Timing table of turns; uses ``inter_turn_silence_ms``.
    ax, bin_ms, window_ms
        As in `floor_transfers`.

    Returns
    -------
    Axes

    """
    ax = ax or style.new_axes(6, 3.2)
    title, values = "Silences between turns", style.numbers(timing, "inter_turn_silence_ms")
    if not values.size:
        return style.say(ax, "No silence between turns: it takes two turns with words.", title)
    _histogram(ax, values, bin_ms, window_ms, title, "end to next start (ms)", signed=False)
    return ax


def latencies(
    timing: pd.DataFrame,
    columns: str | Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    by: str | None = None,
) -> Axes:
    """Share of turns (or words) that were done within a time: one line a latency.

    The median is marked from 2 values on, p90 from 10: fewer do not carry it.

    Parameters
    ----------
    timing : DataFrame
        Timing table of turns or of words.
    columns : str or sequence of str, optional
        Latencies in ms. By default those of `LATENCIES` and `WORD_LATENCIES` that the table has;
        with `by` the first of them, ``ttfs_ms`` before others.
    ax : Axes, optional
        Where to draw; by default a new figure.
    by : str, optional
        Column to group by, such as ``"speaker"`` or ``"model"``: a line for each group.

    Returns
    -------
    Axes

    """
    ax = ax or style.new_axes(6, 3.6)
    columns = _columns(timing, columns, by)
    series = [(label, v) for label, v in _series(timing, columns, by) if v.size]
    title = "Latencies" if len(columns) != 1 or by is None else columns[0]
    if not series:
        names = ", ".join(columns) or "the table"
        return style.say(ax, f"No latencies: there are no values in {names}.", title)
    counts = {len(values) for _, values in series}
    entries: list[tuple[Any, str]] = []
    for i, (label, values) in enumerate(series):
        color, dashes = style.LINES[i % len(style.LINES)]
        line = ax.ecdf(values, color=color, linestyle=dashes, linewidth=1.8)
        # One n for all stands in the title.
        n = f" (n = {len(values)})" if len(counts) > 1 else ""
        entries.append((line, style.shortened(label, 28) + n))
        for q, marker in _MARKS.items():
            at = percentile(values, q)
            if not math.isnan(at):
                ink = style.foreground()
                ax.plot(
                    at, q / 100, marker, color=color, markeredgecolor=ink, markersize=5, zorder=3
                )
    if len(counts) == 1:
        title += f" (n = {counts.pop()})"
    ax.set(xlabel="ms", ylabel="share of words" if "word" in timing else "share of turns")
    ax.set(ylim=(0, 1.03), yticks=[0, *(q / 100 for q in _MARKS), 1])
    ax.set_yticklabels(["0", *(f"p{q}" for q in _MARKS), ""])
    ax.grid(alpha=0.25)
    ax.locator_params(axis="x", nbins=6)
    style.tidy(ax)
    style.head(ax, title, entries)
    return ax


def talk_time(turns: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Bars of talk time by speaker, the part in which another speaks too hatched.

    Parameters
    ----------
    turns : DataFrame
        ``turns`` or the timing table: start_s, end_s, and speaker or channel.
    ax : Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    Axes
        A speaker's share is of the sum of all bars; a stretch in which two speak counts for both.

    """
    from matplotlib.patches import Patch

    from nbstream.plots.fit import Fitted, label_rows

    names = style.names_of(turns)
    lanes = style.lanes_of(names)
    ax = ax or style.new_axes(6, 1 + 0.5 * max(1, len(lanes)))
    talked_s, overlapped_s = _talked(turns, names, lanes)
    if not talked_s.sum():
        return style.say(ax, "No talk time: no turn has words with times.", "Talk time")
    unit_s, unit = (60.0, "min") if talked_s.max() >= 600 else (1.0, "s")
    talked, overlapped = talked_s / unit_s, overlapped_s / unit_s
    hatched = None
    right = 1.7 * float(talked.max())  # room for what stands beside the longest bar
    for i, name in enumerate(lanes):
        fill = style.FILLS[i % len(style.FILLS)]
        bar: dict[str, Any] = {"facecolor": fill, "linewidth": 0, "height": 0.7}
        ax.barh(i, talked[i], **bar)
        if overlapped[i]:
            ink = style.ink_on(fill)
            at = talked[i] - overlapped[i]
            ax.barh(i, overlapped[i], left=at, hatch=style.HATCH, edgecolor=ink, **bar)
            hatched = Patch(facecolor=fill, edgecolor=ink, hatch=style.HATCH, linewidth=0)
        n = int((names == name).sum())
        share = f"{talked_s[i] / talked_s.sum():.0%}, {n} turn" + "s" * (n != 1)
        ax.add_artist(
            Fitted(
                f"{talked[i]:.1f} {unit}, {share}",
                (float(talked[i]), right, i - 0.5, i + 0.5),
                short=share,
                cut=False,
                color=style.foreground(),
                fontsize=style.SMALLER,
            )
        )
    ax.set(xlim=(0, right), ylim=(max(3, len(lanes)) - 0.45, -0.55))
    label_rows(ax, range(len(lanes)), [style.plain(name, 18) for name in lanes], style.SMALL)
    ax.set_xlabel(f"talk time ({unit})")
    ax.locator_params(axis="x", nbins=6)
    style.tidy(ax)
    style.head(ax, "Talk time", [(hatched, "another speaks too")] if hatched else ())
    return ax


def _histogram(
    ax: Axes,
    values: Values,
    bin_ms: float,
    window_ms: float,
    title: str,
    xlabel: str,
    *,
    signed: bool,
) -> None:
    from matplotlib.ticker import MaxNLocator

    shown = values[np.abs(values) <= window_ms]
    sides: list[tuple[Values, str, str, str | None]] = [
        (shown[shown < 0], "overlap", style.CHANGED, style.HATCH),
        (shown[shown >= 0], "gap" if signed else "silence", style.PLAIN, None),
    ]
    entries: list[tuple[Any, str]] = []
    for side, name, fill, hatch in sides:
        # Overlaps are [-bin, 0) and so on; gaps [0, bin) and so on.
        number, height = np.unique(np.floor(side / bin_ms), return_counts=True)
        bars = ax.bar(
            (number + 0.5) * bin_ms,
            height,
            bin_ms,
            facecolor=fill,
            edgecolor=style.ink_on(fill),
            linewidth=0.4,
            hatch=hatch,
        )
        total = int((values < 0).sum() if name == "overlap" else (values >= 0).sum())
        if total:
            entries.append((bars, f"{name}: {total} ({total / len(values):.0%})"))
    ink = style.foreground()
    ax.axvline(0, color=ink, linewidth=1)
    median = float(np.median(values))
    line = ax.axvline(median, color=ink, linewidth=1.4, linestyle=(0, (4, 2)))
    entries.append((line, f"median {median:.0f} ms"))
    if len(shown) < len(values):
        beyond = ax.plot([], [], " ")[0]
        entries.append((beyond, f"{len(values) - len(shown)} beyond ±{window_ms / 1000:g} s"))
    inside = np.append(shown, 0.0)
    pad = max(bin_ms, 0.05 * float(np.ptp(inside)))
    ax.set_xlim(inside.min() - pad, inside.max() + pad)
    ax.set(xlabel=xlabel, ylabel="count")
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.locator_params(axis="x", nbins=6)
    style.tidy(ax)
    style.head(ax, f"{title} (n = {len(values)})", entries)


def _why_no_transfers(timing: pd.DataFrame) -> str:
    if timing.empty:
        return "there are no turns."
    names = set(style.names_of(timing))
    if len(names - {style.UNKNOWN}) > 1:
        return "no turn of one speaker follows one of another."
    return "they need turns of two known speakers or channels, and here is one."


def _columns(
    timing: pd.DataFrame, columns: str | Sequence[str] | None, by: str | None
) -> list[str]:
    if isinstance(columns, str):
        return [columns]
    if columns is not None:
        return list(columns)
    there = [name for name in (*LATENCIES, *WORD_LATENCIES) if name in timing]
    if by is None:
        return there
    return ["ttfs_ms"] if "ttfs_ms" in there else there[:1]


def _series(
    timing: pd.DataFrame, columns: Sequence[str], by: str | None
) -> Iterator[tuple[str, Values]]:
    """Label and values of each line."""
    if by is None or timing.empty:
        for column in columns:
            yield column, style.numbers(timing, column)
        return
    style.numbers(timing, by)  # raises if there is no such column
    groups = timing[by].astype("string").fillna(style.UNKNOWN)
    for name in style.lanes_of(groups.astype(str)):
        for column in columns:
            label = name if len(columns) == 1 else f"{name}, {column}"
            yield label, style.numbers(timing[groups == name], column)


def _talked(
    turns: pd.DataFrame, names: pd.Series[str], lanes: Sequence[str]
) -> tuple[Values, Values]:
    """Talk time of each lane in s, and how much of it another one talks too."""
    if turns.empty:
        return np.zeros(len(lanes)), np.zeros(len(lanes))
    start_s = turns["start_s"].to_numpy(np.float64, na_value=np.nan)
    end_s = turns["end_s"].to_numpy(np.float64, na_value=np.nan)
    timed = end_s > start_s
    lane = names.map({name: i for i, name in enumerate(lanes)}).to_numpy().astype(np.int64)
    edges_s, active = style.activity(start_s[timed], end_s[timed], lane[timed], len(lanes))
    length_s = np.diff(edges_s)
    overlapped = active & (active.sum(axis=1, keepdims=True) > 1)
    return length_s @ active, length_s @ overlapped
