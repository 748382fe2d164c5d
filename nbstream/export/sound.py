"""The recording, or a part of it, as WAV or FLAC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from nbstream.audio import PcmArray, wav_header
from nbstream.errors import ParameterError
from nbstream.export.file import missing
from nbstream.export.talk import Talk
from nbstream.tables import TurnKey

_READ_S: Final = 60
_BETWEEN_S: Final = 0.3  # silence between several spans of one label

Part = tuple[int, int]  # in frames


def wav(
    talk: Talk,
    to: Path,
    *,
    turn: int | TurnKey | None = None,
    label: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    channel: int | None = None,
) -> None:
    """16-bit WAV of the session, a turn, a label or a span.

    Parameters
    ----------
    talk : Talk
        The session.
    to : Path
        Where it is written.
    turn : int or (int, int), optional
        A row of `Session.turns`, from 0 (-1: the last), or ``(connection, turn_order)``.
    label : str, optional
        Every span with this label, one after the other, 0.3 s of silence between them.
    start_s, end_s : float, optional
        A span in seconds of session audio.
    channel : int, optional
        One channel alone; by default all, and of a turn on a channel of its own, that one.
    """
    parts, channel = _parts(talk, turn, label, start_s, end_s, channel)
    n_channels = 1 if channel is not None else talk.n_channels
    n_frames = sum(end - start for start, end in parts) + _gap(talk) * max(0, len(parts) - 1)
    with open(to, "wb") as file:
        file.write(wav_header(n_frames, talk.sample_rate_hz, n_channels))
        for block in _blocks(talk, parts, channel):
            file.write(block.astype("<i2").tobytes())


def flac(
    talk: Talk,
    to: Path,
    *,
    turn: int | TurnKey | None = None,
    label: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    channel: int | None = None,
) -> None:
    """FLAC, lossless, about half as large; parameters as of `wav`."""
    try:
        import soundfile
    except ImportError as error:
        raise missing("FLAC files are written by soundfile") from error
    parts, channel = _parts(talk, turn, label, start_s, end_s, channel)
    n_channels = 1 if channel is not None else talk.n_channels
    with soundfile.SoundFile(
        str(to), "w", talk.sample_rate_hz, n_channels, subtype="PCM_16", format="FLAC"
    ) as file:
        for block in _blocks(talk, parts, channel):
            file.write(block)


def _parts(
    talk: Talk,
    turn: int | TurnKey | None,
    label: str | None,
    start_s: float | None,
    end_s: float | None,
    channel: int | None,
) -> tuple[list[Part], int | None]:
    chosen = [turn is not None, label is not None, start_s is not None or end_s is not None]
    if sum(chosen) > 1:
        raise ParameterError(
            "a turn, a label and a span were asked for at once.",
            hint="Give turn=, or label=, or start_s= and end_s=.",
            parameter="turn",
        )
    if channel is not None and channel not in range(talk.n_channels):
        raise ParameterError(
            f"channel {channel!r} is not there: the recording has {talk.n_channels}.",
            hint="Channels are counted from 0.",
            parameter="channel",
        )
    if turn is not None:
        row = _turn(talk, turn)
        if channel is None and talk.n_channels > 1 and not pd.isna(row["channel"]):
            channel = int(row["channel"])
        spans = [(float(row["start_s"]), float(row["end_s"]))]
    elif label is not None:
        spans = _label(talk, label)
    else:
        spans = [(start_s or 0.0, talk.duration_s if end_s is None else end_s)]
    parts = [_frames(talk, *span) for span in spans]
    parts = [(start, end) for start, end in parts if end > start]
    if not parts and any(chosen):
        raise ParameterError(
            "there is no audio in what was asked for.",
            hint=f"The recording lasts {talk.duration_s:.3f} s.",
            parameter="turn" if turn is not None else "label" if label is not None else "start_s",
        )
    return parts, channel


def _turn(talk: Talk, turn: int | TurnKey) -> pd.Series[Any]:
    turns = talk.turns
    if isinstance(turn, tuple):
        found = turns[(turns["connection"] == turn[0]) & (turns["turn_order"] == turn[1])]
    elif turn < 0:
        found = turns.iloc[turn:][:1] if -turn <= len(turns) else turns[:0]
    else:
        found = turns[turns.index == turn]
    if found.empty or found[["start_s", "end_s"]].isna().any(axis=None):
        raise ParameterError(
            f"turn {turn!r} " + ("is not a final one." if found.empty else "has no times."),
            hint=f"{len(turns)} turns are final: give a row of session.turns, or turn=(0, 3), "
            "connection and turn order.",
            parameter="turn",
        )
    return found.iloc[0]


def _label(talk: Talk, label: str) -> list[tuple[float, float]]:
    table = talk.annotations
    labels = table[(table["kind"] == "label") & table["start_s"].notna()]
    found = labels[labels["value"] == label].sort_values("start_s")
    if found.empty:
        known = ", ".join(map(repr, sorted(set(labels["value"].dropna())))) or "none"
        raise ParameterError(
            f"nothing is labelled {label!r}.", hint=f"Labels: {known}.", parameter="label"
        )
    return list(zip(found["start_s"].astype(float), found["end_s"].astype(float), strict=True))


def _frames(talk: Talk, start_s: float, end_s: float) -> Part:
    rate, n_frames = talk.sample_rate_hz, round(talk.duration_s * talk.sample_rate_hz)
    start, end = (min(max(0, round(s * rate)), n_frames) if s == s else 0 for s in (start_s, end_s))
    return start, end


def _gap(talk: Talk) -> int:
    return round(_BETWEEN_S * talk.sample_rate_hz)


def _blocks(talk: Talk, parts: Sequence[Part], channel: int | None) -> Iterator[PcmArray]:
    """The audio a minute at a time, so that memory does not depend on its length."""
    rate = talk.sample_rate_hz
    step = _READ_S * rate
    for number, (start, end) in enumerate(parts):
        if number:
            shape = (talk.n_channels,) if channel is None and talk.n_channels > 1 else ()
            yield np.zeros((_gap(talk), *shape), np.int16)
        for at in range(start, end, step):
            yield talk.audio(at / rate, min(end, at + step) / rate, channel)
