"""Error rates: by hand, by jiwer, by time; and differences that can be seen without colour."""

from __future__ import annotations

import math
import re
from pathlib import Path

import jiwer
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbstream as nb
from nbstream import accuracy
from nbstream.accuracy import Stretch, error_rates, normalise
from nbstream.errors import ParameterError
from tests.scripted import turn
from tests.test_annotate import HOSTILE, make

WORDS = st.lists(st.sampled_from(["a", "b", "cc", "d", "e"]), max_size=12).map(" ".join)


@pytest.fixture
def session(tmp_path: Path) -> nb.Session:
    """Three final turns, of 0 to 0.58 s, 1 to 1.58 s and 2 to 2.38 s, and an open one."""
    folder = make(
        tmp_path,
        turn(0, "Who is it?", final=True),
        turn(1, "It's me, Anna.", final=True, start_ms=1000),
        turn(2, "Come in.", final=True, start_ms=2000),
        turn(3, "thank", start_ms=3000),
    )
    return nb.open(folder.path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello,  World!", "hello world"),
        ("Don\u2019t 'quote' it", "don't quote it"),
        ("well-known e.g. 3.5, 1,000 or 12:30.", "well known e g 3.5 1,000 or 12:30"),
        ("5 % of $7", "5 of 7"),
        ("STRASSE straße", "strasse strasse"),
        ("e\u0301té", "été"),
        ("नमस्ते दुनिया।", "नमस्ते दुनिया"),
        (" \n\t", ""),
        ("_a_", "a"),
    ],
)
def test_what_does_not_count(text: str, expected: str) -> None:
    """Case and punctuation; apostrophes in words, numbers and vowel signs do."""
    assert expected == normalise(text)
    assert expected == normalise(expected)


def test_rates_by_hand() -> None:
    """One of each kind of error among five words."""
    one = Stretch("The cat sat on mats.", "the bat sat on the")
    two = Stretch("Hm.", "")
    three = Stretch("", "oh my")
    table = error_rates([one, two, three, Stretch("", "")])
    counts = table[["n_words", "hits", "substitutions", "deletions", "insertions"]]
    assert [5, 3, 2, 0, 0] == counts.loc[0].tolist()
    assert [1, 0, 0, 1, 0] == counts.loc[1].tolist()
    assert [0, 0, 0, 0, 2] == counts.loc[2].tolist()
    assert [6, 3, 2, 1, 2] == counts.loc[4].tolist()
    assert [0.4, 1.0, 0.0] == table["wer"][[0, 1, 3]].tolist()
    assert math.isnan(table["wer"][2])
    assert 5 / 6 == table["wer"][4]
    assert ["turn"] * 4 + ["all"] == table["scope"].tolist()
    assert [19, 2] == table["n_characters"][[0, 1]].tolist()


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6))
def test_rates_are_jiwers(pairs: list[tuple[str, str]]) -> None:
    """By turn and over all, words and characters."""
    table = error_rates([Stretch(said, heard) for said, heard in pairs])
    said, heard = [a for a, _ in pairs], [b for _, b in pairs]
    if any(said):
        assert table["wer"].iloc[-1] == pytest.approx(jiwer.wer(said, heard))
        assert table["cer"].iloc[-1] == pytest.approx(jiwer.cer(said, heard))
    for row, (a, b) in zip(table.itertuples(), pairs, strict=False):
        if a:
            assert row.wer == pytest.approx(jiwer.wer(a, b))
            assert row.cer == pytest.approx(jiwer.cer(a, b))


def test_corrected_turns_are_the_reference(session: nb.Session) -> None:
    """Only they count; a turn in which nothing was said is all insertions."""
    with pytest.raises(ParameterError, match="no turn has been corrected"):
        session.wer()
    session.annotate(turn=1, transcript="It is me, Hannah!")
    session.annotate(turn=2, transcript="")
    table = session.wer()
    assert [1, 2] == table["turn_order"].dropna().tolist()
    assert ["it is me hannah", "", pd.NA] == table["reference"].tolist()
    assert "it's me anna" == table["hypothesis"][0]
    assert [3 / 4, 5 / 4] == [table["wer"][0], table["wer"].iloc[-1]]
    assert math.isnan(table["wer"][1])
    assert 1.0 == table["start_s"][0]


def test_a_normaliser_of_ones_own(session: nb.Session) -> None:
    """Counts what the default one forgives; what it makes must be a text."""
    session.annotate(turn=0, transcript="who is it?")
    assert 0 == session.wer()["wer"].iloc[-1]
    assert 1 / 3 == session.wer(normalise=lambda text: text)["wer"].iloc[-1]
    with pytest.raises(ParameterError, match="made list"):
        session.wer(normalise=str.split)  # type: ignore[arg-type]


def test_a_text_is_that_of_the_whole_session(session: nb.Session, tmp_path: Path) -> None:
    """Given as such or as a file; open turns are left out."""
    text = "Who is it? It's me, Anna. Come on in."
    path = tmp_path / "said.txt"
    path.write_text(text, "utf-8-sig")
    for reference in (text, path, str(path)):
        table = session.wer(reference)
        assert [1 / 9, 1 / 9] == table["wer"].tolist()
        assert 3 == table["n_turns"].iloc[-1]


