"""Audio from a file, at the pace of speech or as fast as it can be read."""

from __future__ import annotations

import difflib
import math
import os
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nbstream.audio import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Chunk
from nbstream.errors import ParameterError, SourceError, StateError
from nbstream.sources import speakers as names
from nbstream.sources.convert import Converter, FloatBlock, cut
from nbstream.sources.quiet import quiet_stderr
from nbstream.sources.wav import WavReader, read_layout

if TYPE_CHECKING:
    from typing import Self

BLOCK_S = 0.5
SLOWEST = 0.01


class _Reader(Protocol):
    rate_hz: int
    n_channels: int
    n_frames: int

    def read(self, n_frames: int) -> FloatBlock: ...
    def close(self) -> None: ...


class _SoundfileReader:
    """Everything that libsndfile reads: other WAV, FLAC, OGG, MP3, AIFF, ..."""

    def __init__(self, file: Any) -> None:
        self.rate_hz: int = file.samplerate
        self.n_channels: int = file.channels
        self.n_frames: int = file.frames
        # After each read soundfile seeks to where it already is. In an MP3 that makes the decoder
        # start anew and spoils the audio behind it; a file that "can't seek" is just read on.
        file.seekable = lambda: False
        self._file = file

    def read(self, n_frames: int) -> FloatBlock:
        block: FloatBlock = self._file.read(n_frames, dtype="float32", always_2d=True)
        return block

    def close(self) -> None:
        self._file.close()


