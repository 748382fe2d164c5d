"""A session's sound: samples, and the peaks that it is drawn from."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from nbstream import audio
from nbstream.errors import ParameterError
from nbstream.session.base import Base

_READ_FRAMES: Final = 60 * audio.SAMPLE_RATE_HZ


class Sounding(Base):
    """Samples and peaks, of all channels or of one."""

    def audio(
        self, start_s: float = 0.0, end_s: float | None = None, channel: int | None = None
    ) -> audio.PcmArray:
        """Samples of a span.

        Parameters
        ----------
        start_s, end_s : float
            Half open, in seconds of session audio; to the end by default. What lies outside the
            recording is left out.
        channel : int, optional
            Of channels that were kept apart, this one alone; from 0, as in `speakers`.

        Returns
        -------
        array, shape (frames,), int16
            Or (frames, channels), of channels that were kept apart.

        """
        self._check(channel)
        rate = self._folder.sample_rate_hz
        start = max(0, round(start_s * rate))
        end = self._folder.n_frames if end_s is None else round(end_s * rate)
        pcm = self._folder.read_pcm(start, end - start, channel)
        return audio.to_array(pcm, self._folder.n_channels if channel is None else 1)

    def peaks(self, channel: int | None = None) -> npt.NDArray[np.int16]:
        """Lowest and highest sample of each 10 ms.

        Parameters
        ----------
        channel : int, optional
            Of channels that were kept apart, this one alone; else across all of them.

        Returns
        -------
        array, shape (columns, 2), int16

        """
        return self.recent_peaks(None, channel)[0]

    def recent_peaks(
        self, n_columns: int | None, channel: int | None = None
    ) -> tuple[npt.NDArray[np.int16], int]:
        """The last `n_columns` of `peaks` (None: all), and the number of the first of them."""
        self._check(channel)
        with self._lock:
            self._hear()
            total = len(self._peaks)
            columns = self._peaks.tail(total if n_columns is None else n_columns, channel)
            return columns, total - len(columns)

    def n_peaks(self) -> int:
        """How many columns of 10 ms there are by now."""
        with self._lock:
            self._hear()
            return len(self._peaks)

    def peaks_at(self, level: int, first: int, n: int) -> npt.NDArray[np.int16]:
        """`n` columns of a level of the pyramid (see `audio.Peaks`) from the number `first` on.

        Returns
        -------
        array, shape (columns, channels, 2), int16

        """
        with self._lock:
            self._hear()
            return self._peaks.columns(level, first, n)

    def _hear(self) -> None:
        """Take in the audio that has come; with the lock held."""
        while self._peaked_frames < self._folder.n_frames:
            pcm = self._folder.read_pcm(self._peaked_frames, _READ_FRAMES)
            if not pcm:
                break
            self._peaks.add(pcm)
            self._peaked_frames += len(pcm) // self._folder.frame_bytes

    def _check(self, channel: int | None) -> None:
        n_channels = self._folder.n_channels
        if channel is not None and channel not in range(n_channels):
            raise ParameterError(
                f"channel {channel!r} is not there: the recording has {n_channels}.",
                hint="Channels are counted from 0, in the order of session.speakers.",
                parameter="channel",
            )
