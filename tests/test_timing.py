"""Turn timing: each figure against an example computed by hand, and against other tools."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbstream import events as ev
from nbstream import protocol, tables, timing
from nbstream.errors import ParameterError
from tests.conftest import ROOT
from tests.growing import talk

CHUNK = 800


def records(
    seconds: float,
    *,
    began_s: float = 1.0,
    speed: float = 1.0,
    sent: Mapping[int, float] = {},
    drop_at_s: float = math.inf,
) -> np.ndarray:
    """Capture of 50 ms chunks from `began_s` on, and each sent on connections so much later.

    From `drop_at_s` of audio on, everything is captured half a second later: the device lost it.
    """
    found = []
    for frame in range(0, round(seconds * 16_000), CHUNK):
        at_s = began_s + (frame + CHUNK) / 16_000 / speed + 0.5 * (frame / 16_000 >= drop_at_s)
        found.append((frame, CHUNK, -1, at_s))
        found += [(frame, CHUNK, number, at_s + delay_s) for number, delay_s in sent.items()]
    return np.array(found, tables.CHUNK_RECORD)


def message(
    order: int, words: Sequence[tuple[str, int, int]], *, final: bool = False, **more: Any
) -> ev.Event:
    """Make a ``Turn`` of (text, start_ms, end_ms); confidence falls by 0.1 a word."""
    fields = {
        "type": "Turn",
        "turn_order": order,
        "turn_is_formatted": final,
        "end_of_turn": final,
        "transcript": " ".join(text for text, _, _ in words),
        "end_of_turn_confidence": float(final),
        "words": [
            {
                "text": text,
                "start": start_ms,
                "end": end_ms,
                "confidence": 1.0 - 0.1 * i,
                "word_is_final": final,
            }
            for i, (text, start_ms, end_ms) in enumerate(words)
        ],
    }
    return protocol.decode(json.dumps(fields | more))


def said(**fields: Any) -> ev.Event:
    return protocol.decode(json.dumps(fields))


BEGIN = said(
    type="Begin",
    id="x",
    expires_at=4_000_000_000,
    configuration={"model": "u3-rt-pro", "mode": "balanced"},
)
SERVICE = {"name": "assemblyai", "model": "u3-rt-pro", "options": {}}

# The left speaker says four words from 1.0 to 2.5 s of audio with a pause of 300 ms, and the
# right one answers at 2.7 s. Audio was captured from 1.0 s of the session on.
LEFT = [("wreck", 1000, 1300), ("a", 1300, 1400), ("nice", 1700, 2000), ("beach", 2000, 2500)]
RIGHT = [("What", 2700, 2900), ("beach?", 2900, 3300)]
ENTRIES = [
    ev.Entry(1.0, 0, ev.Connected("ws://x", 0, 0)),
    ev.Entry(1.0, 1, ev.Connected("ws://x", 0, 1)),
    ev.Entry(1.1, 0, BEGIN),
    ev.Entry(1.1, 1, BEGIN),
    ev.Entry(2.9, 0, said(type="SpeechStarted", timestamp=900, confidence=0.9)),
    ev.Entry(2.9, 0, message(0, LEFT[:2])),
    ev.Entry(3.2, 0, message(0, [("recognise", 1000, 1400), LEFT[2]])),
    ev.Entry(3.4, 0, message(0, LEFT[:3])),
    ev.Entry(3.8, 0, message(0, LEFT, final=True, turn_is_formatted=False)),
    ev.Entry(3.9, 0, message(0, LEFT, final=True)),
    ev.Entry(4.6, 1, message(0, RIGHT, final=True)),
]


def study(
    entries: Sequence[ev.Entry] = ENTRIES,
    captured: np.ndarray | None = None,
    *,
    service: Mapping[str, Any] = SERVICE,
    names: tuple[str, ...] = ("left", "right"),
    **options: Any,
) -> pd.DataFrame:
    folded = tables.fold(entries, speakers=names)
    captured = records(10, sent={0: 0.02, 1: 0.02}) if captured is None else captured
    return timing.turns(
        tables.in_order(folded.rows),
        timing.CaptureClock(captured),
        timing.SendClock(captured),
        timing.Commands(folded.rare, service),
        **options,
    )


# What the first turn's figures are, by hand; of the second turn where the first has none.
BY_HAND = {
    "duration_ms": 1500,  # 2.5 - 1.0
    "n_words": 4,
    "speech_rate_wpm": 160,  # 4 / 1.5 s
    "articulation_rate_wpm": 200,  # 4 / (1.5 - 0.3) s
    "n_pauses": 1,  # 1.4 to 1.7
    "pause_ms": 300,
    "inter_turn_silence_ms": 200,  # second turn: 2.7 - 2.5
    "fto_ms": 200,
    "gap_ms": 200,
    "overlap_ms": math.nan,
    "first_partial_ms": 1000,  # arrived 2.9; onset 0.9 captured at 1.9
    "ttfs_ms": 300,  # arrived 3.8; end 2.5 captured at 3.5
    "eot_latency_ms": 300,
    "endpoint_wait_ms": 128,  # balanced: min_turn_silence 128, max 1280
    "delivery_ms": 172,
    "send_delay_ms": 20,
    "capture_uncertainty_ms": 0,
    "format_delay_ms": 100,  # 3.9 - 3.8
    "n_partials": 3,
    "partials_per_s": 2,  # 3 / 1.5 s
    # wreck a > recognise nice: two gone; > wreck a nice: one gone; four words in the final.
    "upwr": 3 / 4,
    "upsr": 2,
    "normalized_erasure": 4 / 4,  # "wreck a", then "recognise nice"
    "confidence": 0.85,
    "lowest_confidence": 0.7,
}
OF_WORDS_BY_HAND = {
    "emission_latency_first_ms": [1100, 1000, 200, 300],  # nice: shown at 3.2, over at 3.0
    "emission_latency_final_ms": [1500, 1400, 800, 300],  # final at 3.8
}


@pytest.mark.parametrize("name", [d.column for d in timing.DEFINITIONS if d.table == "turn"])
def test_each_figure_is_what_its_definition_says(name: str) -> None:
    """Every column that is defined agrees with an example computed by hand."""
    table = study()
    at = 1 if name in ("inter_turn_silence_ms", "fto_ms", "gap_ms", "overlap_ms") else 0
    assert BY_HAND[name] == pytest.approx(float(table[name][at]), nan_ok=True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"kind": "mic"}, 0.0),
        ({"kind": "browser", "clock": {"uncertainty_ms": 3.5}}, 3.5),
        ({"kind": "browser", "clock": {"uncertainty_ms": None}}, math.nan),
        ({"kind": "browser"}, math.nan),  # as while it records
    ],
)
def test_how_sure_capture_times_are_is_in_the_table(
    tmp_path: Path, source: dict[str, Any], expected: float
) -> None:
    """Of the kernel's clock they are; of a page's as sure as its answers were quick."""
    growing = talk(tmp_path, 2)
    growing.folder.update(source=source)
    timed = growing.end().timing()
    assert len(timed)
    assert list(timed["capture_uncertainty_ms"]) == pytest.approx(
        [expected] * len(timed), nan_ok=True
    )


def test_words_have_emission_latencies() -> None:
    """From the end of each word to the first message with it, and to the one that finished it."""
    rows = tables.fold(ENTRIES, speakers=("left", "right")).rows
    table = timing.words(tables.words(rows), timing.CaptureClock(records(10)))
    table = table[table["channel"] == 0]
    assert set(OF_WORDS_BY_HAND) == {d.column for d in timing.DEFINITIONS if d.table == "word"}
    for name, expected in OF_WORDS_BY_HAND.items():
        assert expected == pytest.approx(list(table[name])), name


def test_every_figure_is_defined_and_every_definition_is_a_figure() -> None:
    """The table of definitions and the table of timing name the same figures."""
    about = {"connection", "turn_order", "channel", "speaker", "transcript", "start_s", "end_s"}
    about |= {"is_final", "model", "mode", "missing"}
    about |= {"onset_source", "end_source", "endpoint_source"}
    figures = [c for c in study().columns if c not in about]
    defined = timing.definitions()
    assert sorted(figures) == sorted(defined.index[defined["table"] == "turn"])
    assert (defined[["formula", "unit", "clock", "source"]] != "").all(axis=None)


def test_an_empty_session_has_the_same_columns() -> None:
    """Columns do not depend on whether anybody spoke."""
    empty = study([], np.empty(0, tables.CHUNK_RECORD))
    assert list(study().columns) == list(empty.columns)
    assert len(empty) == 0


# -- speakers --------------------------------------------------------------------------------


def test_one_speaker_has_no_floor_transfer() -> None:
    """Between turns of one voice there is silence, and never an FTO."""
    entries = [ev.Entry(e.at_s, 0, e.event) for e in ENTRIES if e.connection == 0]
    entries += [ev.Entry(5.0, 0, message(1, RIGHT, final=True))]
    table = study(entries, names=())
    assert table[["fto_ms", "gap_ms", "overlap_ms"]].isna().all(axis=None)
    assert 200 == pytest.approx(table["inter_turn_silence_ms"][1])
    assert "one speaker" in table["missing"][1]


def test_an_answer_before_the_end_is_an_overlap() -> None:
    """A negative offset is given as overlap, not as gap, and there is no silence between."""
    early = [(text, start - 700, end - 700) for text, start, end in RIGHT]
    table = study([*ENTRIES[:-1], ev.Entry(4.0, 1, message(0, early, final=True))])
    assert -500 == pytest.approx(table["fto_ms"][1])
    assert 500 == pytest.approx(table["overlap_ms"][1])
    assert math.isnan(table["gap_ms"][1])
    assert table["inter_turn_silence_ms"][1] == 0


def test_labels_of_two_connections_are_not_the_same_people() -> None:
    """The service names speakers anew on each connection, so there is no transfer between them."""
    a = message(0, LEFT, final=True, speaker_label="A")
    b = message(0, RIGHT, final=True, speaker_label="B")
    opened = [ev.Entry(1.0, n, ev.Connected("ws://x", 0)) for n in (0, 1)]
    apart = study([*opened, ev.Entry(3.8, 0, a), ev.Entry(4.6, 1, b)], names=())
    assert apart["fto_ms"].isna().all()
    b = message(1, RIGHT, final=True, speaker_label="B")
    together = study([opened[0], ev.Entry(3.8, 0, a), ev.Entry(4.6, 0, b)], names=())
    assert 200 == pytest.approx(together["fto_ms"][1])


def test_a_label_that_says_nothing_is_no_speaker() -> None:
    """PENDING and UNKNOWN are not people."""
    a = message(0, LEFT, final=True, speaker_label="A")
    b = message(1, RIGHT, final=True, speaker_label="PENDING")
    table = study([ENTRIES[0], ev.Entry(3.8, 0, a), ev.Entry(4.6, 0, b)], names=())
    assert table["speaker"].isna()[1]
    assert table["fto_ms"].isna().all()


def test_a_reference_names_the_speakers() -> None:
    """Each turn gets the speaker it overlaps most, and from then on there are floor transfers."""
    reference = pd.DataFrame(
        [(0.9, 2.4, "Ann"), (2.3, 2.45, "Bob"), (2.65, 3.4, "Bob"), (8.0, 9.0, "Cy")],
        columns=["start_s", "end_s", "speaker"],
    )
    rows = tables.in_order(tables.fold(ENTRIES).rows)
    who, spans = timing.speakers(rows, reference)
    assert who == ["Ann", "Bob"]
    table = study(names=(), speakers=who, spans=spans, end_source="manual")
    assert list(table["start_s"]) == [0.9, 2.65]
    assert list(table["end_s"]) == [2.4, 3.4]
    assert 250 == pytest.approx(table["fto_ms"][1])
    assert list(table["end_source"]) == ["manual", "manual"]


def sktalk_fto_ms(turns: Sequence[tuple[int, int, str]], **options: int) -> list[float]:
    """What scikit-talk makes of turns in ms."""
    conversation = pytest.importorskip("sktalk.corpus.conversation")
    utterance = pytest.importorskip("sktalk.corpus.utterance")
    said = [
        utterance.Utterance(f"turn {i}", participant=who, time=[start, end])
        for i, (start, end, who) in enumerate(turns)
    ]
    talk = conversation.Conversation(said, suppress_warnings=True)
    talk.calculate_FTO(**options)
    return [math.nan if u.FTO is None else u.FTO for u in talk.utterances]


TALK = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(1, 5000), st.sampled_from("ABC")),
    min_size=2,
    max_size=14,
)


@given(TALK, st.sampled_from([2, 3]), st.sampled_from([1000, 10_000]))
def test_floor_transfers_agree_with_scikit_talk(
    talk: list[tuple[int, int, str]], max_speakers: int, window_ms: int
) -> None:
    """Any conversation, overlapping or not, has the offsets that scikit-talk finds."""
    turns, at = [], 0
    for pause, length, who in talk:
        at += pause
        turns.append((at, at + length, who))
    expected = sktalk_fto_ms(turns, window=window_ms, n_participants=max_speakers)
    start, end, who = zip(*turns, strict=True)
    found = timing.floor_transfer_ms(
        np.array(start) / 1000,
        np.array(end) / 1000,
        who,
        window_s=window_ms / 1000,
        max_speakers=max_speakers,
    )
    assert expected == pytest.approx(list(found), nan_ok=True, abs=1e-6)


@pytest.mark.parametrize("stop_s", [2.5, 2.6, 2.7])
def test_nothing_is_counted_across_a_pause_of_the_recording(stop_s: float) -> None:
    """Time went on and the audio did not: neither silence nor floor transfer is known there."""
    across = study(stops_s=[0.5, stop_s])
    assert across[["inter_turn_silence_ms", "fto_ms", "gap_ms"]].isna().all(axis=None)
    beside = study(stops_s=[0.5, 2.0, 3.0])
    assert beside[["inter_turn_silence_ms", "fto_ms", "gap_ms"]].notna().iloc[1].all()


# -- clocks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_capture_time_is_interpolated_at_any_speed(speed: float) -> None:
    """A position inside a chunk has the time between its neighbours."""
    clock = timing.CaptureClock(records(10, speed=speed))
    assert [1 + 2.51 / speed, 1 + 0.01 / speed] == pytest.approx(clock.captured_s([2.51, 0.01]))
    assert speed == pytest.approx(clock.speed)


def test_capture_time_is_not_stretched_over_lost_audio() -> None:
    """Behind audio that the device lost, positions are late by what was lost, right away."""
    clock = timing.CaptureClock(records(10, drop_at_s=5.0))
    assert [1 + 4.99, 1 + 5.01 + 0.5] == pytest.approx(clock.captured_s([4.99, 5.01]))


def test_no_position_has_a_time_outside_the_recording() -> None:
    """Before, behind and where nothing is known there is NaN, not a guess."""
    clock = timing.CaptureClock(records(1))
    assert np.isnan(clock.captured_s([-0.1, 1.2, math.nan])).all()
    assert np.isnan(timing.CaptureClock(records(0)).captured_s([0.0])).all()


def test_a_file_that_is_read_at_once_has_no_latencies() -> None:
    """Words can't arrive before they were spoken; the figures are missing, and say why."""
    table = study(captured=records(10, speed=1000, sent={0: 0.02, 1: 0.02}))
    latencies = ["first_partial_ms", "ttfs_ms", "eot_latency_ms", "endpoint_wait_ms"]
    assert table[latencies].isna().all(axis=None)
    assert table["missing"].str.contains("faster than spoken").all()
    assert 1500 == pytest.approx(table["duration_ms"][0])


