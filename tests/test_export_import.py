"""What is edited elsewhere comes back; what is not edited changes nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pympi
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from praatio import textgrid
from praatio.utilities.constants import Interval

import nbstream as nb
from nbstream import events as ev
from nbstream import protocol
from nbstream.errors import ParameterError
from nbstream.export import Talk, changes, read, read_spans, write
from nbstream.store import Folder
from tests.exporting import NAMES, hostile, run, talk

READABLE = ["talk.TextGrid", "talk.eaf", "talk.labels.txt", "talk.rttm"]
WITH_TEXT = READABLE[:3]
TURNS = [
    {"text": "Good day.", "start_s": 0.5, "end_s": 1.5, "speaker": "ada", "channel": 0},
    {"text": "How are you?", "start_s": 1.4, "end_s": 3.0, "speaker": "bob", "channel": 1},
    {"text": "Fine, thanks.", "start_s": 3.25, "end_s": 4.0, "speaker": "ada", "channel": 0},
]
NOTES = [
    {"kind": "label", "connection": 0, "turn_order": 1, "start_s": 1.4, "end_s": 3.0}
    | {"value": "question", "channel": 1},
    {"kind": "label", "connection": 0, "turn_order": 1, "start_s": 1.4, "end_s": 3.0}
    | {"value": "polite", "channel": 1},
    {"kind": "note", "connection": 0, "turn_order": 0, "start_s": 0.5, "end_s": 1.5}
    | {"value": "tired?", "channel": 0},
    {"kind": "label", "start_s": 2.0, "end_s": 2.5, "value": "noise", "channel": 0},
    {"kind": "mark", "start_s": 3.5, "end_s": 3.5, "value": ""},
]


@pytest.fixture(autouse=True)
def no_warning() -> Iterator[None]:
    """A warning is part of a promise, or a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


@pytest.fixture
def given_talk() -> Talk:
    return talk(TURNS, NOTES, speakers=("ada", "bob"), n_channels=2, duration_s=5.0)


def edited(given: Talk, path: Path, edit: Any) -> list[dict[str, Any]]:
    """Changes after praatio, not we, edited the tiers of an exported TextGrid."""
    write(given, path)
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    edit(grid)
    grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
    return changes(given, read(path))


@pytest.mark.parametrize("name", READABLE)
def test_an_export_without_edits_changes_nothing(
    given_talk: Talk, name: str, tmp_path: Path
) -> None:
    """Turns, labels, notes and marks come back as they were."""
    found = read(write(given_talk, tmp_path / name))
    assert [] == changes(given_talk, found)
    assert {"start_s", "end_s", "speaker", "text", "kind", "tier"} == set(found.columns)
    assert [0.5, 1.4, 3.25] == found.loc[found["kind"] == "turns", "start_s"].tolist()


@pytest.mark.parametrize("name", READABLE)
def test_hostile_text_comes_back_unchanged(name: str, tmp_path: Path) -> None:
    """Markup of any format in texts and names is text and nothing else."""
    assert [] == changes(hostile(), read(write(hostile(), tmp_path / name)))


