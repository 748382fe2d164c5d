"""Annotations: a log that only grows, what it amounts to, and how it follows the turns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbstream as nb
from nbstream import annotate, protocol, tables
from nbstream import events as ev
from nbstream.annotate import Change, Log
from nbstream.errors import ParameterError
from nbstream.store import Folder
from tests.conftest import ROOT
from tests.fakes import Given, noise
from tests.scripted import turn

HOSTILE = [
    "<script>alert(1)</script>",
    '=HYPERLINK("http://x")',
    "../../etc/passwd",
    "\u202eright to left",
    "line\u2028separator\nand\r\nbreaks",
    '"quoted" \\ and \x00 null',
    "\ud800 alone",
    "x" * 10_000,
    "null",
    "é́ 한국어 \xed",
]


def make(parent: Path, *messages: dict, channels: tuple[str, ...] = ()) -> Folder:
    """A folder of four seconds with these turns; of several channels, one connection each."""
    folder = Folder.create(parent, "talk", {"speakers": list(channels)} if channels else {})
    folder.append_audio(noise(4 * (len(channels) or 1)), 4.0)
    for number, _ in enumerate(channels or ("",)):
        folder.append_event(ev.Connected("ws://x", 0, number if channels else None), 0.1, number)
    for message in messages:
        connection = message.pop("connection", 0)
        folder.append_event(protocol.decode(json.dumps(message)), 1.5, connection)
    folder.update(state="stopped")
    folder.close()
    return folder


@pytest.fixture
def session(tmp_path: Path) -> nb.Session:
    """Two final turns and an open one."""
    folder = make(
        tmp_path,
        turn(0, "Good day.", final=True),
        turn(1, "Who is it?", final=True, start_ms=1000),
        turn(2, "it is", start_ms=2000),
    )
    return nb.open(folder.path)


# -- the log ---------------------------------------------------------------------------------


class Model:
    """What a log should amount to, the simple way: whole states, kept on two stacks."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.past: list[dict[str, str]] = []
        self.future: list[dict[str, str]] = []

    def step(self, values: dict[str, str | None]) -> None:
        self.past.append(self.state)
        merged = self.state | values
        self.state = {k: v for k, v in merged.items() if v is not None}
        self.future.clear()

    def undo(self) -> None:
        if self.past:
            self.future.append(self.state)
            self.state = self.past.pop()

    def redo(self) -> None:
        if self.future:
            self.past.append(self.state)
            self.state = self.future.pop()


STEP = st.dictionaries(
    st.sampled_from("abcd"), st.none() | st.sampled_from(["1", "2", ""]), min_size=1, max_size=3
)


@given(st.lists(STEP | st.sampled_from(["undo", "redo"]), max_size=25))
def test_any_sequence_amounts_to_what_a_simple_model_says(steps: list[Any]) -> None:
    """Set, remove, undo and redo in any order; and the last line for an id says what it is."""
    log, model = Log(), Model()
    for number, step in enumerate(steps):
        if isinstance(step, str):
            lines = getattr(log, step)("me", "now", f"s{number}")
            getattr(model, step)()
        else:
            lines = [
                Change(k, "t", "me", "remove" if v is None else "set", f"s{number}", "note", v, 1.0)
                for k, v in step.items()
            ]
            model.step(step)
        for line in lines:
            log.add(annotate.decode(annotate.encode(line)))
        assert model.state == {change.id: change.value for change in log.annotations()}
        last = {change.id: change.value for change in log.changes}
        assert model.state == {id_: value for id_, value in last.items() if value is not None}


