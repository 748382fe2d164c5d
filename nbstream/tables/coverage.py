"""What of the recording the service has had its say on, from events and chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    n_channels: int = 1,
    folded: Fold | None = None,
) -> list[tuple[int, int, int | None]]:
    """Stretches of the recording that the service has not had its say on, in frames.

    A connection that was terminated covers all that it was sent; one that broke covers what is
    before the end of its last final turn. What is shorter than a message can be is no stretch.
    Of several channels, each is heard by connections of its own, and covered by them alone.

    Parameters
    ----------
    entries : iterable of Entry
        All events.
    records : array, shape (records,), dtype `CHUNK_RECORD`
        As in ``chunks.bin``.
    n_frames : int
        Length of the recording.
    n_channels : int
        As many as are kept apart; 1 if they are mixed into one.
    folded : Fold, optional
        What all events fold to, if that is known: then `entries` need only be its rare ones.

    Returns
    -------
    list of (start, end, channel)
        Half open, in order; the channel is None where there is only one.

    """
    starts: dict[int, tuple[int, int | None]] = {}
    clean: set[int] = set()
    known, folded = folded is not None, folded or Fold(sample_rate_hz)
    for entry in entries:
        if not known:
            folded.add(entry)
        if entry.connection is not None and isinstance(entry.event, ev.Connected):
            starts[entry.connection] = (entry.event.start_frame, entry.event.channel)
        if entry.connection is not None and isinstance(entry.event, ev.Termination):
            clean.add(entry.connection)
    channels = [None] if n_channels == 1 else list(range(n_channels))
    covered: dict[int | None, list[tuple[int, int]]] = {channel: [] for channel in channels}
    for number, (start, channel) in starts.items():
        if channel not in covered:
            continue
        sent = records[records["connection"] == number]
        end = int((sent["frame"] + sent["n_frames"]).max()) if len(sent) else start
        if number not in clean:
            finals = [r.end_s for r in folded.rows if r.connection == number and r.is_final]
            end = min(end, int(np.nanmax([0.0, *finals]) * sample_rate_hz))
        covered[channel].append((start, end))
    found = [
        (start, end, channel)
        for channel in channels
        for start, end in _holes(covered[channel], n_frames, sample_rate_hz // 20)
    ]
    return sorted(found, key=lambda hole: hole[:2])


def _holes(
    covered: list[tuple[int, int]], n_frames: int, shortest: int
) -> Iterator[tuple[int, int]]:
    """What `covered` leaves of `n_frames`, where it is not shorter than `shortest`."""
    at = 0
    for start, end in [*sorted(covered), (n_frames, n_frames)]:
        if start - at >= shortest:
            yield at, start
        at = max(at, end)
