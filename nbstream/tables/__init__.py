"""Events -> tables. The one place that turns a connection's clock into the session's.

`schema`: columns, types, units. `fold`: events -> turns. `growth`: how a turn's text grew.
`frames`: turns, events, chunks -> DataFrames. `coverage`: what was not transcribed.
"""

from nbstream.tables.coverage import missing
from nbstream.tables.fold import Fold, TurnChanges, TurnKey, TurnRow, fold, row_key
from nbstream.tables.frames import (
    chunks,
    connections,
    events,
    gaps,
    in_order,
    partials,
    summary,
    turns,
    words,
)
from nbstream.tables.schema import CHUNK_RECORD, SCHEMA, SCHEMA_VERSION

__all__ = [
    "CHUNK_RECORD",
    "SCHEMA",
    "SCHEMA_VERSION",
    "Fold",
    "TurnChanges",
    "TurnKey",
    "TurnRow",
    "chunks",
    "connections",
    "events",
    "fold",
    "gaps",
    "in_order",
    "missing",
    "partials",
    "row_key",
    "summary",
    "turns",
    "words",
]
