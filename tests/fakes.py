"""Sources for faults that no real source makes on demand; everything else in tests is real."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np

from nbstream.audio import BYTES_PER_SAMPLE, CHUNK_FRAMES, Chunk
from nbstream.errors import SourceError


def noise(seconds: float, seed: int = 1) -> bytes:
    """White noise as PCM."""
    rng = np.random.default_rng(seed)
    return rng.integers(-9000, 9000, round(seconds * 16_000), dtype=np.int16).tobytes()


class Given:
    """Yields given PCM at once, then waits to be stopped if it is live, or fails."""

    kind = "test"
    label = "test"
    speed = 0.0
    warning = ""

    def __init__(
        self,
        pcm: bytes,
        *,
        live: bool = False,
        fails_with: Exception | None = None,
        fails_at_open: bool = False,
        overflow_at: int | None = None,
        speakers: tuple[str, ...] = (),
    ) -> None:
        self.pcm = pcm
        self.live = live
        self.fails_with = fails_with
        self.fails_at_open = fails_at_open
        self.overflow_at = overflow_at
        self.speakers = speakers
        self.all_read = threading.Event()
        self.may_fail = threading.Event()

    def check(self) -> None:
        """Nothing can be wrong before it is opened."""

    def __enter__(self) -> Given:
        if self.fails_at_open:
            raise SourceError("the test device is busy.", hint="Close the other program.")
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """All of it, as fast as it is taken."""
        n_channels = len(self.speakers) or 1
        step = CHUNK_FRAMES * BYTES_PER_SAMPLE * n_channels
        for n, at in enumerate(range(0, len(self.pcm), step)):
            if stop.is_set():
                return
            overflow = n == self.overflow_at
            lost = (int(overflow), 32 * overflow)
            yield Chunk(self.pcm[at : at + step], time.monotonic(), *lost, n_channels)
        self.all_read.set()
        if self.fails_with is not None:
            self.may_fail.wait(10)
            raise self.fails_with
        if self.live:
            stop.wait()
