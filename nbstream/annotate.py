"""Annotations: an append-only log of changes, what it amounts to, and which turns it is about.

A line of ``annotations.jsonl`` says what one annotation, its `id`, is from then on: the last line
for an id wins, and a value of null means that it is gone. Lines written together share a `step`.
Undo appends lines as well: what the ids of the step ``of`` are without it.

```
{"id": "7f3a90c2e1b4", "at": "2026-01-31T14:05:09.123+00:00", "author": "ada", "op": "set",
 "step": "0b1d6c7f92aa", "of": "", "kind": "label", "start_s": 1.2, "end_s": 3.4, "channel": null,
 "connection": 0, "turn_order": 3, "value": "question"}
```

An annotation is anchored to a span of the audio. `connection` and `turn_order` say that it was made
on a turn, and are a hint at which: it belongs to the turn that it overlaps most, so it survives
another transcription of the same audio. Made on a turn that was still open, it has no ``end_s``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from nbstream.tables import TurnKey, TurnRow, row_key
from nbstream.text import valid

LABEL, NOTE, TRANSCRIPT, SPEAKER, MARK = "label", "note", "transcript", "speaker", "mark"
KINDS: Final = (LABEL, NOTE, TRANSCRIPT, SPEAKER, MARK)
LABELS: Final = "labels"  # kind and id of the label set: its value is name -> colour
SEPARATOR: Final = "; "  # between labels, or notes, of one turn
SHIFT_S: Final = 0.5  # by how much edges of a turn may move and it still says the same

# Okabe and Ito's hues at one lightness, as for speakers: white on each of them can be read.
COLOURS: Final = (
    "#0072b2",
    "#b85000",
    "#007f5f",
    "#b04a86",
    "#7d6b00",
    "#6f5bc4",
    "#187e94",
    "#6b6b6b",
)

# Columns of the tables that are made of these: (dtype, meaning), as in `tables.SCHEMA`.
COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "id": ("string", "of the annotation; takes it away again with unannotate"),
    "kind": ("string", "label, note, transcript, speaker (corrections) or mark"),
    "start_s": ("float64", "s of session audio"),
    "end_s": ("float64", "s of session audio; as start_s for what is about an instant"),
    "channel": ("Int64", "channel of the recording; <NA> of one channel, and of all"),
    "connection": ("Int64", "of the turn it is about now; <NA> where it is about none"),
    "turn_order": ("Int64", "likewise"),
    "value": ("string", "the label, or the text"),
    "author": ("string", "who made it"),
    "at": ("datetime64[ns, UTC]", "when"),
}
HISTORY_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "at": ("datetime64[ns, UTC]", "when"),
    "author": ("string", "who"),
    "op": ("string", "set, remove, undo, redo; unknown for a line that can't be read"),
    "id": ("string", "of the annotation"),
    "kind": ("string", "as in annotations; labels for the label set"),
    "value": ("string", "from then on; <NA>: gone"),
    "start_s": ("float64", "s of session audio"),
    "end_s": ("float64", "s of session audio; NaN of a turn that was still open"),
    "channel": ("Int64", "channel of the recording"),
    "connection": ("Int64", "of the turn it was made on; <NA> for a span"),
    "turn_order": ("Int64", "likewise"),
    "step": ("string", "what was done at once has one, and is undone at once"),
    "of": ("string", "the step that was undone or redone"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One line: what the annotation `id` is from then on."""

    id: str
    at: str
    author: str
    op: str
    step: str
    kind: str
    value: Any
    start_s: float | None = None
    end_s: float | None = None
    channel: int | None = None
    connection: int | None = None
    turn_order: int | None = None
    of: str = ""

    @property
    def is_on_turn(self) -> bool:
        """Whether it was made on a turn, not on a span."""
        return self.connection is not None and self.turn_order is not None


def encode(change: Change) -> str:
    """The line, with its end."""
    return json.dumps(dataclasses.asdict(change), ensure_ascii=False) + "\n"


