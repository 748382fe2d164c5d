"""``df.nbstream``: what reads better as a method of a table. It never changes the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from nbstream.errors import ParameterError
from nbstream.timing.definitions import definitions
from nbstream.timing.floor import floor_transfer_ms
from nbstream.timing.summary import summary


@pd.api.extensions.register_dataframe_accessor("nbstream")
class Accessor:
    """Timing of any table with ``start_s``, ``end_s`` and a speaker, ours or not."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table

    def summary(self, by: str | Sequence[str] = (), **options: Any) -> pd.DataFrame:
        """Percentiles, as `nb.timing.summary`."""
        return summary(self._table, by, **options)

    def definitions(self) -> pd.DataFrame:
        """What the figures of this table mean."""
        known = definitions()
        return known.loc[[name for name in known.index if name in self._table]]

    def floor_transfers(self, speaker: str = "speaker", **options: Any) -> pd.Series:
        """Floor transfer offset of each row, ms; `speaker` names the column of speakers.

        Options as of `nb.timing.floor_transfer_ms`.
        """
        missing = {"start_s", "end_s", speaker} - set(self._table.columns)
        if missing:
            raise ParameterError(
                f"floor transfers need columns that are not there: {', '.join(sorted(missing))}.",
                hint="start_s and end_s in seconds, and one that says who spoke.",
                parameter="speaker",
            )
        who = [None if pd.isna(name) else str(name) for name in self._table[speaker]]
        fto_ms = floor_transfer_ms(self._table["start_s"], self._table["end_s"], who, **options)
        return pd.Series(fto_ms, index=self._table.index, name="fto_ms")
