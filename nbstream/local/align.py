"""Words with times and confidence, from tokens, their probabilities and their attention. Pure.

Where the decoder looks while it writes a token says when that token was spoken: the tokens are
laid monotonously along the encoder frames by dynamic time warping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HEADS = ((5, 4), (5, 6), (5, 7), (3, 7), (4, 1), (3, 5))
"""(layer, head) whose attention follows time best, chosen on hand-aligned words."""

HOP_FRAMES = 384
"""Audio frames for each encoder frame: 24 ms at 16 kHz."""

_WORD_MARK = "\u2581".encode()
_MEDIAN = 3


@dataclass(frozen=True, slots=True)
class Word:
    """A word in a decoded stretch of audio.

    Attributes
    ----------
    start_frame, end_frame : int
        Audio frames from the start of the stretch, half open.
    confidence : float
        Mean probability of the word's tokens, 0..1.
    """

    text: str
    start_frame: int
    end_frame: int
    confidence: float


def words(
    pieces: Sequence[bytes],
    probabilities: Sequence[float],
    attention: npt.NDArray[np.float32],
    n_frames: int,
) -> tuple[Word, ...]:
    """Group tokens to words and give each its place in the audio.

    Parameters
    ----------
    pieces : sequence of bytes, length n_tokens
        Text of the tokens; U+2581 begins a word.
    probabilities : sequence of float, length n_tokens
    attention : float32 array, shape (n_tokens, n_heads, n_encoder_frames)
    n_frames : int
        Length of the stretch in audio frames; no word ends after it.

    Returns
    -------
    tuple of Word
        In order, not overlapping.
    """
    first, last = warp(-saliency(attention))
    groups: list[list[int]] = []
    for index, piece in enumerate(pieces):
        if not groups or piece.startswith(_WORD_MARK):
            groups.append([])
        groups[-1].append(index)
    found: list[Word] = []
    for group in groups:
        joined = b"".join(pieces[index] for index in group)
        text = joined.removeprefix(_WORD_MARK).decode("utf-8", "replace").strip()
        if not text:
            continue
        found.append(
            Word(
                text,
                min(int(first[group[0]]) * HOP_FRAMES, n_frames),
                min((int(last[group[-1]]) + 1) * HOP_FRAMES, n_frames),
                float(np.mean([probabilities[index] for index in group])),
            )
        )
    return tuple(found)


def saliency(attention: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Mean over heads of the attention, each frame normalised over tokens and smoothed over time.

    Parameters
    ----------
    attention : float32 array, shape (n_tokens, n_heads, n_encoder_frames)

    Returns
    -------
    float64 array, shape (n_tokens, n_encoder_frames)
    """
    heads = attention.astype(np.float64)
    heads = (heads - heads.mean(axis=0)) / (heads.std(axis=0) + 1e-9)
    pad = _MEDIAN // 2
    padded = np.pad(heads, ((0, 0), (0, 0), (pad, pad)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN, axis=2)
    smooth: npt.NDArray[np.float64] = np.median(windows, axis=3).mean(axis=1)
    return smooth


def warp(cost: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The cheapest monotonous path through a table of costs.

    Parameters
    ----------
    cost : float64 array, shape (n_rows, n_columns)

    Returns
    -------
    first, last : int arrays, shape (n_rows,)
        The columns that the path spends in each row, both ends included.

    Notes
    -----
    Steps go right, down, or right and down. Row by row: the best way to be at column j of a row
    is to have entered it at some column k <= j, and running sums turn that search into one
    accumulated minimum.
    """
    n_rows, n_columns = cost.shape
    columns = np.arange(n_columns)
    entered = np.zeros((n_rows, n_columns), np.intp)
    slanted = np.zeros((n_rows, n_columns), bool)
    before = np.full(n_columns, np.inf)
    for row in range(n_rows):
        if row == 0:
            arrive = np.full(n_columns, np.inf)
            arrive[0] = 0.0
        else:
            diagonal = np.concatenate(([np.inf], before[:-1]))
            slanted[row] = diagonal <= before
            arrive = np.minimum(diagonal, before)
        sums = np.cumsum(cost[row])
        entry = arrive - np.concatenate(([0.0], sums[:-1]))
        best = np.minimum.accumulate(entry)
        is_new = np.concatenate(([True], best[1:] < best[:-1]))
        entered[row] = np.maximum.accumulate(np.where(is_new, columns, 0))
        before = sums + best
    first = np.zeros(n_rows, np.intp)
    last = np.zeros(n_rows, np.intp)
    column = n_columns - 1
    for row in range(n_rows - 1, -1, -1):
        last[row] = column
        first[row] = column = entered[row, column]
        if row and slanted[row, column]:
            column -= 1
    return first, last