def test_audio_that_was_caught_up_is_told_from_a_slow_service() -> None:
    """What was sent seconds after it was spoken has its delay beside its latency."""
    late = study(captured=records(10, sent={0: 0.25, 1: 0.02}))
    assert 250 == pytest.approx(late["send_delay_ms"][0])
    assert 300 == pytest.approx(late["eot_latency_ms"][0])


# -- endpointing -----------------------------------------------------------------------------


def ended(at_s: float, *before: ev.Entry, **options: Any) -> pd.Series:
    """The left turn, which ends at 3.5 s of the session, made final at `at_s`."""
    entries = [*ENTRIES[:8], *before, ev.Entry(at_s, 0, message(0, LEFT, final=True))]
    return study(entries, service=SERVICE | {"options": options}).iloc[0]


def test_the_wait_is_the_setting_that_was_reached() -> None:
    """A short latency means min_turn_silence, a long one max_turn_silence."""
    row = ended(3.8)
    assert (row.endpoint_wait_ms, row.endpoint_source) == (128, "min_turn_silence")
    row = ended(5.0)
    assert (row.endpoint_wait_ms, row.endpoint_source) == (1280, "max_turn_silence")
    assert 220 == pytest.approx(row.delivery_ms)
    row = ended(3.8, min_turn_silence=200)
    assert row.endpoint_wait_ms == 200


