"""What a connection asks for, checked as the service checks it and refused in its own words.

Queries are text, updates are JSON; both become one `Settings`. Names that are not known are
ignored, as the service does. No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl

from nbstream.local.endpoint import SILENCE_FLOOR_MS
from nbstream.protocol.endpointing import PRESETS, Preset
from nbstream.protocol.parameters import API_VERSION, MODELS, PARAMETERS, Parameter, is_pro

LOCAL_MODEL: Final = "moonshine-tiny-en"
"""The model that really works here, whatever was asked for."""

MIN_MESSAGE_MS, MAX_MESSAGE_MS = 50, 1000
_SHORT_MESSAGES_MS = 980
"""So much audio in short messages, one after the other, is too much; a short tail passes."""

_AHEAD_S, _RATE = 10.0, 1.25  # the older rule on audio sent faster than it is spoken
_PCM_BYTES = {"pcm_s16le": 2, "pcm_mulaw": 1}


class Refusal(Exception):  # noqa: N818 - the service refuses; nothing failed here
    """Ends a session: an ``Error`` message with `code` and `text`, then a close with `code`.

    `close_after_s` is the time between the two.
    """

    def __init__(self, code: int, text: str, *, close_after_s: float = 0.0) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.close_after_s = close_after_s


INTERNAL: Final = (3005, "Session Cancelled: An error occurred")
EXPIRED: Final = (3008, "Session Expired: Maximum session duration exceeded")
TOO_MANY: Final = "Unauthorized Connection: Too many concurrent sessions"


def inactivity(timeout_s: float) -> Refusal:
    """Nothing came for the time the client itself had set."""
    return Refusal(
        3006,
        f"Session terminated due to inactivity: No messages received for {timeout_s:g} seconds",
    )


_FIRST_PARTIAL_MS = 256  # the service adds it to interruption_delay
# The scale of the service's threshold is its own (0.2 by default), so only a value that was
# asked for is passed on; below this a detector that never lets go would never end a turn.
_LOWEST_VAD_THRESHOLD = 0.1


@dataclass(frozen=True, slots=True)
class Settings:
    """What one connection asked for, valid.

    Parameters
    ----------
    asked_model : str
        ``speech_model``, or empty; its family decides how turns are told.
    options : Mapping
        By their names on the wire, with Python values.
    """

    asked_model: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_pro(self) -> bool:
        """Whether turns are told as the Pro family tells them."""
        return self.asked_model in ("", LOCAL_MODEL) or is_pro(self.asked_model)

    @property
    def mode(self) -> str | None:
        """The preset, None if the family has none."""
        return self.options.get("mode", "balanced") if self.is_pro else None

    @property
    def is_formatted(self) -> bool:
        """Whether finals have case and punctuation."""
        always = self.is_pro or self.asked_model == "universal-streaming-multilingual"
        return always or self.flag("format_turns")

    @property
    def encoding(self) -> str:
        """How samples are written."""
        return str(self.options.get("encoding", "pcm_s16le"))

    @property
    def sample_rate_hz(self) -> int:
        """Of the audio that comes in."""
        return int(self.options.get("sample_rate", 16_000))

    @property
    def inactivity_timeout_s(self) -> float | None:
        """Longest time without a message; None for no limit."""
        return self.options.get("inactivity_timeout")

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean option."""
        return bool(self.options.get(name, default))

    def configuration(self) -> dict[str, Any]:
        """``Begin.configuration``: what was really applied, not what was asked for."""
        return {
            "model": LOCAL_MODEL,
            "mode": self.mode,
            "api_version": API_VERSION,
            "speaker_labels": False,
            "redact_pii": False,
            "filter_profanity": False,
            "domain": None,
            "voice_focus": None,
            # What the service keeps to itself; with it, endpointing can be told from speed.
            "min_turn_silence": max(SILENCE_FLOOR_MS, self.recogniser()["min_turn_silence_ms"]),
            "max_turn_silence": max(SILENCE_FLOOR_MS, self.recogniser()["max_turn_silence_ms"]),
        }

    def recogniser(self) -> dict[str, Any]:
        """Options of `recogniser.Stream`."""
        get = self.options.get
        preset = PRESETS[self.mode]
        shortest = min(max(get("min_turn_silence", preset.min_turn_silence), 50), 10_000)
        longest = max(get("max_turn_silence", preset.max_turn_silence), shortest)
        if not self.is_pro and get("end_of_turn_confidence_threshold", 0) >= 1:
            shortest = longest  # nothing but silence ends a turn
        delay = get("interruption_delay", preset.interruption_delay)
        options = {
            "min_turn_silence_ms": shortest,
            "max_turn_silence_ms": longest,
            "interruption_delay_ms": delay + _FIRST_PARTIAL_MS,
            "partials": self.flag("include_partial_turns", True),
            "max_turn_ms": 1000 * get("max_turn_duration", 60),
        }
        if "vad_threshold" in self.options:
            options["vad_threshold"] = max(self.options["vad_threshold"], _LOWEST_VAD_THRESHOLD)
        return options

    def updated(self, fields: Mapping[str, Any]) -> Settings:
        """Take an ``UpdateConfiguration`` in; raise `Refusal` (3006) for a bad value."""
        changes = {
            _name(name): value
            for name, value in fields.items()
            if value is not None and _name(name) in PARAMETERS and PARAMETERS[_name(name)].updatable
        }
        options = dict(self.options)
        if "mode" in changes:  # sets the whole preset anew
            for name in Preset._fields:
                options.pop(name, None)
        return _checked(replace(self, options=options), changes)


