"""The notebook channel, spoken to as a page would: who may come, and what becomes of frames."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from nbstream.audio import Chunk
from nbstream.channel import MAX_MESSAGE_BYTES, REFUSED, REPLACED, Channel, Message
from nbstream.errors import ParameterError, SourceError
from nbstream.sources.browser import BrowserMicrophone
from nbstream.sources.pageclock import PageClock
from tests.talking import DEADLINE_S

ORIGIN = "http://localhost:8888"


class Listener:
    """Keeps what the page said."""

    def __init__(self) -> None:
        self.joins: list[bool] = []
        self.messages: queue.Queue[Message] = queue.Queue()
        self.frames: queue.Queue[bytes] = queue.Queue()
        self.lefts: queue.Queue[None] = queue.Queue()

    def joined(self, is_new: bool) -> Message:
        self.joins.append(is_new)
        return {"next": 0}

    def said(self, message: Message) -> Message | None:
        self.messages.put(message)
        return None

    def heard(self, frame: bytes) -> None:
        self.frames.put(frame)

    def left(self) -> None:
        self.lefts.put(None)


class Told:
    """What pages were told through the notebook."""

    def __init__(self) -> None:
        self.messages: queue.Queue[Message] = queue.Queue()

    def __call__(self, message: Message, buffers: object = None) -> None:
        self.messages.put(message)

    def next(self, kind: str) -> Message:
        while True:
            message = self.messages.get(timeout=DEADLINE_S)
            if message["kind"] == kind:
                return message


@contextlib.contextmanager
def opened() -> Iterator[tuple[Channel, Listener, Told]]:
    listener, told = Listener(), Told()
    with Channel(listener, told) as channel:
        yield channel, listener, told


@contextlib.contextmanager
def dial(offer: Message, page: str = "p", **more: Any) -> Iterator[ClientConnection]:
    url, origin = f"ws://127.0.0.1:{offer['port']}/", more.pop("origin", ORIGIN)
    with connect(url, origin=origin, close_timeout=2) as ws:
        ws.send(json.dumps({"kind": "hello", "secret": offer["secret"], "page": page} | more))
        yield ws


def go(ws: ClientConnection) -> Message:
    said: Message = json.loads(ws.recv(DEADLINE_S))
    assert "go" == said["kind"]
    return said


def close_code(ws: ClientConnection) -> int | None:
    """What it is closed with, once it is."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            ws.recv(DEADLINE_S)
    return ws.close_code


# -- who may come ------------------------------------------------------------------------------


def test_it_listens_on_loopback_only() -> None:
    """No other machine can reach it, and the port is a free one."""
    with opened() as (channel, _, _), socket.socket() as probe:
        assert channel.port > 0
        probe.settimeout(5)
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.connect(("192.0.2.1", 9))  # sends nothing; says which address this machine has
            outside = out.getsockname()[0]
            if not outside.startswith("127."):
                assert 0 != probe.connect_ex((outside, channel.port))
        with socket.create_connection(("127.0.0.1", channel.port), 5):
            pass


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "null", None, "http://["]
)
def test_a_page_of_another_origin_gets_nothing(origin: str | None) -> None:
    """It is refused before it can say anything, whatever it knows."""
    with opened() as (channel, listener, _):
        with pytest.raises(InvalidStatus) as refused, dial(channel.offer(), origin=origin):
            pass
        assert 403 == refused.value.response.status_code
        assert [] == listener.joins
        assert "origin" in channel.refusals[0]


def test_once_a_page_has_said_where_it_is_from_no_other_origin_is_right() -> None:
    """Behind a proxy that is the hub's; other servers on loopback are then strangers, too."""
    with opened() as (channel, _, told):
        channel.invite("p", "https://hub.example.org", told)
        offer = told.next("offer")
        with pytest.raises(InvalidStatus), dial(offer):
            pass
        with dial(offer, origin="https://hub.example.org") as ws:
            go(ws)


@pytest.mark.parametrize("secret", ["", "guess", "é", None, 7])
def test_without_the_secret_nothing_is_heard(secret: object) -> None:
    """The line is closed with the code that says not to try again."""
    with opened() as (channel, listener, _):
        with dial(channel.offer(), secret=secret) as ws:
            ws_code = close_code(ws)
        assert REFUSED == ws_code
        assert [] == listener.joins
        assert ["wrong secret"] == channel.refusals


@pytest.mark.parametrize("first", ['{"kind": "ping"}', "[]", "no JSON", b"\0" * 20])
def test_who_does_not_say_hello_is_refused(first: str | bytes) -> None:
    """Nothing is taken from a line before that."""
    with opened() as (channel, listener, _):
        with connect(f"ws://127.0.0.1:{channel.port}/", origin=ORIGIN) as ws:  # type: ignore[arg-type]
            ws.send(first)
            assert REFUSED == close_code(ws)
        assert listener.frames.empty()


