"""Sound small enough to travel inside a page: Ogg Opus, where soundfile can write it."""

from __future__ import annotations

import io
from typing import Final

import numpy as np

from nbstream.audio import SAMPLE_RATE_HZ, PcmArray

BYTES_PER_S: Final = 2600  # of a channel, about
_LEVEL: Final = 0.94  # of compression, 0 to 1: about 20 kbit/s, at which speech is clear


def ogg(samples: PcmArray) -> bytes | None:
    """Ogg Opus of 16 kHz samples; None where soundfile, or its Opus, is missing.

    Parameters
    ----------
    samples : array, shape (frames,) or (frames, channels), int16
        More than two channels are mixed into one.

    """
    try:
        import soundfile
    except (ImportError, OSError):
        return None
    if samples.ndim == 2 and samples.shape[1] > 2:
        samples = samples.mean(axis=1).astype(np.int16)
    file = io.BytesIO()
    try:
        soundfile.write(
            file, samples, SAMPLE_RATE_HZ, format="OGG", subtype="OPUS", compression_level=_LEVEL
        )
    except (RuntimeError, TypeError, ValueError):  # Older ones know no Opus, or no level.
        return None
    return file.getvalue()
