"""Facts about 16-bit PCM: its header, its level and its peaks. No I/O, no clock.

Of several channels, the samples of one instant stand side by side and are one frame.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ: Final = 16_000
BYTES_PER_SAMPLE: Final = 2
CHUNK_MS: Final = 50
CHUNK_FRAMES: Final = SAMPLE_RATE_HZ * CHUNK_MS // 1000
FULL_SCALE: Final = 32_768
WAV_HEADER_BYTES: Final = 44
SILENCE_DBFS: Final = -96.0

PcmArray = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of PCM as a source yields it.

    Parameters
    ----------
    pcm : bytes
        16-bit little-endian at `SAMPLE_RATE_HZ`; several channels are interleaved.
    captured_s : float
        ``time.monotonic()`` when the last sample existed here.
    overflows : int
        How often the device said, since the chunk before, that it lost audio.
    lost_frames : int
        How many frames it lost, where that can be told; 0 if unknown.
    n_channels : int
        As many as are kept apart; 1 if the source downmixes.
    """

    pcm: bytes
    captured_s: float
    overflows: int = 0
    lost_frames: int = 0
    n_channels: int = 1

    @property
    def n_frames(self) -> int:
        """Length in frames."""
        return len(self.pcm) // (BYTES_PER_SAMPLE * self.n_channels)


def to_array(pcm: bytes, n_channels: int = 1) -> PcmArray:
    """View PCM bytes as samples, shape (frames,), or (frames, channels) of several channels.

    A torn last frame is left out.
    """
    n_samples = len(pcm) // (BYTES_PER_SAMPLE * n_channels) * n_channels
    samples = np.frombuffer(pcm, dtype="<i2", count=n_samples)
    return samples if n_channels == 1 else samples.reshape(-1, n_channels)


def wav_header(n_frames: int, sample_rate_hz: int = SAMPLE_RATE_HZ, n_channels: int = 1) -> bytes:
    """Header of a 16-bit WAV file with `n_frames` frames, 44 bytes.

    RIFF counts in 32 bits, so a longer recording (37 hours of one channel at 16 kHz) claims the
    most it can.
    """
    frame_bytes = BYTES_PER_SAMPLE * n_channels
    most_frames = (0xFFFF_FFFF - 36) // frame_bytes
    n_bytes = min(n_frames, most_frames) * frame_bytes
    byte_rate = sample_rate_hz * frame_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + n_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,
        n_channels,
        sample_rate_hz,
        byte_rate,
        frame_bytes,
        16,
        b"data",
        n_bytes,
    )


def level_dbfs(pcm: bytes) -> float:
    """Root-mean-square level in dB relative to full scale, -96 (silence) to 0; of all channels."""
    samples = to_array(pcm).astype(np.float64)
    if not samples.size:
        return SILENCE_DBFS
    rms = math.sqrt(float(samples @ samples) / samples.size)
    return max(SILENCE_DBFS, 20 * math.log10(max(rms, 1e-9) / FULL_SCALE))


def is_clipped(pcm: bytes) -> bool:
    """Whether any sample stands at full scale."""
    samples = to_array(pcm)
    return bool(samples.size) and bool((samples.max() >= 32_767) or (samples.min() <= -32_768))