def test_what_one_author_undoes_leaves_the_others_alone() -> None:
    """Undo of one's own step keeps what somebody else has since said about the same thing."""
    log = Log()
    for author, value in (("ann", "1"), ("ben", "2"), ("ann", "3"), ("ben", "4")):
        log.add(Change("x", "t", author, "set", author + value, "note", value, 0.0))
    for line in log.undo("ann", "t", "u1", of="ann"):
        log.add(line)
    assert ["4"] == [change.value for change in log.annotations()]
    for line in log.undo("ben", "t", "u2", of="ben"):
        log.add(line)
    assert ["2"] == [change.value for change in log.annotations()]
    assert [] == log.undo("cleo", "t", "u3", of="cleo")


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "[]", "{}", "null", '{"id": 1}', '{"id":"a","start_s":NaN}', "[" * 100_000]
    + [
        annotate.encode(Change("a", "t", "me", "set", "s", "note", value))
        for value in (1, ["x"], {"x": "y"}, True)
    ]
    + [annotate.encode(Change("a", "t", "me", "explode", "s", "note", "x"))]
    + [annotate.encode(Change("a", "t", "me", "set", "s", "note", "x", float("inf")))],
)
def test_a_strange_line_is_kept_and_hides_no_other(tmp_path: Path, line: str) -> None:
    """It stands in the history as it is, and what is before and behind it counts."""
    session = nb.open(make(tmp_path, turn(0, "Yes.", final=True)).path)
    session.annotate(turn=0, label="a")
    with open(session.folder / "annotations.jsonl", "a") as file:
        file.write(line.rstrip("\n") + "\n")
    session.annotate(turn=0, label="b")
    assert ["a", "b"] == list(session.annotations["value"])
    assert set(session.annotation_history["op"]) <= {"set", "unknown"}
    assert not session.damage


# -- which turn it is about ------------------------------------------------------------------


def rows_of(*spans: tuple[float, float], channel: int | None = None) -> list[tables.TurnRow]:
    """Turns with these edges, in s."""
    rows = []
    for n, (start_s, end_s) in enumerate(spans):
        word = ev.Word("w", start_s * 1000, end_s * 1000, 1.0, True)
        rows.append(tables.TurnRow(0, n, 0.0, channel, "w", (word,), is_final=True))
    return rows


def on(rows: list[tables.TurnRow], n: int, kind: str = "label", value: str = "v") -> Change:
    """An annotation of a turn."""
    row = rows[n]
    where = (row.start_s, row.end_s, row.channel, row.connection, row.turn_order)
    return Change(f"{kind}{n}", "t", "me", "set", f"s{n}", kind, value, *where)


