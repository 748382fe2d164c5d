"""Ways in which a service or a network goes wrong, as switches of the local server.

For tests of clients: none is on unless it was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from nbstream.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong in a connection.

    The ``*_after_s`` switches count seconds of audio that has been recognised, so that a test
    finds the same turns before the fault however busy the machine is; 0 is right after ``Begin``.
    All other times are seconds by the clock.

    Parameters
    ----------
    first_connections : int or None
        Only so many connections suffer, counted from the server's start; None for all.
    http_status : int
        The handshake is answered with this status (401, 403, 429, 503).
    close_1011_at_open : bool
        Closed at once, without a message.
    no_begin, begin_delay_s
        ``Begin`` never comes, or late.
    message_delay_s : float
        Every message about speech (``Turn``, ``SpeechStarted``) goes out so much later, and those
        behind it no sooner; recognition goes on meanwhile. What a break finds unsent is lost.
    mute : bool
        Everything is taken, nothing is ever said. `mute_after_s`: from there on.
    freeze_after_s : float or None
        Nothing is read any more either, pings and closes included: the peer that hangs.
    tcp_drop_after_s : float or None
        The TCP connection is reset (1006).
    close_1000_after_s : float or None
        A proper close without ``Termination``: the tail is lost.
    error_after_s, error_code, error_text, error_without_close
        An ``Error`` message, and then the close with the same number, or not.
    session_cap_s : float or None
        The session ends with 3008 so long after its beginning.
    termination_delay_s, no_termination
        After ``Terminate``, ``Termination`` comes late, or only the close comes.
    unknown_type, unknown_fields : bool
        A message of a type nobody knows after ``Begin``; more fields in every message.
    duplicate_final : bool
        Each final comes twice, raw and then formatted.
    fragments : bool
        Each message comes in two fragments.
    speaker_revision : bool
        Turns carry the label ``PENDING``; a ``SpeakerRevision`` before ``Termination`` says ``A``.
    sessions_per_minute, too_many_code
        More new sessions than this in a minute are refused with 1008 or 3009.
    slot_held_s : float
        A new session beside an open one, or so soon after its end, is refused likewise.
    """

    first_connections: int | None = None
    http_status: int = 0
    close_1011_at_open: bool = False
    no_begin: bool = False
    begin_delay_s: float = 0.0
    message_delay_s: float = 0.0
    mute: bool = False
    mute_after_s: float | None = None
    freeze_after_s: float | None = None
    tcp_drop_after_s: float | None = None
    close_1000_after_s: float | None = None
    error_after_s: float | None = None
    error_code: int = 3005
    error_text: str = "Session Cancelled: An error occurred"
    error_without_close: bool = False
    session_cap_s: float | None = None
    termination_delay_s: float = 0.0
    no_termination: bool = False
    unknown_type: bool = False
    unknown_fields: bool = False
    duplicate_final: bool = False
    fragments: bool = False
    speaker_revision: bool = False
    sessions_per_minute: int | None = None
    slot_held_s: float = 0.0
    too_many_code: int = 1008

    def with_switches(self, switches: Iterable[str]) -> Faults:
        """These faults and some more, each ``NAME`` or ``NAME:VALUE``.

        Raises
        ------
        ParameterError
            If there is no such switch.
        """
        known = [field.name for field in fields(self)]
        changes: dict[str, Any] = {}
        for switch in switches:
            name, _, value = switch.partition(":")
            if name not in known:
                raise ParameterError(
                    f"there is no fault {name!r}.",
                    hint=f"There are {', '.join(known)}.",
                    parameter="_fault",
                )
            try:
                changes[name] = json.loads(value or "true")
            except ValueError:
                changes[name] = value
        return replace(self, **changes)


NO_FAULTS = Faults()
