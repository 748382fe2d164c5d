"""The loopback server: AssemblyAI Streaming v3 in front of the embedded recogniser.

    GET /v3/ws       the WebSocket
    GET /v3/token    temporary tokens
    GET /v3/health   200 when ready

One event loop for all connections; the recogniser runs in a pool of threads, so pings, closes and
bad messages are answered while audio is being recognised.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from nbstream.errors import ParameterError
from nbstream.local import checks
from nbstream.local.access import Access, Slots
from nbstream.local.checks import Refusal
from nbstream.local.connection import Connection, Rates
from nbstream.local.faults import NO_FAULTS, Faults
from nbstream.local.model import Model
from nbstream.local.replay import Recording, ReplayConnection

MAX_MESSAGE_BYTES: Final = 128 * 1024
_CLOSE_REASON: Final = "See Error message for details"
_RECEIVE_BUFFER_BYTES: Final = 16 * 1024
_SEGMENT_BYTES: Final = 1400

_log = logging.getLogger("nbstream.local")
# A handshake that fails is the client's affair: no traceback on the terminal.
_quiet = logging.getLogger("nbstream.local.handshake")
_quiet.setLevel(logging.CRITICAL)


class Server:
    """Streaming v3 on loopback.

    Parameters
    ----------
    model : Model or Recording
        The loaded recogniser; or a session that is told again instead.
    host, port
        Where to listen; port 0 takes a free one.
    key : str
        The one right API key; empty to take any.
    max_speed, strict_rate, pause_at_s
        As `connection.Rates`.
    faults : Faults
        What goes wrong in each connection.
    faults_by_query : bool
        Whether a connection may ask for more with ``_fault=NAME:VALUE`` in its query.
    single_use_tokens : bool
        Whether a token opens one session only.
    certfile, keyfile : path, optional
        PEM files; with them the server speaks TLS.
    allow_remote : bool
        Whether `host` may be other than loopback.

    Raises
    ------
    ParameterError
        If `host` is not loopback and that was not allowed.

    Notes
    -----
    ``with Server(model) as server:`` runs it in a thread of this process, which ends with the
    block; `run` runs it in a loop of the caller's.
    """

    def __init__(
        self,
        model: Model | Recording,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str = "",
        max_speed: float | None = None,
        strict_rate: bool = False,
        pause_at_s: float | None = 10.0,
        faults: Faults = NO_FAULTS,
        faults_by_query: bool = False,
        single_use_tokens: bool = False,
        certfile: str | Path | None = None,
        keyfile: str | Path | None = None,
        allow_remote: bool = False,
    ) -> None:
        if not allow_remote and not _is_loopback(host):
            raise ParameterError(
                f"the local recogniser listens on this machine only, not on {host}.",
                hint="Allow it with --allow-remote, and set a key.",
                parameter="host",
            )
        self._model = model
        self._host = host
        self._port = port
        self._rates = Rates(max_speed, strict_rate, pause_at_s)
        self._faults = faults
        self._faults_by_query = faults_by_query
        self._access = Access(key, single_use=single_use_tokens)
        self._tls: ssl.SSLContext | None = None
        if certfile is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            try:
                self._tls.load_cert_chain(certfile, keyfile)
            except OSError as exc:
                raise ParameterError(
                    f"the certificate can't be used: {certfile} with {keyfile}, {exc}.",
                    hint="Both must be PEM files and belong together.",
                    parameter="certfile",
                ) from exc
        self._pool: ThreadPoolExecutor | None = None
        self._n_connections = 0  # handshakes, refused ones included
        self._faults_now: WeakKeyDictionary[ServerConnection, Faults] = WeakKeyDictionary()
        self._slots = Slots()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def __repr__(self) -> str:
        return f"<Server {self.url} | {self._n_connections} connections so far>"

    @property
    def url(self) -> str:
        """``ws://HOST:PORT`` or ``wss://HOST:PORT``; the real port once it listens."""
        return f"{'wss' if self._tls else 'ws'}://{self._host}:{self._port}"

    @property
    def http_url(self) -> str:
        """The same for ``/v3/token``."""
        return "http" + self.url.removeprefix("ws")

    async def run(self, stop: asyncio.Event, ready: Callable[[], object]) -> None:
        """Serve until `stop` is set, calling `ready` once connections are taken.

        Raises OSError if the port can't be had.
        """
        listener = socket.create_server((self._host, self._port))
        _keep_buffers_small(listener)
        self._port = listener.getsockname()[1]
        self._pool = ThreadPoolExecutor(os.cpu_count() or 2, "nbstream-recognise")
        try:
            # No pings of our own: behind back-pressure their answers would come late.
            async with serve(
                self._handle,
                sock=listener,
                ssl=self._tls,
                process_request=self._answer_http,
                max_size=MAX_MESSAGE_BYTES,
                compression=None,
                ping_interval=None,
                close_timeout=2,
                server_header=None,
                logger=_quiet,
            ):
                ready()
                await stop.wait()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Server:
        ready = threading.Event()
        failure: list[BaseException] = []

        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            await self.run(self._stop, ready.set)

        def thread() -> None:
            try:
                asyncio.run(main())
            except BaseException as exc:
                failure.append(exc)
            finally:
                ready.set()

        self._thread = threading.Thread(target=thread, name="nbstream-local", daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            self._thread.join()
            raise failure[0]
        return self

    def __exit__(self, *exc: object) -> None:
        if self._thread is None or self._loop is None or self._stop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _answer_http(self, websocket: ServerConnection, request: Request) -> Response | None:
        path, query = _split(request.path)
        if path == "/v3/health":
            return _json(200, {"status": "ok"})
        if path == "/v3/token":
            return _json(*self._access.token(request.headers.get("Authorization"), query))
        if path != "/v3/ws":
            return _json(404, {"error": f"there is nothing at {path}"})
        try:
            faults = self._faults_of(query)
        except ParameterError as exc:
            return _json(400, {"error": str(exc)})
        self._n_connections += 1
        if faults.http_status:
            return _json(faults.http_status, {"error": "asked for"})
        self._faults_now[websocket] = faults
        return None

    def _faults_of(self, query: str) -> Faults:
        faults = self._faults
        if self._faults_by_query:
            faults = faults.with_switches(parse_qs(query).get("_fault", []))
        if faults.first_connections is None or self._n_connections < faults.first_connections:
            return faults
        return NO_FAULTS

    async def _handle(self, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        assert self._pool is not None
        _, query = _split(websocket.request.path)
        faults = self._faults_now[websocket]
        connection: Connection | ReplayConnection | None = None
        try:
            if faults.close_1011_at_open:
                async with _drained(websocket):
                    await websocket.close(1011, "Internal error")
                return
            cap_s = self._access.admit(
                websocket.request.headers.get("Authorization", ""),
                parse_qs(query).get("token", [""])[-1],
            )
            with self._slots.taken(faults):
                if isinstance(self._model, Recording):
                    connection = ReplayConnection(websocket, self._model, **_replayed(query))
                else:
                    connection = Connection(
                        websocket,
                        checks.connect(query),
                        model=self._model,
                        pool=self._pool,
                        rates=self._rates,
                        faults=faults,
                        cap_s=cap_s,
                    )
                await connection.run()
        except Refusal as refusal:
            await _refuse(websocket, refusal, connection, faults)
        except ConnectionClosed:
            pass
        except Exception:
            _log.exception("a connection of the local recogniser failed")
            await _refuse(websocket, Refusal(*checks.INTERNAL), connection, faults)


async def _refuse(
    websocket: ServerConnection,
    refusal: Refusal,
    connection: Connection | ReplayConnection | None,
    faults: Faults,
) -> None:
    with contextlib.suppress(ConnectionClosed):
        async with _drained(websocket) as to_the_end:
            if connection is not None and connection.is_mute:
                await to_the_end
            error = {"type": "Error", "error_code": refusal.code, "error": refusal.text}
            await websocket.send(json.dumps(error))
            if faults.error_without_close:
                await to_the_end
            await asyncio.sleep(refusal.close_after_s)
            await websocket.close(refusal.code, _CLOSE_REASON)


@contextlib.asynccontextmanager
async def _drained(websocket: ServerConnection) -> AsyncIterator[asyncio.Task[None]]:
    """Read and drop what still comes; the task ends with the connection.

    A close with unread data behind it would be a reset, and the client would lose the message
    that says why.
    """

    async def drain() -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await websocket.recv()

    task = asyncio.create_task(drain())
    try:
        yield task
    finally:
        task.cancel()


def _keep_buffers_small(listener: socket.socket) -> None:
    """Let "stop reading" reach the client soon.

    On loopback the kernel would take two minutes of audio off the client's hands: 4 MB in our
    receive buffer and in the client's send buffer, which grows with the size of a segment. So it
    takes about half a minute.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    with contextlib.suppress(AttributeError, OSError):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)


def _split(target: str) -> tuple[str, str]:
    path, _, query = target.partition("?")
    return "/" + path.lstrip("/"), query


def _replayed(query: str) -> dict[str, Any]:
    """What a connection hears of a session that is told again."""
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    try:
        channel = int(given["_channel"]) if "_channel" in given else None
        start_frame, speed = int(given.get("_start_frame", 0)), float(given.get("_speed", 1))
    except ValueError as exc:
        raise Refusal(3006, f"User Input Validation Error: {exc}") from None
    return {"channel": channel, "start_frame": start_frame, "speed": speed}


def _json(status: int, data: Mapping[str, Any]) -> Response:
    body = json.dumps(data).encode()
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
    )
    return Response(status, HTTPStatus(status).phrase, headers, body)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