@given(
    st.lists(st.tuples(st.floats(0.4, 3), st.floats(0.4, 2)), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_annotations_survive_another_transcription(
    lengths: list[tuple[float, float]], random: Any
) -> None:
    """Edges that move by 0.15 s, and other numbers of turns, change nothing at all."""
    at_s, spans = 0.0, []
    for length_s, silence_s in lengths:
        spans.append((at_s, at_s + length_s))
        at_s += length_s + silence_s
    before = rows_of(*spans)
    moved = [
        (max(0, a + random.uniform(-0.15, 0.15)), b + random.uniform(-0.15, 0.15)) for a, b in spans
    ]
    after = rows_of(*moved)
    for n, row in enumerate(after):
        row.connection, row.turn_order = 7, 100 - n
    made = [on(before, n, kind) for n in range(len(before)) for kind in ("label", "transcript")]
    found = annotate.resolve(made, after)
    assert {change.id: 100 - (change.turn_order or 0) for change in made} == {
        id_: row.turn_order for id_, row in found.items()
    }


def test_a_turn_that_was_split_or_joined_keeps_labels_and_loses_its_correction() -> None:
    """A correction says what was said between two edges; elsewhere it would be wrong."""
    before = rows_of((0, 4), (5, 9))
    made = [on(before, n, kind) for n in (0, 1) for kind in ("label", "transcript", "speaker")]
    joined = rows_of((0, 9))
    found = annotate.remarks(made, joined)
    assert {(0, 0): {"label": "v", "speaker_corrected": "v"}} == found
    split = rows_of((0, 1), (1.2, 4), (5, 9))
    found = annotate.remarks(made, split)
    assert {"label": "v", "speaker_corrected": "v"} == found[0, 1]
    assert {"label": "v", "corrected": "v", "speaker_corrected": "v"} == found[0, 2]


def test_what_no_turn_overlaps_is_about_none() -> None:
    """It stays as a span; so does one whose channel has no turn there."""
    assert {} == annotate.resolve([on(rows_of((0, 1)), 0)], rows_of((2, 3)))
    assert {} == annotate.resolve([on(rows_of((0, 1)), 0)], [])
    left, right = rows_of((0, 1), channel=0), rows_of((0, 1), channel=1)
    assert {} == annotate.resolve([on(left, 0)], right)


def test_equal_overlaps_are_decided_by_the_number_of_the_turn() -> None:
    """Two turns of the same span: the one that was annotated."""
    rows = rows_of((0, 1), (0, 1))
    made = [on(rows, 1), on(rows, 0, "note")]
    assert [1, 0] == [annotate.resolve(made, rows)[change.id].turn_order for change in made]


def test_a_turn_without_words_is_found_by_its_number() -> None:
    """It has no place in the audio."""
    row = tables.TurnRow(0, 4, 0.0, transcript="hm")
    change = Change("x", "t", "me", "set", "s", "label", "v", None, None, None, 0, 4)
    assert {"x": row} == annotate.resolve([change], [row])


# -- the session ---------------------------------------------------------------------------------


def test_what_is_annotated_stands_in_turns(session: nb.Session) -> None:
    """Labels side by side, corrections beside the untouched original, in any process."""
    ids = session.annotate(turn=1, label=["question", "rude"], transcript="Who's there?")
    assert 3 == len(ids)
    session.annotate(turn=(0, 1), note="knocks", speaker="Ann", author="ben")
    for opened in (session, nb.open(session.folder)):
        row = opened.turns.loc[1]
        assert ("Who is it?", "Who's there?") == (row["transcript"], row["corrected"])
        assert ("question; rude", "knocks") == (row["label"], row["note"])
        assert "Ann" == row["speaker_corrected"]
        assert opened.turns.loc[[0, 2], list(tables.schema.REMARKS)].isna().all(axis=None)
        assert "Ann" == opened.timing()["speaker"][1]
        assert opened.timing()["speaker"].isna()[0]
    assert ["ben", "ben"] == list(session.annotations.query("author == 'ben'")["author"])


def test_a_turn_has_one_correction(session: nb.Session) -> None:
    """The next one takes its place, and undo brings the first one back."""
    first = session.annotate(turn=0, transcript="One.")
    assert first == session.annotate(turn=0, transcript="Two.")
    assert ["Two."] == list(session.annotations["value"])
    assert [first] == session.undo()
    assert "One." == session.turns["corrected"][0]
    assert [first] == session.redo()
    assert "Two." == session.turns["corrected"][0]
    session.unannotate(first)
    assert session.turns["corrected"].isna().all()
    session.undo()
    assert "Two." == session.turns["corrected"][0]
    assert "set set undo redo remove undo" == " ".join(session.annotation_history["op"])


def test_saying_it_again_changes_nothing(session: nb.Session) -> None:
    """The same label, note or correction is no second one, and no step to undo."""
    first = session.annotate(turn=0, label="a", note="b", transcript="c", speaker="d")
    size = (session.folder / "annotations.jsonl").stat().st_size
    assert first == session.annotate(turn=0, label="a", note="b", transcript="c", speaker="d")
    assert size == (session.folder / "annotations.jsonl").stat().st_size


def test_nothing_to_undo_is_no_error(session: nb.Session) -> None:
    """An empty answer, and no file is made."""
    assert [] == session.undo() == session.redo()
    assert not (session.folder / "annotations.jsonl").exists()
    assert session.annotations.empty
    assert session.annotation_history.empty


def test_a_table_is_one_step(session: nb.Session) -> None:
    """Annotated at once and undone at once; rows without anything to say are passed over."""
    table = pd.DataFrame({"turn": [0, 1, 2], "label": ["a", None, "c"], "note": ["n", None, None]})
    assert 3 == len(session.annotate(table))
    assert ["a", "c"] == list(session.turns["label"].dropna())
    spans = pd.DataFrame({"start_s": [0.5], "end_s": [0.7], "label": ["cough"], "more": [1]})
    assert 1 == len(session.annotate(spans, author="ann"))
    session.undo()
    assert 3 == len(session.undo())
    assert session.annotations.empty


def test_the_table_of_turns_goes_back_with_what_was_filled_in(session: nb.Session) -> None:
    """Only the columns of people's remarks count, and only what is new in them."""
    session.annotate(turn=0, label=["a", "b"], note="n")
    turns = session.turns
    turns.loc[1, ["corrected", "label"]] = ["Who?", "question"]
    n_before = len(session.annotation_history)
    session.annotate(turns)
    assert n_before + 2 == len(session.annotation_history)
    assert ["a; b", "question"] == list(session.turns["label"].dropna())
    assert ["Who?"] == list(session.turns["corrected"].dropna())


def test_another_session_of_the_same_audio_takes_them_over(
    session: nb.Session, tmp_path: Path
) -> None:
    """By where they are in the audio, not by the number of the turn; twice is once."""
    session.annotate(turn=1, label="question", transcript="Who's there?")
    session.annotate(start_s=3, end_s=3.5, note="a door")
    session.mark("here", 0.5)
    other = make(tmp_path, turn(0, "who is it", final=True, start_ms=1050))
    again = nb.open(other.path)
    again.annotate(session.annotations)
    again.annotate(session.annotations)
    assert ["mark", "label", "transcript", "note"] == list(again.annotations["kind"])
    row = again.turns.loc[0]
    assert ("question", "Who's there?") == (row["label"], row["corrected"])


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"turn": 3, "label": "x"}, "no turn 3"),
        ({"turn": -4, "label": "x"}, "no turn -4"),
        ({"turn": (1, 0), "label": "x"}, "no turn"),
        ({"turn": 0.5, "label": "x"}, "no whole number"),
        ({"turn": True, "label": "x"}, "no whole number"),
        ({"turn": 0}, "nothing to annotate"),
        ({"label": "x"}, "no turn, and no span"),
        ({"start_s": 1, "label": "x"}, "no span"),
        ({"turn": 0, "start_s": 1, "end_s": 2, "label": "x"}, "one of them"),
        ({"turn": 0, "channel": 0, "label": "x"}, "one of them"),
        ({"start_s": 1, "end_s": 99, "label": "x"}, "outside the recording"),
        ({"start_s": -1, "end_s": 2, "label": "x"}, "outside the recording"),
        ({"start_s": float("nan"), "end_s": 2, "label": "x"}, "outside the recording"),
        ({"start_s": 2, "end_s": 1, "label": "x"}, "before it starts"),
        ({"start_s": 1, "end_s": 2, "channel": 1, "label": "x"}, "channel 1 is not there"),
        ({"turn": 0, "label": "  "}, "label is empty"),
        ({"turn": 0, "label": []}, "label is empty"),
        ({"turn": 0, "note": ""}, "note is empty"),
        ({"turn": 0, "speaker": ""}, "speaker is empty"),
        ({"turn": 0, "label": 3}, "no text"),
    ],
)
def test_what_can_not_be_annotated_is_said_so(
    session: nb.Session, wanted: dict[str, Any], why: str
) -> None:
    """And nothing is written, not even what stood before it in a table."""
    with pytest.raises(ParameterError, match=why):
        session.annotate(**wanted)
    with pytest.raises(ParameterError, match=why):
        session._notes.add(session.fold_rows(), [{"turn": 0, "label": "ok"}, wanted])
    assert session.annotations.empty


