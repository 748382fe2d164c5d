"""`Replay`: a recorded session as a service."""

from __future__ import annotations

import json
import threading
import urllib.parse
import weakref
from pathlib import Path
from typing import Any

from nbstream import events as ev
from nbstream.errors import StoreError
from nbstream.eventlog import EventLog
from nbstream.secret import Secret
from nbstream.services.process import RecogniserProcess


class Replay:
    """A session that was recorded, as a service: it says again what was said then.

    Each message comes, word for word, when as much audio was sent as had been sent then. So it
    needs the audio of that session, at the same speed, as `nb.replay` has it; no key, no network,
    no recogniser.

    Parameters
    ----------
    folder : str or Path
        The session's folder.
    speed : float
        That of the source, by which delays are shortened; 0: there are none.

    Raises
    ------
    StoreError
        If there is no session in it.

    """

    name = "replay"
    max_speed: float | None = None
    usd_per_hour = 0.0

    def __init__(self, folder: str | Path, *, speed: float = 1.0) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.speed = speed
        self.options: dict[str, Any] = {}
        self.model = _model_of(self.folder)
        self._server: RecogniserProcess | None = None
        self._lock = threading.Lock()  # guards which server it is

    def __repr__(self) -> str:
        return f"Replay({str(self.folder)!r}, speed={self.speed:g})"

    def check(self) -> None:
        """Raise `StoreError` if the session is gone."""
        _model_of(self.folder)

    def url(self) -> str:
        """Full address of a connection to the beginning; starts the server if it is not running."""
        return self.url_at(0)

    def url_at(self, start_frame: int, channel: int | None = None) -> str:
        """Address of a connection that hears the recording from `start_frame` on."""
        place = {"_start_frame": start_frame, "_speed": self.speed}
        place |= {} if channel is None else {"_channel": channel}
        return f"{self._running().base}/v3/ws?" + urllib.parse.urlencode(place)

    def headers(self) -> dict[str, Secret]:
        """Headers of the handshake, with the key that only this process and its server know."""
        return {"Authorization": self._running().key}

    def describe(self) -> dict[str, Any]:
        """What ``session.json`` keeps of the service."""
        of = {"name": self.name, "model": self.model, "options": self.options}
        return of | {"session": self.folder.name, "speed": self.speed}

    def _running(self) -> RecogniserProcess:
        with self._lock:
            if self._server is None or not self._server.is_alive():
                self._server = RecogniserProcess("--replay", str(self.folder))
                weakref.finalize(self, self._server.kill).atexit = False
            return self._server


def _model_of(folder: Path) -> str:
    """The model that was used in a session."""
    log = EventLog(folder / "events.jsonl")
    try:
        about = json.loads((folder / "session.json").read_text("utf-8"))
        log.scan()
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{folder} can't be replayed: {error}.", hint="Is it a session's folder?", path=folder
        ) from error
    begins = (e.event for e in log[:100] if isinstance(e.event, ev.Begin))
    used = next((begin.model for begin in begins), None)
    return used or str(about.get("service", {}).get("model") or "")
