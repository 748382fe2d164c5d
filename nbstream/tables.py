"""Events -> tables. The one place that turns a connection's clock into the session's.

Every table is a snapshot made when asked, yours to change. `SCHEMA` is the contract: a column
keeps its name, type and unit within a `SCHEMA_VERSION`; new ones are added at the end.

A turn is identified by (connection, turn_order). `end_of_turn` alone makes it final; a formatted
final replaces a raw one; a `SpeakerRevision` changes who spoke, never what was said or when.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbstream import events as ev
from nbstream.audio import SAMPLE_RATE_HZ

SCHEMA_VERSION: Final = 1

# table -> column -> (dtype, meaning)
SCHEMA: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "turns": {
        "connection": ("int64", "number of the connection, from 0"),
        "turn_order": ("int64", "the server's number of the turn, from 0 on each connection"),
        "transcript": ("string", "latest text; of a partial, all words so far"),
        "start_s": ("float64", "start of the first word, s of session audio; NaN without words"),
        "end_s": ("float64", "end of the last word, s of session audio; NaN without words"),
        "is_final": ("bool", "the server ended the turn (end_of_turn)"),
        "arrived_s": ("float64", "arrival of the final, else of the latest partial, s of session"),
        "speaker": ("string", "speaker label, after revisions"),
        "n_words": ("int64", "words in the latest version"),
        "confidence": ("float64", "mean confidence of the words, 0 to 1"),
        "first_arrived_s": ("float64", "arrival of the turn's first message, s of session"),
        "formatted_s": ("float64", "arrival of a formatted final behind a raw one, s of session"),
        "n_partials": ("int64", "messages before the final"),
        "is_formatted": ("bool", "punctuation and case applied, as the server says"),
        "end_of_turn_confidence": ("float64", "the server's, 0 to 1"),
        "language_code": ("string", "with language_detection"),
        "revision": ("int64", "how often a SpeakerRevision changed the turn"),
        "speaker_original": ("string", "speaker label before revisions"),
    },
    "words": {
        "connection": ("int64", "number of the connection, from 0"),
        "turn_order": ("int64", "the turn it belongs to"),
        "word": ("int64", "position in the turn, from 0"),
        "text": ("string", "as the server wrote it"),
        "start_s": ("float64", "s of session audio"),
        "end_s": ("float64", "s of session audio"),
        "confidence": ("float64", "0 to 1"),
        "is_final": ("bool", "the word, or its turn, will not change any more"),
        "speaker": ("string", "speaker label, after revisions"),
    },
    "events": {
        "arrived_s": ("float64", "s since the session began"),
        "connection": ("Int64", "number of the connection; <NA> for what belongs to none"),
        "type": ("string", "as on the wire, or our own"),
        "text": ("string", "the event in a few words"),
        "raw": ("string", "the server's message, word for word; <NA> for our own"),
    },
    "gaps": {
        "start_s": ("float64", "s of session audio"),
        "end_s": ("float64", "s of session audio"),
        "kind": ("string", "gap: recorded, not transcribed; overflow: lost by the device"),
        "cause": ("string", "why"),
        "lost_s": ("float64", "audio missing from the recording; NaN where it can't be told"),
    },
    "chunks": {
        "frame": ("int64", "position of the chunk's first frame"),
        "n_frames": ("int64", "its length"),
        "captured_s": ("float64", "when its last sample was captured, s since the session began"),
        "sent_s": ("float64", "when it was handed to the network; NaN if it was not"),
        "connection": ("Int64", "on which connection, the last if several"),
    },
    "connections": {
        "connection": ("int64", "number, from 0"),
        "id": ("string", "the server's session id"),
        "endpoint": ("string", "address, without parameters"),
        "model": ("string", "the model really used, as the server says"),
        "start_s": ("float64", "where its clock starts, s of session audio"),
        "connected_s": ("float64", "socket open, s since the session began"),
        "began_s": ("float64", "Begin arrived, s since the session began"),
        "ended_s": ("float64", "closed, s since the session began; NaN while open"),
        "expires_at": ("float64", "end of the server's cap, Unix seconds"),
        "code": ("Int64", "close code"),
        "reason": ("string", "the server's words"),
        "is_clean": ("bool", "ended after Termination"),
        "audio_duration_s": ("float64", "audio the server counted"),
        "session_duration_s": ("float64", "time the server counted"),
        "billed_s": ("float64", "estimate: whole seconds from open to close"),
    },
}

# One record of chunks.bin. `connection` is -1 where the record is of capture, not of sending.
CHUNK_RECORD: Final = np.dtype(
    [("frame", "<i8"), ("n_frames", "<i4"), ("connection", "<i4"), ("at_s", "<f8")]
)


@dataclass(slots=True)
class TurnRow:
    """What is known of one turn. `version` grows with every change, across all turns."""

    connection: int
    turn_order: int
    offset_s: float
    transcript: str = ""
    words: tuple[ev.Word, ...] = ()
    is_final: bool = False
    is_formatted: bool = False
    arrived_s: float = math.nan
    first_arrived_s: float = math.nan
    formatted_s: float = math.nan
    n_partials: int = 0
    end_of_turn_confidence: float = math.nan
    language_code: str | None = None
    speaker: str | None = None
    speaker_original: str | None = None
    revision: int = 0
    version: int = 0

    @property
    def start_s(self) -> float:
        """Start of the first word on the session's clock."""
        return self.offset_s + self.words[0].start_ms / 1000 if self.words else math.nan

    @property
    def end_s(self) -> float:
        """End of the last word on the session's clock."""
        return self.offset_s + self.words[-1].end_ms / 1000 if self.words else math.nan

    @property
    def n_words(self) -> int:
        """Number of words in the latest version."""
        return len(self.words)

    @property
    def confidence(self) -> float:
        """Mean confidence of the words; NaN without words."""
        if not self.words:
            return math.nan
        return sum(word.confidence for word in self.words) / len(self.words)


