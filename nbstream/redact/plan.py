"""What has to go: in which turns, over which spans of the audio, and what it is called."""

from __future__ import annotations

import bisect
import difflib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from nbstream import annotate
from nbstream import events as ev
from nbstream.tables import TurnKey, TurnRow, row_key

MARK: Final = "███"  # of one length, so that it does not tell that of the word
# A partial's times are guesses; what it shows that close to the span may be a part of the word.
_NEAR_S: Final = 0.25
_SHARE: Final = 1 / 3  # of the shorter of word and span, that makes them the same


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of audio that has to go; `is_whole`: with all that people wrote about it."""

    start_s: float
    end_s: float
    channel: int | None
    is_whole: bool = False

    def hides(self, start_s: float, end_s: float, channel: int | None, near_s: float = 0) -> bool:
        """Whether what was said there is, for the most part, what has to go.

        With `near_s`, whether any of it is that close.
        """
        if None not in (self.channel, channel) and self.channel != channel:
            return False
        shared_s = min(self.end_s, end_s) - max(self.start_s, start_s)
        if near_s:
            return shared_s > -near_s
        shorter_s = min(self.end_s - self.start_s, end_s - start_s)
        return shared_s > _SHARE * shorter_s or (shorter_s <= 0 <= shared_s)


@dataclass(slots=True)
class Plan:
    """Everything that has to go."""

    patterns: tuple[re.Pattern[str], ...] = ()
    turns: set[TurnKey] = field(default_factory=set)  # all of them
    touched: set[TurnKey] = field(default_factory=set)  # some of them, or all
    spans: list[Span] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)  # words that were found, bare
    _lanes: dict[tuple[int, bool], list[Span]] = field(default_factory=dict)  # after `merge`

    def scrub(self, text: str) -> str:
        """`text` without what the patterns find."""
        if not self.patterns:
            return text
        plain = unicodedata.normalize("NFC", text)
        made = plain
        for pattern in self.patterns:
            made = pattern.sub(lambda found: MARK if found[0] else "", made)
        return text if made == plain else made

    def found_in(self, texts: Sequence[str]) -> list[bool]:
        """Which of the words the patterns touch, be it together with others."""
        joined = unicodedata.normalize("NFC", " ".join(texts))
        edges, at = [], 0
        for text in texts:
            end = at + len(unicodedata.normalize("NFC", text))
            edges.append((at, end))
            at = end + 1
        hits = [m.span() for p in self.patterns for m in p.finditer(joined) if m[0]]
        return [any(start < b and a < end for a, b in hits) for start, end in edges]

    def hides(
        self, start_s: float, end_s: float, channel: int | None, *, is_partial: bool = False
    ) -> bool:
        """Whether a word that was heard there has to go."""
        near_s = _NEAR_S if is_partial else 0
        return any(
            span.hides(start_s, end_s, channel, near_s)
            for span in self._around(start_s - near_s, end_s + near_s)
        )

    def merge(self) -> None:
        """Make one of spans that overlap: a word has one of each partial that showed it."""
        found: list[Span] = []
        for span in sorted(self.spans, key=_lane):
            last = found[-1] if found else None
            if last and _lane(last)[:2] == _lane(span)[:2] and span.start_s < last.end_s:
                found[-1] = replace(last, end_s=max(last.end_s, span.end_s))
            else:
                found.append(span)
        self.spans, self._lanes = found, {}
        for span in found:
            self._lanes.setdefault(_lane(span)[:2], []).append(span)

    def _around(self, start_s: float, end_s: float) -> Iterator[Span]:
        """Spans that may touch that stretch."""
        for lane in self._lanes.values():
            at = bisect.bisect_left(lane, start_s, key=lambda span: span.end_s)
            for span in itertools.islice(lane, at, None):
                if span.start_s > end_s:
                    break
                yield span

    def covers(self, change: annotate.Change, key: TurnKey | None) -> bool:
        """Whether an annotation is about what goes as a whole."""
        if key in self.turns or change.start_s is None:
            return key in self.turns
        end_s = change.start_s if change.end_s is None else change.end_s
        return any(
            span.is_whole and span.hides(change.start_s, end_s, change.channel)
            for span in self._around(change.start_s, end_s)
        )


def _lane(span: Span) -> tuple[int, bool, float]:
    """Spans that can be merged stand beside each other, in order."""
    return -1 if span.channel is None else span.channel, span.is_whole, span.start_s


def pattern_of(words: str) -> re.Pattern[str]:
    """Finds a word, or words in a row, whatever their case and what stands between them."""
    parts = unicodedata.normalize("NFC", words).split()
    inner = r"[\W_]+".join(map(re.escape, parts))
    return re.compile(rf"(?<![^\W_]){inner}(?![^\W_])", re.IGNORECASE)


def bare(word: str) -> str:
    """A word without case and punctuation."""
    return re.sub(r"[^\w']+", "", unicodedata.normalize("NFC", word)).casefold()


def plan(
    patterns: Sequence[re.Pattern[str]],
    turns: Iterable[TurnRow],
    spans: Iterable[Span],
    rows: Sequence[TurnRow],
    entries: Iterable[ev.Entry],
    corrected: Sequence[tuple[str, TurnRow]],
    offsets: dict[int, tuple[float, int | None]],
) -> Plan:
    """Find everything: in finals, in partials, and where a correction says another word.

    Parameters
    ----------
    patterns
        What is looked for in texts.
    turns, spans
        What goes as a whole.
    rows, entries
        Turns as they stand, and all that was said of them.
    corrected
        Corrected transcripts, each with its turn.
    offsets
        Of each connection, where its clock starts in s, and its channel.

    """
    made = Plan(tuple(patterns), spans=list(spans))
    for row in turns:
        made.turns.add(row_key(row))
        if row.words:
            made.spans.append(Span(row.start_s, row.end_s, row.channel, is_whole=True))
    for entry in entries:
        if isinstance(entry.event, ev.Turn) and entry.connection is not None:
            offset_s, channel = offsets.get(entry.connection, (0.0, None))
            key = (entry.connection, entry.event.turn_order)
            _look(made, entry.event, key, offset_s, channel)
    for text, row in corrected:
        _look_at_correction(made, text, row)
    made.merge()
    made.touched |= made.turns | {
        row_key(row)
        for row in rows
        if row.words and made.hides(row.start_s, row.end_s, row.channel, is_partial=True)
    }
    return made


def aligned(texts: Sequence[str], others: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Parts of two transcripts that stand for each other: (start, end, other start, other end)."""
    a, b = [bare(text) for text in texts], [bare(text) for text in others]
    parts: list[tuple[int, int, int, int]] = []
    for what, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if what == "equal":
            parts += [(i + n, i + n + 1, k + n, k + n + 1) for n in range(j - i)]
        else:
            parts.append((i, j, k, m))
    return parts


