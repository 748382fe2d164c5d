"""The inspector's Python side: what a page asks for, what it is told, what it hears."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

import nbstream as nb
from nbstream.errors import ParameterError
from nbstream.session import Session
from nbstream.widgets import inspector as inspector_module
from nbstream.widgets.inspector import MOST_SOUND_S, Inspector, one_channel
from tests.growing import RATE_HZ, Growing, talk


class Page:
    """What `store.js` does with annotations, and `askOf` with answers."""

    def __init__(self, view: Inspector) -> None:
        self.view = view
        self.answers: list[tuple[dict[str, Any], list[bytes]]] = []
        self.deltas: list[dict[str, Any]] = []
        view.send = lambda content, buffers=None: self.answers.append((content, buffers or []))
        view.observe(lambda change: self.hear(change["new"]), "delta")
        state = view.get_state()["state"]
        self.head = state["head"]
        self.annotations = {one["id"]: one for one in state["annotations"]}
        self.labels = dict(state["labels"])

    def hear(self, delta: dict[str, Any]) -> None:
        self.deltas.append(delta)
        self.head = delta["head"]
        for id_ in delta.get("unannotated", []):
            self.annotations.pop(id_, None)
        self.annotations |= {one["id"]: one for one in delta.get("annotations", [])}
        self.labels = dict(delta.get("labels", self.labels.items()))

    def tell(self, **content: Any) -> None:
        self.view._handle_custom_msg(content, [])

    def edit(self, do: str, **fields: Any) -> dict[str, Any]:
        """Have something done; the answer."""
        number = len(self.answers)
        self.tell(kind="annotate", to="me", number=number, edit={"do": do} | fields)
        answer, _ = self.answers[-1]
        assert (answer["kind"], answer["to"], answer["number"]) == ("annotated", "me", number)
        return answer

    def said(self) -> list[tuple[str, str | None, str]]:
        """Kind, turn and value of all that there is."""
        return [(one["kind"], one.get("key"), one["value"]) for one in self.annotations.values()]


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Growing]:
    made = talk(tmp_path, 4)
    yield made
    made.folder.close()


@pytest.fixture
def session(growing: Growing) -> Session:
    return growing.end()


@pytest.fixture
def page(session: Session) -> Page:
    session.labels = ["question", "answer"]
    return Page(Inspector(session))


# -- edits -----------------------------------------------------------------------------------------


def test_a_label_is_given_and_taken_away(page: Page, session: Session) -> None:
    """The same press does both, for the page says which one it saw; every page is told."""
    assert page.edit("toggle", key="0.1", label="question", there={}) == page.answers[-1][0]
    assert page.said() == [("label", "0.1", "question")]
    assert list(session.turns["label"].fillna("")) == ["", "question", "", ""]

    (id_,) = page.annotations
    page.edit("toggle", key="0.1", label="question", there={"question": id_})
    assert page.said() == []
    assert session.annotations.empty
    assert not any("error" in answer for answer, _ in page.answers)


def test_the_same_label_pressed_twice_before_an_answer_is_there_once(page: Page) -> None:
    """A page behind a slow line may ask twice for the same."""
    for _ in range(2):
        page.edit("toggle", key="0.1", label="question", there={})
    assert page.said() == [("label", "0.1", "question")]


def test_text_and_speaker_are_corrected_beside_the_original(page: Page, session: Session) -> None:
    """What the service wrote stays; the new speaker gets a colour."""
    page.edit("say", key="0.0", transcript="We take the train.")
    page.edit("say", key="0.0", speaker="Ada")
    page.edit("say", key="0.0", note="laughs")
    turn = session.turns.iloc[0]
    assert turn["transcript"].startswith("So well then")
    assert (turn["corrected"], turn["speaker_corrected"]) == ("We take the train.", "Ada")
    assert turn["note"] == "laughs"
    assert "Ada" in page.head["speakers"]
    assert [kind for kind, _, _ in page.said()] == ["transcript", "speaker", "note"]


def test_a_span_is_labelled_moved_and_removed(page: Page, session: Session) -> None:
    """All that is said about it moves as one step, and so is undone."""
    where = {"start_s": 1.0, "end_s": 2.5, "channel": None}
    page.edit("toggle", **where, label="answer", there={})
    page.edit("say", **where, note="here")
    ids = list(page.annotations)
    page.edit("change", ids=ids, start_s=1.5, end_s=3.0)
    assert {(one["start_s"], one["end_s"]) for one in page.annotations.values()} == {(1.5, 3.0)}

    page.edit("undo")
    assert {(one["start_s"], one["end_s"]) for one in page.annotations.values()} == {(1.0, 2.5)}
    page.edit("redo")
    page.edit("remove", ids=ids)
    assert page.annotations == {}


def test_a_note_is_changed(page: Page, session: Session) -> None:
    """Another text, the same note."""
    page.edit("say", key="0.0", note="laugs")
    page.edit("change", ids=list(page.annotations), value="laughs")
    assert page.said() == [("note", "0.0", "laughs")]
    assert len(session.annotations) == 1


def test_labels_are_added_to_the_set(page: Page, session: Session) -> None:
    """With a colour of their own; a name that is there is refused."""
    page.edit("label", label=" back   channel ")
    assert list(session.labels) == ["question", "answer", "back channel"]
    assert page.labels == session.labels
    assert "already" in page.edit("label", label="answer")["error"]


def test_a_mark_is_made_at_a_place_or_at_this_moment(growing: Growing) -> None:
    """In a live session the end of what is recorded; in any, where the page says."""
    page = Page(Inspector(growing.session))
    page.edit("mark")
    page.edit("mark", at_s=2.0)
    assert [mark["at_s"] for mark in page.deltas[-1]["marks"]] == [2.0, 20.0]


def test_undo_takes_back_ones_own_last_step(
    page: Page, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody else did meanwhile stays."""
    monkeypatch.setenv("NBSTREAM_AUTHOR", "ada")
    page.edit("toggle", key="0.0", label="question", there={})
    session.annotate(turn=1, label="answer", author="ben")
    page.edit("undo")
    assert page.said() == [("label", "0.1", "answer")]
    page.edit("redo")
    assert sorted(page.said()) == [("label", "0.0", "question"), ("label", "0.1", "answer")]