@dataclass(slots=True)
class Fold:
    """Turns as they stand after the events seen so far.

    Feed it every `Entry` once, in order. Not thread-safe; the owner keeps a lock.
    """

    sample_rate_hz: int = SAMPLE_RATE_HZ
    version: int = 0
    n_entries: int = 0
    n_unknown: int = 0
    _rows: dict[tuple[int, int], TurnRow] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)
    _offset_s: dict[int, float] = field(default_factory=dict)

    @property
    def rows(self) -> list[TurnRow]:
        """Turns with something said in them, in the order of the audio's connections."""
        return [row for row in self._rows.values() if row.transcript or row.words]

    @property
    def finals_end_s(self) -> float:
        """Where the last final turn ends, s of session audio; 0 before the first."""
        return max((r.end_s for r in self.rows if r.is_final and r.words), default=0.0)

    def add(self, entry: ev.Entry) -> None:
        """Take in the next event."""
        self.n_entries += 1
        event, connection = entry.event, entry.connection
        if isinstance(event, ev.Unknown):
            self.n_unknown += 1
        if connection is None:
            return
        if isinstance(event, ev.Connected):
            self._open(connection, event.start_frame / self.sample_rate_hz)
        elif isinstance(event, ev.Disconnected):
            self._ended.add(connection)
        elif isinstance(event, ev.Turn):
            self._turn(connection, event, entry.at_s)
        elif isinstance(event, ev.SpeakerRevision):
            for revision in event.revisions:
                self._revise(connection, revision)

    def _open(self, connection: int, start_s: float) -> None:
        self._offset_s[connection] = start_s
        # What was open when an earlier connection broke is heard again from `start_s` on; its
        # partial stays in the events, or the words would stand here twice.
        again = [
            key
            for key, row in self._rows.items()
            if key[0] in self._ended and not (row.is_final or row.end_s <= start_s)
        ]
        for key in again:
            del self._rows[key]
        self.version += bool(again)

    def _turn(self, connection: int, turn: ev.Turn, at_s: float) -> None:
        key = (connection, turn.turn_order)
        row = self._rows.get(key)
        if row is None:
            offset_s = self._offset_s.get(connection, 0.0)
            row = self._rows[key] = TurnRow(*key, offset_s, first_arrived_s=at_s)
        if row.is_final:
            if not (turn.end_of_turn and turn.is_formatted and not row.is_formatted):
                return
            row.formatted_s = at_s
        else:
            row.arrived_s = at_s
            row.n_partials += not turn.end_of_turn
        row.is_final, row.is_formatted = turn.end_of_turn, turn.is_formatted
        # Universal-Streaming sends partials whose words are there before their transcript is.
        spoken = " ".join(word.text for word in turn.words)
        row.transcript = turn.transcript or ("" if turn.end_of_turn else spoken)
        row.words = turn.words
        row.language_code = turn.language_code
        row.speaker = row.speaker_original = turn.speaker_label
        if turn.end_of_turn_confidence is not None:
            row.end_of_turn_confidence = turn.end_of_turn_confidence
        self._touch(row)

    def _revise(self, connection: int, revision: ev.TurnRevision) -> None:
        row = self._rows.get((connection, revision.turn_order))
        if row is None:
            return
        row.speaker = revision.speaker_label
        row.revision += 1
        if len(revision.words) == len(row.words):
            row.words = tuple(
                replace(word, speaker=new.speaker)
                for word, new in zip(row.words, revision.words, strict=True)
            )
        self._touch(row)

    def _touch(self, row: TurnRow) -> None:
        self.version += 1
        row.version = self.version


