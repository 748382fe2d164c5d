"""The engine against a real WebSocket server whose words the test writes."""

from __future__ import annotations

import json
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import nbstream as nb
from nbstream.engine import Engine, State
from nbstream.errors import AuthError, ConnectError, ServerError, SourceError, StateError
from tests.fakes import Given, noise
from tests.scripted import Peer, Script, ScriptedServer, hello, turn

Serve = Callable[[Script], ScriptedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that end with the test."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(ScriptedServer(script).running())


def service(server: ScriptedServer, **options: object) -> nb.AssemblyAI:
    return nb.AssemblyAI(endpoint=server.url, api_key="canary-key", **options)  # type: ignore[arg-type]


def test_a_session_from_start_to_end(serve: Serve, tmp_path: Path) -> None:
    """Every frame reaches the server in order, the turns come back, the session ends whole."""
    server, pcm = serve(hello), noise(2.03)
    with nb.record(Given(pcm), service(server), folder=tmp_path) as session:
        pass
    assert session.state == "stopped"
    assert list(session.turns.transcript) == ["Hello there."]
    assert bytes(server.peers[0].audio)[: len(pcm)] == pcm
    assert all(800 <= n <= 16_000 for n in server.peers[0].message_frames)
    assert session.audio().tobytes() == pcm
    assert session.gaps.empty
    assert session.connections.is_clean.all()
    with wave.open(str(session.folder / "audio.wav")) as file:
        assert file.readframes(file.getnframes()) == pcm
    assert server.peers[0].query["speech_model"] == "u3-rt-pro"
    assert server.peers[0].headers["Authorization"] == "canary-key"


def test_a_session_reads_the_same_live_and_reopened(serve: Serve, tmp_path: Path) -> None:
    """Tables made from memory and from the folder are equal."""
    with nb.record(Given(noise(1)), service(serve(hello)), folder=tmp_path) as session:
        pass
    again = nb.open(session.folder)
    for table in ("turns", "words", "events", "gaps", "chunks", "connections"):
        assert getattr(session, table).equals(getattr(again, table)), table
    assert again.state == "stopped"
    assert repr(again) == repr(session)


def test_the_states_are_passed_in_order(serve: Serve, tmp_path: Path) -> None:
    """Connecting, recording, draining, stopped: each is an event on disk."""
    with nb.record(Given(noise(1)), service(serve(hello)), folder=tmp_path) as session:
        pass
    events = session.events
    assert list(events.text[events.type == "StateChanged"]) == [
        "connecting",
        "recording",
        "draining",
        "stopped",
    ]


def test_turns_are_a_table_while_it_records(serve: Serve, tmp_path: Path) -> None:
    """A partial is in `session.turns` before the session ends, and the state says recording."""

    def script(peer: Peer) -> None:
        peer.begin()
        peer.listen(seconds=1)
        peer.say(**turn(0, "so far"))
        peer.listen()
        peer.say(**turn(0, "So far, so good.", final=True))
        peer.finish()

    with nb.record(Given(noise(1), live=True), service(serve(script)), folder=tmp_path) as session:
        partial = next(iter(session.follow("turn")))
        assert partial.transcript == "so far"
        assert list(session.turns.is_final) == [False]
        assert session.state == "recording"
        assert session.is_live
    assert list(session.turns.transcript) == ["So far, so good."]


def test_mid_session_messages_reach_the_server(serve: Serve, tmp_path: Path) -> None:
    """update, force_endpoint and keep_alive travel in order, and are events on disk."""
    server = serve(hello)
    with nb.record(Given(noise(1), live=True), service(server), folder=tmp_path) as session:
        session.update(min_turn_silence=800, keyterms_prompt=["nbstream"])
        session.force_endpoint()
        session.keep_alive()
    sent = server.peers[0].texts
    assert [message["type"] for message in sent] == [
        "UpdateConfiguration",
        "ForceEndpoint",
        "KeepAlive",
        "Terminate",
    ]
    assert sent[0]["keyterms_prompt"] == ["nbstream"]
    events = session.events
    assert [json.loads(text) for text in events.text[events.type == "Sent"]] == sent
    with pytest.raises(StateError, match="only a recording one"):
        session.update(min_turn_silence=400)


def test_what_the_server_says_is_kept_whatever_it_is(serve: Serve, tmp_path: Path) -> None:
    """Unknown types, non-JSON, damage, a missing field: all are rows, and nothing stops."""
    strange = ['{"type": "NewThing", "x": 1}', "not json", '{"type": "Turn"}', "[1, 2]"]
    damaged = b'{"type": "NewThing", "x": "\xed\x9f"}'

    def script(peer: Peer) -> None:
        peer.begin(unheard_of=1)
        for text in strange:
            peer.ws.send(text)
        peer.ws.send(damaged, text=True)
        peer.listen()
        peer.say(**turn(0, "Still here.", final=True))
        peer.finish()

    with nb.record(Given(noise(1)), service(serve(script)), folder=tmp_path) as session:
        pass
    assert list(session.turns.transcript) == ["Still here."]
    raw = session.events.raw.dropna()
    assert [text for text in raw if text in strange] == strange
    assert '{"type": "NewThing", "x": "\ufffd"}' in list(raw)
    assert 1 == len(session.connections)
    assert json.loads(raw.iloc[0])["unheard_of"] == 1


def test_handlers_get_events_and_their_failures_are_shown(serve: Serve, tmp_path: Path) -> None:
    """A handler runs for each event of its kind; one that raises is a problem, not the end."""
    got: list[str] = []

    def bad(event: object) -> None:
        raise RuntimeError("mine")

    with nb.record(Given(noise(1), live=True), service(serve(hello)), folder=tmp_path) as session:
        session.on("turn", lambda event: got.append(event.transcript))
        session.on("begin", bad)
        with pytest.raises(nb.ParameterError, match="there is no event"):
            session.on("trun", bad)
    for thread in threading.enumerate():
        if thread.name == "nbstream-callback":
            thread.join(5)
    assert got == ["hello", "Hello there."]
    assert session.state == "stopped"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Unauthorized Connection: Invalid API key", AuthError),
        ("Unauthorized Connection: Too many concurrent sessions", ServerError),
    ],
)
def test_a_refused_start_raises_in_the_callers_thread(
    serve: Serve, tmp_path: Path, text: str, error: type
) -> None:
    """The service's own words are in what `record` raises, and the folder says failed."""

    def script(peer: Peer) -> None:
        peer.say(type="Error", error_code=1008, error=text)
        peer.ws.close(1008, "See Error message for details")

    with pytest.raises(error, match=text):
        nb.record(Given(noise(1), live=True), service(serve(script)), folder=tmp_path)
    (folder,) = tmp_path.iterdir()
    session = nb.open(folder)
    assert session.state == "failed"
    assert session.gaps.end_s.max() == session.duration_s