def decode(line: str) -> Change:
    """A line that was read. Never raises: what can't be understood is of the op ``"unknown"``."""
    try:
        record = json.loads(line)
        known = {name: record[name] for name in Change.__dataclass_fields__ if name in record}
        change = Change(**known)
        texts = (change.id, change.at, change.author, change.op, change.step, change.kind)
        if not all(isinstance(text, str) for text in (*texts, change.of)):
            raise TypeError("not a text")
        is_said = change.value is None or isinstance(change.value, dict if _is_set(change) else str)
        is_whole = all(
            type(number) is int or number is None
            for number in (change.channel, change.connection, change.turn_order)
        )
        is_timed = all(
            number is None or (type(number) in (int, float) and math.isfinite(number))
            for number in (change.start_s, change.end_s)
        )
        encode(change).encode()  # Half a surrogate is no text that tables could hold.
        if change.op in ("set", "remove", "undo", "redo") and is_said and is_whole and is_timed:
            return change
    # A strange line must not hide the others.
    except Exception:
        pass
    return Change("", "", "", "unknown", "", "", valid(line))


def _is_set(change: Change) -> bool:
    return change.kind == LABELS


@dataclass(slots=True)
class Log:
    """Changes in order, and what they amount to. Not thread-safe; the owner keeps a lock."""

    changes: list[Change] = field(default_factory=list)
    _steps: dict[str, list[Change]] = field(default_factory=dict)
    _by_id: dict[str, list[Change]] = field(default_factory=dict)
    _undone: dict[str, None] = field(default_factory=dict)  # in the order they were undone
    _redoable: list[str] = field(default_factory=list)  # those since which nothing new was done

    def add(self, change: Change) -> None:
        """Take in the next line."""
        self.changes.append(change)
        if change.op in ("set", "remove"):
            if change.step not in self._steps:
                self._redoable.clear()
            self._steps.setdefault(change.step, []).append(change)
            self._by_id.setdefault(change.id, []).append(change)
        elif change.op == "undo" and change.of not in self._undone:
            self._undone[change.of] = None
            self._redoable.append(change.of)
        elif change.op == "redo" and change.of in self._undone:
            del self._undone[change.of]
            self._redoable = [step for step in self._redoable if step != change.of]

    def copy(self) -> Log:
        """Another one, that stays as it is."""
        return Log(
            list(self.changes),
            {step: list(made) for step, made in self._steps.items()},
            {id_: list(made) for id_, made in self._by_id.items()},
            dict(self._undone),
            list(self._redoable),
        )

    def annotations(self) -> list[Change]:
        """What is there: for each annotation the line that made it so, in order of the audio."""
        found = (self._now(id_, self._undone) for id_ in self._by_id)
        there = [
            change
            for change in found
            if change is not None and change.value is not None and not _is_set(change)
        ]
        return sorted(
            there, key=lambda change: math.inf if change.start_s is None else change.start_s
        )

    def find(self, id_: str) -> Change | None:
        """The annotation of that id, if it is there."""
        change = self._now(id_, self._undone)
        return None if change is None or change.value is None else change

    def labels(self) -> dict[str, str]:
        """Labels and their colours: those that were set, then those in use, as they came."""
        chosen = self.find(LABELS)
        colours = dict.fromkeys(chosen.value) | chosen.value if chosen else {}
        used = {change.value: None for change in self.changes if change.kind == LABEL}
        there = {change.value for change in self.annotations() if change.kind == LABEL}
        return with_colours(colours | {n: None for n in used if n in there and n not in colours})

    def undo(self, author: str, at: str, step: str, of: str | None = None) -> list[Change]:
        """Lines that take back the last step; of the author `of` only, if given. None: empty."""
        for name in reversed(self._steps):
            if name not in self._undone and of in (None, self._steps[name][0].author):
                without = self._undone | {name: None}
                return self._moved(name, without, Change("", at, author, "undo", step, "", None))
        return []

    def redo(self, author: str, at: str, step: str, of: str | None = None) -> list[Change]:
        """Lines that do again what was undone last, if nothing new was done since."""
        for name in reversed(self._redoable):
            if of in (None, self._steps[name][0].author):
                without = {other: None for other in self._undone if other != name}
                return self._moved(name, without, Change("", at, author, "redo", step, "", None))
        return []

    def _moved(self, step: str, undone: Mapping[str, None], head: Change) -> list[Change]:
        """A line for each annotation of `step`: what it is once `undone` does not count."""
        lines = []
        for id_, change in {change.id: change for change in self._steps[step]}.items():
            now = self._now(id_, undone) or replace(change, value=None)
            line = replace(now, at=head.at, author=head.author, op=head.op, step=head.step, of=step)
            lines.append(line)
        return lines

    def _now(self, id_: str, undone: Mapping[str, None]) -> Change | None:
        made = (change for change in reversed(self._by_id.get(id_, ())))
        return next((change for change in made if change.step not in undone), None)