def fold(entries: Iterable[ev.Entry], sample_rate_hz: int = SAMPLE_RATE_HZ) -> Fold:
    """All of `entries`, folded."""
    folded = Fold(sample_rate_hz)
    for entry in entries:
        folded.add(entry)
    return folded


def turns(rows: Sequence[TurnRow]) -> pd.DataFrame:
    """One row a turn, latest version of each, in order of audio; columns as in `SCHEMA`."""
    names = SCHEMA["turns"]
    ordered = sorted(rows, key=_in_order_of_audio)
    return _frame("turns", ([getattr(row, name) for name in names] for row in ordered))


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
                word.speaker or row.speaker,
            ]
            for row in sorted(rows, key=_in_order_of_audio)
            for i, word in enumerate(row.words)
        ),
    )


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
    untold: Sequence[tuple[int, int]] = (),
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> pd.DataFrame:
    """One row a hole: audio not transcribed, or lost by the device; columns as in `SCHEMA`.

    Parameters
    ----------
    entries : sequence of Entry
        All events: overflows, and why stretches were not transcribed.
    untold : sequence of (start, end)
        Stretches not transcribed, in frames, as from `missing`.

    """
    rows = sorted(_gap_rows(entries, untold, sample_rate_hz), key=lambda row: row[0])
    return _frame("gaps", rows)


def chunks(records: npt.NDArray[Any]) -> pd.DataFrame:
    """One row a captured chunk, with when and where it was sent; columns as in `SCHEMA`.

    Parameters
    ----------
    records : array, shape (records,), dtype `CHUNK_RECORD`
        As in ``chunks.bin``. The message that holds a chunk's last frame is the one it went with.

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


def missing(
    entries: Iterable[ev.Entry],
    records: npt.NDArray[Any],
    n_frames: int,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> list[tuple[int, int]]:
    """Stretches of the recording that the service has not had its say on, in frames.

    A connection that was terminated covers all that it was sent; one that broke covers what is
    before the end of its last final turn. What is shorter than a message can be is no stretch.

    Parameters
    ----------
    entries : iterable of Entry
        All events.
    records : array, shape (records,), dtype `CHUNK_RECORD`
        As in ``chunks.bin``.
    n_frames : int
        Length of the recording.

    Returns
    -------
    list of (start, end)
        Half open, in order.

    """
    starts: dict[int, int] = {}
    clean: set[int] = set()
    folded = Fold(sample_rate_hz)
    for entry in entries:
        folded.add(entry)
        if entry.connection is not None and isinstance(entry.event, ev.Connected):
            starts[entry.connection] = entry.event.start_frame
        if entry.connection is not None and isinstance(entry.event, ev.Termination):
            clean.add(entry.connection)
    covered = []
    for number, start in starts.items():
        sent = records[records["connection"] == number]
        end = int((sent["frame"] + sent["n_frames"]).max()) if len(sent) else start
        if number not in clean:
            finals = [r.end_s for r in folded.rows if r.connection == number and r.is_final]
            end = min(end, int(np.nanmax([0.0, *finals]) * sample_rate_hz))
        covered.append((start, end))
    shortest = sample_rate_hz // 20
    found, at = [], 0
    for start, end in [*sorted(covered), (n_frames, n_frames)]:
        if start - at >= shortest:
            found.append((at, start))
        at = max(at, end)
    return found


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
    entries: Sequence[ev.Entry], untold: Sequence[tuple[int, int]], sample_rate_hz: int
) -> Iterator[list[Any]]:
    told_why = [entry.event for entry in entries if isinstance(entry.event, ev.Gap)]
    for start, end in untold:
        causes = [gap.cause for gap in told_why if gap.start_frame < end and start < gap.end_frame]
        cause = causes[-1] if causes else "the recording was interrupted"
        yield [start / sample_rate_hz, end / sample_rate_hz, "gap", cause, 0.0]
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.Overflow):
            at_s = event.frame / sample_rate_hz
            lost_s = event.lost_frames / sample_rate_hz if event.lost_frames else math.nan
            yield [at_s, at_s, "overflow", f"the device lost audio {event.count} times", lost_s]


def _in_order_of_audio(row: TurnRow) -> tuple[float, int, int]:
    start_s = row.start_s
    return (math.inf if math.isnan(start_s) else start_s, row.connection, row.turn_order)


def _frame(table: str, rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    schema = SCHEMA[table]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pd.DataFrame(
        {
            name: pd.Series(list(values), dtype=dtype)
            for (name, (dtype, _)), values in zip(schema.items(), columns, strict=True)
        }
    )
