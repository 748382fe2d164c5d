"""Where speech starts and ends, from how likely each 32 ms of audio is speech. Pure.

The detector's score rises within a window or two of a voice's start, and sinks slowly after its
end. So the threshold says that there is speech and that there is silence, and the edges between
are put where hand labels say, in the median, that they are; an end that can be seen in the level
of the audio is taken from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

WINDOW_FRAMES = 512
"""The detector takes 32 ms at a time, 16 kHz mono."""

SPEECH = 0.5
"""A window that is at least so likely is speech: the threshold that Silero proposes."""

MIN_SILENCE_WINDOWS = 3
"""Shorter silence, 96 ms, does not end a span."""

MIN_SPEECH_WINDOWS = 5
"""Shorter speech, 160 ms with the detector's tail, is a click."""

FIRST_SIGN, BREATH_DB = 0.15, 24.0
"""A span starts with the windows before it that are at least so likely, and not softer by so much
than the loudest of its first windows: breath is not voice."""

FULL_VOICE = 0.7
"""A span ends after the last window that is at least so likely."""

LATE_START_FRAMES, LATE_END_FRAMES = 320, 1280
"""The detector is 20 ms late at a start and 80 ms late at an end: medians against hand labels."""

FALL_DB, FALL_SHARE = 8.0, 0.2
"""Where the level falls by at least so much around an end, the end is where it is down to this
share of the way between soft and loud."""

NEAR_FRAMES = 3200
"""A word is moved out to an edge of speech at most so far away: 200 ms."""

LITTLE_FRAMES = 1280
"""The first word of a stretch is moved inward to the edge of speech by 80 ms at most."""

SURE_FRAMES = 2400
"""A word that shares 150 ms with a span is said there, even if it is laid over later ones too."""

_LOOK_BACK_WINDOWS = 10
_FIRST_WINDOWS = 12  # among which the loudest is looked for
# Levels around an end, in steps of 8 ms: looked at from 64 ms before to 32 ms after the median
# end; the loudest is looked for 300 ms further back, the softest up to 200 ms later.
_STEP_FRAMES, _STEPS = 128, WINDOW_FRAMES // 128
_BEFORE_STEPS, _AFTER_STEPS, _LOUD_STEPS, _SOFT_STEPS = 8, 4, 37, 24

Span = tuple[int, int]
"""Start and end in frames, half open."""


