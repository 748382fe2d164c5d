"""`Inbox`: a room where pages leave what widgets are to be told, each message once and in order.

A page numbers its messages and keeps each until it is told that it has arrived, so that one that
was on a line that broke is sent again; one that has arrived twice is done once.
"""

from __future__ import annotations

import hmac
import json
import queue
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbstream.channel.lines import REPLACED, Line, Message, parsed, stamp
from nbstream.channel.room import Room

if TYPE_CHECKING:
    from typing import Self

MOST_PAGES: Final = 32  # at once; who has been away for longest must ask again
END_S: Final = 5.0


@dataclass(slots=True)
class _Guest:
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    line: Line | None = None
    route: str = ""
    next: int | None = None  # the number of the message that is waited for


class Inbox(Room):
    """What any page of the notebook may speak to, each with a secret of its own.

    Parameters
    ----------
    do : callable
        Given each message, ``{kind: "message", n, ...}``, one at a time, on nbstream-commands: a
        command may take its time, and sound must go on meanwhile. Does not raise.
    tell, origins
        As of `Room`.

    """

    def __init__(
        self,
        do: Callable[[Message], None],
        tell: Callable[[Message], None],
        origins: Iterable[str] = (),
    ) -> None:
        super().__init__(tell, origins)
        self._do = do
        self._guests: dict[str, _Guest] = {}  # page -> what is known of it, the latest last
        self._due: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="nbstream-commands", daemon=True)

    # -- from any thread -------------------------------------------------------------------------

    def __enter__(self) -> Self:
        super().__enter__()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        super().__exit__()
        self._due.put(None)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(END_S)

    @property
    def routes(self) -> list[str]:
        """How each page that has a line is heard: "direct", "proxy", "control" or "comm"."""
        return [guest.route for guest in list(self._guests.values()) if guest.line is not None]

    def cut(self) -> None:
        """Break all lines, as a network would."""

        def hang_up() -> None:
            for line in self.lines():
                self._spawn(line.close(1011, "cut"))
                self.gone(line)

        self._call(hang_up)

    # -- on nbstream-commands --------------------------------------------------------------------

    def _work(self) -> None:
        while (said := self._due.get()) is not None:
            self._do(said)

    # -- on nbstream-channel ---------------------------------------------------------------------

    def knows(self, secret: bytes) -> bool:
        """See `Room`."""
        known = [hmac.compare_digest(secret, g.secret.encode()) for g in self._guests.values()]
        return any(known)

    def lines(self) -> list[Line]:
        """See `Room`."""
        return [guest.line for guest in self._guests.values() if guest.line is not None]

    def admit(self, line: Line, hello: Message) -> str:
        """See `Room`."""
        guest = self._guests.get(str(hello.get("page", "")))
        secret, first = str(hello.get("secret", "")).encode(), hello.get("first")
        if guest is None or not hmac.compare_digest(secret, guest.secret.encode()):
            return self.refuse("another page's secret")
        if not isinstance(first, int) or first < 0:
            return self.refuse("no number")
        if guest.next is None:
            guest.next = first
        if guest.line is not None and guest.line is not line:
            self._spawn(guest.line.close(REPLACED, "another line"))
        guest.line, guest.route = line, str(hello.get("route", ""))
        answer = {"kind": "go", "next": guest.next} | stamp(hello)
        self._spawn(line.send(json.dumps(answer)))
        return ""

    def take(self, line: Line, message: str | bytes) -> bool:
        """See `Room`."""
        guest = next((g for g in self._guests.values() if g.line is line), None)
        if guest is None or isinstance(message, bytes):
            return False
        said = parsed(message)
        if said.get("kind") == "bye":
            self.gone(line)
        elif said.get("kind") == "message":
            if said.get("n") == guest.next and guest.next is not None:
                guest.next += 1
                self._due.put(said)
            self._spawn(line.send(json.dumps({"kind": "have", "next": guest.next})))
        return True

    def gone(self, line: Line) -> None:
        """See `Room`."""
        self._forget(line)
        for guest in self._guests.values():
            if guest.line is line:
                guest.line = None

    def _invited(self, page: str) -> Message:
        guest = self._guests.pop(page, None) or _Guest()
        away = [name for name, other in self._guests.items() if other.line is None]
        for name in away[: max(0, len(self._guests) + 1 - MOST_PAGES)]:
            del self._guests[name]
        self._guests[page] = guest
        return {"kind": "offer", "port": self.port, "secret": guest.secret}
