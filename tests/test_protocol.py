"""Streaming v3 without I/O: parameters, messages, endings, chunks."""

from __future__ import annotations

import json
from typing import get_args, get_origin, get_type_hints
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbstream import events as ev
from nbstream import protocol
from nbstream.errors import AuthError, ConnectError, ParameterError, ServerError
from nbstream.protocol.parameters import PARAMETERS, Options
from tests.scripted import turn


def test_options_and_parameters_name_the_same_things() -> None:
    """What an editor completes is what the check knows, with the same types and choices."""
    hints = get_type_hints(Options)
    assert set(hints) == set(PARAMETERS)
    for name, hint in hints.items():
        choices = get_args(hint) if str(hint).startswith("typing.Literal") else ()
        kind = str if choices else (get_origin(hint) or hint)
        assert PARAMETERS[name].kind is kind, name
        assert PARAMETERS[name].choices == choices, name


def test_the_model_is_always_sent_and_lists_travel_as_json() -> None:
    """Parameters reach the query as the service reads them."""
    text = protocol.query(
        "u3-rt-pro", {"keyterms_prompt": ["a b", "é"], "speaker_labels": True, "vad_threshold": 0.5}
    )
    sent = {name: values[0] for name, values in parse_qs(text).items()}
    assert sent["speech_model"] == "u3-rt-pro"
    assert json.loads(sent["keyterms_prompt"]) == ["a b", "é"]
    assert sent["speaker_labels"] == "true"
    assert sent["vad_threshold"] == "0.5"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"min_turn_silence": 49}, "50 to 10000 ms"),
        ({"min_turn_silence": 10_001}, "50 to 10000 ms"),
        ({"min_turn_silence": 400.0}, "a whole number"),
        ({"min_turn_silence": True}, "a whole number"),
        ({"vad_threshold": 1.01}, "0 to 1"),
        ({"vad_threshold": float("nan")}, "0 to 1"),
        ({"interruption_delay": 1001}, "0 to 1000 ms"),
        ({"inactivity_timeout": 4}, "5 to 3600 s"),
        ({"max_speakers": 11}, "1 to 10"),
        ({"previous_context_n_turns": 101}, "0 to 100"),
        ({"speaker_labels_revision_interval_ms": 86_400_001}, "86400000"),
        ({"sample_rate": 7999}, "8000 to 96000 Hz"),
        ({"encoding": "flac"}, "pcm_s16le"),
        ({"mode": "fast"}, "min_latency"),
        ({"prompt": "x" * 1751}, "1750"),
        ({"agent_context": "x" * 1751}, "1750"),
        ({"keyterms_prompt": ["x"] * 101}, "100"),
        ({"keyterms_prompt": ["x" * 51]}, "50 characters"),
        ({"keyterms_prompt": "word"}, "a list of texts"),
        ({"language_codes": ["en"] * 11}, "10"),
        ({"speaker_labels": "yes"}, "True or False"),
        ({"voice_focus_threshold": 0.5}, "voice_focus"),
        ({"speechModel": "u3-rt-pro"}, "model, the first argument"),
        ({"min_turn_silense": 400}, "Did you mean min_turn_silence"),
        ({"min_end_of_turn_silence_when_confident": 400}, "min_turn_silence"),
        ({"unheard_of": 1}, "extra="),
    ],
)
def test_a_bad_option_is_refused_before_a_socket_opens(options: dict, says: str) -> None:
    """What the service would refuse or ignore raises here and says what is allowed."""
    with pytest.raises(ParameterError) as caught:
        protocol.check(options)
    assert says in str(caught.value)
    assert caught.value.parameter in {**options, "voice_focus_threshold": 0}