# -- what can't be done ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        {"do": "toggle", "key": "0.99", "label": "question"},
        {"do": "toggle", "key": "nonsense", "label": "question"},
        {"do": "toggle", "key": "0.0", "label": "  "},
        {"do": "toggle", "key": "0.0"},
        {"do": "toggle", "label": "question"},
        {"do": "say", "start_s": 5, "end_s": 5000, "note": "x"},
        {"do": "say", "key": "0.0"},
        {"do": "change", "ids": ["gone"], "value": "x"},
        {"do": "change", "ids": ["gone"], "start_s": "a", "end_s": None},
        {"do": "remove", "ids": 3},
        {"do": "mark", "at_s": -1},
        {"do": "eval", "text": "1"},
        {},
    ],
)
def test_what_can_not_be_done_is_said_and_changes_nothing(
    page: Page, session: Session, edit: dict[str, Any]
) -> None:
    """Whatever a page sends, it gets an answer, and the log stays as it was."""
    path = session.folder / "annotations.jsonl"
    before = path.read_bytes()
    page.tell(kind="annotate", to="me", number=1, edit=edit)
    answer, _ = page.answers[-1]
    assert answer["error"]
    assert not answer["error"].startswith("internal")
    assert path.read_bytes() == before


def test_a_folder_that_can_not_be_written_is_told(
    page: Page, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The panel shows why, and what to do."""
    path = session.folder / "annotations.jsonl"
    path.unlink()
    path.mkdir()
    answer = page.edit("toggle", key="0.0", label="question", there={})
    assert "annotations.jsonl" in answer["error"]


# -- other hands -----------------------------------------------------------------------------------


def test_what_another_cell_or_kernel_annotates_is_told_when_a_page_looks(
    page: Page, session: Session
) -> None:
    """Only what is new travels; nothing is sent where nothing is."""
    page.tell(kind="look")
    assert page.deltas == []
    elsewhere = nb.open(session.folder)
    elsewhere.annotate(turn=2, label="answer")
    page.tell(kind="look")
    (delta,) = page.deltas
    assert [one["value"] for one in delta["annotations"]] == ["answer"]
    assert not {"turns", "sound"} & set(delta)


def test_many_hands_lose_nothing(page: Page, session: Session) -> None:
    """Two kernels and a page annotate at once; all of it is there, and the page knows it."""
    elsewhere = nb.open(session.folder)

    def label(hand: Session, name: str) -> None:
        for n in range(20):
            hand.annotate(turn=n % 4, note=f"{name} {n}")

    threads = [
        threading.Thread(target=label, args=(hand, name))
        for hand, name in ((session, "a"), (elsewhere, "b"))
    ]
    for thread in threads:
        thread.start()
    for n in range(20):
        page.edit("say", key=f"0.{n % 4}", note=f"c {n}")
    for thread in threads:
        thread.join(60)
    page.tell(kind="look")
    notes = {value for _, _, value in page.said()}
    assert notes == {f"{name} {n}" for name in "abc" for n in range(20)}
    assert len(session.annotations) == 60


def test_a_page_that_joins_knows_what_the_others_know(page: Page, session: Session) -> None:
    """What was taken away between its state and the next message is not left in it."""
    id_ = session.annotate(turn=0, label="question")
    state = page.view.get_state()["state"]
    assert state["annotations"] == []  # it comes as news, for all pages
    session.unannotate(id_)
    page.tell(kind="look")
    assert page.annotations == {}


def test_a_live_session_is_annotated_while_it_grows(growing: Growing) -> None:
    """A label on a turn that is still open stays with it when it ends."""
    page = Page(Inspector(growing.session))
    page.edit("toggle", key="0.3", label="question", there={})
    growing.hear(3)
    growing.say(3, "Good. Then we meet there now.", 15.4, speaker="B")
    page.view.refresh()
    assert page.said() == [("label", "0.3", "question")]
    assert page.deltas[-1]["turns"][0]["is_final"]


# -- sound -----------------------------------------------------------------------------------------


def test_sound_comes_in_slices(page: Page, session: Session) -> None:
    """The samples that were asked for, as they are in the file, and to whom."""
    page.tell(kind="sound", to="me", start_s=4, end_s=8, channel=None)
    answer, (pcm,) = page.answers[-1]
    expected = {"kind": "sound", "to": "me", "start_s": 4.0, "end_s": 8.0, "rate_hz": RATE_HZ}
    assert answer == expected
    np.testing.assert_array_equal(np.frombuffer(pcm, "<i2"), session.audio(4, 8))


def test_a_slice_is_never_the_whole_recording(page: Page, session: Session) -> None:
    """Whatever a page asks for; behind the end there is nothing."""
    page.tell(kind="sound", to="me", start_s=0, end_s=1e9)
    assert page.answers[-1][0]["end_s"] == MOST_SOUND_S
    page.tell(kind="sound", to="me", start_s=5000, end_s=5004)
    assert page.answers[-1][1] == [b""]


def test_channels_are_heard_together(tmp_path: Path) -> None:
    """Each as loud as it is; too loud together is as loud as can be."""
    both = np.array([[100, 20], [30_000, 30_000], [-30_000, -30_000]], np.int16)
    assert one_channel(both).tolist() == [120, 32_767, -32_768]
    growing = talk(tmp_path, 4, speakers=("left", "right"))
    page = Page(Inspector(growing.session))
    page.tell(kind="sound", to="me", start_s=0.0, end_s=1.0)
    assert len(page.answers[-1][1][0]) == 2 * RATE_HZ
    growing.folder.close()


# -- in a notebook ---------------------------------------------------------------------------------


def test_a_session_shows_itself_as_a_report_and_an_inspector(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two outputs: the report alone is what a viewer without a kernel has to show."""
    shown: list[Any] = []
    shell = InteractiveShell.instance()
    monkeypatch.setattr(inspector_module, "get_ipython", lambda: shell)
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    place = type("Place", (), {"display_id": "place"})()
    monkeypatch.setattr(
        inspector_module, "display", lambda what, **more: shown.append(what) or place
    )
    monkeypatch.setattr(inspector_module, "put", lambda bundle, places: shown.append(bundle))
    session._ipython_display_()
    _, widget, report = shown
    assert isinstance(widget, Inspector)
    assert set(report) == {"text/html", "text/plain"}
    assert "<audio" in report["text/html"]
    assert "early train" in report["text/html"]


def test_outside_a_notebook_a_session_is_its_name(session: Session) -> None:
    """IPython in a terminal falls back to the plain text."""
    with pytest.raises(NotImplementedError):
        session._ipython_display_()
    assert isinstance(session.inspect(), Inspector)


def test_an_annotation_can_say_something_else(session: Session) -> None:
    """`Session.reannotate`: all at once, or not at all."""
    first, second = (session.annotate(turn=0, note=text) for text in ("one", "two"))
    session.reannotate(first, "three")
    assert list(session.annotations["value"]) == ["three", "two"]
    with pytest.raises(ParameterError, match="no annotation 'gone'"):
        session.reannotate([second, "gone"], "four")
    with pytest.raises(ParameterError, match="outside the recording"):
        session.reannotate(second, start_s=1, end_s=1000)
    with pytest.raises(ParameterError, match="no span"):
        session.reannotate(second, start_s=1)
    assert list(session.annotations["value"]) == ["three", "two"]
