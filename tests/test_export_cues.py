"""Pieces of a text with times, and cues that can be read in time."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbstream.errors import ParameterError
from nbstream.export.clean import clean, fold, no_tags, token
from nbstream.export.cues import Cue, Limits, cues
from nbstream.export.pieces import Piece, join, pieces
from tests.exporting import HOSTILE, talk


def heard(text: str, start_s: float = 0.0, step_s: float = 0.5) -> list[Piece]:
    return [
        Piece(word, start_s + i * step_s, start_s + (i + 1) * step_s, 0.9)
        for i, word in enumerate(text.split())
    ]


def cues_of(text: str, start_s: float = 0.0, step_s: float = 0.4) -> list[Cue]:
    end_s = start_s + step_s * len(text.split())
    return cues(talk([{"text": text, "start_s": start_s, "end_s": end_s}]).said())


# -- pieces ------------------------------------------------------------------------------------


def test_words_keep_their_times() -> None:
    """A text that is its words, letter for letter, has their times and confidences."""
    assert heard("so my fellow") == pieces("so my fellow", heard("so my fellow"))


def test_formatting_keeps_times() -> None:
    """Case and punctuation change no time."""
    found = pieces("So, my FELLOW!", heard("so my fellow"))
    assert ["So,", "my", "FELLOW!"] == [piece.text for piece in found]
    assert [0.0, 0.5, 1.0] == [piece.start_s for piece in found]


def test_corrected_words_share_the_time_that_is_left() -> None:
    """What was added gets the room between its neighbours, by its letters; nobody heard it."""
    found = pieces("so my dear American friend", heard("so my friend", step_s=1.0))
    assert [0.0, 1.0, 2.0, 2.0, 2.0] == [piece.start_s for piece in found]
    found = pieces("a bb cccc", [], 0.0, 7.0)
    assert [(0.0, 1.0), (1.0, 3.0), (3.0, 7.0)] == [(p.start_s, p.end_s) for p in found]
    assert all(math.isnan(piece.confidence) for piece in found)


def test_writing_without_spaces_is_cut_where_words_are() -> None:
    """Of Chinese or Japanese, the recogniser's words say where lines may break."""
    words = [Piece(t, i, i + 1) for i, t in enumerate(["今日は", "いい", "天気"])]
    found = pieces("今日はいい天気", words)
    assert ["今日は", "いい", "天気"] == [piece.text for piece in found]
    assert [True, False, False] == [piece.spaced for piece in found]
    assert "今日はいい天気" == join(found)


def test_a_word_without_end_is_cut() -> None:
    """What fits on no line is several pieces, which share its time."""
    found = pieces("x" * 100, [Piece("x" * 100, 0.0, 3.0)])
    assert 100 == len(join(found))
    assert [40, 40, 20] == [len(piece.text) for piece in found]
    assert 3.0 == found[-1].end_s


@given(text=st.text(max_size=80), words=st.lists(st.text(max_size=8), max_size=12))
def test_any_text_is_all_there_and_runs_forward(text: str, words: list[str]) -> None:
    """Whatever was heard, the pieces are the text, and their times do not run backwards."""
    found = pieces(text, [Piece(w, i * 0.5, i * 0.5 + 0.4) for i, w in enumerate(words)], 0.0, 9.0)
    assert "".join(text.split()) == "".join(piece.text for piece in found)
    assert all(a.start_s <= b.start_s for a, b in itertools.pairwise(found))
    assert all(piece.start_s <= piece.end_s for piece in found)


# -- cues --------------------------------------------------------------------------------------


def test_a_cue_ends_where_a_sentence_does() -> None:
    """Where there is a choice, it is taken at punctuation."""
    text = (
        "We came home late. After that nobody said a word to us, and the lamp went out by itself."
    )
    assert "We came home late." == cues_of(text)[0].text
    assert cues_of(text)[1].text.startswith("After that")


def test_a_pause_is_between_cues_not_in_one() -> None:
    """A silence of seconds is not bridged."""
    words = [("one", 0.0, 0.4), ("two", 0.4, 1.2), ("three", 5.0, 5.5), ("four", 5.5, 6.1)]
    given_talk = talk(
        [{"text": "one two three four", "start_s": 0.0, "end_s": 6.1, "words": words}]
    )
    assert ["one two", "three four"] == [cue.text for cue in cues(given_talk.said())]


