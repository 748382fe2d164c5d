"""The page's clock and the kernel's: how they differ, how well that is known. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

SETTLE_S: Final = 3.0  # until a page knows how long its sound takes to be heard of
RECENT_S: Final = 60.0  # clocks drift, and a sleeping computer stops one of them


class PageClock:
    """Turns instants of the page (ms, its own clock) into ``time.monotonic()``.

    The page asks for the time now and then. The kernel's answer was made at some instant between
    question and answer, so half of that is how far the difference may be wrong; the quickest of
    the recent answers counts.

    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float, float]] = deque()  # back_s, offset_s, uncertainty
        self._best: tuple[float, float] | None = None
        self._first: tuple[float, float] | None = None  # audio_s, captured_s
        self._last: tuple[float, float] | None = None

    @property
    def is_known(self) -> bool:
        """Whether there was an answer."""
        return self._best is not None

    def answered(self, sent_ms: float, kernel_s: float, back_ms: float) -> None:
        """The page asked at `sent_ms`, and had the answer `kernel_s` at `back_ms`."""
        if not 0 <= back_ms - sent_ms < 60_000:
            return
        back_s, middle_s = back_ms / 1000, (sent_ms + back_ms) / 2000
        self._recent.append((back_s, kernel_s - middle_s, (back_ms - sent_ms) / 2000))
        while back_s - self._recent[0][0] > RECENT_S:
            self._recent.popleft()
        self._best = min(self._recent, key=lambda one: one[2])[1:]

    def kernel_s(self, page_ms: float) -> float:
        """When that was, here."""
        assert self._best is not None
        return page_ms / 1000 + self._best[0]

    def captured(self, audio_s: float, captured_s: float) -> None:
        """So much audio has been captured, lost audio included, by then."""
        if audio_s >= SETTLE_S:
            self._last = audio_s, captured_s
            self._first = self._first or self._last

    def restart(self) -> None:
        """Another page, another clock."""
        self._recent.clear()
        self._best = self._first = self._last = None

    def about(self) -> dict[str, Any]:
        """The clocks' difference, for ``session.json``.

        Returns
        -------
        dict
            ``offset_ms`` (kernel less page), ``uncertainty_ms`` (half of the quickest answer's
            time), ``drift_ms``: how much longer the kernel's clock than the device's says the
            recording was; ``drift_ppm``, the same to its length. None where not known.

        """
        found: dict[str, Any] = dict.fromkeys(
            ("offset_ms", "uncertainty_ms", "drift_ms", "drift_ppm")
        )
        if self._best is not None:
            found["offset_ms"] = round(self._best[0] * 1000, 3)
            found["uncertainty_ms"] = round(self._best[1] * 1000, 3)
        if self._first is not None and self._last is not None:
            length_s = self._last[0] - self._first[0]
            drift_s = self._last[1] - self._first[1] - length_s
            found["drift_ms"] = round(drift_s * 1000, 3)
            found["drift_ppm"] = round(drift_s / length_s * 1e6, 1) if length_s else None
        return found
