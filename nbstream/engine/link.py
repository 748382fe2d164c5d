"""One connection in use: its socket, its receive thread, and what that thread has learnt."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Final

from nbstream import audio, protocol
from nbstream import events as ev
from nbstream.connection import Closed, Connection
from nbstream.errors import ConnectError, NbstreamError
from nbstream.protocol import Ending

if TYPE_CHECKING:
    from nbstream.engine.context import Context

BEGIN_TIMEOUT_S: Final = 10.0
PING_S: Final = 2.0
# Without a message, a pong or a byte taken: TCP alone notices a dead peer after minutes.
SILENT_TIMEOUT_S: Final = 10.0
# Pongs, but no message, where one is due: a heartbeat (each 5 s), or what follows `Terminate`.
MUTE_TIMEOUT_S: Final = 16.0
# Audio that was sent faster than it was spoken may keep a service busy for so long at most.
LONGEST_BUSY_S: Final = 60.0
LOOK_S: Final = 0.25  # between two looks; each chunk asks for one
# Nobody looked for so long: it was us who slept (a suspended laptop, a stopped process).
OWN_SLEEP_S: Final = 5.0
# A send that took so long had to wait until the peer took something.
_BLOCKED_S: Final = 0.05


class Link:
    """One connection. Its receive thread writes it, under `Context.news`; everybody may read.

    Parameters
    ----------
    number : int
        Of the connection in its session, from 0.
    connection : Connection
        The open socket; the link closes it.
    start_frame : int
        Where in the recording its clock starts.
    context : Context
        The session.

    """

    def __init__(
        self, number: int, connection: Connection, start_frame: int, context: Context
    ) -> None:
        self.number = number
        self.endpoint = connection.endpoint
        self.start_frame = start_frame
        self.opened_s = self.heard_s = self.said_s = context.now_s()
        self.closed_s: float | None = None
        self.begin: ev.Begin | None = None
        self.expires_s: float | None = None  # on the session's clock
        self.terminated = False
        self.ending: Ending | None = None
        self._connection = connection
        self._context = context
        self._fault: ev.ServerFault | None = None
        self._sent_s = 0.0  # audio
        self._sending_since_s: float | None = None
        self._has_heartbeat = False
        self._asked_to_end_s: float | None = None
        self._pinged_s = self._looked_s = self.opened_s

    @property
    def billed_s(self) -> float:
        """Time the socket has been open."""
        return (self._context.now_s() if self.closed_s is None else self.closed_s) - self.opened_s

    def start(self) -> None:
        """Start receiving and wait for `Begin`.

        Raises
        ------
        ConnectError, AuthError, ServerError
            What the service said instead, or that it said nothing.

        """
        threading.Thread(target=self._receive, name="nbstream-receive", daemon=True).start()
        with self._context.news:
            self._context.news.wait_for(
                lambda: self.begin or self.ending or self._context.must_end(), BEGIN_TIMEOUT_S
            )
            ending = self.ending
        if self.begin is not None:
            return
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
        since_s = self._sending_since_s = self._context.now_s()
        try:
            self._connection.send_audio(pcm)
        finally:
            self._sending_since_s = None
        self._sent_s += len(pcm) / audio.BYTES_PER_SAMPLE / audio.SAMPLE_RATE_HZ
        if self._context.now_s() - since_s > _BLOCKED_S:
            self._heard()

    def send_text(self, text: str) -> None:
        """Put a control message on disk and send it. Raises `Closed`."""
        self._context.log(ev.Sent(text), self.number)
        self._connection.send_text(text)
        message = json.loads(text)
        if message.pop("type") == "UpdateConfiguration":
            self._context.options |= message

    def terminate(self) -> None:
        """Say that no more will come; the last turn, `Termination` and the close follow."""
        self._asked_to_end_s = self._context.now_s()
        self.send_text(protocol.terminate())

    def look(self) -> None:
        """Ping a quiet peer now and then; cut one that is dead or mute, whatever TCP says."""
        now_s, looked_s = self._context.now_s(), self._looked_s
        if now_s - looked_s < LOOK_S:
            return
        self._looked_s = now_s
        if self.closed_s is not None or self.ending is not None:
            return
        if now_s - looked_s > OWN_SLEEP_S:
            self.heard_s = self.said_s = now_s
            return
        # Its pongs and words queue behind audio that came faster than it was spoken.
        ahead_s = self._sent_s - (now_s - self.opened_s)
        busy_s = min(max(0.0, ahead_s), LONGEST_BUSY_S)
        sending_since_s = self._sending_since_s
        if sending_since_s is not None and now_s - sending_since_s > SILENT_TIMEOUT_S:
            self.cut(f"it took no audio for {SILENT_TIMEOUT_S:g} s")
        elif now_s - self.heard_s > SILENT_TIMEOUT_S + busy_s:
            self.cut(f"nothing came back for {now_s - self.heard_s:.0f} s")
        elif self._is_mute(now_s - busy_s):
            self.cut(f"it answers pings, but said nothing for {now_s - self.said_s:.0f} s")
        elif now_s - max(self.heard_s, self._pinged_s) > PING_S and sending_since_s is None:
            self._pinged_s = now_s
            with contextlib.suppress(Closed):
                self._connection.ping()

    def cut(self, why: str) -> None:
        """Close a link that can't be waited for. One that has terminated has lost nothing."""
        with self._context.news:
            if self.ending is None:
                error = ConnectError(
                    f"{self.endpoint} did not finish: {why}.",
                    hint="What was not transcribed is in the recording, and in session.gaps.",
                    endpoint=self.endpoint,
                )
                self.ending = Ending(None if self.terminated else error, retry=True)
            self._context.news.notify_all()
        self._connection.close()

    def close(self) -> None:
        """Close the socket at once."""
        self._connection.close()

    def discard(self) -> None:
        """Close a link that was never started."""
        self._connection.close()
        self.closed_s = self._context.now_s()

    def ended(self) -> Ending:
        """How it ended, once the receive thread has taken in the last message and said so."""
        with self._context.news:
            self._context.news.wait_for(lambda: self.closed_s is not None, 5.0)
        if self.ending is None:
            self.cut("it neither answers nor closes")
        assert self.ending is not None
        # `Termination` may have been on its way while the link was cut.
        return Ending(None) if self.terminated else self.ending

    def _receive(self) -> None:
        try:
            while True:
                text = self._connection.receive(on_pong=self._heard)
                event = protocol.decode(text)
                self._context.log(event, self.number)
                self._learn(event)
        except Closed as closed:
            self._closed(closed)
        except NbstreamError as error:  # The disk: nothing more can be kept.
            self._context.fail(error)
            self._closed(Closed(None, error.message))

    def _heard(self) -> None:
        self.heard_s = self._context.now_s()

    def _is_mute(self, now_s: float) -> bool:
        """Whether a message is overdue. Without heartbeats one is due after `Terminate` only."""
        asked_s = self._asked_to_end_s
        if asked_s is None and not self._has_heartbeat:
            return False
        return now_s - max(self.said_s, asked_s or 0.0) > MUTE_TIMEOUT_S

    def _learn(self, event: ev.Event) -> None:
        with self._context.news:
            self.heard_s = self.said_s = self._context.now_s()
            if isinstance(event, ev.Begin):
                self.begin = event
                left_s = event.expires_at - time.time()
                self.expires_s = self.heard_s + left_s if left_s > 0 else None
            elif isinstance(event, ev.Heartbeat):
                self._has_heartbeat = True
            elif isinstance(event, ev.ServerFault):
                self._fault = event
            elif isinstance(event, ev.Termination):
                self.terminated = True
            if self.begin is event:  # Nobody waits for the others, which come many times a second.
                self._context.news.notify_all()

    def _closed(self, closed: Closed) -> None:
        self._connection.close()
        # The Error message names the reason; the close frame often only refers to it.
        fault = self._fault
        code = fault.code if fault and fault.code is not None else closed.code
        reason = fault.message if fault else closed.reason
        with contextlib.suppress(NbstreamError):
            self._context.log(ev.Disconnected(code, reason, self.terminated), self.number)
        with self._context.news:
            self.closed_s = self._context.now_s()
            if self.ending is None:
                self.ending = protocol.ending(
                    code, reason, terminated=self.terminated, endpoint=self.endpoint
                )
            self._context.news.notify_all()
