"""Tables as files: CSV, JSON lines, Parquet."""

from __future__ import annotations

import io
import json
from typing import Any, Final

import pandas as pd

from nbstream._version import __version__
from nbstream.export.file import missing
from nbstream.export.talk import Talk
from nbstream.tables import SCHEMA, SCHEMA_VERSION

# A spreadsheet takes a cell that begins so for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_WORDS_TOO: Final = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"})


def csv(talk: Talk, *, table: str = "turns", safe: bool = True) -> str:
    """A table as CSV, UTF-8.

    Parameters
    ----------
    talk : Talk
        The session.
    table : str
        Which: ``"turns"``, ``"words"``, ``"annotations"``, ``"timing"``, ...
    safe : bool
        Whether texts that a spreadsheet would run as a formula, because they begin with ``=``,
        ``+``, ``-``, ``@``, a tab or a line end, get an apostrophe in front. Spreadsheets show it
        or not; ``pd.read_csv`` keeps it. With ``safe=False`` every text is as it was said.

    Notes
    -----
    ``pd.read_csv(path)`` reads it back; times keep their last digit. NUL, which CSV can't hold,
    is written as U+FFFD.
    """
    frame = talk.table(table)
    for name in frame.columns:
        if is_text(frame[name]):
            cells = [_cell(cell, safe) for cell in frame[name].to_numpy(object)]
            frame = frame.assign(**{name: pd.array(cells, dtype=object)})
    return frame.to_csv(index=False, lineterminator="\n")


def jsonl(talk: Talk, *, table: str = "turns") -> str:
    """A table as JSON lines, UTF-8: an object a row, null where there is nothing.

    ``pd.read_json(path, lines=True)`` reads it back.
    """
    frame = talk.table(table)
    rows = zip(*(_plain(frame[name]) for name in frame.columns), strict=True)
    lines = [
        json.dumps(dict(zip(frame.columns, row, strict=True)), ensure_ascii=False) + "\n"
        for row in rows
    ]
    # Valid JSON as they are, but line ends to some readers.
    return "".join(lines).translate(_WORDS_TOO)


def parquet(talk: Talk, *, table: str = "turns") -> bytes:
    """A table as Parquet, typed; what columns mean, and the schema's version, are in its metadata.

    Metadata: ``nbstream.schema_version``, ``nbstream.table``, ``nbstream.version``,
    ``nbstream.session``; of each column ``description``.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet as pq
    except ImportError as error:
        raise missing("Parquet files are written by pyarrow") from error
    frame = talk.table(table)
    made = pa.Table.from_pandas(frame, preserve_index=False)
    meanings = SCHEMA.get(table, {})
    fields = []
    for at in made.schema:
        meaning = meanings[at.name][1] if at.name in meanings else ""
        if pa.types.is_large_string(at.type) or pa.types.is_null(at.type):
            at = at.with_type(pa.string())
        fields.append(at.with_metadata({"description": meaning}) if meaning else at)
    about = {
        "nbstream.schema_version": str(SCHEMA_VERSION),
        "nbstream.table": table,
        "nbstream.version": __version__,
        "nbstream.session": talk.title,
    }
    schema = pa.schema(fields, metadata={**(made.schema.metadata or {}), **about})
    sink = io.BytesIO()
    pq.write_table(made.cast(schema), sink)
    return sink.getvalue()


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column holds texts."""
    return column.dtype == object or pd.api.types.is_string_dtype(column.dtype)


def _cell(cell: Any, safe: bool) -> Any:
    if not isinstance(cell, str):
        return None if pd.isna(cell) else cell
    cell = cell.replace("\x00", "\ufffd")
    return "'" + cell if safe and cell.startswith(_FORMULA) else cell


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Values of a column as JSON has them."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return [None if pd.isna(value) else value.isoformat() for value in column]
    values = column.astype(object).to_numpy()
    plain = [value.item() if hasattr(value, "item") else value for value in values]
    return [
        None if pd.isna(value) or value in (float("inf"), float("-inf")) else value
        for value in plain
    ]