def test_an_update_counts_from_when_it_was_sent() -> None:
    """Settings may change in mid-session; a new mode sets both anew."""
    update = ev.Sent(json.dumps({"type": "UpdateConfiguration", "min_turn_silence": 250}))
    assert ended(3.8, ev.Entry(2.0, 0, update)).endpoint_wait_ms == 250
    mode = ev.Sent(json.dumps({"type": "UpdateConfiguration", "mode": "max_accuracy"}))
    row = ended(4.1, ev.Entry(2.0, 0, mode), min_turn_silence=50)
    assert (row.endpoint_wait_ms, row["mode"]) == (512, "max_accuracy")


@pytest.mark.parametrize(
    ("kind", "source"), [("ForceEndpoint", "forced"), ("Terminate", "terminate")]
)
def test_a_turn_that_was_ended_by_command_says_so(kind: str, source: str) -> None:
    """What we ended ourselves did not wait for silence."""
    sent = ev.Entry(3.55, 0, ev.Sent(json.dumps({"type": kind})))
    row = ended(3.8, sent)
    assert row.endpoint_source == source
    assert 50 == pytest.approx(row.endpoint_wait_ms)
    assert 250 == pytest.approx(row.delivery_ms)


def test_a_turn_that_ended_before_any_setting_has_no_wait() -> None:
    """Where the end of the last word is estimated too late, the split is not made up."""
    row = ended(3.56)
    assert math.isnan(row.endpoint_wait_ms)
    assert "sooner" in row.missing


