"""Every fault of network and service: no audio lost, no word missing, doubled or out of order.

The speech of these tests is exact: each word is a stretch of one value, so that a server without
a recogniser reads every word that it was sent, and a word that was cut is seen to be one. The
same faults with real speech and the real recogniser: ``make faults``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.sync.server import serve as serve_websockets

import nbstream as nb
from nbstream.audio import Chunk
from nbstream.engine import link, sender
from nbstream.errors import ConnectError
from nbstream.protocol import closing
from tests.proxy import Proxy
from tests.scripted import Peer, Script, ScriptedServer

WORD, SPACE, PAUSE = 4800, 3200, 16_000  # frames
WORDS_A_TURN = 4
TURN_S = (WORDS_A_TURN * (WORD + SPACE) + PAUSE) / 16_000  # 3 s
DEADLINE_S = 30

Fault = Callable[[Peer, float], None]


def speech(n_turns: int) -> bytes:
    """`n_turns` of four words each, a pause behind each turn; 3 s a turn."""
    parts = []
    for turn in range(n_turns):
        for word in range(WORDS_A_TURN):
            parts += [np.full(WORD, 1000 + turn * WORDS_A_TURN + word), np.zeros(SPACE)]
        parts.append(np.zeros(PAUSE))
    return np.concatenate(parts).astype("<i2").tobytes()


def said(n_turns: int) -> list[str]:
    """Its words."""
    return [f"w{n}" for n in range(n_turns * WORDS_A_TURN)]


def words_in(pcm: bytes) -> list[dict[str, Any]]:
    """Every word in it, cut ones included, as ``words`` of a message."""
    samples = np.frombuffer(pcm, "<i2")
    edges = np.flatnonzero(np.diff(samples, prepend=0, append=0))
    return [
        {
            "text": f"w{samples[start] - 1000}",
            "start": int(start / 16),
            "end": int(end / 16),
            "confidence": 0.9,
            "word_is_final": True,
        }
        for start, end in itertools.pairwise(edges)
        if samples[start]
    ]


class Reader:
    """Says the turns that are in the audio of one connection."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.n_finals = 0
        self.partial = ""

    def read(self, *, is_last: bool = False) -> None:
        """Say what is new."""
        turns: list[list[dict[str, Any]]] = []
        for word in words_in(bytes(self.peer.audio)):
            if not turns or word["start"] - turns[-1][-1]["end"] > 800:
                turns.append([])
            turns[-1].append(word)
        for order in range(self.n_finals, len(turns)):
            words = turns[order]
            silence_ms = len(self.peer.audio) / 32 - words[-1]["end"]
            is_final = is_last or order < len(turns) - 1 or silence_ms > 800
            text = " ".join(word["text"] for word in words)
            if is_final or text != self.partial:
                self.peer.say(
                    type="Turn",
                    turn_order=order,
                    turn_is_formatted=is_final,
                    end_of_turn=is_final,
                    transcript=text,
                    utterance=text if is_final else "",
                    end_of_turn_confidence=float(is_final),
                    words=words,
                )
                self.partial = text
            self.n_finals += is_final


def nothing(peer: Peer, heard_s: float) -> None:
    """No fault."""


def reading(
    fault: Fault = nothing,
    at_open: Callable[[Peer], None] | None = None,
    at_end: Callable[[Peer, Reader], None] | None = None,
    lifetime_s: Callable[[int], float] = lambda number: 3600.0,
    lags: Callable[[Peer, float], bool] = lambda peer, heard_s: False,
) -> Script:
    """A service that hears every word, until `fault(peer, heard_s)` does something."""

    def script(peer: Peer) -> None:
        if at_open is not None:
            at_open(peer)
        expires_at = time.time() + lifetime_s(peer.number)
        peer.say(type="Begin", id=f"id-{peer.number}", expires_at=expires_at, configuration={})
        reader = Reader(peer)
        while peer.listen(seconds=len(peer.audio) / 32_000 + 0.05):
            if not lags(peer, len(peer.audio) / 32_000):
                reader.read()
            fault(peer, len(peer.audio) / 32_000)
        if at_end is not None:
            at_end(peer, reader)
        reader.read(is_last=True)
        peer.finish()

    return script


