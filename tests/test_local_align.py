"""Words, times and confidence from tokens and attention."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbstream.local import align
from nbstream.local.align import HOP_FRAMES, Word


def looking_at(*columns: int, n_columns: int) -> np.ndarray:
    """Attention of one head: token i looks at columns[i] alone. Shape (tokens, 1, columns)."""
    attention = np.full((len(columns), 1, n_columns), 0.01, np.float32)
    for token, column in enumerate(columns):
        attention[token, 0, max(column - 1, 0) : column + 2] = 1.0
    return attention


def test_tokens_are_joined_to_words() -> None:
    """A word is its first token's mark and all tokens up to the next mark."""
    attention = looking_at(1, 4, 7, n_columns=9)
    found = align.words(
        ["▁Hi".encode(), b"gh", "▁tide.".encode()], [1.0, 0.5, 0.25], attention, 9999
    )

    assert ["High", "tide."] == [word.text for word in found]
    assert [0.75, 0.25] == [word.confidence for word in found]


def test_words_lie_where_the_attention_looks() -> None:
    """A word's times are the stretch of encoder frames that its tokens look at."""
    attention = looking_at(1, 4, 7, n_columns=9)
    one, two, three = align.words(
        ["▁a".encode(), "▁b".encode(), "▁c".encode()], [1] * 3, attention, 9999
    )

    assert (0, 3 * HOP_FRAMES) == (one.start_frame, one.end_frame)
    assert (3 * HOP_FRAMES, 6 * HOP_FRAMES) == (two.start_frame, two.end_frame)
    assert (6 * HOP_FRAMES, 9 * HOP_FRAMES) == (three.start_frame, three.end_frame)


def test_no_word_ends_after_the_audio() -> None:
    """The encoder's last frame may reach past the audio; a word does not."""
    (word,) = align.words(["▁a".encode()], [1.0], looking_at(2, n_columns=4), 1_000)

    assert 1_000 == word.end_frame


def test_a_word_needs_a_letter_or_a_digit() -> None:
    """A lone dash or a note sign is no word; bytes that are no UTF-8 do no harm."""
    pieces = ["▁-".encode(), "▁🎵".encode(), "▁7".encode(), b"\xff"]
    found = align.words(pieces, [1.0] * 4, looking_at(0, 2, 4, 6, n_columns=8), 9999)

    assert ["7\ufffd"] == [word.text for word in found]


def cheapest(cost: np.ndarray) -> float:
    """By trying every way to cut the columns into one stretch a row."""
    n_rows, n_columns = cost.shape
    return min(
        sum(
            cost[row, a:b].sum()
            for row, (a, b) in enumerate(itertools.pairwise((0, *cuts, n_columns)))
        )
        for cuts in itertools.combinations(range(1, n_columns), n_rows - 1)
    )


@given(st.integers(1, 5), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_warp_finds_the_cheapest_way(n_rows: int, spare: int, seed: int) -> None:
    """No other way to give each row a stretch of columns costs less."""
    cost = np.random.default_rng(seed).normal(size=(n_rows, n_rows + spare))
    first, last = align.warp(cost)

    assert 0 == first[0]
    assert cost.shape[1] - 1 == last[-1]
    assert list(first[1:]) == list(last[:-1] + 1)
    paid = sum(cost[row, first[row] : last[row] + 1].sum() for row in range(n_rows))
    assert cheapest(cost) == pytest.approx(paid)


@given(st.integers(1, 9), st.integers(1, 4))
def test_warp_takes_more_rows_than_columns(n_rows: int, n_columns: int) -> None:
    """With too few columns every row still gets one, in order and inside the table."""
    first, last = align.warp(np.ones((n_rows, n_columns)))

    assert list(first) == sorted(first)
    assert all(0 <= a <= b < n_columns for a, b in zip(first, last, strict=True))


def test_trim_takes_off_the_pause() -> None:
    """A word laid over silence keeps its sound and 20 ms around it; a word without is left."""
    loud = np.random.default_rng(0).integers(-8_000, 8_000, 16_000).astype(np.int16)
    pcm = np.concatenate((np.zeros(8_000, np.int16), loud, np.zeros(8_000, np.int16)))
    late, early = Word("late", 0, 16_000, 1.0), Word("early", 16_000, 32_000, 1.0)
    first, second = align.trim([late, early], pcm)

    assert first.start_frame == pytest.approx(8_000 - 320, abs=320)
    assert 16_000 == first.end_frame == second.start_frame
    assert second.end_frame == pytest.approx(24_000 + 320, abs=320)


def test_trim_leaves_alone_what_it_cannot_judge() -> None:
    """Very short audio, and a word that is quiet throughout, stay as they are."""
    word = Word("so", 0, 400, 1.0)
    pcm = np.concatenate((np.zeros(16_000, np.int16), np.full(16_000, 9_000, np.int16)))

    assert (word,) == align.trim([word], pcm[:400])
    assert (word,) == align.trim([word], pcm)
