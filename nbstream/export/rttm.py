"""RTTM, NIST's Rich Transcription Time Marked: who spoke when, a line a span."""

from __future__ import annotations

from pathlib import Path

from nbstream.errors import ParameterError

Span = tuple[float, float, str, str]  # start_s, end_s, speaker, text


def read(path: Path) -> list[Span]:
    """Spans of the ``SPEAKER`` lines; other types of lines are passed over."""
    spans = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        try:
            start_s, duration_s, speaker = float(fields[3]), float(fields[4]), fields[7]
        except (IndexError, ValueError) as error:
            raise ParameterError(
                f"{path.name}, line {number}, is not RTTM: {line[:80]!r}.",
                hint="SPEAKER file channel start duration <NA> <NA> name <NA> <NA>, in seconds.",
                parameter="reference",
            ) from error
        spans.append((start_s, start_s + duration_s, speaker, ""))
    return spans
