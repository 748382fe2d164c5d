"""Pause and resume, against a real WebSocket server whose words the test writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

import nbstream as nb
from nbstream.audio import CHUNK_FRAMES, SAMPLE_RATE_HZ, Chunk
from nbstream.engine import Engine, Snapshot, State
from nbstream.errors import StateError
from nbstream.session import Session
from nbstream.timing.clock import CaptureClock
from tests.fakes import Given, noise
from tests.scripted import Peer, Script, ScriptedServer, turn

DEADLINE_S = 20
HEARD = np.frombuffer(noise(60), np.int16)  # by `Room`, from the moment that it was opened
Serve = Callable[[Script], ScriptedServer]


class Room:
    """A microphone in a room where what can be heard at each instant is known."""

    kind, label, live, speed, warning = "mic", "room", True, 1.0, ""

    def __init__(self, heard: np.ndarray = HEARD, speakers: tuple[str, ...] = ()) -> None:
        self.heard, self.speakers = heard, speakers

    def check(self) -> None:
        """Nothing can be wrong."""

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """What is heard, as it is heard."""
        opened_s, n_channels = time.monotonic(), len(self.speakers) or 1
        for first in range(0, len(self.heard), CHUNK_FRAMES):
            captured_s = opened_s + (first + CHUNK_FRAMES) / SAMPLE_RATE_HZ
            stop.wait(max(0.0, captured_s - time.monotonic()))
            if stop.is_set():
                return
            pcm = np.repeat(self.heard[first : first + CHUNK_FRAMES], n_channels).tobytes()
            yield Chunk(pcm, captured_s, n_channels=n_channels)


def hello(peer: Peer) -> None:
    """One final turn, however little is heard."""
    peer.begin()
    peer.listen()
    peer.say(**turn(0, "Hello there.", final=True, start_ms=100))
    peer.finish()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that end with the test."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(ScriptedServer(script).running())


def service(server: ScriptedServer) -> nb.AssemblyAI:
    return nb.AssemblyAI(endpoint=server.url, api_key="canary-key")


def until(session: Session, fits: Callable[[], bool]) -> None:
    """Wait until something holds, looking whenever an event comes and now and then."""
    deadline_s = time.monotonic() + DEADLINE_S
    with session.data.changed:
        while not fits():
            assert time.monotonic() < deadline_s
            session.data.changed.wait(0.02)


def until_recorded(session: Session, seconds: float) -> None:
    until(session, lambda: session.duration_s >= seconds)


def until_hung_up(session: Session, n: int) -> None:
    """Wait until `n` connections have ended."""
    until(session, lambda: int(session.connections.ended_s.notna().sum()) == n)


def states(session: Session) -> list[str]:
    events = session.events
    return list(events.text[events.type == "StateChanged"])


def cuts(session: Session) -> list[tuple[int, int]]:
    """Stretches of `HEARD` that the recording is made of, in frames."""
    audio, found, at = session.audio(), [], 0
    while at < len(audio):
        probe = audio[at : at + 100]
        windows = np.lib.stride_tricks.sliding_window_view(HEARD, len(probe))
        start = int(np.flatnonzero((windows == probe).all(axis=1))[0])
        same = audio[at:] == HEARD[start : start + len(audio) - at]
        n = len(same) if same.all() else int(np.argmin(same))
        found.append((start, start + n))
        at += n
    return found


def test_what_is_said_while_paused_is_not_recorded(serve: Serve, tmp_path: Path) -> None:
    """One timeline: position, rows and turns go on where they stood; nothing of it is on disk."""
    server = serve(hello)
    session = nb.record(Room(), service(server), folder=tmp_path)
    until_recorded(session, 0.8)
    session.pause()
    assert session.state == "paused"
    until_hung_up(session, 1)
    stood_s = session.duration_s
    threading.Event().wait(0.4)
    assert session.duration_s == stood_s
    session.resume()
    until_recorded(session, stood_s + 0.6)
    session.stop()

    before, behind = cuts(session)
    assert before[0] == 0
    assert before[1] == round(stood_s * SAMPLE_RATE_HZ)
    assert behind[0] - before[1] >= 0.4 * SAMPLE_RATE_HZ
    (gap,) = session.gaps.to_dict("records")
    assert (gap["kind"], gap["cause"]) == ("pause", "paused by the person")
    assert gap["start_s"] == gap["end_s"] == stood_s
    assert gap["lost_s"] == pytest.approx((behind[0] - before[1]) / SAMPLE_RATE_HZ, abs=0.12)
    assert list(session.turns.transcript) == ["Hello there."] * 2
    assert session.turns.start_s[1] == pytest.approx(stood_s + 0.1)
    assert nb.open(session.folder).gaps.equals(session.gaps)


def test_a_pause_costs_nothing_and_loses_nothing(serve: Serve, tmp_path: Path) -> None:
    """All before it is sent and terminated, no connection is open in it, the next goes on there."""
    server = serve(hello)
    session = nb.record(Room(), service(server), folder=tmp_path)
    until_recorded(session, 0.5)
    session.pause()
    until_hung_up(session, 1)
    assert server.peers[0].texts[-1]["type"] == "Terminate"
    assert list(session.turns.is_final) == [True]
    assert len(server.peers) == 1
    session.resume()
    until_recorded(session, session.duration_s + 0.5)
    session.stop()

    table = session.connections
    assert list(table.is_clean) == [True, True]
    assert table.start_s[1] == session.gaps.start_s[0]
    sent = b"".join(bytes(peer.audio) for peer in server.peers)
    heard = session.audio().tobytes()
    first = round(table.start_s[1] * SAMPLE_RATE_HZ) * 2
    assert bytes(server.peers[0].audio[:first]) == heard[:first]
    assert bytes(server.peers[1].audio[: len(heard) - first]) == heard[first:]
    assert len(sent) < len(heard) + 2 * 2 * CHUNK_FRAMES  # filled up to whole messages
    assert states(session) == [
        *("connecting", "recording", "paused", "connecting", "recording", "draining", "stopped")
    ]


def test_a_file_goes_on_where_it_was(serve: Serve, tmp_path: Path) -> None:
    """Held, it loses nothing, and nothing of it comes in a burst afterwards."""
    session = nb.record(nb.Sample(speed=8), service(serve(hello)), folder=tmp_path, seconds=8)
    until_recorded(session, 2)
    session.pause()
    until_hung_up(session, 1)
    threading.Event().wait(0.5)
    session.resume()
    session.wait()

    assert session.duration_s == 8
    with nb.record(nb.Sample(speed=0), service(serve(hello)), folder=tmp_path, seconds=8) as whole:
        pass
    assert np.array_equal(session.audio(), whole.audio())
    chunks = session.chunks
    behind = chunks[chunks.frame >= session.gaps.start_s[0] * SAMPLE_RATE_HZ]
    length_s = (len(behind) - 1) * CHUNK_FRAMES / SAMPLE_RATE_HZ / 8
    assert behind.captured_s.iloc[-1] - behind.captured_s.iloc[0] >= 0.9 * length_s


def test_stop_while_paused_ends_it_whole(serve: Serve, tmp_path: Path) -> None:
    """The pause is a row, no connection is opened for nothing, and nothing is missing."""
    for source in (Room(), nb.Sample()):
        server = serve(hello)
        session = nb.record(source, service(server), folder=tmp_path)
        until_recorded(session, 0.5)
        session.pause()
        until_hung_up(session, 1)
        session.stop()
        assert session.state == "stopped"
        assert len(server.peers) == 1
        assert list(session.gaps.kind) == ["pause"]
        assert session.gaps.lost_s[0] > 0
        assert states(session)[-3:] == ["paused", "draining", "stopped"]


def test_resumed_at_once_nothing_is_cut_twice(serve: Serve, tmp_path: Path) -> None:
    """Pauses of no length, one upon the other, leave a recording that is whole."""
    session = nb.record(Room(), service(serve(hello)), folder=tmp_path)
    for n in range(1, 6):
        until_recorded(session, 0.2 * n)
        session.pause()
        session.pause()
        session.resume()
        session.resume()
    session.stop()
    assert session.state == "stopped"
    assert list(session.gaps.kind) == ["pause"] * 5
    assert all(0 <= a[1] < b[0] for a, b in zip(cuts(session), cuts(session)[1:], strict=False))


def test_channels_pause_together(serve: Serve, tmp_path: Path) -> None:
    """Each channel's connection is ended and opened again; a pause is one row for all."""
    server = serve(hello)
    source = Room(speakers=("left", "right"))
    session = nb.record(source, service(server), folder=tmp_path)
    until_recorded(session, 0.5)
    session.pause()
    until_hung_up(session, 2)
    assert session.state == "paused"
    session.resume()
    until(session, lambda: session.state == "recording")
    until_recorded(session, session.duration_s + 0.3)
    session.stop()

    assert len(server.peers) == 4
    assert list(session.gaps.kind) == ["pause"]
    assert session.gaps.channel.isna().all()
    starts = session.connections.groupby("channel").start_s.max()
    assert list(starts) == [session.gaps.start_s[0]] * 2


