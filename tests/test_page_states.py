"""What a person is told of a page that records, and when."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from nbstream.front import FOLDER
from nbstream.sources.pagestates import ENDED_BY, FAILURES, PROBLEMS, PageStates

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


def test_what_stands_is_said_until_it_ends() -> None:
    """One sentence at a time about the tab, whatever else there is to say."""
    states = PageStates()
    for state in ("choosing", "cancelled", "soundless", "unopened", "unshared"):
        states.add(state)
        assert PROBLEMS[state] == states.problem
    states.add("tab")
    assert ("", "") == states.problem
    for state in ("muted", "unshared", "heard"):
        states.add(state)
    assert PROBLEMS["unshared"] == states.problem


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node")
def test_page_and_kernel_agree_on_what_ends_what() -> None:
    """Else a page would say again, on its next line, what the kernel has crossed out."""
    code = f"import {{ ENDED_BY as all }} from '{FOLDER / 'devices.js'}'; "
    run = ["node", "--input-type=module", "-e", code + "console.log(JSON.stringify(all))"]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert {state: list(others) for state, others in ENDED_BY.items()} == json.loads(said)


def test_each_thing_that_is_wrong_says_what_to_do() -> None:
    """Message and hint, as sentences."""
    for message, hint in (*FAILURES.values(), *PROBLEMS.values()):
        assert message
        assert hint.endswith(".")
