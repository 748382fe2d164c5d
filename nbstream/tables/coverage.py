"""What of the recording the service has had its say on, from events and chunks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from nbstream import events as ev
from nbstream.audio import SAMPLE_RATE_HZ
from nbstream.tables.fold import Fold


def missing(
    entries: Iterable[ev.Entry],
    records: npt.NDArray[Any],
    n_frames: int,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> list[tuple[int, int]]:
    """Stretches of the recording that the service has not had its say on, in frames.

    A connection that was terminated covers all that it was sent; one that broke covers what is
    before the end of its last final turn. What is shorter than a message can be is no stretch.

    Parameters
    ----------
    entries : iterable of Entry
        All events.
    records : array, shape (records,), dtype `CHUNK_RECORD`
        As in ``chunks.bin``.
    n_frames : int
        Length of the recording.

    Returns
    -------
    list of (start, end)
        Half open, in order.

    """
    starts: dict[int, int] = {}
    clean: set[int] = set()
    folded = Fold(sample_rate_hz)
    for entry in entries:
        folded.add(entry)
        if entry.connection is not None and isinstance(entry.event, ev.Connected):
            starts[entry.connection] = entry.event.start_frame
        if entry.connection is not None and isinstance(entry.event, ev.Termination):
            clean.add(entry.connection)
    covered = []
    for number, start in starts.items():
        sent = records[records["connection"] == number]
        end = int((sent["frame"] + sent["n_frames"]).max()) if len(sent) else start
        if number not in clean:
            finals = [r.end_s for r in folded.rows if r.connection == number and r.is_final]
            end = min(end, int(np.nanmax([0.0, *finals]) * sample_rate_hz))
        covered.append((start, end))
    shortest = sample_rate_hz // 20
    found, at = [], 0
    for start, end in [*sorted(covered), (n_frames, n_frames)]:
        if start - at >= shortest:
            found.append((at, start))
        at = max(at, end)
    return found
