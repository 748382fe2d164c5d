"""The microphone of the browser that shows the notebook, wherever the kernel is.

The page numbers what it captures and keeps it until we have it on disk, so that a line that breaks
or a kernel that is busy costs nothing. What the page could not capture or keep is an overflow.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nbstream.audio import SAMPLE_RATE_HZ, Chunk
from nbstream.channel import Channel, Message
from nbstream.errors import ParameterError, SourceError, StateError
from nbstream.sources import speakers as names
from nbstream.sources.pagesound import Receipts, rest
from nbstream.sources.pagestates import KEEP_S
from nbstream.sources.pagetake import PageTake, Wish

if TYPE_CHECKING:
    from typing import Self

PAGE_S: Final = 20.0  # for a page to come
PERMISSION_S: Final = 120.0  # for the person to allow it
STALLED_S: Final = 3.0
END_S: Final = 4.0  # without sound, of a page that was stopped and has more
RETURN_S: Final = 30.0  # after a stop, for a page whose line is down
SIGN_S: Final = 5.0  # a page that is there says something more often
TAIL_S: Final = 0.5  # behind a stop; what a page captures until it hears of it later, is not kept
POLL_S: Final = 0.1
WITH_TAB: Final = ("you", "tab")
ACK_EVERY: Final = 10  # chunks, or when no more come


class BrowserMicrophone:
    """A microphone of the machine whose browser shows the notebook.

    Parameters
    ----------
    device : str
        A part of the device's name as the browser knows it; the browser's default if empty.
    speakers : sequence of str, optional
        Who is on each channel; as in `Microphone`.
    tab : bool
        Record another tab of the browser as well, such as a call or a voice agent, as a second
        channel: two speakers then, "you" and "tab" if they are not named. The person chooses the
        tab by a button in the cell. Chrome and Edge can do that.

    Attributes
    ----------
    tell : callable or None
        Says something to all pages through the notebook; whoever shows the page sets it.
    heed : callable or None
        Called with what the person should know now, message and hint, whenever that is something
        else; for whoever shows the page and says nothing else.
    origins : set of str
        Where the pages that show it have said they are from; no other may speak to us.
    problem : (message, hint)
        What the person should know now; empty if nothing.

    Raises
    ------
    ParameterError
        For speakers of which one is empty or comes twice, or that are not two with a tab.

    """

    kind: str = "browser"
    live: bool = True
    speed: float = 1.0
    warning: str = ""
    is_late: bool = True  # What a page has captured may come long afterwards.
    # Shows it in the cell that runs, where nobody else does; handed down by the package.
    shower: ClassVar[Callable[[BrowserMicrophone], None] | None] = None

    def __init__(
        self, device: str = "", speakers: Sequence[str] = (), *, tab: bool = False
    ) -> None:
        self.device = device
        self.tab = tab
        self.speakers: tuple[str, ...] = names.checked(speakers or (WITH_TAB if tab else ()))
        if tab and len(self.speakers) != len(WITH_TAB):
            raise ParameterError(
                f"speakers {tuple(speakers)!r} are not two: the microphone's and the tab's.",
                hint='Name two, such as speakers=("you", "agent").',
                parameter="speakers",
            )
        self.label: str = self._named(device)
        self.tell: Callable[[Message], None] | None = None
        self.heed: Callable[[str, str], None] | None = None
        self.origins: set[str] = set()
        self.in_worklet = False  # as browsers do it that do not let a track be read
        self._channel: Channel | None = None
        self._begin()

    def _begin(self) -> None:
        """A recording begins, of which nothing is known."""
        wish = Wish(self.device, self._n_channels, self.tab, self.in_worklet)
        self._take = PageTake(wish, self.heed)
        self._is_cancelled = self._is_cut_short = False
        self._progress_s: float | None = None  # when there was a chunk, or a stop; once it is read

    def __repr__(self) -> str:
        given = [repr(self.device)] if self.device else []
        given += [f"speakers={self.speakers!r}"] if self.speakers else []
        given += ["tab=True"] if self.tab else []
        return f"BrowserMicrophone({', '.join(given)})"

    def _named(self, device: str) -> str:
        beside = " and a tab" if self.tab else ""
        return f"browser microphone{beside}" + (f": {device}" if device else "")

    @property
    def _n_channels(self) -> int:
        return len(self.speakers) or 1

    def check(self) -> None:
        """Show it in the cell that runs, if no page does yet.

        Raises
        ------
        SourceError
            If there is no notebook.

        """
        shower = type(self).shower
        if self.tell is None and shower is not None:
            shower(self)
        if self.tell is None:
            raise SourceError(
                f"{self.label}: there is no notebook whose page could capture.",
                hint='In a notebook, nb.Recorder("browser") and nb.record("browser") work. '
                'Elsewhere use source="mic".',
                source=self.label,
            )

    def __enter__(self) -> Self:
        self.check()
        assert self.tell is not None
        self._begin()
        with contextlib.ExitStack() as undo:
            undo.callback(self._leave)
            self._channel = channel = Channel(self._take, self.tell, self.origins)
            undo.enter_context(channel)
            self._wait_until_it_records(channel, self.tell)
            undo.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._leave()

    def _leave(self) -> None:
        channel, self._channel = self._channel, None
        if channel is None:
            return
        channel.send({"kind": "over"})
        if self.tell is not None:
            self.tell({"kind": "over"})
        channel.__exit__()
        self._take.states.over()

    def cancel(self) -> None:
        """Wait no longer for a person, or for a page that is away; from any thread."""
        with self._take.news:
            self._is_cancelled = True
            self._take.news.notify_all()

    def cut_short(self) -> None:
        """End with what came by now; from any thread."""
        self._is_cut_short = True

    @property
    def needs_s(self) -> float:
        """For how long, at most, it may still wait for the page once it is stopped."""
        progress_s = self._progress_s
        return 0.0 if progress_s is None else max(0.0, progress_s + RETURN_S - time.monotonic())

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """Yield what the page captured, each chunk once and in order.

        Parameters
        ----------
        stop : Event
            Ends it: what the page has captured by then still comes, as long as it comes; a page
            that is away is waited for. What then never came is lost by the last chunk, which has
            no sound.

        Raises
        ------
        SourceError
            If the device was taken away, or the page does not come back.

        """
        channel = self._channel
        if channel is None:
            raise StateError(
                f"{self.label} is not open.", hint="Read it inside `with source:`.", state="closed"
            )
        take, receipts = self._take, Receipts()
        last_s, stopped_s, quiet_s = -math.inf, math.inf, 0.0
        self._progress_s = time.monotonic()
        while not self._is_cut_short:
            if stop.is_set() and not take.is_stopping:
                stopped_s = self._progress_s = time.monotonic()
                take.is_stopping, quiet_s = True, 0.0
                channel.send({"kind": "stop"})
            try:
                arrived = take.arrived.get(timeout=POLL_S)
            except queue.Empty:
                # Waits are counted: a clock also runs while the computer sleeps.
                quiet_s += POLL_S
                self._acknowledge(channel, receipts)
                if take.has_ended or self._look(quiet_s, channel):
                    break
                continue
            quiet_s, self._progress_s = 0.0, time.monotonic()
            take.states.end("quiet", "rest")
            chunk = arrived.chunk
            last_s = chunk.captured_s
            if last_s - chunk.n_frames / SAMPLE_RATE_HZ < stopped_s + TAIL_S:
                yield chunk
            if receipts.add(arrived) >= ACK_EVERY:
                self._acknowledge(channel, receipts)
        if not take.is_stopping:
            self._raise_failure()
        elif (lost := rest(last_s, stopped_s, self._n_channels)) is not None:
            yield lost

    # -- what is shown ---------------------------------------------------------------------------

    @property
    def route(self) -> str:
        """How the page is heard: "direct", "proxy", "control", "comm"; empty before it is."""
        return self._take.route

    @property
    def fill(self) -> float:
        """How much of what the page can keep is waiting there, 0 to 1."""
        return self._take.fill

    @property
    def problem(self) -> tuple[str, str]:
        """The most urgent thing to say, and what to do; empty if nothing."""
        return self._take.states.problem

    @property
    def note(self) -> str:
        """How the page is heard, and what waits there."""
        return self._take.note

    def about(self) -> dict[str, Any]:
        """What was found out while recording, for ``session.json``.

        Returns
        -------
        dict
            ``device_latency_ms`` is the browser's word for how long a sound is under way from the
            room to the page, and has been taken off the times of capture: ``latency`` of the
            track's settings in W3C Media Capture and Streams, "the time between start of
            processing (for instance, when sound occurs in the real world) to the data being
            available", a target that the device may miss. None where the browser does not say.
            ``tried`` says of each route up to the one that was taken why it was or was not, for
            ``nbstream doctor``; ``clock`` is as in `PageClock.about`.

        """
        take = self._take
        return {"label": self._named(take.device or self.device)} | take.about()

    # -- through the notebook, from any thread -----------------------------------------------------

    def asked(self, content: Message, frames: Sequence[bytes]) -> None:
        """Take a message of a page that came through its widget."""
        channel, tell = self._channel, self.tell
        if channel is None or tell is None:
            return
        match content:
            case {"kind": "ask", "page": str(page), "origin": str(origin)}:
                channel.invite(page, origin, tell)
            case {"kind": "line"}:
                channel.through_comm(content, frames)

    def cut(self) -> None:
        """Break the line to the page, as a network would."""
        if self._channel is not None:
            self._channel.cut()

    # -- on the thread that reads ------------------------------------------------------------------

    def _wait_until_it_records(self, channel: Channel, tell: Callable[[Message], None]) -> None:
        take, records = self._take, False
        for _ in range(round(PAGE_S)):
            tell(channel.offer())  # Said again: a page may only now be listening.
            with take.news:
                if take.news.wait_for(lambda: take.sound.identity > 0 or self._is_cancelled, 1.0):
                    break
        with take.news:
            came = take.sound.identity > 0
            if came:
                take.news.wait_for(
                    lambda: take.states.is_decided or self._is_cancelled, PERMISSION_S
                )
            records = "recording" in take.states
        self.label = self._named(take.device or self.device)
        if self._is_cancelled:
            raise SourceError(
                f"{self.label}: stopped before it was allowed.",
                hint=f"Nothing was recorded. {self.problem[1] or 'Press Allow when it asks.'}",
                source=self.label,
            )
        if not came:
            why = f" Refused: {'; '.join(channel.refusals)}." if channel.refusals else ""
            raise SourceError(
                f"{self.label}: no page that shows it has answered for {PAGE_S:g} s.{why}",
                hint="Keep the notebook open in a browser, and reload the page if it was saved by "
                "another kernel.",
                source=self.label,
            )
        if not records:
            self._raise_failure()
            waits, hint = self.problem
            raise SourceError(
                f"{self.label}: nobody has allowed it for {PERMISSION_S:g} s. {waits}".rstrip(),
                hint=hint or "Press Allow at the top of the page when the browser asks.",
                source=self.label,
            )

    def _acknowledge(self, channel: Channel, receipts: Receipts) -> None:
        if (n := receipts.due(self._take.sound.identity)) is not None:
            channel.send({"kind": "have", "next": n})

    def _look(self, quiet_s: float, channel: Channel) -> bool:
        """See to a page from which nothing comes; whether it is waited for no longer."""
        take = self._take
        if take.is_stopping:
            now_s = time.monotonic()
            if channel.is_connected and now_s - take.sign_s < SIGN_S:
                # One that has just come back may take its time.
                return min(quiet_s, now_s - take.joined_s) >= END_S
            if quiet_s >= 1.0:
                take.states.add("rest")
            return quiet_s >= (0.0 if self._is_cancelled else RETURN_S)
        if quiet_s >= STALLED_S:
            take.states.add("quiet")
        if quiet_s >= KEEP_S:
            raise SourceError(
                f"{self.label}: the page has not been heard for {KEEP_S:g} s.",
                hint="What was recorded is kept. Open the notebook again to record more.",
                source=self.label,
            )
        if quiet_s >= END_S:
            self._raise_failure()
        return False

    def _raise_failure(self) -> None:
        if (failure := self._take.states.failure(self.label)) is not None:
            raise failure
