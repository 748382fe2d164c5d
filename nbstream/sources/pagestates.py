"""What a page says of its microphone, in words for the person: message and hint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nbstream.errors import SourceError

KEEP_S: Final = 300.0  # of sound, in the page; and how long it is waited for
# What a page may say that it can't do -> message, hint.
FAILURES: Final = {
    "refused": (
        "the browser was not allowed to use the microphone",
        "Allow it at the lock or microphone sign beside the page's address, then record again.",
    ),
    "none": (
        "the browser finds no microphone",
        "Plug one in, or allow the browser to use it in the system's settings; then record again.",
    ),
    "missing": (
        "the browser does not find the microphone that was chosen",
        "Plug it in, or choose another one; then record again.",
    ),
    "tabless": (
        "this browser does not give the sound of a tab",
        "Open the notebook in Chrome or Edge, or record without the tab.",
    ),
    "insecure": (
        "the browser gives a microphone to secure pages only",
        "Open the notebook by https, or as http://localhost or http://127.0.0.1.",
    ),
    "unreadable": (
        "the browser can't open the microphone",
        "Close other programs that use it, then record again.",
    ),
    "ended": (
        "the browser's microphone was taken away while it recorded",
        "Check that it is plugged in and still allowed. What was recorded is kept.",
    ),
    "channels": (
        "the browser's microphone has fewer channels than speakers were named",
        "Give fewer names; without speakers, channels are mixed into one.",
    ),
}
_CHOOSE: Final = "Press “Choose the tab to record” in the cell"
# What a page may say of itself while it records, or we of it; the most urgent first.
PROBLEMS: Final = {
    "rest": (
        "Waiting for the page's last sound, which it keeps.",
        "Open the notebook again in the same tab, or press Stop again to do without.",
    ),
    "quiet": (
        "The page that records can't be heard.",
        f"It keeps up to {KEEP_S / 60:g} minutes of sound and sends it when it is back; "
        "do not close it.",
    ),
    "asking": (
        "The browser waits for you to allow the microphone.",
        "Press Allow at the top of the page.",
    ),
    "held": ("The browser holds the microphone back.", "Click anywhere in the page."),
    "muted": (
        "The browser's microphone is switched off.",
        "Look for its key or switch, or the system's settings.",
    ),
    "choosing": (
        "The page waits for you to choose the tab whose sound is recorded.",
        f"{_CHOOSE}, and tick “Also share tab audio”.",
    ),
    "cancelled": ("No tab was chosen.", f"{_CHOOSE} to choose one."),
    "soundless": (
        "The tab was shared without its sound.",
        f"{_CHOOSE} again, and tick “Also share tab audio”.",
    ),
    "unopened": ("The browser could not share the tab.", f"{_CHOOSE} to try again."),
    "unshared": (
        "The tab is not shared any more: its channel is silent.",
        f"Your microphone records on. {_CHOOSE} to have it back.",
    ),
    "hidden": (
        "The page that records is in the background.",
        "It records on; the browser may slow it down, and nothing is lost by that.",
    ),
}
_OF_TAB: Final = ("choosing", "cancelled", "soundless", "unopened", "unshared", "tab")
# What a state of the page puts an end to; the page has the same table.
ENDED_BY: Final = {
    "recording": ("asking", "held"),
    "visible": ("hidden",),
    "heard": ("muted",),
    **{state: tuple(other for other in _OF_TAB if other != state) for state in _OF_TAB},
}


ROUTES: Final = {
    "direct": "directly",
    "proxy": "through Jupyter",
    "control": "through the kernel's control channel",
    "comm": "through the widget",
}


class PageStates:
    """How a page stands, as it says. Written on nbstream-channel and by who reads the source.

    Parameters
    ----------
    heed : callable, optional
        Called with `said` when that is another.

    """

    def __init__(self, heed: Callable[[str, str], None] | None = None) -> None:
        self._details: dict[str, str] = {}  # state -> detail
        self._heed = heed
        self._heeded = ("", "")

    def __contains__(self, state: str) -> bool:
        return state in self._details

    def add(self, state: str, detail: str = "") -> None:
        """It is so, and what that ends is no more."""
        for over in ENDED_BY.get(state, ()):
            self._details.pop(over, None)
        self._details[state] = detail
        self._say()

    def end(self, *states: str) -> None:
        """They are no more."""
        if known := [state for state in states if state in self._details]:
            for state in known:
                del self._details[state]
            self._say()

    def clear(self) -> None:
        """Nothing is known: another page, or one that says all of it again."""
        self._details.clear()
        self._say()

    def over(self) -> None:
        """It records no more: what broke a recording off is still to be said, and nothing else."""
        had_begun = "recording" in self._details
        for state in list(self._details):
            if not had_begun or state not in FAILURES:
                del self._details[state]
        self._say()

    @property
    def is_decided(self) -> bool:
        """Whether it records, or can't."""
        return any(state in FAILURES or state == "recording" for state in dict(self._details))

    @property
    def problem(self) -> tuple[str, str]:
        """The most urgent thing to say, and what to do; empty if nothing."""
        return next((PROBLEMS[name] for name in PROBLEMS if name in self._details), ("", ""))

    @property
    def said(self) -> tuple[str, str]:
        """What the person should know, also when it is too late to do anything."""
        failure = self.failure("")
        if failure is None:
            return self.problem
        return failure.message[:1].upper() + failure.message[1:], failure.hint

    def _say(self) -> None:
        if self._heed is not None and self._heeded != (said := self.said):
            self._heeded = said
            self._heed(*said)

    def failure(self, label: str) -> SourceError | None:
        """What keeps it from recording; None if nothing does."""
        states = dict(self._details)
        for state, (message, hint) in FAILURES.items():
            if state in states:
                detail = f" ({states[state]})" if states[state] else ""
                return SourceError(f"{message}{detail}.", hint=hint, source=label)
        return None


def tried_of(said: object) -> list[dict[str, str]]:
    """Routes as a page says that it has tried them, or has not: ``route`` and ``why``."""
    return [
        {"route": str(one["route"]), "why": str(one.get("why", ""))[:200]}
        for one in (said if isinstance(said, list) else [])
        if isinstance(one, dict) and one.get("route") in ROUTES
    ]
