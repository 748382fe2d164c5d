"""Which turns have changed: what a view asks for many times a minute."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbstream import events as ev
from nbstream import protocol, tables
from nbstream.tables import Fold, TurnKey


def message(order: int, text: str, *, is_final: bool = False) -> ev.Event:
    words = [
        {"text": word, "start": 100 * i, "end": 100 * i + 80, "confidence": 1.0}
        for i, word in enumerate(text.split())
    ]
    said = {"type": "Turn", "turn_order": order, "transcript": text, "words": words}
    return protocol.decode(json.dumps(said | {"end_of_turn": is_final, "turn_is_formatted": True}))


def told(fold: Fold, *events: tuple[ev.Event, int], at_s: float = 1.0) -> Fold:
    for event, connection in events:
        fold.add(ev.Entry(at_s, connection, event))
    return fold


def test_what_has_changed_is_in_the_order_of_its_last_change() -> None:
    """A view that keeps the last version is given each turn once, as it stands now."""
    fold = told(Fold(), (message(0, "a"), 0), (message(1, "b"), 0))
    version = fold.version
    assert fold.changed_since(version) == []

    told(fold, (message(2, "c"), 0), (message(0, "a more"), 0), (message(0, "a more so"), 0))
    assert [row.transcript for row in fold.changed_since(version)] == ["c", "a more so"]
    assert [row.transcript for row in fold.changed_since(0)] == ["b", "c", "a more so"]


def test_a_turn_that_ends_with_nothing_in_it_is_gone() -> None:
    """A partial that was a mistake is taken back, from pages too."""
    fold = told(Fold(), (message(0, "uh"), 0))
    version = fold.version
    told(fold, (message(0, "", is_final=True), 0))
    assert fold.changed_since(version) == []
    assert fold.gone_since(version) == [(0, 0)]
    assert (fold.n_final, fold.n_open) == (0, 0)


def test_turns_of_a_broken_connection_are_gone_once_they_are_heard_again() -> None:
    """Final ones stay; the open one gives way, and whoever knew it is told."""
    fold = told(Fold(), (ev.Connected("ws://x", 0), 0), (message(0, "whole", is_final=True), 0))
    told(fold, (message(1, "half"), 0))
    version = fold.version
    told(fold, (ev.Disconnected(1006, "", False), 0), (ev.Connected("ws://x", 0), 1))
    assert fold.gone_since(version) == [(0, 1)]
    assert fold.gone_since(fold.version) == []
    assert (fold.n_final, fold.n_open) == (1, 0)
    assert fold.find((0, 1)) is None


@pytest.mark.parametrize("n", [10, 3000])
def test_looking_for_changes_costs_the_same_at_any_length(n: int) -> None:
    """The rows that are looked at are those that have changed, and one more."""
    fold = told(Fold(), *((message(order, "word"), 0) for order in range(n)))
    version = fold.version
    told(fold, (message(3, "words"), 0))
    looked: list[int] = []

    class Watched(tables.TurnRow):
        __slots__ = ()

        def __getattribute__(self, name: str) -> object:
            if name == "version":
                looked.append(1)
            return super().__getattribute__(name)

    for row in fold.rows:
        row.__class__ = Watched
    assert len(fold.changed_since(version)) == 1
    assert len(looked) == 2


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 4), st.sampled_from(["", "a", "a b"]), st.booleans()
    )
)


@given(STEPS, st.integers(1, 5))
def test_changes_add_up_to_what_there_is(
    steps: list[tuple[int, int, str, bool]], every: int
) -> None:
    """Whoever applies all changes has the turns as they stand, and the counts agree."""
    fold, version, page = Fold(), 0, dict[TurnKey, str]()
    connection = 0
    for n, (breaks, order, text, is_final) in enumerate(steps):
        if breaks == 3:
            told(fold, (ev.Disconnected(1006, "", False), connection))
            connection += 1
            told(fold, (ev.Connected("ws://x", 0), connection))
        told(fold, (message(order, text, is_final=is_final), connection), at_s=float(n))
        if n % every == 0 or n == len(steps) - 1:
            for key in fold.gone_since(version):
                page.pop(key, None)
            page |= {tables.row_key(row): row.transcript for row in fold.changed_since(version)}
            version = fold.version
    assert page == {tables.row_key(row): row.transcript for row in fold.rows}
    assert fold.n_final == sum(row.is_final for row in fold.rows)
    assert fold.n_open == sum(not row.is_final for row in fold.rows)
    assert fold.spoken_s >= max((row.arrived_s for row in fold.rows), default=0.0)
