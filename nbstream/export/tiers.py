"""A talk as tiers of spans that do not overlap, as Praat, ELAN and Audacity have them.

Each speaker has a tier of turns, words, labels and notes, empty ones too, so that there is room to
write into. What would overlap in its tier goes to another lane, which is a tier of its own.
Times are whole milliseconds: what all of these programs can hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd

from nbstream.export.clean import clean
from nbstream.export.pieces import Piece
from nbstream.export.talk import Said, Talk
from nbstream.tables import TurnKey

TURNS, WORDS, LABELS, NOTES, MARKS = "turns", "words", "labels", "notes", "marks"
KINDS: Final = {"label": LABELS, "note": NOTES, "mark": MARKS}
SEPARATOR: Final = "; "
_NAME: Final = re.compile(r"(turns|words|labels|notes|marks)(?:\.(\d+))?(?:@(.*))?", re.DOTALL)
_TRIM_MS: Final = 20  # turns that overlap by less are cut, not moved to another lane
_SHORTEST_MS: Final = 10  # of what is about an instant, so that it can be seen and clicked


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a tier.

    Parameters
    ----------
    start_ms, end_ms : int
        In session audio; at least 1 ms.
    text : str
        On one line.
    key : (int, int) or None
        The turn that it is, or is about.
    parts : tuple of (str, tuple of str)
        Of labels and notes: each value, and the ids of the annotations that say so.
    channel : int or None
        Of the recording.
    """

    start_ms: int
    end_ms: int
    text: str
    key: TurnKey | None = None
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """Spans of one kind and speaker, in order, without overlap."""

    kind: str
    speaker: str
    lane: int
    spans: tuple[Span, ...]

    @property
    def name(self) -> str:
        """``turns@ada``; ``turns.2@ada`` is the second lane, ``turns`` of an unknown speaker."""
        return self._name(self.kind)

    @property
    def parent(self) -> str:
        """Of words: the tier of their turns."""
        return self._name(TURNS) if self.kind == WORDS else ""

    def _name(self, kind: str) -> str:
        lane = f".{self.lane}" if self.lane > 1 else ""
        return kind + lane + (f"@{self.speaker}" if self.speaker else "")


def kind_and_speaker(name: str) -> tuple[str, str] | None:
    """What a tier of that name holds, and of whom; None if the name is not one of ours."""
    match = _NAME.fullmatch(clean(name))
    return None if match is None else (match[1], match[3] or "")


def tiers(talk: Talk) -> list[Tier]:
    """All tiers of a talk, by speaker: those of channels first, then as they come.

    Warns
    -----
    UserWarning
        If turns have no words with times: they have no place on a tier.
    """
    said = talk.timed()
    turns = {turn.key: _turn(turn) for turn in said}
    speaker_of = {turn.key: turn.speaker for turn in said}
    notes = _notes(talk, turns, speaker_of)
    named = [clean(name) for name in talk.speakers]
    everybody = dict.fromkeys([*named, *speaker_of.values(), *(who for _, who, _ in notes)])
    words_of = {turn.key: turn.words for turn in said}
    found: list[Tier] = []
    for speaker in everybody or {"": None}:
        lanes = _lanes((turns[t] for t in turns if speaker_of[t] == speaker), _TRIM_MS) or [[]]
        for lane, spans in enumerate(lanes, start=1):
            found.append(Tier(TURNS, speaker, lane, tuple(spans)))
            below = [w for s in spans if s.key for w in _words(s, words_of[s.key])]
            found.append(Tier(WORDS, speaker, lane, tuple(below)))
        for kind in (LABELS, NOTES, MARKS):
            of_kind = [span for k, who, span in notes if (k, who) == (kind, speaker)]
            if kind == MARKS and not of_kind:
                continue
            for lane, spans in enumerate(_lanes(of_kind) or [[]], start=1):
                found.append(Tier(kind, speaker, lane, tuple(spans)))
    return found


def ms(seconds: float) -> int:
    """Whole milliseconds, from 0 on."""
    return max(0, round(seconds * 1000))


def _turn(turn: Said) -> Span:
    start = ms(turn.start_s)
    end = max(ms(turn.end_s), start + max(1, len(turn.words)))
    return Span(start, end, turn.text, turn.key, channel=turn.channel)


def _words(turn: Span, words: Sequence[Piece]) -> Iterable[Span]:
    """Words within their turn, one after the other, each of them at least 1 ms."""
    at = turn.start_ms
    n = len(words)
    for i, word in enumerate(words):
        start = min(max(at, ms(word.start_s)), turn.end_ms - (n - i))
        until = turn.end_ms - (n - i - 1)
        if i + 1 < n:
            until = min(until, max(start + 1, ms(words[i + 1].start_s)))
        at = max(start + 1, min(ms(word.end_s), until))
        yield Span(start, at, word.text, turn.key)


def _lanes(spans: Iterable[Span], trim_ms: int = 0) -> list[list[Span]]:
    lanes: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: (span.start_ms, span.end_ms)):
        for lane in lanes:
            last = lane[-1]
            if last.end_ms <= span.start_ms:
                break
            n_words = len(last.text.split())
            if 0 < last.end_ms - span.start_ms <= trim_ms < span.start_ms - last.start_ms - n_words:
                lane[-1] = replace(last, end_ms=span.start_ms)
                break
        else:
            lane = []
            lanes.append(lane)
        lane.append(span)
    return lanes


def _notes(
    talk: Talk, turns: dict[TurnKey, Span], speaker_of: dict[TurnKey, str]
) -> list[tuple[str, str, Span]]:
    """Labels, notes and marks: kind, speaker, span; those of one span side by side."""
    together: dict[tuple[Any, ...], dict[str, list[str]]] = {}
    for row in talk.annotations.to_dict("records"):
        kind = KINDS.get(str(row["kind"]))
        if kind is None:
            continue
        key = None
        if not (pd.isna(row["connection"]) or pd.isna(row["turn_order"])):
            key = (int(row["connection"]), int(row["turn_order"]))
        channel = None if pd.isna(row["channel"]) else int(row["channel"])
        about = turns.get(key) if key is not None else None
        if about is not None and kind != MARKS:
            speaker, edges = speaker_of[about.key or (0, 0)], (about.start_ms, about.end_ms)
            channel = about.channel
        elif pd.isna(row["start_s"]):
            continue
        else:
            key = None
            is_named = channel is not None and channel < len(talk.speakers)
            speaker = clean(talk.speakers[channel]) if is_named and channel is not None else ""
            start = ms(row["start_s"])
            end = start if pd.isna(row["end_s"]) else ms(row["end_s"])
            edges = (start, max(end, start + _SHORTEST_MS))
        value = clean(None if pd.isna(row["value"]) else row["value"])
        if kind == LABELS:
            value = value.replace(";", ",")
        value = value or ("mark" if kind == MARKS else "")
        if value:
            place = (kind, speaker, *edges, key, channel)
            together.setdefault(place, {}).setdefault(value, []).append(str(row["id"]))
    return [
        (
            kind,
            speaker,
            Span(
                start,
                end,
                SEPARATOR.join(values),
                key,
                tuple((value, tuple(ids)) for value, ids in values.items()),
                channel,
            ),
        )
        for (kind, speaker, start, end, key, channel), values in together.items()
    ]
