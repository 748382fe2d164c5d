"""The disk fails while it is recorded to: what was kept can be read, no connection stays open."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nbstream as nb
from nbstream import events as ev
from nbstream import store
from nbstream.audio import Chunk
from nbstream.engine import Engine
from nbstream.errors import NbstreamError, StoreError
from tests.endings import WatchedServer
from tests.fakes import Given, noise

PCM = noise(60)


class Gated(Given):
    """As `Given`, once the test lets it."""

    def __init__(self) -> None:
        super().__init__(PCM, live=True)
        self.go = threading.Event()

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """Wait, then all of it."""
        self.go.wait(20)
        yield from super().chunks(stop)


@pytest.fixture
def server() -> Iterator[WatchedServer]:
    with WatchedServer().running() as server:
        yield server


def service(server: WatchedServer) -> nb.AssemblyAI:
    return nb.AssemblyAI(endpoint=server.url, api_key="key")


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A disk of its own, of `size`; unmounted in the end."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(write: Callable[[int], object]) -> None:
    """Write until it fails."""
    for n in range(1000):
        write(n)


def failure_of(engine: Engine) -> NbstreamError:
    """What the session that is failing by itself ends with."""
    with pytest.raises(NbstreamError) as caught:
        assert engine.wait(60)
    assert engine.snapshot().state == "failed"
    assert engine.snapshot().message == caught.value.message
    return caught.value


def test_a_full_disk_ends_the_session_and_keeps_what_fits(
    server: WatchedServer, tmp_path: Path
) -> None:
    """One sentence says so with what to do; audio is a prefix, bit-exact, in a WAV that plays."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        source = Gated()
        engine = Engine(source, service(server), folder=disk)
        engine.start()
        source.go.set()
        error = failure_of(engine)
        assert "No space left" in error.message
        assert "make room" in error.hint
        assert server.all_ended()
        assert engine.session is not None
        folder = engine.session.folder
        assert not list(folder.glob("*.new"))
        session = nb.open(folder)
        assert session.duration_s > 10
        assert PCM.startswith(session.audio().tobytes())
        assert not any(isinstance(e.event, ev.Unknown) for e in store.Folder.open_(folder).entries)
        with contextlib.suppress(StoreError):  # There may be no room for a new session.json.
            store.recover(folder)
        with wave.open(str(folder / "audio.wav")) as file:
            assert PCM.startswith(file.readframes(file.getnframes()))
            assert file.getnframes() == round(session.duration_s * 16_000)


def test_a_disk_that_has_room_again_holds_no_torn_line(tmp_path: Path) -> None:
    """A write that failed half way leaves nothing: what is appended later is read whole."""
    with small_disk(tmp_path / "disk", "64k") as disk:
        blocker = disk / "blocker"
        folder = store.Folder.create(disk, "", {})
        blocker.write_bytes(bytes(20_000))
        with pytest.raises(StoreError, match="No space left"):
            fill(lambda n: folder.append_audio(PCM[n * 1600 : (n + 1) * 1600], n / 20))
        n_frames = folder.n_frames
        with pytest.raises(StoreError):
            fill(lambda n: folder.append_event(ev.Problem("x" * 900), 1.0))
        n_events = len(folder.entries)
        blocker.unlink()
        folder.append_audio(PCM[n_frames * 2 : n_frames * 2 + 1600], 1.0)
        folder.append_event(ev.Problem("x" * 900), 2.0)
        folder.close()
        again = store.Folder.open_(folder.path)
        assert not again.damage
        assert again.n_frames == n_frames + 800
        assert again.read_pcm(0, again.n_frames) == PCM[: again.n_frames * 2]
        assert len(again.entries) == n_events + 1
        assert again.entries == folder.entries


def test_a_disk_that_is_full_at_the_start_refuses_and_leaves_nothing(tmp_path: Path) -> None:
    """`start` raises one sentence; no half a folder and no descriptor stay behind."""
    with small_disk(tmp_path / "disk", "8k") as disk:
        with contextlib.suppress(OSError):
            (disk / "blocker").write_bytes(bytes(8192))
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(StoreError, match="No space left") as caught:
            nb.record(
                Given(PCM), nb.AssemblyAI(endpoint="ws://127.0.0.1:9", api_key="k"), folder=disk
            )
        assert "make room" in caught.value.hint
        assert [p.name for p in disk.iterdir()] == ["blocker"]
        assert len(os.listdir("/proc/self/fd")) <= before


