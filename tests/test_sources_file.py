from __future__ import annotations

import contextlib
import itertools
import os
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbstream import sources
from nbstream.audio import CHUNK_FRAMES, SAMPLE_RATE_HZ, Chunk, wav_header
from nbstream.errors import ParameterError, SourceError, StateError
from nbstream.sources import AudioFile, Microphone, Sample, Source, resolve

NEVER = threading.Event()
SPEECH = np.random.default_rng(3).integers(-32_768, 32_768, 20_100).astype("<i2")


def write_wav(
    path: Path, samples: np.ndarray, rate_hz: int = SAMPLE_RATE_HZ, n_channels: int = 1
) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((n_channels, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def read(path: Path) -> np.ndarray:
    with AudioFile(path, speed=0) as source:
        return np.frombuffer(b"".join(chunk.pcm for chunk in source.chunks(NEVER)), "<i2")


def refusal(path: Path | str) -> SourceError:
    """The error of `check`, which is the error of opening too."""
    with pytest.raises(SourceError) as caught:
        AudioFile(path).check()
    with pytest.raises(SourceError) as again:
        AudioFile(path).__enter__()
    assert str(caught.value) == str(again.value)
    assert caught.value.hint
    return caught.value


def tone(rate_hz: int, duration_s: float = 1.5) -> np.ndarray:
    """A chirp from 200 to 3200 Hz, float, full scale 0.5."""
    times = np.arange(int(rate_hz * duration_s)) / rate_hz
    return 0.5 * np.sin(2 * np.pi * (200 + 1_000 * times) * times)


@given(samples=st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=3_000))
def test_a_wav_is_read_bit_exact(tmp_path: Path, samples: list[int]) -> None:
    """Every 16-bit sample of a 16 kHz mono WAV comes out as it is in the file."""
    assert samples == read(write_wav(tmp_path / "a.wav", np.array(samples))).tolist()


def test_chunks_have_50_ms_and_the_last_what_is_left(tmp_path: Path) -> None:
    """A file is cut into chunks of 800 frames; nothing is padded and nothing left out."""
    path = write_wav(tmp_path / "a.wav", SPEECH)
    with AudioFile(path, speed=0) as source:
        chunks = list(source.chunks(NEVER))
    assert [chunk.n_frames for chunk in chunks] == [CHUNK_FRAMES] * 25 + [100]
    assert {(0, 0)} == {(chunk.overflows, chunk.lost_frames) for chunk in chunks}


@given(
    pairs=st.lists(
        st.tuples(st.integers(-32_768, 32_767), st.integers(-32_768, 32_767)), min_size=1
    )
)
def test_stereo_is_downmixed_to_the_mean(tmp_path: Path, pairs: list[tuple[int, int]]) -> None:
    """Two channels become their mean, rounded; no sum that clips."""
    path = write_wav(tmp_path / "a.wav", np.array(pairs), n_channels=2)
    expected = np.rint(np.mean(pairs, axis=1))
    np.testing.assert_array_equal(expected, read(path))


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled(tmp_path: Path, rate_hz: int) -> None:
    """A file of another rate gives the same sound at 16 kHz, as long as before."""
    pytest.importorskip("soxr")
    stereo = np.repeat(tone(rate_hz) * 32_767, 2).reshape(-1, 2)
    recorded = read(write_wav(tmp_path / "a.wav", stereo, rate_hz, n_channels=2))
    expected = tone(SAMPLE_RATE_HZ)
    assert abs(len(expected) - len(recorded)) <= 1
    n_frames = min(len(expected), len(recorded))
    assert np.corrcoef(expected[:n_frames], recorded[:n_frames])[0, 1] > 0.999
    assert abs(np.max(np.abs(recorded[1_000:20_000])) / 32_768 - 0.5) < 0.01


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_U8", 256),
        ("a.wav", "PCM_24", 0),
        ("a.wav", "PCM_32", 0),
        ("a.wav", "FLOAT", 0),
        ("a.wav", "DOUBLE", 0),
        ("a.flac", "PCM_16", 0),
        ("a.flac", "PCM_24", 0),
        ("a.aiff", "PCM_16", 0),
    ],
)
def test_other_formats(tmp_path: Path, name: str, subtype: str, tolerance: int) -> None:
    """Lossless formats give the same samples; 8 bits differ by at most a step."""
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / name, SPEECH / 32_768, SAMPLE_RATE_HZ, subtype=subtype)
    recorded = read(tmp_path / name)
    assert len(SPEECH) == len(recorded)
    assert np.max(np.abs(SPEECH.astype(int) - recorded)) <= tolerance


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_formats(tmp_path: Path, name: str) -> None:
    """OGG and MP3 sound as what was encoded, but for the delay of the encoder."""
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / name, tone(SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)
    recorded = read(tmp_path / name).astype(float)
    inside = tone(SAMPLE_RATE_HZ)[2_000:-2_000]
    start = int(np.argmax(np.correlate(recorded, inside, "valid")))
    assert np.corrcoef(inside, recorded[start : start + len(inside)])[0, 1] > 0.99


