"""A recording of a page that is stopped while some of its sound is still on its way."""

from __future__ import annotations

import queue
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbstream as nb
from nbstream.audio import Chunk
from nbstream.channel import Channel
from nbstream.engine import capture
from nbstream.engine.state import State
from nbstream.sources import browser
from nbstream.sources.browser import BrowserMicrophone
from tests.fakes import Given, noise
from tests.scripted import Peer, ScriptedServer
from tests.talking import DEADLINE_S
from tests.test_channel import Page, Reading, Told, close_code, dial


@pytest.fixture
def reading() -> Iterator[Reading]:
    source, told = BrowserMicrophone(), Told()
    source.tell = told
    reading = Reading(source, told)
    yield reading
    reading.stop.set()
    source.cut_short()
    reading.thread.join(DEADLINE_S)
    assert not reading.thread.is_alive()


def stopped_without_a_line(reading: Reading) -> dict[str, object]:
    """Its page has sent one chunk, and has more; returns the offer that it came by."""
    offer = reading.told.next("offer")
    with dial(offer) as ws:
        page = Page(ws)
        page.record()
        page.frames(0)
        assert [0] == reading.numbers(1)
        reading.source.cut()
        assert 1011 == close_code(ws)
    threading.Event().wait(0.4)  # of sound that the page has
    reading.stop.set()
    deadline_s = time.monotonic() + DEADLINE_S
    while "last sound" not in reading.source.problem[0]:
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.02)
    return offer


def frames(page: Page, end_ms: dict[int, float]) -> None:
    """Chunks by their numbers, of a page whose clock shows what ours does; and no more."""
    page.say(kind="ping", sent=0.0, last=[0.0, 0.0, 0.0])
    for seq, at_ms in end_ms.items():
        page.ws.send(struct.pack("<IId", seq, 0, at_ms) + struct.pack("<800h", *[seq] * 800))
    page.say(kind="end", next=max(end_ms) + 1)


def test_a_page_that_comes_back_after_the_stop_brings_the_rest(reading: Reading) -> None:
    """It is told that it was stopped, and nothing is missing; what it captured on is not kept."""
    offer = stopped_without_a_line(reading)
    stopped_ms = 1000 * (reading.source._progress_s or 0.0)
    with dial(offer) as ws:
        page = Page(ws)
        assert page.wish["stop"] is True
        assert 0.0 < reading.source.needs_s
        frames(page, {n: stopped_ms + 50 * (n - 100) + 20 for n in range(1, 150)})
        assert list(range(1, 111)) == reading.numbers(110)
        assert reading.chunks.get(timeout=DEADLINE_S) is None
    assert ("", "") == reading.source.problem


def test_a_page_that_was_away_for_long_may_take_its_time(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted from when it is back, not from when it went."""
    looks: queue.Queue[bool] = queue.Queue()
    look = BrowserMicrophone._look

    def noted(self: BrowserMicrophone, quiet_s: float, channel: Channel) -> bool:
        looks.put(channel.is_connected)
        return look(self, quiet_s, channel)

    monkeypatch.setattr(browser, "END_S", 1.0)  # for which it has been away already
    offer = stopped_without_a_line(reading)
    stopped_ms = 1000 * (reading.source._progress_s or 0.0)
    monkeypatch.setattr(BrowserMicrophone, "_look", noted)
    with dial(offer) as ws:
        page = Page(ws)
        while not looks.get(timeout=DEADLINE_S):
            pass
        frames(page, {1: stopped_ms - 300, 2: stopped_ms - 250})
        assert [1, 2] == reading.numbers(2)


def test_asked_again_it_waits_for_no_page_that_is_away(reading: Reading) -> None:
    """What never came is lost, from the last chunk up to the stop."""
    stopped_without_a_line(reading)
    reading.source.cancel()
    lost = reading.next()
    assert reading.chunks.get(timeout=DEADLINE_S) is None
    assert (b"", 1) == (lost.pcm, lost.overflows)
    assert 0.4 * 16_000 <= lost.lost_frames < 16_000 * DEADLINE_S


def test_a_page_that_is_there_and_sends_nothing_is_not_waited_for(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not the line is thought to be open."""
    monkeypatch.setattr(browser, "END_S", 0.5)
    with dial(reading.told.next("offer")) as ws:
        page = Page(ws)
        page.record()
        page.frames(0)
        reading.next()
        reading.stop.set()
        page.next("stop")
        assert reading.chunks.get(timeout=DEADLINE_S) is None


# -- the engine ------------------------------------------------------------------------------------


class EndsWithLoss(Given):
    """Its last chunk has no sound: what never came. Waits for `came` as a page is waited for."""

    needs_s = 60.0

    def __init__(self) -> None:
        super().__init__(noise(1), live=True)
        self.came = threading.Event()
        self.cancel = self.cut_short = self.came.set

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """See there."""
        yield from super().chunks(stop)
        stop.wait()
        self.came.wait()
        yield Chunk(b"", time.monotonic(), 1, 4800)


@pytest.fixture
def url() -> Iterator[str]:
    def hello(peer: Peer) -> None:
        peer.begin()
        peer.listen()
        peer.finish()

    with ScriptedServer(hello).running() as server:
        yield server.url


def recording(url: str, source: Given, folder: Path) -> nb.Session:
    service = nb.AssemblyAI(endpoint=url, api_key="canary-key")
    session = nb.record(source, service, folder=folder)
    deadline_s = time.monotonic() + DEADLINE_S
    while session.duration_s < 1:
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.02)
    return session


def overflow_is_told(session: nb.Session) -> None:
    assert State.STOPPED == session.state
    (row,) = session.gaps[session.gaps.kind == "overflow"].to_dict("records")
    assert (1.0, 0.3) == (row["start_s"], row["lost_s"])
    assert 1.0 == session.duration_s
    assert (session.chunks.n_frames > 0).all()


def test_a_source_that_needs_its_time_gets_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not given up as one that hangs; a second stop hurries it; a loss is a row."""
    monkeypatch.setattr(capture, "SOURCE_TIMEOUT_S", 0.5)
    source = EndsWithLoss()
    session = recording(url, source, tmp_path)
    ended = threading.Thread(target=session.stop)
    ended.start()
    ended.join(1.5)
    assert ended.is_alive()
    session.stop()
    ended.join(DEADLINE_S)
    overflow_is_told(session)


def test_the_time_allowed_for_stopping_ends_it(url: str, tmp_path: Path) -> None:
    """In good order, with what came: the service still has the last words."""
    session = recording(url, EndsWithLoss(), tmp_path)
    session.stop(timeout_s=capture.LAST_WORDS_S + 0.5)
    overflow_is_told(session)
