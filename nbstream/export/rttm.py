"""RTTM, NIST's Rich Transcription Time Marked: who spoke when, a line a span."""

from __future__ import annotations

import math
from pathlib import Path

from nbstream.errors import ParameterError
from nbstream.export.clean import token
from nbstream.export.spans import Found
from nbstream.export.talk import Talk
from nbstream.export.tiers import TURNS, tiers


def render(talk: Talk) -> str:
    """One ``SPEAKER`` line a turn; names have no spaces there, so they get underscores."""
    name = token(talk.title)
    spans = [
        (span.start_ms, span.end_ms, token(tier.speaker), (span.channel or 0) + 1)
        for tier in tiers(talk)
        if tier.kind == TURNS
        for span in tier.spans
        if span.text
    ]
    return "".join(
        f"SPEAKER {name} {channel} {start / 1000:.3f} {(end - start) / 1000:.3f} "
        f"<NA> <NA> {speaker} <NA> <NA>\n"
        for start, end, speaker, channel in sorted(spans)
    )


def read(path: Path) -> list[Found]:
    """Spans of the ``SPEAKER`` lines; other types of lines are passed over."""
    spans = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        try:
            start_s, duration_s, speaker = float(fields[3]), float(fields[4]), fields[7]
            if not (math.isfinite(start_s) and math.isfinite(duration_s)):
                raise ValueError("no time")
        except (IndexError, ValueError) as error:
            raise ParameterError(
                f"{path.name}, line {number}, is not RTTM: {line[:80]!r}.",
                hint="SPEAKER file channel start duration <NA> <NA> name <NA> <NA>, in seconds.",
                parameter="path",
            ) from error
        spans.append(Found(TURNS, TURNS, speaker, start_s, start_s + duration_s, None))
    return spans
