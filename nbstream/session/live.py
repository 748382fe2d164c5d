"""A session while it records: commands, and events as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from nbstream import events as ev
from nbstream import protocol
from nbstream.errors import ParameterError, StateError
from nbstream.session.base import Base, Control


class Live(Base):
    """Stop and pause it, change its settings, follow what is said."""

    def stop(self, *, timeout_s: float = 20) -> None:
        """Stop recording and wait for the last turn. Does nothing on a session that has ended.

        Raises
        ------
        NbstreamError
            What made the session fail, if it did.

        """
        if self._control:
            self._control.stop(timeout_s=timeout_s)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the session's end; False if `timeout_s` passed first. Raises as `stop`."""
        return self._control.wait(timeout_s) if self._control else True

    def pause(self) -> None:
        """Pause: what is said until `resume` is not recorded, and the position stands still.

        The connection is ended when all that was said before has been sent, so a pause costs
        nothing. It is a row of `gaps`. Does nothing if it is paused already.

        Raises
        ------
        StateError
            If it is not recording.

        """
        self._live_control().pause()

    def resume(self) -> None:
        """Go on after `pause`: what is said now is recorded at once, while it connects again.

        Raises
        ------
        StateError
            If it is not recording.

        """
        self._live_control().resume()

    def update(self, **options: Any) -> None:
        """Change parameters in mid-session, such as ``min_turn_silence=800``."""
        self._send(protocol.update_configuration(**options))

    def force_endpoint(self) -> None:
        """Ask the service to end the open turn now."""
        self._send(protocol.force_endpoint())

    def keep_alive(self) -> None:
        """Reset the service's inactivity timer."""
        self._send(protocol.keep_alive())

    def follow(self, kind: str | None = None) -> Iterator[Any]:
        """Yield events as they come, from the first on, until the session has ended.

        Runs in the caller's thread, so slow work here delays nothing but itself.

        Parameters
        ----------
        kind : str, optional
            Only this kind: ``"turn"``, ``"begin"``, ``"termination"``, ``"error"``...

        """
        wanted = event_kind(kind) if kind else ev.Event
        seen = 0
        while True:
            with self._folder.changed:
                while len(self._folder.entries) == seen and self._folder.writing:
                    self._folder.changed.wait()
                known = len(self._folder.entries)
            if known == seen:
                return
            new = self._folder.entries[seen:known]
            seen = known
            for entry in new:
                if isinstance(entry.event, wanted):
                    yield entry.event

    def on(self, kind: str, handler: Callable[[Any], object]) -> None:
        """Call `handler(event)` for each event of a kind, from the first on.

        Each handler has a thread of its own: a slow one delays nothing but itself. An exception
        in one is kept as a problem of the session and shown, and the session goes on.

        Raises
        ------
        ParameterError
            If there is no such kind; a misspelled name is never silent.

        """
        if self._control is None:
            raise StateError(
                "events can be handled only while a session records.",
                hint="Loop over session.follow(), or read session.events.",
                state=self.state,
            )
        self._control.call_on(event_kind(kind), handler)

    def watch(self, listener: Callable[[], object]) -> None:
        """Call `listener` while it records, at most ten times a second, and once at its end.

        Listeners share a thread, nbstream-notify: a slow one delays the others, and what one does
        must be little. Does nothing on a session that has ended.
        """
        if self._control is not None and self.is_live:
            self._control.subscribe(lambda _: listener())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._control:
            self._control.leave(error)

    def _send(self, text: str) -> None:
        self._live_control().send(text)

    def _live_control(self) -> Control:
        if self._control is None or not self.is_live:
            raise StateError(
                f"the session is {self.state}: only a recording one takes commands.",
                hint="Start a new recording.",
                state=self.state,
            )
        return self._control


def event_kind(name: str) -> type[ev.Event]:
    """Class of an event from its name: ``"turn"``, ``"SpeechStarted"``, ``"speech_started"``."""
    kinds = {
        kind.__name__.lower(): kind
        for kind in [*ev.ServerEvent.__subclasses__(), *ev.Entry.OURS.values()]
    }
    kinds |= {"error": ev.ServerFault, "warning": ev.ServerWarning}
    found = kinds.get(name.replace("_", "").lower())
    if found is None:
        raise ParameterError(
            f"there is no event {name!r}.",
            hint="Events: " + ", ".join(sorted(kinds)) + ".",
            parameter="kind",
        )
    return found