def test_other_mistakes_are_said_so(session: nb.Session) -> None:
    """Unknown ids, tables that say nothing, marks without a place, colours that are none."""
    session.annotate(turn=0, label="x")
    session.labels = ["x"]
    for id_ in ("nothing", annotate.LABELS):
        with pytest.raises(ParameterError, match="no annotation"):
            session.unannotate(id_)
    with pytest.raises(ParameterError, match="no column"):
        session.annotate(pd.DataFrame({"turn": [0]}))
    with pytest.raises(ParameterError, match="besides"):
        session.annotate(pd.DataFrame({"turn": [0], "label": ["x"]}), turn=1)
    with pytest.raises(ParameterError, match="no kind"):
        session.annotate(pd.DataFrame({"kind": ["x"], "value": ["y"], "start_s": 0, "end_s": 1}))
    with pytest.raises(ParameterError, match="needs its place"):
        session.mark("x")
    with pytest.raises(ParameterError, match="outside"):
        session.mark("x", 99)
    with pytest.raises(ParameterError, match="no colour"):
        session.labels = {"x": "red;background:url(x)"}


def test_nothing_was_said_is_a_correction(session: nb.Session) -> None:
    """An empty transcript is not the same as none."""
    session.annotate(turn=0, transcript="")
    assert "" == session.turns["corrected"][0]
    assert session.turns["corrected"].isna()[1]


def test_labels_have_colours_that_stay(session: nb.Session) -> None:
    """The set that was chosen comes first; each has a colour; it is kept, and undone like all."""
    session.annotate(turn=0, label="other")
    session.labels = {"question": "#123456", "answer": None}
    labels = nb.open(session.folder).labels
    assert ["question", "answer", "other"] == list(labels)
    assert "#123456" == labels["question"]
    assert 3 == len(set(labels.values()))
    session.labels = ["answer", "question"]
    assert ["answer", "question", "other"] == list(session.labels)
    session.undo()
    assert labels == session.labels
    assert 8 == len(set(annotate.with_colours(dict.fromkeys("abcdefgh")).values()))


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_comes_back_as_it_was(session: nb.Session, text: str) -> None:
    """Markup, formulas, separators: word for word. Half a surrogate is no text, and marked so."""
    session.annotate(turn=0, note=text, transcript=text, label=text, speaker=text)
    again = nb.open(session.folder)
    text = text.replace("\ud800", "\ufffd")
    assert text.strip() == again.turns["note"][0] == again.turns["corrected"][0]
    assert " ".join(text.split()) == again.turns["label"][0]
    assert 4 == (session.folder / "annotations.jsonl").read_bytes().count(b"\n")
    assert not again.damage


