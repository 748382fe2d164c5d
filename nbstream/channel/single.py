"""`Channel`: a room for one page, which records."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from nbstream.channel.lines import REPLACED, Line, Message, parsed, stamp
from nbstream.channel.room import Room

RETURN_S: Final = 3.0  # a page that lost its line has so long for itself alone


class Listener(Protocol):
    """Who is told what the page says; on nbstream-channel."""

    def joined(self, is_new: bool) -> Message:
        """The page is there, `is_new` unless it was before; what it is told with "go"."""
        ...

    def said(self, message: Message) -> Message | None:
        """A message; what to answer."""
        ...

    def heard(self, frame: bytes) -> None:
        """A frame of sound."""
        ...

    def left(self) -> None:
        """The line is gone; the page may come back."""
        ...


class Channel(Room):
    """What one page may speak to, for one recording; its secret is worth nothing afterwards.

    Parameters
    ----------
    listener : Listener
        Told what the page says.
    tell, origins
        As of `Room`.

    """

    def __init__(
        self,
        listener: Listener,
        tell: Callable[[Message], None],
        origins: Iterable[str] = (),
    ) -> None:
        super().__init__(tell, origins)
        self._listener = listener
        self._secret = secrets.token_urlsafe(32)
        self._page: str | None = None  # the only one that may use the secret; None: the first
        self._line: Line | None = None
        self._left_s = -float("inf")

    # -- from any thread -------------------------------------------------------------------------

    def __exit__(self, *exc: object) -> None:
        super().__exit__()
        self._secret = secrets.token_urlsafe(32)  # worth nothing any more

    @property
    def is_connected(self) -> bool:
        """Whether the page has a line."""
        return self._line is not None

    def offer(self) -> Message:
        """What a page needs to come; only for the notebook's own channel, never to be kept."""
        return {"kind": "offer", "port": self.port, "secret": self._secret}

    def send(self, message: Message) -> None:
        """Say something to the page, if it has a line."""
        self._call(self._send, message)

    def cut(self) -> None:
        """Break the line, as a network would."""
        self._call(lambda: self._spawn(self._close(self._line, 1011, "cut")))

    # -- on nbstream-channel ---------------------------------------------------------------------

    def knows(self, secret: bytes) -> bool:
        """See `Room`."""
        return hmac.compare_digest(secret, self._secret.encode())

    def lines(self) -> list[Line]:
        """See `Room`."""
        return [self._line] if self._line is not None else []

    def admit(self, line: Line, hello: Message) -> str:
        """See `Room`."""
        page = str(hello.get("page", ""))
        if self._page not in (None, page):
            return self.refuse("another page records")
        is_new, self._page = self._page is None, page
        if self._line is not None and self._line is not line:
            self._spawn(self._close(self._line, REPLACED, "another line"))
        answer = {"kind": "go"} | self._listener.joined(is_new) | stamp(hello)
        self._line = line  # Whoever sees it knows of the page.
        self._spawn(line.send(json.dumps(answer)))
        return ""

    def take(self, line: Line, message: str | bytes) -> bool:
        """See `Room`."""
        if self._line is not line:
            return False
        if isinstance(message, bytes):
            self._listener.heard(message)
            return True
        said = parsed(message)
        if said.get("kind") == "bye":  # It is being unloaded: the next page need not wait.
            self.gone(line)
            self._left_s = -float("inf")
            return True
        answer = self._listener.said(said)
        if said.get("kind") == "ping":
            answer = {"kind": "pong"} | stamp(said) | (answer or {})
        if answer is not None:
            self._spawn(line.send(json.dumps(answer)))
        return True

    def gone(self, line: Line) -> None:
        """See `Room`."""
        self._forget(line)
        if self._line is line:
            self._line = None
            self._left_s = time.monotonic()
            self._listener.left()

    def _invited(self, page: str) -> Message:
        is_waited_for = time.monotonic() - self._left_s < RETURN_S
        if self._page not in (None, page):
            if self._line is not None or is_waited_for:
                return {"kind": "busy"}
            self._page, self._secret = None, secrets.token_urlsafe(32)
        return self.offer()

    def _send(self, message: Message) -> None:
        if self._line is not None:
            self._spawn(self._line.send(json.dumps(message)))

    async def _close(self, line: Line | None, code: int, why: str) -> None:
        if line is not None:
            await line.close(code, why)
            self.gone(line)
