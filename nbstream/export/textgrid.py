"""Praat's TextGrid. Written through praatio; read here, as Praat reads it.

Praat passes over everything but quoted texts and numbers that stand alone. praatio looks for words
such as ``item [``, which a transcript may hold.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nbstream.errors import ParameterError
from nbstream.export.file import missing
from nbstream.export.spans import Found, found
from nbstream.export.talk import Talk
from nbstream.export.tiers import MARKS, tiers

_TOKEN: Final = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)([-+]?\d[\d.eE+-]*)%?(?!\S)|![^\n]*|[^\s"]+')
_STRUCTURE: Final = re.compile(r"\b(item|intervals|points)( ?)\[")


def render(talk: Talk) -> bytes:
    """A tier for each speaker and kind: turns, words, labels, notes; marks are points."""
    try:
        from praatio import textgrid
        from praatio.utilities.constants import Interval, Point
    except ImportError as error:
        raise missing("TextGrid files are written by praatio") from error
    every = tiers(talk)
    ends_ms = [span.end_ms for tier in every for span in tier.spans]
    end_s = max([talk.duration_s, 0.001, *(end / 1000 for end in ends_ms)])
    grid = textgrid.Textgrid(0, end_s)
    for tier in every:
        if tier.kind == MARKS:
            points = [Point(s.start_ms / 1000, _text(s.text)) for s in tier.spans]
            grid.addTier(textgrid.PointTier(tier.name, points, 0, end_s))
        else:
            spans = [
                Interval(s.start_ms / 1000, s.end_ms / 1000, _text(s.text)) for s in tier.spans
            ]
            grid.addTier(textgrid.IntervalTier(_text(tier.name), spans, 0, end_s))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "talk.TextGrid"
        grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
        return path.read_bytes()


def read(path: Path) -> list[Found]:
    """Intervals with text, of every interval tier, and points, of every other.

    The name of a tier that is not one of ours is the speaker's.
    """
    data = path.read_bytes()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return list(_tiers(_tokens(data.decode(encoding))))
    except (ValueError, StopIteration, RuntimeError) as error:
        raise ParameterError(
            f"{path.name} can't be read as a TextGrid: {error}.",
            hint="Save it in Praat with Save as text file.",
            parameter="path",
        ) from error


def _text(text: str) -> str:
    return _STRUCTURE.sub("\\1\\2\uff3b", text)


def _tokens(text: str) -> Iterator[str | float]:
    for match in _TOKEN.finditer(text):
        if match[1] is not None:
            yield match[1].replace('""', '"')
        elif match[2] is not None:
            yield float(match[2])


def _tiers(tokens: Iterator[str | float]) -> Iterator[Found]:
    def text() -> str:
        token = next(tokens)
        if not isinstance(token, str):
            raise ValueError(f"{token} where a text should be")
        return token

    def number() -> float:
        token = next(tokens)
        if not isinstance(token, float):
            raise ValueError(f"{token[:40]!r} where a number should be")
        return token

    if text() != "ooTextFile" or text() != "TextGrid":
        raise ValueError("it does not say that it is one")
    number(), number()
    for _ in range(int(number())):
        is_points = text() == "TextTier"
        name = text()
        number(), number()
        yield found(name)
        for _ in range(int(number())):
            start_s = number()
            end_s = start_s if is_points else number()
            if label := text().strip():
                yield found(name, start_s, end_s, label)