def test_a_second_page_is_refused_also_with_the_right_secret() -> None:
    """A secret that somebody has seen is worth nothing once the page has used it."""
    with opened() as (channel, listener, told):
        offer = channel.offer()
        with dial(offer) as first:
            go(first)
            with dial(offer, page="other") as second:
                assert REFUSED == close_code(second)
            channel.invite("other", ORIGIN, told)
            assert "other" == told.next("busy")["to"]
            first.send(b"sound")
            assert b"sound" == listener.frames.get(timeout=DEADLINE_S)
        listener.lefts.get(timeout=DEADLINE_S)
        with dial(offer, page="other") as replayed:
            assert REFUSED == close_code(replayed)
        assert [True] == listener.joins


def test_the_same_page_comes_back_and_its_old_line_is_dropped() -> None:
    """A line that a proxy has forgotten does not keep the page out."""
    with opened() as (channel, listener, _):
        with dial(channel.offer()) as first, dial(channel.offer()) as second:
            go(first)
            go(second)
            assert REPLACED == close_code(first)
            second.send(b"sound")
            assert b"sound" == listener.frames.get(timeout=DEADLINE_S)
        assert [True, False] == listener.joins


def test_a_page_that_was_loaded_again_gets_a_new_secret() -> None:
    """The old one is worth nothing from then on."""
    with opened() as (channel, listener, told):
        offer = channel.offer()
        with dial(offer) as first:
            go(first)
            first.send(json.dumps({"kind": "bye"}))
            listener.lefts.get(timeout=DEADLINE_S)
            channel.invite("new", ORIGIN, told)
            new = told.next("offer")
            assert new["secret"] != offer["secret"]
            with dial(new, page="new") as second:
                go(second)
                with dial(offer) as old:
                    assert REFUSED == close_code(old)
        assert [True, True] == listener.joins


def test_after_the_recording_there_is_nothing() -> None:
    """The port is closed, and the next recording has another secret."""
    with opened() as (channel, _, _):
        offer = channel.offer()
        with dial(offer) as ws:
            go(ws)
    with pytest.raises(ConnectionRefusedError), dial(offer):
        pass
    assert offer["secret"] != channel.offer()["secret"]
    with opened() as (channel, _, _):
        assert offer["secret"] != channel.offer()["secret"]
        assert len(offer["secret"]) == 43  # 256 bits


def test_two_recordings_share_a_port_and_nothing_else() -> None:
    """The secret says whose line it is; one's origin and secret are worth nothing to the other."""
    hub = "https://hub.example.org"
    with opened() as (one, _, told), opened() as (two, listener, _):
        assert one.port == two.port
        names = [thread.name for thread in threading.enumerate()]
        assert 1 == names.count("nbstream-channel")
        one.invite("p", hub, told)
        offer = told.next("offer")
        with dial(two.offer(), origin=hub) as stranger:
            assert REFUSED == close_code(stranger)
        assert [] == listener.joins
        with dial(offer, origin=hub) as first, dial(two.offer()) as second:
            go(first)
            go(second)
            second.send(b"sound")
            assert b"sound" == listener.frames.get(timeout=DEADLINE_S)


def test_a_recording_that_ends_leaves_the_others_their_lines() -> None:
    """Its own is hung up, and its secret is worth nothing, though somebody listens there still."""
    with (
        opened() as (staying, listener, _),
        dial(staying.offer()) as stays,
        contextlib.ExitStack() as lines,
    ):
        go(stays)
        with opened() as (going, _, _):
            offer = going.offer()
            ends = lines.enter_context(dial(offer))
            go(ends)
            going.send({"kind": "over"})
        assert "over" == json.loads(ends.recv(DEADLINE_S))["kind"]
        assert 1001 == close_code(ends)
        with dial(offer | {"port": staying.port}) as late:
            assert REFUSED == close_code(late)
        stays.send(b"sound")
        assert b"sound" == listener.frames.get(timeout=DEADLINE_S)


def test_a_message_that_is_too_long_ends_the_line() -> None:
    """A page can't fill the kernel's memory."""
    with opened() as (channel, listener, _), dial(channel.offer()) as ws:
        go(ws)
        ws.send(bytes(MAX_MESSAGE_BYTES + 1))
        assert 1009 == close_code(ws)
        assert listener.frames.empty()


