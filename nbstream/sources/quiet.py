"""Keep C libraries from writing to the terminal."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Final

STDERR_FD: Final = 2

# File descriptor 2 belongs to the process: two threads that swap it at once could leave it silent.
_lock = threading.RLock()


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what is written to file descriptor 2 to nowhere, and put it back in any case.

    ALSA, JACK and MPEG decoders write there, past `sys.stderr`. In a notebook `sys.stderr` is
    another thing altogether and goes on working.
    """
    with _lock, contextlib.ExitStack() as undo:
        try:
            kept = os.dup(STDERR_FD)
        except OSError:  # closed, as in some services: nobody to disturb
            kept = -1
        if kept >= 0:
            undo.callback(os.close, kept)
            undo.callback(os.dup2, kept, STDERR_FD)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, STDERR_FD)
            os.close(nowhere)
        yield