# --- what goes wrong -----------------------------------------------------------------------------


def first_only(at_s: float, harm: Callable[[Peer], None]) -> Fault:
    """`harm` the first connection after so much audio."""

    def fault(peer: Peer, heard_s: float) -> None:
        if peer.number == 0 and heard_s >= at_s:
            harm(peer)

    return fault


def reset(peer: Peer) -> None:
    peer.ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.ws.socket.shutdown(socket.SHUT_RD)
    peer.ws.socket.close()
    raise ConnectionError


def hang_up(peer: Peer) -> None:
    peer.ws.socket.shutdown(socket.SHUT_RDWR)
    raise ConnectionError


def close_1000(peer: Peer) -> None:
    peer.ws.close(1000)
    raise ConnectionError


def error(code: int, text: str) -> Callable[[Peer], None]:
    def harm(peer: Peer) -> None:
        peer.say(type="Error", error_code=code, error=text)
        peer.ws.close(code, "See Error message for details")
        raise ConnectionError

    return harm


def say_nothing(peer: Peer) -> None:
    """Pings are answered all the while, by the library."""
    with contextlib.suppress(Exception):
        while True:
            peer.ws.recv()
    raise ConnectionError


def second_at_open(harm: Callable[[Peer], None]) -> Callable[[Peer], None]:
    return lambda peer: harm(peer) if peer.number == 1 else None


def every(seconds: float, n: int) -> Fault:
    """Each of the first `n` connections is reset after so much audio."""

    def fault(peer: Peer, heard_s: float) -> None:
        if peer.number < n and heard_s >= seconds:
            reset(peer)

    return fault


def lost_termination(peer: Peer, reader: Reader) -> None:
    if peer.number == 0:
        reader.read(is_last=True)
        close_1000(peer)


def drop_at_end(peer: Peer, reader: Reader) -> None:
    if peer.number == 0:
        reset(peer)


def late_at_end(peer: Peer, reader: Reader) -> None:
    threading.Event().wait(0.3)


MID = 4.4  # In the first turn's successor: one final, one turn open.
SCRIPTS: dict[str, Script] = {
    "nothing": reading(),
    "tcp reset": reading(first_only(MID, reset)),
    "1006": reading(first_only(MID, hang_up)),
    "1000 without Termination": reading(first_only(MID, close_1000)),
    "1011 in mid-session": reading(first_only(MID, error(1011, "Internal error"))),
    "1012": reading(first_only(MID, error(1012, ""))),
    "3005": reading(first_only(MID, error(3005, "Session Cancelled: An error occurred"))),
    "3008": reading(first_only(MID, error(3008, "Session Expired: Maximum session duration"))),
    "rate": reading(first_only(MID, error(3007, "Audio Transmission Rate Exceeded: Received 9"))),
    "1011 at open": reading(first_only(MID, reset), second_at_open(error(1011, "Internal"))),
    "1008 too many": reading(
        first_only(MID, reset),
        second_at_open(error(1008, "Unauthorized Connection: Too many concurrent sessions")),
    ),
    "3009 too many": reading(
        first_only(MID, reset), second_at_open(error(3009, "Too many concurrent sessions"))
    ),
    "no Begin": reading(first_only(MID, reset), second_at_open(say_nothing)),
    "mute": reading(first_only(MID, say_nothing)),
    "before any final": reading(first_only(1.0, reset)),
    "in a word": reading(first_only(3.15, reset)),
    "right after a final": reading(first_only(2.85, reset)),
    "four in a row": reading(every(3.6, 4)),
    "in the drain": reading(at_end=drop_at_end),
    "Termination late": reading(at_end=late_at_end),
    "Termination missing": reading(at_end=lost_termination),
}


