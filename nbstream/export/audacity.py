"""Audacity's label track: start, end and text, a line a label.

There is one track for everything, so the text says what it is: ``ada: Good day.`` is a turn,
``[question; urgent]`` labels, ``(note) unclear`` a note, ``(mark)`` a mark. Of an unknown speaker a
turn is its text alone, behind ``: `` where that could be taken for something else.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from nbstream.errors import ParameterError
from nbstream.export.clean import clean
from nbstream.export.spans import Found
from nbstream.export.talk import Talk
from nbstream.export.tiers import LABELS, MARKS, NOTES, TURNS, Span, Tier, tiers

_REMARK: Final = re.compile(r"\((note|mark)\) ?(.*)")
_TURN: Final = re.compile(r"([^:]{0,60}): ?(.*)")


def render(talk: Talk) -> str:
    """Turns, labels, notes and marks in order of time."""
    lines = [
        (span.start_ms, span.end_ms, _text(tier, span))
        for tier in tiers(talk)
        if tier.kind in (TURNS, LABELS, NOTES, MARKS)
        for span in tier.spans
    ]
    return "".join(f"{a / 1000:.6f}\t{b / 1000:.6f}\t{text}\n" for a, b, text in sorted(lines))


def read(path: Path) -> list[Found]:
    """Labels of a track; lines of a frequency range, which begin with a backslash, say no more."""
    spans = []
    for number, line in enumerate(path.read_text("utf-8-sig", "replace").split("\n"), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        start, _, rest = line.rstrip("\r").partition("\t")
        end, _, text = rest.partition("\t")
        try:
            # Audacity writes decimal commas where people do.
            start_s, end_s = (float(time.replace(",", ".")) for time in (start, end))
            if not 0 <= start_s <= end_s < float("inf"):
                raise ValueError("its times run backwards")
        except ValueError as error:
            raise ParameterError(
                f"{path.name}, line {number}, is no Audacity label: {line[:80]!r}.",
                hint="Start and end in seconds and a text, separated by tabs.",
                parameter="path",
            ) from error
        spans.append(_found(start_s, end_s, text.strip()))
    return spans


def _text(tier: Tier, span: Span) -> str:
    if tier.kind == LABELS:
        return f"[{span.text}]"
    if tier.kind == MARKS:
        return "(mark)" if span.text == "mark" else f"(mark) {span.text}"
    if tier.kind == NOTES:
        return f"(note) {span.text}"
    speaker = clean(tier.speaker.replace(":", " "))[:60]
    if speaker or ":" in span.text[:61] or span.text.startswith(("[", "(")):
        return f"{speaker}: {span.text}"
    return span.text


def _found(start_s: float, end_s: float, text: str) -> Found:
    kind, speaker, said = TURNS, "", text
    if text.startswith("[") and text.endswith("]"):
        kind, said = LABELS, text[1:-1]
    elif remark := _REMARK.fullmatch(text):
        kind, said = {"note": NOTES, "mark": MARKS}[remark[1]], remark[2]
    elif turn := _TURN.fullmatch(text):
        speaker, said = turn[1].strip(), turn[2]
    return Found(kind, kind, speaker, start_s, end_s, said)