def test_nan_is_silence(tmp_path: Path) -> None:
    """A NaN in a float file is one sample of silence, also where the file is resampled."""
    soundfile = pytest.importorskip("soundfile")
    samples = tone(48_000)
    samples[100] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 48_000, subtype="FLOAT")
    assert np.corrcoef(tone(SAMPLE_RATE_HZ), read(tmp_path / "a.wav"))[0, 1] > 0.999


def test_tags_behind_the_samples_are_not_audio(tmp_path: Path) -> None:
    """Chunks after the samples, as editors write them, are left out without a warning."""
    path = write_wav(tmp_path / "a.wav", SPEECH)
    with path.open("ab") as file:
        file.write(b"LIST" + struct.pack("<I", 5) + b"INFO!\0" + b"id3 " + struct.pack("<I", 0))
    source = AudioFile(path)
    source.check()
    assert source.warning == ""
    np.testing.assert_array_equal(SPEECH, read(path))


@pytest.mark.parametrize("claimed", [0, 5_000, 1_000_000])
def test_the_file_size_is_believed(tmp_path: Path, claimed: int) -> None:
    """Where a killed recording left a wrong header, all samples are read, with a warning."""
    path = tmp_path / "torn.wav"
    path.write_bytes(wav_header(claimed) + SPEECH.tobytes() + b"\x01")
    np.testing.assert_array_equal(SPEECH, read(path))
    source = AudioFile(path)
    source.check()
    assert source.warning == (
        f"torn.wav: the header claims {claimed / 16_000:.2f} s of audio, "
        "but 1.26 s are there and are read."
    )


def test_a_stream_of_unknown_length_is_no_surprise(tmp_path: Path) -> None:
    """Writers that can't seek claim the largest size; that is read without a warning."""
    path = tmp_path / "piped.wav"
    header = bytearray(wav_header(0))
    header[4:8] = header[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(header) + SPEECH.tobytes())
    source = AudioFile(path)
    source.check()
    assert source.warning == ""
    np.testing.assert_array_equal(SPEECH, read(path))


