"""`Hold`: whether a recording is paused, and where in it and for how long."""

from __future__ import annotations

import math
import threading
from typing import Final

from nbstream.audio import SAMPLE_RATE_HZ, Chunk

# What was captured before the pause may still be on its way from the device for so long.
SETTLE_S: Final = 0.5


class Hold:
    """A pause: nothing that was said in it is kept, and the position stands still.

    It is asked for by anybody, settled by the capture thread as soon as all that came before it is
    on disk, and then has a frame. Times are ``time.monotonic()``.

    Attributes
    ----------
    resumed_s : float
        When the last one ended; ``-inf`` before the first.

    """

    def __init__(self) -> None:
        self.resumed_s = -math.inf
        self._lock = threading.Lock()
        self._since_s: float | None = None
        self._frame: int | None = None

    @property
    def is_on(self) -> bool:
        """Whether it is paused now."""
        return self._since_s is not None

    @property
    def frame(self) -> int | None:
        """Where the recording stands still; None while it goes on, or more may come."""
        return self._frame

    def begin(self, now_s: float) -> bool:
        """Pause; False if it is paused already."""
        with self._lock:
            if self._since_s is not None:
                return False
            self._since_s = now_s
            return True

    def end(self, now_s: float, n_frames: int) -> tuple[int, float] | None:
        """Go on. Returns where it stood still and for how many seconds; None if it did not."""
        with self._lock:
            if self._since_s is None:
                return None
            frame = n_frames if self._frame is None else self._frame
            seconds = now_s - self._since_s
            self._since_s = self._frame = None
            self.resumed_s = now_s
            return frame, seconds

    def takes(self, chunk: Chunk, n_frames: int) -> bool:
        """Whether a chunk lies wholly outside of pauses; `n_frames` are on disk before it."""
        with self._lock:
            if self._since_s is None:
                return chunk.captured_s - chunk.n_frames / SAMPLE_RATE_HZ >= self.resumed_s
            if self._frame is None and chunk.captured_s <= self._since_s:
                return True
            self._settle(n_frames)
            return False

    def settle(self, n_frames: int, now_s: float = math.inf) -> None:
        """Nothing that came before it is on its way any more, at the latest by now."""
        with self._lock:
            if self._since_s is not None and now_s - self._since_s > SETTLE_S:
                self._settle(n_frames)

    def _settle(self, n_frames: int) -> None:
        if self._frame is None:
            self._frame = n_frames
