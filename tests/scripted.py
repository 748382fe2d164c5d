"""A real WebSocket server on loopback whose every word a test writes.

The handler is a plain function of one connection; helpers make the messages. What the client sent
is kept, so that a test can look at the wire.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve


class Peer:
    """One connection, as the script sees it."""

    def __init__(self, ws: ServerConnection, number: int) -> None:
        self.ws = ws
        self.number = number
        assert ws.request is not None
        self.headers = ws.request.headers
        self.query = dict(parse_qsl(urlsplit(ws.request.path).query))
        self.audio = bytearray()
        self.message_frames: list[int] = []
        self.texts: list[dict[str, Any]] = []

    def say(self, **fields: Any) -> None:
        """Send one JSON message."""
        self.ws.send(json.dumps(fields))

    def begin(self, model: str = "u3-rt-pro", **fields: Any) -> None:
        """Send `Begin`."""
        configuration = {"model": model, "mode": "balanced"}
        self.say(
            type="Begin",
            id=f"id-{self.number}",
            expires_at=4_000_000_000,
            configuration=configuration,
            **fields,
        )

    def listen(self, *, seconds: float | None = None) -> bool:
        """Take audio in, until so much has come (True) or ``Terminate`` has (False)."""
        while seconds is None or len(self.audio) < seconds * 32_000:
            message = self.ws.recv()
            if isinstance(message, bytes):
                self.audio += message
                self.message_frames.append(len(message) // 2)
                continue
            self.texts.append(json.loads(message))
            if self.texts[-1]["type"] == "Terminate":
                return False
        return True

    def finish(self) -> None:
        """Send `Termination` and close, as the service does."""
        seconds = len(self.audio) // 32_000
        self.say(
            type="Termination", audio_duration_seconds=seconds, session_duration_seconds=seconds
        )
        self.ws.close(1000, "Session Ended")


Script = Callable[[Peer], None]


class ScriptedServer:
    """Runs `script` for each connection, one thread each."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.peers: list[Peer] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def running(self) -> Iterator[ScriptedServer]:
        """Serve while the `with` lasts."""
        with serve(self._handle, "127.0.0.1", 0, compression=None) as server:
            host, port = server.socket.getsockname()[:2]
            self.url = f"ws://{host}:{port}"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join(10)

    def _handle(self, ws: ServerConnection) -> None:
        with self._lock:
            peer = Peer(ws, len(self.peers))
            self.peers.append(peer)
        with contextlib.suppress(ConnectionClosed):
            self.script(peer)


def turn(order: int, text: str, *, final: bool = False, start_ms: int = 0, **more: Any) -> dict:
    """A Pro-like ``Turn`` message; each word lasts 200 ms."""
    words = [
        {
            "text": word,
            "start": start_ms + 200 * i,
            "end": start_ms + 200 * i + 180,
            "confidence": 0.9,
            "word_is_final": final,
        }
        for i, word in enumerate(text.split())
    ]
    message = {
        "type": "Turn",
        "turn_order": order,
        "turn_is_formatted": final,
        "end_of_turn": final,
        "transcript": text,
        "utterance": text if final else "",
        "end_of_turn_confidence": float(final),
        "words": words,
    }
    return message | more


def hello(peer: Peer) -> None:
    """A whole conversation: one partial, one final, a proper end."""
    peer.begin()
    peer.listen(seconds=0.5)
    peer.say(type="SpeechStarted", timestamp=100, confidence=0.9)
    peer.say(**turn(0, "hello", start_ms=100))
    peer.listen()
    peer.say(**turn(0, "Hello there.", final=True, start_ms=100))
    peer.finish()
