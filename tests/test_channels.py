"""Recordings whose channels are kept apart: a connection each, one timeline, one folder."""

from __future__ import annotations

import json
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nbstream as nb
from nbstream import audio, tables
from nbstream import events as ev
from nbstream.engine.context import Context
from nbstream.store import Folder
from tests import talking
from tests.endings import WatchedServer
from tests.fakes import Given, noise
from tests.proxy import Proxy
from tests.scripted import Peer, Script, ScriptedServer, hello, turn
from tests.test_faults import reading, said, speech

SPEAKERS = ("agent", "caller")
LEFT, RIGHT = noise(2, seed=1), noise(2, seed=2)
DEADLINE_S = 20

Serve = Callable[[Script], ScriptedServer]


def paired(*channels: bytes) -> bytes:
    """Channels side by side, as long as the longest."""
    samples = [audio.to_array(pcm) for pcm in channels]
    longest = max(map(len, samples))
    return np.stack([np.pad(s, (0, longest - len(s))) for s in samples], axis=1).tobytes()


PAIR = paired(LEFT, RIGHT)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that end with the test, and know how their connections ended."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(WatchedServer(script).running())


def service(server: ScriptedServer | Proxy) -> nb.AssemblyAI:
    return nb.AssemblyAI(endpoint=server.url, api_key="k")


def channels_of(session: nb.Session) -> dict[int, int | None]:
    """Number of each connection -> the channel it heard."""
    return {
        entry.connection: entry.event.channel
        for entry in session.data.entries
        if entry.connection is not None and isinstance(entry.event, ev.Connected)
    }


def heard(session: nb.Session, server: ScriptedServer) -> dict[int | None, bytes]:
    """Channel -> what the server heard of it, on its first connection."""
    ids = session.connections.set_index("connection")["id"].str.removeprefix("id-")
    found: dict[int | None, bytes] = {}
    for number, channel in channels_of(session).items():
        found.setdefault(channel, bytes(server.peers[int(ids[number])].audio))
    return found


def words_by_channel(session: nb.Session) -> dict[int, pd.DataFrame]:
    words = session.words
    channel = words["connection"].map(channels_of(session))
    return {k: words[channel == k] for k in range(len(session.speakers))}


def test_each_channel_is_heard_by_its_own_connection(serve: Serve, tmp_path: Path) -> None:
    """Bit for bit, on one timeline; the folder holds both, and says who is on which."""
    server = serve(hello)
    with nb.record(Given(PAIR, speakers=SPEAKERS), service(server), folder=tmp_path) as session:
        pass
    assert {0, 1} == set(channels_of(session).values())
    assert {0: LEFT, 1: RIGHT} == heard(session, server)
    assert [True, True] == server.terminated
    assert ["Hello there."] * 2 == list(session.turns.transcript)
    assert set(SPEAKERS) == set(session.turns.speaker)
    assert (SPEAKERS, 2.0, "stopped") == (session.speakers, session.duration_s, session.state)
    assert ["connecting", "recording", "draining", "stopped"] == [
        entry.event.state
        for entry in session.data.entries
        if isinstance(entry.event, ev.StateChanged)
    ]
    assert session.gaps.empty
    assert session.connections.is_clean.all()
    assert [800] * 40 == list(session.chunks.n_frames)
    assert session.chunks.sent_s.notna().all()
    assert session.meta["billed_s"] == pytest.approx(
        (session.connections.ended_s - session.connections.connected_s).sum(), abs=0.1
    )
    with wave.open(str(session.folder / "audio.wav")) as file:
        assert (2, 32_000) == (file.getnchannels(), file.getnframes())
        assert PAIR == file.readframes(32_000)


def test_a_session_reads_the_same_live_and_reopened(serve: Serve, tmp_path: Path) -> None:
    """Tables, sound and peaks made while it was held and from the folder are equal."""
    source = Given(PAIR, speakers=SPEAKERS)
    with nb.record(source, service(serve(hello)), folder=tmp_path) as session:
        pass
    again = nb.open(session.folder)
    for table in ("turns", "words", "events", "gaps", "chunks", "connections"):
        assert getattr(session, table).equals(getattr(again, table)), table
    assert session.speakers == again.speakers
    assert np.array_equal(session.audio(), again.audio())
    assert np.array_equal(session.peaks(), again.peaks())


