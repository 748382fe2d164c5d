"""The source fails while it is recorded: the session ends in time, whole, counted and shown."""

from __future__ import annotations

import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nbstream as nb
from nbstream.audio import Chunk
from nbstream.engine import Engine, Snapshot, capture
from nbstream.errors import NbstreamError, SourceError
from tests.endings import WatchedServer
from tests.fakes import Given, noise
from tests.scripted import Peer, turn
from tests.virtual_mic import VirtualMic, virtual_mic

PCM = noise(1)
HANG_S = 60


def talk(peer: Peer) -> None:
    """A conversation whose last turn comes at the end, whatever was said."""
    peer.begin()
    peer.listen()
    peer.say(**turn(0, "Hello there.", final=True))
    peer.finish()


@pytest.fixture
def server() -> Iterator[WatchedServer]:
    with WatchedServer(talk).running() as server:
        yield server


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a source that hangs up after a second, not five."""
    monkeypatch.setattr(capture, "SOURCE_TIMEOUT_S", 1.0)


class Faulty(Given):
    """As `Given`, but with a fault of its own; what it waits for comes when the test ends."""

    def __init__(self, fault: str, error: BaseException | None = None) -> None:
        super().__init__(PCM, live=True)
        self.fault = fault
        self.error = error
        self.release = threading.Event()

    def _may(self, where: str) -> None:
        if where in self.fault:
            if self.error is not None:
                raise self.error
            self.release.wait(HANG_S)

    def __enter__(self) -> Faulty:
        self._may("open")
        return self

    def __exit__(self, *exc: object) -> None:
        self._may("close")

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """All of it; then the fault."""
        for at in range(0, len(PCM), 1600):
            yield Chunk(PCM[at : at + 1600], time.monotonic())
        self.all_read.set()
        self._may("chunks")
        stop.wait(HANG_S)


def start(source: Any, server: WatchedServer, folder: Path) -> Engine:
    engine = Engine(source, nb.AssemblyAI(endpoint=server.url, api_key="key"), folder=folder)
    engine.start(wait=False)
    return engine


def end_of(engine: Engine) -> tuple[NbstreamError, Snapshot]:
    """What the session fails with, and what its views show last."""
    with pytest.raises(NbstreamError) as caught:
        assert engine.wait(50), "it does not end"
    return caught.value, engine.snapshot()


def assert_whole(engine: Engine, server: WatchedServer, pcm: bytes = PCM) -> None:
    """All audio that came is in the folder and transcribed, and nothing stays open."""
    assert engine.session is not None
    session = nb.open(engine.session.folder)
    assert session.audio().tobytes() == pcm
    assert list(session.turns.transcript) == ["Hello there."]
    assert session.gaps[session.gaps.kind == "gap"].empty
    assert not session.damage
    with wave.open(str(session.folder / "audio.wav")) as file:
        assert file.readframes(file.getnframes()) == pcm
    assert server.all_ended()
    assert server.terminated == [True]


ODD = [ValueError("odd"), MemoryError("odd"), SystemExit("odd"), KeyboardInterrupt("odd")]


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_a_source_that_raises_anything_ends_the_session_whole(
    server: WatchedServer, tmp_path: Path, error: BaseException
) -> None:
    """Even what ends threads in silence is named, and never looks like a proper end."""
    engine = start(Faulty("chunks", error), server, tmp_path)
    raised, now = end_of(engine)
    assert isinstance(raised, SourceError)
    assert f"{type(error).__name__}: odd" in now.message
    assert now.hint
    assert now.state == "failed"
    assert_whole(engine, server)


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_a_source_that_cannot_be_opened_costs_nothing(
    server: WatchedServer, tmp_path: Path, error: BaseException
) -> None:
    """Whatever it raises: no connection, no folder, one sentence."""
    engine = start(Faulty("open", error), server, tmp_path)
    raised, now = end_of(engine)
    assert "odd" in raised.message
    assert now.state == "failed"
    assert server.peers == []
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_cannot_be_closed_is_shown(server: WatchedServer, tmp_path: Path) -> None:
    """The recording is whole, so the session has not failed; the problem is a row."""
    source = Faulty("close", OSError("busy"))
    engine = start(source, server, tmp_path)
    assert source.all_read.wait(20)
    engine.stop()
    assert "can't be closed: busy" in engine.snapshot().message
    assert engine.state == "stopped"
    assert_whole(engine, server)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("where", ["chunks", "open", "close"])
def test_a_source_that_hangs_is_given_up(server: WatchedServer, tmp_path: Path, where: str) -> None:
    """`stop` comes back although the source heeds nothing; what it gave is transcribed."""
    source = Faulty(where)
    engine = start(source, server, tmp_path)
    try:
        if where == "open":
            engine.stop(wait=False)
        else:
            assert source.all_read.wait(20)
            engine.stop(wait=False)
        if where == "close":
            assert engine.wait(50), "it does not end"
        else:
            raised, now = end_of(engine)
            assert "test does not stop" in raised.message
            assert "Restart the kernel" in now.hint
        if where == "open":
            assert server.peers == []
        else:
            assert_whole(engine, server)
    finally:
        source.release.set()


@pytest.mark.parametrize(
    ("pcm", "words"), [(b"abc", "half a sample"), (None, "TypeError")], ids=["odd", "none"]
)
def test_a_chunk_that_is_none_does_not_spoil_the_rest(
    server: WatchedServer, tmp_path: Path, pcm: Any, words: str
) -> None:
    """Half a sample would turn all that follows into noise: refused, and said."""

    class Odd(Given):
        def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
            yield from super().chunks(stop)
            yield Chunk(pcm, time.monotonic())

    engine = start(Odd(PCM), server, tmp_path)
    raised, _ = end_of(engine)
    assert words in raised.message
    assert_whole(engine, server)


def test_bursts_of_overflows_are_counted_where_they_were(
    server: WatchedServer, tmp_path: Path
) -> None:
    """Each is a row at its place; the sum is in view and on disk; nothing recorded is lost."""

    class Bursts(Given):
        def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
            for n, chunk in enumerate(super().chunks(stop)):
                yield Chunk(chunk.pcm, chunk.captured_s, 2 * (n in (3, 4, 5, 17)), 0)

    engine = start(Bursts(PCM), server, tmp_path)
    assert engine.wait(50)
    assert engine.snapshot().overflows == 8
    assert engine.session is not None
    session = nb.open(engine.session.folder)
    assert list(session.gaps.start_s) == [0.15, 0.2, 0.25, 0.85]
    assert list(session.gaps.kind) == ["overflow"] * 4
    assert session.meta["overflows"] == 8
    assert_whole(engine, server)


@pytest.fixture
def mic() -> Iterator[VirtualMic]:
    pytest.importorskip("pyaudio")
    with virtual_mic() as mic, mic.in_this_process():
        yield mic


def test_a_microphone_that_is_pulled_out_ends_the_session_whole(
    mic: VirtualMic, server: WatchedServer, tmp_path: Path
) -> None:
    """What was heard is kept and transcribed, and the person is told to look at the device."""
    engine = start(nb.Microphone(), server, tmp_path)
    heard = threading.Event()
    engine.subscribe(lambda now: now.audio_s > 0.5 and heard.set())  # type: ignore[func-returns-value]
    assert heard.wait(20)
    mic.kill()
    raised, now = end_of(engine)
    assert isinstance(raised, SourceError)
    assert "plugged in" in now.hint
    assert now.state == "failed"
    assert engine.session is not None
    assert_whole(engine, server, engine.session.audio().tobytes())
    assert engine.session.duration_s > 0.5


@pytest.mark.usefixtures("soon")
def test_a_microphone_that_hangs_ends_the_session_whole(
    mic: VirtualMic, server: WatchedServer, tmp_path: Path
) -> None:
    """It says that it stalls after 2 s, though the device can't even be closed then."""
    engine = start(nb.Microphone(), server, tmp_path)
    heard = threading.Event()
    engine.subscribe(lambda now: now.audio_s > 0.5 and heard.set())  # type: ignore[func-returns-value]
    assert heard.wait(20)
    mic.freeze()
    try:
        raised, now = end_of(engine)
        assert "stalls: no samples for 2 s" in raised.message
        assert now.state == "failed"
        assert engine.session is not None
        assert_whole(engine, server, engine.session.audio().tobytes())
    finally:
        mic.thaw()
