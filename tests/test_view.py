"""The Python side of what a page shows: whole once, then what is new."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from nbstream import events as ev
from nbstream.audio import Peaks, min_max
from nbstream.front import page
from nbstream.front.page import NEWEST, TAIL
from nbstream.session import Session
from nbstream.widgets.view import View, snapshot_json
from tests.growing import Growing, talk

Message = tuple[dict[str, Any], list[bytes]]


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Growing]:
    made = Growing(tmp_path)
    yield made
    made.folder.close()


class Page:
    """What `store.js` does: takes a whole state, and then each delta, in order."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.sent: list[Message] = []
        self.n_lost = 0
        view.send = lambda content, buffers=None: self.sent.append((content, buffers or []))
        view.observe(lambda change: self.apply(change["new"]), "delta")
        self.load(view.get_state()["state"])

    def load(self, state: dict[str, Any]) -> None:
        self.seq, self.head = state["seq"], state["head"]
        self.turns = {key(row): row for row in state["turns"]}
        self.gaps, self.marks = state["gaps"], state["marks"]
        self.columns: dict[int, bytes] = {}
        self.width = 4 * state["sound"]["n_channels"]
        self.hear(state["sound"])

    def apply(self, delta: dict[str, Any]) -> None:
        if delta["seq"] <= self.seq:
            return
        if delta["seq"] != self.seq + 1:
            self.n_lost += 1
            return
        self.seq, self.head = delta["seq"], delta["head"]
        for gone in delta.get("gone", []):
            self.turns.pop(gone, None)
        for row in delta.get("turns", []):
            self.turns[key(row)] = row
        self.gaps, self.marks = delta.get("gaps", self.gaps), delta.get("marks", self.marks)
        if "sound" in delta:
            self.hear(delta["sound"])

    def hear(self, sound: dict[str, Any]) -> None:
        self.n_columns = sound["n_columns"]
        for part in sound["parts"]:
            if part["level"] == 0:
                for i in range(0, len(part["columns"]), self.width):
                    column = part["columns"][i : i + self.width]
                    self.columns[part["first"] + i // self.width] = column

    def ask(self, **content: Any) -> None:
        self.view._handle_custom_msg(content, [])


def key(row: dict[str, Any]) -> str:
    return f"{row['connection']}.{row['turn']}"


def without_words(turns: dict[str, Any]) -> dict[str, Any]:
    return {name: row | {"words": None} for name, row in turns.items()}


def assert_same(late: Page, early: Page) -> None:
    """A page that has joined late knows what one knows that was there all the time."""
    assert late.head == early.head
    assert without_words(late.turns) == without_words(early.turns)
    assert (late.gaps, late.marks) == (early.gaps, early.marks)
    assert late.n_columns == early.n_columns
    shared = late.columns.keys() & early.columns.keys()
    assert len(shared) >= min(TAIL, late.n_columns)
    assert all(late.columns[i] == early.columns[i] for i in shared)


# -- whole, and what is new --------------------------------------------------------------------


def test_a_page_that_joins_late_knows_what_an_early_one_does(tmp_path: Path) -> None:
    """After two hundred refreshes, the state is what all deltas add up to."""
    growing = Growing(tmp_path)
    view = View(growing.session)
    early = Page(view)
    for n in range(200):
        growing.hear(0.5)
        growing.say(n // 3, "one two three"[: 4 * (n % 3) + 3], 0.5 * n, is_final=n % 3 == 2)
        if n == 100:
            growing.add(ev.Overflow(16_000, 2, 800))
        view.show(growing.session)
        if n == 150:
            assert_same(Page(view), early)
    assert early.n_lost == 0
    assert len(early.turns) == 67
    assert [gap["kind"] for gap in early.gaps] == ["overflow"]
    assert_same(Page(view), early)

    growing.folder.close()
    view.show(growing.session)
    assert not early.head["is_live"]
    assert_same(Page(view), early)
    assert_same(Page(View(growing.session)), early)


def test_a_reopened_session_is_shown_as_the_live_one_was(tmp_path: Path) -> None:
    """The folder is the truth: turns, sound and gaps of both are the same."""
    growing = talk(tmp_path, 5)
    view = View(growing.session)
    live = Page(view)
    opened = growing.end()
    view.show(growing.session)
    reopened = Page(View(opened))
    assert reopened.turns == live.turns
    assert reopened.columns == live.columns
    assert reopened.gaps == live.gaps


def test_nothing_is_sent_while_nothing_is_new(growing: Growing) -> None:
    """A view at rest costs neither network nor a repaint."""
    growing.hear(1.0)
    view = View(growing.session)
    before = view.delta
    view.show(growing.session)
    assert view.delta is before

    growing.add(ev.Problem("no network"))  # an event that changes no view
    view.show(growing.session)
    seq = view.delta["seq"]
    view.show(growing.session)
    assert view.delta["seq"] == seq


def test_only_what_has_changed_travels(growing: Growing) -> None:
    """A partial that grows is one row, not the turns before it; sound is the new columns."""
    growing.hear(10)
    for n in range(50):
        growing.say(n, "some words", n / 10)
    view = View(growing.session)
    growing.hear(0.1)
    growing.say(50, "and", 9, is_final=False)
    view.show(growing.session)
    assert [(row["turn"], row["text"]) for row in view.delta["turns"]] == [(50, "and")]
    assert view.delta["sound"]["n_columns"] == 1010
    (part,) = view.delta["sound"]["parts"]
    assert (part["level"], part["first"], len(part["columns"])) == (0, 1000, 40)
    assert "gaps" not in view.delta


def test_turns_that_give_way_are_taken_back(growing: Growing) -> None:
    """What was open when a connection broke is heard again: it stands on a page once."""
    growing.hear(3)
    growing.say(0, "Whole.", 0.1)
    growing.say(1, "half a", 1.5, is_final=False)
    view = View(growing.session)
    shown = Page(view)
    growing.add(ev.Disconnected(1006, "", False), 0)
    growing.add(ev.Connected("ws://x", 16_000), 1)
    growing.say(0, "half a sentence", 0.5, connection=1)
    view.show(growing.session)
    assert view.delta["gone"] == ["0.1"]
    assert sorted(shown.turns) == ["0.0", "1.0"]
    assert_same(Page(view), shown)


def test_marks_and_pauses_reach_the_page(growing: Growing) -> None:
    """Whoever marks, from a cell or another process, and what the person had paused."""
    growing.hear(3)
    view = View(growing.session)
    shown = Page(view)
    growing.session.mark("the question")
    growing.session.mark("before", at_s=1)
    growing.add(ev.Paused(32_000, 60.0))
    view.show(growing.session)
    assert [(mark["at_s"], mark["text"]) for mark in shown.marks] == [
        (1.0, "before"),
        (3.0, "the question"),
    ]
    assert [(gap["kind"], gap["start_s"], gap["end_s"]) for gap in shown.gaps] == [("pause", 2, 2)]
    assert_same(Page(view), shown)

    growing.session.undo()
    view.show(growing.session)
    assert [mark["text"] for mark in shown.marks] == ["the question"]
    assert "gaps" not in view.delta


def test_speakers_keep_their_place(growing: Growing) -> None:
    """Colours hang on it: a new speaker comes behind the others, on pages that join late too."""
    growing.hear(1)
    view = View(growing.session)
    for n, who in enumerate("BAB"):
        growing.say(n, "hello", n, speaker=who)
        view.show(growing.session)
    growing.say(1, "hello there", 1, speaker="C")  # a final turn stays as it is
    view.show(growing.session)
    assert view.delta["head"]["speakers"] == ["B", "A"]
    assert Page(view).head["speakers"] == ["B", "A"]


def test_channels_come_first_among_speakers(tmp_path: Path) -> None:
    """Of channels that are kept apart, each has its columns and its speaker."""
    growing = talk(tmp_path, 2, speakers=("Ann", "Bob"))
    shown = Page(View(growing.session))
    growing.folder.close()
    assert shown.head["speakers"] == ["Ann", "Bob"]
    assert {row["channel"] for row in shown.turns.values()} == {0, 1}
    assert shown.columns[100] == growing.session.peaks_at(0, 100, 1).tobytes()
    assert len(shown.columns[100]) == 8


def test_words_travel_with_the_newest_turns_alone(growing: Growing) -> None:
    """Three hours of words would be a megabyte; what is older is asked for."""
    growing.hear(1)
    for n in range(NEWEST + 5):
        growing.say(n, "some words", n)
    shown = Page(View(growing.session))
    with_words = [row["turn"] for row in shown.turns.values() if row["words"]]
    assert with_words == list(range(5, NEWEST + 5))

    shown.ask(kind="words", keys=["0.0", "0.99999", "nonsense", None])
    ((message, _),) = shown.sent
    assert message["kind"] == "words"
    assert list(message["words"]) == ["0.0"]
    assert message["words"]["0.0"][1] == ["words", 0.3, 0.56, 0.37]


# -- sound ---------------------------------------------------------------------------------------


def test_a_long_recording_travels_coarse_with_a_fine_end(growing: Growing) -> None:
    """Level 2 whole, level 0 from a column of the coarsest level on, so that all can be built."""
    growing.hear(70)
    parts = View(growing.session).get_state()["state"]["sound"]["parts"]
    assert [(part["level"], part["first"]) for part in parts] == [(2, 0), (0, 2560)]
    assert parts[1]["first"] % Peaks.FACTOR ** (Peaks.N_LEVELS - 1) == 0
    assert len(parts[1]["columns"]) == 4 * (7000 - 2560)
    expected = min_max(growing.session.audio(), 160 * 64)
    assert np.array_equal(np.frombuffer(parts[0]["columns"], "<i2").reshape(-1, 2), expected)


def test_a_source_that_is_read_fast_does_not_fill_the_network(growing: Growing) -> None:
    """Minutes that come between two refreshes travel coarse as well."""
    growing.hear(1)
    view = View(growing.session)
    growing.hear(120)
    view.show(growing.session)
    parts = view.delta["sound"]["parts"]
    assert [(part["level"], part["first"]) for part in parts] == [(2, 1), (0, 7680)]
    assert sum(len(part["columns"]) for part in parts) < 20_000


def test_tiles_are_what_the_recording_holds(growing: Growing) -> None:
    """A tile that is asked for is the lowest and highest sample of its columns."""
    growing.hear(30)
    shown = Page(View(growing.session))
    asked = [{"level": 1, "first": 128}, {"level": 9, "first": 0}, {"level": 0}, "x"]
    shown.ask(kind="tiles", tiles=asked)
    ((message, buffers),) = shown.sent
    assert message["tiles"] == [{"level": 1, "first": 128}]
    expected = min_max(growing.session.audio(), 160 * 8)[128:]
    assert np.array_equal(np.frombuffer(buffers[0], "<i2").reshape(-1, 2), expected)


# -- pages and sessions that come and go ---------------------------------------------------------


def test_a_page_that_has_missed_something_is_told_everything(growing: Growing) -> None:
    """It asks, and the answer is for it alone; one that has missed nothing gets none."""
    growing.hear(1)
    view = View(growing.session)
    shown = Page(view)
    growing.say(0, "missed", 0.2)
    shown.apply = lambda delta: None  # type: ignore[method-assign]
    view.show(growing.session)
    shown.ask(kind="all", to="me", seq=shown.seq)
    ((message, buffers),) = shown.sent
    assert (message["kind"], message["to"], message["state"]["seq"]) == ("state", "me", 1)
    assert [row["text"] for row in message["state"]["turns"]] == ["missed"]
    assert [len(buffer) for buffer in buffers] == [400]
    assert "columns" not in message["state"]["sound"]["parts"][0]

    shown.ask(kind="all", to="me", seq=1)
    assert len(shown.sent) == 1


def test_another_session_is_sent_whole_to_every_page(tmp_path: Path) -> None:
    """The next take begins anew, though its turns have the same numbers."""
    first, second = talk(tmp_path / "a", 3), talk(tmp_path / "b", 1)
    view = View()
    shown = Page(view)
    assert shown.head["folder"] == ""
    for growing in (first, second):
        view.show(growing.session)
        message, _ = shown.sent.pop()
        assert (message["kind"], message["to"]) == ("state", None)
        assert message["state"]["head"]["folder"] == str(growing.folder.path)
        shown.load(view.get_state()["state"])
        growing.say(0, "more", 1, connection=0, is_final=False)
        growing.hear(0.1)
        view.show(growing.session)
        assert shown.seq == view.delta["seq"]
        growing.folder.close()
    view.show(None)
    assert shown.sent.pop()[0]["state"]["head"]["folder"] == ""


def test_messages_that_make_no_sense_are_left_alone(growing: Growing) -> None:
    """Whatever comes from a page, the view lives on and says nothing wrong."""
    shown = Page(View(growing.session))
    for content in ({}, {"kind": "all"}, {"kind": "tiles"}, {"kind": "words", "keys": 3}, {"a": 1}):
        shown.ask(**content)
    nobody = Page(View())
    nobody.ask(kind="tiles", tiles=[{"level": 0, "first": 0}])
    nobody.ask(kind="words", keys=["0.0"])
    assert shown.sent == nobody.sent == []


def test_pages_may_ask_while_it_records(growing: Growing) -> None:
    """Numbers leave in order and every state is whole, whoever asks from whichever thread."""
    growing.hear(1)
    view = View(growing.session)
    shown = Page(view)
    states: list[dict[str, Any]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            states.append(view.get_state()["state"])

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(100):
        growing.say(n, "word", n)
        view.show(growing.session)
    over.set()
    for thread in threads:
        thread.join()
    assert shown.n_lost == 0
    assert all(len(state["turns"]) >= state["seq"] for state in states)


def test_a_view_says_what_it_is(growing: Growing) -> None:
    """Its text is stable and short: it is what a saved notebook keeps."""
    assert repr(View()) == "<View of nothing yet>"
    assert "talk" in repr(View(growing.session))


# -- without a kernel ------------------------------------------------------------------------------


def test_a_page_without_a_kernel_holds_all_words_and_its_sound(tmp_path: Path) -> None:
    """The same state as JSON; nothing in it is live, whatever it was made of."""
    growing = talk(tmp_path, 3)
    state = json.loads(json.dumps(snapshot_json(growing.session), allow_nan=False))
    growing.folder.close()
    assert not state["head"]["is_live"]
    assert all(row["words"] for row in state["turns"])
    (part,) = state["sound"]["parts"]
    assert base64.b64decode(part["columns"]) == growing.session.peaks_at(0, 0, 1500).tobytes()


def test_sound_in_a_page_keeps_to_a_size(growing: Growing) -> None:
    """It is as fine as fits, and goes to the end."""
    growing.hear(130)
    state = snapshot_json(growing.session, sound_bytes=10_000)
    parts = state["sound"]["parts"]
    assert [(part["level"], part["first"]) for part in parts] == [(1, 0), (0, 13_000)]
    assert len(base64.b64decode(parts[0]["columns"])) == 4 * 1625

    growing.hear(0.05)
    parts = snapshot_json(growing.session, sound_bytes=10_000)["sound"]["parts"]
    assert len(base64.b64decode(parts[1]["columns"])) == 4 * 5


# -- what it costs ---------------------------------------------------------------------------------


def size(delta: dict[str, Any]) -> int:
    """Bytes of a delta: its JSON, and its buffers."""
    parts = delta.get("sound", {"parts": []})["parts"]
    buffers = sum(len(part["columns"]) for part in parts)
    return len(json.dumps(delta, default=lambda _: "")) + buffers


def test_a_refresh_is_small(growing: Growing) -> None:
    """About a quarter of a kilobyte for sound alone, about one with a turn of fifteen words."""
    growing.hear(10)
    view = View(growing.session)
    growing.hear(0.1)
    view.show(growing.session)
    assert size(view.delta) < 400

    growing.hear(0.1)
    growing.say(0, "and so we went to the station and took the train to the sea", 5)
    view.show(growing.session)
    assert size(view.delta) < 1200


def calls(function: Any, *arguments: Any) -> int:
    """How many Python and C functions are called: work, whatever the machine is busy with."""
    n = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal n
        n += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return n


def refresh(session: Session, view: View) -> None:
    session.turn_counts()
    session.spoken_s()
    view.show(session)


def test_a_refresh_costs_the_same_after_a_thousand_turns(growing: Growing) -> None:
    """Work grows with what is new, never with what was there before."""
    growing.hear(1)
    growing.say(0, "some words", 0)
    view = View(growing.session)
    costs = []
    for first in (1, 1001):
        for n in range(first, first + 1000):
            growing.say(n, "some words", n / 10)
        growing.hear(50)
        view.show(growing.session)
        growing.hear(0.1)
        growing.say(first + 1000, "and", 100, is_final=False)
        costs.append(calls(refresh, growing.session, view))
    assert costs[1] < 1.25 * costs[0], costs


def test_what_is_new_is_the_same_whoever_asks(growing: Growing) -> None:
    """Two views of a session do not take each other's news."""
    growing.hear(1)
    views = [View(growing.session) for _ in range(2)]
    growing.say(0, "hello", 0.1)
    for view in views:
        view.show(growing.session)
        assert [row["text"] for row in view.delta["turns"]] == ["hello"]
    assert page.news(growing.session, views[0]._told) == {}