@pytest.fixture
def pair(tmp_path: Path) -> nb.Session:
    """Two channels on disk, which nobody transcribed."""
    folder = Folder.create(tmp_path, "", {"speakers": list(SPEAKERS), "service": {"name": "local"}})
    folder.append_audio(PAIR[:20_000], 0.3)
    folder.append_audio(PAIR[20_000:], 2.0)
    folder.close()
    return nb.open(folder.path)


def test_sound_is_of_all_channels_or_of_one(pair: nb.Session) -> None:
    """Frames by channels, or one channel's frames."""
    left, right = audio.to_array(LEFT), audio.to_array(RIGHT)
    assert np.array_equal(np.stack([left, right], axis=1), pair.audio())
    assert np.array_equal(left, pair.audio(channel=0))
    assert np.array_equal(right[8000:16_000], pair.audio(0.5, 1.0, channel=1))
    assert (0, 2) == pair.audio(5, 9).shape
    for channel in (2, -1):
        with pytest.raises(nb.ParameterError, match="is not there: the recording has 2"):
            pair.audio(channel=channel)


def test_peaks_are_across_channels_or_of_one(pair: nb.Session) -> None:
    """The lowest and the highest of both, unless one is asked for."""
    left, right = (audio.min_max(audio.to_array(pcm), 160) for pcm in (LEFT, RIGHT))
    both = [np.minimum(left[:, 0], right[:, 0]), np.maximum(left[:, 1], right[:, 1])]
    assert np.array_equal(np.stack(both, axis=1), pair.peaks())
    assert np.array_equal(left, pair.peaks(channel=0))
    last, first = pair.recent_peaks(7, channel=1)
    assert (193, right[-7:].tolist()) == (first, last.tolist())
    with pytest.raises(nb.ParameterError, match="channel 2"):
        pair.peaks(channel=2)


def test_peaks_of_a_recording_that_grows_are_those_of_the_whole() -> None:
    """Whatever the pieces it comes in, frame by frame."""
    peaks = audio.Peaks(n_channels=2)
    for start, end in ((0, 4), (4, 1204), (1204, 20_000)):
        peaks.add(PAIR[start:end])
    samples = audio.to_array(PAIR[:20_000], 2)
    for channel in (0, 1):
        expected = audio.min_max(samples[:, channel], 160)
        assert np.array_equal(expected, peaks.tail(len(peaks), channel))


def test_commands_reach_every_channel(serve: Serve, tmp_path: Path) -> None:
    """update, force_endpoint and keep_alive, in order, and each an event of its connection."""
    server = serve(hello)
    source = Given(PAIR, live=True, speakers=SPEAKERS)
    with nb.record(source, service(server), folder=tmp_path) as session:
        session.update(min_turn_silence=800)
        session.force_endpoint()
        session.keep_alive()
    kinds = ["UpdateConfiguration", "ForceEndpoint", "KeepAlive", "Terminate"]
    assert [kinds, kinds] == [[text["type"] for text in peer.texts] for peer in server.peers]
    sent = session.events[session.events.type == "Sent"]
    assert [4, 4] == sent.groupby("connection").size().tolist()


def test_commands_do_not_wait_for_a_channel_that_is_down(serve: Serve, tmp_path: Path) -> None:
    """They reach the other one at once; what was updated reaches this one when it is back."""
    may_return = threading.Event()

    def script(peer: Peer) -> None:
        assert peer.number < 2 or may_return.wait(DEADLINE_S)
        peer.begin()
        if peer.number == 1:
            peer.listen(seconds=1)
            peer.ws.socket.close()
            return
        peer.listen()
        peer.finish()

    server = serve(script)
    source = Given(PAIR, live=True, speakers=SPEAKERS)
    with nb.record(source, service(server), folder=tmp_path) as session:
        assert any(event.state == "reconnecting" for event in session.follow("state_changed"))
        session.update(min_turn_silence=800)
        may_return.set()
        with session.data.changed:
            assert session.data.changed.wait_for(lambda: session.state == "recording", DEADLINE_S)
    told = [[text["type"] for text in peer.texts] for peer in server.peers]
    assert [["UpdateConfiguration", "Terminate"], [], ["UpdateConfiguration", "Terminate"]] == told
    assert "800" == str(server.peers[2].texts[0]["min_turn_silence"])
    assert session.gaps.empty


