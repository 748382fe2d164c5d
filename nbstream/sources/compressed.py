"""Sound as small as a browser can still play it: Opus or Vorbis in Ogg, else FLAC, else WAV.

Not MP3: browsers seek in it by guessing, so that a word would be heard beside its place.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from nbstream.audio import SAMPLE_RATE_HZ, PcmArray, wav_header

BYTES_PER_S: Final = 2600  # of a channel, about, as Opus
# Opus is the smaller one, and takes ten times as long: up to two seconds a minute.
_LONG_FRAMES: Final = 600 * SAMPLE_RATE_HZ


class _Codec(NamedTuple):
    container: str
    subtype: str
    most_channels: int  # that browsers know how to play
    level: float | None  # of compression, 0 to 1
    media_type: str


_OPUS: Final = _Codec("OGG", "OPUS", 2, 0.94, "audio/ogg")  # 20 kbit/s: speech is clear
_VORBIS: Final = _Codec("OGG", "VORBIS", 2, 0.95, "audio/ogg")  # 23 kbit/s
_FLAC: Final = _Codec("FLAC", "PCM_16", 8, None, "audio/flac")


def compressed(
    blocks: Callable[[], Iterable[PcmArray]], n_frames: int, n_channels: int
) -> tuple[bytes, str]:
    """A sound file and its media type; channels stay apart.

    Parameters
    ----------
    blocks : callable
        Gives the samples from the beginning, int16, some seconds at a time.
    n_frames, n_channels : int
        Of all blocks together.

    """
    for codec in (_OPUS if n_frames <= _LONG_FRAMES else _VORBIS, _FLAC):
        if n_channels > codec.most_channels:
            continue
        if (data := _encoded(codec, blocks(), n_channels)) is not None:
            return data, codec.media_type
    data = wav_header(n_frames, n_channels=n_channels)
    return data + b"".join(block.astype("<i2").tobytes() for block in blocks()), "audio/wav"


def _encoded(codec: _Codec, blocks: Iterable[PcmArray], n_channels: int) -> bytes | None:
    """None where soundfile is missing, or does not know the codec."""
    try:
        import soundfile
    except (ImportError, OSError):
        return None
    file = io.BytesIO()
    level = {} if codec.level is None else {"compression_level": codec.level}
    try:
        with soundfile.SoundFile(
            file,
            "w",
            SAMPLE_RATE_HZ,
            n_channels,
            subtype=codec.subtype,
            format=codec.container,
            **level,
        ) as sound:
            for block in blocks:
                sound.write(block)
    except (RuntimeError, TypeError, ValueError):  # Older ones know no Opus, or no level.
        return None
    return file.getvalue()
