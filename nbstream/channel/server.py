"""The one WebSocket server of this process: which room a line belongs to, and whether it may come.

It listens on loopback, on a port that is free, from the first room that is opened to the last that
is closed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from nbstream.channel.lines import HOST, MAX_MESSAGE_BYTES, REFUSED, Message, parsed
from nbstream.errors import SourceError

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from nbstream.channel.room import Room

HELLO_S: Final = 5.0  # who has not said who it is by then may go
READ_BYTES: Final = 16 * 1024  # asyncio makes room for 256 KB each time: a third of all cost
_END_S: Final = 5.0

# A handshake that fails is the client's affair: no traceback in a cell.
_quiet = logging.getLogger("nbstream.channel")
_quiet.setLevel(logging.CRITICAL)
_quiet.propagate = False


class Server:
    """Listens, on its own thread, nbstream-channel, for the rooms in `rooms`."""

    def __init__(self) -> None:
        self.port = 0
        self.rooms: tuple[Room, ...] = ()  # never changed, only replaced
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Listen; raises what kept it from that."""
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
            raise failed[0]

    def end(self) -> None:
        """Listen no more."""
        assert self._over is not None
        assert self._thread is not None
        self.call(self._over.set)
        self._thread.join(_END_S)

    def call(self, job: Callable[..., object], *arguments: Any) -> None:
        """Have it done on nbstream-channel."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(job, *arguments)

    def empty(self, room: Room) -> None:
        """Have all lines of a room closed."""
        if self._loop is not None:
            with contextlib.suppress(concurrent.futures.TimeoutError, RuntimeError):
                asyncio.run_coroutine_threadsafe(room.leave(), self._loop).result(_END_S)

    async def _run(self, ready: Callable[[], object]) -> None:
        from websockets.asyncio.server import serve

        from nbstream.channel.express import Express

        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with serve(
            self._serve,
            HOST,
            0,
            create_connection=Express,
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

    def _check_origin(self, websocket: ServerConnection, request: Request) -> Response | None:
        origin = request.headers.get("Origin", "")
        if any(room.lets_in(origin) for room in self.rooms):
            return None
        self._refuse(_foreign(origin))
        return websocket.respond(HTTPStatus.FORBIDDEN, "Refused.\n")

    async def _serve(self, websocket: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        from nbstream.channel.express import Express

        assert isinstance(websocket, Express)
        room: Room | None = None
        if hasattr(websocket.transport, "max_size"):
            websocket.transport.max_size = READ_BYTES
        try:
            hello = parsed(await asyncio.wait_for(websocket.recv(), HELLO_S))
            room, why = self._room_for(hello)
            if room is not None:
                assert websocket.request is not None
                origin = websocket.request.headers.get("Origin", "")
                if not room.lets_in(origin):
                    why = room.refuse(_foreign(origin))
                else:
                    why = room.admit(websocket, hello)
            if room is None or why:
                await websocket.close(REFUSED, why)
                return
            websocket.taker = functools.partial(room.take, websocket)
            async for message in websocket:
                if not room.take(websocket, message):
                    break
        except (ConnectionClosed, TimeoutError):
            pass
        finally:
            if room is not None:
                room.gone(websocket)

    def _room_for(self, hello: Message) -> tuple[Room | None, str]:
        """The room whose secret was said, or why there is none."""
        if hello.get("kind") != "hello" or not hello.get("page"):
            return None, self._refuse("no hello")
        secret = str(hello.get("secret", "")).encode()
        found = None
        for room in self.rooms:  # all of them: how long it takes tells nothing
            if room.knows(secret):
                found = room
        return found, "" if found is not None else self._refuse("wrong secret")

    def _refuse(self, why: str) -> str:
        """Nobody knows whose it was to be."""
        for room in self.rooms:
            room.refuse(why)
        return why


def _foreign(origin: str) -> str:
    return f"origin {origin or 'missing'} is not the notebook's"


_lock = threading.Lock()  # guards _server and its rooms
_server: Server | None = None


def enter(room: Room) -> Server:
    """Open `room`; listens from the first on.

    Raises
    ------
    SourceError
        If there is no port to be had.

    """
    global _server
    with _lock:
        if _server is None:
            made = Server()
            try:
                made.begin()
            except Exception as error:
                raise SourceError(
                    f"no port can be opened for the page: {error}.",
                    hint="Is loopback (127.0.0.1) there, and allowed?",
                    source="browser",
                ) from error
            _server = made
        _server.rooms = (*_server.rooms, room)
        return _server


def leave(room: Room) -> None:
    """Close `room` and its lines; nothing listens after the last. Not on nbstream-channel."""
    global _server
    with _lock:
        if _server is None or room not in _server.rooms:
            return
        _server.rooms = tuple(other for other in _server.rooms if other is not room)
        _server.empty(room)
        if not _server.rooms:
            _server.end()
            _server = None
