"""`Capture`: the source, read on a thread of its own until it ends, fails, or is given up."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from nbstream import audio
from nbstream import events as ev
from nbstream.engine.context import Context
from nbstream.errors import NbstreamError, SourceError
from nbstream.sources import Source

# A source ends within a tenth of a second of `stop`; one that hangs is given up after this.
SOURCE_TIMEOUT_S: Final = 5.0
LAST_WORDS_S: Final = 3.0  # of the time allowed for stopping, for the service
# A microphone that is open and works is louder, even in a quiet room.
QUIET_DBFS: Final = -55.0
LISTEN_CHUNKS: Final = 5


class Capture:
    """Reads a source into the folder.

    Parameters
    ----------
    source : Source
        What yields audio.
    seconds : float, optional
        Ends it after so many seconds of audio, to the frame.

    Notes
    -----
    `run` is the thread nbstream-capture, which alone writes `overflows`; the events
    may be set and waited for by anybody.

    """

    def __init__(self, source: Source, seconds: float | None = None) -> None:
        self.source = source
        self.stop = threading.Event()  # it is to end
        self.opened = threading.Event()  # the source is open, or could not be
        self.overflows = 0
        self._latest: deque[bytes] = deque(maxlen=LISTEN_CHUNKS)
        self._n_new = 0  # of those, not listened to
        self._heard_s = math.inf  # monotonic; when it was last louder than QUIET_DBFS
        self._closed = threading.Event()  # the source has been closed
        self._limit_frames = None if seconds is None else round(seconds * audio.SAMPLE_RATE_HZ)
        self._until_s = math.inf  # monotonic; a source that has not ended then is given up

    def run(self, context: Context) -> None:
        """Open the source, read it to its end, close it."""
        context.hold.is_late = getattr(self.source, "is_late", False)
        try:
            with self.source as source:
                self._heard_s = time.monotonic()
                self.opened.set()
                if source.warning:
                    context.note(source.warning)
                self._read(context, source)
        except BaseException as error:
            if context.captured.is_set():
                context.note(f"{self.source.label} can't be closed: {error}.")
            else:
                context.fail(_source_failed(error))
        finally:
            self._describe(context)
            self._end(context)
            self._closed.set()

    def silent_s(self) -> float:
        """Seconds since something was heard; 0 of a source that ends by itself."""
        return max(0.0, time.monotonic() - self._heard_s) if self.source.live else 0.0

    def level(self) -> tuple[float, bool]:
        """Of the last chunk: dBFS, and whether it is clipped; from any thread."""
        try:
            last = self._latest[-1]
        except IndexError:  # a pause, or nothing so far
            last = b""
        return audio.level_dbfs(last), audio.is_clipped(last)

    def wait_closed(self) -> None:
        """Wait until the device is free for the next recording, or was given up."""
        self._closed.wait(SOURCE_TIMEOUT_S)

    def hurry(self) -> None:
        """Have the source wait for nobody who is away, where it would."""
        if cancel := self._can("cancel"):
            cancel()

    def give_up_if_hung(self, context: Context) -> None:
        """Go on without a source that heeds no stop: its connection would stay open."""
        if context.captured.is_set() or not self.stop.is_set():
            return
        if not self.opened.is_set():
            self.hurry()  # It may wait for a person, which takes longer than hanging does.
        now_s = time.monotonic()
        stop_by = math.inf if context.stop_by is None else context.stop_by
        if now_s >= stop_by - LAST_WORDS_S and (cut_short := self._can("cut_short")):
            cut_short()
        # What it has may be far away, as in a page: it says how long that may take.
        needs_s: float = getattr(self.source, "needs_s", 0.0)
        before_s = math.inf if needs_s else self._until_s
        self._until_s = min(before_s, now_s + needs_s + SOURCE_TIMEOUT_S, stop_by - 1.0)
        if now_s < self._until_s:
            return
        label = self.source.label
        context.fail(
            SourceError(
                f"{label} does not stop: nothing came from it after the recording was ended.",
                hint="What was recorded is kept. Restart the kernel to free the device.",
                source=label,
            )
        )
        self._end(context)
        self._closed.set()

    def _can(self, name: str) -> Callable[[], None] | None:
        """What only some sources can."""
        found: Callable[[], None] | None = getattr(self.source, name, None)
        return found

    def _read(self, context: Context, source: Source) -> None:
        try:
            for chunk in source.chunks(self.stop):
                if not self._keep(context, chunk):
                    break
        # SystemExit and the like too: a source that broke off must not look like one that ended.
        except BaseException as error:
            if not context.captured.is_set():
                context.fail(_source_failed(error))
        finally:
            # Before the source is closed: a device that hangs must not keep the last words back.
            self._end(context)

    def _keep(self, context: Context, chunk: audio.Chunk) -> bool:
        """Put a chunk on disk; False when the limit is reached, or nobody waits for it."""
        folder, pcm = context.folder, chunk.pcm
        if context.captured.is_set():
            return False
        lost_frames, frame = context.hold.missed(chunk), folder.n_frames
        captured_s = self._admit(context, chunk)
        if captured_s is None:
            if lost_frames:  # before the pause
                self._lost(context, frame, chunk, lost_frames)
            return True
        if len(pcm) % folder.frame_bytes:  # All that follows would be noise.
            part = "half a sample" if folder.n_channels == 1 else "a part of a frame"
            raise SourceError(
                f"{self.source.label} gave {part}: {len(pcm)} bytes.",
                hint="A chunk is 16-bit PCM of all channels. What was recorded is kept.",
                source=self.source.label,
            )
        if self._limit_frames is not None:
            pcm = pcm[: (self._limit_frames - folder.n_frames) * folder.frame_bytes]
        if pcm:  # There is none where a source ends with a loss.
            folder.append_audio(pcm, context.at_s(captured_s))
            self._listen(pcm)
        if chunk.overflows and (lost_frames or not chunk.lost_frames):
            self._lost(context, frame, chunk, lost_frames)
        if not context.changed.is_set():
            context.changed.set()
        context.wake()  # last: who sends then need not wait for us
        return folder.n_frames != self._limit_frames

    def _listen(self, pcm: bytes) -> None:
        """Now and then, whether anything is to be heard: for each chunk it would cost too much."""
        self._latest.append(pcm)
        self._n_new += 1
        if self._n_new >= LISTEN_CHUNKS:
            self._n_new = 0
            if audio.level_dbfs(b"".join(self._latest)) > QUIET_DBFS:
                self._heard_s = time.monotonic()

    def _lost(self, context: Context, frame: int, chunk: audio.Chunk, lost_frames: int) -> None:
        self.overflows += chunk.overflows
        context.log(ev.Overflow(frame, chunk.overflows, lost_frames))

    def _admit(self, context: Context, chunk: audio.Chunk) -> float | None:
        """When the chunk was captured, pauses regarded; None if it belongs to one.

        A live source stays open in a pause, so that it goes on at once. Any other is held, and
        goes on from where it was, with nothing to catch up.
        """
        hold, n_frames = context.hold, context.folder.n_frames
        if self.source.live:
            is_taken = hold.takes(chunk, n_frames)
            context.log_pauses()
            if is_taken:
                return chunk.captured_s
        if not self.source.live and not hold.is_on:
            return chunk.captured_s
        self._latest.clear()
        self._heard_s = time.monotonic()
        hold.settle(n_frames)
        context.wake()
        if self.source.live:
            return None
        while hold.is_on and not self.stop.is_set():
            with context.news:
                context.news.wait_for(lambda: self.stop.is_set() or not hold.is_on, 0.1)
        if self.stop.is_set():
            return None
        now_s = time.monotonic()
        if delay := getattr(self.source, "delay", None):
            delay(now_s - chunk.captured_s)
        return now_s

    def _describe(self, context: Context) -> None:
        """Keep what the source has found out about itself, such as how its clock runs."""
        if about := getattr(self.source, "about", None):
            with contextlib.suppress(NbstreamError):  # A full disk has been reported.
                context.folder.update(source=context.folder.meta["source"] | about())

    def _end(self, context: Context) -> None:
        context.captured.set()  # first: nobody is to connect for what follows the pause
        context.end_pause()
        context.log_pauses()
        self.opened.set()
        context.wake()


def _source_failed(error: BaseException) -> NbstreamError:
    if isinstance(error, NbstreamError):
        return error
    return SourceError(
        f"the source failed: {type(error).__name__}: {error}.", hint="What was recorded is kept."
    )
