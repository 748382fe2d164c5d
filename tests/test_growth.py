"""How the text of a turn grew."""

from __future__ import annotations

import math

import pytest

from nbstream.tables.growth import Growth, bare


def grown(*messages: str) -> Growth:
    """Messages that arrive at 1, 2, 3 ... s; the last one is final."""
    growth = Growth()
    for at_s, text in enumerate(messages, start=1):
        words = text.split()
        growth.add(words, [at_s == len(messages)] * len(words), at_s)
    return growth


def test_text_that_only_grows_is_stable() -> None:
    """Nothing is revised, and each word has the arrival of its own message."""
    growth = grown("", "good", "good day to", "Good day to you.")
    assert (growth.n_revisions, growth.n_unstable, growth.n_erased) == (0, 0, 0)
    assert growth.first_s == [2, 3, 3, 4]
    assert growth.first_text_s == 2
    assert growth.final_s == [4, 4, 4, 4]


def test_a_changed_word_is_one_and_what_follows_it_has_to_be_erased() -> None:
    """Revised words are counted by what changed, erased ones by what stood behind the change."""
    growth = grown("wreck a nice", "wreck a nice beach", "recognise a nice beach")
    assert (growth.n_revisions, growth.n_unstable, growth.n_erased) == (1, 1, 4)
    assert growth.first_s == [3, 1, 1, 2]
    assert (growth.n_kept, growth.n_revised) == (0, 1)


def test_an_inserted_word_revises_none() -> None:
    """Words behind an insertion stand there still: shown earlier, and not said to have changed."""
    growth = grown("good day you", "good day to you")
    assert (growth.n_unstable, growth.n_erased) == (0, 1)
    assert growth.first_s == [1, 1, 2, 1]


def test_a_dropped_word_is_revised() -> None:
    """What vanishes was unstable."""
    growth = grown("good day you", "good day")
    assert (growth.n_revisions, growth.n_unstable, growth.n_erased) == (1, 1, 1)


def test_a_last_word_that_goes_on_is_no_revision() -> None:
    """Universal-Streaming shows the beginning of a word; it stood in full only later."""
    growth = grown("good some", "good something else")
    assert (growth.n_revisions, growth.n_unstable, growth.n_erased) == (0, 0, 0)
    assert growth.first_s == [1, 2, 2]


def test_formatting_is_no_revision() -> None:
    """Case and punctuation may come at the end."""
    assert grown("it's good", "It's good!").n_unstable == 0
    assert bare("“It's,”") == "it's"


def test_a_formatted_final_carries_times_on_and_counts_nothing() -> None:
    """Joined numbers get the arrival of the message that showed them; the rest keep theirs."""
    growth = grown("twenty five men", "twenty five men")
    growth.add(["25", "men."], [True, True], 9.0, counts=False)
    assert growth.first_s == [9.0, 1]
    assert growth.final_s == [9.0, 2]
    assert growth.n_unstable == 0


def test_a_word_may_be_final_before_its_turn() -> None:
    """Finality of a word is kept from the message that first said so."""
    growth = Growth()
    growth.add(["good", "d"], [True, False], 1.0)
    growth.add(["good", "day"], [True, True], 2.0)
    assert growth.final_s == [1.0, 2.0]
    growth = Growth()
    growth.add(["good"], [False], 1.0)
    assert math.isnan(growth.final_s[0])


@pytest.mark.parametrize("n_words", [0, 1])
def test_nothing_said_is_no_text(n_words: int) -> None:
    """A message without words is not the first that showed something."""
    growth = Growth()
    growth.add(["so"] * n_words, [False] * n_words, 1.0)
    assert math.isnan(growth.first_text_s) == (not n_words)