# -- edges -----------------------------------------------------------------------------------


def test_voice_activity_gives_the_edges() -> None:
    """A turn's speech begins and ends with the activity its first and last word lie in."""
    near = np.array([[0.95, 1.45], [1.65, 2.4], [2.8, 3.2]])
    table = study(spans=[near, near], end_source="vad")
    assert list(table["end_s"]) == [2.4, 3.2]
    assert list(table["start_s"]) == [0.95, 2.8]
    assert 400 == pytest.approx(table["ttfs_ms"][0])
    assert list(table["end_source"]) == ["vad", "vad"]


def test_a_word_keeps_its_time_where_nothing_was_heard() -> None:
    """Without activity at the word, or with one that runs into the next turn, the word counts."""
    none = np.empty((0, 2))
    over = np.array([[2.0, 6.0]])
    table = study(spans=[none, over], end_source="vad")
    assert list(table["end_s"]) == [2.5, 6.0]
    assert list(table["end_source"]) == ["asr_word", "vad"]
    left = [e for e in ENTRIES if e.connection == 0]
    more = ev.Entry(6.0, 0, message(1, [("so", 4000, 4200)], final=True))
    merged = np.array([[0.9, 4.3]])
    table = study([*left, more], spans=[merged, merged], end_source="vad")
    assert list(table["end_source"]) == ["asr_word", "vad"]
    assert table["start_s"][1] == 4.0


