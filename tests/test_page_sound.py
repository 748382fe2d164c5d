"""What a page sends of its sound, without a line: order, what is missing, and when it was."""

from __future__ import annotations

import math
import struct

import pytest

from nbstream.audio import Chunk
from nbstream.sources.pageclock import PageClock
from nbstream.sources.pagesound import AWAY, HEADER, Arrived, PageSound, Receipts, rest
from nbstream.sources.pagestates import tried_of

CHUNK_MS = 50.0
KERNEL_S = 100.0  # on the kernel's clock, when the page's shows 0


def frame(seq: int, end_ms: float, lost: int = 0, n_frames: int = 800) -> bytes:
    return HEADER.pack(seq, lost, end_ms) + struct.pack("<h", seq) * n_frames


def sound_of(*seqs: int, first: int = AWAY) -> PageSound:
    """One whose page has sent these, of 50 ms each, and knows the time."""
    sound = PageSound()
    sound.joined(True)
    sound.clock.answered(0.0, KERNEL_S, 0.0)
    for seq in seqs:
        assert sound.take(frame(seq, (seq + 1) * CHUNK_MS, 0 if seq else first), 1000.0)
    return sound


def lost_of(sound: PageSound, seq: int, end_ms: float, lost: int = 0) -> int:
    arrived = sound.take(frame(seq, end_ms, lost), 1000.0)
    assert arrived is not None
    assert arrived.chunk.overflows == (arrived.chunk.lost_frames > 0)
    return arrived.chunk.lost_frames


def test_each_number_is_taken_once_and_in_order() -> None:
    """What comes again after a line broke is dropped; the time is that of its end, here."""
    sound = sound_of(0, 1)
    assert sound.take(frame(1, 100.0), 1000.0) is None
    arrived = sound.take(frame(2, 150.0), 1000.0)
    assert arrived is not None
    assert (1, 2) == (arrived.identity, arrived.seq)
    assert 100.15 == pytest.approx(arrived.chunk.captured_s)
    assert (0, 800) == (arrived.chunk.lost_frames, arrived.chunk.n_frames)
    assert 3 == sound.next


def test_nothing_was_captured_later_than_it_came() -> None:
    """However the clocks are thought to differ."""
    sound = sound_of()
    arrived = sound.take(frame(0, 9000.0), 101.0)
    assert arrived is not None
    assert 101.0 == arrived.chunk.captured_s


def test_what_is_on_its_way_in_the_device_was_heard_before() -> None:
    """By what the browser says of the device."""
    sound = sound_of(0)
    sound.delayed_by(20)
    arrived = sound.take(frame(1, 100.0), 1000.0)
    assert arrived is not None
    assert 100.08 == pytest.approx(arrived.chunk.captured_s)
    for nonsense in (None, "long", -1, 5000.0, float("nan")):
        sound.delayed_by(nonsense)
        assert sound.latency_ms is None


def test_numbers_that_are_missing_are_frames_that_were_lost() -> None:
    """With those that the page itself says to have lost before the next."""
    sound = sound_of(0)
    assert 3 * 800 + 160 == lost_of(sound, 4, 250.0, 160)
    assert 1 == sound.pages


def test_a_page_that_is_loaded_again_goes_on_behind_what_nobody_captured() -> None:
    """Same numbers, same clock: the time since the last chunk is lost, and counted once."""
    sound = sound_of(0, 1, 2)
    sound.joined(False)
    assert 0 == lost_of(sound, 3, 200.0)  # kept over it
    assert 32_000 == lost_of(sound, 4, 2250.0, AWAY)
    assert 0 == lost_of(sound, 5, 2300.0)
    assert (2, 1) == (sound.pages, sound.identity)


def test_what_could_not_be_kept_over_it_is_in_that_time() -> None:
    """It is not counted by its numbers as well."""
    sound = sound_of(0)
    sound.joined(False)
    assert 32_000 == lost_of(sound, 9, 2100.0, AWAY)


def test_another_page_begins_with_its_own_numbers_and_clock() -> None:
    """The time without a page is lost; before the first page nothing is."""
    sound = PageSound()
    sound.joined(True)
    sound.clock.answered(0.0, KERNEL_S, 0.0)
    assert 0 == lost_of(sound, 0, 5000.0, AWAY)
    sound.joined(True)
    sound.clock.answered(0.0, KERNEL_S + 5.0, 0.0)
    assert 16_000 == lost_of(sound, 0, 1050.0)
    assert (2, 2) == (sound.pages, sound.identity)


def test_it_has_ended_when_all_came() -> None:
    """The page says how many there are; on a new line it says so again."""
    sound = sound_of(0)
    assert not sound.has_ended
    sound.ended(2)
    assert not sound.has_ended
    lost_of(sound, 1, 100.0)
    assert sound.has_ended
    sound.joined(False)
    assert not sound.has_ended


