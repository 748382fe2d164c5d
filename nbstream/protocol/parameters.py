"""Every option of a Streaming v3 connection, with its type and range.

The service ignores a misspelled option without a word and ends the session on a value out of
range, so both are found here, before a socket opens. `Options` is what an editor completes,
`PARAMETERS` is what the check reads; a test holds them together.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict
from urllib.parse import urlencode

from nbstream.errors import ParameterError

DEFAULT_MODEL: Final = "u3-rt-pro"
API_VERSION: Final = "2025-05-12"

# What the service named itself when asked for a model it does not have.
MODELS: Final = (
    "universal-streaming-english",
    "universal-streaming-multilingual",
    "whisper-rt",
    "u3-rt-pro",
    "u3-rt-pro-beta-1",
    "u3-rt-agent",
    "universal-3-5-pro",
    "universal-3-6-pro",
    "universal-3-6",
    "universal-3-7-preview",
    "_universal-3-5-notetaker",
)


class Options(TypedDict, total=False):
    """Options of a connection, by their names on the wire. Times in ms unless named otherwise."""

    sample_rate: int
    encoding: Literal["pcm_s16le", "pcm_mulaw", "opus", "ogg_opus", "aac"]
    mode: Literal["min_latency", "balanced", "max_accuracy"]
    min_turn_silence: int
    max_turn_silence: int
    end_of_turn_confidence_threshold: float
    vad_threshold: float
    format_turns: bool
    interruption_delay: int
    continuous_partials: bool
    include_partial_turns: bool
    turn_left_pad_ms: int
    max_turn_duration: int
    prompt: str
    keyterms_prompt: list[str]
    agent_context: str
    previous_context_n_turns: int
    language_codes: list[str]
    language_code: str
    language_detection: bool
    language: Literal["en", "multi"]
    domain: Literal["medical-v1"]
    voice_focus: Literal["near-field", "far-field"]
    voice_focus_threshold: float
    speaker_labels: bool
    max_speakers: int
    speaker_labels_revision_interval_ms: int
    redact_pii: bool
    redact_pii_policies: list[str]
    redact_pii_sub: Literal["hash", "entity_name"]
    filter_profanity: bool
    inactivity_timeout: int
    session_heartbeat: bool
    acknowledge_silence: bool
    llm_gateway: dict[str, Any]
    webhook_url: str
    webhook_auth_header_name: str
    webhook_auth_header_value: str
    customer_support_audio_capture: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one option takes.

    Parameters
    ----------
    kind : type
        ``int``, ``float``, ``bool``, ``str``, ``list`` (of texts) or ``dict``.
    low, high : float or None
        Range of a number, both ends included.
    choices : tuple of str
        The values of a text; empty for any.
    max_items, max_chars : int or None
        Longest list; longest text (of a text, or of each item).
    updatable : bool
        Whether ``UpdateConfiguration`` takes it in mid-session.
    models : str
        ``"all"``, ``"pro"`` (Universal-3 family) or ``"us"`` (Universal-Streaming): where it acts.
    wire_name : str
        Its name in the query, where that differs.
    secret : bool
        Whether its value must never be shown or stored.
    """

    kind: type
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    max_items: int | None = None
    max_chars: int | None = None
    updatable: bool = False
    models: Literal["all", "pro", "us"] = "all"
    wire_name: str = ""
    secret: bool = False


PARAMETERS: Final[dict[str, Parameter]] = {
    "sample_rate": Parameter(int, "Hz", 8000, 96_000),
    "encoding": Parameter(str, choices=("pcm_s16le", "pcm_mulaw", "opus", "ogg_opus", "aac")),
    "mode": Parameter(
        str, choices=("min_latency", "balanced", "max_accuracy"), models="pro", updatable=True
    ),
    "min_turn_silence": Parameter(int, "ms", 50, 10_000, updatable=True),
    "max_turn_silence": Parameter(int, "ms", 0, None, updatable=True),
    "end_of_turn_confidence_threshold": Parameter(float, "", 0, 1, updatable=True, models="us"),
    "vad_threshold": Parameter(float, "", 0, 1, updatable=True),
    "format_turns": Parameter(bool, updatable=True, models="us"),
    "interruption_delay": Parameter(int, "ms", 0, 1000, updatable=True, models="pro"),
    "continuous_partials": Parameter(bool, updatable=True, models="pro"),
    "include_partial_turns": Parameter(bool),
    "turn_left_pad_ms": Parameter(int, "ms", 0, None, updatable=True),
    "max_turn_duration": Parameter(int, "s", 1, None, models="pro"),
    "prompt": Parameter(str, max_chars=1750, updatable=True, models="pro"),
    "keyterms_prompt": Parameter(list, max_items=100, max_chars=50, updatable=True),
    "agent_context": Parameter(str, max_chars=1750, updatable=True, models="pro"),
    "previous_context_n_turns": Parameter(int, "turns", 0, 100, models="pro"),
    "language_codes": Parameter(list, max_items=10, updatable=True, models="pro"),
    "language_code": Parameter(str, models="pro"),
    "language_detection": Parameter(bool),
    "language": Parameter(str, choices=("en", "multi"), models="us"),
    "domain": Parameter(str, choices=("medical-v1",)),
    "voice_focus": Parameter(str, choices=("near-field", "far-field"), models="pro"),
    "voice_focus_threshold": Parameter(float, "", 0, 1, models="pro"),
    "speaker_labels": Parameter(bool),
    "max_speakers": Parameter(int, "speakers", 1, 10),
    "speaker_labels_revision_interval_ms": Parameter(int, "ms", 0, 86_400_000),
    "redact_pii": Parameter(bool),
    "redact_pii_policies": Parameter(list),
    "redact_pii_sub": Parameter(str, choices=("hash", "entity_name")),
    "filter_profanity": Parameter(bool, updatable=True),
    "inactivity_timeout": Parameter(int, "s", 5, 3600),
    "session_heartbeat": Parameter(bool, updatable=True),
    "acknowledge_silence": Parameter(bool, updatable=True, models="pro"),
    "llm_gateway": Parameter(dict),
    "webhook_url": Parameter(str),
    "webhook_auth_header_name": Parameter(str),
    "webhook_auth_header_value": Parameter(str, secret=True),
    "customer_support_audio_capture": Parameter(bool, wire_name="_customer_support_audio_capture"),
}

# Old names that some service versions still take, and what they are called now.
_RENAMED: Final = {
    "min_end_of_turn_silence_when_confident": "min_turn_silence",
    "noise_suppression_model": "voice_focus",
    "noise_suppression_threshold": "voice_focus_threshold",
    "word_boost": "keyterms_prompt",
    "speech_model": "model, the first argument",
}


def is_pro(model: str) -> bool:
    """Whether `model` belongs to the Universal-3 Pro family."""
    return model.startswith(("u3-", "universal-3", "_universal-3"))


def check(options: Mapping[str, Any], model: str = DEFAULT_MODEL) -> None:
    """Raise `ParameterError` for the first option that the service would refuse or ignore."""
    for name, value in options.items():
        _check_one(name, value)
    if "voice_focus_threshold" in options and "voice_focus" not in options:
        raise ParameterError(
            "voice_focus_threshold is set, but voice_focus is not.",
            hint='Add voice_focus="near-field" or "far-field".',
            parameter="voice_focus_threshold",
        )
    if "prompt" in options and not is_pro(model):
        raise ParameterError(
            f"prompt is not supported by {model}.",
            hint="Use a Universal-3 Pro model, or keyterms_prompt.",
            parameter="prompt",
        )


def ineffective(options: Mapping[str, Any], model: str) -> list[str]:
    """Names of the options that `model` takes but does not act on."""
    family = "pro" if is_pro(model) else "us"
    return [name for name in options if PARAMETERS[name].models not in ("all", family)]


def query(model: str, options: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> str:
    """Query string of the connection's URL, checked.

    Parameters
    ----------
    model : str
        ``speech_model``; always sent, since what the service takes by default has changed often.
    options : Mapping
        As in `Options`.
    extra : Mapping, optional
        Parameters this version does not know; sent as they are.
    """
    check(options, model)
    fields: dict[str, Any] = {"speech_model": model}
    fields |= {PARAMETERS[name].wire_name or name: value for name, value in options.items()}
    fields |= extra or {}
    return urlencode({name: _as_text(value) for name, value in fields.items()})


def update_configuration(**options: Any) -> str:
    """The ``UpdateConfiguration`` message; only options that may change in mid-session."""
    fixed = [n for n in options if n in PARAMETERS and not PARAMETERS[n].updatable]
    if fixed:
        raise ParameterError(
            f"{fixed[0]} can't change in mid-session.",
            hint="Set it on the service and record again. These can: "
            + ", ".join(n for n, p in PARAMETERS.items() if p.updatable)
            + ".",
            parameter=fixed[0],
        )
    for name, value in options.items():
        _check_one(name, value)
    return json.dumps({"type": "UpdateConfiguration", **options})


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _check_one(name: str, value: Any) -> None:
    known = PARAMETERS.get(name)
    if known is None:
        near = (
            _RENAMED.get(name)
            or _RENAMED.get(_snake_case(name))
            or next(iter(difflib.get_close_matches(_snake_case(name), PARAMETERS, 1, 0.7)), "")
        )
        raise ParameterError(
            f"there is no parameter {name!r}.",
            hint=(f"Did you mean {near}? " if near else "")
            + "What is newer than this version goes through extra={...}.",
            parameter=name,
        )
    problem = _problem(known, value)
    if problem:
        hidden = known.secret or (isinstance(value, str) and len(value) > 80)
        shown = "" if hidden else f" {value!r}"
        raise ParameterError(f"{name}{shown} {problem}.", parameter=name)


def _snake_case(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _problem(known: Parameter, value: Any) -> str:
    """What is wrong with `value`, as the end of a sentence; empty if nothing is."""
    if known.kind in (int, float):
        return _number_problem(known, value)
    if known.kind is list:
        return _list_problem(known, value)
    if not isinstance(value, known.kind):
        return f"must be {_KIND_NAMES[known.kind]}, not {type(value).__name__}"
    if known.choices and value not in known.choices:
        return "must be one of " + ", ".join(known.choices)
    if isinstance(value, str) and known.max_chars and len(value) > known.max_chars:
        return f"has {len(value)} characters: the service takes {known.max_chars}"
    return ""


def _number_problem(known: Parameter, value: Any) -> str:
    allowed = (int,) if known.kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        return f"must be {_KIND_NAMES[known.kind]}, not {type(value).__name__}"
    low, high = known.low, known.high
    # The comparison is written so that NaN fails it.
    if (low is None or value >= low) and (high is None or value <= high):
        return ""
    unit = f" {known.unit}" if known.unit else ""
    return "is out of range: " + (
        f"{low}{unit} or more" if high is None else f"{low} to {high}{unit}"
    )


def _list_problem(known: Parameter, value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return "must be a list of texts"
    if known.max_items is not None and len(value) > known.max_items:
        return f"has {len(value)} items: the service takes {known.max_items}"
    items: list[str] = value
    long = [item for item in items if known.max_chars and len(item) > known.max_chars]
    return f"has an item over {known.max_chars} characters: {long[0]!r}" if long else ""


_KIND_NAMES: Final = {int: "a whole number", float: "a number", bool: "True or False"} | {
    str: "a text",
    dict: "a dict",
}