@pytest.mark.parametrize(
    "options",
    [
        {"min_turn_silence": 50},
        {"min_turn_silence": 10_000},
        {"keyterms_prompt": ["x" * 50] * 100},
        {"prompt": "x" * 1750},
        {"keyterms_prompt": []},
        {"vad_threshold": 0},
        {"voice_focus": "near-field", "voice_focus_threshold": 0.7},
    ],
)
def test_the_edges_of_each_range_are_allowed(options: dict) -> None:
    """A range includes both its ends."""
    protocol.check(options)


def test_a_prompt_needs_a_pro_model() -> None:
    """The service ends the session on a prompt for Universal-Streaming; we say so before."""
    with pytest.raises(ParameterError, match="universal-streaming-english"):
        protocol.check({"prompt": "names"}, "universal-streaming-english")


def test_only_updatable_options_can_change_in_mid_session() -> None:
    """`UpdateConfiguration` holds native JSON; a fixed option is refused with the ones that can."""
    message = json.loads(protocol.update_configuration(keyterms_prompt=["a"], min_turn_silence=800))
    assert message == {
        "type": "UpdateConfiguration",
        "keyterms_prompt": ["a"],
        "min_turn_silence": 800,
    }
    with pytest.raises(ParameterError, match="max_turn_silence"):
        protocol.update_configuration(speaker_labels=True)


def test_options_without_effect_are_named() -> None:
    """What a model takes but does not act on can be told."""
    assert protocol.ineffective({"format_turns": True, "mode": "balanced"}, "u3-rt-pro") == [
        "format_turns"
    ]


def test_each_message_becomes_its_event() -> None:
    """Every type of the protocol is read, field by field, and keeps its text."""
    word = {"text": "hi", "start": 10, "end": 20, "confidence": 0.5, "word_is_final": True}
    said = {
        "Begin": {"id": "x", "expires_at": 1, "configuration": {"model": "m", "new": 1}},
        "SpeechStarted": {"timestamp": 640, "confidence": 0.9},
        "Turn": {"turn_order": 0, "words": [word], "end_of_turn": True, "transcript": "hi"},
        "Termination": {"audio_duration_seconds": 3, "session_duration_seconds": 4},
        "Error": {"error_code": 3006, "error": "no"},
        "Warning": {"warning_code": 1, "warning": "hm"},
        "Heartbeat": {"total_audio_received_ms": 1, "total_duration_ms": 2, "realtime_factor": 1.0},
        "Silence": {"start_ms": 1, "end_ms": 2},
        "LLMGatewayResponse": {"turn_order": 0, "transcript": "t", "data": {"a": 1}},
        "SpeakerRevision": {"revisions": [{"turn_order": 0, "speaker_label": "B"}]},
    }
    for type_, fields in said.items():
        text = json.dumps({"type": type_, **fields, "unheard_of": [1]})
        event = protocol.decode(text)
        assert ev.type_name(event) == type_
        assert not isinstance(event, ev.Unknown)
        assert event.raw == text
    begin = protocol.decode(json.dumps({"type": "Begin", **said["Begin"]}))
    assert isinstance(begin, ev.Begin)
    assert (begin.model, begin.configuration["new"]) == ("m", 1)


def test_an_error_without_a_type_is_still_an_error() -> None:
    """An object with ``error`` and no ``type`` is a fault, as both official SDKs take it."""
    event = protocol.decode('{"error": "bad", "error_code": 3006}')
    assert isinstance(event, ev.ServerFault)
    assert (event.code, event.message) == (3006, "bad")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "1",
        "{}",
        "not json",
        '{"type": "Turn"}',
        '{"type": "Turn", "turn_order": "x"}',
        '{"type": "Turn", "turn_order": 0, "words": [1]}',
        '{"type": "Turn", "turn_order": 0, "words": [{"text": "a"}]}',
        '{"type": "NewThing", "a": 1}',
        '{"type": ["Turn"]}',
        "[" * 100_000,
        '{"type": "Begin"}',
        "\ud800",
    ],
)
def test_a_strange_message_is_kept_as_unknown(text: str) -> None:
    """Decoding never raises, and what it can't read is kept whole, with the reason."""
    event = protocol.decode(text)
    assert isinstance(event, ev.Unknown)
    assert event.raw == text
    assert event.why


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_decoding_never_raises(value: object) -> None:
    """Any field of a turn may hold anything."""
    for field in turn(0, "a b"):
        message = turn(0, "a b") | {field: value}
        assert isinstance(protocol.decode(json.dumps(message)), ev.ServerEvent)


