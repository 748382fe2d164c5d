"""Colours, hatches, line styles and legends: one look for all pictures, in print and on dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbstream.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, ordered so that neighbours differ in lightness too.
FILLS = ("#56B4E9", "#D55E00", "#F0E442", "#009E73", "#666666", "#E69F00", "#0072B2", "#CC79A7")
PLAIN, CHANGED = "#56B4E9", "#D55E00"  # what there are two of; CHANGED is always hatched
HATCH = "////"
# Lines are told apart by their dashes as well; yellow is too pale for one on white.
LINES: tuple[tuple[str, Any], ...] = (
    ("#0072B2", "-"),
    ("#E69F00", (0, (5, 1))),
    ("#009E73", (0, (1, 1))),
    ("#D55E00", (0, (5, 1, 1, 1))),
    ("#CC79A7", (0, (8, 2))),
    ("#56B4E9", (0, (2, 2))),
    ("#7F7F7F", (0, (3, 1, 1, 1, 1, 1))),
    ("#8A6D00", (0, (1, 2))),
)
SMALL, SMALLER = "small", "x-small"
UNKNOWN = "unknown"
_UNKNOWN_LABELS = ("PENDING", "UNKNOWN")  # with which the service says that it can't tell


def new_axes(width_in: float = 9, height_in: float = 2.4) -> Axes:
    """Axes in a figure of their own."""
    # pyplot here only: a person asked for a figure, in a cell. Threads never come this way.
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width_in, height_in), layout="constrained")[1]


def foreground() -> Any:
    """Colour of text in the style in use, for lines that belong to no one."""
    import matplotlib as mpl

    return mpl.rcParams["text.color"]


def lightness(color: Any) -> float:
    """CIE lightness of a colour, 0 (black) to 100: what is left of it in grey print."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def ink_on(fill: Any) -> str:
    """Colour for text and hatches on one of our fills, which are the same in each style."""
    return "0.1" if lightness(fill) > 50 else "0.98"


def shortened(text: str, limit: int) -> str:
    """`text` on one line, at most `limit` letters of it."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def plain(text: str, limit: int = 60) -> str:
    """`shortened`, for labels that would read "$" as math."""
    return shortened(text, limit).replace("$", r"\$")


def head(ax: Axes, title: str, entries: Sequence[tuple[Any, str]] = ()) -> None:
    """Title, and under it the legend, above the axes: it never covers data."""
    from matplotlib.font_manager import FontProperties

    size_pt = FontProperties(size=SMALLER).get_size_in_points()
    rows = 0
    if entries:
        labels = [plain(label, 42) for _, label in entries]
        rows = _n_rows(labels, ax.bbox.width / ax.figure.dpi * 72)
        columns = math.ceil(len(labels) / rows)
        legend = ax.legend(
            [handle for handle, _ in entries],
            ["-"] * len(labels),
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.2,
            borderpad=0.1,
            labelspacing=0.25,
            columnspacing=1.2,
            handlelength=2.2,
            handletextpad=0.5,
            fontsize=size_pt,
            frameon=False,
            ncols=columns,
        )
        for text, label in zip(legend.get_texts(), labels, strict=True):
            text.set_text(label)  # not above: matplotlib leaves labels out that begin with "_"
    pad_pt = 4 + rows * 1.35 * size_pt + (2 if rows else 0)
    ax.set_title(plain(title), loc="left", fontsize="medium", pad=pad_pt)


def _n_rows(labels: Sequence[str], room_pt: float) -> int:
    """The fewest rows in which a legend of these labels is not wider than `room_pt`."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    prop = FontProperties(size=SMALLER)
    handle_pt = 4 * prop.get_size_in_points()  # with the space before and behind it
    widths_pt = [
        text_to_path.get_text_width_height_descent(label, prop, False)[0] + handle_pt
        for label in labels
    ]
    for rows in range(1, len(labels)):
        columns = math.ceil(len(labels) / rows)
        # matplotlib fills the columns evenly, the first ones with what is left over.
        parts = np.array_split(np.array(widths_pt), columns)
        if sum(part.max() for part in parts) <= room_pt:
            return max(len(part) for part in parts)
    return len(labels)


def say(ax: Axes, text: str, title: str) -> Axes:
    """Say in the axes why there is no picture."""
    from nbstream.plots.fit import Fitted

    ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    box = (0.04, 0.96, 0.04, 0.96)
    ax.add_artist(
        Fitted(text, box, ha="center", color=foreground(), fontsize=SMALL, transform=ax.transAxes)
    )
    head(ax, title)
    return ax


def tidy(ax: Axes) -> None:
    """Fewer lines than matplotlib draws by itself."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL)
    ax.xaxis.label.set_fontsize(SMALL)
    ax.yaxis.label.set_fontsize(SMALL)


def numbers(table: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """Values of a column, those that there are.

    Raises
    ------
    ParameterError
        If a table with rows has no such column.

    """
    if column not in table:
        if table.empty:
            return np.empty(0)
        raise ParameterError(
            f"the table has no column {column!r}: it has {', '.join(map(str, table.columns))}.",
            hint="Latencies are in the timing tables, as from session.timing().",
            parameter="columns",
        )
    values: npt.NDArray[np.float64] = pd.to_numeric(table[column], errors="coerce").to_numpy(
        np.float64, na_value=np.nan
    )
    return values[np.isfinite(values)]


def names_of(turns: pd.DataFrame) -> pd.Series[str]:
    """Who speaks in each row: speaker, else channel; both where a label is on several channels.

    Its index is 0, 1, and so on.
    """
    turns = turns.reset_index(drop=True)

    def texts(column: str) -> pd.Series[Any]:
        if column not in turns:
            return pd.Series(pd.NA, turns.index, dtype="string")
        return turns[column].astype("string")

    speaker, channel = texts("speaker"), "channel " + texts("channel")
    speaker = speaker.where(~speaker.str.upper().isin(_UNKNOWN_LABELS))
    both = speaker.notna() & channel.notna()
    if channel.nunique() > 1:
        on = channel[both].groupby(speaker[both]).nunique()
        both &= speaker.isin(on.index[on > 1])
    else:
        both &= False
        channel = channel.where(channel.isna())
    names = speaker.where(~both, channel + " " + speaker).fillna(channel)
    return names.fillna(UNKNOWN if names.notna().any() else "speech").astype(str)


def lanes_of(names: pd.Series[str]) -> list[str]:
    """Names in order of appearance, the unknown one last."""
    known = list(dict.fromkeys(names))
    return sorted(known, key=lambda name: name == UNKNOWN)


def activity(
    start_s: npt.NDArray[np.float64],
    end_s: npt.NDArray[np.float64],
    lane: npt.NDArray[np.int64],
    n_lanes: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Who speaks when: stretches between all starts and ends.

    Returns
    -------
    edges_s : array, shape (stretches + 1,)
    active : array, shape (stretches, n_lanes), bool

    """
    edges_s = np.unique(np.concatenate([start_s, end_s, [0.0]]))
    change = np.zeros((len(edges_s), n_lanes), np.int64)
    np.add.at(change, (np.searchsorted(edges_s, start_s), lane), 1)
    np.add.at(change, (np.searchsorted(edges_s, end_s), lane), -1)
    return edges_s, change.cumsum(axis=0)[:-1] > 0
