"""What a page sends of its sound -> chunks, once and in order, and what is missing between them.

No I/O, no clock: whoever has a line hands over frames, and the time at which they came.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final

from nbstream.audio import BYTES_PER_SAMPLE, CHUNK_FRAMES, SAMPLE_RATE_HZ, Chunk
from nbstream.sources.pageclock import PageClock

HEADER: Final = struct.Struct("<IId")  # number, frames lost before it, page's time of its end, ms
AWAY: Final = 0xFFFFFFFF  # for "frames lost": a page begins; the time since the last chunk tells
MOST_LATENCY_MS: Final = 1000.0
END_LOSS_S: Final = 0.3  # a page that was there until the end has less than that left


@dataclass(frozen=True, slots=True)
class Arrived:
    """A chunk, with its number and which of the pages (by identity) it is from."""

    identity: int
    seq: int
    chunk: Chunk


class PageSound:
    """The sound of one recording, from one page or several that follow each other.

    Parameters
    ----------
    n_channels : int
        Of each frame.

    Attributes
    ----------
    clock : PageClock
        Tells when frames were captured.
    identity : int
        How many pages have come that had nothing of the one before.
    pages : int
        How often sound began: a page that is loaded again, and goes on where it was, counts.
    next : int
        The number that is waited for.
    latency_ms : float or None
        For how long a sound is under way in the device before the page has it, where known.

    Notes
    -----
    Numbers that are missing are frames that the page could not keep. Where a page begins, nobody
    has captured since the last chunk; how long that was, the clock tells.

    """

    def __init__(self, n_channels: int = 1) -> None:
        self.clock = PageClock()
        self.identity = self.pages = self.next = 0
        self.latency_ms: float | None = None
        self._n_channels = n_channels
        self._end: int | None = None  # how many there are, once the page has ended
        self._last_s = -math.inf  # when the last chunk ended
        self._audio_s = 0.0

    @property
    def has_ended(self) -> bool:
        """Whether the page captures no more, and all of it came."""
        return self._end is not None and self.next >= self._end

    def joined(self, is_new: bool) -> None:
        """A page has a line; `is_new` unless it goes on where it was."""
        if is_new:
            self.identity += 1
            self.next = 0
            self.clock.restart()
        self._end = None  # It is said again.

    def delayed_by(self, latency_ms: object) -> None:
        """The page says what its device's latency is; what can't be one is not taken."""
        self.latency_ms = None
        if isinstance(latency_ms, (int, float)) and 0 <= latency_ms <= MOST_LATENCY_MS:
            self.latency_ms = float(latency_ms)

    def ended(self, n: int) -> None:
        """The page captures no more; it has made `n` chunks."""
        self._end = n

    def take(self, frame: bytes, now_s: float) -> Arrived | None:
        """The chunk of a frame that came at `now_s`; None if it is none, or came before."""
        pcm, frame_bytes = frame[HEADER.size :], BYTES_PER_SAMPLE * self._n_channels
        if not pcm or len(pcm) % frame_bytes:
            return None
        seq, lost, end_ms = HEADER.unpack_from(frame)
        if seq < self.next or not math.isfinite(end_ms):
            return None  # It came before the line broke, too.
        n_frames = len(pcm) // frame_bytes
        end_s = min(now_s, self.clock.kernel_s(end_ms)) if self.clock.is_known else now_s
        end_s -= (self.latency_ms or 0.0) / 1000
        missed = (seq - self.next) * CHUNK_FRAMES
        slept_s = self.clock.slept_s(end_ms)
        if lost == AWAY or not self.next:
            away_s = end_s - n_frames / SAMPLE_RATE_HZ - self._last_s
            away = round(away_s * SAMPLE_RATE_HZ) if math.isfinite(away_s) else 0
            lost = max(missed + (0 if lost == AWAY else lost), away)
            self.pages += 1
            self.clock.resettle()
        else:
            lost += missed + round(slept_s * SAMPLE_RATE_HZ)
        self._last_s = end_s = max(end_s, self._last_s)
        self._audio_s += (n_frames + lost) / SAMPLE_RATE_HZ
        self.clock.captured(self._audio_s, end_s)
        self.next = seq + 1
        chunk = Chunk(pcm, end_s, int(lost > 0), lost, self._n_channels)
        return Arrived(self.identity, seq, chunk)


class Receipts:
    """Which chunks are on disk, so that the page which sent them need not keep them any more."""

    def __init__(self) -> None:
        self._identity = self._kept = self._told = 0

    def add(self, arrived: Arrived) -> int:
        """A chunk is on disk; how many the page was not told of. Another page begins anew."""
        if arrived.identity != self._identity:
            self._identity, self._told = arrived.identity, 0
        self._kept = arrived.seq + 1
        return self._kept - self._told

    def due(self, identity: int) -> int | None:
        """How many the page that is there now is to be told of; None if nothing is new to it."""
        if identity != self._identity or self._kept == self._told:
            return None
        self._told = self._kept
        return self._kept


def rest(last_s: float, stopped_s: float, n_channels: int = 1) -> Chunk | None:
    """What never came of a recording that was stopped then, as a chunk without sound.

    Parameters
    ----------
    last_s : float
        When the last chunk that came had ended; ``-inf`` if none came.
    stopped_s : float
        When it was stopped; both on the kernel's clock.
    n_channels : int
        Of the recording.

    Returns
    -------
    Chunk or None
        None where no more is missing than a page has under way.

    """
    missing_s = stopped_s - last_s
    if not END_LOSS_S <= missing_s < math.inf:
        return None
    return Chunk(b"", stopped_s, 1, round(missing_s * SAMPLE_RATE_HZ), n_channels)