# -- hand-labelled speech ---------------------------------------------------------------------


def test_rates_and_pauses_agree_with_a_hand_labelled_file() -> None:
    """Words per minute and pauses of a recording are those of its hand-made labels."""
    with open(ROOT / "tests/data/aligned/cold_corpus.csv", encoding="utf-8") as file:
        labels = [(r["word"], float(r["start_s"]), float(r["end_s"])) for r in csv.DictReader(file)]
    words = [(text, round(1000 * start), round(1000 * end)) for text, start, end in labels]
    opened = ev.Entry(0.0, 0, ev.Connected("ws://x", 0))
    row = study([opened, ev.Entry(60.0, 0, message(0, words, final=True))], names=()).iloc[0]
    # Computed from the labels alone, another way: by walking through them.
    pauses, last_end = [], labels[0][2]
    for _, start, end in labels[1:]:
        if start - last_end >= 0.2:
            pauses.append(start - last_end)
        last_end = end
    talk_s = labels[-1][2] - labels[0][1]
    assert len(pauses) > 2
    assert (row.n_words, row.n_pauses) == (len(labels), len(pauses))
    assert 1000 * sum(pauses) == pytest.approx(row.pause_ms, abs=2 * len(pauses))
    assert 60 * len(labels) / talk_s == pytest.approx(row.speech_rate_wpm, rel=1e-3)
    rate = 60 * len(labels) / (talk_s - sum(pauses))
    assert rate == pytest.approx(row.articulation_rate_wpm, rel=1e-3)


