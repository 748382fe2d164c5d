"""How the text of turns grew, and what of it was taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nbstream.errors import ParameterError
from nbstream.plots import style
from nbstream.tables.growth import bare, same_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(slots=True)
class Cell:
    """A word as it stood at one place of the text, from `start_s` to `end_s`."""

    text: str
    place: int
    start_s: float
    end_s: float
    is_revised: bool = False
    before: Cell | None = None  # the same word, where it stood until one before it came or went

    def revise(self) -> None:
        """Say of the word, wherever it stood, that it was taken back."""
        cell: Cell | None = self
        while cell:
            cell.is_revised, cell = True, cell.before


def stability(
    partials: pd.DataFrame,
    *,
    ax: Axes | None = None,
    turn: int | tuple[int, int] | None = None,
) -> Axes:
    """How the text of a turn grew and was revised; without `turn`, words and revisions of all.

    Parameters
    ----------
    partials : DataFrame
        ``partials``: one row a message of a turn.
    ax : Axes, optional
        Where to draw; by default a new figure.
    turn : int or (connection, turn_order), optional
        Which turn to draw word by word: a line for each place in the text, its last word beside
        it; a cell lasts from the message that showed a word to the one that changed it.

    Returns
    -------
    Axes

    Raises
    ------
    ParameterError
        If there is no such turn, or there are several.

    """
    if turn is None:
        return _overview(partials, ax or style.new_axes(8, 2.8))
    messages = _messages(partials, turn)
    n_places = max(len(_words(text)) for text in messages["transcript"])
    ax = ax or style.new_axes(9, 1.4 + 0.22 * n_places)
    return _one(messages, n_places, ax)


def cells(messages: pd.DataFrame) -> list[Cell]:
    """Words of one turn as they stood, from its messages in order.

    A word that only moved, since one before it came or went, goes on in a new cell and is not
    revised by that; nor is a last word that was carried on ("some", "something").
    """
    done: list[Cell] = []
    standing: list[Cell] = []
    old: tuple[str, ...] = ()
    for row in messages.itertuples():
        at_s, texts = float(str(row.arrived_s)), _words(row.transcript)
        new = tuple(map(bare, texts))
        before = same_words(old, new)
        followed = set(before.values())
        for i, cell in enumerate(standing):
            cell.end_s = at_s
            if i not in followed:
                cell.revise()
        now: list[Cell] = []
        for place, text in enumerate(texts):
            if before.get(place) == place:
                cell = standing[place]
                cell.text = text
            else:
                origin = standing[before[place]] if place in before else None
                cell = Cell(text, place, at_s, at_s, before=origin)
                done.append(cell)
            now.append(cell)
        standing, old = now, new
    return done


def _one(messages: pd.DataFrame, n_places: int, ax: Axes) -> Axes:
    from matplotlib.patches import Patch, Rectangle

    from nbstream.plots.fit import Fitted, label_rows

    order = messages["turn_order"].iloc[0]
    drawn = cells(messages)
    if not drawn:
        return style.say(ax, f"Turn {order} has no words.", f"Turn {order}")
    first_s, last_s = float(messages["arrived_s"].iloc[0]), float(messages["arrived_s"].iloc[-1])
    first_s = min(first_s, min(cell.start_s for cell in drawn))
    # The last message has no next one: its words get some room to be seen.
    right_s = last_s + max(0.08 * (last_s - first_s), 0.2)
    latest = _words(messages["transcript"].iloc[-1])
    for cell in drawn:
        fill = style.CHANGED if cell.is_revised else style.PLAIN
        ink = style.ink_on(fill)
        end_s = right_s if cell.end_s >= last_s and not cell.is_revised else cell.end_s
        ax.add_patch(
            Rectangle(
                (cell.start_s, cell.place - 0.42),
                end_s - cell.start_s,
                0.84,
                facecolor=fill,
                edgecolor=ink,
                hatch=style.HATCH if cell.is_revised else None,
                linewidth=0.5,
            )
        )
        box = (cell.start_s, end_s, cell.place - 0.5, cell.place + 0.5)
        text = Fitted(cell.text, box, color=ink, fontsize=style.SMALLER)
        if cell.is_revised:
            text.set_bbox({"facecolor": fill, "linewidth": 0, "pad": 0.5})
        ax.add_artist(text)
    for at_s in messages["arrived_s"]:
        ax.axvline(at_s, color=style.foreground(), linewidth=0.4, alpha=0.4, zorder=0)
    n_revised = int(messages["n_revised"].sum())
    is_final = bool(messages["is_final"].iloc[-1])
    entries: list[tuple[Any, str]] = [
        (Patch(facecolor=style.PLAIN, edgecolor="0.1"), "stood to the " + _end(is_final))
    ]
    if n_revised:
        ink = style.ink_on(style.CHANGED)
        handle = Patch(facecolor=style.CHANGED, edgecolor=ink, hatch=style.HATCH)
        entries.append((handle, "changed or dropped"))
    labels = [style.plain(word, 16) for word in latest] + [""] * (n_places - len(latest))
    label_rows(ax, range(n_places), labels, style.SMALLER)
    ax.set(xlim=(first_s, right_s), ylim=(n_places - 0.5, -0.5))
    ax.set_xlabel("arrival of the message (s of the session)")
    ax.locator_params(axis="x", nbins=6)
    style.tidy(ax)
    ax.tick_params(axis="y", labelsize=style.SMALLER)
    style.head(ax, f"Turn {order}: {len(latest)} words, {n_revised} revised", entries)
    return ax


def _overview(partials: pd.DataFrame, ax: Axes) -> Axes:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    title = "Words and revisions"
    if partials.empty:
        return style.say(ax, "No turns yet.", title)
    ordered = partials.sort_values("arrived_s", kind="stable")
    turns = ordered.groupby(["connection", "turn_order"], sort=False)
    n_words = turns["n_words"].last().to_numpy(np.float64)
    n_revised = turns["n_revised"].sum().to_numpy(np.float64)
    number = np.arange(1, len(n_words) + 1)
    width = 0.8 if len(number) <= 80 else 1.0
    words = ax.bar(number, n_words, width, facecolor=style.PLAIN, linewidth=0)
    revised = ax.bar(
        number,
        -n_revised,
        width,
        facecolor=style.CHANGED,
        edgecolor=style.ink_on(style.CHANGED),
        hatch=style.HATCH,
        linewidth=0,
    )
    ax.axhline(0, color=style.foreground(), linewidth=0.8)
    ax.set_xlim(0.4, len(number) + 0.6)
    ax.set(xlabel="turn, in order of arrival", ylabel="words")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):.0f}"))
    style.tidy(ax)
    entries: list[tuple[Any, str]] = [(words, f"of the last message: {n_words.sum():.0f}")]
    entries.append((revised, f"revised on the way: {n_revised.sum():.0f}"))
    style.head(ax, f"{title} (n = {len(number)})", entries)
    return ax


def _messages(partials: pd.DataFrame, turn: int | tuple[int, int]) -> pd.DataFrame:
    """Messages of one turn, in order."""
    if partials.empty:
        partials = pd.DataFrame(columns=["connection", "turn_order", "partial"])
    if isinstance(turn, tuple):
        wanted = (partials["connection"] == turn[0]) & (partials["turn_order"] == turn[1])
    else:
        wanted = partials["turn_order"] == turn
    messages = partials[wanted].sort_values("partial", kind="stable")
    connections = sorted(messages["connection"].unique())
    if len(connections) == 1:
        return messages
    if connections:
        raise ParameterError(
            f"there are {len(connections)} turns {turn}, on connections {connections}.",
            hint=f"Say which: turn=({connections[0]}, {turn}).",
            parameter="turn",
        )
    raise ParameterError(
        f"there is no turn {turn} in the table of partials.",
        hint="Its turns are in the columns connection and turn_order.",
        parameter="turn",
    )


def _words(transcript: Any) -> list[str]:
    return [] if pd.isna(transcript) else str(transcript).split()


def _end(is_final: bool) -> str:
    return "final" if is_final else "latest message"
