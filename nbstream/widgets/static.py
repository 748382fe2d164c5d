"""What a saved notebook keeps of a live view: plain HTML, no script, every text escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from nbstream.engine import Snapshot
from nbstream.tables import TurnRow
from nbstream.widgets.status import WORDS

NEWEST: Final = 200
_HEAD: Final = ("turn", "start (s)", "end (s)", "text")


def static_html(snapshot: Snapshot, rows: Sequence[TurnRow]) -> str:
    """State, folder and newest turns as HTML."""
    minutes, seconds = divmod(int(snapshot.audio_s), 60)
    parts = [f"<p>Recorder: {WORDS[snapshot.state].lower()}, {minutes}:{seconds:02d} recorded"]
    if snapshot.folder:
        parts.append(f" in <code>{escape(snapshot.folder)}</code>")
    parts.append(".</p>")
    if snapshot.message:
        parts.append(f"<p>{escape(snapshot.message)} {escape(snapshot.hint)}</p>")
    if rows:
        head = "".join(f"<th>{name}</th>" for name in _HEAD)
        body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows[-NEWEST:])
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    if len(rows) > NEWEST:
        parts.append(f"<p>{len(rows) - NEWEST} earlier turns are in the folder.</p>")
    return "".join(parts)


def _cells(row: TurnRow) -> str:
    text = escape(row.transcript) if row.is_final else f"<em>{escape(row.transcript)}</em>"
    cells = (str(row.turn_order), _seconds(row.start_s), _seconds(row.end_s), text)
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _seconds(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else ""
