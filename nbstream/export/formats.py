"""Which formats there are, and how a file's name chooses one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from nbstream.errors import NbstreamError, ParameterError, StoreError
from nbstream.export import (
    audacity,
    ctm,
    eaf,
    flat,
    prose,
    rttm,
    sound,
    spans,
    stm,
    subtitles,
    textgrid,
)
from nbstream.export.file import replacing
from nbstream.export.talk import SessionLike, Talk, talk_of
from nbstream.export.tiers import TURNS

_LIMITS: Final = ("max_lines", "max_characters", "characters_per_s", "min_s", "max_s")


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file.

    Parameters
    ----------
    name, suffix : str
        ``format="audacity"``, and the end of the file's name that means the same.
    what : str
        What it holds, and what opens it.
    render : callable
        Talk -> text or bytes; or it writes to a path itself.
    read : callable, optional
        Path -> spans, where it can be read back.
    """

    name: str
    suffix: str
    what: str
    render: Callable[..., str | bytes | None]
    read: Callable[[Path], list[spans.Found]] | None = None

    @property
    def options(self) -> list[str]:
        """Names of the options that `write` takes for it."""
        names: list[str] = []
        for name, parameter in inspect.signature(self.render).parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                names += _LIMITS
            elif parameter.kind is parameter.KEYWORD_ONLY:
                names.append(name)
        return names


def _format(name: str, suffix: str, what: str, render: Any, read: Any = None) -> Format:
    return Format(name, suffix, what, render, read)


FORMATS: Final[dict[str, Format]] = {
    made.name: made
    for made in (
        _format("csv", ".csv", "a table, for spreadsheets and R", flat.csv),
        _format("jsonl", ".jsonl", "a table, an object a line", flat.jsonl),
        _format("parquet", ".parquet", "a table, typed, for DuckDB, Arrow, R", flat.parquet),
        _format("srt", ".srt", "subtitles, for players and video editors", subtitles.srt),
        _format("vtt", ".vtt", "captions for the web, who speaks as <v Name>", subtitles.vtt),
        _format("ass", ".ass", "subtitles with the time of each word", subtitles.ass),
        _format(
            "textgrid",
            ".TextGrid",
            "Praat: tiers of turns, words, labels, notes by speaker",
            textgrid.render,
            textgrid.read,
        ),
        _format(
            "eaf", ".eaf", "ELAN: the same tiers, linked to the recording", eaf.render, eaf.read
        ),
        _format(
            "audacity",
            ".labels.txt",
            "Audacity's label track: turns, labels, notes, marks",
            audacity.render,
            audacity.read,
        ),
        _format("rttm", ".rttm", "who spoke when, for diarisation tools", rttm.render, rttm.read),
        _format("ctm", ".ctm", "words with times, for scoring", ctm.render),
        _format("stm", ".stm", "turns with times, for scoring", stm.render),
        _format("txt", ".txt", "the transcript, a line a turn", prose.text),
        _format("md", ".md", "the transcript with labels and notes, to read", prose.markdown),
        _format("wav", ".wav", "sound: the session, a turn, a label, a span", sound.wav),
        _format("flac", ".flac", "the same, half as large, lossless", sound.flac),
    )
}


def choose(path: Path, format: str | None = None) -> Format:
    """The format by its name, or by the end of the file's name.

    Raises
    ------
    ParameterError
        If there is none of that name, with all there are.

    """
    if format is not None:
        found = FORMATS.get(format.lower().lstrip("."))
        by_suffix = (made for made in FORMATS.values() if made.suffix.lower() == format.lower())
        found = found or next(by_suffix, None)
        what = f"format {format!r} is not known"
    else:
        name = path.name.lower()
        fits = [f for f in FORMATS.values() if name.endswith(f.suffix.lower())]
        found = max(fits, key=lambda made: len(made.suffix), default=None)
        what = f"the name {path.name!r} says of no format that is known"
    if found is None:
        known = ", ".join(made.suffix for made in FORMATS.values())
        names = ", ".join(FORMATS)
        raise ParameterError(
            f"{what}.", hint=f"Files: {known}. Or format=: {names}.", parameter="format"
        )
    return found


