"""When a position in the recording was spoken, on the clock that messages arrive on."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nbstream.audio import SAMPLE_RATE_HZ

FloatArray = npt.NDArray[np.float64]

# A source that gives audio this many times as fast as it is spoken is read, not listened to.
UNPACED: Final = 20.0


class CaptureClock:
    """Position in the recording -> when its sample was captured.

    Parameters
    ----------
    records : array, shape (records,), dtype `tables.CHUNK_RECORD`
        As in ``chunks.bin``; those of capture are used.
    sample_rate_hz : int
        Of the recording.
    uncertainty_ms : float
        How far the stamps may be off, where another machine's clock made them.

    Notes
    -----
    A chunk is stamped when its last sample existed. Inside a chunk time goes back from there at
    the pace of the source, but not behind the stamp of the chunk before it, so nothing is
    stretched over a pause or over audio that the device lost. The pace is the median over all
    chunks: 1 / 16000 s a frame live, half of that at speed 2.

    """

    def __init__(
        self,
        records: npt.NDArray[Any],
        sample_rate_hz: int = SAMPLE_RATE_HZ,
        uncertainty_ms: float = 0.0,
    ) -> None:
        captured = records[records["connection"] < 0]
        self.uncertainty_ms = uncertainty_ms
        self._rate_hz = sample_rate_hz
        self._start = captured["frame"].astype(np.int64)
        self._end = self._start + captured["n_frames"]
        self._at_s = captured["at_s"].astype(np.float64)
        self._s_per_frame = self._pace()

    @property
    def speed(self) -> float:
        """Seconds of audio a second, to a hundredth, as captured."""
        if not self._s_per_frame:
            return float("inf")
        return round(1 / (self._s_per_frame * self._rate_hz), 2)

    @property
    def is_paced(self) -> bool:
        """Whether audio came as it is spoken; otherwise latencies have no meaning."""
        return not self.speed > UNPACED

    def captured_s(self, position_s: npt.ArrayLike) -> FloatArray:
        """Seconds since the session began at which each position was captured.

        Parameters
        ----------
        position_s : array_like of float
            In s of session audio.

        Returns
        -------
        array of float64
            Of the same shape; NaN outside the recording and for an unpaced source.

        """
        position_s = np.asarray(position_s, np.float64)
        found = np.full(position_s.shape, np.nan)
        if not self._end.size or not self.is_paced:
            return found
        frame = position_s * self._rate_hz
        chunk = np.searchsorted(self._end, np.nan_to_num(frame, nan=-1.0), side="left")
        inside = (frame >= 0) & (chunk < self._end.size)
        at = chunk[inside]
        earliest_s = np.where(at > 0, self._at_s[at - 1], -np.inf)
        back_s = (self._end[at] - frame[inside]) * self._s_per_frame
        found[inside] = np.maximum(self._at_s[at] - back_s, earliest_s)
        return found

    def _pace(self) -> float:
        if self._end.size < 2:
            return 1 / self._rate_hz
        return float(np.median(np.diff(self._at_s) / np.maximum(1, np.diff(self._end))))


class SendClock:
    """Position in the recording -> when a connection was sent it.

    Parameters
    ----------
    records : array, shape (records,), dtype `tables.CHUNK_RECORD`
        As in ``chunks.bin``; those of sending are used.

    """

    def __init__(self, records: npt.NDArray[Any], sample_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self._rate_hz = sample_rate_hz
        sent = records[records["connection"] >= 0]
        self._messages = {}  # connection -> start and end in frames, when sent
        for number in np.unique(sent["connection"]):
            of = sent[sent["connection"] == number]
            start = of["frame"].astype(np.int64)
            self._messages[int(number)] = start, start + of["n_frames"], of["at_s"]

    def sent_s(self, connection: int, position_s: npt.ArrayLike) -> FloatArray:
        """Seconds since the session began at which each position was sent; NaN if it was not."""
        position_s = np.asarray(position_s, np.float64)
        found = np.full(position_s.shape, np.nan)
        if connection not in self._messages:
            return found
        start, end, at_s = self._messages[connection]
        frame = position_s * self._rate_hz
        message = np.searchsorted(end, np.nan_to_num(frame, nan=-1.0), side="left")
        inside = (frame >= start[0]) & (message < len(end))
        found[inside] = at_s[message[inside]]
        return found