def test_the_same_goes_through_the_widget() -> None:
    """Where no socket can be had; who has not said hello there is sent away."""
    with opened() as (channel, listener, told):
        hello = {"kind": "hello", "page": "p", "secret": channel.offer()["secret"]}
        channel.through_comm({"page": "p"}, [b"too early"])
        assert "p" == told.next("closed")["to"]
        channel.through_comm({"page": "q", "text": json.dumps(hello | {"secret": "no"})}, [])
        assert REFUSED == told.next("closed")["code"]
        channel.through_comm({"page": "p", "text": json.dumps(hello)}, [])
        assert "go" == json.loads(told.next("line")["text"])["kind"]
        channel.through_comm({"page": "p"}, [b"one", b"two"])
        assert [b"one", b"two"] == [listener.frames.get(timeout=DEADLINE_S) for _ in range(2)]
        channel.through_comm({"page": "q"}, [b"foreign"])
        assert "q" == told.next("closed")["to"]
        assert listener.frames.empty()


# -- what becomes of frames ----------------------------------------------------------------------


class Page:
    """A page as `BrowserMicrophone` knows it, without a browser."""

    def __init__(self, ws: ClientConnection, before: Page | None = None) -> None:
        self.ws = ws
        self.wish = go(ws)
        # A page whose line broke is the same page, and its clock ran on.
        self.began_s: float = before.began_s if before else time.monotonic()
        now_s = time.monotonic()
        now_ms = (now_s - self.began_s) * 1000
        self.say(kind="ping", sent=now_ms, last=[now_ms, now_s, now_ms])

    def say(self, **message: Any) -> None:
        self.ws.send(json.dumps(message))

    def record(self) -> None:
        self.say(kind="state", state="recording", route="direct", device="USB", rate_hz=16_000)

    def frames(self, *seqs: int, lost: int = 0) -> None:
        for seq in seqs:
            pcm = struct.pack("<800h", *[seq] * 800)
            self.ws.send(struct.pack("<IId", seq, lost, 50.0 * seq) + pcm)

    def next(self, kind: str) -> Message:
        while True:
            said: Message = json.loads(self.ws.recv(DEADLINE_S))
            if said["kind"] == kind:
                return said


class Reading:
    """A source that is open, and read by a thread."""

    def __init__(self, source: BrowserMicrophone, told: Told) -> None:
        self.source, self.told = source, told
        self.stop = threading.Event()
        self.chunks: queue.Queue[Chunk | BaseException | None] = queue.Queue()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            with self.source:
                for chunk in self.source.chunks(self.stop):
                    self.chunks.put(chunk)
            self.chunks.put(None)
        except BaseException as error:
            self.chunks.put(error)

    def next(self) -> Chunk:
        chunk = self.chunks.get(timeout=DEADLINE_S)
        assert isinstance(chunk, Chunk), chunk
        return chunk

    def numbers(self, n: int) -> list[int]:
        return [struct.unpack_from("<h", self.next().pcm)[0] for _ in range(n)]

    def error(self) -> SourceError:
        while isinstance(found := self.chunks.get(timeout=DEADLINE_S), Chunk):
            pass
        assert isinstance(found, SourceError), found
        return found


@pytest.fixture
def reading() -> Iterator[Reading]:
    source, told = BrowserMicrophone(), Told()
    source.tell = told
    reading = Reading(source, told)
    yield reading
    reading.stop.set()
    source.cut_short()  # its page is away
    reading.thread.join(DEADLINE_S)
    assert not reading.thread.is_alive()


def test_chunks_come_in_order_and_are_acknowledged_once_they_were_taken(reading: Reading) -> None:
    """What is acknowledged has been taken by the engine, which puts it on disk."""
    with dial(reading.told.next("offer")) as ws:
        page = Page(ws)
        page.record()
        page.frames(0, 1, 2)
        assert [0, 1, 2] == reading.numbers(3)
        while 3 != page.next("have")["next"]:
            pass
        assert "browser microphone: USB" == reading.source.label
        assert "direct" == reading.source.route
        reading.stop.set()
        page.next("stop")
        page.frames(3)
        page.say(kind="end", next=4)
        assert [3] == reading.numbers(1)
        assert reading.chunks.get(timeout=DEADLINE_S) is None


def test_what_comes_again_after_a_broken_line_is_dropped(reading: Reading) -> None:
    """The page is told what is waited for; what it sends twice is taken once."""
    offer = reading.told.next("offer")
    with dial(offer) as ws:
        page = Page(ws)
        page.record()
        page.frames(0, 1)
        assert [0, 1] == reading.numbers(2)
        reading.source.cut()
        assert 1011 == close_code(ws)
    with dial(offer) as ws:
        page = Page(ws, before=page)
        assert 2 == page.wish["next"]
        page.frames(1, 2, 3)
        chunks = [reading.next(), reading.next()]
        assert [2, 3] == [struct.unpack_from("<h", chunk.pcm)[0] for chunk in chunks]
        assert [0, 0] == [chunk.overflows for chunk in chunks]


