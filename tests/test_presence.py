"""Whether a page still shows the recorder."""

from __future__ import annotations

import types
from collections.abc import Callable

import pytest

from nbstream.widgets import presence
from nbstream.widgets.presence import Presence


class Clock:
    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


class Events:
    """IPython's event registry, as far as it is used."""

    def __init__(self) -> None:
        self.callbacks: dict[str, list[Callable[..., None]]] = {}

    def register(self, event: str, callback: Callable[..., None]) -> None:
        self.callbacks.setdefault(event, []).append(callback)

    def unregister(self, event: str, callback: Callable[..., None]) -> None:
        self.callbacks[event].remove(callback)

    def fire(self, event: str) -> None:
        for callback in self.callbacks.get(event, []):
            callback(None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(presence, "time", clock)
    return clock


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    events = Events()
    monkeypatch.setattr(presence, "get_ipython", lambda: types.SimpleNamespace(events=events))
    return events


def test_a_page_is_gone_after_the_grace(clock: Clock, events: Events) -> None:
    """Signs of life keep it; silence longer than the grace ends it."""
    page = Presence(60)
    page.seen()
    clock.now_s += 59
    assert not page.is_gone()
    page.seen()
    clock.now_s += 61
    assert page.is_gone()


def test_what_was_never_shown_is_not_gone(clock: Clock, events: Events) -> None:
    """A recorder that only code uses has no page to lose, and without a grace none is asked for."""
    assert not Presence(60).is_gone()
    page = Presence(None)
    page.seen()
    clock.now_s += 1e6
    assert not page.is_gone()


def test_a_running_cell_does_not_count(clock: Clock, events: Events) -> None:
    """Some kernels hear no page while a cell runs: the grace begins when it has ended."""
    page = Presence(60)
    page.seen()
    events.fire("pre_run_cell")
    clock.now_s += 3600
    assert not page.is_gone()
    events.fire("post_run_cell")
    clock.now_s += 59
    assert not page.is_gone()
    clock.now_s += 2
    assert page.is_gone()


def test_closing_takes_the_callbacks_away(clock: Clock, events: Events) -> None:
    """A closed recorder leaves nothing behind in the shell."""
    Presence(60).close()
    assert not any(events.callbacks.values())
