"""Spans of speech from scores and levels, and words that are fitted to them."""

from __future__ import annotations

import numpy as np
import pytest

from nbstream.local.activity import (
    LATE_END_FRAMES,
    LATE_START_FRAMES,
    WINDOW_FRAMES,
    Activity,
    Span,
    snap,
)

LOUD, SOFT = 3_000, 30
SPEECH = [(1_000, 20_000), (30_000, 50_000)]


def hear(*windows: tuple[float, int]) -> Activity:
    """Activity after windows of (score, amplitude) of noise."""
    random, activity = np.random.default_rng(0), Activity()
    for score, amplitude in windows:
        noise = random.integers(-amplitude, amplitude + 1, WINDOW_FRAMES).astype(np.int16)
        activity.add(noise, score)
    return activity


def at(first: int, last: int) -> Span:
    """The span from one window to before another, corrected by the medians."""
    return first * WINDOW_FRAMES - LATE_START_FRAMES, last * WINDOW_FRAMES - LATE_END_FRAMES


def test_a_span_starts_with_its_first_sign_and_ends_with_the_last_full_voice() -> None:
    """Rising scores belong to the start; scores that sink are behind the end."""
    scores = [0.0] * 3 + [0.3, 0.4, 0.9] + [1.0] * 10 + [0.65, 0.55] + [0.1] * 5
    activity = hear(*[(score, LOUD) for score in scores])

    assert [at(3, 16)] == activity.spans()


def test_breath_before_a_voice_is_not_its_start() -> None:
    """Windows more than 24 dB below the voice are left out, whatever their score."""
    quiet, breath, voice = (0.0, SOFT), (0.6, SOFT), (1.0, LOUD)
    activity = hear(*[quiet] * 12, *[breath] * 4, *[voice] * 12, *[(0.0, LOUD)] * 5)

    ((start, _),) = activity.spans()
    assert at(16, 0)[0] == start


def test_an_end_that_can_be_seen_is_taken_from_the_level() -> None:
    """Where the level falls, the end is there, not where the median of the scores is."""
    loud, tail, quiet = (1.0, LOUD), (0.9, SOFT), (0.0, SOFT)
    for n_tail in (1, 2, 3):  # the score sinks sooner or later
        activity = hear(*[quiet] * 15, *[loud] * 15, *[tail] * n_tail, *[quiet] * 8)
        ((_, end),) = activity.spans()
        assert 30 * WINDOW_FRAMES == pytest.approx(end, abs=300)


def test_clicks_and_short_dips_are_nothing() -> None:
    """Four windows of speech are no span, and two of silence no end."""
    voice, quiet = (1.0, LOUD), (0.0, LOUD)

    assert [] == hear(*[voice] * 4, *[quiet] * 5).spans()
    assert 1 == len(hear(*[voice] * 8, *[quiet] * 2, *[voice] * 8, *[quiet] * 5).spans())
    assert 2 == len(hear(*[voice] * 8, *[quiet] * 3, *[voice] * 8, *[quiet] * 5).spans())


def test_closed_spans_can_be_forgotten() -> None:
    """Those that end before a frame are gone, later ones are kept."""
    voice, quiet = (1.0, LOUD), (0.0, LOUD)
    activity = hear(*([voice] * 8 + [quiet] * 5) * 3)
    spans = activity.spans()
    activity.forget(spans[1][0])

    assert 3 == len(spans)
    assert spans[1:] == activity.spans()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([(15_000, 25_000)], [(15_000, 20_000)]),  # reaches into the silence
        ([(15_000, 40_000)], [(15_000, 20_000)]),  # laid over it
        ([(19_000, 40_000)], [(30_000, 40_000)]),  # hardly begun before it; the first
        ([(12_000, 18_000)], [(12_000, 20_000)]),  # falls short of it by little
        ([(2_000, 5_000)], [(1_000, 5_000)]),
        ([(8_000, 12_000)], [(8_000, 12_000)]),  # falls short of both by much
        ([(0, 5_000)], [(1_000, 5_000)]),  # a little early
        ([(21_000, 22_000)], [(20_000, 20_000)]),  # right behind
        ([(25_000, 26_000)], [(25_000, 26_000)]),  # outside all speech
        ([(5_000, 9_000), (9_000, 12_000)], [(5_000, 9_000), (9_000, 12_000)]),
        ([(15_000, 24_000), (26_000, 40_000)], [(15_000, 20_000), (30_000, 40_000)]),
        ([(18_000, 19_000), (19_000, 19_500)], [(18_000, 19_000), (19_000, 20_000)]),
    ],
)
def test_words_are_fitted_to_speech(words: list[Span], expected: list[Span]) -> None:
    """Edges beside a silence move to where the speech starts or ends, others stay."""
    assert expected == snap(words, SPEECH)


def test_a_weak_voice_is_left_where_the_recogniser_heard_it() -> None:
    """The first word is not moved far inward; later ones have a word before them to lean on."""
    assert [(24_000, 34_000)] == snap([(24_000, 34_000)], SPEECH)
    assert (30_000, 34_000) == snap([(5_000, 9_000), (24_000, 34_000)], SPEECH)[1]


def test_words_never_overlap() -> None:
    """Whatever the alignment gave, words end before the next starts, and none is negative."""
    random = np.random.default_rng(0)
    for _ in range(300):
        edges = np.sort(random.integers(0, 60_000, 12)).tolist()
        words = list(zip(edges[::2], edges[1::2], strict=True))
        speech = np.sort(random.integers(0, 60_000, 6)).reshape(-1, 2).tolist()
        snapped = snap(words, [(start, end) for start, end in speech])
        flat = [edge for word in snapped for edge in word]
        assert flat == sorted(flat), (words, speech)
