"""Whether anybody still has the page with the recorder open.

The page sends a sign of life now and then. While a cell runs, some kernels answer no page at all,
so that time does not count.
"""

from __future__ import annotations

import threading
import time

from IPython import get_ipython


class Presence:
    """Signs of life of a page.

    Parameters
    ----------
    grace_s : float or None
        Seconds without one after which nobody is there; None never to ask.

    Notes
    -----
    `seen` is called on the kernel's threads, `is_gone` on nbstream-notify.

    """

    def __init__(self, grace_s: float | None) -> None:
        self._grace_s = grace_s
        self._lock = threading.Lock()
        self._seen_s: float | None = None
        self._cells_running = 0
        self._shell = get_ipython()  # None outside a notebook
        if self._shell is not None:
            self._shell.events.register("pre_run_cell", self._cell_begins)
            self._shell.events.register("post_run_cell", self._cell_ends)

    def seen(self) -> None:
        """A sign of life came."""
        with self._lock:
            self._seen_s = time.monotonic()

    def is_gone(self) -> bool:
        """Whether a page was there, and has been silent for longer than the grace."""
        with self._lock:
            if self._grace_s is None or self._seen_s is None or self._cells_running:
                return False
            return time.monotonic() - self._seen_s > self._grace_s

    def close(self) -> None:
        """Stop watching."""
        if self._shell is not None:
            self._shell.events.unregister("pre_run_cell", self._cell_begins)
            self._shell.events.unregister("post_run_cell", self._cell_ends)
            self._shell = None

    def _cell_begins(self, *_: object) -> None:
        with self._lock:
            self._cells_running += 1

    def _cell_ends(self, *_: object) -> None:
        with self._lock:
            # The cell that made us ends without having begun for us.
            self._cells_running = max(0, self._cells_running - 1)
            if self._seen_s is not None:
                self._seen_s = time.monotonic()
