"""Everything that can happen in a session, as frozen values.

Two families. What the server said (`Begin` ... `Unknown`) is stored as its text, word for word;
the fields here are what we read out of it, so a field we do not know yet is never lost. What we
noticed ourselves (`Connected` ... `StateChanged`) is stored field by field.

Units: ``_ms`` are milliseconds of audio on the connection's own clock, as on the wire; ``_s`` are
seconds; ``_frame`` are positions in the recording.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; times on the connection's clock."""

    text: str
    start_ms: float
    end_ms: float
    confidence: float
    is_final: bool
    speaker: str | None = None
    speaker_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class ServerEvent(Event):
    """Base of what the server says; `raw` is the message, word for word."""

    raw: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Begin(ServerEvent):
    """The server accepted the connection. `expires_at` is in Unix seconds."""

    id: str
    expires_at: float
    configuration: Mapping[str, Any]

    @property
    def model(self) -> str | None:
        """The model the server really uses, if it says so."""
        return self.configuration.get("model")


@dataclass(frozen=True, slots=True)
class SpeechStarted(ServerEvent):
    """A turn's speech began; arrives right before the turn's first message."""

    timestamp_ms: float
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Turn(ServerEvent):
    """One state of a turn. Final if, and only if, `end_of_turn`."""

    turn_order: int
    end_of_turn: bool
    is_formatted: bool
    transcript: str
    utterance: str
    end_of_turn_confidence: float | None
    words: tuple[Word, ...]
    language_code: str | None = None
    language_confidence: float | None = None
    speaker_label: str | None = None
    speaker_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Termination(ServerEvent):
    """The server has finished; durations in whole seconds, as it counts them."""

    audio_duration_s: float
    session_duration_s: float


@dataclass(frozen=True, slots=True)
class ServerFault(ServerEvent):
    """An ``Error`` message: the connection is about to close with `code`."""

    code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class ServerWarning(ServerEvent):
    """A ``Warning`` message: the session goes on."""

    code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Heartbeat(ServerEvent):
    """Sign of life each five seconds, if asked for."""

    total_audio_received_ms: float
    total_duration_ms: float
    realtime_factor: float
    max_speech_probability: float


@dataclass(frozen=True, slots=True)
class Silence(ServerEvent):
    """A stretch that holds nothing to transcribe, if asked for."""

    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class LLMGatewayResponse(ServerEvent):
    """A language model's answer to a final turn, if asked for."""

    turn_order: int
    transcript: str
    data: Any


@dataclass(frozen=True, slots=True)
class TurnRevision:
    """New speaker of one turn, and of its words where the server sends them."""

    turn_order: int
    speaker_label: str | None
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class SpeakerRevision(ServerEvent):
    """Later knowledge about who spoke; text and times stay."""

    revisions: tuple[TurnRevision, ...]


@dataclass(frozen=True, slots=True)
class Unknown(ServerEvent):
    """A message we can't read, kept whole; `why` says what was strange about it."""

    type: str
    why: str


@dataclass(frozen=True, slots=True)
class Connected(Event):
    """A connection is open; its clock starts at `start_frame` of the recording.

    `channel` is the one it hears, from 0; None where the recording has only one.
    """

    endpoint: str
    start_frame: int
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Disconnected(Event):
    """A connection has ended. `clean`: after `Termination`, as asked."""

    code: int | None
    reason: str
    clean: bool


@dataclass(frozen=True, slots=True)
class Sent(Event):
    """A control message that we sent, word for word."""

    text: str


@dataclass(frozen=True, slots=True)
class Gap(Event):
    """Audio that is in the recording but was not transcribed; `channel` as in `Connected`."""

    start_frame: int
    end_frame: int
    cause: str
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Overflow(Event):
    """Audio that the device lost before we got it; `lost_frames` is 0 where it can't be told."""

    frame: int
    count: int
    lost_frames: int


@dataclass(frozen=True, slots=True)
class Paused(Event):
    """The person had paused: the recording stood still at `frame` for so many seconds."""

    frame: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Problem(Event):
    """Something the person at the notebook should know, and what to do about it."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class StateChanged(Event):
    """The session's state machine moved to `state`."""

    state: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of ``events.jsonl``: what happened, when, and on which connection.

    `at_s` is seconds since the session began (monotonic); `connection` is numbered from 0, None
    for what belongs to no connection.
    """

    at_s: float
    connection: int | None
    event: Event

    OURS: ClassVar[dict[str, type[Event]]] = {
        kind.__name__: kind
        for kind in (
            Connected,
            Disconnected,
            Sent,
            Gap,
            Overflow,
            Paused,
            Problem,
            StateChanged,
        )
    }

    def as_record(self) -> dict[str, Any]:
        """The line as a dict, ready for JSON."""
        head: dict[str, Any] = {
            "type": type_name(self.event),
            "at_s": self.at_s,
            "connection": self.connection,
        }
        if isinstance(self.event, ServerEvent):
            return head | {"raw": self.event.raw}
        return head | dataclasses.asdict(self.event)


def type_name(event: Event) -> str:
    """The event's name as on the wire (``Error``, not `ServerFault`), or our own."""
    if isinstance(event, Unknown):
        return event.type or "Unknown"
    if isinstance(event, ServerFault):
        return "Error"
    return "Warning" if isinstance(event, ServerWarning) else type(event).__name__
