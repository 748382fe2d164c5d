"""`AssemblyAI`: endpoint, credentials, options of the service.

The key lives in a `Secret` here and in the handshake's header, and nowhere else: not in a repr,
a log, a file or a widget.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, Final, Literal, Unpack

from nbstream import protocol
from nbstream.errors import AuthError, ConnectError, ParameterError
from nbstream.protocol.closing import KEY_HINT
from nbstream.protocol.parameters import API_VERSION, PARAMETERS
from nbstream.secret import Secret
from nbstream.services.format import with_format
from nbstream.services.key import found_key

HOSTS: Final = {
    None: "wss://streaming.assemblyai.com",
    "us": "wss://streaming.us.assemblyai.com",
    "eu": "wss://streaming.eu.assemblyai.com",
}
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


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
        self.options: dict[str, Any] = {"inactivity_timeout": 30} | with_format(options)
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