class Refusing(ScriptedServer):
    """Answers the second handshake, and so many more, with an HTTP status."""

    def __init__(self, script: Script, status: int, times: int) -> None:
        super().__init__(script)
        self.status = status
        self.refuses = iter([False, *[True] * times])

    @contextlib.contextmanager
    def running(self) -> Iterator[ScriptedServer]:
        def process(ws: Any, request: Any) -> Any:
            if next(self.refuses, False):
                return ws.respond(HTTPStatus(self.status), "asked for")
            return None

        with serve_websockets(
            self._handle, "127.0.0.1", 0, compression=None, process_request=process
        ) as server:
            self.url = "ws://127.0.0.1:{1}".format(*server.socket.getsockname())
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join(10)


class Steps:
    """A source that gives one part, and each next one when its event is set."""

    kind = label = "test"
    live, speed, warning = False, 0.0, ""
    speakers = ()

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.may_go_on = [threading.Event() for _ in parts[1:]]
        self.given = [threading.Event() for _ in parts]

    def check(self) -> None:
        """Nothing can be wrong."""

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        for n, part in enumerate(self.parts):
            if n:
                assert self.may_go_on[n - 1].wait(DEADLINE_S)
            for at in range(0, len(part), 1600):
                yield Chunk(part[at : at + 1600], time.monotonic())
            self.given[n].set()


