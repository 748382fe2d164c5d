"""The page's clock and the kernel's: how they differ, how well that is known. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

SETTLE_S: Final = 3.0  # until a page knows how long its sound takes to be heard of
DRIFT_S: Final = 60.0  # in less, stamps wander more than clocks drift
RECENT_S: Final = 60.0  # clocks drift
JUMP_S: Final = 0.15  # beyond what answers leave open; more than clocks drift between them


class PageClock:
    """Turns instants of the page (ms, its own clock) into ``time.monotonic()``.

    The page asks for the time now and then. The kernel's answer was made at some instant between
    question and answer, so half of that is how far the difference may be wrong; the quickest of
    the recent answers counts.

    A computer that sleeps stops its clock, and maybe not the other's: the difference jumps. From
    then on older answers tell nothing, but for what the page captured until the last of them.

    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float, float]] = deque()  # back_s, offset_s, uncertainty
        self._best: tuple[float, float] | None = None
        self._before: list[tuple[float, float]] = []  # up to this page time, this offset
        self._slept: list[tuple[float, float]] = []  # at this page time, for so long
        self._jumps = 0
        self._first: tuple[float, float] | None = None  # audio_s, captured_s
        self._last: tuple[float, float] | None = None
        self._settled_s: float | None = None  # of audio; None before any
        self._length_s = self._drift_s = 0.0  # of stretches that have ended

    @property
    def is_known(self) -> bool:
        """Whether there was an answer."""
        return self._best is not None

    def answered(self, sent_ms: float, kernel_s: float, back_ms: float) -> None:
        """The page asked at `sent_ms`, and had the answer `kernel_s` at `back_ms`."""
        if not 0 <= back_ms - sent_ms < 60_000:
            return
        back_s, middle_s = back_ms / 1000, (sent_ms + back_ms) / 2000
        offset_s, uncertainty_s = kernel_s - middle_s, (back_ms - sent_ms) / 2000
        if self._best is not None:
            jump_s = offset_s - self._best[0]
            if abs(jump_s) > uncertainty_s + self._best[1] + JUMP_S:
                self._jumped(jump_s)
        self._recent.append((back_s, offset_s, uncertainty_s))
        while back_s - self._recent[0][0] > RECENT_S:
            self._recent.popleft()
        self._best = min(self._recent, key=lambda one: one[2])[1:]

    def kernel_s(self, page_ms: float) -> float:
        """When that was, here."""
        assert self._best is not None
        before = (offset_s for until_s, offset_s in self._before if page_ms / 1000 <= until_s)
        return page_ms / 1000 + next(before, self._best[0])

    def slept_s(self, page_ms: float) -> float:
        """How long the page's computer slept before that, as far as this was not asked before."""
        found = sum(slept_s for at_s, slept_s in self._slept if at_s < page_ms / 1000)
        self._slept = [one for one in self._slept if one[0] >= page_ms / 1000]
        return found

    def captured(self, audio_s: float, captured_s: float) -> None:
        """So much audio has been captured, lost audio included, by then."""
        if self._settled_s is None:
            self._settled_s = audio_s + SETTLE_S
        if audio_s >= self._settled_s and self._first is None:
            self._first = audio_s, captured_s
        self._last = audio_s, captured_s

    def resettle(self) -> None:
        """A page begins: what comes late at first is no drift."""
        if self._first is not None and self._last is not None:
            length_s = self._last[0] - self._first[0]
            self._length_s += length_s
            self._drift_s += self._last[1] - self._first[1] - length_s
        self._first = self._settled_s = None

    def restart(self) -> None:
        """Another page, another clock."""
        self._recent.clear()
        self._before, self._slept, self._best = [], [], None
        self.resettle()

    def about(self) -> dict[str, Any]:
        """The clocks' difference, for ``session.json``.

        Returns
        -------
        dict
            ``offset_ms`` (kernel less page), ``uncertainty_ms`` (half of the quickest answer's
            time), ``jumps`` (how often the difference jumped), ``drift_ms``: how much longer the
            kernel's clock than the device's says the recording was; ``drift_ppm``, the same to its
            length, from a minute on. None where not known.

        """
        found: dict[str, Any] = dict.fromkeys(
            ("offset_ms", "uncertainty_ms", "jumps", "drift_ms", "drift_ppm")
        )
        found["jumps"] = self._jumps
        if self._best is not None:
            found["offset_ms"] = round(self._best[0] * 1000, 3)
            found["uncertainty_ms"] = round(self._best[1] * 1000, 3)
        length_s, drift_s = self._length_s, self._drift_s
        if self._first is not None and self._last is not None:
            length_s += self._last[0] - self._first[0]
            drift_s += self._last[1] - self._first[1] - (self._last[0] - self._first[0])
        if self._first is not None or length_s:
            found["drift_ms"] = round(drift_s * 1000, 3)
            if length_s >= DRIFT_S:
                found["drift_ppm"] = round(drift_s / length_s * 1e6, 1)
        return found

    def _jumped(self, jump_s: float) -> None:
        assert self._best is not None
        until_s = self._recent[-1][0]
        self._before.append((until_s, self._best[0]))
        self._recent.clear()
        self._jumps += 1
        if jump_s > 0:
            self._slept.append((until_s, jump_s))
        self.resettle()