def test_what_waits_to_be_sent_is_sent_in_the_pause(serve: Serve, tmp_path: Path) -> None:
    """A connection that breaks while paused is replaced until all that was said is transcribed."""
    paused = threading.Event()

    def script(peer: Peer) -> None:
        peer.begin()
        if peer.number == 0:
            peer.listen(seconds=0.3)
            paused.wait(DEADLINE_S)
            peer.ws.socket.close()
            return
        peer.listen()
        peer.say(**turn(0, "all of it", final=True))
        peer.finish()

    server = serve(script)
    session = nb.record(Room(), service(server), folder=tmp_path)
    until_recorded(session, 0.6)
    session.pause()
    paused.set()
    until(session, lambda: bool(len(session.turns)) and session.turns.is_final.all())
    assert session.state == "paused"
    session.stop()
    assert list(session.turns.transcript) == ["all of it"]
    assert list(session.gaps.kind) == ["pause"]


def test_latencies_behind_a_pause_are_as_before_it(serve: Serve, tmp_path: Path) -> None:
    """A position behind the pause was captured after it, not stretched over it."""

    def script(peer: Peer) -> None:
        peer.begin()
        peer.listen(seconds=0.5)
        peer.say(**turn(0, "one two", final=True, start_ms=20))
        peer.listen()
        peer.finish()

    session = nb.record(Room(), service(serve(script)), folder=tmp_path)
    until(session, lambda: len(session.turns) == 1)
    session.pause()
    until_hung_up(session, 1)
    threading.Event().wait(1.0)
    session.resume()
    until(session, lambda: len(session.turns) == 2)
    session.stop()

    stood_s = session.gaps.start_s[0]
    clock = CaptureClock(session.data.chunk_records())
    before_s, behind_s = clock.captured_s([stood_s - 0.001, stood_s + 0.001])
    assert behind_s - before_s >= 1.0
    assert clock.speed == pytest.approx(1.0, abs=0.1)
    # The first word ends 0.2 s into what the connection hears; it comes once 0.5 s of it are sent.
    words = session.word_timing()
    for connection, began_s in enumerate((session.chunks.captured_s[0] - 0.05, behind_s)):
        word = words[words.connection == connection].iloc[0]
        latency_s = session.turns.arrived_s[connection] - began_s - 0.2
        assert word.emission_latency_first_ms == pytest.approx(1000 * latency_s, abs=60)
        assert word.emission_latency_first_ms > 0