def test_what_the_page_could_not_keep_or_capture_is_an_overflow(reading: Reading) -> None:
    """With its length: numbers that are missing, and what the page knows to have lost."""
    with dial(reading.told.next("offer")) as ws:
        page = Page(ws)
        page.record()
        page.frames(0, 3)
        page.frames(4, lost=160)
        chunks = [reading.next() for _ in range(3)]
        assert [(0, 0), (1, 1600), (1, 160)] == [(c.overflows, c.lost_frames) for c in chunks]


def test_what_is_no_frame_is_not_taken(reading: Reading) -> None:
    """Half a sample would make noise of all that follows."""
    with dial(reading.told.next("offer")) as ws:
        page = Page(ws)
        page.record()
        for bad in (
            b"",
            b"short",
            struct.pack("<IId", 0, 0, 0.0),
            struct.pack("<IId", 0, 0, 0) + b"x",
        ):
            ws.send(bad)
        ws.send(struct.pack("<IId", 0, 0, float("nan")) + bytes(1600))
        page.frames(0)
        assert [0] == reading.numbers(1)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("refused", "not allowed"),
        ("missing", "does not find the microphone"),
        ("insecure", "secure pages"),
        ("unreadable", "can't open"),
        ("channels", "fewer channels"),
    ],
)
def test_what_the_page_can_not_do_is_said(reading: Reading, state: str, words: str) -> None:
    """With what to do, and the browser's own words."""
    with dial(reading.told.next("offer")) as ws:
        Page(ws).say(kind="state", state=state, detail="its words")
        error = reading.error()
    assert words in error.message
    assert "its words" in error.message
    assert error.hint


def test_a_device_that_was_taken_away_ends_it_after_the_last_chunk(reading: Reading) -> None:
    """What was captured is there; then it is an error, as with any microphone."""
    with dial(reading.told.next("offer")) as ws:
        page = Page(ws)
        page.record()
        page.frames(0)
        page.say(kind="state", state="ended")
        page.frames(1)
        page.say(kind="end", next=2)
        assert [0, 1] == reading.numbers(2)
        assert "taken away" in reading.error().message


def test_what_the_person_should_know_is_a_problem(reading: Reading) -> None:
    """As long as it is so, and what can be helped first."""
    with dial(reading.told.next("offer")) as ws:
        page = Page(ws)
        page.record()
        page.say(kind="state", state="hidden")
        page.say(kind="state", state="muted")
        page.frames(0)
        reading.next()
        assert "switched off" in reading.source.problem[0]
        page.say(kind="state", state="heard")
        page.frames(1)
        reading.next()
        assert "background" in reading.source.problem[0]
        page.say(kind="state", state="visible")
        page.frames(2)
        reading.next()
        assert ("", "") == reading.source.problem


def test_who_waits_for_a_page_can_be_stopped(reading: Reading) -> None:
    """As when the person presses Stop instead of Allow."""
    with dial(reading.told.next("offer")) as ws:
        Page(ws).say(kind="state", state="asking")
        reading.source.cancel()
        assert "stopped before" in reading.error().message


def test_without_a_page_it_says_how_to_get_one() -> None:
    """Before anything is opened."""
    with pytest.raises(SourceError, match="no notebook"):
        BrowserMicrophone().check()
    with pytest.raises(ParameterError):
        BrowserMicrophone(speakers=("a", "a"))


# -- clocks ----------------------------------------------------------------------------------------


def test_the_quickest_answer_tells_the_time() -> None:
    """One that was held up says less, and its uncertainty says how much less."""
    clock = PageClock()
    clock.answered(1000, 101.0 + 0.4, 1500)  # held up on its way back: half a second
    clock.answered(2000, 102.002, 2004)
    clock.answered(3000, 103.3, 3600)
    assert 102.502 == pytest.approx(clock.kernel_s(2502))
    about = clock.about()
    assert 100_000 == pytest.approx(about["offset_ms"])
    assert 2.0 == about["uncertainty_ms"]
    assert about["drift_ms"] is None


def test_what_is_long_ago_tells_nothing() -> None:
    """A computer that slept has stopped one of the clocks."""
    clock = PageClock()
    clock.answered(0, 100.0, 0)
    clock.answered(70_000, 270.01, 70_020)
    assert 270.0 == pytest.approx(clock.kernel_s(70_000))
    clock.answered(80_000, 1.0, 70_000)  # nonsense
    assert 270.0 == pytest.approx(clock.kernel_s(70_000))


def test_drift_is_what_the_kernel_measures_beyond_the_audio() -> None:
    """In milliseconds, and per million."""
    clock = PageClock()
    clock.captured(1.0, 491.5)  # while the page begins it may be heard late
    clock.captured(10.0, 500.0)
    clock.captured(110.0, 600.005)
    about = clock.about()
    assert (5.0, 50.0) == (pytest.approx(about["drift_ms"]), pytest.approx(about["drift_ppm"]))
