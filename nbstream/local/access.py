"""Who may open a session, and when: the key, tokens that stand for it, slots. No I/O."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from nbstream.local import checks
from nbstream.local.checks import Refusal
from nbstream.local.faults import Faults

SESSION_CAP_S: Final = 10_800

_WINDOW_S: Final = (1, 600)
_CAP_S: Final = (60, SESSION_CAP_S)


@dataclass(slots=True)
class _Token:
    closes_s: float  # on the clock
    cap_s: int
    is_used: bool = False


class Access:
    """The key, the tokens, and what is said to who has neither.

    Parameters
    ----------
    key : str
        The one right key; empty to take any.
    single_use : bool
        Whether a token opens one session only.
    clock : callable
        Seconds, never going back.
    """

    def __init__(
        self,
        key: str = "",
        *,
        single_use: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = key
        self._single_use = single_use
        self._clock = clock
        self._tokens: dict[str, _Token] = {}

    def admit(self, authorization: str, token: str) -> int:
        """Longest duration of the session in s; raises `Refusal` (1008).

        Parameters
        ----------
        authorization : str
            The header: a key or a token, without a scheme.
        token : str
            The same from the query.
        """
        given = token or authorization
        if not given:
            raise _unauthorized("Missing Authorization header")
        known = self._tokens.get(given)
        if known is None:
            if given.startswith("Bearer ") or not self._is_key(given):
                raise _unauthorized("Invalid API key")
            return SESSION_CAP_S
        if self._clock() >= known.closes_s:
            raise _unauthorized("Signature has expired")
        if known.is_used and self._single_use:
            raise _unauthorized("Invalid API key")
        known.is_used = True
        return known.cap_s

    def token(self, authorization: str | None, query: str) -> tuple[int, Mapping[str, Any]]:
        """Answer a request for a token: HTTP status and JSON object."""
        if authorization is None:
            return 422, _detail([_missing("header", "authorization")])
        if not self._is_key(authorization.removeprefix("Bearer ").strip()):
            return 401, {"error": "Invalid API key", "code": "unauthorized", "details": None}
        fields = {name: values[-1] for name, values in parse_qs(query).items()}
        problems: list[Mapping[str, Any]] = []
        window_s = _ranged(fields, "expires_in_seconds", _WINDOW_S, None, problems)
        cap_s = _ranged(fields, "max_session_duration_seconds", _CAP_S, SESSION_CAP_S, problems)
        if problems:
            return 422, _detail(problems)
        text = "AQI" + secrets.token_urlsafe(48)
        self._tokens[text] = _Token(self._clock() + window_s, cap_s)
        return 200, {"token": text, "expires_in_seconds": window_s}

    def _is_key(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self._key or given).encode()) and bool(given)


class Slots:
    """How many sessions there may be, if a fault limits them.

    Parameters
    ----------
    clock : callable
        Seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._opened_s: list[float] = []  # sessions of the last minute
        self._n_open = 0
        self._ended_s = float("-inf")  # the last session that was let in

    @contextlib.contextmanager
    def taken(self, faults: Faults) -> Iterator[None]:
        """Hold a session's slot; raises `Refusal` if there is none.

        A client can be back before its last session has ended here: a slot that stays taken
        after the end is taken from the beginning.
        """
        now_s = self._clock()
        self._opened_s = [at_s for at_s in self._opened_s if now_s - at_s < 60]
        held_s, limit = faults.slot_held_s, faults.sessions_per_minute
        is_held = held_s > 0 and (self._n_open > 0 or now_s - self._ended_s < held_s)
        if is_held or (limit is not None and len(self._opened_s) >= limit):
            raise Refusal(faults.too_many_code, checks.TOO_MANY)
        self._opened_s.append(now_s)
        self._n_open += 1
        try:
            yield
        finally:
            self._n_open -= 1
            self._ended_s = self._clock()


def _unauthorized(why: str) -> Refusal:
    return Refusal(1008, f"Unauthorized Connection: {why}")


def _ranged(
    fields: Mapping[str, str],
    name: str,
    limits: tuple[int, int],
    default: int | None,
    problems: list[Mapping[str, Any]],
) -> int:
    """A whole number within `limits`; what is wrong with it goes to `problems`."""
    text = fields.get(name)
    if text is None:
        if default is None:
            problems.append(_missing("query", name))
        return default or 0
    low, high = limits
    try:
        number = int(text)
    except ValueError:
        problems.append(
            _problem(
                "int_parsing",
                name,
                "Input should be a valid integer, unable to parse string as an integer",
                text,
            )
        )
        return 0
    if number < low:
        said = f"Input should be greater than or equal to {low}"
        problems.append(_problem("greater_than_equal", name, said, text, {"ge": low}))
    elif number > high:
        said = f"Input should be less than or equal to {high}"
        problems.append(_problem("less_than_equal", name, said, text, {"le": high}))
    return number


def _missing(where: str, name: str) -> Mapping[str, Any]:
    return {"type": "missing", "loc": [where, name], "msg": "Field required", "input": None}


def _problem(
    kind: str, name: str, said: str, given: str, context: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    problem: dict[str, Any] = {"type": kind, "loc": ["query", name], "msg": said, "input": given}
    return problem | ({"ctx": context} if context else {})


def _detail(problems: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"detail": problems}
