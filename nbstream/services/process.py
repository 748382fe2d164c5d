"""The process of the embedded recogniser, which also replays: started, watched, ended."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

from nbstream.errors import RecogniserError
from nbstream.secret import Secret


class RecogniserProcess:
    """The recogniser's process: its address, its key, and its end."""

    def __init__(self, *arguments: str) -> None:
        self.key = Secret(secrets.token_urlsafe(24))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nbstream.local", "--port", "0", "--with-parent", *arguments],
            stdin=subprocess.PIPE,  # its end-of-file tells the server that we are gone
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"NBSTREAM_LOCAL_KEY": self.key.reveal()},
            # Ctrl+C in a terminal goes to the whole group; the recogniser has work left then.
            start_new_session=True,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stderr
        line = self._process.stdout.readline()
        self.base = next((word for word in line.split() if word.startswith("ws://")), "")
        if not self.base:
            self._process.kill()
            said = self._process.stderr.read().strip().splitlines()
            raise RecogniserError(
                f"the local recogniser did not start: {said[-1] if said else 'no word from it'}.",
                hint="Run `nbstream serve` to see what it says.",
            )
        self._process.stderr.close()
        # No stop at exit: it would come before the engine's last Terminate. The closed pipe is it.

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once: nobody can reach it any more."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
