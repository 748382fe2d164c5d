"""The timing of turns and words, one row each; what each column means stands in `definitions`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from nbstream.tables import TurnRow
from nbstream.timing.clock import CaptureClock, FloatArray, SendClock
from nbstream.timing.context import Commands
from nbstream.timing.edges import Spans, edges
from nbstream.timing.floor import floor_transfer_ms

PAUSE_MS: Final = 200.0
# Labels with which the service says that it can't tell who spoke.
_UNKNOWN: Final = ("PENDING", "UNKNOWN")


def turns(
    rows: Sequence[TurnRow],
    clock: CaptureClock,
    sends: SendClock,
    commands: Commands,
    *,
    speakers: Sequence[str | None] | None = None,
    spans: Sequence[Spans] | None = None,
    end_source: str = "asr_word",
    min_pause_ms: float = PAUSE_MS,
    stops_s: Sequence[float] = (),
    **floor: Any,
) -> pd.DataFrame:
    """One row a turn, in order of audio.

    Parameters
    ----------
    rows : sequence of TurnRow
        In order of audio.
    clock, sends, commands
        When audio was captured and sent, and what else was.
    speakers : sequence of str or None, shape (turns,), optional
        Who spoke; by default channel names and the service's labels.
    spans : sequence of array, shape (spans, 2), optional
        For each turn, when its speaker spoke, in s of session audio, as `end_source` says; they
        give the edges of the turn's speech. By default its words do.
    min_pause_ms : float
        Shortest silence between two words that counts as a pause.
    stops_s : sequence of float
        Where recording was paused, in s of session audio: time went on there and the audio did
        not, so there is no silence and no floor transfer across it.
    **floor
        As in `floor_transfer_ms`.

    Returns
    -------
    DataFrame
        Columns as in `definitions`; NaN where a figure can't be had, and ``missing`` says why.

    """
    speech = np.array([(row.start_s, row.end_s) for row in rows], np.float64).reshape(-1, 2)
    from_spans = np.zeros(speech.shape, bool)
    if spans is not None:
        speech, from_spans = edges(rows, spans)
    who = labels(rows) if speakers is None else list(speakers)
    onset_s = _each(rows, "onset_s")
    is_told = ~np.isnan(onset_s) & ~from_spans[:, 0]
    onset_source = np.where(is_told, "speech_started", _source(from_spans[:, 0], end_source))
    columns: dict[str, Any] = {
        "connection": _each(rows, "connection", np.int64),
        "turn_order": _each(rows, "turn_order", np.int64),
        "channel": pd.array([row.channel for row in rows], dtype="Int64"),
        "speaker": _text(who),
        "transcript": _text([row.transcript for row in rows]),
        "start_s": speech[:, 0],
        "end_s": speech[:, 1],
        "is_final": _each(rows, "is_final", bool),
    }
    stops = np.sort(np.asarray(stops_s, np.float64))
    columns |= _speaking(rows, speech, min_pause_ms, stops)
    columns |= _floor(rows, speech, who, stops, are_labels=speakers is None, **floor)
    onset_s = np.where(is_told, onset_s, speech[:, 0])
    columns |= _latencies(rows, clock, sends, commands, onset_s, speech[:, 1])
    columns |= _stability(rows, columns["duration_ms"])
    columns |= {
        "model": _text([commands.model(row.connection) for row in rows]),
        "mode": _text([commands.mode(row.connection, row.arrived_s) for row in rows]),
        "onset_source": _text(onset_source),
        "end_source": _text(_source(from_spans[:, 1], end_source)),
        "missing": _text(_reasons(rows, clock, columns)),
    }
    return pd.DataFrame(columns)


def words(table: pd.DataFrame, clock: CaptureClock) -> pd.DataFrame:
    """`table`, as from `tables.words`, with the emission latencies of its words."""
    ended_s = clock.captured_s(table["end_s"].to_numpy())
    return table.assign(
        emission_latency_first_ms=(table["first_arrived_s"] - ended_s) * 1000,
        emission_latency_final_ms=(table["final_arrived_s"] - ended_s) * 1000,
    )


def labels(rows: Sequence[TurnRow]) -> list[str | None]:
    """Who spoke each turn, as far as channels and the service's labels tell."""
    return [None if (row.speaker or "").endswith(_UNKNOWN) else row.speaker for row in rows]


