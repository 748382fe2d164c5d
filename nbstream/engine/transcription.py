"""`Transcription`: has each channel of a recording transcribed, on a thread of its own.

A channel that is reconnecting holds up no other. The session's state is made of theirs: it records
when all of them do, and drains when all have sent everything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from nbstream import protocol
from nbstream.engine.context import Context, Live
from nbstream.engine.link import Link
from nbstream.engine.sender import Sender
from nbstream.engine.state import State
from nbstream.errors import NbstreamError

# Of the states of its channels, a session has the first one here.
_LAGGING: Final = (
    State.CONNECTING,
    State.RECONNECTING,
    State.RECORDING,
    State.PAUSED,
    State.DRAINING,
)


class Transcription:
    """All that a session sends and hears, until every channel has been transcribed.

    Parameters
    ----------
    context : Context
        The session.
    spawn : callable
        ``spawn(name, job, *arguments)`` starts a thread and gives it.
    on_state : callable
        Told what state the session is in now. One call at a time: the lock is held meanwhile, so
        that the order on disk is the true one.
    on_fail : callable
        Told when a channel can't be had; why stands in the context. The others go on until they
        are told to stop, and then say their ``Terminate``.

    """

    def __init__(
        self,
        context: Context,
        spawn: Callable[..., threading.Thread],
        *,
        on_state: Callable[[State], None],
        on_fail: Callable[[], None],
    ) -> None:
        self._context = context
        self._spawn = spawn
        self._on_state = on_state
        self._on_fail = on_fail
        self._state_lock = threading.Lock()

    def run(self) -> None:
        """Transcribe the first channel here, each further one on a thread of its own."""
        first, *others = self._context.live
        threads = [self._spawn(f"send-{live.channel}", self._transcribe, live) for live in others]
        self._transcribe(first)
        for thread in threads:
            thread.join()

    def _transcribe(self, live: Live) -> None:
        """Have one channel transcribed, what was missed of it too."""
        context = self._context
        fillers: list[threading.Thread] = []

        def hand_over(start_frame: int, end_frame: int) -> None:
            stretch = (live.channel, start_frame, end_frame)
            fillers.append(self._spawn("fill", self._fill, *stretch))

        sender = Sender(
            context,
            channel=live.channel,
            hand_over=hand_over,
            on_open=lambda link: self._accepted(live, link),
            on_drop=lambda: self._move(live, State.RECONNECTING),
            on_hold=lambda: self._move(live, State.PAUSED),
            on_go=lambda: self._move(live, State.CONNECTING),
            on_end=lambda: self._move(live, State.DRAINING),
        )
        try:
            sender.run()
            for filler in fillers:
                filler.join()
        except NbstreamError as error:
            context.fail(error)
        except Exception as error:  # A bug of ours must end in FAILED, never in silence.
            context.fail(NbstreamError(f"internal error: {type(error).__name__}: {error}."))
        else:
            return
        self._on_fail()

    def _fill(self, channel: int | None, start_frame: int, end_frame: int) -> None:
        """Transcribe a stretch that was missed, beside what goes on live."""
        context = self._context
        try:
            Sender(context, start_frame, end_frame, channel=channel).run()
        except NbstreamError as error:
            message = context.who(channel) + error.message
            context.note(message, "What is missing stands in session.gaps.")

    def _accepted(self, live: Live, link: Link) -> None:
        if live is self._context.live[0]:  # The others are asked for the same.
            self._tell_what_is_used(link)
        self._move(live, State.RECORDING)

    def _tell_what_is_used(self, link: Link) -> None:
        """Say what the service makes of our wishes."""
        assert link.begin is not None
        context, service = self._context, self._context.service
        asked, used = service.model, link.begin.model or service.model
        if used != asked:
            context.note(
                f"The service uses the model {used}, not {asked} as asked.",
                "Figures of different models can't be compared.",
            )
        idle = protocol.ineffective(service.options, used)
        if idle and service.name != "local":
            context.note(f"{', '.join(idle)}: no effect on {used}.")

    def _move(self, live: Live, state: State) -> None:
        """One channel has moved to `state`, and with it perhaps the session."""
        with self._state_lock:
            live.state = state
            self._tell()

    def look_again(self) -> None:
        """The recording was paused, or goes on."""
        with self._state_lock:
            self._tell()

    def _tell(self) -> None:
        states = {live.state for live in self._context.live}
        state = next(state for state in _LAGGING if state in states)
        # What was said before a pause may still be on its way, but nobody need wait for it.
        is_paused = self._context.hold.is_on and not self._context.captured.is_set()
        self._on_state(State.PAUSED if is_paused else state)
