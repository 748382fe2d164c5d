"""What the threads of one session share: folder, service, clock, links, problems."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from nbstream import events as ev
from nbstream import protocol
from nbstream.connection import Closed, Connection, without_query
from nbstream.engine.hold import Hold
from nbstream.engine.link import Link
from nbstream.engine.state import State
from nbstream.errors import NbstreamError, StateError
from nbstream.services import Service
from nbstream.session import Session
from nbstream.store import Folder

HANDSHAKE_TIMEOUT_S: Final = 10.0


@dataclass(slots=True)
class Live:
    """How far what is said now, on one channel, has come. Its sender alone writes it."""

    channel: int | None  # None where there is only one
    link: Link | None = None  # the one that hears it
    sent_frame: int = 0  # up to where it has been sent
    retry_at_s: float | None = None  # on the session's clock, while waiting to reconnect
    state: State = State.CONNECTING


class Context:
    """One session while something is being transcribed.

    Parameters
    ----------
    folder : Folder
        Open for writing.
    service : Service
        Who transcribes.
    session : Session
        Its turns say how far the service has had its say.
    began_s : float
        ``time.monotonic()`` at the session's beginning.

    Notes
    -----
    `news` guards `links` and the links; new audio, news from the network and commands signal it.
    It is not held while calling a source, a socket, the folder or a listener. `live` has an entry
    for each channel that is heard by itself.

    """

    def __init__(self, folder: Folder, service: Service, session: Session, began_s: float) -> None:
        self.folder = folder
        self.service = service
        self.session = session
        self.news = threading.Condition()
        self.links: list[Link] = []
        self.live = [Live(None)]
        if folder.n_channels > 1:
            self.live = [Live(channel) for channel in range(folder.n_channels)]
        self.options: dict[str, Any] = {}  # as updated in mid-session; each new connection's too
        self.first_connection = 1 + max(
            (e.connection for e in folder.entries if e.connection is not None), default=-1
        )
        self.hold = Hold()  # whether it is paused
        self.captured = threading.Event()  # no more audio will come
        self.changed = threading.Event()  # there is something to show
        self.stop_by: float | None = None  # monotonic; a stop was asked, and must end by then
        self.error: NbstreamError | None = None
        self.problem = ("", "")
        self._began_s = began_s
        self._is_over = False  # no connection may be opened any more

    def now_s(self) -> float:
        """Seconds since the session began."""
        return time.monotonic() - self._began_s

    def at_s(self, monotonic_s: float) -> float:
        """``time.monotonic()`` on the session's clock."""
        return monotonic_s - self._began_s

    def must_end(self) -> bool:
        """Whether the time allowed for stopping has passed."""
        return self._is_over or (self.stop_by is not None and time.monotonic() > self.stop_by)

    def log(self, event: ev.Event, connection: int | None = None) -> None:
        """Put an event on disk; then it can be shown."""
        self.folder.append_event(event, self.now_s(), connection)
        self.changed.set()

    def note(self, message: str, hint: str = "") -> None:
        """Tell the person: on disk, then in the next snapshot."""
        with contextlib.suppress(NbstreamError):
            self.log(ev.Problem(message, hint))
        self.problem = (message, hint)
        self.changed.set()

    def fail(self, error: NbstreamError) -> None:
        """Keep the first error; the session will end as FAILED."""
        if self.error is None:
            self.error = error
            self.note(error.message, error.hint)

    def end_pause(self) -> bool:
        """Go on, or end, where it was paused, with a row for it on disk; False if it was not."""
        if not self.hold.end(time.monotonic(), self.folder.n_frames):
            return False
        self.log_pauses()
        self.wake()
        return True

    def log_pauses(self) -> None:
        """Have rows on disk of pauses that are over, as soon as it is known where they are."""
        last = self.folder.n_frames if self.captured.is_set() else None
        for frame, seconds in self.hold.ended(last):
            with contextlib.suppress(NbstreamError):  # A full disk: the capture thread reports it.
                self.log(ev.Paused(frame, round(seconds, 3)))

    def wake(self) -> None:
        """Signal `news`."""
        with self.news:
            self.news.notify_all()

    def open(self, start_frame: int, channel: int | None = None, live: Live | None = None) -> Link:
        """Open a connection whose clock starts at `start_frame`. Raises what refused it.

        It hears `channel`; with `live`, what is said on it now.
        """
        url, headers = self.service.url(), self.service.headers()
        if url_at := getattr(self.service, "url_at", None):  # What it says depends on the place.
            url = url_at(start_frame, channel)
        left_s = math.inf if self.stop_by is None else self.stop_by - time.monotonic()
        connection = Connection(url, headers, timeout_s=min(HANDSHAKE_TIMEOUT_S, max(1.0, left_s)))
        with self.news:
            is_over = self._is_over
            link = Link(self.first_connection + len(self.links), connection, start_frame, self)
            if not is_over:
                self.links.append(link)
        if is_over:  # It came up while everything was closed: it would stay open.
            connection.close()
            raise StateError("the session is over.", state="stopped")
        try:
            self.log(ev.Connected(without_query(url), start_frame, channel), link.number)
        except NbstreamError:  # The disk: nobody will receive on it.
            link.discard()
            raise
        link.start()
        if live is not None:  # From here on it gets what is updated; what was before, now.
            live.link = link
        if self.options:
            with contextlib.suppress(Closed):  # The next to use it finds out why.
                link.send_text(protocol.update_configuration(**self.options))
        return link

    def billed_s(self) -> float:
        """Time that sockets have been open, all added up."""
        with self.news:
            return sum(link.billed_s for link in self.links)

    def cost_usd(self) -> float:
        """Estimated cost of them, by the service's rate."""
        return self.billed_s() / 3600 * self.service.usd_per_hour

    def behind_s(self) -> float:
        """Audio that has not been sent yet, of the channel that is farthest behind."""
        sent_frame = min(live.sent_frame for live in self.live)
        return (self.folder.n_frames - sent_frame) / self.folder.sample_rate_hz

    def retry_at_s(self) -> float | None:
        """When the next attempt to reconnect is due, on the session's clock; None if none is."""
        return min((k.retry_at_s for k in self.live if k.retry_at_s is not None), default=None)

    def unspoken_s(self) -> float:
        """Seconds without a word from anybody; none while it is paused, or begins again."""
        if self.hold.is_on:
            return 0.0
        return self.now_s() - max(self.session.spoken_s(), self.at_s(self.hold.resumed_s))

    def newest(self) -> Link | None:
        """The newest connection that hears what is said now, else the last that was opened."""
        with self.news:
            live = [live.link for live in self.live if live.link is not None]
            return max(live or self.links, key=lambda link: link.number, default=None)

    def open_links(self) -> list[Link]:
        """Those that hear what is said now, and can be spoken to."""
        links = [live.link for live in self.live if live.link is not None]
        return [link for link in links if link.begin is not None and link.ending is None]

    def who(self, channel: int | None) -> str:
        """Whose channel it is, to begin a message with; empty where there is only one."""
        return "" if channel is None else f"{self.folder.speakers[channel]}: "

    def close_links(self, timeout_s: float = 5.0) -> None:
        """Close every socket for good and wait until the receive threads have said so."""
        with self.news:
            self._is_over = True
            self.news.notify_all()
        for link in list(self.links):
            link.close()
        with self.news:
            self.news.wait_for(lambda: all(k.closed_s is not None for k in self.links), timeout_s)

    def describe(self) -> dict[str, Any]:
        """What `Snapshot` takes from here."""
        newest = self.newest()
        begin = newest.begin if newest else None
        return {
            "billed_s": self.billed_s(),
            "cost_usd": self.cost_usd(),
            "connection": newest.number if newest else None,
            "message": self.problem[0],
            "hint": self.problem[1],
            "model": begin.model if begin else None,
            "expires_at": begin.expires_at if begin else None,
        }
