"""Facts about PCM."""

from __future__ import annotations

import io
import wave

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbstream import audio


@pytest.mark.parametrize("n_frames", [0, 1, 800, 12345])
def test_the_header_is_a_wav_files(n_frames: int) -> None:
    """The standard library reads our header and finds rate, width and length."""
    pcm = np.arange(n_frames, dtype="<i2").tobytes()
    with wave.open(io.BytesIO(audio.wav_header(n_frames) + pcm)) as file:
        assert file.getparams()[:4] == (1, 2, 16_000, n_frames)
        assert file.readframes(n_frames) == pcm


def test_a_recording_beyond_32_bits_claims_the_most_it_can() -> None:
    """40 hours do not overflow the header."""
    assert len(audio.wav_header(40 * 3600 * 16_000)) == audio.WAV_HEADER_BYTES


def test_level_of_known_signals() -> None:
    """Full-scale square 0 dBFS, a sine 3 dB less, silence and nothing at the floor."""
    square = np.full(1600, -32768, "<i2").tobytes()
    sine = (32767 * np.sin(np.arange(16000) * 2 * np.pi / 160)).astype("<i2").tobytes()
    assert audio.level_dbfs(square) == pytest.approx(0, abs=0.01)
    assert audio.level_dbfs(sine) == pytest.approx(-3.01, abs=0.01)
    assert audio.level_dbfs(bytes(1600)) == audio.SILENCE_DBFS
    assert audio.level_dbfs(b"") == audio.SILENCE_DBFS
    assert audio.is_clipped(square)
    assert not audio.is_clipped(bytes(1600))


@given(st.lists(st.integers(0, 700), max_size=20))
def test_peaks_do_not_depend_on_the_pieces(lengths: list[int]) -> None:
    """However a recording arrives, its columns are the minimum and maximum of each 10 ms."""
    samples = np.random.default_rng(1).integers(-32768, 32767, sum(lengths), dtype=np.int16)
    peaks, at = audio.Peaks(), 0
    for length in lengths:
        peaks.add(samples[at : at + length].tobytes())
        at += length
    expected = audio.min_max(samples, 160)
    assert len(peaks) == len(expected)
    assert np.array_equal(expected, peaks.tail(len(expected) + 5))
    assert np.array_equal(expected[-3:], peaks.tail(3))


@given(st.lists(st.integers(0, 9000), max_size=20), st.integers(1, 2))
def test_each_level_is_the_recording_in_wider_columns(lengths: list[int], n_channels: int) -> None:
    """At 10 ms, 80 ms, 640 ms, 5.12 s: the minimum and maximum of each, however it arrives."""
    shape = (sum(lengths), n_channels)
    samples = np.random.default_rng(1).integers(-32768, 32767, shape, dtype=np.int16)
    peaks, at = audio.Peaks(n_channels=n_channels), 0
    for length in lengths:
        peaks.add(samples[at : at + length].tobytes())
        at += length
    for level in range(audio.Peaks.N_LEVELS):
        expected = audio.min_max(samples, 160 * 8**level)
        assert peaks.n_columns(level) == len(expected)
        assert np.array_equal(expected, peaks.columns(level, 0, len(expected) + 5))
        assert np.array_equal(expected[3:7], peaks.columns(level, 3, 4))


def test_a_copy_of_columns_does_not_keep_the_recording_from_growing() -> None:
    """Who holds a slice holds it while audio arrives; it stays as it was."""
    peaks = audio.Peaks()
    peaks.add(bytes(3200))
    held = peaks.columns(0, 0, 10)
    peaks.add(np.full(1600, 9, "<i2").tobytes())
    assert len(peaks) == 20
    assert not held.any()


def test_adding_costs_the_same_after_an_hour() -> None:
    """No step of `add` looks at what was there before: it takes as many columns as come."""
    peaks, seen = audio.Peaks(), []
    columns = peaks.columns

    def count(level: int, first: int, n: int) -> npt.NDArray[np.int16]:
        seen.append(n)
        return columns(level, first, n)

    peaks.add(bytes(3600 * 32_000))
    peaks.columns = count  # type: ignore[method-assign]
    for _ in range(100):
        peaks.add(bytes(3200))
    assert sum(seen) <= 1000 + 125 + 16
