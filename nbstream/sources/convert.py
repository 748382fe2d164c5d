"""Samples as a device or a file gives them -> 16 kHz 16-bit, in pieces of one chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from nbstream.audio import BYTES_PER_SAMPLE, CHUNK_FRAMES, FULL_SCALE, SAMPLE_RATE_HZ
from nbstream.errors import SourceError

FloatBlock = npt.NDArray[np.float32]


def floats(pcm: bytes, n_channels: int) -> FloatBlock:
    """Make 16-bit PCM a block, shape (frames, channels), full scale 1.0."""
    n_samples = len(pcm) // (2 * n_channels) * n_channels
    samples = np.frombuffer(pcm, "<i2", n_samples).reshape(-1, n_channels)
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


class Converter:
    """Resample and round one stream of audio, block by block; downmix it, unless told otherwise.

    Audio that is 16-bit at 16 kHz already and not downmixed comes out bit-exact: every 16-bit
    sample is a float32 without rounding.

    Parameters
    ----------
    rate_hz : int
        Of the audio that comes in.
    label : str
        What is converted, for the error.
    n_channels : int
        Of the audio that comes out: 1, or as many as come in, which then are kept apart.

    Raises
    ------
    SourceError
        If the audio needs resampling and soxr is not installed.
    """

    def __init__(self, rate_hz: int, label: str, n_channels: int = 1) -> None:
        self._n_channels = n_channels
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
        self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, n_channels, dtype="float32")

    def __call__(self, block: FloatBlock, *, last: bool = False) -> bytes:
        """Convert the next block, shape (frames, channels), full scale 1.0, to PCM.

        The resampler holds back some milliseconds until `last`.
        """
        if block.shape[1] != self._n_channels:
            block = block.mean(axis=1, dtype=np.float32, keepdims=True)
        block = np.nan_to_num(block)  # one NaN would spread through the filter
        if self._resampler is not None:
            block = self._resampler.resample_chunk(np.ascontiguousarray(block), last)
        whole = np.clip(np.rint(block * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
        return whole.astype("<i2").tobytes()


def cut(blocks: Iterable[bytes], n_channels: int = 1) -> Iterator[bytes]:
    """Cut PCM blocks of any size into pieces of one chunk; the last may be shorter."""
    chunk_bytes = CHUNK_FRAMES * BYTES_PER_SAMPLE * n_channels
    rest = bytearray()
    for block in blocks:
        rest += block
        while len(rest) >= chunk_bytes:
            yield bytes(rest[:chunk_bytes])
            del rest[:chunk_bytes]
    if rest:
        yield bytes(rest)
