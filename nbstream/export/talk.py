"""`Talk`: what every writer takes. A session as it stands, made a value.

What is exported is the corrected transcript where there is one, else the final one; of speakers
likewise. Open turns may still change, so they are left out.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbstream.audio import SAMPLE_RATE_HZ, PcmArray
from nbstream.errors import ParameterError
from nbstream.export.clean import clean
from nbstream.export.pieces import Piece, pieces
from nbstream.tables import TurnKey
from nbstream.text import valid

# Columns that annotations add to turns.
ADDED: Final = ("label", "note", "corrected", "speaker_corrected")
# column -> dtype
ANNOTATIONS: Final = {
    "id": "string",
    "kind": "string",
    "start_s": "float64",
    "end_s": "float64",
    "channel": "Int64",
    "connection": "Int64",
    "turn_order": "Int64",
    "value": "string",
    "author": "string",
    "at": "string",
}
_MORE: Final = ("partials", "events", "gaps", "chunks", "connections", "speech")

Table = Callable[[], pd.DataFrame]


class AudioOf(Protocol):
    """`nbstream.Session.audio`, or what does as it does."""

    def __call__(
        self, start_s: float = 0.0, end_s: float | None = None, channel: int | None = None
    ) -> PcmArray:
        """Samples of a span, shape (frames,) or (frames, channels), int16."""


def _no_audio(
    start_s: float = 0.0, end_s: float | None = None, channel: int | None = None
) -> PcmArray:
    return np.empty(0, np.int16)


@dataclass(frozen=True, slots=True)
class Said:
    """A final turn as it is exported: corrected where it was.

    Parameters
    ----------
    key : (int, int)
        Connection and turn order.
    start_s, end_s : float
        In seconds of session audio; NaN for a turn without words that have times.
    speaker : str
        Empty if unknown.
    channel : int or None
        Of the recording, from 0; None where it has only one.
    text : str
        On one line.
    words : tuple of Piece
        The words of `text`.
    """

    key: TurnKey
    start_s: float
    end_s: float
    speaker: str
    channel: int | None
    text: str
    words: tuple[Piece, ...]

    @property
    def is_timed(self) -> bool:
        """Whether it has a place in the audio."""
        return not (math.isnan(self.start_s) or math.isnan(self.end_s))


@dataclass(frozen=True, eq=False)
class Talk:
    """A session as it stands; see `talk_of`.

    Parameters
    ----------
    name : str
        For titles, and for the file's name inside formats that have one.
    turns : DataFrame
        Final turns, under their number in `Session.turns`: columns of `nbstream.tables.SCHEMA`,
        and ``label`` (several are joined by "; "), ``note``, ``corrected``,
        ``speaker_corrected``.
    words : DataFrame
        Words of these turns, as they were recognised.
    annotations : DataFrame
        One row an annotation; columns as in `ANNOTATIONS`. ``turn_order`` is <NA> for free spans.
    duration_s : float
        Length of the recording.
    sample_rate_hz, n_channels : int
        Of the recording.
    speakers : tuple of str
        Who is on each channel; empty if channels were mixed.
    audio : callable
        ``audio(start_s, end_s, channel=None)`` gives samples.
    media : Path, optional
        The recording, to link to.
    started_at : str
        When it began, ISO 8601.
    more : mapping of str to callable
        Further tables, made when they are asked for.
    """

    name: str
    turns: pd.DataFrame
    words: pd.DataFrame
    annotations: pd.DataFrame = field(default_factory=lambda: no_annotations())
    duration_s: float = 0.0
    sample_rate_hz: int = SAMPLE_RATE_HZ
    n_channels: int = 1
    speakers: tuple[str, ...] = ()
    audio: AudioOf = _no_audio
    media: Path | None = None
    started_at: str = ""
    more: Mapping[str, Table] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name on one line; never empty."""
        return clean(self.name) or "session"

    @property
    def tables(self) -> list[str]:
        """Names of the tables that `table` knows."""
        return ["turns", "words", "annotations", *self.more]

    def table(self, name: str) -> pd.DataFrame:
        """A table by its name; texts hold nothing that can't be written as UTF-8."""
        own = {"turns": self.turns, "words": self.words, "annotations": self.annotations}
        if name in own:
            return _writable(own[name])
        if name not in self.more:
            raise ParameterError(
                f"there is no table {name!r}.",
                hint="Tables: " + ", ".join(self.tables) + ".",
                parameter="table",
            )
        return _writable(self.more[name]())

    def said(self) -> list[Said]:
        """Final turns in order, corrected where they were."""
        heard: dict[TurnKey, list[Piece]] = {}
        w = self.words
        for connection, turn_order, text, start_s, end_s, confidence in zip(
            w["connection"],
            w["turn_order"],
            w["text"],
            w["start_s"],
            w["end_s"],
            w["confidence"],
            strict=True,
        ):
            word = Piece(clean(text), float(start_s), float(end_s), float(confidence))
            heard.setdefault((int(connection), int(turn_order)), []).append(word)
        return [self._said(row, heard) for row in self.turns.to_dict("records")]

    def timed(self) -> list[Said]:
        """Those of `said` that have a place in the audio.

        Warns
        -----
        UserWarning
            If others are left out.

        """
        said = self.said()
        timed = [turn for turn in said if turn.is_timed]
        if len(timed) < len(said):
            warnings.warn(
                f"{len(said) - len(timed)} turns are left out: the service gave them no times.",
                UserWarning,
                stacklevel=2,
            )
        return timed

    def _said(self, row: Mapping[Any, Any], heard: Mapping[TurnKey, list[Piece]]) -> Said:
        key = (int(row["connection"]), int(row["turn_order"]))
        text = clean(_first(row["corrected"], row["transcript"]))
        words = [word for word in heard.get(key, []) if word.text]
        start_s, end_s = float(row["start_s"]), float(row["end_s"])
        return Said(
            key,
            start_s,
            end_s,
            clean(_first(row["speaker_corrected"], row["speaker"])),
            None if pd.isna(row["channel"]) else int(row["channel"]),
            text,
            tuple(pieces(text, words, start_s, end_s)),
        )


