"""The turns: transcript above, table below, newest at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from nbstream.tables import TurnRow

NEWEST: Final = 200


class Turns(anywidget.AnyWidget):  # type: ignore[misc]
    """Transcript and table of the newest turns. One writer at a time: see `Recorder`.

    Final turns and open ones travel in two traits: the first are many and rarely change, the
    second change many times a second. A turn that is in both for an instant is final.
    """

    _esm = Path(__file__).parent / "turns.js"
    _css = Path(__file__).parent / "turns.css"

    finals = traitlets.List().tag(sync=True)
    partials = traitlets.List().tag(sync=True)

    _shown: tuple[str, int, int] = ("", 0, 0)

    def show(self, session: str, rows: Sequence[TurnRow]) -> None:
        """Show `rows` of the session of that name; the newest 200 are drawn."""
        newest = rows[-NEWEST:]
        finals = [row for row in newest if row.is_final]
        # The versions are read before the rows are: a row that changes meanwhile comes again.
        shown = (session, len(rows), max((row.version for row in finals), default=0))
        partials = [turn_view(row) for row in newest if not row.is_final]
        if shown != self._shown:
            self._shown = shown
            self.finals = [turn_view(row) for row in finals]
        self.partials = partials


def turn_view(row: TurnRow) -> dict[str, Any]:
    """What is drawn of a turn; times in seconds, None where there is none."""
    return {
        "connection": row.connection,
        "turn": row.turn_order,
        "start_s": _number(row.start_s),
        "end_s": _number(row.end_s),
        "text": row.transcript,
        "words": row.n_words,
        "confidence": _number(row.confidence),
        "arrived_s": _number(row.arrived_s),
        "speaker": row.speaker,
    }


def _number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
