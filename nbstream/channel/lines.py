"""Lines: what pages are answered by, and what is said on them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

HOST: Final = "127.0.0.1"
MAX_MESSAGE_BYTES: Final = 1024 * 1024  # a chunk of 16 channels is 26 kB; a note may be long
REFUSED: Final = 4003  # close code: not to be tried again
REPLACED: Final = 4001  # the same page has come by another line
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "::1")
Message = dict[str, Any]


class Line(Protocol):
    """What a page can be answered by."""

    async def send(self, text: str, /) -> None:
        """Say it to the page."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Hang up."""
        ...


class WidgetLine:
    """The widget as a line."""

    def __init__(self, tell: Callable[[Message], None], page: str, number: object) -> None:
        self._tell = tell
        self.number = number  # by which the page tells its lines apart
        self.to: Message = {"to": page, "line": number}
        self.is_closed = False

    async def send(self, text: str, /) -> None:
        """See `Line`."""
        if not self.is_closed:
            self._tell({"kind": "line", "text": text} | self.to)

    async def close(self, code: int, reason: str) -> None:
        """See `Line`."""
        self.is_closed = True
        self._tell({"kind": "closed", "code": code, "reason": reason} | self.to)


def parsed(text: str | bytes) -> Message:
    """The message in `text`; empty if there is none."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def stamp(said: Message) -> Message:
    """When it was sent there, word for word, and when it came here, in seconds."""
    return {"sent": said.get("sent"), "kernel_s": time.monotonic()}
