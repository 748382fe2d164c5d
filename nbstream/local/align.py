"""Words with times and confidence, from tokens, their probabilities and their attention. Pure.

Where the decoder looks while it writes a token says when that token was spoken: the tokens are
laid monotonously along the encoder frames by dynamic time warping (`warp`). Then the words beside
a pause are freed of it by the loudness of the audio (`trim`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

HEADS = ((5, 4), (5, 6), (5, 7), (3, 7), (4, 1), (3, 5))
"""(layer, head) whose attention follows time best, chosen on hand-aligned words."""

HOP_FRAMES = 384
"""Audio frames for each encoder frame: 24 ms at 16 kHz."""

_WORD_MARK = "\u2581".encode()
_MEDIAN = 3
_STEP_FRAMES, _MARGIN_STEPS, _QUIET_FRAMES = 160, 2, 1280  # 10 ms, 20 ms, 80 ms
_RANGE_DB = 40.0


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
        if not any(letter.isalnum() for letter in text):
            continue  # a lone dash, or a note sign for music
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
    """The cheapest way through a table of costs that gives each row a stretch of the columns.

    Parameters
    ----------
    cost : float64 array, shape (n_rows, n_columns)

    Returns
    -------
    first, last : int arrays, shape (n_rows,)
        The columns of each row, both ends included. Rows follow each other without gap or
        overlap, unless there are more rows than columns: then late rows share the last column.

    Notes
    -----
    Row by row: the best way to be at column j of a row is to have entered it at some column
    k <= j, and running sums turn that search into one accumulated minimum.
    """
    n_rows, n_columns = cost.shape
    columns = np.arange(n_columns)
    entered = np.zeros((n_rows, n_columns), np.intp)
    before = np.concatenate(([0.0], np.full(n_columns - 1, np.inf)))  # cost of arriving
    n_fit = min(n_rows, n_columns)
    for row in range(n_fit):
        sums = np.cumsum(cost[row])
        best_entry = before - (sums - cost[row])
        best = np.minimum.accumulate(best_entry)
        is_new = np.concatenate(([True], best[1:] < best[:-1]))
        entered[row] = np.maximum.accumulate(np.where(is_new, columns, 0))
        before = np.concatenate(([np.inf], (sums + best)[:-1]))
    first = np.full(n_rows, n_columns - 1)
    last = first.copy()
    column = n_columns - 1
    for row in range(n_fit - 1, -1, -1):
        last[row] = column
        first[row] = entered[row, column]
        column = first[row] - 1
    return first, last


def trim(found: Sequence[Word], pcm: npt.NDArray[np.int16]) -> tuple[Word, ...]:
    """Take the silence off words that are laid over a pause.

    Parameters
    ----------
    found : sequence of Word
        As from `words`.
    pcm : int16 array, shape (n_frames,)
        The audio they are in.

    Returns
    -------
    tuple of Word
        The same words; an edge moves inward where at least 80 ms at it are quiet.

    Notes
    -----
    Quiet is less than a third of the way, in decibels, from the softest twentieth of the stretch
    to the loudest, and the softest counts as at most 40 dB below it: digital silence would make
    the noise of a room loud. The attention has no place for silence, so that without this a word
    beside a pause takes in the pause: the 90th percentile of the start error falls by a fifth.
    """
    n_steps = len(pcm) // _STEP_FRAMES
    if n_steps < 4:
        return tuple(found)
    steps = pcm[: n_steps * _STEP_FRAMES].reshape(n_steps, _STEP_FRAMES).astype(np.float64)
    level_db = 10 * np.log10((steps**2).mean(axis=1) + 1)
    level_db = np.convolve(level_db, np.ones(3) / 3, mode="same")
    soft, loud = np.percentile(level_db, (5, 95))
    soft = max(soft, loud - _RANGE_DB)
    is_loud = level_db > soft + 0.35 * (loud - soft)
    trimmed: list[Word] = []
    for word in found:
        start, end = word.start_frame, word.end_frame
        heard = np.flatnonzero(is_loud[start // _STEP_FRAMES : -(-end // _STEP_FRAMES)])
        if len(heard):
            base = start // _STEP_FRAMES
            first = (base + int(heard[0]) - _MARGIN_STEPS) * _STEP_FRAMES
            last = (base + int(heard[-1]) + 1 + _MARGIN_STEPS) * _STEP_FRAMES
            if first - start >= _QUIET_FRAMES - _MARGIN_STEPS * _STEP_FRAMES:
                start = first
            if end - last >= _QUIET_FRAMES - _MARGIN_STEPS * _STEP_FRAMES:
                end = last
        trimmed.append(replace(word, start_frame=start, end_frame=end))
    return tuple(trimmed)