def test_a_channel_that_drops_holds_up_no_other(serve: Serve, tmp_path: Path) -> None:
    """The other one is heard to its end before it is back; then nothing is missing of either."""
    has_ended = threading.Event()  # one channel has been transcribed whole

    def at_open(peer: Peer) -> None:
        assert peer.number < 2 or has_ended.wait(DEADLINE_S)

    server = serve(reading(at_open=at_open, at_end=lambda peer, reader: has_ended.set()))
    left = speech(4)
    right = (audio.to_array(left) + 1000 * (audio.to_array(left) > 0)).astype("<i2").tobytes()
    source = Given(paired(left, right), speakers=SPEAKERS)
    with Proxy(server.url, {1: (7.0, "reset")}) as proxy:
        with nb.record(source, service(proxy), folder=tmp_path) as session:
            pass
        assert 0 == proxy.n_left_open()
    words = words_by_channel(session)
    assert said(4) == list(words[0].text)
    assert [f"w{int(word[1:]) + 1000}" for word in said(4)] == list(words[1].text)
    for heard_words in words.values():
        assert heard_words.start_s.tolist() == words[0].start_s.tolist()
    assert 3 == len(session.connections)
    assert session.gaps.empty
    assert "reconnecting" in set(session.events.text)
    assert "stopped" == session.state


def test_the_view_shows_the_channel_that_is_worst_off(tmp_path: Path) -> None:
    """How far behind the slowest is, and when the next attempt to reconnect is due."""
    folder = Folder.create(tmp_path, "", {"speakers": ["a", "b", "c"]})
    folder.append_audio(paired(LEFT, RIGHT, LEFT), 0.0)
    used = nb.AssemblyAI(endpoint="ws://127.0.0.1:9", api_key="k")
    context = Context(folder, used, nb.open(folder.path), 0.0)
    for live, sent_frame, retry_at_s in zip(
        context.live, (32_000, 8000, 16_000), (None, 7.0, 5.0), strict=True
    ):
        live.sent_frame, live.retry_at_s = sent_frame, retry_at_s
    assert (1.5, 5.0) == (context.behind_s(), context.retry_at_s())
    assert ["a: ", "b: ", "c: ", ""] == [context.who(k) for k in (0, 1, 2, None)]
    folder.close()


@pytest.mark.parametrize("n_good", [0, 1])
def test_a_channel_that_is_refused_fails_the_start(
    serve: Serve, tmp_path: Path, n_good: int
) -> None:
    """What the service said is raised; the channel that was accepted says Terminate."""

    def script(peer: Peer) -> None:
        if peer.number < n_good:
            hello(peer)
            return
        source.all_read.wait(DEADLINE_S)
        peer.say(type="Error", error_code=1008, error="Too many concurrent sessions")
        peer.ws.close(1008, "See Error message for details")

    source, server = Given(PAIR, live=True, speakers=SPEAKERS), serve(script)
    with pytest.raises(nb.ServerError, match="Too many concurrent sessions"):
        nb.record(source, service(server), folder=tmp_path)
    assert server.all_ended(at_least=2)
    assert n_good == sum(server.terminated)
    assert not [t for t in threading.enumerate() if t.name.startswith("nbstream-receive")]
    (path,) = tmp_path.iterdir()
    session = nb.open(path)
    assert "failed" == session.state
    assert "recording" not in set(session.events.text)
    assert [2.0] * (2 - n_good) == list(session.gaps.end_s)


@pytest.fixture
def broken(serve: Serve, tmp_path: Path) -> nb.Session:
    """A session of 2 s: one channel was transcribed, of the other one only the first word."""
    source = Given(PAIR, speakers=SPEAKERS)

    def script(peer: Peer) -> None:
        if peer.number == 0:
            hello(peer)
            return
        peer.begin()
        peer.listen(seconds=1)
        peer.say(**turn(0, "one", final=True))
        source.all_read.wait(10)
        peer.say(type="Error", error_code=3006, error="Invalid Message")
        peer.ws.close(3006, "See Error message for details")

    with (
        pytest.raises(nb.ServerError, match="Invalid Message"),
        nb.record(source, service(serve(script)), folder=tmp_path) as session,
    ):
        session.wait(20)
    (path,) = tmp_path.iterdir()
    return nb.open(path)