def _look(made: Plan, turn: ev.Turn, key: TurnKey, offset_s: float, channel: int | None) -> None:
    texts = [word.text for word in turn.words]
    hits = made.found_in(texts)
    for text in (turn.transcript, turn.utterance):
        if not any(hits) and made.scrub(text) != text:
            hits = [True] * len(texts)  # Which of the words are meant can't be told.
    if not (any(hits) or (not texts and made.scrub(turn.transcript) != turn.transcript)):
        return
    made.touched.add(key)
    for word, is_hit in zip(turn.words, hits, strict=True):
        if is_hit:
            start_s, end_s = (offset_s + ms / 1000 for ms in (word.start_ms, word.end_ms))
            made.spans.append(Span(start_s, end_s, channel))
            made.tokens.add(bare(word.text))


def _look_at_correction(made: Plan, text: str, row: TurnRow) -> None:
    """Where a person wrote the word, the audio has it, whatever was recognised there."""
    tokens = text.split()
    hits = made.found_in(tokens)
    if not any(hits):
        return
    made.touched.add(row_key(row))
    made.tokens |= {bare(token) for token, is_hit in zip(tokens, hits, strict=True) if is_hit}
    n = len(row.words)
    for i, j, k, m in aligned([word.text for word in row.words], tokens):
        if not any(hits[k:m]) or not n:
            continue
        if i == j:  # Nothing was recognised there: it was said between, or in, its neighbours.
            i, j = max(0, i - 1), min(n, j + 1)
        start_ms, end_ms = row.words[i].start_ms, row.words[j - 1].end_ms
        start_s, end_s = row.offset_s + start_ms / 1000, row.offset_s + end_ms / 1000
        made.spans.append(Span(start_s, end_s, row.channel))
