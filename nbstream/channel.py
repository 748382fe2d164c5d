"""The notebook channel: how the page of a recording speaks to the kernel, past its busy cells.

A WebSocket server on loopback, for one recording and one page. The page brings a secret, which it
was given through the notebook itself and which no other page can use again; pages of another origin
are refused before that. Where no socket can be had, the same messages go through the widget.

    page -> kernel   {"kind": "hello", "secret", "page", "sent"}, then text and frames (bytes)
    kernel -> page   {"kind": "go", ...}, then text

All of it happens on one thread, nbstream-channel, also what comes through the widget.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from nbstream.errors import SourceError

if TYPE_CHECKING:
    from typing import Self

    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

HOST: Final = "127.0.0.1"
MAX_MESSAGE_BYTES: Final = 64 * 1024  # a chunk of 16 channels is half of that
HELLO_S: Final = 5.0  # who has not said who it is by then may go
RETURN_S: Final = 3.0  # a page that lost its line has so long for itself alone
REFUSED: Final = 4003  # close code: not to be tried again
REPLACED: Final = 4001  # the same page has come by another line
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "::1")

Message = dict[str, Any]

# A handshake that fails is the client's affair: no traceback in a cell.
_quiet = logging.getLogger("nbstream.channel")
_quiet.setLevel(logging.CRITICAL)
_quiet.propagate = False


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


class _Comm:
    """The widget as a line."""

    def __init__(self, tell: Callable[[Message], None], page: str) -> None:
        self._tell = tell
        self.page = page

    async def send(self, text: str) -> None:
        self._tell({"kind": "line", "to": self.page, "text": text})

    async def close(self, code: int, reason: str) -> None:
        self._tell({"kind": "closed", "to": self.page, "code": code, "reason": reason})


class Channel:
    """A server that one page may speak to, for one recording.

    Parameters
    ----------
    listener : Listener
        Told what the page says.
    tell : callable
        Sends a message to all pages through the notebook, from any thread.
    origins : iterable of str
        Where pages of this notebook have said they are from; those that are invited are added.
        While none is known, pages of loopback are let in.

    Attributes
    ----------
    port : int
        On loopback; 0 before it is open.
    refusals : list of str
        Why lines were refused.

    """

    def __init__(
        self,
        listener: Listener,
        tell: Callable[[Message], None],
        origins: Iterable[str] = (),
    ) -> None:
        self.port = 0
        self.refusals: list[str] = []
        self._listener = listener
        self._tell = tell
        self._secret = secrets.token_urlsafe(32)
        self._page: str | None = None  # the only one that may use the secret; None: the first
        self._origins = set(origins)
        self._line: ServerConnection | _Comm | None = None
        self._left_s = -float("inf")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None

    # -- from any thread -------------------------------------------------------------------------

    def __enter__(self) -> Self:
        ready, failed = threading.Event(), list[BaseException]()

        def run() -> None:
            try:
                asyncio.run(self._run(ready.set))
            except BaseException as error:
                failed.append(error)
            finally:
                ready.set()

        self._thread = threading.Thread(target=run, name="nbstream-channel", daemon=True)
        self._thread.start()
        ready.wait()
        if failed:
            raise SourceError(
                f"no port can be opened for the page: {failed[0]}.",
                hint="Is loopback (127.0.0.1) there, and allowed?",
                source="browser",
            ) from failed[0]
        return self

    def __exit__(self, *exc: object) -> None:
        if self._over is not None:
            self._call(self._over.set)
        if self._thread is not None:
            self._thread.join(5.0)
        self._secret = secrets.token_urlsafe(32)  # worth nothing any more

    @property
    def is_connected(self) -> bool:
        """Whether the page has a line."""
        return self._line is not None

    def offer(self) -> Message:
        """What a page needs to come; only for the notebook's own channel, never to be kept."""
        return {"kind": "offer", "port": self.port, "secret": self._secret}

    def invite(self, page: str, origin: str, done: Callable[[Message], None]) -> None:
        """A page of this notebook asks to come: call `done` with the offer, or with "busy"."""
        self._call(lambda: done(self._invited(page, origin)))

    def send(self, message: Message) -> None:
        """Say something to the page, if it has a line."""
        self._call(self._send, message)

    def through_comm(self, content: Message, frames: Sequence[bytes]) -> None:
        """What came through the widget: ``{page, text}`` or ``{page}`` with frames."""
        self._call(self._take_comm, content, [bytes(frame) for frame in frames])

    def cut(self) -> None:
        """Break the line, as a network would."""
        self._call(lambda: self._spawn(self._close(self._line, 1011, "cut")))

    # -- on nbstream-channel ---------------------------------------------------------------------

    async def _run(self, ready: Callable[[], object]) -> None:
        from websockets.asyncio.server import serve

        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server: Server
        async with serve(
            self._serve,
            HOST,
            0,
            process_request=self._check_origin,
            max_size=MAX_MESSAGE_BYTES,
            compression=None,
            ping_interval=20,
            ping_timeout=60,  # a cell may keep the interpreter to itself for a while
            close_timeout=1,
            server_header=None,
            logger=_quiet,
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            ready()
            await self._over.wait()
            if self._tasks:  # the last words
                await asyncio.wait(self._tasks, timeout=1.0)

    def _check_origin(self, websocket: ServerConnection, request: Request) -> Response | None:
        origin = request.headers.get("Origin", "")
        known = self._origins
        try:
            is_ours = origin in known if known else urlsplit(origin).hostname in LOOPBACK_NAMES
        except ValueError:
            is_ours = False
        if is_ours:
            return None
        return self._refuse(websocket, f"origin {origin or 'missing'} is not the notebook's")

    def _refuse(self, websocket: ServerConnection, why: str) -> Response:
        self.refusals.append(why)
        return websocket.respond(HTTPStatus.FORBIDDEN, "Refused.\n")

    async def _serve(self, websocket: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            first = await asyncio.wait_for(websocket.recv(), HELLO_S)
            if why := self._admit(websocket, first):
                await websocket.close(REFUSED, why)
                return
            async for message in websocket:
                if self._line is not websocket:
                    break
                await self._take(websocket, message)
        except (ConnectionClosed, TimeoutError):
            pass
        finally:
            self._gone(websocket)

    def _admit(self, line: ServerConnection | _Comm, hello: str | bytes) -> str:
        """Take `line` as the page's, and say go; or say why not."""
        said = _parsed(hello)
        page, secret = str(said.get("page", "")), str(said.get("secret", ""))
        if said.get("kind") != "hello" or not page:
            why = "no hello"
        elif not hmac.compare_digest(secret.encode(), self._secret.encode()):
            why = "wrong secret"
        elif self._page not in (None, page):
            why = "another page records"
        else:
            why = ""
        if why:
            self.refusals.append(why)
            return why
        is_new, self._page = self._page is None, page
        if self._line is not None and self._line is not line:
            self._spawn(self._close(self._line, REPLACED, "another line"))
        self._line = line
        answer = {"kind": "go"} | self._listener.joined(is_new) | _stamp(said)
        self._spawn(line.send(json.dumps(answer)))
        return ""

    async def _take(self, line: ServerConnection | _Comm, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._listener.heard(message)
            return
        said = _parsed(message)
        if said.get("kind") == "bye":  # It is being unloaded: the next page need not wait.
            self._gone(line)
            self._left_s = -float("inf")
            return
        answer = self._listener.said(said)
        if said.get("kind") == "ping":
            answer = {"kind": "pong"} | _stamp(said) | (answer or {})
        if answer is not None:
            await line.send(json.dumps(answer))

    def _take_comm(self, content: Message, frames: list[bytes]) -> None:
        page, line = str(content.get("page", "")), self._line
        text = content.get("text")
        if isinstance(text, str) and _parsed(text).get("kind") == "hello":
            line = _Comm(self._tell, page)
            if why := self._admit(line, text):
                self._spawn(line.close(REFUSED, why))
            return
        if not isinstance(line, _Comm) or line.page != page:
            self._spawn(_Comm(self._tell, page).close(1011, "no line"))
            return
        messages: list[str | bytes] = [*([text] if isinstance(text, str) else []), *frames]
        for message in messages:
            if len(message) <= MAX_MESSAGE_BYTES:
                self._spawn(self._take(line, message))

    def _invited(self, page: str, origin: str) -> Message:
        if origin:
            self._origins.add(origin)
        is_waited_for = time.monotonic() - self._left_s < RETURN_S
        if self._page not in (None, page):
            if self._line is not None or is_waited_for:
                return {"kind": "busy", "to": page}
            self._page, self._secret = None, secrets.token_urlsafe(32)
        return self.offer() | {"to": page}

    def _gone(self, line: ServerConnection | _Comm) -> None:
        if self._line is line:
            self._line = None
            self._left_s = time.monotonic()
            self._listener.left()

    def _send(self, message: Message) -> None:
        if self._line is not None:
            self._spawn(self._line.send(json.dumps(message)))

    async def _close(self, line: ServerConnection | _Comm | None, code: int, why: str) -> None:
        if line is not None:
            await line.close(code, why)
            self._gone(line)

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            with contextlib.suppress(Exception):  # A line that broke: its reader sees it too.
                await job

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _call(self, job: Callable[..., object], *arguments: Any) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(job, *arguments)


def _parsed(text: str | bytes) -> Message:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _stamp(said: Message) -> Message:
    """When it was sent there, word for word, and when it came here, in seconds."""
    return {"sent": said.get("sent"), "kernel_s": time.monotonic()}