def test_short_turns_stay_for_a_second() -> None:
    """By staying longer, by coming earlier, or by overlapping the other speaker's."""
    turns = [
        {"text": "Yes.", "start_s": 3.0, "end_s": 3.2, "speaker": "ada"},
        {"text": "No.", "start_s": 3.3, "end_s": 3.6, "speaker": "bob"},
        {"text": "Well.", "start_s": 9.0, "end_s": 9.1, "speaker": "ada"},
    ]
    found = cues(talk(turns).said())
    assert all(cue.end_s - cue.start_s >= 0.999 for cue in found)
    assert 2.3 <= found[0].start_s <= 3.0
    assert found[2].start_s == 9.0


def test_a_cue_stays_until_it_can_be_read() -> None:
    """Fast speech is shown longer than it lasts, if nothing follows."""
    (cue,) = cues_of("Thirty-four letters, spoken at once.", step_s=0.1)
    assert cue.end_s == pytest.approx(len(cue.text) / 17)


words = st.text("abcdefgh.,!?", min_size=1, max_size=30)
spoken = st.lists(st.tuples(words, st.floats(0.02, 3), st.floats(0, 4)), min_size=1, max_size=60)


@given(said=st.lists(spoken, min_size=1, max_size=3))
def test_any_speech_fits(said: list[list[tuple[str, float, float]]]) -> None:
    """Two lines of 42 characters, 7 s at the most, every word in order, times that run forward."""
    turns: list[dict[str, Any]] = []
    at = 0.0
    for spoken_words in said:
        placed = []
        for text, length_s, pause_s in spoken_words:
            placed.append((text, at, at + length_s))
            at += length_s + pause_s
        text = " ".join(word for word, _, _ in placed)
        turns.append({"text": text, "start_s": placed[0][1], "end_s": placed[-1][2]})
        turns[-1]["words"] = placed
    found = cues(talk(turns).said())
    assert " ".join(turn["text"] for turn in turns) == " ".join(
        word.text for cue in found for word in cue.words
    )
    for cue in found:
        assert len(cue.lines) <= 2
        assert all(len(line) <= 42 for line in cue.text.split("\n"))
        assert 0 < cue.end_s - cue.start_s <= 7.001
    for cue, after in itertools.pairwise(found):
        assert cue.start_s <= after.start_s
        if cue.key == after.key:
            assert cue.end_s <= after.start_s + 1e-9
        else:  # A shorter cue would have had room, or is of the shortest length.
            assert cue.end_s <= after.start_s + 1.001
    for cue in found[-1:]:
        assert cue.end_s - cue.start_s >= 0.999


def test_limits_can_be_chosen() -> None:
    """Lines, their length, speed and times are the caller's to set."""
    text = "one two three four five six seven eight nine ten eleven twelve"
    said = talk([{"text": text, "start_s": 0.0, "end_s": 6.0}]).said()
    narrow = cues(said, Limits(max_lines=3, max_characters=12, max_s=4.0))
    assert all(len(line) <= 12 for cue in narrow for line in cue.text.split("\n"))
    assert 3 == max(len(cue.lines) for cue in narrow)
    assert all(len(cue.lines) == 1 for cue in cues(said, Limits(max_lines=1)))
    with pytest.raises(ParameterError, match="max_lines"):
        Limits(max_lines=0)


# -- clean -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*HOSTILE, "\ud800 half a pair"])
def test_cleaning_leaves_one_line(text: str) -> None:
    """No control character, no open change of direction, nothing that UTF-8 or XML can't hold."""
    found = clean(text)
    assert found == clean(found)
    assert 1 == len((found or "x").splitlines())
    assert found.isprintable() or "\u202e" in found or "\u200f" in found
    assert found.count("\u202e") == found.count("\u202c")
    found.encode("utf-8")


@pytest.mark.parametrize("nothing", [None, float("nan"), 3])
def test_nothing_is_clean(nothing: object) -> None:
    """What is no text is none."""
    assert "" == clean(nothing)


def test_a_token_is_one_word() -> None:
    """For fields that spaces separate; never empty, never a path."""
    assert "Ada_B." == token("Ada B.")
    assert "a_b_c" == token("a/b:c")
    assert "unknown" == token(' \n"/')


def test_wide_brackets_are_the_same_text() -> None:
    """What a format makes of a text is no edit."""
    assert fold("<b>{x}") == fold(no_tags("<b>{x}"))