class AudioFile:
    """An audio file as a source: any rate and channel count, resampled and downmixed.

    16-bit WAV at 16 kHz is read bit-exact and needs no other package. Other rates need soxr, other
    formats soundfile; both come with the extra ``audio``. Memory use does not depend on the length.

    Parameters
    ----------
    path : str or Path
        The file.
    speed : float
        Seconds of audio a second: 1.0 as it was spoken, 2.0 twice as fast, 0 as fast as the file
        can be read.
    speakers : sequence of str, optional
        Who is on each channel: as many names as the file has channels. They are kept apart then,
        each with a connection of its own (and its price); otherwise they are mixed into one.

    Attributes
    ----------
    warning : str
        What is odd about the file, known after `check` or opening: a WAV header whose size is not
        that of the file. Empty if there is nothing to say.

    Raises
    ------
    ParameterError
        For a speed that is neither 0 nor a number of at least 0.01, and for speakers of which
        one is empty or comes twice.
    """

    kind: str = "file"
    live: bool = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        speed: float = 1.0,
        *,
        speakers: Sequence[str] = (),
    ) -> None:
        self.path = Path(os.path.expanduser(path))
        self.label: str = self.path.name
        self.speed: float = _checked_speed(speed)
        self.speakers: tuple[str, ...] = names.checked(speakers)
        self.warning = ""
        self._reader: _Reader | None = None
        self._converter: Converter | None = None
        self._delay_s = 0.0

    def __repr__(self) -> str:
        speakers = f", speakers={self.speakers!r}" if self.speakers else ""
        return f"{type(self).__name__}({str(self.path)!r}, speed={self.speed:g}{speakers})"

    def check(self) -> None:
        """Open and close the file.

        Raises
        ------
        SourceError
            If it is missing, unreadable, empty, not audio, needs a package that is not there, or
            has another number of channels than speakers were named.
        """
        reader, _ = self._open()
        reader.close()

    def __enter__(self) -> Self:
        self._reader, self._converter = self._open()
        self._delay_s = 0.0
        return self

    def __exit__(self, *exc: object) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """Yield the file, each chunk when its last sample would have been spoken.

        A consumer that was late gets the next chunks at once: the pace does not drift.

        Parameters
        ----------
        stop : Event
            Ends the iteration at once when it is set.

        Raises
        ------
        SourceError
            If the file becomes unreadable on the way.
        """
        started_s = time.monotonic()
        n_frames = 0
        n_channels = len(self.speakers) or 1
        for pcm in cut(self._blocks(), n_channels):
            n_frames += len(pcm) // (BYTES_PER_SAMPLE * n_channels)
            if self.speed:
                due_s = started_s + self._delay_s + n_frames / SAMPLE_RATE_HZ / self.speed
                stop.wait(max(0.0, due_s - time.monotonic()))
            if stop.is_set():
                return
            yield Chunk(pcm, time.monotonic(), n_channels=n_channels)

    def delay(self, seconds: float) -> None:
        """Yield all that follows so much later: a consumer that paused has nothing to catch up."""
        self._delay_s += seconds

    def _blocks(self) -> Iterator[bytes]:
        reader, converter = self._reader, self._converter
        if reader is None or converter is None:
            raise StateError(
                f"{self.label} is not open.", hint="Read it inside `with source:`.", state="closed"
            )
        block_frames = max(1, int(BLOCK_S * reader.rate_hz))
        n_read = 0
        while True:
            try:
                block = reader.read(block_frames)
            except (OSError, RuntimeError) as error:
                raise SourceError(
                    f"{self.label} can't be read beyond {n_read / reader.rate_hz:.1f} s: "
                    f"{str(error).rstrip('.')}.",
                    hint="The file is damaged there; what came before was read.",
                    source=str(self.path),
                ) from error
            n_read += len(block)
            last = not len(block)
            yield converter(block, last=last)
            if last:
                return

    def _open(self) -> tuple[_Reader, Converter]:
        self._check_path()
        try:
            reader = self._open_wav() or self._open_soundfile()
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            if not reader.n_frames:
                raise self._error(
                    "has a header but no samples", "Record it again or take another file."
                )
            if self.speakers and reader.n_channels != len(self.speakers):
                raise names.wrong_number(str(self.path), reader.n_channels, self.speakers)
            return reader, Converter(reader.rate_hz, self.label, len(self.speakers) or 1)
        except SourceError:
            reader.close()
            raise

    def _check_path(self) -> None:
        try:
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:
            raise SourceError(
                f"no such file: {self.path}.", hint=self._where_to_look(), source=str(self.path)
            ) from error
        except OSError as error:
            raise self._unreadable(error) from error
        if stat.S_ISDIR(status.st_mode):
            raise self._error("is a folder, not an audio file", "Give the path of a file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise self._error("is not a regular file", "Give the path of an audio file.")
        if not status.st_size:
            raise self._error("is empty (0 bytes)", "Record it again or take another file.")

    def _open_wav(self) -> WavReader | None:
        file = self.path.open("rb")
        layout = read_layout(file)
        if layout is None:
            file.close()
            return None
        self.warning = f"{self.label}: {layout.warning}." if layout.warning else ""
        return WavReader(file, layout)

    def _open_soundfile(self) -> _SoundfileReader:
        try:
            import soundfile
        except (ImportError, OSError) as error:
            raise self._error(
                "is not a 16-bit WAV file, and soundfile, which reads other formats, "
                "is not installed",
                "Run: pip install 'nbstream[audio]'",
            ) from error
        try:
            with quiet_stderr():
                return _SoundfileReader(soundfile.SoundFile(str(self.path)))
        except (RuntimeError, TypeError, ValueError) as error:
            raise self._error(
                "is not audio that can be read here", "WAV, FLAC, OGG and MP3 files can be read."
            ) from error

    def _error(self, why: str, hint: str) -> SourceError:
        return SourceError(f"{self.path} {why}.", hint=hint, source=str(self.path))

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(
            f"{self.path} can't be read: {error.strerror or error}.",
            hint="Check the path and who may read the file.",
            source=str(self.path),
        )

    def _where_to_look(self) -> str:
        try:
            names = os.listdir(self.path.parent)
        except (OSError, ValueError):
            names = []
        near = difflib.get_close_matches(self.path.name, names, n=1, cutoff=0.8)
        if near:
            return f"Did you mean {self.path.parent / near[0]}?"
        where = "" if self.path.is_absolute() else f" Relative paths start at {Path.cwd()}."
        return f'Give the path of an audio file, or "sample" or "mic".{where}'


def _checked_speed(speed: float) -> float:
    ok = isinstance(speed, (int, float)) and not isinstance(speed, bool) and math.isfinite(speed)
    if not ok or (speed != 0 and speed < SLOWEST):
        raise ParameterError(
            f"speed is out of range: {speed!r} is neither 0 nor a number of at least {SLOWEST}.",
            hint="1.0 is the pace of speech, 0 is as fast as the file can be read.",
            parameter="speed",
        )
    return float(speed)
