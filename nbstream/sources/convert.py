"""Samples as a device or a file gives them -> 16 kHz mono 16-bit, in pieces of one chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from nbstream.audio import BYTES_PER_FRAME, CHUNK_FRAMES, FULL_SCALE, SAMPLE_RATE_HZ
from nbstream.errors import SourceError

CHUNK_BYTES: Final = CHUNK_FRAMES * BYTES_PER_FRAME

FloatBlock = npt.NDArray[np.float32]


def floats(pcm: bytes, n_channels: int) -> FloatBlock:
    """Make 16-bit PCM a block, shape (frames, channels), full scale 1.0."""
    n_samples = len(pcm) // (2 * n_channels) * n_channels
    samples = np.frombuffer(pcm, "<i2", n_samples).reshape(-1, n_channels)
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


class Converter:
    """Downmix, resample and round one stream of audio, block by block.

    Audio that is 16-bit at 16 kHz and mono already comes out bit-exact: every 16-bit sample is a
    float32 without rounding.

    Parameters
    ----------
    rate_hz : int
        Of the audio that comes in.
    label : str
        What is converted, for the error.

    Raises
    ------
    SourceError
        If the audio needs resampling and soxr is not installed.
    """

    def __init__(self, rate_hz: int, label: str) -> None:
        self._resampler = None
        if rate_hz == SAMPLE_RATE_HZ:
            return
        try:
            import soxr
        except ImportError as error:
            raise SourceError(
                f"{label} has {rate_hz} Hz and needs resampling to {SAMPLE_RATE_HZ} Hz, "
                "for which soxr is not installed.",
                hint="Run: pip install 'nbstream[audio]'",
                source=label,
            ) from error
        self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")

    def __call__(self, block: FloatBlock, *, last: bool = False) -> bytes:
        """Convert the next block, shape (frames, channels), full scale 1.0, to PCM.

        The resampler holds back some milliseconds until `last`.
        """
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
        mono = np.nan_to_num(mono)  # one NaN would spread through the filter
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(np.ascontiguousarray(mono), last)
        whole = np.clip(np.rint(mono * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
        return whole.astype("<i2").tobytes()


def cut(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut PCM blocks of any size into pieces of one chunk; the last may be shorter."""
    rest = bytearray()
    for block in blocks:
        rest += block
        while len(rest) >= CHUNK_BYTES:
            yield bytes(rest[:CHUNK_BYTES])
            del rest[:CHUNK_BYTES]
    if rest:
        yield bytes(rest)