def test_a_server_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """A refused TCP connection raises at start with the address, without the key."""
    gone = nb.AssemblyAI(endpoint="ws://127.0.0.1:9", api_key="canary-key")
    with pytest.raises(ConnectError, match=r"ws://127\.0\.0\.1:9") as caught:
        nb.record(Given(noise(1), live=True), gone, folder=tmp_path)
    assert "canary" not in str(caught.value)


def test_a_source_that_cannot_open_costs_no_connection(serve: Serve, tmp_path: Path) -> None:
    """It raises at start, nobody is called, and no folder is left behind."""
    server = serve(hello)
    with pytest.raises(SourceError, match="busy"):
        nb.record(Given(b"", fails_at_open=True), service(server), folder=tmp_path)
    assert server.peers == []
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_fails_later_ends_the_session_with_its_turns(
    serve: Serve, tmp_path: Path
) -> None:
    """What was said before is transcribed and terminated; the error is raised at the end."""
    source = Given(noise(1), fails_with=SourceError("the test device was unplugged."))
    server = serve(hello)
    with (
        pytest.raises(SourceError, match="unplugged"),
        nb.record(source, service(server), folder=tmp_path) as session,
    ):
        source.may_fail.set()
    assert session.state == "failed"
    assert list(session.turns.transcript) == ["Hello there."]
    assert server.peers[0].texts[-1]["type"] == "Terminate"


def test_lost_audio_is_counted_and_a_row(serve: Serve, tmp_path: Path) -> None:
    """An overflow of the device is a row at its place in the recording."""
    source = Given(noise(1), overflow_at=4)
    with nb.record(source, service(serve(hello)), folder=tmp_path) as session:
        pass
    gaps = session.gaps
    assert list(gaps.kind) == ["overflow"]
    assert list(gaps.start_s) == [0.2]
    assert list(gaps.lost_s) == [0.002]


def test_another_model_than_asked_for_is_warned_about(serve: Serve, tmp_path: Path) -> None:
    """The warning names both, in the caller's thread, and the table has the real one."""

    def script(peer: Peer) -> None:
        peer.begin(model="universal-3-6-pro")
        peer.listen()
        peer.finish()

    with (
        pytest.warns(UserWarning, match=r"universal-3-6-pro, not u3-rt-pro"),
        nb.record(Given(noise(1)), service(serve(script)), folder=tmp_path) as session,
    ):
        pass
    assert list(session.connections.model) == ["universal-3-6-pro"]


def test_terminate_is_sent_when_the_caller_fails(serve: Serve, tmp_path: Path) -> None:
    """An exception, or Ctrl+C, in the `with` ends the session properly and is raised on."""
    for error in (ValueError, KeyboardInterrupt):
        server = serve(hello)
        with (
            pytest.raises(error),
            nb.record(Given(noise(1), live=True), service(server), folder=tmp_path) as session,
        ):
            raise error
        assert session.state == "stopped"
        assert server.peers[0].texts[-1]["type"] == "Terminate"


