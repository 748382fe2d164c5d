"""Real speech through the real recogniser in its own process, as a person would run it."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

import nbstream as nb
from nbstream import audio
from nbstream.sources import sample
from tests.conftest import ROOT

FACTS = json.loads((ROOT / "nbstream" / "samples" / "sample.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> nb.Session:
    """The packaged sample, as fast as the recogniser takes it."""
    folder = tmp_path_factory.mktemp("recordings")
    with nb.record(nb.Sample(speed=0), "local", folder=folder) as session:
        pass
    return session


def test_a_file_is_in_the_folder_bit_for_bit(session: nb.Session) -> None:
    """`audio.wav` holds the same samples as the source."""
    with wave.open(str(ROOT / "nbstream" / "samples" / "sample.wav")) as file:
        pcm = file.readframes(file.getnframes())
    assert np.array_equal(session.audio(), audio.to_array(pcm))
    with wave.open(str(session.folder / "audio.wav")) as file:
        assert file.readframes(file.getnframes()) == pcm


def test_the_sample_gives_its_turns(session: nb.Session) -> None:
    """As many turns as were spoken, at least five, nearly word for word, none open."""
    import jiwer

    said = [
        " ".join(jiwer.RemovePunctuation()(t).lower().split()) for t in session.turns.transcript
    ]
    spoken = [" ".join(jiwer.RemovePunctuation()(t).lower().split()) for t in FACTS["transcript"]]
    assert len(said) == len(spoken) >= 5
    assert jiwer.wer(spoken, said) <= 0.05
    assert session.turns.is_final.all()
    assert session.gaps.empty
    assert list(session.connections.model) == ["moonshine-tiny-en"]


def test_turns_begin_where_the_speech_begins(session: nb.Session) -> None:
    """Of the turns between known silences, nine of ten start within 150 ms of the speech."""
    spoken = np.array([turn["start_s"] for turn in FACTS["turns"]])
    error_s = np.abs(session.turns.start_s.to_numpy() - spoken)
    assert np.mean(error_s < 0.150) >= 0.9, error_s


def test_words_are_in_their_turns_and_in_order(session: nb.Session) -> None:
    """Word times grow, lie in their turn, and no word is longer than speech can be."""
    words = session.words
    assert words.start_s.is_monotonic_increasing
    assert ((words.end_s - words.start_s) > 0).all()
    assert words.confidence.between(0, 1).all()
    assert words.is_final.all()
    assert words.groupby("turn_order").size().tolist() == session.turns.n_words.tolist()


def test_the_transcript_is_alike_on_every_run(session: nb.Session, tmp_path: Path) -> None:
    """A second run, in other pieces, gives the same words at the same times."""
    with nb.record(nb.Sample(speed=20), nb.Local(), folder=tmp_path) as again:
        pass
    assert again.transcript == session.transcript
    columns = ["turn_order", "text", "start_s", "end_s", "confidence"]
    assert again.words[columns].equals(session.words[columns])


def test_endpointing_parameters_shape_the_turns(tmp_path: Path) -> None:
    """Silence rules longer than the sample's pauses make fewer turns of the same words."""
    patient = nb.Local(min_turn_silence=5000, max_turn_silence=8000)
    with nb.record(nb.Sample(speed=0), patient, folder=tmp_path) as session:
        pass
    assert len(session.turns) == 1
    assert session.turns.n_words[0] > 50


def test_two_sessions_at_once(tmp_path: Path) -> None:
    """Two recordings share the recogniser's process and come out alike."""
    services = [nb.Local(), nb.Local()]
    sessions = [
        nb.record(nb.Sample(speed=0), service, folder=tmp_path, seconds=8) for service in services
    ]
    assert all(session.wait(120) for session in sessions)
    assert sessions[0].folder != sessions[1].folder
    assert sessions[0].transcript == sessions[1].transcript != ""


def test_the_sample_is_described(session: nb.Session) -> None:
    """The sample's transcript comes with it."""
    assert sample.Sample().transcript == FACTS["transcript"]
    assert 20 <= session.duration_s <= 40
