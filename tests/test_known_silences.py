"""Silences of known length between real turns, through the public interface."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from scripts import measure_gaps
from scripts.measure_gaps import Found, build

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def found() -> Found:
    """All recordings, each in three orders that the rules were not chosen on."""
    total = Found()
    for each in measure_gaps.measure(range(9, 12)).values():
        total.extend(each)
    return total


def test_nine_of_ten_silences_between_turns_are_recovered(found: Found) -> None:
    """Next start minus previous end is less than 100 ms off, nine times of ten."""
    errors_ms = np.round(1000 * np.array(found.turns.silences))

    assert 50 <= len(errors_ms) <= 63  # the rest are pauses inside a turn
    assert 0.9 <= found.turns.share_below_goal, errors_ms


def test_turns_end_where_the_last_word_does(found: Found) -> None:
    """Ends of turns have no lag: the detector's tail is not part of the last word."""
    assert 0 == pytest.approx(np.median(found.turns.ends), abs=0.03)
    assert np.quantile(np.abs(found.turns.ends), 0.9) < 0.1


def test_voice_activity_recovers_them_too(found: Found) -> None:
    """From spans of speech alone, all silences are there and nine of ten within 100 ms."""
    assert 63 == len(found.voice.silences)
    assert 0.9 <= found.voice.share_below_goal


def test_the_recordings_are_what_they_claim() -> None:
    """Known silences have a room's noise, no digital zero, and the length that was drawn."""
    samples, placed = build(measure_gaps.PIECES["mary, bobby"], 1)
    lengths_s = [start_s - end_s for (_, end_s), (start_s, _) in itertools.pairwise(placed)]

    assert all(0.6 <= length_s <= 3.0 for length_s in lengths_s)
    assert 3 == len(set(lengths_s))
    for (_, end_s), (start_s, _) in itertools.pairwise(placed):
        silence = samples[round(end_s * 16_000) : round(start_s * 16_000)]
        level_db = 20 * np.log10(np.sqrt(np.mean(silence**2)))
        assert -75 < level_db < -45
    again, _ = build(measure_gaps.PIECES["mary, bobby"], 1)
    assert np.array_equal(samples, again)
