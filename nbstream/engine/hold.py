"""`Hold`: whether a recording is paused, and where in it and for how long."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Final

from nbstream.audio import SAMPLE_RATE_HZ, Chunk

# What was captured before the pause may still be on its way from the device for so long. A source
# that is farther away may bring it later still: it is kept then, and the place moves behind it.
SETTLE_S: Final = 0.5


@dataclass(slots=True)
class _Pause:
    since_s: float
    until_s: float = math.inf
    frame: int | None = None  # where it lies, as far as is known
    is_sure: bool = False  # nothing of before it will come
    is_told: bool = False


class Hold:
    """A pause: nothing that was said in it is kept, and the position stands still.

    It is asked for by anybody, settled by the capture thread as soon as all that came before it is
    on disk, and then has a frame. Times are ``time.monotonic()``.

    Attributes
    ----------
    resumed_s : float
        When the last one ended; ``-inf`` before the first.
    is_late : bool
        Whether what was captured before a pause may come long after it, even after its end.

    """

    def __init__(self) -> None:
        self.resumed_s = -math.inf
        self.is_late = False
        self._lock = threading.Lock()
        self._pauses: list[_Pause] = []  # of which something may still come
        self._on: _Pause | None = None

    @property
    def is_on(self) -> bool:
        """Whether it is paused now."""
        return self._on is not None

    @property
    def frame(self) -> int | None:
        """Where the recording stands still; None while it goes on, or more may come."""
        pause = self._on
        return None if pause is None else pause.frame

    def begin(self, now_s: float) -> bool:
        """Pause; False if it is paused already."""
        with self._lock:
            if self._on is not None:
                return False
            self._on = _Pause(now_s)
            self._pauses.append(self._on)
            return True

    def end(self, now_s: float, n_frames: int) -> bool:
        """Go on; False if it was not paused."""
        with self._lock:
            if self._on is None:
                return False
            self._on.until_s = self.resumed_s = now_s
            if not self.is_late:
                self._on.frame = n_frames if self._on.frame is None else self._on.frame
                self._on.is_sure = True
            self._on = None
            return True

    def ended(self, n_frames: int | None = None) -> list[tuple[int, float]]:
        """Pauses that are over and whose place is known, each once.

        Parameters
        ----------
        n_frames : int, optional
            No more will come: so much is on disk, and those that are not settled lie there.

        Returns
        -------
        list of (frame, seconds)

        """
        found: list[tuple[int, float]] = []
        if not self._pauses:  # as for most chunks
            return found
        with self._lock:
            for pause in self._pauses:
                if n_frames is not None:
                    pause.frame = n_frames if pause.frame is None else pause.frame
                    pause.is_sure = True
                if pause.until_s == math.inf or pause.frame is None or not pause.is_sure:
                    break
                if not pause.is_told:
                    pause.is_told = True
                    found.append((pause.frame, pause.until_s - pause.since_s))
        return found

    def takes(self, chunk: Chunk, n_frames: int) -> bool:
        """Whether a chunk lies wholly outside of pauses; `n_frames` are on disk before it."""
        start_s = chunk.captured_s - chunk.n_frames / SAMPLE_RATE_HZ
        if not self._pauses and start_s >= self.resumed_s:  # as for most
            return True
        lost_s = start_s - chunk.lost_frames / SAMPLE_RATE_HZ
        with self._lock:
            self._pauses = [
                pause for pause in self._pauses if pause.until_s > lost_s or not pause.is_told
            ]
            if not self.is_late and start_s < self.resumed_s:
                return False
            for pause in self._pauses:
                if chunk.captured_s <= pause.since_s:
                    if pause.frame is not None and not self.is_late:
                        return False
                else:
                    pause.frame = n_frames if pause.frame is None else pause.frame
                    pause.is_sure = True
            is_taken = all(
                chunk.captured_s <= pause.since_s or start_s >= pause.until_s
                for pause in self._pauses
            )
            for pause in self._pauses:
                if is_taken and pause.frame is not None and chunk.captured_s <= pause.since_s:
                    pause.frame = n_frames + chunk.n_frames
            return is_taken

    def missed(self, chunk: Chunk) -> int:
        """How many of the frames that were lost before a chunk were not lost in a pause."""
        if not chunk.lost_frames:
            return 0
        until_s = chunk.captured_s - chunk.n_frames / SAMPLE_RATE_HZ
        since_s = until_s - chunk.lost_frames / SAMPLE_RATE_HZ
        with self._lock:
            paused_s = sum(
                max(0.0, min(until_s, pause.until_s) - max(since_s, pause.since_s))
                for pause in self._pauses
            )
        return max(0, chunk.lost_frames - round(paused_s * SAMPLE_RATE_HZ))

    def settle(self, n_frames: int, now_s: float = math.inf) -> None:
        """Nothing that came before it is on its way any more, at the latest by now."""
        with self._lock:
            pause = self._on
            if pause is not None and pause.frame is None and now_s - pause.since_s > SETTLE_S:
                pause.frame = n_frames