def _speaking(
    rows: Sequence[TurnRow], speech: Spans, min_pause_ms: float, stops: FloatArray
) -> dict[str, Any]:
    """How long, how fast, with which pauses."""
    duration_ms = (speech[:, 1] - speech[:, 0]) * 1000
    n_words = _each(rows, "n_words", np.int64)
    turn = np.repeat(np.arange(len(rows)), n_words)
    start_ms = np.array([word.start_ms for row in rows for word in row.words], np.float64)
    end_ms = np.array([word.end_ms for row in rows for word in row.words], np.float64)
    silence_ms = start_ms[1:] - end_ms[:-1]
    is_pause = (turn[1:] == turn[:-1]) & (silence_ms >= min_pause_ms)
    at, n = turn[1:][is_pause], len(rows)
    pause_ms = np.bincount(at, silence_ms[is_pause], minlength=n).astype(np.float64)
    latest_end_s = np.maximum.accumulate(np.nan_to_num(speech[:, 1], nan=-math.inf))
    silence_before_s = np.full(n, np.nan)
    silence_before_s[1:] = np.maximum(0.0, speech[1:, 0] - latest_end_s[:-1])
    silence_before_s[1:][_holds_a_stop(stops, latest_end_s[:-1], speech[1:, 0])] = np.nan
    return {
        "duration_ms": duration_ms,
        "n_words": n_words,
        "speech_rate_wpm": _ratio(n_words, duration_ms / 60_000),
        "articulation_rate_wpm": _ratio(n_words, (duration_ms - pause_ms) / 60_000),
        "n_pauses": np.bincount(at, minlength=n),
        "pause_ms": pause_ms,
        "inter_turn_silence_ms": np.where(
            np.isinf(silence_before_s), np.nan, silence_before_s * 1000
        ),
    }


def _floor(
    rows: Sequence[TurnRow],
    speech: Spans,
    who: Sequence[str | None],
    stops: FloatArray,
    *,
    are_labels: bool,
    **options: Any,
) -> dict[str, Any]:
    """Floor transfers, where two or more speakers are known."""
    fto_ms = np.full(len(rows), np.nan)
    # A service's labels name people anew on each connection: "A" here may be "B" there. Only
    # names of channels, and a reference, hold for the whole session.
    named = ["" if row.channel is not None or not are_labels else row.connection for row in rows]
    for name in dict.fromkeys(named):
        at = [i for i, n in enumerate(named) if n == name]
        if len({who[i] for i in at} - {None}) >= 2:
            fto_ms[at] = floor_transfer_ms(
                speech[at, 0], speech[at, 1], [who[i] for i in at], **options
            )
    fto_ms[_holds_a_stop(stops, speech[:, 0] - fto_ms / 1000, speech[:, 0])] = np.nan
    return {
        "fto_ms": fto_ms,
        "gap_ms": np.where(fto_ms >= 0, fto_ms, np.nan),
        "overlap_ms": np.where(fto_ms < 0, -fto_ms, np.nan),
    }


def _holds_a_stop(stops: FloatArray, start_s: FloatArray, end_s: FloatArray) -> Any:
    """Which of the stretches hold a place where recording was paused; of NaN, none."""
    behind = np.searchsorted(stops, np.nan_to_num(end_s, nan=-1.0), side="right")
    return behind > np.searchsorted(stops, np.nan_to_num(start_s, nan=-1.0), side="left")


def _latencies(
    rows: Sequence[TurnRow],
    clock: CaptureClock,
    sends: SendClock,
    commands: Commands,
    onset_s: FloatArray,
    end_s: FloatArray,
) -> dict[str, Any]:
    """From speech to messages, in ms of the clock."""
    spoken_s, ended_s = clock.captured_s(onset_s), clock.captured_s(end_s)
    connection = _each(rows, "connection", np.int64)
    sent_s = np.full(len(rows), np.nan)
    for number in np.unique(connection):
        at = connection == number
        sent_s[at] = sends.sent_s(int(number), end_s[at])
    is_final = _each(rows, "is_final", bool)
    all_final_s = np.array([max(row.growth.final_s, default=math.nan) for row in rows])
    first_text_s = np.array([row.growth.first_text_s for row in rows])
    arrived_s = _each(rows, "arrived_s")
    eot_ms = (np.where(is_final, arrived_s, np.nan) - ended_s) * 1000
    waits = [
        _endpoint_wait(row, commands, ended, sent, clock.speed)
        for row, ended, sent in zip(rows, ended_s, sent_s, strict=True)
    ]
    wait_ms = np.array([wait for wait, _ in waits], np.float64)
    return {
        "first_partial_ms": (first_text_s - spoken_s) * 1000,
        "ttfs_ms": (np.where(is_final, all_final_s, np.nan) - ended_s) * 1000,
        "eot_latency_ms": eot_ms,
        "endpoint_wait_ms": wait_ms,
        "endpoint_source": _text([source for _, source in waits]),
        "delivery_ms": eot_ms - wait_ms,
        "send_delay_ms": (sent_s - ended_s) * 1000,
        "capture_uncertainty_ms": np.where(np.isnan(ended_s), np.nan, clock.uncertainty_ms),
        "format_delay_ms": (_each(rows, "formatted_s") - arrived_s) * 1000,
    }


