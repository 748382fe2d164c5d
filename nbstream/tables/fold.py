"""Events -> turns as they stand.

A turn is identified by (connection, turn_order). `end_of_turn` alone makes it final; a formatted
final replaces a raw one; a `SpeakerRevision` changes who spoke, never what was said or when.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from nbstream import events as ev
from nbstream.audio import SAMPLE_RATE_HZ
from nbstream.tables.growth import Growth

_FREQUENT = (ev.Turn, ev.SpeechStarted, ev.Heartbeat, ev.Silence)

TurnKey = tuple[int, int]  # connection, turn_order


@dataclass(slots=True)
class TurnRow:
    """What is known of one turn. `version` grows with every change, across all turns."""

    connection: int
    turn_order: int
    offset_s: float
    channel: int | None = None
    transcript: str = ""
    words: tuple[ev.Word, ...] = ()
    is_final: bool = False
    is_formatted: bool = False
    arrived_s: float = math.nan
    first_arrived_s: float = math.nan
    formatted_s: float = math.nan
    onset_s: float = math.nan
    n_partials: int = 0
    end_of_turn_confidence: float = math.nan
    language_code: str | None = None
    speaker: str | None = None
    speaker_original: str | None = None
    revision: int = 0
    version: int = 0
    growth: Growth = field(default_factory=Growth)

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

    @property
    def is_said(self) -> bool:
        """Whether something is said in it; a turn may begin, or end, as an empty one."""
        return bool(self.transcript or self.words)


class TurnChanges(NamedTuple):
    """What has happened to turns since a version: what they are now, and which are gone."""

    version: int
    rows: list[TurnRow]
    gone: list[TurnKey]


@dataclass(slots=True)
class Fold:
    """Turns as they stand after the events seen so far.

    Feed it every `Entry` once, in order. Not thread-safe; the owner keeps a lock. `speakers` are
    the names of channels that are kept apart. `rare` are all entries but those that come many times
    a minute; who needs them need not read the whole file again.

    What a view needs many times a minute costs the same however long the session is: `n_final`,
    `n_open`, `spoken_s`, `changed_since`, `gone_since`.
    """

    sample_rate_hz: int = SAMPLE_RATE_HZ
    speakers: tuple[str, ...] = ()
    version: int = 0
    n_entries: int = 0
    n_unknown: int = 0
    n_final: int = 0  # turns with something said in them
    n_open: int = 0
    spoken_s: float = 0.0  # when the last word arrived, in s since the session began
    rare: list[ev.Entry] = field(default_factory=list)
    _rows: dict[TurnKey, TurnRow] = field(default_factory=dict)
    _by_version: OrderedDict[TurnKey, TurnRow] = field(default_factory=OrderedDict)
    _gone: list[tuple[int, TurnKey]] = field(default_factory=list)  # with the version at which
    _ended: set[int] = field(default_factory=set)
    _offset_s: dict[int, float] = field(default_factory=dict)
    _channel: dict[int, int] = field(default_factory=dict)
    _onset_ms: dict[int, float] = field(default_factory=dict)  # of the turn that comes next

    @property
    def rows(self) -> list[TurnRow]:
        """Turns with something said in them, in the order of the audio's connections."""
        return [row for row in self._rows.values() if row.is_said]

    def find(self, key: TurnKey) -> TurnRow | None:
        """The turn of that connection and order, if it is there."""
        row = self._rows.get(key)
        return row if row is not None and row.is_said else None

    def changed_since(self, version: int) -> list[TurnRow]:
        """Turns that have changed after `version` (0: all), in the order of their last change."""
        return [row for row in self._touched_since(version) if row.is_said][::-1]

    def gone_since(self, version: int) -> list[TurnKey]:
        """Turns that were there at `version`, perhaps, and are there no more."""
        gone = [row_key(row) for row in self._touched_since(version) if not row.is_said]
        for at, key in reversed(self._gone):
            if at <= version:
                break
            if self.find(key) is None:
                gone.append(key)
        return gone

    def _touched_since(self, version: int) -> list[TurnRow]:
        touched = []
        for row in reversed(self._by_version.values()):
            if row.version <= version:
                break
            touched.append(row)
        return touched

    def add(self, entry: ev.Entry) -> None:
        """Take in the next event."""
        self.n_entries += 1
        event, connection = entry.event, entry.connection
        if not isinstance(event, _FREQUENT):
            self.rare.append(entry)
        if isinstance(event, ev.Unknown):
            self.n_unknown += 1
        if connection is None:
            return
        if isinstance(event, ev.Connected):
            if event.channel is not None:
                self._channel[connection] = event.channel
            self._open(connection, event.start_frame / self.sample_rate_hz)
        elif isinstance(event, ev.Disconnected):
            self._ended.add(connection)
        elif isinstance(event, ev.SpeechStarted):
            self._onset_ms[connection] = event.timestamp_ms
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
            if key[0] in self._ended
            and row.channel == self._channel.get(connection)
            and not (row.is_final or row.end_s <= start_s)
        ]
        self.version += bool(again)
        for key in again:
            self._count(self._rows.pop(key), -1)
            del self._by_version[key]
            self._gone.append((self.version, key))

    def _turn(self, connection: int, turn: ev.Turn, at_s: float) -> None:
        key = (connection, turn.turn_order)
        row = self._rows.get(key)
        if row is None:
            offset_s = self._offset_s.get(connection, 0.0)
            row = TurnRow(*key, offset_s, self._channel.get(connection), first_arrived_s=at_s)
            row.onset_s = offset_s + self._onset_ms.pop(connection, math.nan) / 1000
            self._rows[key] = row
        if row.is_final:
            if not (turn.end_of_turn and turn.is_formatted and not row.is_formatted):
                return
            row.formatted_s = at_s
        else:
            row.arrived_s = at_s
            row.n_partials += not turn.end_of_turn
        self._count(row, -1)
        row.growth.add(
            [word.text for word in turn.words],
            [turn.end_of_turn or word.is_final for word in turn.words],
            at_s,
            counts=not row.is_final,
        )
        row.is_final, row.is_formatted = turn.end_of_turn, turn.is_formatted
        # Universal-Streaming sends partials whose words are there before their transcript is.
        spoken = " ".join(word.text for word in turn.words)
        row.transcript = turn.transcript or ("" if turn.end_of_turn else spoken)
        row.words = turn.words
        row.language_code = turn.language_code
        row.speaker = row.speaker_original = self._name(row.channel, turn.speaker_label)
        if turn.end_of_turn_confidence is not None:
            row.end_of_turn_confidence = turn.end_of_turn_confidence
        self._count(row, +1)
        if row.is_said:
            self.spoken_s = max(self.spoken_s, row.arrived_s)
        self._touch(row)

    def _revise(self, connection: int, revision: ev.TurnRevision) -> None:
        row = self._rows.get((connection, revision.turn_order))
        if row is None:
            return
        row.speaker = self._name(row.channel, revision.speaker_label)
        row.revision += 1
        if len(revision.words) == len(row.words):
            row.words = tuple(
                replace(word, speaker=new.speaker)
                for word, new in zip(row.words, revision.words, strict=True)
            )
        self._touch(row)

    def _name(self, channel: int | None, label: str | None) -> str | None:
        """Who speaks: the channel's name, the service's label, or both."""
        name = self.speakers[channel or 0] if self.speakers else None
        return " ".join(part for part in (name, label) if part) or None

    def _count(self, row: TurnRow, by: int) -> None:
        if row.is_said and row.is_final:
            self.n_final += by
        elif row.is_said:
            self.n_open += by

    def _touch(self, row: TurnRow) -> None:
        self.version += 1
        row.version = self.version
        self._by_version[row_key(row)] = row
        self._by_version.move_to_end(row_key(row))


def row_key(row: TurnRow) -> TurnKey:
    """What identifies a turn."""
    return row.connection, row.turn_order


def fold(
    entries: Iterable[ev.Entry],
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    speakers: tuple[str, ...] = (),
) -> Fold:
    """All of `entries`, folded."""
    folded = Fold(sample_rate_hz, speakers)
    for entry in entries:
        folded.add(entry)
    return folded