def test_a_list_has_a_text_for_each_final_turn(session: nb.Session) -> None:
    """Another number of them is an error."""
    table = session.wer(["who is it", "it's me Hannah", "come in"])
    assert [0, 1 / 3, 0, 1 / 8] == table["wer"].tolist()
    with pytest.raises(ParameterError, match="list of 3 texts"):
        session.wer(["a", "b"])


def test_spans_are_matched_by_time(session: nb.Session) -> None:
    """A span over two turns makes one row of them; what nobody recognised is all deletions."""
    spans = pd.DataFrame(
        {
            "start_s": [0.0, 1.0, 3.2],
            "end_s": [1.6, 1.6, 3.5],
            "text": ["Who is it? It's me,", "Hannah.", "Thank you."],
        }
    )
    table = session.wer(spans)
    assert ["who is it it's me hannah", "", "thank you", pd.NA] == table["reference"].tolist()
    assert [2, 1, 0, 3] == table["n_turns"].tolist()
    assert [1, 0, 0, 1] == table["substitutions"].tolist()
    assert [0, 2, 0, 2] == table["insertions"].tolist()
    assert [0, 0, 2, 2] == table["deletions"].tolist()


def test_those_who_speak_at_once_are_told_apart_by_name(tmp_path: Path) -> None:
    """Where turns and reference have the same names, else by time alone."""
    folder = make(
        tmp_path,
        turn(0, "one two three", final=True) | {"connection": 0},
        turn(0, "yes", final=True, start_ms=200) | {"connection": 1},
        channels=("left", "right"),
    )
    session = nb.open(folder.path)
    spans = pd.DataFrame({"start_s": [0, 0.2], "end_s": [0.6, 0.4], "text": ["one two three"] * 2})
    spans.loc[1, "text"] = "yes"
    named = session.wer(spans.assign(speaker=["left", "right"]))
    assert (3, 0.0) == (len(named), named["wer"].iloc[-1])
    other = session.wer(spans.assign(speaker=["A", "B"]))
    assert 2 == len(other)


def test_a_textgrid_is_a_reference(session: nb.Session, tmp_path: Path) -> None:
    """Matched by time, as any file with text and times."""
    from praatio import textgrid

    grid = textgrid.Textgrid()
    entries = [(0, 0.6, "Who is it?"), (1, 1.6, "It's me, Hannah."), (2, 2.4, "Come in.")]
    grid.addTier(textgrid.IntervalTier("Ann", entries, 0, 4))
    path = tmp_path / "said.TextGrid"
    grid.save(str(path), "short_textgrid", includeBlankSpaces=True)
    assert 1 / 8 == session.wer(path)["wer"].iloc[-1]


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("no-such-file.TextGrid", "no file"),
        (Path("no-such-file.txt"), "can't be read"),
        (pd.DataFrame({"start_s": [0], "end_s": [1]}), "lacks text"),
        (pd.DataFrame({"start_s": [0], "end_s": [1], "text": [" "]}), "no text"),
        ([1, 2, 3], "list of 3 texts"),
    ],
)
def test_a_reference_that_is_none_is_said_so(
    session: nb.Session, reference: object, why: str
) -> None:
    """Before anything is counted."""
    with pytest.raises(ParameterError, match=why):
        session.wer(reference)  # type: ignore[arg-type]


def test_differences_are_marked_not_by_colour_alone(session: nb.Session) -> None:
    """Signs and strokes, as elements that say deleted and inserted; as text in brackets."""
    session.annotate(turn=0, transcript="Who was it then?")
    session.annotate(turn=1, transcript="It's me.")
    shown = session.compare_text()
    assert "who [-is-]{+was+} it {+then+}" == str(shown.alignments[0])
    assert "it's me [-anna-]" == str(shown.alignments[1])
    page = shown._repr_html_()
    assert 3 == len(re.findall("<del [^>]*line-through[^>]*>&minus;", page))
    assert 3 == len(re.findall(r"<ins [^>]*underline[^>]*>\+", page))
    assert ["1.00 s"] == [one.title for one in session.compare_text(1).alignments]
    assert 1 == len(session.compare_text((0, 1)).alignments)
    with pytest.raises(ParameterError, match="nothing to be compared"):
        session.compare_text(2)
    with pytest.raises(ParameterError, match="no turn 9"):
        session.compare_text(9)
    assert "text 0" == session.compare_text(reference="who is it").alignments[0].title


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_breaks_out_of_the_page(session: nb.Session, text: str) -> None:
    """Only our own elements are in it, whatever was said; also with a normaliser that keeps all."""
    session.annotate(turn=0, transcript=text)
    page = session.compare_text(normalise=lambda text: text)._repr_html_()
    assert {"div", "p", "small", "b", "span", "del", "ins"} >= set(re.findall(r"<(\w+)", page))
    session.wer()
    assert "all" == session.wer(text + " and more words " * 50)["scope"].iloc[-1]


def test_without_jiwer_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra."""
    monkeypatch.setitem(__import__("sys").modules, "jiwer", None)
    with pytest.raises(ParameterError, match=r"nbstream\[wer\]"):
        accuracy.error_rates([])
