"""`Sender`: has one stretch of the recording transcribed, however often the network breaks.

The live stretch has no end until capture ends. When a drop was long, what is said now goes on at
once, and the stretch that was missed is handed over to a second sender. A connection that nears
the service's limit is replaced. Wherever one connection takes over from another, the seam lies in
a pause of the speech, so that no word is cut, heard twice or left out.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from typing import Final

from nbstream import audio, protocol
from nbstream.connection import Closed
from nbstream.engine.context import Context
from nbstream.engine.link import Link
from nbstream.errors import AuthError, ConnectError, NbstreamError, ServerError
from nbstream.protocol import Ending

FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 20.0
# A connection that lasted so long was no failed attempt, even if nobody spoke.
STEADY_S: Final = 60.0
# Once nothing more is recorded, somebody waits: the service may be away for so long.
GIVE_UP_S: Final = 60.0
# A backlog up to this is caught up; behind a longer one, people would watch the past.
LONG_BACKLOG_S: Final = 10.0
SEAM_LOOKBACK_S: Final = 10.0
# From so long before the service's cap a pause is waited for; the last quarter takes any moment.
ROLL_MARGIN_S: Final = 300.0
LATE: Final = 0.75  # of the margin
# A pause that has to be found, not waited for, is looked for in so much audio.
ROLL_LOOKAHEAD_S: Final = 3.0
# A pause whose place to cut (0.25 s before its end, on the grid) is so near is not over yet.
QUIET_FRAMES: Final = 4800
# Connections start at multiples of the window that voice detectors use (32 ms): a recogniser then
# cuts what it hears again as it did before, and finds the same words.
GRID_FRAMES: Final = 512


class Sender:
    """Sends frames from `start_frame` to `end_frame` and has them transcribed.

    Parameters
    ----------
    context : Context
        The session.
    start_frame : int
        First frame of the stretch.
    end_frame : int, optional
        End of the stretch; by default wherever capture ends, which makes this the live one.
    channel : int, optional
        Of channels that are kept apart, the one to send.
    is_patient : bool, optional
        Whether a first connection that fails is tried again too, instead of raising what refused
        it; by default with `end_frame`.
    hand_over : callable, optional
        ``hand_over(start_frame, end_frame)`` has a missed stretch transcribed by somebody else.
        Without it, everything is caught up in order.
    on_open, on_drop, on_hold, on_go, on_end : callable, optional
        Told when a connection was accepted, when it was lost, when all before a pause has been
        sent, when the pause is over, and when all has been sent.

    """

    def __init__(
        self,
        context: Context,
        start_frame: int = 0,
        end_frame: int | None = None,
        *,
        channel: int | None = None,
        is_patient: bool | None = None,
        hand_over: Callable[[int, int], None] | None = None,
        on_open: Callable[[Link], None] | None = None,
        on_drop: Callable[[], None] | None = None,
        on_hold: Callable[[], None] | None = None,
        on_go: Callable[[], None] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.cursor = _on_grid(start_frame)
        self._context = context
        self._end_frame = end_frame
        self._channel = channel
        self._live = context.live[channel or 0] if end_frame is None else None
        self._hand_over = hand_over
        self._on_open = on_open or (lambda link: None)
        self._on_drop = on_drop or (lambda: None)
        self._on_hold = on_hold or (lambda: None)
        self._on_go = on_go or (lambda: None)
        self._on_end = on_end or (lambda: None)
        self._is_patient = end_frame is not None if is_patient is None else is_patient
        self._was_open = False
        self._failures = 0  # since something was transcribed
        self._waits_since_s: float | None = None  # the first of them after capture had ended
        # Replaced in good order: the link, and up to where it was sent.
        self._replaced: list[tuple[Link, int]] = []

    @property
    def is_live(self) -> bool:
        """Whether this one sends what is said now."""
        return self._end_frame is None

    def run(self) -> None:
        """Connect, send, and connect again, until all is transcribed.

        Raises
        ------
        NbstreamError
            If it can't be had: refused at the first connection, or ended for good.

        """
        try:
            while (ending := self._attempt()).error is not None:
                if self._is_hopeless(ending):
                    raise ending.error
                self._on_drop()
                self._back_off(ending.error, ending.wait_s)
        finally:
            self._settle(wait=True)

    # -- one connection --------------------------------------------------------------------------

    def _attempt(self) -> Ending:
        """Send over one connection, or several that replace each other; how the last one ended."""
        while True:
            if not self._wait_while_held():
                return Ending(None)
            try:
                link = self._connect()
            except AuthError as error:
                return Ending(error)
            except ConnectError as error:
                return Ending(error, retry=True)
            except ServerError as error:
                # Classified again, since a refused handshake and a refused session raise alike.
                found = protocol.ending(error.code, error.reason, terminated=False)
                return dataclasses.replace(found, error=error)
            ending = self._stream(link)
            if ending is None:
                continue
            if ending.error is not None:
                heard = self._heard_frame(link, self.cursor)
                if heard > link.start_frame or link.billed_s > STEADY_S:
                    self._failures, self._waits_since_s = 0, None
                self.cursor = heard
            return ending

    def _connect(self) -> Link:
        """Open the next connection, at the cursor or, behind a long backlog, near now."""
        missed, start = self.cursor, self._live_frame()
        link = self._context.open(start, self._channel, self._live)
        self.cursor = start
        if self._hand_over is not None and start > missed:
            self._hand_over(missed, start)
        self._was_open = True
        self._on_open(link)
        return link

    def _stream(self, link: Link) -> Ending | None:
        """Send until the stretch ends and wait for the last word; None if `link` was replaced."""
        context, began_s, sent_frames = self._context, self._context.now_s(), 0
        pace = protocol.Pace(context.service.max_speed)
        seam: int | None = None  # where the next connection takes over
        try:
            while link.ending is None:
                self._look_after(link)
                self._settle()
                waiting, ended = self._waiting()
                recorded = self.cursor + waiting
                urgency = 0.0 if ended else self._urgency(link)
                if seam is None and urgency > 0:
                    seam = self._seam(link, waiting, urgency)
                if seam is None and not ended:
                    seam = self._held_at()
                if seam is not None:
                    waiting, ended = max(0, seam - self.cursor), True
                elif ended:
                    self._on_end()
                elif urgency > LATE:
                    waiting = 0  # Kept back until a pause is found in it.
                if ended and not waiting:
                    link.terminate()
                    if seam is None:
                        return self._drain(link)
                    self._replaced.append((link, self.cursor))
                    self.cursor = seam
                    return None
                n_frames, n_pad = protocol.next_chunk(waiting, ended=ended)
                sent_s = sent_frames / audio.SAMPLE_RATE_HZ
                pause_s = pace.wait_s(context.now_s() - began_s, sent_s) if n_frames else 0.0
                if not n_frames or pause_s:
                    self._wait_for_news(recorded, pause_s)
                    continue
                pcm = context.folder.read_pcm(self.cursor, n_frames, self._channel)
                link.send_audio(pcm + bytes(n_pad * audio.BYTES_PER_SAMPLE))
                context.folder.note_sent(self.cursor, n_frames, link.number, context.now_s())
                self.cursor += n_frames
                sent_frames += n_frames
                if self._live is not None:
                    self._live.sent_frame = self.cursor
                if self.is_live and seam is None and link.ending is None:
                    self._wait_for_news(self.cursor, 0.0)  # before all is looked at once more
        except Closed:
            pass  # The receive thread learns why.
        return link.ended()

    def _waiting(self) -> tuple[int, bool]:
        """Frames that can be sent now, and whether no more will come."""
        if self._end_frame is not None:
            return max(0, self._end_frame - self.cursor), True
        ended = self._context.captured.is_set()  # before the count, which then is the last
        return self._context.folder.n_frames - self.cursor, ended

    def _held_at(self) -> int | None:
        """Where a pause began, once all before it is on disk; None if there is none."""
        context = self._context
        if not self.is_live or not context.hold.is_on:
            return None
        context.hold.settle(context.folder.n_frames, time.monotonic())
        return context.hold.frame

    def _wait_while_held(self) -> bool:
        """Be without a connection as long as there is nothing to send; False if that is all."""
        context, was_held = self._context, False

        def is_done() -> bool:
            return self.cursor >= context.folder.n_frames

        while self._held_at() is not None and is_done() and not context.captured.is_set():
            if not was_held:
                was_held = True
                self._on_hold()
            self._settle()
            with context.news:
                context.news.wait(0.5)
        if self.is_live and self._was_open and context.captured.is_set() and is_done():
            self._on_end()
            return False
        if was_held:
            self._on_go()
        return True

    def _wait_for_news(self, recorded_frames: int, pause_s: float) -> None:
        """Sleep until more has been recorded, or half a second, to look at the deadline."""
        context = self._context
        with context.news:
            no_more = context.folder.n_frames == recorded_frames and not context.captured.is_set()
            if pause_s or no_more:
                context.news.wait(min(pause_s or 0.5, 0.5))

    def _drain(self, link: Link) -> Ending:
        """Wait for `Termination` and the close, as long as the service says something."""
        while link.ending is None:
            self._look_after(link)
            with self._context.news:
                self._context.news.wait_for(lambda: link.ending, 0.5)
        return link.ended()

    def _look_after(self, link: Link) -> None:
        if self._context.must_end():
            link.cut("the time allowed for stopping had passed")
        link.look()

    def _settle(self, *, wait: bool = False) -> None:
        """See that links which were replaced have had their say; what they lost is handed over."""
        for link, end_frame in self._replaced[:]:
            if wait:
                self._drain(link)
            if link.closed_s is None:
                continue
            self._replaced.remove((link, end_frame))
            heard = self._heard_frame(link, end_frame)
            if link.ended().error is not None and heard < end_frame and self._hand_over is not None:
                self._hand_over(heard, end_frame)

    # -- where to go on --------------------------------------------------------------------------

    def _heard_frame(self, link: Link, sent_frame: int) -> int:
        """Up to where the service has had its say on `link`: the end of its last final turn.

        A final turn ends in a pause, or there would have been more of it.
        """
        finals = [
            row.end_s
            for row in self._context.session.fold_rows()
            if row.connection == link.number and row.is_final and row.words
        ]
        if not finals:
            return link.start_frame
        heard = _on_grid(round(max(finals) * audio.SAMPLE_RATE_HZ))
        return max(link.start_frame, min(sent_frame, heard))

    def _live_frame(self) -> int:
        """The cursor, or behind a long backlog the last pause of the speech before now."""
        now = self._context.folder.n_frames
        is_short = now - self.cursor <= LONG_BACKLOG_S * audio.SAMPLE_RATE_HZ
        # At the first connection nothing was missed; when capture has ended, nothing is said now.
        is_over = self._context.captured.is_set()
        if self._hand_over is None or not self._was_open or is_short or is_over:
            return self.cursor
        first = max(self.cursor, now - round(SEAM_LOOKBACK_S * audio.SAMPLE_RATE_HZ))
        return max(self.cursor, self._pause(first, now - first))

    def _pause(self, first_frame: int, n_frames: int) -> int:
        """Where the last pause in this stretch is, on the grid."""
        pcm = self._context.folder.read_pcm(first_frame, n_frames, self._channel)
        frame = first_frame + audio.last_pause(audio.to_array(pcm))
        return frame - frame % GRID_FRAMES

    def _urgency(self, link: Link) -> float:
        """How near the service's limit `link` is: above 0 it is to be replaced, before 1."""
        if link.expires_s is None or self._hand_over is None:
            return 0.0
        margin_s = _roll_margin_s(link.expires_s - link.opened_s)
        return 1 - (link.expires_s - self._context.now_s()) / margin_s

    def _seam(self, link: Link, waiting_frames: int, urgency: float) -> int | None:
        """Where the next connection takes over from `link`; None if not now.

        In a pause between turns; when time runs out, in the best pause of what waits to be sent.
        """
        if self._is_between_turns(link):
            first = max(0, self.cursor - round(SEAM_LOOKBACK_S * audio.SAMPLE_RATE_HZ))
            seam = self._pause(first, self.cursor - first)
            if self.cursor - seam <= QUIET_FRAMES:
                return seam
        assert link.expires_s is not None
        lookahead_s = min(ROLL_LOOKAHEAD_S, _roll_margin_s(link.expires_s - link.opened_s) / 8)
        if urgency > LATE and waiting_frames >= lookahead_s * audio.SAMPLE_RATE_HZ:
            return max(self.cursor, self._pause(self.cursor, waiting_frames))
        return None

    def _is_between_turns(self, link: Link) -> bool:
        rows = self._context.session.fold_rows()
        return all(row.is_final for row in rows if row.connection == link.number)

    # -- back-off --------------------------------------------------------------------------------

    def _is_hopeless(self, ending: Ending) -> bool:
        """Whether another attempt makes no sense, or nobody waits for it."""
        # The first connection decides whether a session starts at all: no retry, no lie.
        may_retry = ending.retry and (self._was_open or self._is_patient)
        if not may_retry or self._context.must_end():
            return True
        if not self._context.captured.is_set():
            return False
        now_s = self._context.now_s()
        if self._waits_since_s is None:
            self._waits_since_s = now_s
        return now_s - self._waits_since_s > GIVE_UP_S

    def _back_off(self, error: NbstreamError, least_s: float) -> None:
        """Wait before the next attempt, with full jitter; the countdown is shown."""
        context, was_recording = self._context, not self._context.captured.is_set()
        longest_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**self._failures)
        self._failures += 1
        wait_s = least_s + random.uniform(0, longest_s)
        message = context.who(self._channel) + error.message
        context.note(message, f"Recording goes on; connecting again in {wait_s:.1f} s.")
        retry_at_s = context.now_s() + wait_s
        if self._live is not None:
            self._live.retry_at_s = retry_at_s
        with context.news:
            while (left_s := retry_at_s - context.now_s()) > 0 and not context.must_end():
                if was_recording and context.captured.is_set():
                    break  # Stopped: now somebody waits.
                context.news.wait(min(0.5, left_s))
        if self._live is not None:
            self._live.retry_at_s = None


def _on_grid(frame: int) -> int:
    """The next start of a window: what is left out is shorter than any message."""
    return -(-frame // GRID_FRAMES) * GRID_FRAMES


def _roll_margin_s(lifetime_s: float) -> float:
    return min(ROLL_MARGIN_S, 0.3 * lifetime_s)
