"""The recogniser's stream, with the real model on real speech."""

from __future__ import annotations

import json
import re
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile

from nbstream.local.endpoint import SILENCE_FLOOR_MS
from nbstream.local.model import Model
from nbstream.local.recogniser import (
    Event,
    SpeechOnset,
    Stream,
    TurnUpdate,
)

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "nbstream" / "samples"
ALIGNED = ROOT / "tests" / "data" / "aligned"
MS = 16  # frames

ABOUT = json.loads((SAMPLES / "sample.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load()


def sample(start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    """Part of the packaged sample, int16."""
    with wave.open(str(SAMPLES / "sample.wav")) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return pcm[int(start_s * 16_000) : None if end_s is None else int(end_s * 16_000)]


def aligned(name: str) -> np.ndarray:
    return np.asarray(soundfile.read(ALIGNED / f"{name}.flac", dtype="int16")[0])


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * 16_000), np.int16)


def join(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts)


def hear(
    model: Model, pcm: np.ndarray, *, piece_frames: int = 800, **options: Any
) -> list[tuple[int, Event]]:
    """Every event and the position in the audio, ms, at which it came."""
    stream = Stream(model, **options)
    heard: list[tuple[int, Event]] = []
    for at in range(0, len(pcm), piece_frames):
        events = stream.feed(pcm[at : at + piece_frames])
        heard += [(stream.audio_ms, event) for event in events]
    return heard + [(stream.audio_ms, event) for event in stream.finish()]


def finals(heard: list[tuple[int, Event]]) -> list[tuple[int, TurnUpdate]]:
    return [(at, e) for at, e in heard if isinstance(e, TurnUpdate) and e.end_of_turn]


def partials(heard: list[tuple[int, Event]]) -> list[tuple[int, TurnUpdate]]:
    return [(at, e) for at, e in heard if isinstance(e, TurnUpdate) and not e.end_of_turn]


def texts(heard: list[tuple[int, Event]]) -> list[str]:
    return [turn.transcript for _, turn in finals(heard)]


def plain(text: str) -> str:
    return re.sub(r"[^a-z ]", "", text.lower().replace("mr.", "mr").replace("-", " "))


@pytest.fixture(scope="module")
def sample_heard(model: Model) -> list[tuple[int, Event]]:
    return hear(model, sample())


def test_the_sample_is_heard_right(sample_heard: list[tuple[int, Event]]) -> None:
    """Under default settings the packaged sample gives its six turns, nearly every word right."""
    expected = [plain(text) for text in ABOUT["transcript"]]
    heard = [plain(text) for text in texts(sample_heard)]

    assert 6 == len(expected) == len(heard)
    assert jiwer.wer(expected, heard) <= 0.02, heard


def test_turns_start_where_the_speech_does(sample_heard: list[tuple[int, Event]]) -> None:
    """Nine of ten turns start within 150 ms of where they were placed between silences."""
    placed_ms = [1000 * turn["start_s"] for turn in ABOUT["turns"]]
    heard_ms = [turn.words[0].start_ms for _, turn in finals(sample_heard)]
    errors_ms = np.abs(np.subtract(heard_ms, placed_ms))

    assert np.quantile(errors_ms, 0.9) < 150, errors_ms


def test_turns_end_where_the_speech_does(sample_heard: list[tuple[int, Event]]) -> None:
    """The last word of a turn does not reach far into the silence behind it."""
    placed_ms = [1000 * turn["end_s"] for turn in ABOUT["turns"]]
    heard_ms = [turn.words[-1].end_ms for _, turn in finals(sample_heard)]

    assert max(np.subtract(heard_ms, placed_ms)) < 250


def test_a_breath_before_a_turn_is_not_its_first_word(model: Model) -> None:
    """The first word starts where the voice does, though the speaker is heard before."""
    ((_, turn),) = finals(hear(model, aligned("acoustic_corpus")[: int(3.5 * 16_000)]))

    assert "This" == turn.words[0].text
    assert 1_050 == pytest.approx(turn.words[0].start_ms, abs=100)


def test_words_are_in_order_and_inside_the_audio(sample_heard: list[tuple[int, Event]]) -> None:
    """In every update words follow each other, none ends in the future, none is nothing."""
    for at_ms, event in sample_heard:
        if not isinstance(event, TurnUpdate):
            continue
        assert event.transcript == " ".join(word.text for word in event.words)
        edges = [edge for word in event.words for edge in (word.start_ms, word.end_ms)]
        assert edges == sorted(edges)
        assert edges[-1] <= at_ms
        assert all(0 < word.confidence <= 1 for word in event.words)


def test_word_starts_agree_with_hand_labels(model: Model) -> None:
    """Word starts are within 60 ms of labels made by hand, in the median."""
    errors_ms: list[float] = []
    for name in ("mary", "bobby", "acoustic_corpus"):
        rows = (ALIGNED / f"{name}.csv").read_text(encoding="utf-8").splitlines()[1:]
        labels = [row.split(",") for row in rows][:20]
        pcm = aligned(name)[: int(16_000 * (float(labels[-1][2]) + 0.5))]
        words = [w for _, turn in finals(hear(model, pcm, partials=False)) for w in turn.words]
        for word in words:
            starts = [1000 * float(s) for said, s, _ in labels if said == plain(word.text)]
            if starts:
                errors_ms.append(min(abs(word.start_ms - start) for start in starts))

    assert len(errors_ms) >= 15
    assert np.median(errors_ms) <= 60, errors_ms


@pytest.mark.parametrize("piece_frames", [160, 3_777, 10**6])
def test_the_size_of_the_pieces_changes_nothing(model: Model, piece_frames: int) -> None:
    """The same audio gives the same events to the last digit however it is cut."""
    pcm = sample(15.0, 23.0)
    expected = [event for _, event in hear(model, pcm)]

    assert len(expected) > 8
    assert expected == [event for _, event in hear(model, pcm, piece_frames=piece_frames)]


def test_streams_that_share_a_model_do_not_disturb_each_other(model: Model) -> None:
    """Three streams decoded at once on three threads hear what each hears alone."""
    several = [sample(15.0, 23.0), sample(22.0, 28.0), join(aligned("mary"), silence(1.5))]
    expected = [hear(model, pcm) for pcm in several]

    with ThreadPoolExecutor(3) as pool:
        assert expected == list(pool.map(lambda pcm: hear(model, pcm), several))


def test_partials_do_not_touch_finals(model: Model) -> None:
    """Finals are the same, words, times and confidence, with partials and without."""
    pcm = sample(8.0, 19.5)
    without = hear(model, pcm, partials=False)

    assert [] == partials(without)
    assert finals(hear(model, pcm)) == finals(without)


def test_an_onset_comes_once_right_before_the_first_update(
    sample_heard: list[tuple[int, Event]],
) -> None:
    """Each turn is an onset, then its updates, the last of them final; nothing between turns."""
    kinds = "".join(
        "s" if isinstance(event, SpeechOnset) else "F" if event.end_of_turn else "p"
        for _, event in sample_heard
    )

    assert re.fullmatch(r"(sp+F){6}", kinds), kinds


def test_partials_come_soon_and_often(sample_heard: list[tuple[int, Event]]) -> None:
    """The first text of a turn comes within a second, and then at least one more a second."""
    at_before_ms = 0
    for at_ms, event in sample_heard:
        if isinstance(event, SpeechOnset):
            assert at_ms - event.start_ms < 1_000
        elif event.end_of_turn:
            continue
        else:
            words_ms = event.words[-1].end_ms - event.words[0].start_ms
            assert words_ms < 1_000 or at_ms - at_before_ms < 1_100
        at_before_ms = at_ms


def test_interruption_delay_moves_the_first_partial(model: Model) -> None:
    """A shorter interruption delay shows text sooner."""
    pcm = sample(0.3, 4.0)
    first_ms = [
        next(at for at, _ in hear(model, pcm, piece_frames=160, interruption_delay_ms=delay_ms))
        for delay_ms in (0, 1_000)
    ]

    assert first_ms[1] - first_ms[0] >= 500


def test_silence_settings_merge_and_split(model: Model) -> None:
    """A pause of a second is inside a turn or between two, as min and max silence say."""
    pcm = sample(7.9, 19.5)

    split = hear(model, pcm, min_turn_silence_ms=200, max_turn_silence_ms=500, partials=False)
    merged = hear(model, pcm, min_turn_silence_ms=1_500, max_turn_silence_ms=3_000, partials=False)
    assert 2 == len(finals(split))
    assert 1 == len(finals(merged))
    assert plain(" ".join(texts(split))) == plain(" ".join(texts(merged)))


def test_a_complete_sentence_ends_at_the_shorter_silence(model: Model) -> None:
    """A turn that ends in a full stop waits for min silence; another waits for max."""
    bobby = join(aligned("bobby"), silence(5))
    mary = join(aligned("mary"), silence(5))  # is heard with a comma at the end

    for pcm, mark, least_ms, most_ms in ((bobby, ".", 700, 1_500), (mary, ",", 2_500, 3_500)):
        heard = hear(model, pcm, min_turn_silence_ms=800, max_turn_silence_ms=3_000)
        ((at_ms, turn),) = finals(heard)
        assert turn.transcript.endswith(mark)
        assert least_ms <= at_ms - turn.words[-1].end_ms <= most_ms


def test_no_turn_ends_below_the_floor(model: Model) -> None:
    """However short min and max silence are, a turn ends no sooner than the floor."""
    pcm = join(aligned("bobby"), silence(2))
    ((at_ms, turn),) = finals(hear(model, pcm, min_turn_silence_ms=50, max_turn_silence_ms=50))

    assert at_ms - turn.words[-1].end_ms >= SILENCE_FLOOR_MS


def test_configure_holds_for_the_audio_that_follows(model: Model) -> None:
    """The same pause ends a turn before a change of settings and not after it."""
    stream = Stream(model, partials=False)
    before = stream.feed(sample(7.9, 19.5))
    stream.configure(min_turn_silence_ms=5_000, max_turn_silence_ms=5_000)
    after = stream.feed(sample(7.9, 19.5))

    assert 2 == sum(isinstance(event, TurnUpdate) for event in before)
    assert [] == after
    assert 1 == sum(isinstance(event, TurnUpdate) for event in stream.finish())


def test_force_endpoint_ends_the_turn_in_the_middle(model: Model) -> None:
    """Forced, the open turn ends at once; the speech that goes on is the next turn."""
    stream = Stream(model, partials=False)
    first = [*stream.feed(sample(8.3, 11.5)), *stream.force_endpoint()]
    second = [*stream.feed(sample(11.5, 15.0)), *stream.finish()]

    assert [SpeechOnset, TurnUpdate] == [type(event) for event in first]
    assert [SpeechOnset, TurnUpdate] == [type(event) for event in second]
    assert isinstance(first[1], TurnUpdate)
    assert isinstance(second[1], TurnUpdate)
    assert first[1].transcript.startswith("Had he married a more amiable woman")
    assert "respectable" in second[1].transcript
    assert first[1].words[-1].end_ms <= 3_200 <= second[1].words[0].start_ms
    assert 18 >= len(first[1].words) + len(second[1].words)  # none is heard twice


def test_there_is_nothing_to_end_in_silence(model: Model) -> None:
    """Without an open turn force_endpoint and finish say nothing."""
    stream = Stream(model)

    assert [] == stream.feed(silence(2))
    assert [] == stream.force_endpoint()
    assert [] == stream.finish()
    assert 2_000 == stream.audio_ms
    assert 0 <= stream.speech_probability < 0.1


def test_noise_is_not_speech(model: Model) -> None:
    """White noise, a tone and digital noise give no event."""
    random = np.random.default_rng(0)
    t = np.arange(5 * 16_000) / 16_000
    for pcm in (
        (3_000 * random.normal(size=len(t))).clip(-32_768, 32_767),
        8_000 * np.sin(2 * np.pi * 440 * t),
        random.integers(-2, 3, len(t)),
    ):
        assert [] == hear(model, pcm.astype(np.int16))


def test_a_long_turn_is_kept_together(model: Model) -> None:
    """Speech longer than one decoding is one turn; words of closed segments no longer change."""
    pcm = join(sample(0.7, 7.4), sample(8.7, 14.3), sample(15.4, 18.3))
    heard = hear(model, pcm, min_turn_silence_ms=2_000, max_turn_silence_ms=3_000)
    ((_, turn),) = finals(heard)

    assert (
        plain(" ".join(ABOUT["transcript"][:3])).split()[-6:] == plain(turn.transcript).split()[-6:]
    )
    assert 45 <= len(turn.words) <= 50
    late = [update.words[:15] for at_ms, update in partials(heard) if at_ms > 13_500]
    assert late
    assert {turn.words[:15]} == set(late)


def test_a_turn_is_cut_at_its_longest(model: Model) -> None:
    """max_turn_ms ends a turn in running speech, and no word is lost by it."""
    pcm = join(sample(0.7, 7.4), sample(8.7, 14.3))
    heard = hear(model, pcm, max_turn_ms=5_000, partials=False)

    assert 3 <= len(finals(heard)) <= 5
    assert all(turn.words[-1].end_ms - turn.words[0].start_ms < 5_500 for _, turn in finals(heard))
    said = plain(" ".join(ABOUT["transcript"][:2])).split()
    got = plain(" ".join(texts(heard))).split()
    assert abs(len(said) - len(got)) <= 3


def test_an_unknown_option_is_refused(model: Model) -> None:
    """A misspelt option is an error, at the start and later."""
    with pytest.raises(TypeError, match="min_silence"):
        Stream(model, min_silence=3)
    with pytest.raises(TypeError, match="min_silence"):
        Stream(model).configure(min_silence=3)


def test_repr_says_how_far_the_stream_is(model: Model) -> None:
    """The repr shows the position and whether a turn is open."""
    stream = Stream(model, partials=False)

    assert "<Stream 0.0 s | no turn>" == repr(stream)
    stream.feed(sample(0.6, 2.6))
    assert "<Stream 2.0 s | turn open, 0 words settled>" == repr(stream)
