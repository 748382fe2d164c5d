"""What a person is told of a page that records, and when."""

from __future__ import annotations

import pytest

from nbstream.sources.pagestates import FAILURES, PROBLEMS, PageStates

Said = list[tuple[str, str]]
NOTHING = ("", "")


@pytest.fixture
def said() -> Said:
    return []


@pytest.fixture
def states(said: Said) -> PageStates:
    return PageStates(lambda message, hint: said.append((message, hint)))


def test_each_change_of_what_is_most_urgent_is_told_once(states: PageStates, said: Said) -> None:
    """What is less urgent than what is said waits; when all is well, that is told too."""
    for state in ("asking", "recording", "hidden", "muted", "muted", "heard", "visible"):
        states.add(state)
    asking, hidden, muted = PROBLEMS["asking"], PROBLEMS["hidden"], PROBLEMS["muted"]
    assert [asking, NOTHING, hidden, muted, hidden, NOTHING] == said


@pytest.mark.parametrize("end", ["over", "clear"])
def test_at_the_end_nothing_is_left_to_say(states: PageStates, said: Said, end: str) -> None:
    """A recording that ended well, in a page out of sight, leaves no warning behind."""
    states.add("recording")
    states.add("hidden")
    getattr(states, end)()
    assert [PROBLEMS["hidden"], NOTHING] == said


def test_what_broke_a_recording_off_is_said_after_its_end(states: PageStates, said: Said) -> None:
    """As a sentence, with what to do: nobody is there any more to whom it could be raised."""
    for state in ("recording", "hidden", "ended"):
        states.add(state)
    states.over()
    message, hint = FAILURES["ended"]
    assert (message[0].upper() + message[1:] + ".", hint) == states.said == said[-1]


def test_what_kept_a_recording_from_beginning_is_raised_and_not_said(
    states: PageStates, said: Said
) -> None:
    """The cell shows the error; the same words above it would be one too many."""
    states.add("refused")
    assert states.failure("browser microphone") is not None
    states.over()
    assert NOTHING == states.said == said[-1]
