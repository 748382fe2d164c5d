"""A copy of a session that can be shown: without certain words, in text and in sound.

`plan`: what has to go. `messages`: the text without it. `sound`: the audio without it.

A word goes from every message in which it stands, from partials that show a part of it, from what
was recognised at the same time otherwise, from corrections, notes and names; and from the audio.
What nobody recognised can't be found: turns and spans can be named instead.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from nbstream import annotate, audio
from nbstream import events as ev
from nbstream.errors import ParameterError, StoreError
from nbstream.redact.messages import annotation, entry_line, scrub
from nbstream.redact.plan import MARK, Plan, Span, pattern_of, plan
from nbstream.redact.sound import hush
from nbstream.store import Folder, is_being_recorded
from nbstream.store.files import cannot, new_folder
from nbstream.tables import TurnRow

__all__ = ["MARK", "Wanted", "redact"]

_PIECE_S: Final = 60
_EVENTS: Final = 1000  # read at once


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall go, and how. Turns are rows; see `Session.redact` for the others."""

    turns: Sequence[TurnRow] = ()
    labels: Collection[str] = ()
    words: Collection[str] = ()
    pattern: str | re.Pattern[str] | None = None
    beep: bool = False
    all_channels: bool = True
    margin_s: float = 0.1


def redact(
    folder: Folder, rows: Sequence[TurnRow], wanted: Wanted, into: str | Path | None = None
) -> Path:
    """Make a folder without what is `wanted`, in `into` (by default beside the old one).

    Raises
    ------
    ParameterError
        If nothing is wanted, or what there is not.
    StoreError
        If the session is being recorded, or the new folder can't be written.

    """
    patterns = _patterns(wanted)
    if folder.writing or is_being_recorded(folder.path):
        raise StoreError(
            f"{folder.path} is being recorded right now.",
            hint="Stop that recording first.",
            path=folder.path,
        )
    log = folder.annotations.log()
    there = log.annotations()
    turn_of = annotate.resolve(there, rows)
    turns, spans = _labelled(wanted.labels, there, turn_of)
    offsets = _offsets(folder)
    corrected = [
        (change.value, turn_of[change.id])
        for change in there
        if change.kind == annotate.TRANSCRIPT and change.id in turn_of
    ]
    # A copy by events, so that each is read once here and once when it is written.
    made = plan(
        patterns, [*wanted.turns, *turns], spans, rows, _entries(folder), corrected, offsets
    )
    parent = folder.path.parent if into is None else Path(into).expanduser().absolute()
    began = datetime.fromisoformat(folder.meta["started_at"])
    name = made.scrub(str(folder.meta.get("name", "")))
    try:
        path = new_folder(parent, f"{name}-redacted".strip("-"), began)
    except OSError as error:
        raise cannot("make a session folder in", parent, error) from error
    try:
        with open(path / "events.jsonl", "w", encoding="utf-8", errors="replace") as file:
            for entry in _entries(folder):
                file.write(entry_line(made, entry, offsets))
        kept = [annotation(made, change, turn_of.get(change.id)) for change in there]
        if labels := log.find(annotate.LABELS):
            kept.insert(0, annotation(made, labels, None))
        if kept:
            text = "".join(map(annotate.encode, kept))
            (path / "annotations.jsonl").write_text(text, "utf-8", "replace")
        (path / "chunks.bin").write_bytes(folder.chunk_records().tobytes())
        _write_audio(folder, path / "audio.wav", _lanes(folder, made, wanted), wanted.beep)
        # Last, so that half a copy is no session.
        meta = _meta(folder, made, wanted)
        text = json.dumps(meta, indent=2, ensure_ascii=False) + "\n"
        (path / "session.json").write_text(text, "utf-8", "replace")
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot("write", path, error) from error
        raise
    return path


def _patterns(wanted: Wanted) -> list[re.Pattern[str]]:
    if not (wanted.turns or wanted.labels or wanted.words or wanted.pattern):
        raise ParameterError(
            "there is nothing to redact.", hint="Give turns=, labels=, words= or pattern=."
        )
    if not all(re.search(r"[^\W_]", word) for word in wanted.words):
        raise ParameterError(
            f"words={list(wanted.words)!r} has one that is no word.",
            hint="For signs, use pattern=.",
            parameter="words",
        )
    if not 0 <= wanted.margin_s <= 10:
        raise ParameterError(f"margin_s={wanted.margin_s!r} is not 0 to 10.", parameter="margin_s")
    found = [pattern_of(word) for word in wanted.words]
    if wanted.pattern:
        try:
            found.append(re.compile(wanted.pattern, re.IGNORECASE))
        except ValueError:  # It has flags of its own.
            found.append(re.compile(wanted.pattern))
        except re.error as error:
            raise ParameterError(
                f"pattern={wanted.pattern!r} is no regular expression: {error}.",
                hint="See Python's re; words= takes plain words.",
                parameter="pattern",
            ) from error
    return found


