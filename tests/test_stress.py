"""Many recordings in one process: nothing stays behind but their folders."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections import Counter
from pathlib import Path

import pytest

import nbstream as nb
from nbstream.engine import Engine
from nbstream.errors import NbstreamError, SourceError
from tests.endings import WatchedServer
from tests.fakes import Given, noise
from tests.scripted import Peer, turn

PCM = noise(0.5)
N_STARTS = 500
N_AT_ONCE = 50


def script(peer: Peer) -> None:
    """Every seventh connection is refused, every eleventh breaks, the others talk."""
    if peer.number % 7 == 6:
        peer.say(type="Error", error_code=1008, error="Not authorized")
        peer.ws.close(1008, "See Error message for details")
    elif peer.number % 11 == 10:
        peer.begin()
        peer.ws.socket.close()
    else:
        talk(peer)


def talk(peer: Peer) -> None:
    """A conversation that may end before a word was said."""
    peer.begin()
    peer.listen()
    if peer.audio:
        peer.say(**turn(0, "Hello there.", final=True))
    peer.finish()


class Leftovers:
    """What a process holds open: descriptors by kind, threads of ours, temporary files."""

    def __init__(self) -> None:
        self.threads = set(threading.enumerate())
        self.descriptors = self._descriptors()
        self.files = set(os.listdir(tempfile.gettempdir()))

    def since(self) -> dict[str, list[str]]:
        """What has been added since, after threads that are ending have ended."""
        threads = [t for t in threading.enumerate() if t not in self.threads]
        for thread in threads:
            thread.join(20)
        return {
            "threads": [t.name for t in threads if t.is_alive()],
            "descriptors": list((self._descriptors() - self.descriptors).elements()),
            "files": sorted(set(os.listdir(tempfile.gettempdir())) - self.files),
        }

    def _descriptors(self) -> Counter[str]:
        targets = []
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # The one that lists them.
                targets.append(os.readlink(f"/proc/self/fd/{name}").split("[")[0])
        return Counter(targets)


NOTHING: dict[str, list[str]] = {"threads": [], "descriptors": [], "files": []}


def engine_number(n: int, server: WatchedServer, folder: Path) -> Engine:
    """One of the kinds of recordings: live, ending by themselves, failing."""
    failure = SourceError("unplugged.") if n % 13 == 12 else None
    source = Given(PCM, live=n % 3 > 0, fails_with=failure)
    source.may_fail.set()
    return Engine(source, nb.AssemblyAI(endpoint=server.url, api_key="key"), folder=folder)


def run(n: int, engine: Engine) -> None:
    """Start it and end it in one of several ways; what it fails with is not the point."""
    with contextlib.suppress(NbstreamError):
        engine.start(wait=n % 5 > 0)
        engine.stop(wait=n % 4 > 0)
    with contextlib.suppress(NbstreamError):
        assert engine.wait(60)


def assert_whole(engines: list[Engine]) -> None:
    """Each session is over and its folder holds its four files, in order."""
    for engine in engines:
        assert engine.state.is_over
        assert engine.session is not None
        if not engine.session.folder.exists():  # Stopped before anything was captured.
            assert engine.session.duration_s == 0
            continue
        names = {path.name for path in engine.session.folder.iterdir()}
        assert {"audio.wav", "chunks.bin", "events.jsonl", "session.json"} == names
        again = nb.open(engine.session.folder)
        assert not again.damage
        assert str(engine.state) == again.state
        assert PCM.startswith(again.audio().tobytes())


def starts_and_stops(n_starts: int, folder: Path) -> dict[str, list[str]]:
    """Run so many recordings one after the other; gives what they left behind."""
    with WatchedServer(script).running() as server:
        run(0, engine_number(0, server, folder))  # What is loaded once stays.
        before = Leftovers()
        engines = []  # Held: a finished session must hold nothing itself.
        for n in range(n_starts):
            engines.append(engine_number(n, server, folder))
            run(n, engines[-1])
        assert server.all_ended()
        found = before.since()
        assert_whole(engines)
        return found


def at_once(n_recorders: int, folder: Path) -> dict[str, list[str]]:
    """Run so many recordings beside each other; gives what they left behind."""
    with WatchedServer(talk).running() as server:
        run(0, engine_number(0, server, folder))
        before = Leftovers()
        engines = [engine_number(1, server, folder) for _ in range(n_recorders)]
        for engine in engines:
            engine.start(wait=False)
        for engine in engines:
            assert isinstance(engine.source, Given)
            assert engine.source.all_read.wait(60)
        for engine in engines:
            engine.stop(wait=False, timeout_s=60)
        for engine in engines:
            assert engine.wait(90)
        assert server.all_ended(at_least=n_recorders)
        found = before.since()
        assert_whole(engines)
        for engine in engines:
            assert engine.session is not None
            assert list(engine.session.turns.transcript) == ["Hello there."]
            assert engine.session.audio().tobytes() == PCM
        return found


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def test_many_starts_and_stops_leave_nothing(tmp_path: Path) -> None:
    """No thread, descriptor, socket or temporary file, however each of them ended."""
    assert NOTHING == starts_and_stops(N_STARTS, tmp_path / "recordings")


def test_fifty_recorders_at_once_leave_nothing(tmp_path: Path) -> None:
    """Each has its own audio and turns; then no thread, descriptor or socket is left."""
    assert NOTHING == at_once(N_AT_ONCE, tmp_path / "recordings")
