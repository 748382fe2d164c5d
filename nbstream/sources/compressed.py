"""Sound as small as a browser can still play it: Ogg Opus, else FLAC, else WAV."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Final

from nbstream.audio import SAMPLE_RATE_HZ, PcmArray, wav_header

BYTES_PER_S: Final = 2600  # of a channel, about, as Ogg Opus
_LEVEL: Final = 0.94  # of compression, 0 to 1: about 20 kbit/s a channel, at which speech is clear
_MOST_CHANNELS: Final = {"OGG": 2, "FLAC": 8}  # that browsers know how to play
_TYPES: Final = {"OGG": "audio/ogg", "FLAC": "audio/flac"}


def compressed(
    blocks: Callable[[], Iterable[PcmArray]], n_frames: int, n_channels: int
) -> tuple[bytes, str]:
    """A sound file and its media type; channels stay apart.

    Parameters
    ----------
    blocks : callable
        Gives the samples from the beginning, int16, a block at a time.
    n_frames, n_channels : int
        Of all blocks together.

    """
    for kind, most in _MOST_CHANNELS.items():
        if n_channels <= most and (data := _encoded(kind, blocks(), n_channels)) is not None:
            return data, _TYPES[kind]
    data = wav_header(n_frames, n_channels=n_channels)
    return data + b"".join(block.astype("<i2").tobytes() for block in blocks()), "audio/wav"


def _encoded(kind: str, blocks: Iterable[PcmArray], n_channels: int) -> bytes | None:
    """None where soundfile is missing, or does not know `kind`."""
    try:
        import soundfile
    except (ImportError, OSError):
        return None
    file = io.BytesIO()
    subtype, options = ("OPUS", {"compression_level": _LEVEL}) if kind == "OGG" else ("PCM_16", {})
    try:
        with soundfile.SoundFile(
            file, "w", SAMPLE_RATE_HZ, n_channels, subtype=subtype, format=kind, **options
        ) as sound:
            for block in blocks:
                sound.write(block)
    except (RuntimeError, TypeError, ValueError):  # Older ones know no Opus, or no level.
        return None
    return file.getvalue()
