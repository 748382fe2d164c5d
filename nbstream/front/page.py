"""A session as a page knows it (`store.js`): whole, what is new, and for a page without a kernel.

What is new costs the same however long the session is: it is read from what has changed, never by
looking at everything.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

import pandas as pd

from nbstream import annotate, tables
from nbstream import events as ev
from nbstream.audio import Peaks
from nbstream.front.noted import Noted
from nbstream.session import Session

NEWEST: Final = 200  # turns whose words travel without being asked for
TAIL: Final = 4096  # columns of 10 ms that travel with the whole, 41 s
COARSE: Final = 2  # the level that travels whole: 67 KB for three hours of a channel
TILE: Final = 2048  # columns that are asked for at once, as in pyramid.js
MOST_GAPS: Final = 500  # a device that loses audio all the time would fill the page
PAGE_BYTES: Final = 600_000  # of sound in a page without a kernel, before base64
_COARSE_COLUMNS: Final = Peaks.FACTOR**COARSE
_COARSEST_COLUMNS: Final = Peaks.FACTOR ** (Peaks.N_LEVELS - 1)

Json = dict[str, Any]


@dataclass(slots=True)
class Told:
    """How much of a session a page has been told."""

    version: int = 0  # of the turns
    n_columns: int = 0  # of 10 ms
    n_rare: int = 0  # events
    n_noted_bytes: int = 0  # of annotations
    noted: Noted | None = None
    head: Json = field(default_factory=dict)
    speakers: dict[str, None] = field(default_factory=dict)  # in the order in which they came


def whole(session: Session | None, told: Told, *, newest: int | None = NEWEST) -> Json:
    """All of a session.

    Parameters
    ----------
    session : Session or None
        None before the first.
    told : Told
        Fresh; says afterwards what the page knows. Where it has annotations, these are given: what
        is newer comes as news.
    newest : int, optional
        Turns that carry their words; None for all.

    Returns
    -------
    dict
        ``head``, ``turns``, ``gaps``, ``marks``, ``annotations``, ``labels`` (see `noted`), and
        ``sound``: ``n_channels``, ``n_columns``, and ``parts``, each with ``level``, ``first`` and
        ``columns`` (bytes, little-endian int16: lowest and highest of each channel).

    """
    if session is None:
        told.head = _head(None, told)
        told.noted = Noted()
        nothing = {"head": told.head, "turns": [], "gaps": [], "marks": []}
        return nothing | told.noted.whole() | {"sound": _silence()}
    changes = session.changed_turns()
    told.version = changes.version
    rows = tables.in_order(changes.rows)
    with_words = 0 if newest is None else max(0, len(rows) - newest)
    turns = [turn(row, with_words=i >= with_words) for i, row in enumerate(rows)]
    told.n_rare = len(session.rare_events())
    told.n_noted_bytes = _noted_bytes(session)
    if told.noted is None:
        told.noted = Noted.of(session, rows)
    _meet(session, rows, told)
    told.head = _head(session, told)
    heard = sound(session, 0)
    told.n_columns = heard["n_columns"]
    return {
        "head": told.head,
        "turns": turns,
        "gaps": gaps(session),
        "marks": marks(session),
        **told.noted.whole(),
        "sound": {"n_channels": session.data.n_channels} | heard,
    }


def news(session: Session | None, told: Told) -> Json:
    """What has changed since `told`, as in `whole`; empty if nothing has.

    ``turns`` are those that changed, ``gone`` the keys of those that are there no more; ``gaps``
    and ``marks`` are given anew, all of them, where one came. ``annotations`` are those that
    changed, ``unannotated`` the ids of those that are there no more.
    """
    if session is None:
        return {}
    found: Json = {}
    changes = session.changed_turns(told.version)
    if changes.rows:
        found["turns"] = [turn(row) for row in changes.rows]
    if changes.gone:
        found["gone"] = [f"{connection}.{order}" for connection, order in changes.gone]
    n_noted_bytes = _noted_bytes(session)
    is_noted = n_noted_bytes != told.n_noted_bytes
    # A turn that ends, or goes, may be what an annotation is about.
    if is_noted or (n_noted_bytes and (changes.gone or any(r.is_final for r in changes.rows))):
        noted = Noted.of(session)
        found |= noted.news(told.noted or Noted())
        told.noted = noted
    _meet(session, changes.rows, told)
    rare = session.rare_events(told.n_rare)
    head = _head(session, told)
    has_ended = told.head.get("is_live") and not head["is_live"]
    if has_ended or any(not isinstance(entry.event, ev.ServerEvent) for entry in rare):
        found["gaps"] = gaps(session)
    if is_noted:
        found["marks"] = marks(session)
    heard = sound(session, told.n_columns)
    if heard["n_columns"] > told.n_columns:
        found["sound"] = heard
    told.version = changes.version
    told.n_rare += len(rare)
    told.n_noted_bytes = n_noted_bytes
    if not found and head == told.head:
        return {}
    told.head = head
    told.n_columns = heard["n_columns"]
    return {"head": head} | found


def snapshot_json(session: Session, *, sound_bytes: int = PAGE_BYTES) -> Json:
    """All of a session for a page without a kernel: the state of `whole`, ready for JSON.

    Parameters
    ----------
    session : Session
        What is live goes in as it stands.
    sound_bytes : int
        The sound has the finest columns that fit into so many bytes, before base64: 10 ms up to
        25 minutes of one channel, 80 ms up to three hours.

    """
    state = whole(session, Told(), newest=None)
    n_channels, n_columns = state["sound"]["n_channels"], state["sound"]["n_columns"]
    level = 0
    while (
        level < Peaks.N_LEVELS - 1
        and n_columns // Peaks.FACTOR**level * 4 * n_channels > sound_bytes
    ):
        level += 1
    parts = [_part(session, level, 0, n_columns // Peaks.FACTOR**level)]
    if level:  # behind the last full column
        first = n_columns // Peaks.FACTOR**level * Peaks.FACTOR**level
        parts.append(_part(session, 0, first, n_columns - first))
    for part in parts:
        part["columns"] = base64.b64encode(part["columns"]).decode("ascii")
    state["sound"]["parts"] = parts
    state["head"] = state["head"] | {"is_live": False}
    return {"seq": 0} | state


def turn(row: tables.TurnRow, *, with_words: bool = True) -> Json:
    """A turn; times in s of session audio, None where there is none."""
    return {
        "connection": row.connection,
        "turn": row.turn_order,
        "channel": row.channel,
        "speaker": row.speaker,
        "start_s": _number(row.start_s),
        "end_s": _number(row.end_s),
        "text": row.transcript,
        "n_words": row.n_words,
        "confidence": _number(row.confidence),
        "arrived_s": _number(row.arrived_s),
        "is_final": row.is_final,
        "words": words(row) if with_words else None,
    }


def words(row: tables.TurnRow) -> list[list[Any]]:
    """Words of a turn: text, start_s, end_s, confidence."""
    return [
        [
            word.text,
            _number(row.offset_s + word.start_ms / 1000),
            _number(row.offset_s + word.end_ms / 1000),
            _number(word.confidence),
        ]
        for word in row.words
    ]


def gaps(session: Session) -> list[Json]:
    """The newest holes and pauses, as in `Session.gaps`."""
    table = session.gaps.tail(MOST_GAPS)
    columns = ("start_s", "end_s", "kind", "cause", "channel")
    return [
        {
            "start_s": _number(start_s),
            "end_s": _number(end_s),
            "kind": kind,
            "cause": cause,
            "channel": None if pd.isna(channel) else int(channel),
        }
        for start_s, end_s, kind, cause, channel in zip(*map(table.get, columns), strict=True)
    ]


def marks(session: Session) -> list[Json]:
    """The marks, by their place in the audio."""
    noted = session.data.annotations.log().annotations()
    found = [
        {"at_s": _number(note.start_s), "text": str(note.value)}
        for note in noted
        if note.kind == annotate.MARK and note.start_s is not None
    ]
    return sorted(found, key=itemgetter("at_s"))


def _noted_bytes(session: Session) -> int:
    """Length of the annotations, which grows with each, whoever makes it."""
    try:
        return session.data.annotations.path.stat().st_size
    except OSError:
        return 0


def sound(session: Session, first: int) -> Json:
    """The columns from the number `first` of 10 ms on.

    Of much, as at the beginning or where a source is read faster than it was spoken, only the end
    has columns of 10 ms; they begin where a column of the coarsest level does, so that the page can
    build all levels from there on.
    """
    n = session.n_peaks()
    if n - first <= TAIL:
        return {"n_columns": n, "parts": [_part(session, 0, first, n - first)]}
    coarse = first // _COARSE_COLUMNS
    tail = max(first, (n - TAIL) // _COARSEST_COLUMNS * _COARSEST_COLUMNS)
    parts = [
        _part(session, COARSE, coarse, n // _COARSE_COLUMNS - coarse),
        _part(session, 0, tail, n - tail),
    ]
    return {"n_columns": n, "parts": parts}


def tile(session: Session, level: int, first: int) -> Json:
    """A tile of a level, as a page asks for it; a part of ``sound``."""
    return _part(session, level, first, TILE)


def _part(session: Session, level: int, first: int, n: int) -> Json:
    columns = session.peaks_at(level, first, n)
    return {"level": level, "first": first, "columns": columns.astype("<i2").tobytes()}


def _head(session: Session | None, told: Told) -> Json:
    if session is None:
        head = {"name": "", "folder": "", "state": "idle", "is_live": False, "duration_s": 0.0}
        return head | {"speakers": []}
    return {
        "name": session.name,
        "folder": str(session.folder),
        "state": session.state,
        "is_live": session.is_live,
        "duration_s": round(session.duration_s, 2),
        "speakers": list(told.speakers),
    }


def _meet(session: Session, rows: Iterable[tables.TurnRow], told: Told) -> None:
    """Number speakers in the order in which they come: channels first, then as they are heard."""
    told.speakers |= dict.fromkeys(session.speakers)
    told.speakers |= dict.fromkeys(row.speaker for row in rows if row.speaker)
    told.speakers |= dict.fromkeys(told.noted.speakers if told.noted else ())


def _silence() -> Json:
    return {"n_channels": 1, "n_columns": 0, "parts": []}


def _number(value: float) -> float | None:
    return round(float(value), 3) if math.isfinite(value) else None