class SessionLike(Protocol):
    """What `talk_of` reads of a `nbstream.Session`."""

    @property
    def name(self) -> str:
        """The name it was given."""

    @property
    def folder(self) -> Path:
        """Where it is on disk."""

    @property
    def meta(self) -> dict[str, Any]:
        """What ``session.json`` says."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who is on each channel."""

    @property
    def duration_s(self) -> float:
        """Length of the recording."""

    @property
    def turns(self) -> pd.DataFrame:
        """One row a turn."""

    @property
    def words(self) -> pd.DataFrame:
        """One row a word."""

    @property
    def audio(self) -> AudioOf:
        """Samples of a span."""


def talk_of(session: SessionLike) -> Talk:
    """A session as it stands now, for the writers; live or reopened."""
    noted = getattr(session, "annotations", None)
    annotations = _annotations(noted if isinstance(noted, pd.DataFrame) else no_annotations())
    turns, words = session.turns, session.words
    turns = turns[turns["is_final"].astype(bool)]
    final = pd.MultiIndex.from_frame(turns[["connection", "turn_order"]])
    of_final = pd.MultiIndex.from_frame(words[["connection", "turn_order"]]).isin(final)
    meta = session.meta
    return Talk(
        name=session.name or session.folder.name,
        turns=with_annotations(turns, annotations),
        words=words[of_final].reset_index(drop=True),
        annotations=annotations,
        duration_s=session.duration_s,
        sample_rate_hz=int(meta.get("sample_rate_hz", SAMPLE_RATE_HZ)),
        n_channels=int(meta.get("channels", 1)),
        speakers=tuple(session.speakers),
        audio=session.audio,
        media=session.folder / "audio.wav",
        started_at=str(meta.get("started_at", "")),
        more=_more(session),
    )


def no_annotations() -> pd.DataFrame:
    """The empty table of annotations."""
    return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in ANNOTATIONS.items()})


def with_annotations(turns: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """`turns` with the columns that annotations add, where they are not there yet."""
    turns = turns.copy()
    on_turns = annotations[annotations["turn_order"].notna()]
    keys = list(zip(turns["connection"].astype(int), turns["turn_order"].astype(int), strict=True))
    for column, kind in zip(ADDED, ("label", "note", "transcript", "speaker"), strict=True):
        if column in turns:
            turns[column] = turns[column].astype("string")
            continue
        values: dict[TurnKey, list[str]] = {}
        of_kind = on_turns[on_turns["kind"] == kind]
        for connection, turn_order, value in zip(
            of_kind["connection"], of_kind["turn_order"], of_kind["value"], strict=True
        ):
            values.setdefault((int(connection), int(turn_order)), []).append(str(value))
        # Labels and notes add up; of two corrections the later one counts.
        many = kind in ("label", "note")
        cells = [values.get(key) for key in keys]
        texts = ["; ".join(cell) if many else cell[-1] for cell in cells if cell is not None]
        filled = iter(texts)
        turns[column] = pd.array(
            [pd.NA if cell is None else next(filled) for cell in cells], dtype="string"
        )
    return turns


def _more(session: Any) -> dict[str, Table]:
    """Tables that cost something: made when they are asked for."""

    def of(name: str) -> Table:
        return lambda: pd.DataFrame(getattr(session, name))

    return {
        "timing": lambda: pd.DataFrame(session.timing()),
        "word_timing": lambda: pd.DataFrame(session.word_timing()),
        **{name: of(name) for name in _MORE},
    }


def _annotations(table: pd.DataFrame) -> pd.DataFrame:
    if "at" in table and pd.api.types.is_datetime64_any_dtype(table["at"].dtype):
        times = [pd.NA if pd.isna(at) else at.isoformat() for at in table["at"]]
        table = table.assign(at=pd.array(times, dtype="string"))
    columns: dict[str, Any] = {}
    for name, dtype in ANNOTATIONS.items():
        empty = pd.Series([pd.NA] * len(table), index=table.index, dtype="object")
        columns[name] = table.get(name, empty).astype(dtype)  # type: ignore[call-overload]
    return pd.DataFrame(columns).reset_index(drop=True)


def _writable(table: pd.DataFrame) -> pd.DataFrame:
    """`table` with texts that every encoding can hold."""
    for name in table.columns:
        column = table[name]
        if not pd.api.types.is_string_dtype(column.dtype) and column.dtype != object:
            continue
        cells: npt.NDArray[Any] = column.to_numpy(object)
        new = [valid(cell) if isinstance(cell, str) else cell for cell in cells]
        if any(a is not b for a, b in zip(cells, new, strict=True)):
            table = table.assign(**{name: pd.Series(new, index=table.index, dtype=column.dtype)})
    return table


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None and not pd.isna(value)), None)
