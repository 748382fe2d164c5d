"""One WebSocket to the service: connect, send, receive, close. Nothing else knows the library.

Thread rules: one thread sends audio, one receives; `send_text` and `close` may be called from
any. The library keeps a lock for each direction.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit, urlunsplit

from nbstream.errors import ConnectError, NbstreamError
from nbstream.protocol import ending
from nbstream.secret import Secret

if TYPE_CHECKING:
    import websocket

P = ParamSpec("P")
T = TypeVar("T")


def _without_key(record: logging.LogRecord) -> bool:
    record.msg = re.sub(r"(?im)^(authorization: *)\S.*", r"\1***", str(record.msg))
    return True


# The library logs whole handshakes when its trace is on.
logging.getLogger("websocket").addFilter(_without_key)


class Closed(Exception):  # noqa: N818 - not an error: every connection ends this way
    """The peer closed the socket, or it broke (`code` is None)."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


class Connection:
    """An open socket. Construct it to connect.

    Parameters
    ----------
    url : str
        Full ``ws(s)://`` address with its query.
    headers : Mapping
        Sent with the handshake; this is where the key travels, and it is not kept.
    timeout_s : float
        For the handshake only. Afterwards calls block until `close` ends them.

    Raises
    ------
    ConnectError, AuthError, ServerError
        If the socket can't be opened; the message names the address without its query.

    """

    def __init__(self, url: str, headers: Mapping[str, Secret], *, timeout_s: float = 10.0) -> None:
        import websocket  # not at the top: importing nbstream stays light

        self.endpoint = without_query(url)
        try:
            self._socket: websocket.WebSocket = websocket.create_connection(
                url,
                timeout=timeout_s,
                header=[f"{name}: {value.reveal()}" for name, value in headers.items()],
                enable_multithread=True,
                # `receive` marks damage. In the library it ends the connection, and to look for it
                # costs 20 times as much as to read the JSON.
                skip_utf8_validation=True,
                sockopt=[
                    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
                    # Small, so that "sent" is not minutes ahead of what the peer has taken.
                    (socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536),
                ],
            )
        except websocket.WebSocketBadStatusException as error:
            raise _refused(error.status_code, self.endpoint) from None
        except (websocket.WebSocketException, OSError, ValueError) as error:
            raise ConnectError(
                f"can't connect to {self.endpoint}: {str(error) or type(error).__name__}.",
                hint="Is the address right, the server running, and the network up? "
                "nb.Local() works without a network.",
                endpoint=self.endpoint,
            ) from None  # The library's exceptions may quote the request, and with it the key.
        # A message half written by a time-out can't be taken back, so none from here on.
        self._socket.settimeout(None)

    def send_audio(self, pcm: bytes) -> None:
        """Send one binary message. Blocks while the peer does not read."""
        self._guarded(self._socket.send_binary, pcm)

    def send_text(self, text: str) -> None:
        """Send one text message."""
        self._guarded(self._socket.send, text)

    def ping(self) -> None:
        """Ask for a sign of life; the answer reaches `receive`."""
        self._guarded(self._socket.ping)

    def receive(self, on_pong: Callable[[], None]) -> str:
        """Wait for the next text message; `on_pong` is told of answers to `ping`.

        What is no UTF-8 in it is U+FFFD.

        Raises
        ------
        Closed
            When there will be no more.

        """
        import websocket

        while True:
            opcode, data = self._guarded(self._socket.recv_data, control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
                raise Closed(code, data[2:].decode("utf-8", "replace"))
            if opcode == websocket.ABNF.OPCODE_PONG:
                on_pong()
            if opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
                return bytes(data).decode("utf-8", "replace")

    def close(self) -> None:
        """Close at once; a blocked `send_audio` or `receive` returns by `Closed`.

        The proper goodbye is ``Terminate``, after which the server closes and `receive` answers.
        """
        sock = self._socket.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # wakes blocked calls, which close alone does not
        with contextlib.suppress(Exception):
            self._socket.shutdown()

    def _guarded(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        import websocket

        try:
            return call(*args, **kwargs)
        except (websocket.WebSocketException, OSError, ValueError, AttributeError) as error:
            # AttributeError: the library drops its socket when another thread closes it.
            raise Closed(None, str(error)) from None


def without_query(url: str) -> str:
    """`url` without its query and without credentials, fit to be shown."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _refused(status: int, endpoint: str) -> NbstreamError:
    error = ending(status, terminated=False, endpoint=endpoint).error
    assert error is not None
    return error
