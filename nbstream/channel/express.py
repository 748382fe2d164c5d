"""`Express`: a WebSocket whose messages are taken where they are read.

The library puts each message into a queue and wakes a task for it. With twenty a second, each of
them at a processor that had gone to sleep, that way cost as much as everything that is done with
them; so it is only for what is not whole, or not liked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.http11 import Request


class Express(ServerConnection):
    """One connection of a page.

    Attributes
    ----------
    taker : callable or None
        Given each message; whether more may come. If not, or if it raises, the message is for
        whoever waits for it by ``recv``, as all are before there is a taker.

    """

    taker: Callable[[str | bytes], bool] | None = None

    def process_event(self, event: Frame | Request) -> None:  # type: ignore[override]
        """See `websockets`: called with each frame, before all that have come are answered."""
        if not self._is_taken(event):
            super().process_event(event)

    def _is_taken(self, event: Frame | Request) -> bool:
        if self.taker is None or not isinstance(event, Frame) or not event.fin:
            return False
        with contextlib.suppress(Exception):  # raised again where the library knows what to do
            if event.opcode is Opcode.BINARY:
                return self.taker(bytes(event.data))
            if event.opcode is Opcode.TEXT:
                return self.taker(bytes(event.data).decode())
        return False
