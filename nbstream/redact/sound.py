"""Spans of 16-bit audio, silenced or beeped over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from nbstream.audio import PcmArray

_FADE_S: Final = 0.005  # at each end, inside the span: no click
_BEEP_HZ: Final = 1000.0
_BEEP_LEVEL: Final = 0.05 * 32_767


def hush(
    samples: PcmArray,
    first_frame: int,
    spans: Sequence[tuple[int, int]],
    sample_rate_hz: int,
    *,
    beep: bool,
) -> PcmArray:
    """A piece of one channel that begins at `first_frame`, without what is said in `spans`.

    Parameters
    ----------
    samples : array, shape (frames,), int16
    first_frame : int
        Its position in the recording.
    spans : sequence of (start, end)
        In frames of the recording, half open; they do not overlap.
    beep : bool
        A tone of 1 kHz at -26 dBFS instead of silence.

    Returns
    -------
    array, shape (frames,), int16

    """
    made = np.array(samples, dtype=np.int16)
    fade = max(1, round(_FADE_S * sample_rate_hz))
    for start, end in spans:
        a, b = max(start, first_frame), min(end, first_frame + len(made))
        if a >= b:
            continue
        at = np.arange(a, b)
        depth: npt.NDArray[np.float64] = np.minimum(at - start, end - 1 - at) / fade
        kept = np.clip(1 - depth, 0, 1)
        piece = made[a - first_frame : b - first_frame] * kept
        if beep:
            piece += (1 - kept) * _BEEP_LEVEL * np.sin(2 * np.pi * _BEEP_HZ / sample_rate_hz * at)
        made[a - first_frame : b - first_frame] = np.round(piece)
    return made
