"""What was edited elsewhere: a file that was read, compared with what would be exported now."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from nbstream.export.clean import clean, fold, token
from nbstream.export.talk import Talk
from nbstream.export.tiers import LABELS, NOTES, TURNS, Span, ms, tiers
from nbstream.tables import TurnKey

_SAME_MS: Final = 2  # edges that differ by no more were not moved
_ON_TURN_MS: Final = 20  # a remark whose edges are that close to a turn's is about the turn
_ALIKE: Final = 0.5  # of two turns: what they share of what they cover together

Change = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Turn:
    start_ms: int
    end_ms: int
    speaker: str
    text: str | None
    key: TurnKey = (-1, -1)
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class _Remark:
    """A label or a note; of several labels in one span, each is one."""

    kind: str
    speaker: str
    start_ms: int
    end_ms: int
    value: str
    ids: tuple[str, ...] = ()
    key: TurnKey | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        """What has to be equal, apart from times."""
        return self.kind, token(self.speaker), fold(self.value)


def changes(talk: Talk, imported: pd.DataFrame) -> list[Change]:
    """What differs from what would be exported now, in order of time.

    An export that is read without an edit gives []. Edges and texts are compared as the formats
    can hold them: to the millisecond, on one line.

    Parameters
    ----------
    talk : Talk
        The session as it stands, from `talk_of`.
    imported : DataFrame
        From `read`: ``start_s``, ``end_s``, ``speaker``, ``text``, ``kind``.

    Returns
    -------
    list of dict
        Arguments for ``session.annotate``: ``turn`` (connection, turn order), or ``start_s``,
        ``end_s`` and ``channel`` (None of all channels), with one of ``transcript``, ``speaker``,
        ``label``, ``note``. What is gone is ``{"remove": id}``, for ``session.unannotate``. What
        was moved is gone and there anew.

        A label or note is gone only if the file has a place for it: a tier of its kind, or, in
        Audacity's labels, another one of its kind.

    Warns
    -----
    UserWarning
        If the file has turns that the session does not have, or lacks some: the turns are the
        service's, and no import adds, removes or moves one. Words are not compared at all.

    """
    every = tiers(talk)
    kinds = set(imported.attrs.get("kinds", ())) | set(imported["kind"].dropna())
    turns = [
        _Turn(s.start_ms, s.end_ms, tier.speaker, s.text, s.key, s.channel)
        for tier in every
        if tier.kind == TURNS
        for s in tier.spans
        if s.key is not None
    ]
    rows = list(_rows(imported))
    found: list[tuple[int, Change]] = []
    if TURNS in kinds:
        found += _of_turns(talk, turns, [row for kind, row in rows if kind == TURNS])
    now = [r for t in every if t.kind in (LABELS, NOTES) for s in t.spans for r in _parts(t, s)]
    then = [r for kind, row in rows if kind in (LABELS, NOTES) for r in _split(kind, row)]
    if imported.attrs.get("format") == "audacity":  # It can't say of whom a label is.
        now, then = ([replace(r, speaker="") for r in side] for side in (now, then))
    gone, new = _differing([r for r in now if r.kind in kinds], then)
    found += [(r.start_ms, {"remove": id_}) for r in gone for id_ in r.ids]
    found += [(r.start_ms, _added(talk, turns, r)) for r in new]
    return [change for _, change in sorted(found, key=lambda item: item[0])]


def _rows(imported: pd.DataFrame) -> Iterable[tuple[str, _Turn]]:
    for row in imported.to_dict("records"):
        if pd.isna(row["start_s"]) or pd.isna(row["end_s"]):
            continue
        speaker = "" if pd.isna(row["speaker"]) else clean(row["speaker"])
        text = None if pd.isna(row["text"]) else clean(row["text"])
        start = ms(row["start_s"])
        yield str(row["kind"]), _Turn(start, max(start, ms(row["end_s"])), speaker, text)


def _of_turns(
    talk: Talk, now: Sequence[_Turn], then: Sequence[_Turn]
) -> Iterable[tuple[int, Change]]:
    names = {token(name): clean(name) for name in [*talk.speakers, *(t.speaker for t in now)]}
    pairs = _paired(now, then)
    for mine, theirs in pairs:
        if theirs.text is not None and fold(theirs.text) != fold(mine.text):
            yield mine.start_ms, {"turn": mine.key, "transcript": theirs.text}
        if theirs.speaker and token(theirs.speaker) != token(mine.speaker):
            speaker = names.get(token(theirs.speaker), theirs.speaker)
            yield mine.start_ms, {"turn": mine.key, "speaker": speaker}
    n_moved = sum(
        max(abs(a.start_ms - b.start_ms), abs(a.end_ms - b.end_ms)) > _SAME_MS for a, b in pairs
    )
    n_new = len(then) - len(pairs)
    there = {mine.key for mine, _ in pairs}
    # A turn in which nothing was said is no interval in some formats.
    n_lost = sum(turn.key not in there and turn.text != "" for turn in now)
    if n_moved or n_lost or n_new:
        warnings.warn(
            f"turns stay as the service had them: {n_moved} moved in the file, {n_lost} are not in "
            f"it, {n_new} are only there. To say that nothing was said in a turn, correct its "
            'transcript to "".',
            UserWarning,
            stacklevel=4,
        )


def _paired(now: Sequence[_Turn], then: Sequence[_Turn]) -> list[tuple[_Turn, _Turn]]:
    """Turns and what they have become: the same edges first, then those that share most."""
    pairs = []
    at: dict[tuple[int, int], list[_Turn]] = {}
    for turn in now:
        at.setdefault((turn.start_ms, turn.end_ms), []).append(turn)
    left = []
    for theirs in then:
        same = at.get((theirs.start_ms, theirs.end_ms), [])
        mine = max(same, key=lambda turn: _likeness(turn, theirs), default=None)
        if mine is None:
            left.append(theirs)
        else:
            same.remove(mine)
            pairs.append((mine, theirs))
    rest = [turn for same in at.values() for turn in same]
    return pairs + [(rest[i], left[j]) for i, j in _overlapping(rest, left)]


def _likeness(mine: _Turn, theirs: _Turn) -> int:
    same = token(mine.speaker) == token(theirs.speaker)
    if theirs.text is None:  # Of a format without words, which may leave out turns without any.
        return 2 * same + (mine.text != "")
    return 2 * same + (fold(mine.text) == fold(theirs.text))


def _overlapping(now: Sequence[_Turn], then: Sequence[_Turn]) -> list[tuple[int, int]]:
    if not now or not then:
        return []
    a, b = (np.array([(t.start_ms, t.end_ms) for t in side], np.float64) for side in (now, then))
    shared = np.minimum(a[:, None, 1], b[None, :, 1]) - np.maximum(a[:, None, 0], b[None, :, 0])
    whole = np.maximum(a[:, None, 1], b[None, :, 1]) - np.minimum(a[:, None, 0], b[None, :, 0])
    score = np.maximum(shared, 0) / np.maximum(whole, 1)
    pairs = []
    taken: tuple[set[int], set[int]] = (set(), set())
    candidates = [(i, j) for i, j in np.argwhere(score >= _ALIKE)]
    like = {(i, j): _likeness(now[i], then[j]) for i, j in candidates}
    for i, j in sorted(candidates, key=lambda p: (like[p] >= 2, score[p]), reverse=True):
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            pairs.append((int(i), int(j)))
    return pairs


def _parts(tier: Any, span: Span) -> Iterable[_Remark]:
    if tier.kind == NOTES:
        ids = tuple(id_ for _, of_value in span.parts for id_ in of_value)
        yield _Remark(NOTES, tier.speaker, span.start_ms, span.end_ms, span.text, ids, span.key)
        return
    for value, ids in span.parts:
        yield _Remark(LABELS, tier.speaker, span.start_ms, span.end_ms, value, ids, span.key)


def _split(kind: str, row: _Turn) -> Iterable[_Remark]:
    text = row.text or ""
    values = dict.fromkeys(text.split(";")) if kind == LABELS else [text]
    for value in dict.fromkeys(value.strip() for value in values):
        if value:
            yield _Remark(kind, row.speaker, row.start_ms, row.end_ms, value)


def _differing(
    now: Sequence[_Remark], then: Sequence[_Remark]
) -> tuple[list[_Remark], list[_Remark]]:
    """What is gone, and what is new."""
    there = Counter((r.place, r.start_ms, r.end_ms) for r in then)
    gone = []
    for remark in now:
        at = (remark.place, remark.start_ms, remark.end_ms)
        if there[at]:
            there[at] -= 1
        else:
            gone.append(remark)
    new = []
    for remark in reversed(then):  # of equal ones, the first are the old ones
        at = (remark.place, remark.start_ms, remark.end_ms)
        if there[at]:
            there[at] -= 1
            new.append(remark)
    new.reverse()
    for remark in list(gone):
        twin = next((other for other in new if _is_same(remark, other)), None)
        if twin is not None:
            gone.remove(remark)
            new.remove(twin)
    return gone, new


def _is_same(mine: _Remark, theirs: _Remark) -> bool:
    """Whether it is the same remark; of a turn, whoever is said to have spoken it there."""
    moved = max(abs(mine.start_ms - theirs.start_ms), abs(mine.end_ms - theirs.end_ms))
    if mine.key is not None:
        theirs = replace(theirs, speaker=mine.speaker)
    return mine.place == theirs.place and moved <= _SAME_MS


def _added(talk: Talk, turns: Sequence[_Turn], remark: _Remark) -> Change:
    what = {"label" if remark.kind == LABELS else "note": remark.value}
    who = token(remark.speaker)

    def off_ms(turn: _Turn) -> int:
        return max(abs(turn.start_ms - remark.start_ms), abs(turn.end_ms - remark.end_ms))

    near = [t for t in turns if off_ms(t) <= _ON_TURN_MS]
    own = [t for t in near if token(t.speaker) == who] or near
    if own:
        return {"turn": min(own, key=off_ms).key, **what}
    channels = [i for i, name in enumerate(talk.speakers) if token(name) == who]
    span = {"start_s": remark.start_ms / 1000, "end_s": remark.end_ms / 1000}
    return {**span, "channel": channels[0] if channels else None, **what}
