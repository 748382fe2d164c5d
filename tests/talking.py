"""Two short sentences, and a plain WebSocket client that speaks them to the local server."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from nbstream.local.model import Model

_ALIGNED = Path(__file__).parent / "data" / "aligned"
DEADLINE_S = 60
BYTES_PER_S = 32_000

load_model = functools.cache(Model.load)


def silence(seconds: float) -> bytes:
    """Digital silence, 16 kHz."""
    return bytes(2 * round(16_000 * seconds))


@functools.cache
def mary() -> bytes:
    """Mary rolled the barrel: 1.9 s."""
    return soundfile.read(_ALIGNED / "mary.flac", dtype="int16")[0].tobytes()


@functools.cache
def bobby() -> bytes:
    """Bobby ripped the ledger: 1.2 s."""
    return soundfile.read(_ALIGNED / "bobby.flac", dtype="int16")[0].tobytes()


BOBBY_STARTS_S = 0.3 + 1.87 + 1.5 + 0.065


@functools.cache
def two_turns() -> bytes:
    """Both sentences, 1.5 s apart: 5.2 s."""
    return silence(0.3) + mary() + silence(1.5) + bobby() + silence(0.3)


def pieces(audio: bytes, ms: int = 100) -> list[bytes]:
    """`audio` in messages of `ms`; the last may be shorter."""
    step = BYTES_PER_S * ms // 1000
    return [audio[at : at + step] for at in range(0, len(audio), step)]


@dataclass
class Heard:
    """All that came, and how it ended."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None
    reason: str = ""

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one type."""
        return [m for m in self.messages if m["type"] == kind]

    @property
    def types(self) -> list[str]:
        """The types, in order."""
        return [m["type"] for m in self.messages]

    @property
    def finals(self) -> list[dict[str, Any]]:
        """The turns that have ended."""
        return [m for m in self.of("Turn") if m["end_of_turn"]]

    @property
    def error(self) -> tuple[int, str]:
        """Code and text of the one error."""
        (error,) = self.of("Error")
        return error["error_code"], error["error"]


def dial(url: str, query: str = "", *, key: str | None = "any", **options: Any) -> ClientConnection:
    """Open a connection; None for no key at all."""
    headers = {} if key is None else {"Authorization": key}
    return connect(
        f"{url}/v3/ws?{query}",
        additional_headers=headers,
        open_timeout=DEADLINE_S,
        proxy=None,
        **options,
    )


def hear(ws: ClientConnection, heard: Heard | None = None) -> Heard:
    """Read to the end of the connection."""
    heard = heard or Heard()
    try:
        while True:
            heard.messages.append(json.loads(ws.recv(DEADLINE_S)))
    except ConnectionClosed as exc:
        heard.code = exc.rcvd.code if exc.rcvd else None
        heard.reason = exc.rcvd.reason if exc.rcvd else ""
    return heard


def hear_until(ws: ClientConnection, kind: str, heard: Heard) -> dict[str, Any]:
    """Read up to the next message of this type."""
    while True:
        heard.messages.append(json.loads(ws.recv(DEADLINE_S)))
        if heard.messages[-1]["type"] == kind:
            return heard.messages[-1]


def talk(
    url: str,
    query: str = "",
    *,
    say: Iterable[bytes | dict[str, Any] | str] = (),
    terminate: bool = True,
    **options: Any,
) -> Heard:
    """A whole conversation: say all, ``Terminate``, listen to the end."""
    with dial(url, query, **options) as ws:
        with contextlib.suppress(ConnectionClosed):  # refused while still talking
            for item in say:
                ws.send(json.dumps(item) if isinstance(item, dict) else item)
            if terminate:
                ws.send('{"type": "Terminate"}')
        return hear(ws)