def with_colours(labels: Mapping[str, str | None]) -> dict[str, str]:
    """`labels` with a colour each: those without get the one that is least in use."""
    used = [colour.lower() for colour in labels.values() if colour]
    found: dict[str, str] = {}
    for name, colour in labels.items():
        if not colour:
            colour = min(COLOURS, key=used.count)
            used.append(colour)
        found[name] = colour
    return found


def resolve(annotations: Iterable[Change], rows: Sequence[TurnRow]) -> dict[str, TurnRow]:
    """The turn that each annotation is about; those made on spans, or that no turn overlaps, none.

    A corrected transcript is about a turn only as long as the turn has about the edges it had: of
    one that was since split, or joined with the next, it does not say what was said in it.
    """
    by_key = {row_key(row): row for row in rows}
    of_channel: dict[int | None, list[TurnRow]] = {}
    for row in rows:
        of_channel.setdefault(row.channel, []).append(row)
    edges = {
        channel: np.array([(row.start_s, row.end_s) for row in group], np.float64)
        for channel, group in of_channel.items()
    }
    found = {}
    for change in annotations:
        if not change.is_on_turn:
            continue
        hint = turn = by_key.get((change.connection or 0, change.turn_order or 0))
        if change.start_s is not None and not (hint and _is_exactly(change, hint)):
            group = of_channel.get(change.channel, [])
            at = _closest(change, edges[change.channel], group, hint) if group else None
            turn = None if at is None else group[at]
        if turn is not None and (change.kind != TRANSCRIPT or _fits(change, turn)):
            found[change.id] = turn
    return found


def _is_exactly(change: Change, row: TurnRow) -> bool:
    """Whether nothing has moved, as nearly always: then no other turn can overlap it more."""
    ends_there = change.end_s is None or change.end_s == row.end_s
    return ends_there and (change.channel, change.start_s) == (row.channel, row.start_s)


def _closest(
    change: Change, edges: Any, rows: Sequence[TurnRow], hint: TurnRow | None
) -> int | None:
    """Position of the turn that the anchor overlaps most; if several, the one that it names."""
    assert change.start_s is not None
    starts, ends = edges[:, 0], edges[:, 1]
    if change.end_s is None:  # Of an open turn only the beginning was known.
        near = (starts <= change.start_s + SHIFT_S) & (ends >= change.start_s - SHIFT_S)
        score = np.where(near, -np.abs(starts - change.start_s), -np.inf)
    else:
        shared = np.minimum(ends, change.end_s) - np.maximum(starts, change.start_s)
        instant = (ends == starts) | (change.end_s == change.start_s)
        score = np.where((shared > 0) | (instant & (shared == 0)), shared, -np.inf)
    score = np.nan_to_num(score, nan=-np.inf, neginf=-np.inf)
    if not score.size or score.max() == -np.inf:
        return None
    best = np.flatnonzero(score == score.max())
    return next((at for at in map(int, best) if rows[at] is hint), int(best[0]))


def _fits(change: Change, row: TurnRow) -> bool:
    if change.start_s is None:
        return True
    if change.end_s is None:
        return abs(change.start_s - row.start_s) <= SHIFT_S
    moved_s = abs(change.start_s - row.start_s) + abs(change.end_s - row.end_s)
    longer_s = max(change.end_s - change.start_s, row.end_s - row.start_s)
    return moved_s <= max(SHIFT_S, longer_s / 4)


def remarks(
    annotations: Sequence[Change], rows: Sequence[TurnRow]
) -> dict[TurnKey, dict[str, str]]:
    """What there is to say on each turn: ``label``, ``note``, ``corrected``, ``speaker_corrected``.

    Labels and notes of a turn stand side by side; of corrections, the latest holds.
    """
    turn_of = resolve(annotations, rows)
    found: dict[TurnKey, dict[str, str]] = {}
    names = {TRANSCRIPT: "corrected", SPEAKER: "speaker_corrected"}
    for change in sorted(annotations, key=lambda change: change.at):
        if change.id not in turn_of or change.kind not in (LABEL, NOTE, *names):
            continue
        said = found.setdefault(row_key(turn_of[change.id]), {})
        name = names.get(change.kind, change.kind)
        before = said.get(name)
        if before is None or change.kind in names:
            said[name] = change.value
        elif change.value not in before.split(SEPARATOR):
            said[name] = before + SEPARATOR + change.value
    return found