def _labelled(
    labels: Collection[str],
    there: Iterable[annotate.Change],
    turn_of: dict[str, TurnRow],
) -> tuple[list[TurnRow], list[Span]]:
    """Turns, and spans beside turns, that have one of `labels`."""
    turns, spans, missing = [], [], set(labels)
    for change in there:
        if change.kind != annotate.LABEL or change.value not in labels:
            continue
        missing.discard(change.value)
        if change.id in turn_of:
            turns.append(turn_of[change.id])
        elif change.start_s is not None:
            end_s = change.start_s if change.end_s is None else change.end_s
            spans.append(Span(change.start_s, end_s, change.channel, is_whole=True))
    if missing:
        raise ParameterError(
            f"nothing is labelled {', '.join(map(repr, sorted(missing)))}.",
            hint="Labels in use are in session.annotations.",
            parameter="labels",
        )
    return turns, spans


def _entries(folder: Folder) -> Iterable[ev.Entry]:
    for first in range(0, len(folder.entries), _EVENTS):
        yield from folder.entries[first : first + _EVENTS]


def _offsets(folder: Folder) -> dict[int, tuple[float, int | None]]:
    """Of each connection, where its clock starts in s, and its channel."""
    return {
        entry.connection: (entry.event.start_frame / folder.sample_rate_hz, entry.event.channel)
        for entry in _entries(folder)
        if isinstance(entry.event, ev.Connected) and entry.connection is not None
    }


def _lanes(folder: Folder, made: Plan, wanted: Wanted) -> list[list[tuple[int, int]]]:
    """Of each channel, what has to go from its audio, in frames; merged, in order."""
    rate_hz, lanes = folder.sample_rate_hz, []
    for channel in range(folder.n_channels):
        spans: list[tuple[int, int]] = []
        for span in sorted(made.spans, key=lambda span: span.start_s):
            if not wanted.all_channels and span.channel not in (None, channel):
                continue
            start = max(0, round((span.start_s - wanted.margin_s) * rate_hz))
            end = min(folder.n_frames, round((span.end_s + wanted.margin_s) * rate_hz))
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            elif start < end:
                spans.append((start, end))
        lanes.append(spans)
    return lanes


def _write_audio(
    folder: Folder, path: Path, lanes: Sequence[Sequence[tuple[int, int]]], beep: bool
) -> None:
    rate_hz, n_channels = folder.sample_rate_hz, folder.n_channels
    with open(path, "wb") as file:
        file.write(folder.wav_header())
        for first in range(0, folder.n_frames, _PIECE_S * rate_hz):
            pcm = audio.to_array(folder.read_pcm(first, _PIECE_S * rate_hz), n_channels)
            columns = np.array(pcm).reshape(-1, n_channels)
            for channel, spans in enumerate(lanes):
                columns[:, channel] = hush(columns[:, channel], first, spans, rate_hz, beep=beep)
            file.write(columns.astype("<i2").tobytes())


def _meta(folder: Folder, made: Plan, wanted: Wanted) -> dict[str, Any]:
    """``session.json``, which says that it is redacted and of what kind, but not which words."""
    meta: dict[str, Any] = scrub(made, folder.meta)
    if folder.state == "interrupted":
        meta["state"] = "recovered"
    frames = [sum(end - start for start, end in lane) for lane in _lanes(folder, made, wanted)]
    kind = {
        "turns": len(made.turns),
        "labels": len(wanted.labels),
        "words": len(wanted.words),
        "patterns": int(bool(wanted.pattern)),
        "silenced_s": round(max(frames, default=0) / folder.sample_rate_hz, 3),
        "audio": "beep" if wanted.beep else "silence",
        "channels": "all" if wanted.all_channels else "own",
    }
    return meta | {"redacted": [*folder.meta.get("redacted", []), kind]}
