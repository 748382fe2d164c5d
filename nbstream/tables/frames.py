"""Turns, events and chunks -> DataFrames, each a snapshot made when asked, yours to change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbstream import events as ev
from nbstream.audio import SAMPLE_RATE_HZ
from nbstream.tables.fold import TurnKey, TurnRow, row_key
from nbstream.tables.growth import Growth
from nbstream.tables.schema import REMARKS, SCHEMA
from nbstream.text import valid


def in_order(rows: Iterable[TurnRow]) -> list[TurnRow]:
    """`rows` by where they begin in the audio; those without words at the end."""

    def key(row: TurnRow) -> tuple[float, int, int]:
        start_s = row.start_s
        return math.inf if math.isnan(start_s) else start_s, row.connection, row.turn_order

    return sorted(rows, key=key)


def turns(
    rows: Sequence[TurnRow], remarks: Mapping[TurnKey, Mapping[str, str]] | None = None
) -> pd.DataFrame:
    """One row a turn, latest version of each, in order of audio; columns as in `SCHEMA`.

    `remarks` are what people said on turns, as from `annotate.remarks`: the columns `REMARKS`.
    """
    names = [name for name in SCHEMA["turns"] if name not in REMARKS]
    said = remarks or {}
    return _frame(
        "turns",
        (
            [getattr(row, name) for name in names]
            + [said.get(row_key(row), {}).get(name) for name in REMARKS]
            for row in in_order(rows)
        ),
    )


def words(rows: Sequence[TurnRow]) -> pd.DataFrame:
    """One row a word of the latest version of each turn; columns as in `SCHEMA`."""
    return _frame(
        "words",
        (
            [
                row.connection,
                row.turn_order,
                i,
                word.text,
                row.offset_s + word.start_ms / 1000,
                row.offset_s + word.end_ms / 1000,
                word.confidence,
                row.is_final or word.is_final,
                row.speaker if row.channel is not None else word.speaker or row.speaker,
                row.channel,
                row.growth.first_s[i],
                row.growth.final_s[i],
            ]
            for row in in_order(rows)
            for i, word in enumerate(row.words)
        ),
    )


def partials(entries: Iterable[ev.Entry]) -> pd.DataFrame:
    """One row a message of a turn, up to its first final; columns as in `SCHEMA`.

    It reads every event again: partials are kept on disk, not in memory.
    """
    return _frame("partials", _partial_rows(entries))


def events(entries: Iterable[ev.Entry]) -> pd.DataFrame:
    """One row an event, in order of arrival; columns as in `SCHEMA`."""
    return _frame(
        "events",
        (
            [
                entry.at_s,
                entry.connection,
                ev.type_name(entry.event),
                summary(entry.event),
                entry.event.raw if isinstance(entry.event, ev.ServerEvent) else None,
            ]
            for entry in entries
        ),
    )


def gaps(
    entries: Sequence[ev.Entry],
    untold: Sequence[tuple[int, int, int | None]] = (),
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> pd.DataFrame:
    """One row a hole: not transcribed, lost by the device, or paused; columns as in `SCHEMA`.

    Parameters
    ----------
    entries : sequence of Entry
        All events: overflows, pauses, and why stretches were not transcribed.
    untold : sequence of (start, end, channel)
        Stretches not transcribed, in frames, as from `missing`.

    """
    rows = sorted(_gap_rows(entries, untold, sample_rate_hz), key=lambda row: row[0])
    return _frame("gaps", rows)


def chunks(records: npt.NDArray[Any]) -> pd.DataFrame:
    """One row a captured chunk, with when and where it was sent; columns as in `SCHEMA`.

    Parameters
    ----------
    records : array, shape (records,), dtype `CHUNK_RECORD`
        As in ``chunks.bin``. The message that holds a chunk's last frame is the one it went with;
        of several, as where channels are kept apart, that of the connection opened last.

    """
    captured = records[records["connection"] < 0]
    sent_s = np.full(len(captured), np.nan)
    connection = np.full(len(captured), -1, np.int64)
    last_frame = captured["frame"] + captured["n_frames"] - 1
    for number in np.unique(records["connection"][records["connection"] >= 0]):
        sent = records[records["connection"] == number]
        at = np.searchsorted(sent["frame"], last_frame, side="right") - 1
        held = (at >= 0) & (last_frame < (sent["frame"] + sent["n_frames"])[at])
        sent_s[held] = sent["at_s"][at[held]]
        connection[held] = number
    table = pd.DataFrame(
        {
            "frame": captured["frame"].astype("int64"),
            "n_frames": captured["n_frames"].astype("int64"),
            "captured_s": captured["at_s"].astype("float64"),
            "sent_s": sent_s,
            "connection": pd.array(connection, dtype="Int64"),
        }
    )
    table.loc[table["connection"] < 0, "connection"] = pd.NA
    return table


def connections(
    entries: Iterable[ev.Entry],
    now_s: float = math.nan,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> pd.DataFrame:
    """One row a connection; columns as in `SCHEMA`. `now_s` prices those still open."""
    table: dict[int, dict[str, Any]] = {}
    for entry in entries:
        if entry.connection is None:
            continue
        event, row = entry.event, table.setdefault(entry.connection, {})
        if isinstance(event, ev.Connected):
            row |= {"connection": entry.connection, "endpoint": event.endpoint}
            row |= {"start_s": event.start_frame / sample_rate_hz, "connected_s": entry.at_s}
            row |= {"channel": event.channel}
        elif isinstance(event, ev.Begin):
            row |= {"id": event.id, "model": event.model, "began_s": entry.at_s}
            row |= {"expires_at": event.expires_at}
        elif isinstance(event, ev.Termination):
            row |= {"audio_duration_s": event.audio_duration_s}
            row |= {"session_duration_s": event.session_duration_s}
        elif isinstance(event, ev.Disconnected):
            row |= {"code": event.code, "reason": event.reason, "is_clean": event.clean}
            row |= {"ended_s": entry.at_s}
    for row in table.values():
        open_s = row.get("ended_s", now_s) - row.get("connected_s", math.nan)
        row["billed_s"] = open_s if math.isnan(open_s) else float(math.ceil(open_s))
        row.setdefault("is_clean", False)
    rows = [row for row in table.values() if "connection" in row]
    return _frame(
        "connections", ([row.get(name) for name in SCHEMA["connections"]] for row in rows)
    )


def summary(event: ev.Event) -> str:
    """The event in a few words, for the table of events."""
    match event:
        case ev.Turn():
            return f"{'final' if event.end_of_turn else 'partial'} {event.turn_order}: " + (
                event.transcript or " ".join(word.text for word in event.words)
            )
        case ev.Begin():
            return f"{event.id} {event.model or ''}".strip()
        case ev.ServerFault() | ev.ServerWarning():
            return f"{event.code}: {event.message}"
        case ev.Unknown():
            return event.why
        case ev.Problem():
            return f"{event.message} {event.hint}".strip()
        case ev.Sent():
            return event.text
        case ev.StateChanged():
            return event.state
        case ev.LLMGatewayResponse():
            return f"{event.turn_order}: {event.transcript}"
        case _:
            names = [n for n in event.__dataclass_fields__ if n != "raw"]
            return ", ".join(f"{name}={getattr(event, name)}" for name in names)


def _gap_rows(
    entries: Sequence[ev.Entry],
    untold: Sequence[tuple[int, int, int | None]],
    sample_rate_hz: int,
) -> Iterator[list[Any]]:
    told_why = [entry.event for entry in entries if isinstance(entry.event, ev.Gap)]
    for start, end, channel in untold:
        causes = [
            gap.cause
            for gap in told_why
            if gap.channel == channel and gap.start_frame < end and start < gap.end_frame
        ]
        cause = causes[-1] if causes else "the recording was interrupted"
        yield [start / sample_rate_hz, end / sample_rate_hz, "gap", cause, 0.0, channel]
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.Overflow):
            at_s = event.frame / sample_rate_hz
            lost_s = event.lost_frames / sample_rate_hz if event.lost_frames else math.nan
            cause = f"the device lost audio {event.count} times"
            yield [at_s, at_s, "overflow", cause, lost_s, None]
        elif isinstance(event, ev.Paused):
            at_s = event.frame / sample_rate_hz
            yield [at_s, at_s, "pause", "paused by the person", event.seconds, None]


def _partial_rows(entries: Iterable[ev.Entry]) -> Iterator[list[Any]]:
    growths: dict[tuple[int | None, int], tuple[Growth, int]] = {}
    for entry in entries:
        turn = entry.event
        if not isinstance(turn, ev.Turn):
            continue
        key = (entry.connection, turn.turn_order)
        growth, n = growths.get(key, (Growth(), 0))
        if n < 0:
            continue  # A formatted final behind a raw one.
        texts = [word.text for word in turn.words]
        growth.add(texts, [word.is_final for word in turn.words], entry.at_s)
        transcript = turn.transcript or " ".join(texts)
        yield [
            entry.connection,
            turn.turn_order,
            n,
            entry.at_s,
            turn.end_of_turn,
            transcript,
            len(texts),
            growth.n_kept,
            growth.n_revised,
        ]
        growths[key] = growth, -1 if turn.end_of_turn else n + 1


def _frame(table: str, rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    schema = SCHEMA[table]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pd.DataFrame(
        {
            name: _column(list(values), dtype)
            for (name, (dtype, _)), values in zip(schema.items(), columns, strict=True)
        }
    )


def _column(values: list[Any], dtype: str) -> pd.Series:
    try:
        return pd.Series(values, dtype=dtype)
    except UnicodeEncodeError:  # Half a surrogate pair is legal JSON and no text.
        return pd.Series([v if v is None else valid(v) for v in values], dtype=dtype)
