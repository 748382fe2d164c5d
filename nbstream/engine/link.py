"""One connection in use: its socket, its receive thread, and what that thread has learnt."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Final

from nbstream import events as ev
from nbstream import protocol
from nbstream.connection import Closed, Connection
from nbstream.errors import ConnectError, NbstreamError
from nbstream.protocol import Ending

BEGIN_TIMEOUT_S: Final = 10.0
SILENT_TIMEOUT_S: Final = 20.0  # without a word, while one is due


class Link:
    """One connection. The receive thread writes it, under `news`; everybody may read.

    Parameters
    ----------
    number : int
        Of the connection in its session, from 0.
    connection : Connection
        The open socket; the link closes it.
    log : callable
        ``log(event, connection)`` puts an event on disk; called before anybody hears of it.
    news : Condition
        The engine's; guards what is below and is signalled with each change.
    now_s : callable
        Seconds since the session began.
    on_disk_failure : callable
        Told when `log` raises: nothing more can be kept.

    """

    def __init__(
        self,
        number: int,
        connection: Connection,
        *,
        log: Callable[[ev.Event, int | None], None],
        news: threading.Condition,
        now_s: Callable[[], float],
        on_disk_failure: Callable[[NbstreamError], None],
    ) -> None:
        self.number = number
        self.endpoint = connection.endpoint
        self.opened_s = self.heard_s = now_s()
        self.closed_s: float | None = None
        self.begin: ev.Begin | None = None
        self.terminated = False
        self.ending: Ending | None = None
        self.sending_since_s: float | None = None
        self._connection = connection
        self._fault: ev.ServerFault | None = None
        self._log = log
        self._news = news
        self._now_s = now_s
        self._on_disk_failure = on_disk_failure

    @property
    def billed_s(self) -> float:
        """Time the socket has been open."""
        return (self._now_s() if self.closed_s is None else self.closed_s) - self.opened_s

    def start(self) -> ev.Begin:
        """Start receiving and wait for `Begin`.

        Raises
        ------
        ConnectError, AuthError, ServerError
            What the service said instead, or that it said nothing.

        """
        threading.Thread(target=self._receive, name="nbstream-receive", daemon=True).start()
        with self._news:
            self._news.wait_for(lambda: self.begin or self.ending, BEGIN_TIMEOUT_S)
            begin, ending = self.begin, self.ending
        if begin is not None:
            return begin
        self.cut("no Begin came")
        if ending is not None and ending.error is not None:
            raise ending.error
        raise ConnectError(
            f"{self.endpoint} took the connection but did not answer with Begin.",
            hint="Is it a Streaming v3 service?",
            endpoint=self.endpoint,
        )

    def send_audio(self, pcm: bytes) -> None:
        """Send one message of PCM. Raises `Closed`."""
        self.sending_since_s = self._now_s()
        try:
            self._connection.send_audio(pcm)
        finally:
            self.sending_since_s = None

    def send_text(self, text: str) -> None:
        """Put a control message on disk and send it. Raises `Closed`."""
        self._log(ev.Sent(text), self.number)
        self._connection.send_text(text)

    def is_silent(self) -> bool:
        """Whether the service has said nothing for longer than it may."""
        return self._now_s() - self.heard_s > SILENT_TIMEOUT_S

    def is_stuck(self) -> bool:
        """Whether the service has taken nothing for so long that the link must be dead."""
        since_s = self.sending_since_s
        return since_s is not None and self._now_s() - since_s > SILENT_TIMEOUT_S

    def cut(self, why: str) -> None:
        """Close a link that can't be waited for. One that has terminated has lost nothing."""
        with self._news:
            if self.ending is None:
                error = ConnectError(
                    f"{self.endpoint} did not finish: {why}.",
                    hint="What was not transcribed is in the recording, and in session.gaps.",
                    endpoint=self.endpoint,
                )
                self.ending = Ending(None if self.terminated else error, retry=True)
            self._news.notify_all()
        self._connection.close()

    def close(self) -> None:
        """Close the socket at once."""
        self._connection.close()

    def ended(self) -> Ending:
        """How it ended, once the receive thread has said so."""
        with self._news:
            self._news.wait_for(lambda: self.ending, 5.0)
        if self.ending is None:
            self.cut("it neither answers nor closes")
        assert self.ending is not None
        return self.ending

    def _receive(self) -> None:
        try:
            while True:
                event = protocol.decode(self._connection.receive())
                self._log(event, self.number)
                self._learn(event)
        except Closed as closed:
            self._closed(closed)
        except NbstreamError as error:
            self._on_disk_failure(error)
            self._closed(Closed(None, error.message))

    def _learn(self, event: ev.Event) -> None:
        with self._news:
            self.heard_s = self._now_s()
            if isinstance(event, ev.Begin):
                self.begin = event
            elif isinstance(event, ev.ServerFault):
                self._fault = event
            elif isinstance(event, ev.Termination):
                self.terminated = True
            self._news.notify_all()

    def _closed(self, closed: Closed) -> None:
        self._connection.close()
        # The Error message names the reason; the close frame often only refers to it.
        fault = self._fault
        code = fault.code if fault and fault.code is not None else closed.code
        reason = fault.message if fault else closed.reason
        with contextlib.suppress(NbstreamError):
            self._log(ev.Disconnected(code, reason, self.terminated), self.number)
        with self._news:
            self.closed_s = self._now_s()
            if self.ending is None:
                self.ending = protocol.ending(
                    code, reason, terminated=self.terminated, endpoint=self.endpoint
                )
            self._news.notify_all()
