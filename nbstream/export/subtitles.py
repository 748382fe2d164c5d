"""SRT, WebVTT and ASS, through pysubs2. How cues are made stands in `cues`."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nbstream.export.clean import no_tags
from nbstream.export.cues import Cue, Limits, cues
from nbstream.export.file import missing
from nbstream.export.pieces import Piece, join
from nbstream.export.talk import Talk

if TYPE_CHECKING:
    from pysubs2 import SSAFile

# pysubs2 and players take a backslash before these letters for a line end, or a brace for a tag.
_BACKSLASH = re.compile(r"\\(?=[nNh{}])")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def srt(talk: Talk, *, speakers: bool = False, **limits: float) -> str:
    """SubRip. With `speakers`, a cue begins with the name where the speaker changes.

    Parameters
    ----------
    talk : Talk
        The session.
    speakers : bool
        Whether names are shown.
    **limits
        ``max_lines``, ``max_characters``, ``characters_per_s``, ``min_s``, ``max_s``.
    """
    made = cues(talk.timed(), Limits(**limits))  # type: ignore[arg-type]
    before = None
    texts = []
    for cue in made:
        named = speakers and cue.speaker and cue.speaker != before
        texts.append((f"{_srt(cue.speaker)}: " if named else "") + _srt(cue.text))
        before = cue.speaker
    return _file(made, texts).to_string("srt", keep_ssa_tags=True)


def vtt(talk: Talk, *, speakers: bool = True, word_times: bool = False, **limits: float) -> str:
    """WebVTT. Who speaks is told by a voice tag, ``<v Ada>``.

    Parameters
    ----------
    talk : Talk
        The session.
    speakers : bool
        Whether there are voice tags.
    word_times : bool
        Whether each word has its time, ``<00:01.250>``, as players that highlight words use it.
    **limits
        ``max_lines``, ``max_characters``, ``characters_per_s``, ``min_s``, ``max_s``.
    """
    made = cues(talk.timed(), Limits(**limits))  # type: ignore[arg-type]
    texts = []
    for cue in made:
        voice = f"<v {_vtt(cue.speaker)}>" if speakers and cue.speaker else ""
        texts.append(voice + (_timed_lines(cue) if word_times else _vtt(cue.text)))
    return _file(made, texts).to_string("vtt", keep_ssa_tags=True)


def ass(talk: Talk, *, karaoke: bool = True, **limits: float) -> str:
    r"""Advanced SubStation Alpha, with the time of each word as ``{\k}``.

    Parameters
    ----------
    talk : Talk
        The session.
    karaoke : bool
        Whether words have times.
    **limits
        ``max_lines``, ``max_characters``, ``characters_per_s``, ``min_s``, ``max_s``.
    """
    made = cues(talk.timed(), Limits(**limits))  # type: ignore[arg-type]
    texts = [_karaoke(cue) if karaoke else _ass(cue.text).replace("\n", "\\N") for cue in made]
    file = _file(made, texts)
    for event, cue in zip(file.events, made, strict=True):
        event.name = no_tags(cue.speaker).replace(",", " ")
    file.info["Title"] = talk.title
    return file.to_string("ass")


def _file(made: list[Cue], texts: list[str]) -> SSAFile:
    try:
        import pysubs2
    except ImportError as error:
        raise missing("Subtitles are written by pysubs2") from error
    file = pysubs2.SSAFile()
    file.events = [
        pysubs2.SSAEvent(start=round(cue.start_s * 1000), end=round(cue.end_s * 1000), text=text)
        for cue, text in zip(made, texts, strict=True)
    ]
    return file


def _srt(text: str) -> str:
    """SRT has no escapes: what players take for tags gets wide brackets."""
    return _unbroken(_TAG.sub("\uff1c", text.replace("-->", "--\uff1e")))


def _vtt(text: str) -> str:
    return _unbroken(html.escape(text, quote=False))


def _ass(text: str) -> str:
    return _unbroken(no_tags(text))


def _unbroken(text: str) -> str:
    """`text` with an invisible joiner where a backslash would be a line end, or begin a tag."""
    return _BACKSLASH.sub("\\\\\u2060", text.replace("{\\", "{\u2060\\"))


def _timed_lines(cue: Cue) -> str:
    """Words with their times where these lie within the cue and run forward."""
    last_ms, end_ms = round(cue.start_s * 1000), round(cue.end_s * 1000)

    def stamped(word: Piece) -> str:
        nonlocal last_ms
        at_ms = round(word.start_s * 1000)
        if not last_ms < at_ms < end_ms:
            return _vtt(word.text)
        last_ms = at_ms
        seconds, rest_ms = divmod(at_ms, 1000)
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        return f"<{hours:02d}:{minute:02d}:{second:02d}.{rest_ms:03d}>{_vtt(word.text)}"

    return "\n".join(_joined(line, stamped) for line in cue.lines)


def _karaoke(cue: Cue) -> str:
    """Each word lasts until the next begins; in hundredths, without an error that adds up."""
    starts = [round((word.start_s - cue.start_s) * 100) for word in cue.words]
    starts = list(itertools.accumulate(starts, max, initial=0))[1:]
    last = round((min(cue.words[-1].end_s, cue.end_s) - cue.start_s) * 100)
    lengths = (b - a for a, b in itertools.pairwise([*starts, max(last, starts[-1])]))
    lead = f"{{\\k{starts[0]}}}" if starts[0] else ""

    def stamped(word: Piece) -> str:
        return f"{{\\k{next(lengths)}}}{_ass(word.text)}"

    return lead + "\\N".join(_joined(line, stamped) for line in cue.lines)


def _joined(line: Sequence[Piece], write: Callable[[Piece], str]) -> str:
    return join([replace(word, text=write(word)) for word in line])
