"""Floor transfers: who took the floor from whom, and how long after the other had stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

_ROUNDING_S: Final = 1e-6  # times are whole milliseconds, in seconds


def floor_transfer_ms(
    start_s: npt.ArrayLike,
    end_s: npt.ArrayLike,
    speaker: Sequence[str | None],
    *,
    window_s: float = 10.0,
    buffer_ms: float = 200.0,
    max_speakers: int = 2,
) -> npt.NDArray[np.float64]:
    """Floor transfer offset (FTO) of each turn: its start minus the end of the turn it follows.

    The turn it follows is the latest one that was said by another speaker, began at least
    `buffer_ms` earlier and reaches into the window; turns of the same speaker that lie between
    must be said wholly within it. There is none where nobody else spoke, more than `max_speakers`
    did, or it is unknown who did.

    Parameters
    ----------
    start_s, end_s : array_like, shape (turns,)
        In s of session audio.
    speaker : sequence of str or None, shape (turns,)
        None where it is not known.
    window_s : float
        How far back the other turn may have ended.
    buffer_ms : float
        Nobody answers what began less than this ago.
    max_speakers : int
        Most people heard in the window, the turn's own speaker included.

    Returns
    -------
    array, shape (turns,), float64
        ms; positive is a gap, negative an overlap, NaN where there is none.

    Notes
    -----
    Source: the relevant prior turn of scikit-talk 0.1.1 (``Conversation.calculate_FTO``), with the
    same defaults; FTO after Levinson & Torreira 2015, doi:10.3389/fpsyg.2015.00731.

    """
    start, end = np.asarray(start_s, np.float64), np.asarray(end_s, np.float64)
    fto_ms = np.full(start.shape, np.nan)
    timed = np.flatnonzero(~(np.isnan(start) | np.isnan(end)))
    order = timed[np.argsort(start[timed], kind="stable")]
    start, end = start[order], end[order]
    who = [speaker[i] for i in order]
    reach = np.maximum.accumulate(end) if end.size else end
    first = np.searchsorted(reach, start - window_s - _ROUNDING_S, side="left")
    for i in range(len(order)):
        if who[i] is None or not 2 <= len(set(who[first[i] : i + 1])) <= max_speakers:
            continue
        prior = _prior(i, int(first[i]), start, end, who, buffer_ms / 1000 - _ROUNDING_S)
        if prior is not None:
            fto_ms[order[i]] = (start[i] - end[prior]) * 1000
    return fto_ms


def _prior(
    turn: int,
    first: int,
    start: npt.NDArray[np.float64],
    end: npt.NDArray[np.float64],
    who: Sequence[str | None],
    buffer_s: float,
) -> int | None:
    own_start, own_end = np.inf, -np.inf  # of what the same speaker said in between
    for j in range(turn - 1, first - 1, -1):
        if who[j] is None:
            return None
        if who[j] == who[turn]:
            own_start, own_end = min(own_start, start[j]), max(own_end, end[j])
        elif start[turn] - buffer_s >= start[j] and start[j] <= own_start and end[j] >= own_end:
            return j
    return None