names = st.sampled_from(NAMES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
times = st.floats(0, 20, allow_nan=False)
lengths = st.floats(0, 5)
turns = st.builds(
    lambda text, speaker, at, length: {
        "text": text,
        "speaker": speaker or None,
        "start_s": at,
        "end_s": at + length,
    },
    anything,
    names,
    times,
    lengths,
)
spans = st.builds(
    lambda kind, value, at, length: {
        "kind": kind,
        "value": value,
        "start_s": at,
        "end_s": at + length,
    },
    st.sampled_from(["label", "note", "mark"]),
    anything,
    times,
    lengths,
)
on_turns = st.builds(
    lambda kind, value, turn: {"kind": kind, "value": value, "connection": 0, "turn_order": turn},
    st.sampled_from(["label", "note", "transcript", "speaker"]),
    anything,
    st.integers(0, 5),
)


@pytest.mark.parametrize("name", READABLE)
@given(said=st.lists(turns, max_size=6), notes=st.lists(spans | on_turns, max_size=8))
@example(  # at one time, of which some formats have the last alone
    said=[{"text": text, "speaker": "ada", "start_s": 0.0, "end_s": 0.0} for text in ("", "0")],
    notes=[],
)
def test_any_talk_comes_back_unchanged(
    name: str, said: list[dict[str, Any]], notes: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Whatever is said, by whoever, whenever, overlapping or not, labelled with anything."""
    any_talk = talk(said, notes)
    assert [] == changes(any_talk, read(write(any_talk, tmp_path / name)))


def test_praat_saves_what_it_read(given_talk: Talk, tmp_path: Path) -> None:
    """A TextGrid that went through Praat, in UTF-16 for its accents, changes nothing."""
    accents = talk(
        [TURNS[0] | {"text": 'Schön "gesagt"'}, *TURNS[1:]], NOTES, speakers=("ada", "bob")
    )
    path, saved = write(accents, tmp_path / "talk.TextGrid"), tmp_path / "saved.TextGrid"
    for command in ("Save as text file", "Save as short text file"):
        script = tmp_path / "save.praat"
        script.write_text(f'Read from file: "{path}"\n{command}: "{saved}"\n')
        run("praat", "--run", script)
        assert [] == changes(accents, read(saved))
    script.write_text(
        'Text writing preferences: "UTF-16"\n'
        f'Read from file: "{path}"\nSave as text file: "{saved}"\n'
    )
    run("praat", "--run", script)
    assert saved.read_bytes()[:2] in (b"\xfe\xff", b"\xff\xfe")
    assert [] == changes(accents, read(saved))


def test_a_corrected_text_comes_back(given_talk: Talk, tmp_path: Path) -> None:
    """An interval that was rewritten is a corrected transcript of its turn."""

    def edit(grid: textgrid.Textgrid) -> None:
        tier = grid.getTier("turns@bob")
        tier.insertEntry(Interval(1.4, 3.0, "Who are you?"), collisionMode="replace")

    found = edited(given_talk, tmp_path / "x.TextGrid", edit)
    assert [{"turn": (0, 1), "transcript": "Who are you?"}] == found


def test_a_turn_that_changed_its_tier_changed_its_speaker(given_talk: Talk, tmp_path: Path) -> None:
    """Cut from one tier, put into another; a new tier is a new speaker."""

    def edit(grid: textgrid.Textgrid) -> None:
        grid.getTier("turns@ada").deleteEntry(Interval(3.25, 4.0, "Fine, thanks."))
        grid.getTier("turns@bob").insertEntry(Interval(3.25, 4.0, "Fine, thanks."))
        grid.getTier("turns@ada").deleteEntry(Interval(0.5, 1.5, "Good day."))
        new = textgrid.IntervalTier("turns@Carl Ö.", [Interval(0.5, 1.5, "Good day.")], 0, 5)
        grid.addTier(new)

    assert [
        {"turn": (0, 0), "speaker": "Carl Ö."},
        {"turn": (0, 2), "speaker": "bob"},
    ] == edited(given_talk, tmp_path / "x.TextGrid", edit)


def test_remarks_stay_with_a_turn_whose_speaker_changed(given_talk: Talk, tmp_path: Path) -> None:
    """The turn went to another tier; its note did not, or went along: it is the turn's still."""

    def move(grid: textgrid.Textgrid, *kinds: tuple[str, str]) -> None:
        for kind, text in kinds:
            grid.getTier(f"{kind}@ada").deleteEntry(Interval(0.5, 1.5, text))
            tier = textgrid.IntervalTier(f"{kind}@eve", [Interval(0.5, 1.5, text)], 0, 5)
            grid.addTier(tier)

    turn, note = ("turns", "Good day."), ("notes", "tired?")
    for moved in ([turn], [turn, note]):
        found = edited(given_talk, tmp_path / "x.TextGrid", lambda grid, m=moved: move(grid, *m))
        assert [{"turn": (0, 0), "speaker": "eve"}] == found


def test_labels_and_notes_that_were_added(given_talk: Talk, tmp_path: Path) -> None:
    """With the edges of a turn, they are about the turn; else about a span of its channel."""

    def edit(grid: textgrid.Textgrid) -> None:
        grid.getTier("labels@ada").insertEntry(Interval(3.25, 4.0, "answer; polite"))
        grid.getTier("notes@bob").insertEntry(Interval(0.1, 0.4, "cough"))

    assert [
        {"start_s": 0.1, "end_s": 0.4, "channel": 1, "note": "cough"},
        {"turn": (0, 2), "label": "answer"},
        {"turn": (0, 2), "label": "polite"},
    ] == edited(given_talk, tmp_path / "x.TextGrid", edit)


def test_labels_that_were_removed_renamed_and_moved(given_talk: Talk, tmp_path: Path) -> None:
    """Of two labels the one that is gone is taken away; what was moved is gone and there anew."""

    def edit(grid: textgrid.Textgrid) -> None:
        labels = grid.getTier("labels@bob")
        labels.insertEntry(Interval(1.4, 3.0, "polite"), collisionMode="replace")
        noise = grid.getTier("labels@ada")
        noise.deleteEntry(Interval(2.0, 2.5, "noise"))
        noise.insertEntry(Interval(2.0, 2.75, "noise"))
        grid.getTier("notes@ada").deleteEntry(Interval(0.5, 1.5, "tired?"))

    assert [
        {"remove": "id2"},
        {"remove": "id0"},
        {"remove": "id3"},
        {"start_s": 2.0, "end_s": 2.75, "channel": 0, "label": "noise"},
    ] == edited(given_talk, tmp_path / "x.TextGrid", edit)


def test_a_tier_that_is_not_there_takes_nothing_away(given_talk: Talk, tmp_path: Path) -> None:
    """A file with turns alone says nothing about labels; with an empty tier it does."""

    def edit(grid: textgrid.Textgrid) -> None:
        for name in grid.tierNames:
            if not name.startswith("turns"):
                grid.removeTier(name)

    assert [] == edited(given_talk, tmp_path / "x.TextGrid", edit)


def test_turns_are_the_services(given_talk: Talk, tmp_path: Path) -> None:
    """Those that were moved, added or deleted elsewhere stay, and that is said."""

    def edit(grid: textgrid.Textgrid) -> None:
        tier = grid.getTier("turns@ada")
        tier.deleteEntry(Interval(0.5, 1.5, "Good day."))
        tier.deleteEntry(Interval(3.25, 4.0, "Fine, thanks."))
        tier.insertEntry(Interval(3.2, 4.1, "Fine, thank you."))
        tier.insertEntry(Interval(4.5, 4.9, "Bye."))

    with pytest.warns(UserWarning, match="1 moved in the file, 1 are not in it, 1 are only there"):
        found = edited(given_talk, tmp_path / "x.TextGrid", edit)
    assert [{"turn": (0, 2), "transcript": "Fine, thank you."}] == found


def test_elan_files_come_back_edited(given_talk: Talk, tmp_path: Path) -> None:
    """What pympi writes after an edit: a text, and a label."""
    path, saved = write(given_talk, tmp_path / "talk.eaf"), tmp_path / "saved.eaf"
    eaf = pympi.Eaf(str(path))
    eaf.remove_annotation("turns@bob", 2000)
    eaf.add_annotation("turns@bob", 1400, 3000, "How old are you?")
    eaf.add_annotation("labels@ada", 500, 1500, "greeting")
    eaf.to_file(str(saved))
    assert [
        {"turn": (0, 0), "label": "greeting"},
        {"turn": (0, 1), "transcript": "How old are you?"},
    ] == changes(given_talk, read(saved))


def test_audacity_labels_come_back_edited(given_talk: Talk, tmp_path: Path) -> None:
    """A rewritten line, a renamed speaker, a new label; ranges of frequencies are passed over."""
    path = write(given_talk, tmp_path / "talk.labels.txt")
    text = path.read_text("utf-8").replace("ada: Good day.", "bob: Good day!")
    saved = tmp_path / "Label Track.txt"
    saved.write_text(text + "3,000000\t3,250000\t[pause]\r\n\\\t100.0\t200.0\n", "utf-8")
    assert [
        {"turn": (0, 0), "transcript": "Good day!"},
        {"turn": (0, 0), "speaker": "bob"},
        {"start_s": 3.0, "end_s": 3.25, "channel": None, "label": "pause"},
    ] == changes(given_talk, read(saved))


def test_an_rttm_can_say_who_spoke(given_talk: Talk, tmp_path: Path) -> None:
    """Another diarisation of the same turns corrects speakers, and leaves texts alone."""
    path = write(given_talk, tmp_path / "talk.rttm")
    path.write_text(path.read_text().replace(" ada ", " eve "))
    assert [
        {"turn": (0, 0), "speaker": "eve"},
        {"turn": (0, 2), "speaker": "eve"},
    ] == changes(given_talk, read(path))


def test_corrections_are_what_is_compared(tmp_path: Path) -> None:
    """A turn that was corrected before is exported corrected; its own text back is a change."""
    corrected = [
        {"kind": "transcript", "connection": 0, "turn_order": 0, "value": "Good bye."},
        {"kind": "speaker", "connection": 0, "turn_order": 1, "value": "eve"},
    ]
    given = talk(TURNS, corrected)
    path = write(given, tmp_path / "x.TextGrid")
    assert [] == changes(given, read(path))
    assert "Good bye." in path.read_text("utf-8")
    assert [
        {"turn": (0, 0), "transcript": "Good day."},
        {"turn": (0, 1), "speaker": "bob"},
    ] == changes(given, read(write(talk(TURNS), tmp_path / "y.TextGrid")))


def test_nothing_said_is_no_change(tmp_path: Path) -> None:
    """A turn whose correction is empty stays so, though some formats have no empty span."""
    empty = [{"kind": "transcript", "connection": 0, "turn_order": 0, "value": ""}]
    for name in READABLE:
        given = talk(TURNS, empty)
        assert [] == changes(given, read(write(given, tmp_path / name)))


def test_changes_can_be_annotated(tmp_path: Path) -> None:
    """A session takes them as they are, and then nothing differs from the edited file."""
    folder = Folder.create(tmp_path, "talk", {"speakers": ["ada", "bob"]})
    folder.append_audio(bytes(4 * 16_000 * 5), 5.0)
    folder.append_event(ev.Connected("ws://x", 0), 0.1, 0)
    for number, (text, start_ms) in enumerate((("Good day.", 500), ("How are you?", 2000))):
        words = [
            {"text": w, "start": start_ms + 200 * i, "end": start_ms + 200 * i + 150}
            | {"confidence": 0.9, "word_is_final": True}
            for i, w in enumerate(text.split())
        ]
        folder.append_event(
            protocol.decode(
                pd.Series(
                    {
                        "type": "Turn",
                        "turn_order": number,
                        "end_of_turn": True,
                        "turn_is_formatted": True,
                        "end_of_turn_confidence": 1.0,
                        "transcript": text,
                        "words": words,
                    }
                ).to_json()
            ),
            1.5,
            0,
        )
    folder.update(state="stopped")
    folder.close()
    session = nb.open(folder.path)
    session.annotate(turn=0, label="greeting")
    path = session.export(tmp_path / "talk.eaf")
    eaf = pympi.Eaf(str(path))
    tier = next(name for name in eaf.get_tier_names() if name.startswith("turns"))
    (first, *_) = eaf.get_annotation_data_for_tier(tier)
    eaf.remove_annotation(tier, (first[0] + first[1]) // 2)
    eaf.add_annotation(tier, first[0], first[1], "Good night.")
    labels = tier.replace("turns", "labels")
    eaf.remove_all_annotations_from_tier(labels)
    eaf.add_annotation(labels, 100, 300, "noise")
    eaf.to_file(str(path))
    from nbstream.export import talk_of

    for change in changes(talk_of(session), read(path)):
        if "remove" in change:
            session.unannotate(change["remove"])
        else:
            session.annotate(**change)
    assert [] == changes(talk_of(session), read(path))
    assert session.turns["corrected"][0] == "Good night."
    assert session.annotations["value"].tolist() == ["noise", "Good night."]


@pytest.mark.parametrize("name", READABLE)
def test_who_spoke_when_can_be_a_reference(given_talk: Talk, name: str, tmp_path: Path) -> None:
    """Turns alone, with their speakers: words and labels are no turns."""
    spans = read_spans(write(given_talk, tmp_path / name))
    assert ["start_s", "end_s", "speaker", "text"] == list(spans.columns)
    assert ["ada", "bob", "ada"] == spans["speaker"].tolist()


def test_other_peoples_files_are_a_reference(tmp_path: Path) -> None:
    """Tiers that are named as people; Audacity's labels that are names."""
    grid = textgrid.Textgrid()
    for who, span in (("Eve", Interval(0, 1, "hi")), ("words", Interval(1, 2, "you"))):
        grid.addTier(textgrid.IntervalTier(who, [span], 0, 3))
    grid.save(str(tmp_path / "x.TextGrid"), "short_textgrid", includeBlankSpaces=True)
    assert ["Eve"] == read_spans(tmp_path / "x.TextGrid")["speaker"].tolist()
    (tmp_path / "x.txt").write_text("0.5\t1.5\tEve\n2\t3\tAda: hello\n")
    assert ["Eve", "Ada"] == read_spans(tmp_path / "x.txt")["speaker"].tolist()
    eaf = pympi.Eaf()
    eaf.add_tier("Eve")
    eaf.add_annotation("Eve", 100, 900, "hi")
    eaf.remove_tier("default")
    eaf.to_file(str(tmp_path / "x.eaf"))
    assert [(0.1, 0.9, "Eve", "hi")] == list(
        read_spans(tmp_path / "x.eaf").itertuples(index=False, name=None)
    )


def test_annotations_that_refer_take_their_parents_time(tmp_path: Path) -> None:
    """ELAN's symbolic tiers have no time of their own; a ring of references ends nowhere."""
    eaf = pympi.Eaf()
    eaf.add_tier("Eve")
    eaf.add_linguistic_type("gloss", "Symbolic_Association")
    eaf.add_tier("gloss@Eve", "gloss", "Eve")
    eaf.add_annotation("Eve", 100, 900, "hi")
    eaf.add_ref_annotation("gloss@Eve", "Eve", 500, "hello")
    eaf.to_file(str(tmp_path / "x.eaf"))
    found = read(tmp_path / "x.eaf")
    assert [(0.1, 0.9)] * 2 == list(found[["start_s", "end_s"]].itertuples(index=False, name=None))
    ring = (
        (tmp_path / "x.eaf")
        .read_text("utf-8")
        .replace('ANNOTATION_REF="a2"', 'ANNOTATION_REF="a3"')
    )
    (tmp_path / "x.eaf").write_text(ring, "utf-8")
    assert len(read(tmp_path / "x.eaf")) == 1


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]>' + (
    "<ANNOTATION_DOCUMENT>&z;</ANNOTATION_DOCUMENT>"
)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.eaf", BOMB, "entities"),
        ("x.eaf", "<html/>", "root is html"),
        ("x.eaf", "not xml", "ELAN"),
        ("x.eaf", '<ANNOTATION_DOCUMENT><TIER x="1"/></ANNOTATION_DOCUMENT>', "TIER_ID"),
        (
            "x.eaf",
            '<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="PAL-frames"/></ANNOTATION_DOCUMENT>',
            "PAL",
        ),
        ("x.TextGrid", "nonsense", "TextGrid"),
        (
            "x.TextGrid",
            'File type = "ooTextFile"\nObject class = "TextGrid"\n0 1 <exists> 9',
            "TextGrid",
        ),
        ("x.TextGrid", '"ooTextFile" "TextGrid" 0 1 1e99', "TextGrid"),
        ("x.labels.txt", "one\ttwo\tthree", "line 1"),
        ("x.labels.txt", "2.0\t1.0\tbackwards", "line 1"),
        ("x.labels.txt", "nan\tinf\tnowhere", "line 1"),
        ("x.rttm", "SPEAKER x 1 zero", "line 1"),
        ("x.rttm", "SPEAKER x 1 inf 1 <NA> <NA> a", "line 1"),
        ("x.srt", "1", "no kind"),
        ("x.docx", "1", "no kind"),
    ],
)
def test_what_cannot_be_read_says_so(name: str, content: str, says: str, tmp_path: Path) -> None:
    """Broken, foreign and hostile files end in one kind of error, with where and why."""
    (tmp_path / name).write_text(content)
    with pytest.raises(ParameterError, match=says):
        read(tmp_path / name)


@pytest.mark.parametrize("name", READABLE)
@given(data=st.data())
def test_a_damaged_file_is_an_error_of_ours(name: str, data: st.DataObject, tmp_path: Path) -> None:
    """Bytes that were lost or changed are read as something, or refused as what they are."""
    whole = write(talk(TURNS, NOTES), tmp_path / f"whole{name}").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.integers(0, 40))
    put = data.draw(st.binary(max_size=10))
    (tmp_path / name).write_bytes(whole[:at] + put + whole[at + cut :])
    try:
        found = read(tmp_path / name)
    except ParameterError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        changes(talk(TURNS, NOTES), found)


def test_there_is_no_such_file(tmp_path: Path) -> None:
    """A name that is wrong says so before anything else."""
    with pytest.raises(ParameterError, match="there is no file"):
        read(tmp_path / "x.eaf")
