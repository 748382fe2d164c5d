"""The official Python SDK, unmodified, against the local server."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC
from typing import Any

import pytest

from nbstream.local.faults import Faults
from nbstream.local.server import Server
from tests.talking import DEADLINE_S, load_model, pieces, two_turns

sdk = pytest.importorskip("assemblyai.streaming.v3")
# The SDK still calls connect() of websockets the old way.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts servers that end with the test; no proxy is asked for them."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Server(load_model(), **options))


def options(server: Server, **more: Any) -> Any:
    more.setdefault("api_key", "any")
    return sdk.RealTimeTranscriberOptions(
        api_host=server.url, connect_timeout=DEADLINE_S, terminate_timeout=DEADLINE_S, **more
    )


PRO = sdk.RealTimeParameters(
    sample_rate=16_000,
    speech_model=sdk.SpeechModel.universal_3_6_pro,
    keyterms_prompt=["barrel", "é"],
    session_heartbeat=False,
    acknowledge_silence=True,
    mode=sdk.StreamingMode.balanced,
)


class Log(list[Any]):
    """All events of one client, in order; `came` is set when one of that class came."""

    def __init__(self, client: Any, until: type) -> None:
        super().__init__()
        self.came = threading.Event()
        self._until = until
        for kind in sdk.RealTimeEvents:
            client.on(kind, self._take)

    def _take(self, _client: Any, event: Any) -> None:
        self.append(event)
        if isinstance(event, self._until):
            self.came.set()

    def of(self, kind: type) -> list[Any]:
        """The events of one class."""
        return [event for event in self if isinstance(event, kind)]


def assert_whole(log: Log) -> None:
    """Begin, two turns with their words, Termination, and nothing wrong."""
    assert isinstance(log[0], sdk.BeginEvent)
    assert log[0].configuration.model == "moonshine-tiny-en"
    assert log[0].expires_at.tzinfo == UTC
    finals = [turn for turn in log.of(sdk.TurnEvent) if turn.end_of_turn]
    assert [turn.turn_order for turn in finals] == [0, 1]
    assert finals[0].transcript.startswith("Mary rolled the barrel")
    assert finals[1].transcript.startswith("Bobby ripped the ledger")
    assert all(word.end > word.start for turn in finals for word in turn.words)
    assert len(log.of(sdk.SpeechStartedEvent)) == 2
    assert isinstance(log[-1], sdk.TerminationEvent)
    assert log[-1].audio_duration_seconds == 5
    assert not log.of(sdk.RealTimeError)


def test_a_whole_session(servers: Any) -> None:
    """Connect, stream, change parameters, disconnect: every event parsed."""
    client = sdk.RealTimeTranscriber(options(servers()))
    log = Log(client, sdk.TerminationEvent)
    client.connect(PRO)
    client.set_params(sdk.RealTimeSessionParameters(max_turn_silence=1000, keyterms_prompt=[]))
    client.keep_alive()
    client.stream(iter(pieces(two_turns())))
    client.disconnect(terminate=True)
    assert_whole(log)


def test_a_whole_session_async(servers: Any) -> None:
    """The same with the asyncio client."""
    server = servers()

    async def talk() -> Log:
        client = sdk.AsyncRealTimeTranscriber(options(server))
        log = Log(client, sdk.TerminationEvent)
        await client.connect(PRO)
        for piece in pieces(two_turns()):
            await client.stream(piece)
        await client.disconnect(terminate=True)
        return log

    assert_whole(asyncio.run(talk()))


def test_universal_streaming(servers: Any) -> None:
    """Raw and formatted finals of the same turns."""
    client = sdk.RealTimeTranscriber(options(servers()))
    log = Log(client, sdk.TerminationEvent)
    client.connect(
        sdk.RealTimeParameters(
            sample_rate=16_000,
            speech_model=sdk.SpeechModel.universal_streaming_english,
            format_turns=True,
        )
    )
    client.stream(iter(pieces(two_turns())))
    client.disconnect(terminate=True)
    finals = [turn for turn in log.of(sdk.TurnEvent) if turn.end_of_turn and turn.words]
    assert [(turn.turn_order, turn.turn_is_formatted) for turn in finals] == [
        (0, False),
        (0, True),
        (1, False),
        (1, True),
    ]


def test_force_endpoint(servers: Any) -> None:
    """The final comes while the session goes on."""
    client = sdk.RealTimeTranscriber(options(servers()))
    log = Log(client, sdk.TurnEvent)
    final = threading.Event()
    client.on(sdk.RealTimeEvents.Turn, lambda _, turn: final.set() if turn.end_of_turn else None)
    client.connect(sdk.RealTimeParameters(sample_rate=16_000, max_turn_silence=10_000))
    client.stream(iter(pieces(two_turns()[:64_000])))
    client.force_endpoint()
    assert final.wait(DEADLINE_S)
    client.disconnect(terminate=True)
    assert isinstance(log[-1], sdk.TerminationEvent)


def test_what_a_service_may_add_does_not_stop_it(servers: Any) -> None:
    """Unknown types and fields, fragments, late labels: all within what the SDK takes."""
    faults = Faults(unknown_type=True, unknown_fields=True, fragments=True, speaker_revision=True)
    client = sdk.RealTimeTranscriber(options(servers(faults=faults)))
    log = Log(client, sdk.TerminationEvent)
    client.connect(PRO)
    client.stream(iter(pieces(two_turns())))
    client.disconnect(terminate=True)
    assert_whole(log)
    assert log.of(sdk.SpeakerRevisionEvent)[0].revisions[0].words[0].speaker == "A"


@pytest.mark.parametrize(
    ("key", "parameters", "code", "text"),
    [
        ("wrong", PRO, 1008, "Unauthorized Connection: Invalid API key"),
        (
            "right",
            sdk.RealTimeParameters(sample_rate=4000),
            3006,
            "User Input Validation Error: Invalid 'sample_rate':"
            " Value error, sample_rate must be at least 8,000 Hz",
        ),
    ],
)
def test_refusals_arrive_with_their_code_and_text(
    servers: Any, key: str, parameters: Any, code: int, text: str
) -> None:
    """As an Error event in the server's words."""
    client = sdk.RealTimeTranscriber(options(servers(key="right"), api_key=key))
    log = Log(client, sdk.RealTimeError)
    client.connect(parameters)
    assert log.came.wait(DEADLINE_S)
    client.disconnect()
    (error,) = log
    assert (error.code, str(error)) == (code, text)


def test_a_handshake_that_is_refused(servers: Any) -> None:
    """The HTTP status is the code."""
    client = sdk.RealTimeTranscriber(options(servers(faults=Faults(http_status=429))))
    log = Log(client, sdk.RealTimeError)
    client.connect(PRO)
    assert [error.code for error in log] == [429]


def test_a_temporary_token_opens_a_session(servers: Any) -> None:
    """Fetched over plain HTTP, given to the SDK in place of a key."""
    server = servers(key="right")
    request = urllib.request.Request(
        f"{server.http_url}/v3/token?expires_in_seconds=60", headers={"Authorization": "right"}
    )
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
        token = json.load(response)["token"]
    client = sdk.RealTimeTranscriber(options(server, api_key=None, token=token))
    log = Log(client, sdk.BeginEvent)
    client.connect(PRO)
    assert log.came.wait(DEADLINE_S)
    client.disconnect(terminate=True)
    assert [type(event) for event in log] == [sdk.BeginEvent, sdk.TerminationEvent]