# -- summaries -------------------------------------------------------------------------------


def test_a_summary_gives_no_percentile_that_n_does_not_support() -> None:
    """With 15 turns p90 is known and p95 is not."""
    table = pd.DataFrame({"ttfs_ms": np.arange(15.0)})
    row = timing.summary(table).loc["ttfs_ms"]
    assert (row["n"], row["p50"]) == (15, 7)
    assert row[["p90", "p90_low", "p90_high"]].notna().all()
    assert row[["p95", "p95_low", "p95_high", "p99"]].isna().all()
    assert row["p50_low"] < row["p50"] < row["p50_high"]


@pytest.mark.parametrize(("q", "n"), [(50, 2), (90, 10), (95, 20), (99, 100)])
def test_a_percentile_needs_its_share_of_values(q: int, n: int) -> None:
    """p95 needs twenty values: one of them lies beyond it."""
    assert math.isnan(timing.percentile(np.arange(n - 1.0), q))
    assert not math.isnan(timing.percentile(np.arange(float(n)), q))


def test_a_bootstrap_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Of 200 samples of one distribution, some 95 % have its median within their interval."""
    rng = np.random.default_rng(1)
    samples = [pd.DataFrame({"ttfs_ms": rng.exponential(100, 40)}) for _ in range(200)]
    truth = 100 * math.log(2)
    rows = [timing.summary(sample).loc["ttfs_ms"] for sample in samples]
    covered = np.mean([row["p50_low"] <= truth <= row["p50_high"] for row in rows])
    assert 0.88 <= covered <= 0.99


def test_a_summary_groups_sessions_and_leaves_its_input_alone() -> None:
    """Many tables at once, by any column; NaN is left out and counted out."""
    one = pd.DataFrame({"ttfs_ms": [1.0, 3.0, math.nan], "model": ["a", "a", "b"]})
    before = one.copy()
    found = timing.summary({"x": one, "y": one + one[["ttfs_ms"]]}, by=["session", "model"])
    assert found.loc[("x", "a", "ttfs_ms"), ["n", "p50"]].tolist() == [2, 2.0]
    assert found.loc[("x", "b", "ttfs_ms"), "n"] == 0
    pd.testing.assert_frame_equal(one, before)
    assert found.index.names == ["session", "model", "figure"]


def test_what_can_not_be_summarised_is_an_error_with_the_choices() -> None:
    """A misspelled column, or no session at all."""
    with pytest.raises(ParameterError, match="modle") as caught:
        timing.summary(pd.DataFrame({"ttfs_ms": [1.0]}), by="modle")
    assert "ttfs_ms" in caught.value.hint
    with pytest.raises(ParameterError, match="no session"):
        timing.summary([])


def test_the_accessor_works_on_any_table() -> None:
    """Floor transfers of a table that is not ours; the table stays as it is."""
    table = pd.DataFrame(
        {"start_s": [0.0, 1.5], "end_s": [1.0, 2.0], "who": ["A", "B"]}, index=[7, 8]
    )
    before = table.copy()
    fto_ms = table.nbstream.floor_transfers("who")
    assert fto_ms.isna()[7]
    assert 500 == pytest.approx(fto_ms[8])
    pd.testing.assert_frame_equal(table, before)
    with pytest.raises(ParameterError, match="speaker"):
        table.nbstream.floor_transfers()
    assert study().nbstream.definitions().index[0] == "duration_ms"
    assert study().nbstream.summary(by="speaker").loc[("left", "ttfs_ms"), "n"] == 1
