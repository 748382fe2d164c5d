"""What all parts of a session share: its folder, and its turns as they stand.

Threads: one lock guards the fold of the events and the peaks, which catch up with the folder when
somebody asks. It is not held while calling out.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nbstream import audio, tables
from nbstream import events as ev
from nbstream.notes import Notes
from nbstream.store import Damage, Folder
from nbstream.study import Study

if TYPE_CHECKING:
    from nbstream.services import Service


class Control(Protocol):
    """The engine, as a session sees it."""

    def stop(self, *, wait: bool = True, timeout_s: float = 20) -> None:
        """End the recording."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for its end."""

    def leave(self, error: BaseException | None) -> None:
        """End it as a context manager does."""

    def send(self, text: str) -> None:
        """Send a control message."""

    def pause(self) -> None:
        """Stand still."""

    def resume(self) -> None:
        """Go on."""

    def call_on(self, kind: type[ev.Event], handler: Callable[[Any], object]) -> None:
        """Call `handler` with each event of `kind`."""

    def now_s(self) -> float:
        """Seconds since the session began."""

    def subscribe(self, listener: Callable[[Any], Any]) -> None:
        """Call `listener` while anything changes, at most ten times a second."""


# Fills the gaps of a folder; the engine's, handed down so that imports point down.
Fill = Callable[["Folder", Any, "Service | str | None"], float]


class Base:
    """One recording: where it is, how it stands, what was said in it."""

    def __init__(
        self, folder: Folder, control: Control | None = None, *, fill: Fill | None = None
    ) -> None:
        self._folder = folder
        self._control = control
        self._fill = fill
        self._lock = threading.Lock()  # guards the three below
        self._fold = tables.Fold(folder.sample_rate_hz, folder.speakers)
        self._peaks = audio.Peaks(folder.sample_rate_hz, folder.n_channels)
        self._peaked_frames = 0
        self._study = Study(folder)
        self._notes = Notes(folder)

    @property
    def folder(self) -> Path:
        """Where it is on disk."""
        return self._folder.path

    @property
    def name(self) -> str:
        """The name it was given; empty if none."""
        return str(self._folder.meta.get("name", ""))

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who is on each channel, where channels were kept apart; empty if they were mixed."""
        return self._folder.speakers

    @property
    def meta(self) -> dict[str, Any]:
        """What ``session.json`` says: a copy."""
        return dict(self._folder.meta)

    @property
    def state(self) -> str:
        """``"recording"``, ``"stopped"``, ``"failed"``, ``"interrupted"`` (killed) and so on."""
        return self._folder.state

    @property
    def is_live(self) -> bool:
        """Whether this process is still recording it."""
        return self._folder.writing

    @property
    def duration_s(self) -> float:
        """Length of the recording so far."""
        return self._folder.n_frames / self._folder.sample_rate_hz

    @property
    def damage(self) -> Damage:
        """What had to be left out when it was opened; empty (false) if nothing."""
        return self._folder.damage

    @property
    def data(self) -> Folder:
        """The folder as an object; for other views of the same session."""
        return self._folder

    def fold_rows(self) -> list[tables.TurnRow]:
        """All turns as they stand, without a DataFrame."""
        with self._lock:
            self._catch_up()
            return self._fold.rows

    # -- for views: what these cost does not depend on how long the session is ---------------------

    def turn_counts(self) -> tuple[int, int]:
        """How many turns are final, and how many are open."""
        with self._lock:
            self._catch_up()
            return self._fold.n_final, self._fold.n_open

    def spoken_s(self) -> float:
        """When the last word arrived, in seconds since the session began; 0 before the first."""
        with self._lock:
            self._catch_up()
            return self._fold.spoken_s

    def changed_turns(self, version: int = 0) -> tables.TurnChanges:
        """What has happened to turns since `version`; since the beginning by default.

        The rows are copies: they stay as they are while the session goes on.
        """
        with self._lock:
            self._catch_up()
            rows = [copy.copy(row) for row in self._fold.changed_since(version)]
            return tables.TurnChanges(self._fold.version, rows, self._fold.gone_since(version))

    def find_turns(self, keys: Iterable[tables.TurnKey]) -> list[tables.TurnRow]:
        """Those turns of the given (connection, turn_order) that are there; copies."""
        with self._lock:
            self._catch_up()
            found = map(self._fold.find, keys)
            return [copy.copy(row) for row in found if row is not None]

    def rare_events(self, first: int = 0) -> list[ev.Entry]:
        """All events but those that come many times a minute, from the number `first` on."""
        with self._lock:
            self._catch_up()
            return self._fold.rare[first:]

    def _catch_up(self) -> None:
        """Fold the events that have come; with the lock held."""
        for entry in self._folder.entries[self._fold.n_entries :]:
            self._fold.add(entry)

    def _entries(self) -> list[ev.Entry]:
        return self._folder.entries[:]