@given(data=st.binary(max_size=200), kind=st.sampled_from(["", "RIFF", "WAVE", "fmt ", "data"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, kind: str) -> None:
    """No content of a file leads to anything but audio or a SourceError."""
    header = wav_header(50)
    path = tmp_path / "any.wav"
    path.write_bytes(header[: header.index(kind.encode()) + len(kind)] + data)
    with contextlib.suppress(SourceError):
        read(path)


# ---------------------------------------------------------------- pace


def test_pace_follows_the_clock(tmp_path: Path) -> None:
    """No chunk comes before its last sample would have been spoken, and times never go back."""
    path = write_wav(tmp_path / "a.wav", SPEECH)
    started_s = time.monotonic()
    with AudioFile(path, speed=4) as source:
        chunks = list(source.chunks(NEVER))
    times = [chunk.captured_s - started_s for chunk in chunks]
    assert times == sorted(times)
    spoken = itertools.accumulate(chunk.n_frames for chunk in chunks)
    assert all(at_s >= n_frames / 64_000 for at_s, n_frames in zip(times, spoken, strict=True))


class WatchedEvent(threading.Event):
    """An event that tells how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_s: list[float] = []
        self.is_waited_for = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        """Note how long, and wait."""
        self.asked_s.append(timeout or 0.0)
        self.is_waited_for.set()
        return super().wait(timeout)


def test_pace_does_not_drift(tmp_path: Path) -> None:
    """A reader that was late gets the next chunks without a wait, until it has caught up."""
    stop = WatchedEvent()
    with AudioFile(write_wav(tmp_path / "a.wav", SPEECH)) as source:
        chunks = source.chunks(stop)
        next(chunks)
        NEVER.wait(0.5)  # the reader is busy with other things
        assert len(list(itertools.islice(chunks, 9))) == 9
    assert stop.asked_s[0] > 0
    assert stop.asked_s[1:] == [0.0] * 9


def test_stop_interrupts_the_wait(tmp_path: Path) -> None:
    """Stop ends a paced file in the middle of a wait; the rest of the file is not yielded."""
    path = write_wav(tmp_path / "a.wav", SPEECH)
    stop = WatchedEvent()
    yielded: list[Chunk] = []

    def consume() -> None:
        # At the slowest speed the first chunk is due after 5 s.
        with AudioFile(path, speed=0.01) as source:
            yielded.extend(source.chunks(stop))

    thread = threading.Thread(target=consume)
    thread.start()
    assert stop.is_waited_for.wait(20)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert yielded == []


def test_stop_ends_an_unpaced_file(tmp_path: Path) -> None:
    """Stop ends a file that is read as fast as it can be, at the next chunk."""
    stop = threading.Event()
    with AudioFile(write_wav(tmp_path / "a.wav", SPEECH), speed=0) as source:
        chunks = source.chunks(stop)
        next(chunks)
        stop.set()
        assert list(chunks) == []


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf"), 1e-9, "fast", True])
def test_speed_is_checked(speed: float) -> None:
    """A speed that is no pace is refused when the source is made."""
    with pytest.raises(ParameterError, match="speed is out of range") as caught:
        AudioFile("talk.wav", speed=speed)
    assert caught.value.parameter == "speed"


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Reading takes the memory of a block, however long the file is."""
    pytest.importorskip("soxr")
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        for _ in range(120):
            file.writeframes(bytes(44_100 * 4))
    with AudioFile(path, speed=0) as source:
        chunks = source.chunks(NEVER)
        next(chunks)
        tracemalloc.start()
        n_chunks = sum(1 for _ in chunks)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert n_chunks >= 2_399
    assert peak_bytes < 2_000_000


# ---------------------------------------------------------------- bad input


def test_no_such_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that leads nowhere says from where it was looked for, or what is like it."""
    monkeypatch.chdir(tmp_path)
    error = refusal("talk.wav")
    assert error.message == "no such file: talk.wav."
    assert str(tmp_path) in error.hint
    write_wav(tmp_path / "talks.wav", SPEECH)
    assert refusal("talk.wav").hint == "Did you mean talks.wav?"


@pytest.mark.parametrize("path", ["a\0b.wav", "nobody/is/here.wav", "~no-such-user/a.wav"])
def test_impossible_paths(path: str) -> None:
    """A path that can't exist is no such file."""
    assert refusal(path).message == f"no such file: {path}."


def test_a_path_that_is_too_long() -> None:
    """What the system says about a path is passed on."""
    assert refusal("x" * 5_000).message.endswith("can't be read: File name too long.")


def test_a_folder(tmp_path: Path) -> None:
    """A folder is named as one."""
    assert refusal(tmp_path).message == f"{tmp_path} is a folder, not an audio file."


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    """What is neither file nor folder is refused, without waiting for a writer."""
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe").message.endswith("is not a regular file.")


def test_an_empty_file(tmp_path: Path) -> None:
    """A file without a byte is empty, not in a wrong format."""
    (tmp_path / "a.wav").touch()
    assert refusal(tmp_path / "a.wav").message.endswith("is empty (0 bytes).")


def test_only_a_header(tmp_path: Path) -> None:
    """A WAV without samples is told from an empty file."""
    path = write_wav(tmp_path / "a.wav", np.empty(0))
    assert refusal(path).message == f"{path} has a header but no samples."


@pytest.mark.parametrize("name", ["a.txt", "a.wav", "a.mp3", "a.raw"])
def test_not_audio(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What is not audio is called so whatever its name, and no decoder writes to stderr."""
    pytest.importorskip("soundfile")
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(0).bytes(5_000))
    assert refusal(path).message == f"{path} is not audio that can be read here."
    assert capfd.readouterr().err == ""


def test_a_damaged_file(tmp_path: Path) -> None:
    """A file that breaks off inside is an error that says where."""
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.flac"
    soundfile.write(path, np.tile(SPEECH, 4), SAMPLE_RATE_HZ)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(SourceError, match=r"a\.flac can't be read beyond \d\.\d s: ") as caught:
        read(path)
    assert "what came before was read" in caught.value.hint


def test_unreadable(tmp_path: Path) -> None:
    """A file that may not be read is told from one that is not there."""
    path = write_wav(tmp_path / "a.wav", SPEECH)
    path.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:  # who may read everything
        os.seteuid(65_534)
    try:
        assert refusal(path).message == f"{path} can't be read: Permission denied."
    finally:
        if is_root:
            os.seteuid(0)


def test_without_soundfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where soundfile is missing, another format says what to install; 16-bit WAV is read."""
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (tmp_path / "a.flac").write_bytes(b"fLaC")
    error = refusal(tmp_path / "a.flac")
    assert "soundfile, which reads other formats, is not installed" in error.message
    assert error.hint == "Run: pip install 'nbstream[audio]'"
    np.testing.assert_array_equal(SPEECH, read(write_wav(tmp_path / "a.wav", SPEECH)))


def test_without_soxr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where soxr is missing, another rate says what to install; 16 kHz is read."""
    monkeypatch.setitem(sys.modules, "soxr", None)
    error = refusal(write_wav(tmp_path / "a.wav", SPEECH, rate_hz=44_100))
    assert error.message.startswith("a.wav has 44100 Hz and needs resampling to 16000 Hz")
    assert error.hint == "Run: pip install 'nbstream[audio]'"
    np.testing.assert_array_equal(SPEECH, read(write_wav(tmp_path / "a.wav", SPEECH)))


def test_a_closed_file_is_not_read(tmp_path: Path) -> None:
    """Chunks are only there inside `with`; a source can be opened again."""
    source = AudioFile(write_wav(tmp_path / "a.wav", SPEECH), speed=0)
    for _ in range(2):
        with pytest.raises(StateError):
            next(source.chunks(NEVER))
        with source:
            assert len(list(source.chunks(NEVER))) == 26


# ---------------------------------------------------------------- channels that are kept apart


CHANNELS = np.random.default_rng(4).integers(-32_768, 32_768, (2_100, 3)).astype("<i2")


@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_channels_with_names_are_kept_apart(tmp_path: Path, n_channels: int) -> None:
    """Each sample stays what and where it was, in chunks of 800 frames of all channels."""
    samples = CHANNELS[:, :n_channels]
    path = write_wav(tmp_path / "a.wav", samples, n_channels=n_channels)
    names = ("agent", "caller", "coach")[:n_channels]
    with AudioFile(path, 0, speakers=names) as source:
        chunks = list(source.chunks(NEVER))
    assert (names, CHUNK_FRAMES) == (source.speakers, chunks[0].n_frames)
    assert [800, 800, 500] == [chunk.n_frames for chunk in chunks]
    assert samples.tobytes() == b"".join(chunk.pcm for chunk in chunks)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_channels_are_resampled_each_by_itself(tmp_path: Path, kind: str) -> None:
    """What comes out on a channel is what comes out of a file of that channel alone."""
    soundfile = pytest.importorskip("soundfile")
    pair = (32_767 * np.stack([tone(44_100), tone(44_100)[::-1]], axis=1)).astype("<i2")
    soundfile.write(tmp_path / f"pair.{kind}", pair, 44_100, subtype="PCM_16")
    with AudioFile(tmp_path / f"pair.{kind}", 0, speakers=("a", "b")) as source:
        pcm = b"".join(chunk.pcm for chunk in source.chunks(NEVER))
    apart = np.frombuffer(pcm, "<i2").reshape(-1, 2)
    for k in range(2):
        soundfile.write(tmp_path / "one.wav", pair[:, k], 44_100, subtype="PCM_16")
        assert np.array_equal(read(tmp_path / "one.wav"), apart[:, k])


@pytest.mark.parametrize(("n_channels", "names"), [(1, "ab"), (3, "ab"), (2, "a")])
def test_as_many_names_as_channels(tmp_path: Path, n_channels: int, names: str) -> None:
    """Another number is refused before anything is recorded, naming both numbers."""
    path = write_wav(tmp_path / "a.wav", CHANNELS[:, :n_channels], n_channels=n_channels)
    source = AudioFile(path, speakers=tuple(names))
    for attempt in (source.check, source.__enter__):
        with pytest.raises(SourceError, match=f"has {n_channels} channel") as caught:
            attempt()
        assert f"speakers has {len(names)} name" in caught.value.message
        assert "speakers=(" in caught.value.hint


@pytest.mark.parametrize("names", ["agent", ("a", "a"), ("a", " a"), ("a", ""), ("a", 2), (" ",)])
@pytest.mark.parametrize(
    "make", [lambda n: AudioFile("x.wav", speakers=n), lambda n: Microphone(speakers=n)]
)
def test_names_of_speakers_are_checked(make: Callable[[object], Source], names: object) -> None:
    """One text, an empty name and one that comes twice are refused at once."""
    with pytest.raises(ParameterError) as caught:
        make(names)
    assert caught.value.parameter == "speakers"


# ---------------------------------------------------------------- choosing a source


def test_resolve(tmp_path: Path) -> None:
    """A word, a path or a source becomes a source with what the engine asks of it."""
    sample, mic, file = resolve("sample"), resolve("mic"), resolve(tmp_path / "talk.flac")
    assert [(source.kind, source.live) for source in (sample, mic, file)] == [
        ("sample", False),
        ("mic", True),
        ("file", False),
    ]
    assert (file.label, file.speed) == ("talk.flac", 1.0)
    assert resolve(file) is file
    assert all(isinstance(source, Source) for source in (sample, mic, file))


@pytest.mark.parametrize("spec", ["", 3, None])
def test_resolve_refuses_what_is_no_source(spec: object) -> None:
    """Anything else is refused with the choices."""
    with pytest.raises(SourceError, match="no source can be made of") as caught:
        resolve(spec)  # type: ignore[arg-type]
    assert '"mic", "browser", the path of an audio file' in caught.value.hint


def test_sample() -> None:
    """The sample is there, speaks 20 to 40 s, and tells what is said in it."""
    sample = Sample(speed=0)
    sample.check()
    assert sample.label == "sample"
    assert len(sample.transcript) >= 5
    assert all(isinstance(text, str) and text for text in sample.transcript)
    with sample:
        n_frames = sum(chunk.n_frames for chunk in sample.chunks(NEVER))
    assert 20 <= n_frames / SAMPLE_RATE_HZ <= 40


def test_sources_load_nothing_before_it_is_needed() -> None:
    """Importing the sources loads no optional package."""
    script = (
        "import sys, nbstream.sources;"
        "print({'pyaudio', 'soundfile', 'soxr', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(sources.__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"


@pytest.fixture(autouse=True)
def _never_is_never_set() -> Iterator[None]:
    yield
    assert not NEVER.is_set()