def test_the_author_is_who_the_environment_says(
    session: nb.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the account, else nobody; an account without a name is no error."""
    monkeypatch.setenv("NBSTREAM_AUTHOR", "ada")
    session.annotate(turn=0, label="x")
    monkeypatch.delenv("NBSTREAM_AUTHOR")

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    session.annotate(turn=1, label="x")
    assert ["ada", "unknown"] == list(session.annotations["author"])


def test_channels_keep_their_annotations(tmp_path: Path) -> None:
    """Of two who speak at once, each turn has its own; a span may be about one channel."""
    folder = make(
        tmp_path,
        turn(0, "Yes.", final=True) | {"connection": 0},
        turn(0, "No.", final=True) | {"connection": 1},
        channels=("left", "right"),
    )
    session = nb.open(folder.path)
    session.annotate(turn=(1, 0), label="x")
    session.annotate(start_s=0, end_s=1, channel=0, label="y")
    turns = session.turns.set_index("channel")
    assert "x" == turns.loc[1, "label"]
    assert pd.isna(turns.loc[0, "label"])
    assert {"x": 1, "y": 0} == dict(
        zip(session.annotations["value"], session.annotations["channel"], strict=True)
    )


def test_a_textgrid_that_was_edited_comes_back_as_one_step(
    session: nb.Session, tmp_path: Path
) -> None:
    """An export without an edit changes nothing; an edit changes what was edited."""
    from praatio import textgrid

    session.annotate(turn=0, label="greeting", note="friendly")
    session.annotate(start_s=2.5, end_s=3, label="noise")
    path = session.export(tmp_path / "talk.TextGrid")
    assert [] == session.import_(path)
    before = session.annotations
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    for name in grid.tierNames:
        tier = grid.getTier(name)
        entries = [
            (start, end, text.replace("Who is it?", "Who's there?"))
            for start, end, text in tier.entries
            if text != "noise"
        ]
        if len(entries) > 0:
            grid.replaceTier(name, tier.new(entries=entries))
        else:
            grid.replaceTier(name, tier.new(entries=[(2.5, 3, "music")]))
    grid.save(str(path), "long_textgrid", includeBlankSpaces=True)
    changed = session.import_(path, author="praat")
    assert "Who's there?" == session.turns["corrected"][1]
    assert "noise" not in set(session.annotations["value"])
    assert {"greeting", "friendly", "Who's there?"} <= set(session.annotations["value"])
    assert set(changed) == set(session.undo())
    assert before.equals(session.annotations)
    session.redo()
    assert [] == session.import_(path)
    assert "praat" in set(session.annotations["author"])
    with pytest.raises(ParameterError, match="no file"):
        session.import_(tmp_path / "none.TextGrid")


# -- while it records, and from several processes ----------------------------------------------


def test_a_session_is_annotated_while_it_records(tmp_path: Path) -> None:
    """The open turn by where it begins, so that it keeps its label when it has grown."""
    folder = Folder.create(tmp_path, "live", {})
    live = nb.Session(folder)
    folder.append_audio(noise(1), 1.0)
    folder.append_event(ev.Connected("ws://x", 0), 0.1, 0)
    folder.append_event(protocol.decode(json.dumps(turn(0, "so"))), 0.5, 0)
    id_ = live.annotate(turn=-1, label="long")
    marked = live.mark("now")
    assert 1.0 == live.annotations.set_index("id").loc[marked, "start_s"]
    folder.append_audio(noise(3), 4.0)
    longer = turn(0, "So we went on and on.", final=True)
    folder.append_event(protocol.decode(json.dumps(longer)), 3.0, 0)
    folder.append_event(
        protocol.decode(json.dumps(turn(1, "Ah.", final=True, start_ms=2500))), 3.0, 0
    )
    assert ["long"] == list(live.turns["label"].dropna())
    row = live.annotations.set_index("id").loc[id_]
    assert live.turns["end_s"][0] == row["end_s"]
    folder.update(state="stopped")
    folder.close()
    assert "long" == nb.open(folder.path).turns["label"][0]
    folder.release()


def test_a_recording_that_runs_is_annotated_from_elsewhere(tmp_path: Path) -> None:
    """Whoever opened the folder too sees each other's annotations at once."""
    source = Given(noise(1), live=True)
    from tests.scripted import ScriptedServer, hello

    with ScriptedServer(hello).running() as server:
        service = nb.AssemblyAI(endpoint=server.url, api_key="x" * 32)
        with nb.record(source, service, folder=tmp_path) as live:
            assert source.all_read.wait(10)
            next(live.follow("turn"))
            other = nb.open(live.folder)
            live.mark("one")
            other.mark("two", 0.1)
            assert {"one", "two"} == set(live.annotations["value"])
            assert {"one", "two"} == set(other.annotations["value"])
            live.stop()
        assert {"one", "two"} == set(live.annotations["value"])
        assert not nb.open(live.folder).damage


WRITER = """
import sys, nbstream as nb
session = nb.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for n in range(int(sys.argv[3])):
    session.annotate(turn=0, transcript=f"{sys.argv[2]}{n}", label=f"{sys.argv[2]}{n}")
    if n % 3 == 2:
        session.undo()
"""


def test_two_processes_lose_nothing(session: nb.Session) -> None:
    """Both annotate and undo at once: a turn has one correction, each step is undone just once."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(session.folder), name, "60"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in "ab"
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert b"ready\n" == writer.stdout.readline()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    assert [0, 0] == [writer.wait(60) for writer in writers]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.close()
    history = session.annotation_history
    assert {"set": 240, "undo": 80} == dict(history["op"].value_counts())
    assert 40 == history.loc[history["op"] == "undo", "of"].nunique()
    assert 80 == len(session.annotations.query("kind == 'label'"))
    assert 1 == history.loc[history["kind"] == "transcript", "id"].nunique()


KILLED = """
import os, signal, sys, nbstream as nb
from nbstream.store import files

def die(file, data):
    file.write(data[:-9])
    os.kill(os.getpid(), signal.SIGKILL)

session = nb.open(sys.argv[1])
session.annotate(turn=0, label="whole")
files.append = die
session.annotate(turn=1, note="torn")
"""


def test_a_killed_writer_leaves_a_torn_line_that_is_reported(session: nb.Session) -> None:
    """It is left out, said so, and set aside by whoever annotates next; nobody waits for it."""
    code = subprocess.run([sys.executable, "-c", KILLED, str(session.folder)], cwd=ROOT).returncode
    assert -signal.SIGKILL == code
    again = nb.open(session.folder)
    assert (1, 0) == (again.damage.torn_annotations, again.damage.torn_events)
    assert ["whole"] == list(again.annotations["value"])
    again.annotate(turn=1, note="next")
    assert ["whole", "next"] == list(again.annotations["value"])
    assert ["whole", "next"] == list(session.annotations["value"])
    assert not nb.open(session.folder).damage
    assert b"torn" in (session.folder / "annotations.torn").read_bytes()


def test_recover_sets_a_torn_line_aside(session: nb.Session) -> None:
    """As it does with events."""
    session.annotate(turn=0, label="x")
    path = session.folder / "annotations.jsonl"
    with open(path, "a") as file:
        file.write('{"id": "y", "at"')
    assert 1 == nb.recover(session.folder).torn_annotations
    assert path.read_bytes().endswith(b"\n")
    assert not nb.open(session.folder).damage


@pytest.mark.parametrize("cut", range(1, 200, 23))
def test_cut_anywhere_the_lines_before_are_read(session: nb.Session, cut: int) -> None:
    """As after a full disk or a power cut."""
    session.annotate(turn=0, label="first")
    session.annotate(turn=0, label="second")
    path = session.folder / "annotations.jsonl"
    os.truncate(path, path.stat().st_size - cut)
    again = nb.open(session.folder)
    assert ["first"] == list(again.annotations["value"])
    assert 1 == again.damage.torn_annotations


def test_a_folder_that_can_not_be_written_says_so(session: nb.Session) -> None:
    """A directory in the file's place, or a folder that is gone, is a StoreError with a hint."""
    (session.folder / "annotations.jsonl").mkdir()
    with pytest.raises(nb.StoreError, match="can't"):
        session.annotate(turn=0, label="x")
