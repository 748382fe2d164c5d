"""Speakers and edges of turns from somebody else's annotation of the same audio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nbstream.tables import TurnRow
from nbstream.timing.edges import Spans

_NONE: Spans = np.empty((0, 2))


def speakers(
    rows: Sequence[TurnRow], reference: pd.DataFrame
) -> tuple[list[str | None], list[Spans]]:
    """Who spoke each turn, by the largest overlap, and when that speaker spoke.

    Parameters
    ----------
    rows : sequence of TurnRow
        Turns.
    reference : DataFrame
        ``start_s``, ``end_s``, ``speaker``.

    Returns
    -------
    list of str or None, list of array, shape (spans, 2)
        For each turn; None and no spans where nobody of the reference spoke.

    """
    spans_of = {
        str(name): part[["start_s", "end_s"]].sort_values("start_s").to_numpy(np.float64)
        for name, part in reference.groupby("speaker")
    }
    who: list[str | None] = []
    for row in rows:
        shared_s = {name: _overlap_s(row, spans) for name, spans in spans_of.items()}
        best = max(shared_s, key=lambda name: shared_s[name], default=None)
        who.append(best if best is not None and shared_s[best] > 0 else None)
    return who, [_NONE if name is None else spans_of[name] for name in who]


def _overlap_s(row: TurnRow, spans: Spans) -> float:
    shared = np.minimum(spans[:, 1], row.end_s) - np.maximum(spans[:, 0], row.start_s)
    return float(np.nansum(np.maximum(0, shared)))
