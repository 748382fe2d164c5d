"""When a turn has ended."""

from __future__ import annotations

import pytest

from nbstream.local.align import Word
from nbstream.local.endpoint import SILENCE_FLOOR_MS, Options, is_complete
from nbstream.local.model import NOTHING, Decoded


@pytest.mark.parametrize(
    ("text", "last_probability", "expected"),
    [
        ("Stop.", 0.9, True),
        ("Really?", 0.9, True),
        ('"Go!"', 0.9, True),
        ("Stop.", 0.4, False),
        ("Stop,", 0.9, False),
        ("Stop", 0.9, False),
    ],
)
def test_a_sentence_is_complete(text: str, last_probability: float, expected: bool) -> None:
    """Text is complete if it ends in . ? or !, and the model meant it."""
    assert expected is is_complete(Decoded((1,), (Word(text, 0, 1, 1.0),), last_probability))


def test_nothing_is_not_a_sentence() -> None:
    """No text is not complete."""
    assert not is_complete(NOTHING)


@pytest.mark.parametrize(
    ("silence_ms", "looks_complete", "expected"),
    [(799, True, False), (800, True, True), (1_999, False, False), (2_000, False, True)],
)
def test_a_turn_ends_by_min_or_by_max(
    silence_ms: int, looks_complete: bool, expected: bool
) -> None:
    """A complete turn ends at min silence, any other at max."""
    options = Options(min_turn_silence_ms=800, max_turn_silence_ms=2_000)

    assert expected is options.turn_ends(silence_ms, looks_complete)


def test_a_max_below_min_holds_for_all() -> None:
    """The shorter of the two ends a complete turn."""
    assert Options(min_turn_silence_ms=900, max_turn_silence_ms=600).turn_ends(600, True)


def test_the_floor_holds_for_both() -> None:
    """No silence below the floor ends a turn."""
    options = Options(min_turn_silence_ms=50, max_turn_silence_ms=50)

    assert not options.turn_ends(SILENCE_FLOOR_MS - 1, True)
    assert options.turn_ends(SILENCE_FLOOR_MS, False)