def connect(query: str) -> Settings:
    """Settings of a new connection from the query of its URL; raises `Refusal` (3006)."""
    fields = {_name(name): value for name, value in parse_qsl(query, keep_blank_values=True)}
    model = fields.pop("speech_model", "")
    if model and model not in (*MODELS, LOCAL_MODEL):
        raise _invalid([("speech_model", f"Input should be {_listed((*MODELS, LOCAL_MODEL))}")])
    return _checked(Settings(model), {n: v for n, v in fields.items() if n in PARAMETERS})


def message_type(text: str) -> tuple[str, dict[str, Any]]:
    """Type and fields of a client's JSON message; raises `Refusal` (3006)."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        problem = f"User Input Validation Error: Invalid JSON: {exc}"
        raise Refusal(3006, problem) from None
    if not isinstance(data, dict):
        raise Refusal(3006, "Invalid Message")
    kind = data.pop("type", None)
    if kind not in ("UpdateConfiguration", "ForceEndpoint", "KeepAlive", "Terminate"):
        raise Refusal(3006, f"Invalid Message Type: {kind}", close_after_s=1.0)
    return kind, data


class AudioRules:
    """The rules on the audio of one connection, and its clock: audio received, in ms."""

    def __init__(self, settings: Settings, *, strict_rate: bool) -> None:
        # 0 for the encodings whose messages have no length that could be told from their size.
        self._bytes_per_ms = _PCM_BYTES.get(settings.encoding, 0) * settings.sample_rate_hz / 1000
        self._strict_rate = strict_rate
        self._short_ms = 0.0
        self.received_ms = 0.0

    def take(self, n_bytes: int, elapsed_s: float) -> float:
        """Count a message in and return its length in ms; raises `Refusal` (3007).

        `elapsed_s` is the time since the session began.
        """
        length_ms = n_bytes / self._bytes_per_ms if self._bytes_per_ms else 0.0
        if length_ms > MAX_MESSAGE_MS:
            raise _bad_length(length_ms)
        self._short_ms = self._short_ms + length_ms if length_ms < MIN_MESSAGE_MS else 0.0
        if self._short_ms >= _SHORT_MESSAGES_MS:
            raise _bad_length(length_ms)
        self.received_ms += length_ms
        received_s = self.received_ms / 1000
        if self._strict_rate and received_s > _AHEAD_S + _RATE * elapsed_s:
            raise Refusal(
                3007,
                f"Audio Transmission Rate Exceeded: Received {received_s:.1f} sec. audio"
                f" in {elapsed_s:.1f} sec",
            )
        return length_ms


def _bad_length(length_ms: float) -> Refusal:
    return Refusal(
        3007,
        f"Input Duration Error: Input Duration Violation: {round(length_ms, 1)} ms."
        f" Expected between {MIN_MESSAGE_MS} and {MAX_MESSAGE_MS} ms",
    )


_OLD_NAMES: Final = {
    "min_end_of_turn_silence_when_confident": "min_turn_silence",
    "noise_suppression_model": "voice_focus",
    "noise_suppression_threshold": "voice_focus_threshold",
    "_customer_support_audio_capture": "customer_support_audio_capture",
}


def _name(wire_name: str) -> str:
    return _OLD_NAMES.get(wire_name, wire_name)


def _checked(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    options = dict(settings.options)
    problems: list[tuple[str, str]] = []
    for name, value in changes.items():
        try:
            options[name] = _value(name, value)
        except ValueError as exc:
            problems.append((name, str(exc)))
    if "voice_focus_threshold" in options and "voice_focus" not in options:
        problems.append(
            ("voice_focus_threshold", "Value error, voice_focus_threshold requires voice_focus")
        )
    if options.get("prompt") and not settings.is_pro:
        problems.append(
            ("prompt", "Value error, prompt is only supported with the 'u3-rt-pro' speech_model")
        )
    if problems:
        raise _invalid(problems)
    return replace(settings, options=options)


def _invalid(problems: list[tuple[str, str]]) -> Refusal:
    said = "; ".join(f"Invalid '{name}': {problem}" for name, problem in problems)
    return Refusal(3006, f"User Input Validation Error: {said}")


def _listed(choices: tuple[str, ...]) -> str:
    quoted = [repr(choice) for choice in choices]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


_TRUE, _FALSE = ("true", "1", "yes", "on", "t", "y"), ("false", "0", "no", "off", "f", "n")


def _value(name: str, value: Any) -> Any:
    """`value`, text or JSON, as what the option takes; ValueError in the service's words."""
    known = PARAMETERS[name]
    if known.kind is bool:
        text = str(value).lower()
        if text not in _TRUE + _FALSE:
            raise ValueError("Input should be a valid boolean, unable to interpret input")
        return text in _TRUE
    if known.kind in (int, float):
        return _number(name, known, value)
    if known.kind is list:
        return _list(name, known, value)
    if known.kind is dict:
        data = _json(value)
        if not isinstance(data, dict):
            raise ValueError("Value error, Invalid JSON object")
        return data
    if not isinstance(value, str):
        raise ValueError("Input should be a valid string")
    if known.choices and value not in known.choices:
        if name == "encoding":
            raise ValueError(f"Value error, {value!r} is not a valid Encoding")
        raise ValueError(f"Input should be {_listed(known.choices)}")
    if known.max_chars is not None and len(value) > known.max_chars:
        raise ValueError(f"String should have at most {known.max_chars} characters")
    return value


def _number(name: str, known: Parameter, value: Any) -> float:
    kind = "integer" if known.kind is int else "number"
    try:
        number = float(value) if known.kind is float else int(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"Input should be a valid {kind}, unable to parse string as {_A[kind]} {kind}"
        ) from None
    if name == "min_turn_silence":
        return number  # moved into its range, not refused
    # Written so that NaN fails.
    if known.low is not None and not number >= known.low:
        if name == "sample_rate":
            raise ValueError("Value error, sample_rate must be at least 8,000 Hz")
        raise ValueError(f"Input should be greater than or equal to {known.low:g}")
    if known.high is not None and not number <= known.high:
        raise ValueError(f"Input should be less than or equal to {known.high:g}")
    return number


_A: Final = {"integer": "an", "number": "a"}


def _list(name: str, known: Parameter, value: Any) -> list[str]:
    items = _json(value)
    if name == "redact_pii_policies" and isinstance(value, str) and not isinstance(items, list):
        items = value.split(",")
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError("Value error, Invalid JSON array")
    if known.max_items is not None and len(items) > known.max_items:
        raise ValueError(f"Value error, Max {known.max_items} items")
    return items


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
