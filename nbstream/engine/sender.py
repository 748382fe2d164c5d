"""`Sender`: has one stretch of the recording transcribed, however often the network breaks.

The live stretch has no end until capture ends. When a drop was long, what is said now goes on at
once, and the stretch that was missed is handed over to a second sender; the seam between the two
lies in a pause of the speech. A connection that nears the service's limit is replaced in a pause
between turns.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from nbstream import audio, protocol
from nbstream.connection import Closed
from nbstream.engine.context import Context
from nbstream.engine.link import SILENT_TIMEOUT_S, Link
from nbstream.errors import AuthError, ConnectError, NbstreamError, ServerError
from nbstream.protocol import Ending

FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 20.0
# A backlog up to this is caught up; behind a longer one, people would watch the past.
LONG_BACKLOG_S: Final = 10.0
SEAM_LOOKBACK_S: Final = 10.0
# From so long before the service's cap a pause is waited for; the last part takes any moment.
ROLL_MARGIN_S: Final = 300.0

# What came of a connection: its end, or None if it was replaced in good order.
_Outcome = Ending | None


class Sender:
    """Sends frames from `start_frame` to `end_frame` and has them transcribed.

    Parameters
    ----------
    context : Context
        The session.
    start_frame : int
        First frame of the stretch.
    end_frame : int, optional
        End of the stretch; by default wherever capture ends.
    hand_over : callable, optional
        ``hand_over(start_frame, end_frame)`` has a missed stretch transcribed by somebody else.
        Without it, everything is caught up in order.
    on_open, on_drop, on_end : callable, optional
        Told when a connection was accepted, when it was lost, and when all has been sent.

    """

    def __init__(
        self,
        context: Context,
        start_frame: int = 0,
        end_frame: int | None = None,
        *,
        hand_over: Callable[[int, int], None] | None = None,
        on_open: Callable[[Link], None] | None = None,
        on_drop: Callable[[], None] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.cursor = start_frame
        self.retries_first = end_frame is not None
        self._context = context
        self._end_frame = end_frame
        self._hand_over = hand_over
        self._on_open = on_open or (lambda link: None)
        self._on_drop = on_drop or (lambda: None)
        self._on_end = on_end or (lambda: None)
        self._was_open = False

    def run(self) -> None:
        """Connect, send, and connect again, until all is transcribed.

        Raises
        ------
        NbstreamError
            If it can't be had: refused at the first connection, or ended for good.

        """
        failures = 0
        while True:
            outcome: _Outcome
            try:
                link = self._connect()
                failures = 0
                outcome = self._stream(link)
                if outcome is None:
                    continue
                if outcome.error is None:
                    return
                self.cursor = self._heard_frame(link)
            except AuthError as error:
                outcome = Ending(error)
            except ConnectError as error:
                outcome = Ending(error, retry=True)
            except ServerError as error:
                outcome = protocol.ending(error.code, error.reason, terminated=False)
            assert outcome.error is not None
            # The first connection decides whether a session starts at all: no retry, no lie.
            may_retry = self._was_open or self.retries_first
            if not may_retry or not outcome.retry or self._context.must_end():
                raise outcome.error
            self._on_drop()
            self._back_off(outcome.error, outcome.wait_s, failures)
            failures += 1

    # -- one connection --------------------------------------------------------------------------

    def _connect(self) -> Link:
        """Open the next connection, at the cursor or, behind a long backlog, near now."""
        missed = self.cursor
        if self._hand_over is not None and self._was_open:
            self.cursor = self._live_frame()
        try:
            link = self._context.open(self.cursor)
        except NbstreamError:
            self.cursor = missed
            raise
        if self._hand_over is not None and self.cursor > missed:
            self._hand_over(missed, self.cursor)
        self._was_open = True
        self._on_open(link)
        return link

    def _stream(self, link: Link) -> _Outcome:
        """Send until the stretch ends, then wait for the last word."""
        context, began_s, sent_frames = self._context, self._context.now_s(), 0
        pace = protocol.Pace(context.service.max_speed)
        try:
            while link.ending is None:
                self._cut_if_overdue(link)
                waiting, ended = self._waiting()
                if ended:
                    self._on_end()
                    if not waiting:
                        link.send_text(protocol.terminate())
                        return self._drain(link)
                if self._should_roll(link):
                    # Its receive thread takes in the last turn and the end.
                    link.send_text(protocol.terminate())
                    return None
                n_frames, n_pad = protocol.next_chunk(waiting, ended=ended)
                sent_s = sent_frames / audio.SAMPLE_RATE_HZ
                pause_s = pace.wait_s(context.now_s() - began_s, sent_s) if n_frames else 0.0
                if not n_frames or pause_s:
                    self._wait_for_news(waiting, pause_s)
                    continue
                pcm = context.folder.read_pcm(self.cursor, n_frames)
                link.send_audio(pcm + bytes(n_pad * audio.BYTES_PER_FRAME))
                context.folder.note_sent(self.cursor, n_frames, link.number, context.now_s())
                self.cursor += n_frames
                sent_frames += n_frames
                if self._end_frame is None:
                    context.sent_frame = self.cursor
        except Closed:
            pass  # The receive thread learns why.
        return link.ended()

    def _waiting(self) -> tuple[int, bool]:
        """Frames that can be sent now, and whether no more will come."""
        if self._end_frame is not None:
            return self._end_frame - self.cursor, True
        ended = self._context.captured.is_set()  # before the count, which then is the last
        return self._context.folder.n_frames - self.cursor, ended

    def _wait_for_news(self, waiting_frames: int, pause_s: float) -> None:
        """Sleep until there is more to send, or half a second, to look at the deadline."""
        with self._context.news:
            waiting, ended = self._waiting()
            if pause_s or (waiting == waiting_frames and not ended):
                self._context.news.wait(min(pause_s or 0.5, 0.5))

    def _drain(self, link: Link) -> Ending:
        """Wait for `Termination` and the close, as long as the service says something."""
        link.heard_s = self._context.now_s()
        while link.ending is None:
            self._cut_if_overdue(link)
            if self._context.now_s() - link.heard_s > SILENT_TIMEOUT_S:
                link.cut(f"no Termination within {SILENT_TIMEOUT_S:g} s")
            with self._context.news:
                self._context.news.wait_for(lambda: link.ending, 0.5)
        return link.ended()

    def _cut_if_overdue(self, link: Link) -> None:
        if self._context.must_end():
            link.cut("the time allowed for stopping had passed")

    # -- where to go on --------------------------------------------------------------------------

    def _heard_frame(self, link: Link) -> int:
        """Up to where the service has had its say on `link`: the end of its last final turn."""
        finals = [
            row.end_s
            for row in self._context.session.fold_rows()
            if row.connection == link.number and row.is_final and row.words
        ]
        heard = int(max(finals, default=0.0) * audio.SAMPLE_RATE_HZ)
        return min(self.cursor, max(link.start_frame, heard))

    def _live_frame(self) -> int:
        """The cursor, or behind a long backlog the last pause of the speech before now."""
        folder = self._context.folder
        now = folder.n_frames
        if now - self.cursor <= LONG_BACKLOG_S * audio.SAMPLE_RATE_HZ:
            return self.cursor
        first = max(self.cursor, now - round(SEAM_LOOKBACK_S * audio.SAMPLE_RATE_HZ))
        return first + audio.last_pause(audio.to_array(folder.read_pcm(first, now - first)))

    def _should_roll(self, link: Link) -> bool:
        """Whether to replace a connection that nears the service's limit, now that it is quiet."""
        if link.expires_s is None:
            return False
        left_s = link.expires_s - self._context.now_s()
        margin_s = min(ROLL_MARGIN_S, 0.3 * (link.expires_s - link.opened_s))
        if left_s > margin_s or self._end_frame is not None:
            return False
        turns = [r for r in self._context.session.fold_rows() if r.connection == link.number]
        between_turns = all(row.is_final for row in turns)
        folder = self._context.folder
        recent = folder.read_pcm(max(0, self.cursor - 4800), min(4800, self.cursor))
        return (between_turns and audio.is_pause(recent)) or left_s < margin_s / 4

    # -- back-off --------------------------------------------------------------------------------

    def _back_off(self, error: NbstreamError, least_s: float, failures: int) -> None:
        """Wait before the next attempt, with full jitter; the countdown is shown."""
        longest_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**failures)
        wait_s = least_s + random.uniform(0, longest_s)
        context = self._context
        context.note(error.message, f"Recording goes on; connecting again in {wait_s:.1f} s.")
        context.retry_at_s = context.now_s() + wait_s
        with context.news:
            while (left_s := context.retry_at_s - context.now_s()) > 0 and not context.must_end():
                context.news.wait(min(0.5, left_s))
        context.retry_at_s = None
