from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbstream.audio import CHUNK_FRAMES, SAMPLE_RATE_HZ, Chunk
from nbstream.errors import NbstreamError, SourceError, StateError
from nbstream.sources import Microphone, devices, microphone
from nbstream.sources.portaudio import Device, choose
from tests.virtual_mic import NO_DEVICE_CONFIG, VirtualMic, virtual_mic

pyaudio = pytest.importorskip("pyaudio")

LONGEST_CHUNKS = 400
NOISE = np.random.default_rng(2).integers(-30_000, 30_000, 24_000).astype("<i2")


@pytest.fixture(scope="module")
def mic() -> Iterator[VirtualMic]:
    with virtual_mic(["usb_left", "usb_right"]) as mic, mic.in_this_process():
        yield mic


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """White noise after 0.1 s of silence, 1.6 s in all."""
    path = tmp_path / "speech.wav"
    write_wav(path, np.concatenate([np.zeros(1_600, "<i2"), NOISE]))
    return path


def write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def record(source: Microphone, enough: Callable[[bytes], bool]) -> list[Chunk]:
    """Read an open microphone until there is enough; fail after 20 s of audio."""
    stop = threading.Event()
    chunks = []
    recorded = b""
    for chunk in source.chunks(stop):
        chunks.append(chunk)
        recorded += chunk.pcm
        assert stop.is_set() or len(chunks) < LONGEST_CHUNKS
        if enough(recorded):
            stop.set()
    return chunks