class Activity:
    """One stream's windows and their scores, to spans of speech.

    Notes
    -----
    A closed span never changes. Memory grows by the closed spans alone; `forget` drops them.
    """

    def __init__(self) -> None:
        self._closed: list[Span] = []
        self._recent: deque[tuple[float, float]] = deque(maxlen=_LOOK_BACK_WINDOWS)
        self._sharp_db: deque[float] = deque(maxlen=24 * _STEPS)  # each 8 ms, without the lows
        self._before: npt.NDArray[Any] = np.zeros(1)  # the last sample
        self._n_windows = 0
        # Of the open span: its first window, the levels from there on, and the windows after the
        # last of speech and the last of full voice.
        self._first: int | None = None
        self._levels_db: list[float] = []
        self._last = self._last_full = 0

    def add(self, window: npt.NDArray[np.int16], score: float) -> None:
        """Take the next window.

        Parameters
        ----------
        window : int16 array, shape (512,)
        score : float
            Its probability of speech, 0..1.
        """
        self._n_windows += 1
        level_db = self._listen(window)
        self._recent.append((score, level_db))
        if self._first is None:
            if score < SPEECH:
                return
            self._open()
        elif len(self._levels_db) < _FIRST_WINDOWS:
            self._levels_db.append(level_db)
        if score >= SPEECH:
            self._last = self._n_windows
        if score >= FULL_VOICE:
            self._last_full = self._n_windows
        if self._n_windows - self._last >= MIN_SILENCE_WINDOWS:
            self._close()

    def spans(self) -> list[Span]:
        """Spans so far, in order, apart from each other; the open one ends where it is known."""
        if self._first is None or not self._is_speech(self._first):
            return self._closed[:]
        start, end = self._span(self._first)
        if self._last_full == self._n_windows:
            end = self._n_windows * WINDOW_FRAMES
        return [*self._closed, (start, end)]

    def forget(self, before: int) -> None:
        """Drop closed spans that end before this frame."""
        while self._closed and self._closed[0][1] < before:
            del self._closed[0]

    def _listen(self, window: npt.NDArray[np.int16]) -> float:
        """Level of the window, dB; keeps those of its steps, the rumble of a room left out."""
        samples = np.concatenate((self._before, window))
        self._before = samples[-1:]
        steps = np.diff(samples).reshape(_STEPS, _STEP_FRAMES)
        self._sharp_db.extend(10 * np.log10((steps**2).mean(axis=1) + 1))
        return float(10 * np.log10((samples[1:] ** 2).mean() + 1))

    def _open(self) -> None:
        levels_db = []
        for score, level_db in reversed(self._recent):
            if score < FIRST_SIGN:
                break
            levels_db.append(level_db)
        self._first = self._n_windows - len(levels_db)
        self._levels_db = levels_db[::-1]
        self._last_full = self._n_windows

    def _close(self) -> None:
        if self._first is not None and self._is_speech(self._first):
            self._closed.append(self._span(self._first))
            self._recent.clear()  # the next span has no part in it
        self._first = None

    def _is_speech(self, first: int) -> bool:
        return self._last - first >= MIN_SPEECH_WINDOWS

    def _span(self, first: int) -> Span:
        softest_db = max(self._levels_db) - BREATH_DB
        first += next(n for n, level_db in enumerate(self._levels_db) if level_db >= softest_db)
        start = max(0, first * WINDOW_FRAMES - LATE_START_FRAMES)
        return start, max(self._end(), start + WINDOW_FRAMES)

    def _end(self) -> int:
        end = self._last_full * WINDOW_FRAMES - LATE_END_FRAMES
        level_db = np.convolve(np.pad(self._sharp_db, 1, mode="edge"), np.ones(3) / 3, "valid")
        base = self._n_windows * _STEPS - len(level_db)  # step of the first that is kept
        at = end // _STEP_FRAMES - base
        first, last = at - _BEFORE_STEPS, at + _AFTER_STEPS
        if first < _LOUD_STEPS:
            return end  # at the very start, or the voice sank long ago
        loud = level_db[first - _LOUD_STEPS : last].max()
        soft = level_db[last - _BEFORE_STEPS : last + _SOFT_STEPS].min()
        if loud - soft < FALL_DB:
            return end
        is_loud = level_db[first:last] > soft + FALL_SHARE * (loud - soft)
        return (base + first + int(np.flatnonzero(is_loud).max(initial=-1)) + 1) * _STEP_FRAMES


def snap(words: Sequence[Span], speech: Sequence[Span]) -> list[Span]:
    """Words whose edges beside a silence agree with the edges of speech.

    Parameters
    ----------
    words : sequence of Span
        In order, not overlapping.
    speech : sequence of Span
        As from `Activity.spans`.

    Returns
    -------
    list of Span
        A word that reaches into a silence ends, or starts, where the speech does. One that falls
        short of it, with no word between, is stretched, if the edge is near. One that is laid
        right behind the speech is drawn to its end; one farther from all speech stays as it is,
        as do edges in running speech. The first word starts later only if that is near: the
        recogniser hears weak voices before the detector does.
    """
    snapped: list[Span] = []
    for at, (start, end) in enumerate(words):
        before = snapped[-1][1] if snapped else 0
        is_last = at + 1 == len(words)
        shared = [(min(e, end) - max(s, start), s, e) for s, e in speech if s < end and e > start]
        if shared:
            # Where a word starts is known better than where it ends, so a word laid over a
            # silence belongs to what is before it.
            _, first, last = next((one for one in shared if one[0] >= SURE_FRAMES), max(shared))
            earliest = first - LITTLE_FRAMES if at == 0 and first == shared[0][1] else 0
            if before <= first and earliest <= start <= first + NEAR_FRAMES:
                start = first
            if last - NEAR_FRAMES <= end and (is_last or words[at + 1][0] >= last):
                end = last
        else:
            behind = [e for _, e in speech if e <= start <= e + NEAR_FRAMES]
            start, end = (behind[0], behind[0]) if behind else (start, end)
        snapped.append((max(start, before), max(end, start, before)))
    return snapped
