"""Audio messages -> what the recogniser takes: int16, 16 kHz, mono."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import numpy as np

from nbstream.audio import SAMPLE_RATE_HZ, PcmArray
from nbstream.local.checks import Refusal, Settings


class Incoming:
    """Decodes the messages of one connection, of any size and in order.

    Raises
    ------
    Refusal
        3006 for an encoding or a sample rate that can't be decoded here.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.encoding not in ("pcm_s16le", "pcm_mulaw"):
            raise Refusal(
                3006,
                f"User Input Validation Error: Invalid 'encoding': {settings.encoding}"
                " is not supported by the local recogniser, which takes pcm_s16le and pcm_mulaw",
            )
        self._is_mulaw = settings.encoding == "pcm_mulaw"
        self._rest = b""  # half a sample
        self._resampler: Any = None
        if settings.sample_rate_hz != SAMPLE_RATE_HZ:
            if importlib.util.find_spec("soxr") is None:
                raise Refusal(
                    3006,
                    "User Input Validation Error: Invalid 'sample_rate': the local recogniser"
                    " takes 16000 Hz; for others install soxr",
                )
            import soxr

            self._resampler = soxr.ResampleStream(
                settings.sample_rate_hz, SAMPLE_RATE_HZ, 1, dtype="int16"
            )

    def samples(self, message: bytes) -> PcmArray:
        """Decode the next message."""
        return self._resampled(self._decoded(message), is_last=False)

    def tail(self) -> PcmArray:
        """What the resampler still holds; call once, at the end."""
        return self._resampled(np.empty(0, np.int16), is_last=True)

    def _decoded(self, message: bytes) -> PcmArray:
        if self._is_mulaw:
            return _mulaw_table()[np.frombuffer(message, np.uint8)]
        data = self._rest + message
        whole = len(data) // 2 * 2
        self._rest = data[whole:]
        return np.frombuffer(data[:whole], "<i2")

    def _resampled(self, samples: PcmArray, *, is_last: bool) -> PcmArray:
        if self._resampler is None:
            return samples
        resampled: PcmArray = self._resampler.resample_chunk(samples, last=is_last)
        return resampled


@cache
def _mulaw_table() -> PcmArray:
    """ITU-T G.711: the 16-bit value of each of the 256 codes."""
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + 0x84) << ((code & 0x70) >> 4)
    return np.where(code & 0x80, 0x84 - magnitude, magnitude - 0x84).astype(np.int16)