def joined(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


def heard(recorded: bytes) -> bool:
    return NOISE[-500:].tobytes() in recorded


def run(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own; it may raise, but not crash."""
    path = os.pathsep.join([str(Path(microphone.__file__).parents[2]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done


@pytest.mark.parametrize("device", [None, "LEFT", 1], ids=["default", "part of a name", "index"])
def test_capture_is_sample_exact(mic: VirtualMic, speech: Path, device: int | str | None) -> None:
    """What is spoken into a 16 kHz microphone is recorded with every sample equal."""
    with Microphone(device) as source, mic.play(speech):
        recorded = joined(record(source, heard))
    assert NOISE.tobytes() in recorded


def test_label_names_the_device(mic: VirtualMic) -> None:
    """The label tells which device is recorded."""
    with Microphone("right") as source:
        assert source.label == "microphone: usb_right"


def test_chunks_are_whole_and_ordered(mic: VirtualMic) -> None:
    """Chunks have 50 ms each, and their times of capture never go back."""
    with Microphone() as source:
        chunks = record(source, lambda recorded: len(recorded) > 20_000)
    assert {CHUNK_FRAMES} == {chunk.n_frames for chunk in chunks[:-1]}
    times = [chunk.captured_s for chunk in chunks]
    assert times == sorted(times)
    assert sum(chunk.overflows for chunk in chunks) == 0


def test_a_microphone_can_be_opened_again(mic: VirtualMic, speech: Path) -> None:
    """One Microphone object serves several recordings, each from its own beginning."""
    source = Microphone()
    for _ in range(2):
        with source, mic.play(speech):
            assert NOISE.tobytes() in joined(record(source, heard))
    with pytest.raises(StateError):
        next(source.chunks(threading.Event()))


def test_devices_can_be_listed_while_recording(mic: VirtualMic, speech: Path) -> None:
    """Listing devices does not disturb a recording."""
    with Microphone() as source, mic.play(speech):
        assert len(devices()) == 3
        assert NOISE.tobytes() in joined(record(source, heard))


def test_devices_table(mic: VirtualMic) -> None:
    """The table of devices tells what is needed to choose one."""
    table = devices()
    assert list(table.columns) == [
        *("index", "name", "channels", "default_rate_hz", "is_default", "host_api")
    ]
    assert list(table["name"]) == ["usb_left", "usb_right", "default"]
    assert list(table.loc[table["is_default"], "name"]) == ["default"]


def write_pair(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def test_channels_with_names_are_kept_apart(tmp_path: Path) -> None:
    """What is spoken into each of two channels is recorded there, with every sample equal."""
    pair = np.stack([NOISE, NOISE[::-1]], axis=1)
    write_pair(tmp_path / "pair.wav", np.concatenate([np.zeros((1_600, 2), "<i2"), pair]))
    with (
        virtual_mic(n_channels=2) as mic,
        mic.in_this_process(),
        Microphone(speakers=("host", "guest")) as source,
        mic.play(tmp_path / "pair.wav"),
    ):
        chunks = record(source, lambda recorded: pair[-500:].tobytes() in recorded)
    assert pair.tobytes() in joined(chunks)
    assert {CHUNK_FRAMES} == {chunk.n_frames for chunk in chunks[:-1]}
    assert source.speakers == ("host", "guest")


def test_more_names_than_channels_are_refused(mic: VirtualMic) -> None:
    """The error names the device and both numbers."""
    (n_channels,) = devices().query("is_default")["channels"]
    source = Microphone(speakers=[f"speaker {n}" for n in range(n_channels + 1)])
    for attempt in (source.check, source.__enter__):
        with pytest.raises(SourceError, match=f"default has {n_channels} channels, and speakers"):
            attempt()


def opening(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the options with which PyAudio opens the (real) device."""
    really_open = pyaudio.PyAudio.open

    def open_changed(self: object, **options: Any) -> object:
        change(options)
        return really_open(self, **options)

    monkeypatch.setattr(pyaudio.PyAudio, "open", open_changed)


def test_overflows_are_counted(
    mic: VirtualMic, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each overflow is counted once, on the chunk after the loss, and no audio is dropped for it.

    The virtual microphone buffers two minutes, so the flag is set here; all else is real.
    """

    def flag_blocks(options: dict[str, Any]) -> None:
        receive = options["stream_callback"]
        n_blocks = iter(range(10_000))

        def receive_flagged(pcm: bytes, n_frames: int, times: object, status: int) -> object:
            lost = pyaudio.paInputOverflow if next(n_blocks) in (2, 5) else 0
            return receive(pcm, n_frames, times, status | lost)

        options["stream_callback"] = receive_flagged

    opening(monkeypatch, flag_blocks)
    with Microphone() as source, mic.play(speech):
        chunks = record(source, heard)
    assert [i for i, chunk in enumerate(chunks) if chunk.overflows] == [4, 10]
    assert sum(chunk.overflows for chunk in chunks) == 2
    assert NOISE.tobytes() in joined(chunks)


def refuse(rate_hz: int) -> Callable[[dict[str, Any]], None]:
    def change(options: dict[str, Any]) -> None:
        if options["rate"] == rate_hz:
            raise OSError(-9997, "Invalid sample rate")

    return change


def test_a_device_that_refuses_16_khz_is_resampled(
    mic: VirtualMic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device with another rate is recorded at that rate and resampled to the same sound."""
    pytest.importorskip("soxr")
    times = np.arange(16_000) / SAMPLE_RATE_HZ
    chirp = (12_000 * np.sin(2 * np.pi * (200 + 1_000 * times) * times)).astype("<i2")
    write_wav(tmp_path / "chirp.wav", chirp)
    opening(monkeypatch, refuse(SAMPLE_RATE_HZ))
    with Microphone() as source, mic.play(tmp_path / "chirp.wav"):
        chunks = record(source, lambda recorded: len(recorded) > 64_000)
    recorded = np.frombuffer(joined(chunks), "<i2").astype(float)
    start = int(np.argmax(np.correlate(recorded, chirp.astype(float), "valid")))
    # The delay of two resamplers is not a whole number of frames.
    found = np.corrcoef(recorded[start : start + len(chirp)], chirp)[0, 1]
    assert found > 0.98


def test_resampling_needs_soxr(mic: VirtualMic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without soxr the error names the rate that the device has."""
    monkeypatch.setitem(sys.modules, "soxr", None)
    opening(monkeypatch, refuse(SAMPLE_RATE_HZ))
    with pytest.raises(SourceError, match="usb_left has 44100 Hz and needs resampling") as caught:
        Microphone("left").__enter__()
    assert "nbstream[audio]" in caught.value.hint


def test_a_device_that_cannot_be_opened(mic: VirtualMic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which device it is, what was tried and what the system answered."""

    def busy(options: dict[str, Any]) -> None:
        raise OSError(-9985, "Device unavailable")

    opening(monkeypatch, busy)
    with pytest.raises(SourceError, match=r"usb_left can't be opened: 16000 Hz .* unavailable"):
        Microphone("left").__enter__()


def test_a_device_that_hangs(mic: VirtualMic, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that gives nothing more is an error, not a recording without end."""
    monkeypatch.setattr(microphone, "STALLED_S", 0.5)
    with Microphone() as source:
        chunks = source.chunks(threading.Event())
        assert next(chunks).n_frames == CHUNK_FRAMES
        mic.freeze()
        try:
            with pytest.raises(SourceError, match=r"default stalls: no samples for 0\.5 s\."):
                list(chunks)
        finally:
            mic.thaw()


def test_a_device_that_is_pulled_out() -> None:
    """A device that goes away is an error, and leaving the source returns."""
    script = """
import sys, threading
from tests.virtual_mic import virtual_mic
from nbstream.sources import Microphone
with virtual_mic() as mic, mic.in_this_process(), Microphone() as source:
    for i, chunk in enumerate(source.chunks(threading.Event())):
        if i == 4:
            mic.kill()
"""
    done = run(script)
    assert "SourceError: microphone: default stalls: no samples for 2 s." in done.stderr


def test_a_busy_interpreter_is_not_a_stalled_device(
    mic: VirtualMic, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while a cell keeps the interpreter to itself is all there afterwards."""
    monkeypatch.setattr(microphone, "STALLED_S", 0.5)
    recorded: list[bytes] = []
    with Microphone() as source, mic.play(speech):
        thread = threading.Thread(target=lambda: recorded.append(joined(record(source, heard))))
        thread.start()
        for _ in range(2):
            sum(range(30_000_000))  # one call that never lets go of the interpreter
        thread.join(30)
    assert [NOISE.tobytes() in pcm for pcm in recorded] == [True]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("usb", "several microphones match 'usb': [0] usb_left, [1] usb_right."),
        ("x", "no microphone matches 'x': found [0] usb_left, [1] usb_right, [2] default."),
        (7, "no microphone matches 7: found [0] usb_left, [1] usb_right, [2] default."),
    ],
)
def test_a_name_must_fit_one_device(mic: VirtualMic, wanted: int | str, message: str) -> None:
    """A name or number that does not fit exactly one device lists those that there are."""
    with pytest.raises(SourceError) as caught:
        Microphone(wanted).check()
    assert caught.value.message == message
    with pytest.raises(SourceError), Microphone(wanted):
        pass


def device(index: int, name: str, host_api: str = "MME", *, is_default: bool = False) -> Device:
    return Device(index, name, 2, 44_100, is_default, host_api)


def test_a_whole_name_wins() -> None:
    """A device can be named even if its name is a part of another's."""
    found = [device(0, "USB Audio"), device(1, "USB Audio 2")]
    assert found[0] == choose(found, "usb audio")


def test_one_device_under_several_host_apis() -> None:
    """Of a device that is listed once for each host API, the default's host API is taken."""
    found = [
        device(0, "Headset", "MME"),
        device(1, "Array", "WASAPI", is_default=True),
        device(2, "Headset", "WASAPI"),
    ]
    assert found[2] == choose(found, "headset")


def test_no_default_device() -> None:
    """Where the system has no default, the devices are listed."""
    with pytest.raises(SourceError, match=r"matches the system's default: found \[0\] Headset\."):
        choose([device(0, "Headset")], None)


def test_no_device_and_no_noise(tmp_path: Path) -> None:
    """Without a device there is one clear sentence, an empty table, and nothing on stderr."""
    config = tmp_path / "asound.conf"
    config.write_text(NO_DEVICE_CONFIG)
    script = """
import os
from nbstream.errors import SourceError
from nbstream.sources import Microphone, devices
table = devices()
print(len(table), *table.dtypes)
for attempt in (Microphone().check, Microphone().__enter__):
    try:
        attempt()
    except SourceError as error:
        print(error)
os.write(2, b"still open")
"""
    noisy = run("import pyaudio; pyaudio.PyAudio()", ALSA_CONFIG_PATH=str(config))
    done = run(script, ALSA_CONFIG_PATH=str(config))
    assert noisy.stderr, "PortAudio is quiet here by itself: this test shows nothing"
    assert done.stderr == "still open"
    table, checked, entered = done.stdout.splitlines()
    assert table == "0 int64 object int64 int64 bool object"
    assert checked == entered
    assert "no microphone: the machine that the kernel runs on" in checked
    assert 'source="browser" records with the one of your browser' in checked


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_capture_is_silent_on_stderr(mic: VirtualMic, closed: bool) -> None:
    """Listing, opening and closing writes nothing to stderr, also where stderr is closed."""
    script = """
import os, threading
if CLOSED:
    os.close(2)
from nbstream.sources import Microphone, devices
devices()
with Microphone() as source:
    print(next(source.chunks(threading.Event())).n_frames)
"""
    done = run(script.replace("CLOSED", str(closed)))
    assert (done.stdout, done.stderr) == ("800\n", "")


def test_missing_pyaudio() -> None:
    """Without PyAudio the error says what to install on each system and what works without."""
    script = """
import sys
sys.modules["pyaudio"] = None
from nbstream.errors import SourceError
from nbstream.sources import Microphone, devices
for attempt in (Microphone().check, Microphone().__enter__, devices):
    try:
        attempt()
    except SourceError as error:
        print(error)
"""
    done = run(script)
    assert done.stderr == ""
    checked, *others = done.stdout.splitlines()
    assert [checked, checked] == others
    assert checked.startswith("PyAudio is not installed. Debian and Ubuntu: apt-get install")
    for part in ("portaudio19-dev", "nbstream[mic]", "brew install portaudio", "Windows: pip"):
        assert part in checked
    assert 'source="sample"' in checked


def test_missing_portaudio() -> None:
    """Where PyAudio can't load PortAudio, the error says so, and stdout stays clean."""
    script = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == "pyaudio._portaudio":
            raise ImportError("libportaudio.so.2: cannot open shared object file")
sys.meta_path.insert(0, Blocker())
from nbstream.sources import Microphone
Microphone().check()
"""
    done = run(script)
    assert done.stdout == ""
    assert "the PortAudio library that it needs is not: libportaudio.so.2" in done.stderr
    assert "apt-get install libportaudio2" in done.stderr


def test_closing_restores_after_a_failed_start(mic: VirtualMic, speech: Path) -> None:
    """After a start that failed the microphone can be used."""
    with contextlib.suppress(NbstreamError):
        Microphone("nothing like it").__enter__()
    with Microphone() as source, mic.play(speech):
        assert NOISE.tobytes() in joined(record(source, heard))
