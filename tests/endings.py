"""Did every connection end, and did it end by `Terminate`? Asked of the server's side."""

from __future__ import annotations

import threading

from tests.scripted import Peer, Script, ScriptedServer, hello

END_S = 30


class WatchedServer(ScriptedServer):
    """A scripted server that knows how its connections ended."""

    def __init__(self, script: Script = hello) -> None:
        self._inner = script
        self._changed = threading.Condition()
        self.n_open = 0
        self.n_ended = 0
        super().__init__(self._watched)

    def _watched(self, peer: Peer) -> None:
        with self._changed:
            self.n_open += 1
        try:
            self._inner(peer)
        finally:
            with self._changed:
                self.n_open -= 1
                self.n_ended += 1
                self._changed.notify_all()

    def all_ended(self, at_least: int = 1) -> bool:
        """Wait until so many connections have come and none is open any more."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self.n_ended >= at_least and not self.n_open, END_S
            )

    @property
    def terminated(self) -> list[bool]:
        """For each connection whether the client said `Terminate`."""
        return [any(text["type"] == "Terminate" for text in peer.texts) for peer in self.peers]
