"""Where the speech of a turn begins and ends, by voice activity or a reference."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nbstream.tables import TurnRow

Spans = npt.NDArray[np.float64]  # shape (spans, 2), s, in order


def edges(rows: Sequence[TurnRow], spans: Sequence[Spans]) -> tuple[Spans, npt.NDArray[np.bool_]]:
    """Start and end of the speech of each turn.

    The start is that of the first span that the turn's first word lies in, the end that of the
    last one that its last word lies in. A span that runs into a neighbouring turn has its edge
    somewhere else, so there the word's time stands.

    Parameters
    ----------
    rows : sequence of TurnRow
        In order of audio.
    spans : sequence of array, shape (spans, 2)
        For each turn, when somebody spoke on its channel, in s of session audio.

    Returns
    -------
    array, shape (turns, 2), float64
        s of session audio; NaN without words.
    array, shape (turns, 2), bool
        Which of them come from spans.

    """
    found = np.array([(row.start_s, row.end_s) for row in rows], np.float64).reshape(-1, 2)
    taken = np.zeros(found.shape, bool)
    before, after = _neighbours(rows)
    for i, (row, near) in enumerate(zip(rows, spans, strict=True)):
        if not row.words or not len(near):
            continue
        first, last = row.words[0], row.words[-1]
        start_s = _span_edge(near, row.start_s, row.offset_s + first.end_ms / 1000, 0)
        if start_s >= before[i]:
            found[i, 0], taken[i, 0] = start_s, True
        end_s = _span_edge(near, row.offset_s + last.start_ms / 1000, row.end_s, 1)
        if end_s <= after[i]:
            found[i, 1], taken[i, 1] = end_s, True
    return found, taken


def _span_edge(spans: Spans, start_s: float, end_s: float, side: int) -> float:
    """Start of the first (0) or end of the last (1) span that touches a word; else NaN."""
    first = int(np.searchsorted(spans[:, 1], start_s, side="right"))
    behind = int(np.searchsorted(spans[:, 0], end_s, side="left"))
    if first >= behind:
        return math.nan
    return float(spans[first, 0] if side == 0 else spans[behind - 1, 1])


def _neighbours(rows: Sequence[TurnRow]) -> tuple[list[float], list[float]]:
    """End of the turn before and start of the turn behind, on the same channel."""
    before, after = [-math.inf] * len(rows), [math.inf] * len(rows)
    last: dict[int | None, int] = {}
    for i, row in enumerate(rows):
        if not row.words:
            continue
        if row.channel in last:
            j = last[row.channel]
            before[i], after[j] = rows[j].end_s, row.start_s
        last[row.channel] = i
    return before, after