def test_the_gap_of_one_channel_is_filled_on_that_channel(broken: nb.Session, serve: Serve) -> None:
    """The other one has no gap, and nobody hears it again."""
    (gap,) = broken.gaps.itertuples()
    assert (pytest.approx(0.18), 2.0, "gap") == (gap.start_s, gap.end_s, gap.kind)
    assert "Invalid Message" in gap.cause
    server = serve(hello)
    assert pytest.approx(1.82) == broken.fill_gaps(service(server))
    (start_s,) = broken.connections.start_s[2:]
    expected = broken.audio(start_s, channel=gap.channel).tobytes()
    assert [expected] == [bytes(peer.audio)[: len(expected)] for peer in server.peers]
    assert {gap.channel: 2} == {
        channel: n for channel, n in pd.Series(channels_of(broken)).value_counts().items() if n > 1
    }
    assert broken.gaps.empty
    assert nb.open(broken.folder).gaps.empty


def test_what_was_killed_is_one_gap_a_channel(pair: nb.Session, serve: Serve) -> None:
    """Mended, then transcribed: each channel on a connection of its own."""
    with open(pair.folder / "audio.wav", "ab") as file:
        file.write(b"abc")
    assert 3 == nb.recover(pair.folder).torn_bytes
    session = nb.open(pair.folder)
    spans = session.gaps[["start_s", "end_s", "channel"]].to_numpy().tolist()
    assert [[0.0, 2.0, 0], [0.0, 2.0, 1]] == spans
    server = serve(hello)
    assert 4.0 == session.fill_gaps(service(server))
    assert {0: LEFT, 1: RIGHT} == heard(session, server)
    assert session.gaps.empty
    assert set(SPEAKERS) == set(session.turns.speaker)


def test_a_gap_has_the_cause_of_its_own_channel() -> None:
    """Though both were missed at the same time."""
    told = [ev.Gap(0, 100, "no network", 0), ev.Gap(0, 100, "refused", 1)]
    entries = [ev.Entry(1.0, None, gap) for gap in told]
    table = tables.gaps(entries, [(0, 100, 0), (50, 100, 1), (0, 9, 2)])
    assert [0, 2, 1] == list(table.channel)
    expected = ["no network", "the recording was interrupted", "refused"]
    assert expected == list(table.cause)


def test_a_name_for_one_channel_is_kept(serve: Serve, tmp_path: Path) -> None:
    """One channel with a name is recorded as any other one channel is."""
    server = serve(hello)
    source = Given(LEFT, speakers=("lecturer",))
    with nb.record(source, service(server), folder=tmp_path) as session:
        pass
    assert (("lecturer",), (32_000,)) == (session.speakers, session.audio().shape)
    assert {0: None} == channels_of(session)
    assert 1 == json.loads((session.folder / "session.json").read_text())["channels"]


def test_two_people_who_speak_at_once_are_both_understood(tmp_path: Path) -> None:
    """The recogniser hears each on a connection of its own, from a file of two channels."""
    left = talking.silence(0.3) + talking.mary() + talking.silence(0.8)
    right = talking.silence(0.7) + talking.bobby() + talking.silence(1.1)
    path = tmp_path / "call.wav"
    pcm = paired(left, right)
    path.write_bytes(audio.wav_header(len(pcm) // 4, n_channels=2) + pcm)
    source = nb.AudioFile(path, speed=0, speakers=SPEAKERS)
    with nb.record(source, "local", folder=tmp_path / "out") as session:
        pass
    for channel, spoken in enumerate((left, right)):
        samples = audio.to_array(spoken)
        assert np.array_equal(samples, session.audio(channel=channel)[: len(samples)])
    words = words_by_channel(session)
    for channel, name, after_s in ((0, "mary", 0.3), (1, "bobby", 0.7)):
        truth = pd.read_csv(talking._ALIGNED / f"{name}.csv")
        found = words[channel]
        assert list(truth.word) == list(found.text.str.lower().str.strip(".,"))
        error_s = found.start_s.to_numpy() - (truth.start_s.to_numpy() + after_s)
        assert np.abs(error_s).max() < 0.25, error_s
        assert {SPEAKERS[channel]} == set(found.speaker)
    assert session.gaps.empty
