"""A session as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from nbstream import events as ev
from nbstream import tables
from nbstream.errors import StateError
from nbstream.session.base import Base

if TYPE_CHECKING:
    from nbstream.services import Service


class Tabled(Base):
    """DataFrames, made when they are asked for."""

    @property
    def turns(self) -> pd.DataFrame:
        """One row a turn, the open one included; columns in `nbstream.tables.SCHEMA`."""
        rows = self.fold_rows()
        return tables.turns(rows, self._notes.remarks(rows))

    @property
    def words(self) -> pd.DataFrame:
        """One row a word."""
        return tables.words(self.fold_rows())

    @property
    def events(self) -> pd.DataFrame:
        """One row an event, raw messages included."""
        return tables.events(self._entries())

    @property
    def gaps(self) -> pd.DataFrame:
        """One row a hole: not transcribed, or lost by the device. Empty is good.

        What is still being caught up while it records is no hole yet.
        """
        rare = self.rare_events()
        return tables.gaps(rare, self._untold(rare), self._folder.sample_rate_hz)

    @property
    def chunks(self) -> pd.DataFrame:
        """One row a chunk: when it was captured and when it was sent."""
        return tables.chunks(self._folder.chunk_records())

    @property
    def connections(self) -> pd.DataFrame:
        """One row a connection: what the server called it, used, counted and will bill."""
        now_s = self._control.now_s() if self._control and self.is_live else float("nan")
        return tables.connections(self.rare_events(), now_s, self._folder.sample_rate_hz)

    @property
    def partials(self) -> pd.DataFrame:
        """One row a message of a turn: how its text grew. Reads all events again."""
        return tables.partials(self._entries())

    @property
    def transcript(self) -> str:
        """The final turns, one a line, in the order of the audio."""
        turns = self.turns
        return "\n".join(turns.loc[turns["is_final"], "transcript"])

    def fill_gaps(self, service: Service | str | None = None) -> float:
        """Transcribe what could not be transcribed while it was recorded, from the folder.

        Parameters
        ----------
        service : Service or str, optional
            Who does it; by default the service it was recorded with, with the same options.

        Returns
        -------
        float
            Seconds of audio that were transcribed now; 0 if nothing was missing.

        Raises
        ------
        NbstreamError
            What kept the service from it; what was filled until then stays.

        """
        if self._fill is None:
            raise StateError("this session can't be filled.", hint="Open it with nb.open(folder).")
        return self._fill(self._folder, self, service)

    def _untold(self, rare: list[ev.Entry]) -> list[tuple[int, int, int | None]]:
        """Stretches not transcribed; none while they may still be, or where there is no sound."""
        if self.is_live or not self._folder.n_frames:  # A start that failed has left no folder.
            return []
        folder = self._folder
        return tables.missing(
            rare,
            folder.chunk_records(),
            folder.n_frames,
            folder.sample_rate_hz,
            folder.n_channels,
            self._fold,
        )