def test_a_pause_is_no_silence(serve: Serve, tmp_path: Path) -> None:
    """`idle_stop_s` waits until it goes on; `max_minutes` ends it all the same."""
    source = Room()
    session = nb.record(source, service(serve(hello)), folder=tmp_path, idle_stop_s=1.5)
    until_recorded(session, 0.2)
    session.pause()
    threading.Event().wait(2.5)
    assert session.state == "paused"
    session.resume()
    assert session.wait(DEADLINE_S)
    assert "idle_stop_s" in session.events.text.str.cat()

    session = nb.record(Room(), service(serve(hello)), folder=tmp_path, max_minutes=1 / 60)
    until_recorded(session, 0.2)
    session.pause()
    assert session.wait(DEADLINE_S)
    assert session.state == "stopped"
    assert list(session.gaps.kind) == ["pause"]


def test_what_is_not_recording_cannot_be_paused(serve: Serve, tmp_path: Path) -> None:
    """Before the start and after the end it is an error that says so."""
    engine = Engine(Given(noise(1), live=True), service(serve(hello)), folder=tmp_path)
    with pytest.raises(StateError, match="only a recording can be paused"):
        engine.pause()
    engine.start()
    engine.stop()
    with pytest.raises(StateError, match="only a recording can be paused"):
        engine.resume()
    assert engine.session is not None
    with pytest.raises(StateError, match="only a recording one"):
        engine.session.pause()


def test_a_microphone_that_hears_nothing_is_noticed(serve: Serve, tmp_path: Path) -> None:
    """Seconds of silence count up, and begin anew when something is heard, or it is paused."""
    quiet = np.zeros(8 * SAMPLE_RATE_HZ, np.int16)
    quiet[2 * SAMPLE_RATE_HZ :][:SAMPLE_RATE_HZ] = HEARD[:SAMPLE_RATE_HZ]
    engine = Engine(Room(quiet), service(serve(hello)), folder=tmp_path)
    seen: list[Snapshot] = []
    was_heard, was_quiet = threading.Event(), threading.Event()

    def look(now: Snapshot) -> None:
        seen.append(now)
        if now.silent_s > 1.0:
            (was_quiet if was_heard.is_set() else threading.Event()).set()
        if now.audio_s > 2.5 and now.silent_s < 0.5:
            was_heard.set()

    engine.subscribe(look)
    engine.start()
    assert was_heard.wait(DEADLINE_S)
    assert was_quiet.wait(DEADLINE_S)
    engine.pause()
    assert engine.snapshot().silent_s == 0
    engine.stop()
    assert max(now.silent_s for now in seen if now.audio_s < 1.9) > 1
    assert seen[-1].state is State.STOPPED
    assert seen[-1].silent_s == 0


def test_a_source_that_ends_by_itself_is_never_silent(serve: Serve, tmp_path: Path) -> None:
    """Nobody chose a wrong microphone where there is none."""
    engine = Engine(Given(bytes(32_000)), service(serve(hello)), folder=tmp_path)
    engine.start()
    assert engine.snapshot().silent_s == 0
    engine.wait(DEADLINE_S)