def assert_given(source: Steps) -> None:
    """Wait until the first part has been captured."""
    assert source.given[0].wait(DEADLINE_S)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs and waits of a test, not of a person."""
    monkeypatch.setattr(sender, "FIRST_BACKOFF_S", 0.02)
    monkeypatch.setattr(sender, "LONGEST_BACKOFF_S", 0.1)
    monkeypatch.setattr(link, "PING_S", 0.2)
    monkeypatch.setattr(link, "SILENT_TIMEOUT_S", 1.5)
    monkeypatch.setattr(link, "MUTE_TIMEOUT_S", 1.5)
    monkeypatch.setattr(link, "LONGEST_BUSY_S", 0.0)
    monkeypatch.setattr(link, "BEGIN_TIMEOUT_S", 1.5)
    for rules in (closing._BY_CODE, closing._BY_TEXT):
        for key, rule in rules.items():
            monkeypatch.setitem(rules, key, dataclasses.replace(rule, wait_s=0.0))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def service(url: str) -> nb.AssemblyAI:
    return nb.AssemblyAI(endpoint=url, api_key="any")


def heard(session: nb.Session) -> list[str]:
    """Words of the final turns, in the order of the audio."""
    turns = session.turns
    return " ".join(turns.transcript[turns.is_final]).split()


def assert_whole(session: nb.Session, n_turns: int) -> None:
    """Nothing lost, nothing doubled, nothing open."""
    assert session.state == "stopped"
    assert session.audio().tobytes() == speech(n_turns)
    assert heard(session) == list(session.words.text) == said(n_turns)
    assert session.turns.is_final.all()
    assert session.gaps.empty
    assert session.connections.ended_s.notna().all()
    starts = session.words.start_s.to_numpy()
    spoken = [t * TURN_S + w * (WORD + SPACE) / 16_000 for t in range(n_turns) for w in range(4)]
    assert starts == pytest.approx(spoken, abs=0.002)


def until(session: nb.Session, kind: str, n: int) -> None:
    """Wait for the n-th event of a kind."""
    found = list(itertools.islice(session.follow(kind), n))
    assert len(found) == n


# --- each fault ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_is_lost_and_nothing_is_doubled(
    name: str, stack: ExitStack, tmp_path: Path
) -> None:
    """Whatever ends a connection, every word is in the tables once, in order, at its time."""
    server = stack.enter_context(ScriptedServer(SCRIPTS[name]).running())
    source = Steps(speech(4))
    with nb.record(source, service(server.url), folder=tmp_path) as session:
        pass
    assert_whole(session, 4)
    undisturbed = name in ("nothing", "Termination late")
    assert (len(server.peers) == 1) is undisturbed
    assert session.connections.is_clean.iloc[-1]


@pytest.mark.parametrize(("status", "times"), [(429, 1), (503, 3)])
def test_a_refused_handshake_is_tried_again(
    status: int, times: int, stack: ExitStack, tmp_path: Path
) -> None:
    """429 and 5xx at a reconnect cost a wait; each is told to the person."""
    server = Refusing(reading(first_only(MID, reset)), status, times)
    stack.enter_context(server.running())
    with nb.record(Steps(speech(4)), service(server.url), folder=tmp_path) as session:
        pass
    assert_whole(session, 4)
    problems = session.events.text[session.events.type == "Problem"]
    # A port may have those digits too.
    assert sum(bool(re.search(rf"\b{status}\b", text)) for text in problems) == times


def test_a_link_that_is_dead_but_up_is_cut(stack: ExitStack, tmp_path: Path) -> None:
    """TCP stays up and nothing passes: pings find it out, and a new connection goes on."""
    server = stack.enter_context(ScriptedServer(reading()).running())
    proxy = stack.enter_context(Proxy(server.url, {0: (MID, "freeze")}))
    with nb.record(Steps(speech(4)), service(proxy.url), folder=tmp_path) as session:
        pass
    assert_whole(session, 4)
    assert proxy.n_left_open() == 0
    problem = session.events.text[session.events.type == "Problem"].iloc[0]
    assert "nothing came back" in problem or "took no audio" in problem


def test_heartbeats_that_stop_tell_a_mute_server(stack: ExitStack, tmp_path: Path) -> None:
    """A server that answers pings but whose heartbeat is overdue is left while it records."""
    beat = {"total_audio_received_ms": 0, "total_duration_ms": 0, "realtime_factor": 1}

    def fault(peer: Peer, heard_s: float) -> None:
        if peer.number == 0 and heard_s >= MID:
            peer.say(type="Heartbeat", **beat, max_speech_probability=0)
            say_nothing(peer)

    server = stack.enter_context(ScriptedServer(reading(fault)).running())
    source = Steps(speech(2), speech(4)[len(speech(2)) :])
    with nb.record(source, service(server.url), folder=tmp_path) as session:
        until(session, "connected", 2)  # before the end, so before any Terminate
        source.may_go_on[0].set()
    assert_whole(session, 4)


def test_behind_a_long_outage_live_goes_on_and_the_rest_follows(
    stack: ExitStack, tmp_path: Path
) -> None:
    """The next connection starts in a pause near now; a second one hears what was missed."""
    server = stack.enter_context(ScriptedServer(reading()).running())
    proxy = stack.enter_context(Proxy(server.url, {0: (MID, "down")}))
    pcm, cut = speech(12), len(speech(2))
    away = round((10 * TURN_S + 0.9) * 16_000) * 2  # ends in a word
    source = Steps(pcm[:cut], pcm[cut:away], pcm[away:])
    with nb.record(source, service(proxy.url), folder=tmp_path) as session:
        until(session, "disconnected", 1)
        source.may_go_on[0].set()
        assert source.given[1].wait(DEADLINE_S)
        # An attempt that is on its way may still be one for what was said before.
        until(session, "problem", 1 + sum(session.events.type == "Problem"))
        proxy.up()
        until(session, "connected", 3)
        source.may_go_on[1].set()
    assert_whole(session, 12)
    first, live, fill = session.connections.start_s
    assert fill < TURN_S - 1.1  # the end of the only final, if that still came
    assert 10 * TURN_S - 1.2 < live < 10 * TURN_S
    assert first == 0
    assert session.connections.audio_duration_s.iloc[2] == int(live - fill)


def test_a_second_outage_in_the_catching_up_loses_nothing(stack: ExitStack, tmp_path: Path) -> None:
    """Live and fill connection both break, and both stretches are heard in the end."""

    def fault(peer: Peer, heard_s: float) -> None:
        if peer.number in (1, 2) and heard_s >= 1.5:
            reset(peer)

    server = stack.enter_context(ScriptedServer(reading(fault)).running())
    proxy = stack.enter_context(Proxy(server.url, {0: (MID, "down")}))
    pcm, cut, away = speech(12), len(speech(2)), len(speech(10))
    source = Steps(pcm[:cut], pcm[cut:away], pcm[away:])
    with nb.record(source, service(proxy.url), folder=tmp_path) as session:
        until(session, "disconnected", 1)
        source.may_go_on[0].set()
        assert source.given[1].wait(DEADLINE_S)
        proxy.up()
        until(session, "connected", 3)
        source.may_go_on[1].set()
    assert_whole(session, 12)
    assert len(server.peers) >= 5


@pytest.mark.parametrize("breaks", [False, True])
def test_a_connection_is_replaced_before_its_cap(
    breaks: bool, stack: ExitStack, tmp_path: Path
) -> None:
    """In a pause, unnoticed; if the old one breaks before its last word, that is heard again."""

    def at_end(peer: Peer, reader: Reader) -> None:
        if breaks and peer.number == 0:
            reset(peer)

    script = reading(
        # All of the first part is there by then: messages of a second, whatever the machine does.
        at_open=lambda peer: assert_given(source),
        at_end=at_end,
        lifetime_s=lambda number: 3600.0 if number else 2.0,
        lags=lambda peer, heard_s: peer.number == 0 and heard_s > TURN_S,
    )
    server = stack.enter_context(ScriptedServer(script).running())
    # The source rests in the pause, 0.7 s after the last word, which has not been told yet.
    pcm, cut = speech(4), round((2 * TURN_S - 0.5) * 16_000) * 2
    source = Steps(pcm[:cut], pcm[cut:])
    with nb.record(source, service(server.url), folder=tmp_path) as session:
        until(session, "connected", 2)
        source.may_go_on[0].set()
    assert_whole(session, 4)
    assert "reconnecting" not in set(session.events.text)
    assert len(server.peers) == 2 + breaks
    assert 2 * TURN_S - 1.2 < session.connections.start_s[1] < 2 * TURN_S - 0.5


def test_a_replaced_connection_has_its_last_word(stack: ExitStack, tmp_path: Path) -> None:
    """Though the one that took over ends first, the session waits for the old one."""
    newer_ended = threading.Event()

    def at_end(peer: Peer, reader: Reader) -> None:
        if peer.number:
            newer_ended.set()
        else:
            assert newer_ended.wait(DEADLINE_S)
            threading.Event().wait(0.5)

    script = reading(
        # All of the first part is there by then: messages of a second, whatever the machine does.
        at_open=lambda peer: assert_given(source),
        at_end=at_end,
        lifetime_s=lambda number: 3600.0 if number else 2.0,
        lags=lambda peer, heard_s: peer.number == 0 and heard_s > TURN_S,
    )
    server = stack.enter_context(ScriptedServer(script).running())
    pcm, cut = speech(3), round((2 * TURN_S - 0.5) * 16_000) * 2
    source = Steps(pcm[:cut], pcm[cut:])
    with nb.record(source, service(server.url), folder=tmp_path) as session:
        until(session, "connected", 2)
        source.may_go_on[0].set()
    assert_whole(session, 3)
    assert len(server.peers) == 2


def test_options_changed_in_mid_session_outlive_the_connection(
    stack: ExitStack, tmp_path: Path
) -> None:
    """All that `update` changed is sent to the next connection, before its audio."""
    may_break = threading.Event()

    def fault(peer: Peer, heard_s: float) -> None:
        if peer.number == 0 and may_break.is_set():
            reset(peer)

    server = stack.enter_context(ScriptedServer(reading(fault)).running())
    source = Steps(speech(1), speech(2)[len(speech(1)) :])
    with nb.record(source, service(server.url), folder=tmp_path) as session:
        session.update(min_turn_silence=800)
        session.update(max_turn_silence=3000)
        session.update(min_turn_silence=900)
        may_break.set()
        source.may_go_on[0].set()
    assert_whole(session, 2)
    changed = {"type": "UpdateConfiguration", "min_turn_silence": 900, "max_turn_silence": 3000}
    assert server.peers[1].texts[0] == changed


def test_a_stop_while_waiting_to_reconnect_connects_at_once(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stops does not wait for the end of a long back-off, and all is transcribed."""
    monkeypatch.setattr(sender.random, "uniform", lambda low, high: 300.0)
    server = stack.enter_context(ScriptedServer(reading(first_only(MID, reset))).running())
    source = Steps(speech(4), b"")
    session = nb.record(source, service(server.url), folder=tmp_path)
    until(session, "problem", 1)
    assert source.given[0].wait(DEADLINE_S)
    source.may_go_on[0].set()
    session.stop()
    assert_whole(session, 4)


