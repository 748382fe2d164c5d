"""Where a connection starts, when it is replaced, and when it counts as dead."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbstream as nb
from nbstream import audio, protocol
from nbstream import events as ev
from nbstream.connection import Closed
from nbstream.engine import link as links
from nbstream.engine import sender as senders
from nbstream.engine.context import Context
from nbstream.engine.link import Link
from nbstream.engine.sender import GRID_FRAMES, Sender
from nbstream.session import Session
from nbstream.store import Folder
from tests.fakes import noise
from tests.scripted import turn

RATE = 16_000


def quiet(seconds: float) -> bytes:
    """Silence with the hiss of a device in it."""
    rng = np.random.default_rng(2)
    return rng.integers(-20, 20, round(seconds * RATE), dtype=np.int16).tobytes()


class Wire:
    """A socket that takes everything and keeps what was done to it."""

    endpoint = "ws://test"

    def __init__(self) -> None:
        self.n_pings = 0
        self.is_closed = False
        self.on_send = lambda: None

    def send_audio(self, pcm: bytes) -> None:
        self.on_send()

    def send_text(self, text: str) -> None:
        self.on_send()

    def ping(self) -> None:
        self.n_pings += 1

    def close(self) -> None:
        self.is_closed = True


class Clocked(Context):
    """A session whose clock stands still until a test moves it."""

    at = 0.0

    def now_s(self) -> float:
        return self.at

    def pass_s(self, seconds: float, link: Link) -> None:
        """Let time pass, with a look each second, as the engine does."""
        for _ in range(round(seconds)):
            self.at += 1.0
            link.look()


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Clocked]:
    folder = Folder.create(tmp_path, "", {})
    service = nb.AssemblyAI(api_key="any", endpoint="ws://127.0.0.1:9")
    yield Clocked(folder, service, Session(folder), time.monotonic())
    folder.close()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def link(context: Clocked, wire: Wire) -> Link:
    return opened(context, wire)


def opened(context: Clocked, wire: Wire, start_frame: int = 0) -> Link:
    """A connection that has begun."""
    number = len(context.links)
    link = Link(number, wire, start_frame, context)  # type: ignore[arg-type]
    context.links.append(link)
    context.log(ev.Connected("ws://test", start_frame), number)
    return link


def sender(context: Clocked, *, was_open: bool = True) -> Sender:
    made = Sender(context, hand_over=lambda start, end: None)
    made._was_open = was_open
    return made


def say(context: Clocked, text: str, *, link: int = 0, order: int = 0, **more: object) -> None:
    """The service says a turn: words of 200 ms, the last one 180 ms."""
    import json

    message = turn(order, text, **more)  # type: ignore[arg-type]
    context.log(protocol.decode(json.dumps(message)), link)


# --- pauses --------------------------------------------------------------------------------------


def test_the_last_pause_is_found_not_the_longest() -> None:
    """Its middle, of the last 0.3 s that are about as quiet as any."""
    pcm = noise(1) + quiet(2) + noise(1) + quiet(0.5) + noise(1)
    assert 4.25 * RATE == pytest.approx(audio.last_pause(audio.to_array(pcm)), abs=0.15 * RATE)


def test_without_a_pause_the_quietest_place_is_taken() -> None:
    """A dip in the loudness, where a word is least likely to be cut."""
    soft = (audio.to_array(noise(0.3)) // 3).astype("<i2").tobytes()
    pcm = noise(2) + soft + noise(1)
    assert 2.15 * RATE == pytest.approx(audio.last_pause(audio.to_array(pcm)), abs=0.1 * RATE)


@given(st.integers(0, 40_000), st.integers(0, 3))
def test_a_pause_lies_in_the_audio(n_frames: int, seed: int) -> None:
    """However short the audio is, the place is in it or at its end."""
    samples = audio.to_array(noise(n_frames / RATE, seed))
    assert 0 <= audio.last_pause(samples) <= samples.size


# --- where a connection starts -------------------------------------------------------------------


def test_the_next_connection_starts_at_the_end_of_the_last_final(
    context: Clocked, link: Link
) -> None:
    """At the next window of 32 ms; open turns and other connections do not count."""
    opened(context, Wire(), 5 * RATE)
    say(context, "one two three", final=True)
    say(context, "and more", order=1, start_ms=2000)
    say(context, "elsewhere", link=1, final=True, start_ms=3000)
    heard = sender(context)._heard_frame(link, 10 * RATE)
    assert heard % GRID_FRAMES == 0
    assert 0.58 * RATE <= heard < 0.58 * RATE + GRID_FRAMES


def test_without_a_final_it_starts_where_the_last_one_did(context: Clocked) -> None:
    """And words that end behind what was sent do not take it there."""
    link = opened(context, Wire(), 3 * RATE)
    made = sender(context)
    assert made._heard_frame(link, 9 * RATE) == 3 * RATE
    say(context, "one two", final=True, start_ms=500)
    assert made._heard_frame(link, 3 * RATE + 8000) == 3 * RATE + 8000


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("was_open", [False, True])
@pytest.mark.parametrize("missed_s", [9, 20])
def test_behind_a_long_backlog_live_goes_on_near_now(
    context: Clocked, captured: bool, was_open: bool, missed_s: int
) -> None:
    """In the last pause, if something is said now; else, or after a short drop, in order."""
    context.folder.append_audio(noise(2) + noise(missed_s - 3) + quiet(1) + noise(2), 0.0)
    if captured:
        context.captured.set()
    made = sender(context, was_open=was_open)
    made.cursor = 2 * RATE
    start = made._live_frame()
    if missed_s > 10 and was_open and not captured:
        assert start % GRID_FRAMES == 0
        assert (missed_s - 1) * RATE <= start <= missed_s * RATE
    else:
        assert start == 2 * RATE


def test_a_stretch_that_nobody_else_takes_is_caught_up_in_order(context: Clocked) -> None:
    """Without `hand_over`, nothing may be skipped."""
    context.folder.append_audio(noise(30) + quiet(1), 0.0)
    made = Sender(context, 0)
    made._was_open = True
    assert made._live_frame() == 0


# --- when a connection is replaced ---------------------------------------------------------------


def ends_in(context: Clocked, link: Link, seconds: float) -> Sender:
    link.expires_s = context.now_s() + seconds
    return sender(context)


def test_a_connection_is_replaced_only_near_its_cap(context: Clocked, link: Link) -> None:
    """From five minutes before it, of three hours; one without a cap never."""
    made = ends_in(context, link, 10_800)
    assert made._urgency(link) < 0
    context.at = 10_800 - 299
    assert 0 < made._urgency(link) < senders.LATE
    context.at = 10_800 - 74
    assert made._urgency(link) > senders.LATE
    link.expires_s = None
    assert made._urgency(link) == 0


def test_it_is_replaced_in_a_pause_between_turns(context: Clocked, link: Link) -> None:
    """Neither while somebody speaks nor while a turn is open."""
    context.folder.append_audio(noise(3) + quiet(0.5) + noise(2), 0.0)
    made = ends_in(context, link, 100)
    made.cursor = round(3.5 * RATE)
    seam = made._seam(link, 0, 0.1)
    assert seam is not None
    assert seam % GRID_FRAMES == 0
    assert 3 * RATE < seam <= 3.5 * RATE
    say(context, "still", start_ms=2800)
    assert made._seam(link, 0, 0.1) is None
    say(context, "Still here.", final=True, start_ms=2800)
    assert made._seam(link, 0, 0.1) == seam
    made.cursor = 5 * RATE
    assert made._seam(link, 0, 0.1) is None


def test_when_time_runs_out_it_is_replaced_in_what_waits(context: Clocked, link: Link) -> None:
    """In the best pause of the next 3 s, nothing of which has been sent."""
    context.folder.append_audio(noise(5) + quiet(0.4) + noise(5), 0.0)
    made = ends_in(context, link, 10_800)
    made.cursor = 4 * RATE
    say(context, "on and on", start_ms=2000)
    assert made._seam(link, 3 * RATE, 0.7) is None
    assert made._seam(link, 2 * RATE, 0.8) is None
    seam = made._seam(link, 3 * RATE, 0.8)
    assert seam is not None
    assert 5 * RATE <= seam <= 5.4 * RATE


# --- when a connection is dead -------------------------------------------------------------------


def test_a_quiet_peer_is_pinged_and_then_cut(context: Clocked, wire: Wire, link: Link) -> None:
    """Pinged from 2 s of silence on, cut after 10 s without an answer, and tried again."""
    context.pass_s(2, link)
    assert wire.n_pings == 0
    context.pass_s(8, link)
    assert wire.n_pings >= 2
    assert not wire.is_closed
    context.pass_s(1, link)
    assert wire.is_closed
    assert link.ending is not None
    assert link.ending.retry


def test_a_peer_that_answers_pings_may_say_nothing(
    context: Clocked, wire: Wire, link: Link
) -> None:
    """Nobody speaks: an hour of silence is no fault."""
    for _ in range(360):
        context.pass_s(9, link)
        link._heard()
    assert not wire.is_closed


@pytest.mark.parametrize("heartbeats", [False, True])
def test_a_message_that_is_due_is_waited_for_16_s(
    context: Clocked, wire: Wire, link: Link, heartbeats: bool
) -> None:
    """A heartbeat after others, or what follows `Terminate`, whatever pongs come."""
    if heartbeats:
        link._learn(ev.Heartbeat("{}", 0, 0, 0, 0))
    else:
        link.terminate()
    for _ in range(2):
        context.pass_s(8, link)
        link._heard()
    assert not wire.is_closed
    context.pass_s(1, link)
    assert wire.is_closed


def test_audio_that_came_fast_keeps_a_service_busy(
    context: Clocked, wire: Wire, link: Link
) -> None:
    """40 s of audio in a second: pongs queue behind it, so 40 s more are waited."""
    for _ in range(40):
        link.send_audio(bytes(2 * RATE))
    context.pass_s(25, link)
    assert not wire.is_closed
    context.pass_s(20, link)
    assert wire.is_closed


def test_a_peer_that_takes_audio_is_alive(context: Clocked, wire: Wire, link: Link) -> None:
    """A send that had to wait and went through was taken by somebody."""

    def slow() -> None:
        context.at += 2.0

    wire.on_send = slow
    for _ in range(30):
        link.send_audio(bytes(3200))
        link.look()
    assert not wire.is_closed


def test_a_peer_that_takes_no_audio_is_cut(context: Clocked, wire: Wire, link: Link) -> None:
    """A send that does not come back is ended by closing its socket."""

    def stuck() -> None:
        context.pass_s(links.SILENT_TIMEOUT_S + 1, link)
        if wire.is_closed:
            raise Closed(None, "closed")

    wire.on_send = stuck
    with pytest.raises(Closed):
        link.send_audio(bytes(3200))
    assert link.ending is not None
    assert "took no audio" in str(link.ending.error)


def test_a_process_that_slept_does_not_blame_its_peer(
    context: Clocked, wire: Wire, link: Link
) -> None:
    """After a suspended laptop wakes, the peer has its 10 s again."""
    context.at += 3600
    link.look()
    context.pass_s(9, link)
    assert not wire.is_closed
    context.pass_s(2, link)
    assert wire.is_closed


def test_what_was_terminated_has_lost_nothing(context: Clocked, wire: Wire, link: Link) -> None:
    """A cut after `Termination`, or while it was on its way, is a proper end."""
    link.cut("no reason")
    link._learn(ev.Termination("{}", 1, 1))
    link._closed(Closed(None, ""))
    assert link.ended().error is None


# --- the end -------------------------------------------------------------------------------------


def test_when_it_is_over_no_connection_is_opened(context: Clocked) -> None:
    """What waits to reconnect gives up, once all links were closed."""
    assert not context.must_end()
    context.close_links()
    assert context.must_end()


def test_control_messages_go_to_the_live_connection(context: Clocked, link: Link) -> None:
    """Not to the one that fills up a hole, though that was opened later."""
    fill = opened(context, Wire(), RATE)
    assert context.newest() is fill
    context.live[0].link = link
    assert context.newest() is link
