"""`Session`: sound, peaks, pictures and messages of a reopened recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import nbstream as nb
from nbstream import audio, protocol
from nbstream import events as ev
from nbstream.errors import ParameterError, StateError, StoreError
from nbstream.session import event_kind
from nbstream.store import Folder
from tests.fakes import noise
from tests.scripted import turn

PCM = noise(2)


@pytest.fixture
def session(tmp_path: Path) -> nb.Session:
    """Two seconds with a final and an open turn."""
    import json

    folder = Folder.create(tmp_path, "talk", {})
    folder.append_audio(PCM, 2.0)
    folder.append_event(ev.Connected("ws://x", 0), 0.1, 0)
    for message in (turn(0, "Good day.", final=True), turn(1, "how are", start_ms=1000)):
        folder.append_event(protocol.decode(json.dumps(message)), 1.5, 0)
    folder.update(state="stopped")
    folder.close()
    return nb.open(folder.path)


def test_audio_is_the_span_asked_for(session: nb.Session) -> None:
    """Half open, in seconds; what lies outside the recording is left out."""
    samples = audio.to_array(PCM)
    assert np.array_equal(session.audio(), samples)
    assert np.array_equal(session.audio(0.5, 1.0), samples[8000:16_000])
    assert np.array_equal(session.audio(1.5, 99), samples[24_000:])
    assert session.audio(5, 9).shape == (0,)
    assert session.audio(-1, 0.1).shape == (1600,)


def test_peaks_are_those_of_the_whole_recording(session: nb.Session) -> None:
    """One column each 10 ms, the last of them on request."""
    expected = audio.min_max(audio.to_array(PCM), 160)
    assert np.array_equal(session.peaks(), expected)
    last, first = session.recent_peaks(7)
    assert first == len(expected) - 7
    assert np.array_equal(last, expected[-7:])


def test_the_transcript_holds_final_turns_only(session: nb.Session) -> None:
    """An open turn may still change, so it is in the table but not in the transcript."""
    assert session.transcript == "Good day."
    assert len(session.turns) == 2


def test_the_repr_is_a_dashboard(session: nb.Session) -> None:
    """State, length, rate, turns and folder at a glance."""
    shown = repr(session)
    assert "STOPPED 0:02 | 16000 Hz | 1 turns, 1 partial" in shown
    assert session.folder.name in shown
    assert session.name == "talk"


def test_plot_draws_into_the_axes_it_is_given(session: nb.Session) -> None:
    """Axes in, the same Axes out, with units on the axes and one span a turn."""
    ax = Figure().add_subplot()
    assert session.plot(ax, start_s=0, end_s=1.5) is ax
    assert ax.get_xlim() == (0, 1.5)
    assert "(s)" in ax.get_xlabel()
    assert [text.get_text().strip() for text in ax.texts] == ["0", "1"]


def test_a_session_that_is_over_takes_no_commands(session: nb.Session) -> None:
    """Commands and handlers say that nothing records; stop and wait have nothing to do."""
    for command in (session.force_endpoint, session.keep_alive):
        with pytest.raises(StateError, match="only a recording one"):
            command()
    with pytest.raises(StateError, match="follow"):
        session.on("turn", print)
    session.stop()
    assert session.wait()


def test_follow_replays_an_opened_session(session: nb.Session) -> None:
    """The same loop works on a recording that has ended, and then ends."""
    assert [event.transcript for event in session.follow("turn")] == ["Good day.", "how are"]
    assert len(list(session.follow())) == 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("turn", ev.Turn),
        ("Turn", ev.Turn),
        ("speech_started", ev.SpeechStarted),
        ("SpeechStarted", ev.SpeechStarted),
        ("error", ev.ServerFault),
        ("warning", ev.ServerWarning),
        ("llm_gateway_response", ev.LLMGatewayResponse),
        ("gap", ev.Gap),
    ],
)
def test_events_have_the_names_of_the_wire(name: str, kind: type) -> None:
    """Names as on the wire, or in Python's way of writing them."""
    assert event_kind(name) is kind


def test_a_misspelled_event_is_never_silent() -> None:
    """It raises and lists the names there are."""
    with pytest.raises(ParameterError, match="speechstarted"):
        event_kind("speech_begun")


def test_opening_what_is_no_session_says_what_to_give(tmp_path: Path) -> None:
    """One sentence with what to do."""
    with pytest.raises(StoreError, match=r"Give the folder that a recording made"):
        nb.open(tmp_path / "nothing")