def test_a_service_that_is_gone_for_good_leaves_one_gap(stack: ExitStack, tmp_path: Path) -> None:
    """The gap covers exactly what was not told, the audio is whole, and it can be filled later."""
    server = stack.enter_context(ScriptedServer(reading()).running())
    proxy = stack.enter_context(Proxy(server.url))
    source = Steps(speech(2), speech(4)[len(speech(2)) :], b"")
    session = nb.record(source, service(proxy.url), folder=tmp_path)
    next(turn for turn in session.follow("turn") if turn.end_of_turn)
    proxy.down()
    source.may_go_on[0].set()
    assert source.given[1].wait(DEADLINE_S)
    until(session, "problem", 2)
    source.may_go_on[1].set()
    with pytest.raises(ConnectError):
        session.stop(timeout_s=0.5)
    assert session.state == "failed"
    assert session.audio().tobytes() == speech(4)
    told = heard(session)
    assert told == said(len(told) // 4)
    last_word_s = float(session.turns.end_s[session.turns.is_final].max())
    assert list(session.gaps.start_s) == [pytest.approx(last_word_s)]
    assert list(session.gaps.end_s) == [4 * TURN_S]
    proxy.up()
    assert session.fill_gaps(service(proxy.url)) == pytest.approx(4 * TURN_S - last_word_s)
    assert heard(session) == said(4)
    assert session.gaps.empty


def test_a_recording_that_has_ended_does_not_wait_for_ever(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose service went away ends as failed, with its gap, without being stopped."""
    monkeypatch.setattr(sender, "GIVE_UP_S", 0.2)
    server = stack.enter_context(ScriptedServer(reading()).running())
    proxy = stack.enter_context(Proxy(server.url, {0: (MID, "down")}))
    session = nb.record(Steps(speech(4)), service(proxy.url), folder=tmp_path)
    with pytest.raises(ConnectError):
        session.wait(DEADLINE_S)
    assert session.state == "failed"
    assert len(session.gaps) == 1


def test_the_wire_says_terminate_once_on_each_connection(stack: ExitStack, tmp_path: Path) -> None:
    """Every connection that could still hear it was told the end; none twice."""
    server = stack.enter_context(ScriptedServer(reading(first_only(MID, reset))).running())
    source = Steps(speech(2), speech(4)[len(speech(2)) :])
    with nb.record(source, service(server.url), folder=tmp_path) as session:
        until(session, "connected", 2)
        source.may_go_on[0].set()
    sent = [json.loads(text) for text in session.events.text[session.events.type == "Sent"]]
    assert sent == [{"type": "Terminate"}]
    assert server.peers[1].texts == [{"type": "Terminate"}]
