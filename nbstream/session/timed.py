"""The timing of a session, and pictures of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nbstream.session.sounding import Sounding
from nbstream.session.tabled import Tabled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Timed(Tabled, Sounding):
    """Timing of turns and words, voice activity, pictures."""

    def timing(
        self,
        *,
        end_source: str = "asr_word",
        reference: str | Path | pd.DataFrame | None = None,
        min_pause_ms: float = 200.0,
        window_s: float = 10.0,
        buffer_ms: float = 200.0,
        max_speakers: int = 2,
    ) -> pd.DataFrame:
        """One row a turn: rates, pauses, floor transfers, latencies, stability.

        Parameters
        ----------
        end_source : {"asr_word", "vad", "manual"}
            Where the edges of a turn's speech are taken from: its first and last word, voice
            activity (see `speech`), or `reference`. The column ``end_source`` says what each row
            could be given.
        reference : path or DataFrame, optional
            Who really spoke when: an RTTM or TextGrid file, or ``start_s``, ``end_s``,
            ``speaker``. Each turn gets the speaker that it overlaps most. Without one, speakers
            that were corrected (see `annotate`) go before the service's labels.
        min_pause_ms : float
            Shortest silence between two words that counts as a pause.
        window_s, buffer_ms, max_speakers
            Of floor transfers, as in `nb.timing.floor_transfer_ms`.

        Returns
        -------
        DataFrame
            Columns as in `nb.timing.definitions`; NaN where a figure can't be had honestly, and
            ``missing`` says why.

        """
        rows = self.fold_rows()
        return self._study.turns(
            rows,
            self.rare_events(),
            corrected=self._notes.remarks(rows),
            end_source=end_source,
            reference=reference,
            min_pause_ms=min_pause_ms,
            window_s=window_s,
            buffer_ms=buffer_ms,
            max_speakers=max_speakers,
        )

    def word_timing(self) -> pd.DataFrame:
        """`words` with their emission latencies."""
        return self._study.words(self.fold_rows())

    @property
    def speech(self) -> pd.DataFrame:
        """One row a stretch of speech, as a voice activity detector hears it.

        It needs ``nbstream[local]``, and about a second for ten minutes of audio the first time.
        """
        return self._study.speech()

    def plot(
        self, ax: Axes | None = None, *, start_s: float = 0.0, end_s: float | None = None
    ) -> Axes:
        """Draw waveform and turns with matplotlib, into `ax` or a new figure.

        Of several speakers, each has a lane. More pictures are in `nb.plots`.
        """
        from nbstream import plots

        end_s = end_s or self.duration_s
        if self.turns["speaker"].nunique() < 2:
            rows = self.fold_rows()
            return plots.session(self.peaks(), rows, ax=ax, start_s=start_s, end_s=end_s)
        return plots.turns(
            self.peaks(), self.turns, words=self.words, ax=ax, start_s=start_s, end_s=end_s
        )

    def report(self, **options: Any) -> Figure:
        """One page about the session: turns, latencies, floor transfers, stability, talk time.

        Parameters
        ----------
        **options
            As of `timing`.

        Returns
        -------
        Figure
            Shown at the end of a cell; ``session.report().savefig("report.pdf")`` keeps it.

        """
        from nbstream import plots

        return plots.report(
            self.peaks(),
            self.turns,
            self.word_timing(),
            self.timing(**options),
            self.partials,
            title=self.name or self.folder.name,
        )
