"""How a connection ended -> which error, what to do, and whether to try again.

The service says why in an ``Error`` message and then closes with the same number; where its
numbers disagree between sources (1008 or 3009 for too many sessions, 3006 for bad input and for
inactivity), the text decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nbstream.errors import AuthError, ConnectError, NbstreamError, ServerError

KEY_HINT: Final = (
    "Set the environment variable ASSEMBLYAI_API_KEY or call nb.ask_key(); nb.Local() needs no key."
)


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of a connection means.

    Parameters
    ----------
    error : NbstreamError or None
        What to tell the caller; None after a proper end.
    retry : bool
        Whether a new connection may succeed.
    wait_s : float
        Seconds to wait at least before it.
    """

    error: NbstreamError | None
    retry: bool = False
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Rule:
    what: str
    hint: str
    retry: bool = False
    wait_s: float = 0.0
    auth: bool = False


# By text first, lower case; the first that is found counts.
_BY_TEXT: Final[dict[str, _Rule]] = {
    "too many concurrent sessions": _Rule(
        "too many new sessions in a short time", "Wait up to a minute.", retry=True, wait_s=5.0
    ),
    "due to inactivity": _Rule(
        "the service heard nothing for its inactivity_timeout",
        "Raise inactivity_timeout, or send keep_alive().",
        retry=True,
    ),
    "signature has expired": _Rule(
        "the temporary token has expired",
        "Fetch a new one with AssemblyAI(...).token().",
        auth=True,
    ),
    "incorrect padding": _Rule("the service could not read the key this time", "", retry=True),
    "transmission rate exceeded": _Rule(
        "audio was sent too fast", "Lower speed or max_speed.", retry=True, wait_s=1.0
    ),
    "audio buffered": _Rule(
        "audio was sent too fast", "Lower speed or max_speed.", retry=True, wait_s=1.0
    ),
}
_BY_CODE: Final[dict[int, _Rule]] = {
    401: _Rule("access was refused before the service was reached", KEY_HINT, auth=True),
    403: _Rule(
        "access was refused before the service was reached",
        "Check the firewall, the region and the plan.",
        auth=True,
    ),
    404: _Rule("there is no streaming service at that address", "Check the endpoint."),
    410: _Rule("this endpoint or model is retired", "Check endpoint and speech_model."),
    429: _Rule("too many requests", "Wait a little.", retry=True, wait_s=5.0),
    1000: _Rule("the service closed without Termination", "The tail may be missing.", retry=True),
    1001: _Rule("the service goes away", "", retry=True),
    1005: _Rule("the service closed without a reason", "The tail may be missing.", retry=True),
    1006: _Rule("the connection was lost", "Check the network.", retry=True),
    1008: _Rule("the key or token was refused", KEY_HINT, auth=True),
    1009: _Rule("a message was larger than the service takes", "Please report this."),
    1011: _Rule("internal error of the service", "", retry=True),
    1012: _Rule("the service restarts", "", retry=True, wait_s=1.0),
    1014: _Rule("a gateway before the service failed", "", retry=True, wait_s=1.0),
    1013: _Rule("the service is overloaded", "Wait a little.", retry=True, wait_s=5.0),
    3005: _Rule("the service cancelled the session", "Is the model available?", retry=True),
    3006: _Rule("the service refused a message or parameter", "Check the parameters."),
    3007: _Rule("the service refused the length or speed of the audio", "Please report this."),
    3008: _Rule("the session reached its longest duration", "", retry=True),
    3009: _Rule(
        "too many new sessions in a short time", "Wait up to a minute.", retry=True, wait_s=5.0
    ),
}
_UNKNOWN_CODE: Final = _Rule("the service closed the connection", "")


def ending(code: int | None, reason: str = "", *, terminated: bool, endpoint: str = "") -> Ending:
    """Classify the end of a connection.

    Parameters
    ----------
    code : int or None
        Close code, the ``error_code`` of an ``Error`` message, or the HTTP status of a refused
        handshake. None for a link that broke without one (1006).
    reason : str
        The service's words: the text of the ``Error`` message rather than the close reason.
    terminated : bool
        Whether ``Termination`` arrived, which makes any end a proper one.
    """
    if terminated:
        return Ending(None)
    number = 1006 if code is None else code
    by_text = (rule for text, rule in _BY_TEXT.items() if text in reason.lower())
    rule = next(by_text, None) or _BY_CODE.get(number)
    if rule is None:
        rule = _Rule(_UNKNOWN_CODE.what, "", retry=500 <= number < 600)
    said = f", and said: {reason}" if reason else ""
    message = f"{endpoint or 'The connection'} ended with {number} ({rule.what}){said}."
    error: NbstreamError
    if rule.auth:
        error = AuthError(message, hint=rule.hint, endpoint=endpoint)
    elif number in (1000, 1006):
        error = ConnectError(message, hint=rule.hint, endpoint=endpoint)
    else:
        error = ServerError(message, hint=rule.hint, code=number, reason=reason)
    return Ending(error, rule.retry, rule.wait_s)