LIMITED = """
import resource, sys
import nbstream as nb
from tests.test_disk import Gated
resource.setrlimit(resource.RLIMIT_FSIZE, (500_001, 500_001))
source = Gated()
session = nb.record(
    source, nb.AssemblyAI(endpoint=sys.argv[1], api_key="key"), folder=sys.argv[2]
)
source.go.set()
try:
    session.wait(60)
except nb.StoreError as error:
    print(session.state, error.hint)
"""


def test_a_file_that_may_not_grow_ends_the_session(server: WatchedServer, tmp_path: Path) -> None:
    """At a file-size limit in the middle of a chunk, whole frames are kept and it plays."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, server.url, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("failed The disk is full"), done.stdout + done.stderr
    assert server.all_ended()
    (path,) = store.sessions(tmp_path)
    session = nb.open(path)
    assert not session.damage
    assert session.state == "failed"
    # 44 bytes of header, and the last chunk that fits whole.
    assert session.duration_s == (500_001 - 44) // 1600 * 800 / 16_000
    assert PCM.startswith(session.audio().tobytes())
    assert session.gaps.end_s.max() == session.duration_s or session.gaps.empty


def test_a_folder_deleted_while_recording_is_said_so(server: WatchedServer, tmp_path: Path) -> None:
    """The session fails within its look-out, and its connection is closed."""
    engine = Engine(Given(PCM[:64_000], live=True), service(server), folder=tmp_path)
    engine.start()
    assert engine.session is not None
    folder = engine.session.folder
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    error = failure_of(engine)
    assert isinstance(error, StoreError)
    assert error.hint
    assert server.all_ended()
    assert not folder.exists()


def test_a_folder_moved_away_while_recording_ends_whole(
    server: WatchedServer, tmp_path: Path
) -> None:
    """Its files stay open, so all audio is in the moved folder, and the session ends."""
    source = Given(PCM[:64_000], live=True)
    engine = Engine(source, service(server), folder=tmp_path)
    engine.start()
    assert engine.session is not None
    assert source.all_read.wait(20)
    moved = tmp_path / "moved"
    engine.session.folder.rename(moved)
    with contextlib.suppress(NbstreamError):
        engine.stop()
    assert engine.state.is_over
    assert server.all_ended()
    again = nb.open(moved)
    assert again.audio().tobytes() == PCM[:64_000]


FORBIDDEN = """
import os, sys
import nbstream as nb
from tests.fakes import Given, noise
source = Given(noise(2), live=True)
service = nb.AssemblyAI(endpoint=sys.argv[1], api_key="key")
session = nb.record(source, service, folder=sys.argv[2])
source.all_read.wait(20)
session.folder.chmod(0o555)
if os.getuid() == 0:  # Nothing is forbidden to root.
    os.setuid(65534)
try:
    session.stop()
except nb.NbstreamError as error:
    print(session.state, type(error).__name__, error.message, "|", error.hint)
"""


def test_a_folder_made_read_only_ends_the_session(server: WatchedServer) -> None:
    """What was written before stays readable where it is; the sentence says what is forbidden."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        done = subprocess.run(
            [sys.executable, "-c", FORBIDDEN, server.url, folder],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.startswith("failed StoreError"), done.stdout + done.stderr
        assert "Permission denied" in done.stdout
        assert "|" in done.stdout
        assert server.all_ended()
        (path,) = store.sessions(folder)
        assert nb.open(path).audio().tobytes() == noise(2)


HOLDING = """
import sys
from nbstream import store
from nbstream.errors import StoreError
try:
    folder = store.Folder.open_(sys.argv[1])
    folder.reopen()
except StoreError as error:
    print(error)
try:
    store.recover(sys.argv[1])
except StoreError as error:
    print(error)
"""


def test_a_second_process_is_refused_the_folder(server: WatchedServer, tmp_path: Path) -> None:
    """Neither filling gaps nor mending touches what another process records."""
    source = Given(PCM[:64_000], live=True)
    with nb.record(source, service(server), folder=tmp_path) as session:
        assert source.all_read.wait(20)
        before = {p.name: p.stat().st_mtime_ns for p in session.folder.glob("*.wav")}
        done = subprocess.run(
            [sys.executable, "-c", HOLDING, str(session.folder)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.count("is being recorded right now") == 2, done.stderr
        assert set(before) == {p.name for p in session.folder.glob("*.wav")}
    assert session.state == "stopped"
    assert session.audio().tobytes() == PCM[:64_000]
    folder = store.Folder.open_(session.folder)
    folder.reopen()
    with pytest.raises(StoreError, match="being recorded"):
        store.Folder.open_(session.folder).reopen()
    folder.close()