def write(
    session: SessionLike | Talk, path: str | Path, *, format: str | None = None, **options: Any
) -> Path:
    """Write a session to a file of another program; the end of the name says which.

    What is exported is the corrected transcript of a turn where there is one, else the final one;
    speakers likewise. Turns that are still open are left out.

    Parameters
    ----------
    session : Session or Talk
        What to write; a live session as it stands.
    path : path
        The file; one that is there is replaced, as a whole.
    format : str, optional
        One of `FORMATS`, if the name does not say it.
    **options
        As the format takes them: see ``FORMATS[name].options``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ParameterError
        If the format or an option is unknown, or a library is missing.
    StoreError
        If the file can't be written.

    """
    path = Path(path).expanduser()
    chosen = choose(path, format)
    unknown = [name for name in options if name not in chosen.options]
    if unknown:
        raise ParameterError(
            f"{chosen.suffix} files have no option {unknown[0]!r}.",
            hint=f"Options: {', '.join(chosen.options) or 'none'}.",
            parameter=unknown[0],
        )
    talk = session if isinstance(session, Talk) else talk_of(session)
    takes = inspect.signature(chosen.render).parameters
    with replacing(path) as new:
        if chosen.name in ("wav", "flac"):
            chosen.render(talk, new, **options)
            return path
        made = (
            chosen.render(talk, path, **options)
            if "to" in takes
            else chosen.render(talk, **options)
        )
        assert made is not None
        new.write_bytes(made.encode("utf-8", "replace") if isinstance(made, str) else made)
    return path


def read(path: str | Path, *, format: str | None = None) -> pd.DataFrame:
    """Read what another program, or `write`, put into a file.

    Parameters
    ----------
    path : path
        ``.TextGrid``, ``.eaf``, ``.rttm``, or Audacity's labels, ``.txt``.
    format : str, optional
        One of `FORMATS`, if the name does not say it.

    Returns
    -------
    DataFrame
        ``start_s``, ``end_s``, ``speaker``, ``text``, ``kind`` (turns, words, labels, notes,
        marks), ``tier``; in order. A tier whose name is not one of ours is turns of the speaker
        of that name. ``text`` is <NA> where the format has none.

    Raises
    ------
    ParameterError
        If the file is of another kind, or can't be read as what it is called.

    """
    path = Path(path).expanduser()
    is_text = format is None and path.suffix.lower() == ".txt"
    chosen = FORMATS["audacity"] if is_text else None
    readable = [made for made in FORMATS.values() if made.read]
    if chosen is None:
        try:
            chosen = choose(path, format)
        except ParameterError:
            chosen = None
    if chosen is None or chosen.read is None:
        raise ParameterError(
            f"{path.name} is of no kind that can be read here.",
            hint="Files that can be read: " + ", ".join(made.suffix for made in readable) + ".",
            parameter="path",
        )
    try:
        if not path.is_file():
            raise ParameterError(f"there is no file {path}.", parameter="path")
        return spans.table(chosen.read(path), chosen.name)
    except OSError as error:
        message = f"can't read {path}: {error.strerror or error}."
        raise StoreError(message, hint="Is it readable?", path=path) from error
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"{path.name} can't be read as what it is called: {error}.", parameter="path"
        ) from error


def read_spans(path: str | Path) -> pd.DataFrame:
    """Who spoke when, from a file: RTTM, TextGrid, ELAN, or Audacity's labels.

    Of files with tiers of turns, words, labels and so on, as `write` makes them, turns alone.

    Returns
    -------
    DataFrame
        ``start_s``, ``end_s``, ``speaker``, ``text``; in order.

    Raises
    ------
    ParameterError
        If the file is of another kind, or can't be read as what it is called.

    """
    try:
        found = read(path)
    except NbstreamError as error:
        if isinstance(error, ParameterError):
            error.parameter = "reference"
        raise
    if found.attrs["format"] == "audacity":  # A label without a speaker is the speaker.
        found["speaker"] = found["speaker"].fillna(found["text"])
    found = found[found["kind"] == TURNS]
    found = found.assign(text=found["text"].fillna(""))
    return found[["start_s", "end_s", "speaker", "text"]].reset_index(drop=True)