def test_what_never_came_is_a_loss_up_to_the_stop() -> None:
    """Less than a page has left when all is well is none."""
    assert rest(100.05, 100.2) is None
    assert rest(-math.inf, 100.0) is None
    lost = rest(100.05, 103.05, 2)
    assert lost is not None
    assert (b"", 103.05, 1, 48_000, 2) == (
        lost.pcm,
        lost.captured_s,
        lost.overflows,
        lost.lost_frames,
        lost.n_channels,
    )


def test_a_page_is_told_of_its_own_chunks_only() -> None:
    """Numbers of another page would have it drop what it has not sent."""
    receipts = Receipts()
    assert receipts.due(1) is None
    added = [receipts.add(Arrived(1, seq, Chunk(b"", 0.0))) for seq in (0, 1, 2)]
    assert [1, 2, 3] == added
    assert receipts.due(2) is None
    assert 3 == receipts.due(1)
    assert receipts.due(1) is None
    assert 1 == receipts.add(Arrived(2, 0, Chunk(b"", 0.0)))
    assert receipts.due(1) is None
    assert 1 == receipts.due(2)


# -- clocks ----------------------------------------------------------------------------------------


def test_a_computer_that_slept_was_not_captured_meanwhile() -> None:
    """Its clock stood still and ours did not: the time between is lost, and is no drift."""
    sound = sound_of(*range(200))  # 10 s
    sound.clock.answered(10_000.0, KERNEL_S + 10.0, 10_000.0)
    sound.clock.answered(12_000.0, KERNEL_S + 612.002, 12_004.0)
    assert 600.0 == pytest.approx(lost_of(sound, 200, 10_050.0) / 16_000, abs=0.01)
    for seq in range(201, 400):
        assert 0 == lost_of(sound, seq, (seq + 1) * CHUNK_MS)
    about = sound.clock.about()
    assert 1 == about["jumps"]
    assert 0 == pytest.approx(about["drift_ms"], abs=1)
    assert KERNEL_S * 1000 + 600_000 == pytest.approx(about["offset_ms"], abs=3)


def test_what_was_captured_before_it_slept_keeps_its_time() -> None:
    """It may come afterwards; and what a page that begins has lost holds the sleep already."""
    sound = sound_of(0)
    sound.clock.answered(100.0, KERNEL_S + 0.1, 100.0)
    sound.clock.answered(150.0, KERNEL_S + 60.15, 150.0)
    arrived = sound.take(frame(1, 100.0), 1000.0)
    assert arrived is not None
    assert 100.1 == pytest.approx(arrived.chunk.captured_s)
    assert 60 * 16_000 == pytest.approx(lost_of(sound, 2, 200.0, AWAY), abs=1000)
    assert 0 == lost_of(sound, 3, 250.0)


def test_a_slow_answer_is_no_jump() -> None:
    """As long as what it leaves open explains it."""
    clock = PageClock()
    clock.answered(0.0, 100.0, 4.0)
    clock.answered(1000.0, 101.0, 2000.0)  # may be half a second off
    clock.answered(3000.0, 103.1, 3004.0)
    assert 0 == clock.about()["jumps"]
    clock.answered(4000.0, 104.4, 4004.0)
    assert 1 == clock.about()["jumps"]


def test_drift_is_added_up_over_pages() -> None:
    """The time between them is none of it."""
    clock = PageClock()
    for began_s, audio_s in ((0.0, 0.0), (500.0, 400.0)):
        for at_s in (1.0, 11.0, 111.0):
            clock.captured(audio_s + at_s, began_s + at_s * 1.0001)
        clock.resettle()
    about = clock.about()
    assert 20.0 == pytest.approx(about["drift_ms"])
    assert 100.0 == pytest.approx(about["drift_ppm"])


def test_which_routes_were_tried_is_taken_from_a_page_with_care() -> None:
    """It ends in session.json: known routes only, words of some length."""
    said = [{"route": "direct", "why": "no answer"}, {"route": "<b>"}, 7, {"why": "x"}]
    assert [{"route": "direct", "why": "no answer"}] == tried_of(said)
    assert 200 == len(tried_of([{"route": "comm", "why": "x" * 10_000}])[0]["why"])
    assert [] == tried_of(None)


def test_what_is_short_says_nothing_of_drift() -> None:
    """Stamps wander by milliseconds, which in seconds would be thousands per million."""
    clock = PageClock()
    for at_s in (5.0, 15.0):
        clock.captured(at_s, at_s * 1.001)
    assert clock.about()["drift_ms"] is not None
    assert clock.about()["drift_ppm"] is None
