"""Bad input of each kind: one clear sentence with what to do, three ways.

As an exception in Python, on the command line (status 1, no traceback), and in the cell.
"""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import nbstream as nb
from nbstream.errors import NbstreamError
from nbstream.widgets import Recorder
from tests.scripted import Peer, ScriptedServer
from tests.virtual_mic import NO_DEVICE_CONFIG


@dataclass
class Case:
    """One way to get it wrong, in Python and on the command line."""

    source: Callable[[], object]
    words: list[str]
    says: str
    advises: str
    service: Callable[[], object] = lambda: "local"
    blocked: str = ""
    block_error: str = "ModuleNotFoundError('blocked')"
    env: dict[str, str] = field(default_factory=dict)
    folder: str = "out"


def wav(path: Path, rate_hz: int = 16_000, n_frames: int = 1600) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(bytes(2 * n_frames))
    return path


@pytest.fixture
def refusing() -> Iterator[ScriptedServer]:
    """A server that knows no key."""

    def script(peer: Peer) -> None:
        said = "Unauthorized Connection: Invalid API key"
        peer.say(type="Error", error_code=1008, error=said)
        peer.ws.close(1008, "See Error message for details")

    with ScriptedServer(script).running() as server:
        yield server


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path, refusing: ScriptedServer) -> Case:
    (tmp_path / "text.wav").write_text("This is not audio.")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "asound.conf").write_text(NO_DEVICE_CONFIG)
    (tmp_path / "file").write_text("")
    good, odd = wav(tmp_path / "good.wav"), wav(tmp_path / "44k.wav", 44_100)
    no_device = {"ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")}

    def file(name: str, says: str, advises: str, **more: object) -> Case:
        path = str(tmp_path / name)
        return Case(lambda: path, [path], says, advises, **more)  # type: ignore[arg-type]

    def service(make: Callable[[], object], words: list[str], says: str, advises: str) -> Case:
        return Case(lambda: str(good), [str(good), *words], says, advises, service=make)

    return {
        "no such file": lambda: file("goood.wav", "no such file", "good.wav"),
        "not audio": lambda: file("text.wav", "not audio", "WAV"),
        "empty file": lambda: file("empty.wav", "is empty", "Record it again"),
        "wrong rate": lambda: file(odd.name, "44100", "nbstream[audio]", blocked="soxr"),
        "no device": lambda: Case(
            lambda: "mic", ["mic"], "no microphone", "browser", env=no_device
        ),
        "no PyAudio": lambda: Case(
            lambda: "mic", ["mic"], "PyAudio", "portaudio19-dev", blocked="pyaudio"
        ),
        "no PortAudio": lambda: Case(
            lambda: "mic",
            ["mic"],
            "PortAudio",
            "libportaudio2",
            blocked="pyaudio",
            block_error="ImportError('libportaudio.so.2: cannot open shared object file')",
        ),
        "no key": lambda: service(
            nb.AssemblyAI, ["--service", "assemblyai"], "no AssemblyAI key", "ASSEMBLYAI_API_KEY"
        ),
        "wrong key": lambda: service(
            lambda: nb.AssemblyAI(endpoint=refusing.url, api_key="canary"),
            ["--endpoint", refusing.url],
            "Invalid API key",
            "ASSEMBLYAI_API_KEY",
        ),
        "no server": lambda: service(
            lambda: nb.AssemblyAI(endpoint="ws://127.0.0.1:9", api_key="canary"),
            ["--endpoint", "ws://127.0.0.1:9"],
            "can't connect to ws://127.0.0.1:9",
            "server running",
        ),
        "bad parameter": lambda: service(
            lambda: nb.Local(min_turn_silence=1),
            ["--service", "local", "--option", "min_turn_silence=1"],
            "min_turn_silence 1 is out of range",
            "50 to 10000 ms",
        ),
        "no recogniser": lambda: file(
            "good.wav", "local recogniser", "nbstream[local]", blocked="onnxruntime"
        ),
        "folder not writable": lambda: file(
            "good.wav", "can't make a session folder", "another folder", folder="file"
        ),
    }[request.param]()


KINDS = [
    "no such file",
    "not audio",
    "empty file",
    "wrong rate",
    "no device",
    "no PyAudio",
    "no PortAudio",
    "no key",
    "wrong key",
    "no server",
    "bad parameter",
    "no recogniser",
    "folder not writable",
]
each_kind = pytest.mark.parametrize("case", KINDS, indirect=True)


@pytest.fixture
def blocking(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make the case's package fail to import, here and (by path) in processes."""
    folder = tmp_path / "blocked"
    folder.mkdir()
    if case.blocked:
        (folder / f"{case.blocked}.py").write_text(f"raise {case.block_error}")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.setattr(nb.Local, "_server", None)  # another test may have started it
        for name in [n for n in sys.modules if n.partition(".")[0] == case.blocked]:
            monkeypatch.delitem(sys.modules, name)
    for name, value in case.env.items():
        monkeypatch.setenv(name, value)
    return folder


def check(text: str, case: Case) -> None:
    assert case.says in text
    assert case.advises in text
    assert "canary" not in text
    assert "Traceback" not in text


@each_kind
def test_as_an_exception(case: Case, blocking: Path, tmp_path: Path) -> None:
    """`record` raises one sentence with what to do, and keeps the key to itself."""
    with pytest.raises(NbstreamError) as caught:
        nb.record(case.source(), case.service(), folder=tmp_path / case.folder)  # type: ignore[arg-type]
    check(str(caught.value), case)


@each_kind
def test_on_the_command_line(case: Case, blocking: Path, tmp_path: Path) -> None:
    """One line on stderr, nothing on stdout, status 1."""
    key = {} if "assemblyai" in case.words else {"ASSEMBLYAI_API_KEY": "canary"}
    has_service = {"--service", "--endpoint"} & set(case.words)
    words = case.words if has_service else [*case.words, "--service", "local"]
    done = subprocess.run(
        [sys.executable, "-m", "nbstream.cli", "record", *words, "--out", tmp_path / case.folder],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | key | case.env,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    check(done.stderr, case)


@each_kind
def test_in_the_cell(case: Case, blocking: Path, tmp_path: Path) -> None:
    """The panel shows the sentence and what to do; a press of Record raises nothing."""
    try:
        recorder = Recorder(
            case.source(),  # type: ignore[arg-type]
            case.service(),  # type: ignore[arg-type]
            folder=tmp_path / case.folder,
        )
    except NbstreamError as error:  # A parameter: refused by the cell's own code.
        check(str(error), case)
        return
    recorder._button.click()
    try:
        recorder.wait(30)
    except NbstreamError as error:
        check(str(error), case)
    check(str(recorder._status.view), case)
    recorder.close()