def test_a_dropped_connection_is_replaced_and_no_audio_is_missing(
    serve: Serve, tmp_path: Path
) -> None:
    """After a drop the new connection hears everything since the last final turn."""

    def script(peer: Peer) -> None:
        peer.begin()
        if peer.number == 0:
            peer.listen(seconds=1)
            peer.say(**turn(0, "one two three", final=True))
            peer.say(**turn(1, "fo", start_ms=700))
            peer.listen(seconds=1.5)
            peer.ws.socket.close()
            return
        peer.listen()
        peer.say(**turn(0, "four five", final=True, start_ms=200))
        peer.finish()

    server, pcm = serve(script), noise(2)
    with nb.record(Given(pcm), service(server), folder=tmp_path) as session:
        pass
    assert list(session.turns.transcript) == ["one two three", "four five"]
    start = session.connections.start_s[1]
    assert 0.58 <= start <= 0.62
    assert session.turns.start_s[1] == pytest.approx(start + 0.2)
    assert bytes(server.peers[1].audio)[: len(pcm)] == pcm[round(start * 16_000) * 2 :]
    assert "reconnecting" in set(session.events.text)
    assert session.gaps.empty


def test_a_fatal_end_keeps_the_audio_and_names_the_gap(serve: Serve, tmp_path: Path) -> None:
    """After an end that no retry can mend, the recording is whole and the untold part is a row."""
    started = threading.Event()

    def script(peer: Peer) -> None:
        peer.begin()
        peer.listen(seconds=1)
        peer.say(**turn(0, "one", final=True))
        started.wait(10)
        peer.say(type="Error", error_code=3006, error="Invalid Message")
        peer.ws.close(3006, "See Error message for details")

    source = Given(noise(2), live=True)
    session = nb.record(source, service(serve(script)), folder=tmp_path)
    source.all_read.wait(10)
    started.set()
    with pytest.raises(ServerError, match="Invalid Message"):
        session.wait(10)
    assert session.state == "failed"
    assert session.duration_s == 2
    assert list(session.gaps.start_s) == [pytest.approx(0.18)]
    assert list(session.gaps.end_s) == [2.0]


def test_a_server_that_never_terminates_is_cut_at_the_deadline(
    serve: Serve, tmp_path: Path
) -> None:
    """`stop(timeout_s)` comes back, says what happened, and the audio is whole."""
    release = threading.Event()

    def script(peer: Peer) -> None:
        peer.begin()
        peer.listen()
        release.wait(30)

    session = nb.record(Given(noise(1), live=True), service(serve(script)), folder=tmp_path)
    with pytest.raises(ConnectError, match="did not finish"):
        session.stop(timeout_s=0.5)
    release.set()
    assert session.state == "failed"
    assert session.duration_s == 1


def test_seconds_limits_the_recording_to_the_frame(serve: Serve, tmp_path: Path) -> None:
    """A limit ends capture exactly there and the session whole, live source or not."""
    source = Given(noise(2), live=True)
    with nb.record(source, service(serve(hello)), folder=tmp_path, seconds=0.77) as session:
        pass
    assert session.duration_s == 0.77
    assert session.state == "stopped"
    assert bytes(source.pcm[: round(0.77 * 32_000)]) == session.audio().tobytes()


def test_an_engine_works_once(serve: Serve, tmp_path: Path) -> None:
    """The second start, and a stop before the first, say so."""
    engine = Engine(Given(noise(1)), service(serve(hello)), folder=tmp_path)
    with pytest.raises(StateError, match="not started"):
        engine.stop()
    engine.start()
    with pytest.raises(StateError, match="started before"):
        engine.start()
    assert engine.wait(20)
    engine.stop()  # idempotent
    assert engine.state is State.STOPPED


def test_listeners_see_the_first_and_the_last_state(serve: Serve, tmp_path: Path) -> None:
    """Snapshots come from one thread, and the last one tells the end."""
    engine = Engine(Given(noise(1)), service(serve(hello)), folder=tmp_path)
    seen: list[tuple[str, State]] = []
    engine.subscribe(lambda now: seen.append((threading.current_thread().name, now.state)))
    engine.start()
    engine.wait(20)
    assert {name for name, _ in seen} == {"nbstream-notify"}
    assert seen[-1][1] is State.STOPPED
    assert "STOPPED 0:01 | 16000 Hz | 1 turns, 0 partial | 0 overflow | connection 0" in repr(
        engine
    )


def test_starting_without_waiting_shows_the_failure(tmp_path: Path) -> None:
    """With wait=False a refused connection is in the last snapshot, with its hint."""
    engine = Engine(
        Given(noise(1), live=True),
        nb.AssemblyAI(endpoint="ws://127.0.0.1:9", api_key="k"),
        folder=tmp_path,
    )
    engine.start(wait=False)
    with pytest.raises(ConnectError):
        engine.wait(20)
    now = engine.snapshot()
    assert now.state is State.FAILED
    assert "can't connect" in now.message
    assert "Local()" in now.hint


def test_the_key_is_nowhere_in_the_folder(serve: Serve, tmp_path: Path) -> None:
    """Neither key nor secret parameters reach a file or a repr."""
    secret = {"webhook_url": "https://x", "webhook_auth_header_value": "canary-hook"}
    used = service(serve(hello), extra={"unknown": "canary-extra"}, **secret)
    with nb.record(Given(noise(1)), used, folder=tmp_path) as session:
        pass
    text = b"".join(p.read_bytes() for p in session.folder.iterdir()) + repr(used).encode()
    assert b"canary" not in text