def last_pause(samples: PcmArray, sample_rate_hz: int = SAMPLE_RATE_HZ) -> int:
    """Frame in the middle of the last good pause in `samples`; where there is none, the quietest.

    A pause is 0.3 s whose level is within 6 dB of the quietest 0.3 s. Parts can be separated there
    without cutting a word: of a dip that is no longer than that, its middle is taken; of a longer
    pause, 0.25 s before its end.
    """
    hop, width = sample_rate_hz // 100, 30
    n_hops = samples.size // hop
    if n_hops <= width:
        return samples.size
    power = np.square(samples[: n_hops * hop].reshape(n_hops, hop), dtype=np.float64).mean(axis=1)
    smooth = np.convolve(power, np.ones(width) / width, mode="valid") + 1.0
    is_quiet = smooth <= 4 * smooth.min()
    last = int(np.flatnonzero(is_quiet)[-1])
    louder = np.flatnonzero(~is_quiet[:last])
    first = int(louder[-1]) + 1 if louder.size else 0
    return (last - min((last - first) // 2, width // 3) + width // 2) * hop


def min_max(samples: PcmArray, frames_per_column: int) -> npt.NDArray[np.int16]:
    """Lowest and highest sample of each column, shape (columns, 2).

    Of several channels, (frames, channels), it is (columns, channels, 2). A last column that is
    not full is left out.
    """
    columns = samples[: len(samples) // frames_per_column * frames_per_column]
    columns = columns.reshape(-1, frames_per_column, *samples.shape[1:])
    columns = np.ascontiguousarray(
        np.moveaxis(columns, 1, -1)
    )  # six times as fast, of two channels
    return np.stack([columns.min(axis=-1), columns.max(axis=-1)], axis=-1)


class Peaks:
    """Min/max pairs of a growing recording, of each channel, at several widths of a column.

    A column is 10 ms wide at level 0, and `FACTOR` times as wide at each level above: 80 ms,
    640 ms, 5.12 s. So any stretch can be drawn from about as many columns as it has pixels.
    Columns that are not full are left out.

    The cost of `add` depends on the new audio only, that of a slice on its length. One writer;
    readers take copies.
    """

    COLUMN_MS: Final = 10
    FACTOR: Final = 8
    N_LEVELS: Final = 4

    def __init__(self, sample_rate_hz: int = SAMPLE_RATE_HZ, n_channels: int = 1) -> None:
        self._frames_per_column = sample_rate_hz * self.COLUMN_MS // 1000
        self._n_channels = n_channels
        self._column_bytes = 2 * BYTES_PER_SAMPLE * n_channels
        self._rest = to_array(b"", n_channels)
        self._levels = [bytearray() for _ in range(self.N_LEVELS)]

    def __len__(self) -> int:
        return self.n_columns(0)

    def n_columns(self, level: int) -> int:
        """How many columns a level has."""
        return len(self._levels[level]) // self._column_bytes

    def add(self, pcm: bytes) -> None:
        """Take in the next piece of the recording, of any length in whole frames."""
        samples = np.concatenate([self._rest, to_array(pcm, self._n_channels)])
        columns = min_max(samples, self._frames_per_column)
        n_used = len(columns) * self._frames_per_column
        self._rest = samples[n_used:]
        self._levels[0] += columns.astype("<i2").reshape(-1).tobytes()
        for level in range(1, self.N_LEVELS):
            n_built, n_full = self.n_columns(level), self.n_columns(level - 1) // self.FACTOR
            if n_full == n_built:
                break
            fine = self.columns(level - 1, self.FACTOR * n_built, self.FACTOR * (n_full - n_built))
            fine = fine.reshape(n_full - n_built, self.FACTOR, self._n_channels, 2)
            lowest, highest = fine[..., 0].min(axis=1), fine[..., 1].max(axis=1)
            self._levels[level] += np.stack([lowest, highest], axis=-1).astype("<i2").tobytes()

    def columns(self, level: int, first: int, n: int) -> npt.NDArray[np.int16]:
        """Copy of `n` columns of a level from the number `first` on, fewer at the end.

        Returns
        -------
        array, shape (columns, channels, 2), int16
            Lowest and highest sample.

        """
        start, stop = (max(0, at) * self._column_bytes for at in (first, first + n))
        part = self._levels[level][start:stop]  # a copy, or the level could not grow
        return np.frombuffer(part, "<i2").reshape(-1, self._n_channels, 2)

    def tail(self, n_columns: int, channel: int | None = None) -> npt.NDArray[np.int16]:
        """Copy of the last `n_columns` columns of 10 ms or fewer, shape (columns, 2).

        Of one channel, or the lowest and highest of all.
        """
        columns = self.columns(0, max(0, len(self) - n_columns), n_columns)
        if channel is not None:
            return columns[:, channel]
        return np.stack([columns[:, :, 0].min(axis=1), columns[:, :, 1].max(axis=1)], axis=1)