@pytest.mark.parametrize(
    ("code", "reason", "error", "retry"),
    [
        (1008, "Unauthorized Connection: Invalid API key", AuthError, False),
        (1008, "Unauthorized Connection: Missing Authorization header", AuthError, False),
        (1008, "Unauthorized Connection: Signature has expired", AuthError, False),
        (1008, "Unauthorized Connection: Too many concurrent sessions", ServerError, True),
        (3009, "", ServerError, True),
        (1008, "Unauthorized connection: Incorrect padding", ServerError, True),
        (None, "", ConnectError, True),
        (1006, "", ConnectError, True),
        (1000, "", ConnectError, True),
        (1009, "", ServerError, False),
        (1011, "", ServerError, True),
        (1013, "", ServerError, True),
        (3005, "Session Cancelled: An error occurred", ServerError, True),
        (3006, "Invalid Message Type: X", ServerError, False),
        (3006, "Session terminated due to inactivity: No messages", ServerError, True),
        (3007, "Input Duration Error: Input Duration Violation: 20.0 ms.", ServerError, False),
        (3007, "Audio Transmission Rate Exceeded: Received 9 sec.", ServerError, True),
        (3008, "Session Expired: Maximum session duration exceeded", ServerError, True),
        (410, "", ServerError, False),
        (401, "", AuthError, False),
        (403, "", AuthError, False),
        (429, "", ServerError, True),
        (503, "", ServerError, True),
        (4242, "new", ServerError, False),
    ],
)
def test_every_end_has_its_error_and_its_class(
    code: int | None, reason: str, error: type, retry: bool
) -> None:
    """Code and text decide what is raised and whether to try again; the text comes first."""
    end = protocol.ending(code, reason, terminated=False, endpoint="wss://x")
    assert type(end.error) is error
    assert end.retry is retry
    assert reason in str(end.error)


def test_an_end_after_termination_is_no_error() -> None:
    """Whatever the code, a session that was terminated has ended well."""
    assert protocol.ending(1006, "", terminated=True).error is None


@given(st.lists(st.integers(1, 5000), max_size=40))
def test_messages_hold_every_frame_once_and_last_50_to_1000_ms(arriving: list[int]) -> None:
    """However audio arrives, each message is in the service's limits and no frame is lost."""
    waiting, sent, padded = 0, 0, 0
    for n, frames in enumerate(arriving):
        waiting += frames
        ended = n == len(arriving) - 1
        while (size := protocol.next_chunk(waiting, ended=ended))[0]:
            assert 800 <= sum(size) <= 16_000
            waiting -= size[0]
            sent += size[0]
            padded += size[1]
        assert waiting < 800
    assert sent == sum(arriving) if arriving else sent == 0
    assert padded < 800


def test_a_tail_is_merged_rather_than_padded() -> None:
    """1020 ms go as 950 and 70 ms, so that nothing has to be padded."""
    assert protocol.next_chunk(16_320, ended=True) == (15_200, 0)
    assert protocol.next_chunk(1_120, ended=True) == (1_120, 0)
    assert protocol.next_chunk(320, ended=True) == (320, 480)


def test_pace_lets_a_burst_through_and_then_holds_the_speed() -> None:
    """5 s go at once; after that 1.25 s of audio a second."""
    pace = protocol.Pace(1.25, burst_s=5)
    assert pace.wait_s(0, 5) == 0
    assert pace.wait_s(0, 6.25) == pytest.approx(1)
    assert pace.wait_s(1, 6.25) == 0
    assert protocol.Pace(None).wait_s(0, 1e9) == 0
