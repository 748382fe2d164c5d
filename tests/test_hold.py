"""What lies in a pause and what does not, for sound that comes as it is captured, or long after."""

from __future__ import annotations

import queue
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nbstream.audio import Chunk
from nbstream.engine import Engine
from nbstream.engine.hold import Hold
from nbstream.services import AssemblyAI
from nbstream.session import Session
from tests.fakes import Given
from tests.scripted import Peer, ScriptedServer, turn
from tests.talking import DEADLINE_S

SECOND = bytes(32_000)


def chunk(end_s: float, lost_s: float = 0.0) -> Chunk:
    """A second of sound that ended then."""
    return Chunk(SECOND, end_s, int(lost_s > 0), round(lost_s * 16_000))


def held(*spans: tuple[float, float], is_late: bool = True) -> Hold:
    """Pauses that are over, with 1000 frames on disk."""
    hold = Hold()
    hold.is_late = is_late
    for since_s, until_s in spans:
        assert hold.begin(since_s)
        assert hold.end(until_s, 1000)
    return hold


def test_what_was_captured_before_the_pause_is_kept_however_late_it_comes() -> None:
    """The place where it stands still moves behind it."""
    hold = Hold()
    hold.is_late = True
    hold.begin(10.0)
    hold.settle(1000, 10.4)
    assert hold.frame is None
    hold.settle(1000, 10.6)
    assert 1000 == hold.frame
    assert hold.takes(chunk(9.5), 1000)
    assert 17_000 == hold.frame
    assert not hold.takes(chunk(10.5), 17_000)
    assert 17_000 == hold.frame


def test_a_device_that_is_here_brings_nothing_later() -> None:
    """What it had on its way has come, and the place stays."""
    hold = Hold()
    hold.begin(10.0)
    hold.settle(1000, 10.6)
    assert not hold.takes(chunk(9.5), 1000)
    assert 1000 == hold.frame
    assert hold.end(12.0, 1000)
    assert [(1000, 2.0)] == hold.ended()
    assert not hold.takes(chunk(9.5), 1000)


def test_after_its_end_too_and_what_was_captured_in_it_is_not() -> None:
    """Its place is known when the first chunk comes that was captured behind its beginning."""
    hold = held((10.0, 20.0))
    assert hold.takes(chunk(10.0), 1000)
    assert [] == hold.ended()
    assert not hold.takes(chunk(10.5), 17_000)
    assert [(17_000, 10.0)] == hold.ended()
    assert not hold.takes(chunk(20.5), 17_000)
    assert hold.takes(chunk(21.0), 17_000)
    assert [] == hold.ended()


def test_between_two_pauses_sound_is_kept() -> None:
    """Also where it comes after both; each has its place."""
    hold = held((10.0, 20.0), (30.0, 40.0))
    taken = {end_s: hold.takes(chunk(end_s), round(1000 * end_s)) for end_s in (9, 15, 25, 35, 41)}
    assert {9: True, 15: False, 25: True, 35: False, 41: True} == taken
    assert [(15_000, 10.0), (35_000, 10.0)] == hold.ended()


def test_where_nothing_more_comes_it_lies_at_the_end() -> None:
    """Every pause is told, once."""
    hold = held((10.0, 20.0), (30.0, 40.0))
    assert [(1000, 10.0), (1000, 10.0)] == hold.ended(1000)
    assert [] == hold.ended(1000)
    hold.begin(50.0)
    assert [] == hold.ended(1000)


def test_what_was_lost_in_a_pause_is_not_missed() -> None:
    """A page that was away over a pause has lost what lies around it."""
    hold = held((10.0, 20.0))
    assert 4 * 16_000 == hold.missed(chunk(23.0, lost_s=14.0))
    assert 0 == hold.missed(chunk(19.0, lost_s=5.0))
    assert 0 == hold.missed(chunk(25.0))
    hold.begin(30.0)
    assert 16_000 == hold.missed(chunk(40.0, lost_s=10.0))


# -- the engine ------------------------------------------------------------------------------------


class Far(Given):
    """Sound that the test brings when it likes, of a source that may be late."""

    is_late = True

    def __init__(self) -> None:
        super().__init__(b"", live=True)
        self.sound: queue.Queue[Chunk] = queue.Queue()

    def say(self, word: int, end_s: float, lost_frames: int = 0) -> None:
        """50 ms, each sample the number of the word."""
        pcm = struct.pack("<800h", *[word] * 800)
        self.sound.put(Chunk(pcm, end_s, int(lost_frames > 0), lost_frames))

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """See there."""
        while not (stop.is_set() and self.sound.empty()):
            try:
                yield self.sound.get(timeout=0.05)
            except queue.Empty:
                continue


@pytest.fixture
def url() -> Iterator[str]:
    def hello(peer: Peer) -> None:
        peer.begin()
        peer.listen()
        peer.say(**turn(0, "said", final=True))
        peer.finish()

    with ScriptedServer(hello).running() as server:
        yield server.url


def until(session: Session, fits: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    with session.data.changed:
        while not fits():
            assert time.monotonic() < deadline_s
            session.data.changed.wait(0.02)


def until_hung_up(session: Session, n: int) -> None:
    """Wait until `n` connections have ended."""
    until(session, lambda: int(session.connections.ended_s.notna().sum()) == n)


def test_sound_of_before_the_pause_comes_in_it_and_after_it(url: str, tmp_path: Path) -> None:
    """It is recorded and transcribed in the pause; what was said in the pause is on no disk."""
    source = Far()
    service = AssemblyAI(endpoint=url, api_key="canary-key")
    engine = Engine(source, service, folder=tmp_path)
    engine.start()
    session = engine.session
    assert session is not None
    began_s = time.monotonic()
    source.say(1, began_s)
    until(session, lambda: session.duration_s > 0)
    threading.Event().wait(0.3)
    session.pause()
    until_hung_up(session, 1)
    source.say(2, began_s + 0.1)
    until(session, lambda: session.duration_s > 0.05)
    until_hung_up(session, 2)
    session.resume()
    resumed_s = time.monotonic()
    source.say(3, began_s + 0.2)
    source.say(4, resumed_s - 0.1)
    source.say(5, resumed_s + 0.2, lost_frames=16_000)
    until(session, lambda: session.duration_s > 0.19)
    session.stop()

    assert [1, 2, 3, 5] == list(session.audio()[::800])
    pause, overflow = session.gaps.sort_values("kind", ascending=False).to_dict("records")
    assert ("pause", 0.15) == (pause["kind"], pause["start_s"])
    assert ("overflow", 0.15) == (overflow["kind"], overflow["start_s"])
    assert 0.1 < overflow["lost_s"] < 0.5  # what lies around the pause