def _endpoint_wait(
    row: TurnRow, commands: Commands, ended_s: float, sent_s: float, speed: float
) -> tuple[float, str | None]:
    """Silence that the endpointer waited for, and what made it end the turn."""
    if not row.is_final or math.isnan(ended_s):
        return math.nan, None
    shortest_ms, longest_ms = commands.silences_ms(row.connection, row.arrived_s)
    # Silence passes at the pace of the audio, and begins when its first frame was sent.
    shortest_ms, longest_ms = shortest_ms / speed, longest_ms / speed
    known_s = ended_s if math.isnan(sent_s) else sent_s
    for kind, source in (("ForceEndpoint", "forced"), ("Terminate", "terminate")):
        asked_s = commands.last_sent_s(row.connection, kind, row.arrived_s)
        if row.first_arrived_s <= asked_s < known_s + shortest_ms / 1000:
            return max(0.0, asked_s - ended_s) * 1000, source
    waited_ms = (row.arrived_s - known_s) * 1000
    for limit_ms, source in (
        (longest_ms, "max_turn_silence"),
        (shortest_ms, "min_turn_silence"),
    ):
        if waited_ms >= limit_ms:
            return limit_ms, source
    return math.nan, None


def _stability(rows: Sequence[TurnRow], duration_ms: FloatArray) -> dict[str, Any]:
    """How often partials came, and how much of them was taken back."""
    n_partials = _each(rows, "n_partials", np.int64)
    n_words = np.array([len(row.words) if row.is_final else 0 for row in rows])
    n_unstable = np.array([row.growth.n_unstable for row in rows])
    n_erased = np.array([row.growth.n_erased for row in rows])
    n_revisions = np.array([float(row.growth.n_revisions) for row in rows])
    return {
        "n_partials": n_partials,
        "partials_per_s": _ratio(n_partials, duration_ms / 1000),
        "upwr": _ratio(n_unstable, n_words),
        "upsr": np.where(n_words > 0, n_revisions, np.nan),
        "normalized_erasure": _ratio(n_erased, n_words),
        "confidence": _each(rows, "confidence"),
        "lowest_confidence": np.array(
            [min((word.confidence for word in row.words), default=math.nan) for row in rows]
        ),
    }


def _reasons(
    rows: Sequence[TurnRow], clock: CaptureClock, columns: dict[str, Any]
) -> list[str | None]:
    """Why figures of a turn are missing; None where none is."""
    n_speakers = len(set(columns["speaker"].dropna()))
    reasons = []
    for row, first_ms, fto_ms, wait_ms in zip(
        rows,
        columns["first_partial_ms"],
        columns["fto_ms"],
        columns["endpoint_wait_ms"],
        strict=True,
    ):
        why = []
        if not row.words:
            why.append("no words")
        elif not clock.is_paced:
            why.append("read faster than spoken: no latencies")
        elif math.isnan(first_ms):
            why.append("no capture times")
        if not row.is_final:
            why.append("not final yet")
        elif math.isnan(wait_ms) and not math.isnan(first_ms):
            why.append("ended sooner than any setting says")
        if n_speakers < 2:
            why.append("one speaker: no floor transfer")
        elif math.isnan(fto_ms):
            why.append("no prior turn of another speaker")
        reasons.append("; ".join(why) or None)
    return reasons


def _each(rows: Sequence[TurnRow], name: str, dtype: Any = np.float64) -> Any:
    return np.array([getattr(row, name) for row in rows], dtype)


def _source(from_spans: Any, end_source: str) -> Any:
    return np.where(from_spans, end_source, "asr_word")


def _text(values: Iterable[Any]) -> Any:
    return pd.array(list(values), dtype="string")


def _ratio(part: Any, whole: Any) -> FloatArray:
    """Divide, with NaN where there is nothing to divide by."""
    whole = np.asarray(whole, np.float64)
    quotient: FloatArray = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient
