"""What the server says -> events; what we say -> text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from nbstream import events as ev

_NAN: Final = float("nan")


def decode(text: str | bytes) -> ev.ServerEvent:
    """Turn one server message into an event. Never raises.

    What can't be read becomes `Unknown`, with the reason; the text itself is kept in every case.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    type_ = ""
    try:
        data = json.loads(text)
        if not isinstance(data, dict):
            return ev.Unknown(text, "", f"not an object but {type(data).__name__}")
        type_ = str(data.get("type") or ("Error" if "error" in data else ""))
        decoder = _DECODERS.get(type_)
        if decoder is None:
            return ev.Unknown(text, type_, "unknown type" if type_ else "no type")
        return decoder(text, data)
    # The one broad except: the reader must outlive any server (RecursionError included).
    except Exception as error:
        return ev.Unknown(text, type_, f"{type(error).__name__}: {error}"[:200])


def force_endpoint() -> str:
    """Ask the server to end the open turn now."""
    return json.dumps({"type": "ForceEndpoint"})


def keep_alive() -> str:
    """Reset the server's inactivity timer."""
    return json.dumps({"type": "KeepAlive"})


def terminate() -> str:
    """Ask for the last turn and the end of the session."""
    return json.dumps({"type": "Terminate"})


def _number(value: Any) -> float:
    """A JSON number as it came (int stays int); anything else is refused."""
    if type(value) is float or type(value) is int:  # a bool is no number; half of all decoding
        return value
    raise TypeError(f"not a number: {value!r}")


def _maybe_number(data: Mapping[str, Any], key: str) -> float | None:
    value = data.get(key)
    return None if value is None else _number(value)


def _maybe_int(data: Mapping[str, Any], key: str) -> int | None:
    value = data.get(key)
    return None if value is None else int(_number(value))


def _maybe_text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    return None if value is None else str(value)


def _words(items: Any) -> tuple[ev.Word, ...]:
    return tuple(
        ev.Word(
            text=str(item["text"]),
            start_ms=_number(item["start"]),
            end_ms=_number(item["end"]),
            confidence=_number(item.get("confidence", _NAN)),
            is_final=bool(item.get("word_is_final", False)),
            speaker=_maybe_text(item, "speaker") if "speaker" in item else None,
            speaker_confidence=(
                _maybe_number(item, "speaker_confidence") if "speaker_confidence" in item else None
            ),
        )
        for item in items or ()
    )


def _begin(raw: str, data: dict[str, Any]) -> ev.Begin:
    configuration = data.get("configuration")
    return ev.Begin(
        raw=raw,
        id=str(data["id"]),
        expires_at=_number(data.get("expires_at", _NAN)),
        configuration=configuration if isinstance(configuration, dict) else {},
    )


def _turn(raw: str, data: dict[str, Any]) -> ev.Turn:
    return ev.Turn(
        raw=raw,
        turn_order=int(_number(data["turn_order"])),
        end_of_turn=bool(data.get("end_of_turn", False)),
        is_formatted=bool(data.get("turn_is_formatted", False)),
        transcript=str(data.get("transcript") or ""),
        utterance=str(data.get("utterance") or ""),
        end_of_turn_confidence=_maybe_number(data, "end_of_turn_confidence"),
        words=_words(data.get("words")),
        language_code=_maybe_text(data, "language_code"),
        language_confidence=_maybe_number(data, "language_confidence"),
        speaker_label=_maybe_text(data, "speaker_label"),
        speaker_confidence=_maybe_number(data, "speaker_confidence"),
    )


def _speaker_revision(raw: str, data: dict[str, Any]) -> ev.SpeakerRevision:
    return ev.SpeakerRevision(
        raw,
        tuple(
            ev.TurnRevision(
                int(_number(item["turn_order"])),
                _maybe_text(item, "speaker_label"),
                _words(item.get("words")),
            )
            for item in data.get("revisions") or ()
        ),
    )


_DECODERS: dict[str, Callable[[str, dict[str, Any]], ev.ServerEvent]] = {
    "Begin": _begin,
    "Turn": _turn,
    "SpeakerRevision": _speaker_revision,
    "SpeechStarted": lambda raw, d: ev.SpeechStarted(
        raw, _number(d["timestamp"]), _maybe_number(d, "confidence")
    ),
    "Termination": lambda raw, d: ev.Termination(
        raw,
        _number(d.get("audio_duration_seconds", _NAN)),
        _number(d.get("session_duration_seconds", _NAN)),
    ),
    "Error": lambda raw, d: ev.ServerFault(
        raw, _maybe_int(d, "error_code"), str(d.get("error", ""))
    ),
    "Warning": lambda raw, d: ev.ServerWarning(
        raw, _maybe_int(d, "warning_code"), str(d.get("warning", ""))
    ),
    "Heartbeat": lambda raw, d: ev.Heartbeat(
        raw,
        _number(d["total_audio_received_ms"]),
        _number(d["total_duration_ms"]),
        _number(d["realtime_factor"]),
        _number(d.get("max_speech_probability", 0)),
    ),
    "Silence": lambda raw, d: ev.Silence(raw, _number(d["start_ms"]), _number(d["end_ms"])),
    "LLMGatewayResponse": lambda raw, d: ev.LLMGatewayResponse(
        raw, int(_number(d["turn_order"])), str(d.get("transcript") or ""), d.get("data")
    ),
}
