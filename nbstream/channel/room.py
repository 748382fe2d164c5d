"""`Room`: who may come in, and by which lines."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from nbstream.channel import server
from nbstream.channel.lines import (
    LOOPBACK_NAMES,
    MAX_MESSAGE_BYTES,
    REFUSED,
    Line,
    Message,
    WidgetLine,
    parsed,
)

if TYPE_CHECKING:
    from typing import Self

_MOST_REFUSALS: Final = 100  # are kept


class Room(ABC):
    """What pages may speak to while it is open; ``with room:``.

    Parameters
    ----------
    tell : callable
        Sends a message to all pages through the notebook, from any thread.
    origins : iterable of str
        Where pages of this notebook have said they are from; those that are invited are added.
        While none is known, pages of loopback are let in.

    Attributes
    ----------
    refusals : list of str
        Why lines were refused.

    """

    def __init__(self, tell: Callable[[Message], None], origins: Iterable[str] = ()) -> None:
        self.refusals: list[str] = []
        self._tell = tell
        self._origins = set(origins)
        self._server: server.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._by_widget: dict[str, WidgetLine] = {}  # page -> its line, if that is one

    # -- from any thread -------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._server = server.enter(self)
        return self

    def __exit__(self, *exc: object) -> None:
        it, self._server = self._server, None
        if it is not None:
            server.leave(self)

    @property
    def port(self) -> int:
        """On loopback; 0 before it is open."""
        it = self._server
        return it.port if it is not None else 0

    def invite(self, page: str, origin: str, done: Callable[[Message], None]) -> None:
        """A page of this notebook asks to come: call `done` with the offer, or with "busy"."""

        def answer() -> None:
            if origin:
                self._origins.add(origin)
            done(self._invited(page) | {"to": page})

        self._call(answer)

    def through_comm(self, content: Message, frames: Sequence[bytes]) -> None:
        """What came through the widget: ``{page, line, text}``, or frames without the text."""
        self._call(self._take_comm, content, [bytes(frame) for frame in frames])

    def _call(self, job: Callable[..., object], *arguments: Any) -> None:
        if (it := self._server) is not None:
            it.call(job, *arguments)

    # -- on nbstream-channel ---------------------------------------------------------------------

    @abstractmethod
    def knows(self, secret: bytes) -> bool:
        """Whether `secret` opens this room; takes as long for any."""

    @abstractmethod
    def admit(self, line: Line, hello: Message) -> str:
        """Take `line` as one of a page, and say go; or tell why not."""

    @abstractmethod
    def take(self, line: Line, message: str | bytes) -> bool:
        """Take what came by `line`; whether more may come."""

    @abstractmethod
    def gone(self, line: Line) -> None:
        """The line is no more; called once or twice."""

    @abstractmethod
    def lines(self) -> Iterable[Line]:
        """Those that are open."""

    @abstractmethod
    def _invited(self, page: str) -> Message:
        """What a page of this notebook is told that asks to come."""

    def lets_in(self, origin: str) -> bool:
        """Whether pages from there may come."""
        if self._origins:
            return origin in self._origins
        try:
            return urlsplit(origin).hostname in LOOPBACK_NAMES
        except ValueError:
            return False

    def refuse(self, why: str) -> str:
        """Keep why a line was refused."""
        if len(self.refusals) < _MOST_REFUSALS:
            self.refusals.append(why)
        return why

    async def leave(self) -> None:
        """Say the last words, and hang up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        for line in list(self.lines()):
            with contextlib.suppress(Exception):
                await line.close(1001, "over")

    def _take_comm(self, content: Message, frames: list[bytes]) -> None:
        page, number, text = str(content.get("page", "")), content.get("line"), content.get("text")
        if isinstance(text, str) and (hello := parsed(text)).get("kind") == "hello":
            made = WidgetLine(self._tell, page, number)
            secret = str(hello.get("secret", "")).encode()
            why = self.admit(made, hello) if self.knows(secret) else self.refuse("wrong secret")
            if why:
                self._spawn(made.close(REFUSED, why))
            else:
                self._by_widget[page] = made
            return
        line = self._by_widget.get(page)
        if line is None or line.is_closed or line.number != number:
            self._spawn(WidgetLine(self._tell, page, number).close(1011, "no line"))
            return
        messages: list[str | bytes] = [*([text] if isinstance(text, str) else []), *frames]
        for message in messages:
            if len(message) <= MAX_MESSAGE_BYTES:
                with contextlib.suppress(Exception):  # one that makes no sense
                    self.take(line, message)

    def _forget(self, line: Line) -> None:
        self._by_widget = {page: it for page, it in self._by_widget.items() if it is not line}

    def _spawn(self, job: Coroutine[Any, Any, object]) -> None:
        async def run() -> None:
            with contextlib.suppress(Exception):  # A line that broke: its reader sees it too.
                await job

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
