"""A TCP proxy that breaks: the network between a client and a server on this machine."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

BYTES_PER_S = 32_000
_BUFFER_BYTES = 16 * 1024


class _Link:
    """One client's connection and the one to the server that it is joined with."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.passes = threading.Event()
        self.passes.set()
        self.n_bytes = 0  # from the client
        self.is_open = True  # the client has not closed it
        self.is_cut = False


class Proxy:
    """Forwards to `url`, until told otherwise. ``with Proxy(url) as proxy:``.

    Parameters
    ----------
    url : str
        ``ws://HOST:PORT`` of the server.
    plan : mapping, optional
        Number of a connection -> (seconds of audio, what to do after so much of it), as `cut`.

    Notes
    -----
    What can be done to a connection: ``"reset"`` (RST both ways), ``"close"`` (FIN without a word
    of WebSocket), ``"freeze"`` (TCP stays up, nothing passes either way). ``down()`` resets all
    and whoever calls; ``up()`` ends that.
    """

    def __init__(self, url: str, plan: Mapping[int, tuple[float, str]] | None = None) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 0)
        self._plan = dict(plan or {})
        self._links: list[_Link] = []
        self._is_down = False
        self.changed = threading.Condition()  # guards all of it
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut("close")
        for thread in self._threads:
            thread.join(10)

    @property
    def n_connections(self) -> int:
        """Connections so far that reached the server."""
        return len(self._links)

    def audio_s(self, number: int = -1) -> float:
        """Seconds of audio that came over one connection, give or take its headers."""
        return self._links[number].n_bytes / BYTES_PER_S

    def cut(self, how: str = "reset") -> None:
        """Do this to all connections there are."""
        with self.changed:
            links = list(self._links)
        for link in links:
            self._cut(link, how)

    def down(self) -> None:
        """Nobody gets through, until `up`."""
        with self.changed:
            self._is_down = True
        self.cut("reset")

    def up(self) -> None:
        """The network is back."""
        with self.changed:
            self._is_down = False

    def n_left_open(self, timeout_s: float = 5.0) -> int:
        """Connections that the client has not closed, after it had time to."""
        for link in self._links:
            link.is_cut = True  # What is still on its way is dropped.
            link.passes.set()
            with contextlib.suppress(OSError):
                link.server.shutdown(socket.SHUT_RDWR)
        with self.changed:
            self.changed.wait_for(lambda: not any(k.is_open for k in self._links), timeout_s)
            return sum(link.is_open for link in self._links)

    def _spawn(self, job: object, *arguments: object) -> None:
        thread = threading.Thread(target=job, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_down:
                _reset(client)
                continue
            server = socket.create_connection(self._server)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            link = _Link(client, server)
            with self.changed:
                number = len(self._links)
                self._links.append(link)
            self._spawn(self._pump_in, link, self._plan.get(number))
            self._spawn(self._pump_out, link)

    def _pump_in(self, link: _Link, due: tuple[float, str] | None) -> None:
        with contextlib.suppress(OSError):
            while data := link.client.recv(4096):
                link.n_bytes += len(data)
                if due is not None and link.n_bytes >= due[0] * BYTES_PER_S:
                    how, due = due[1], None
                    self.down() if how == "down" else self._cut(link, how)
                link.passes.wait()
                if not link.is_cut:
                    link.server.sendall(data)
        self._end(link, from_client=True)

    def _pump_out(self, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while data := link.server.recv(4096):
                link.passes.wait()
                if not link.is_cut:
                    link.client.sendall(data)
        self._end(link, from_client=False)

    def _end(self, link: _Link, *, from_client: bool) -> None:
        """One side has ended: so does the other. A FIN towards the client is not its own close."""
        with contextlib.suppress(OSError):
            (link.server if from_client else link.client).shutdown(socket.SHUT_WR)
        if from_client:
            with self.changed:
                link.is_open = False
                self.changed.notify_all()
            for end in (link.client, link.server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _cut(self, link: _Link, how: str) -> None:
        if how == "freeze":
            link.passes.clear()
            return
        link.is_cut = True
        link.passes.set()
        for end in (link.client, link.server):
            if how == "reset":
                _reset(end)
            else:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RD)  # wakes a thread that reads
        end.close()
