"""The engine: one session's state machine and the threads that move it.

| thread | job | ends when |
|---|---|---|
| nbstream-capture | source -> audio.wav, in `capture` | the source ends, or a stop is asked |
| nbstream-send | audio.wav -> network, by `transcription`; ends the session | all is over |
| nbstream-send-1 ... | likewise, for each further channel that is kept apart | all of it is sent |
| nbstream-fill | likewise, for a stretch that a long drop left behind | it is transcribed |
| nbstream-receive | network -> events.jsonl; one a connection, in `link` | its socket closes |
| nbstream-notify | snapshots -> listeners; folder -> disk; limits | after the last snapshot |
| nbstream-watch | dead links, in `filling`, which has no nbstream-notify | the gaps are filled |
| nbstream-callback | one handler given to `Session.on` | the session has ended |

All are daemons: a forgotten session must not keep a kernel from ending, and at exit `_at_exit`
says ``Terminate`` for it. The recording is the queue: the send thread reads the file that the
capture thread writes, so a slow network never reaches the microphone.

What they share stands in `Context`, with the rules of its one condition. Once the session has
started, `_state` is assigned under the lock of `Transcription` alone, by the send threads and by
who pauses, and by nbstream-send at the end.
"""

from __future__ import annotations

import atexit
import contextlib
import platform
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nbstream import audio
from nbstream import events as ev
from nbstream._version import __version__
from nbstream.connection import Closed
from nbstream.engine.capture import Capture
from nbstream.engine.context import Context
from nbstream.engine.filling import fill_gaps
from nbstream.engine.limits import Limits
from nbstream.engine.state import Snapshot, State
from nbstream.engine.transcription import Transcription
from nbstream.errors import ConnectError, NbstreamError, StateError
from nbstream.services import Service
from nbstream.session import Session
from nbstream.sources import Source
from nbstream.store import Folder

NOTIFY_HZ: Final = 10
UNSEEN_S: Final = 0.5  # between two looks at a session that nobody is shown
END_TIMEOUT_S: Final = 20.0


class Engine:
    """One recording, from start to end; one-shot.

    Parameters
    ----------
    source : Source
        What yields audio.
    service : Service
        What transcribes it.
    folder : str or Path
        Where the session's own folder is made.
    name : str
        Goes into the folder's name.
    **limits
        As in `Limits`.

    """

    def __init__(
        self,
        source: Source,
        service: Service,
        *,
        folder: str | Path = "recordings",
        name: str = "",
        **limits: float | None,
    ) -> None:
        self.source = source
        self.service = service
        self.limits = Limits(**limits)
        self.session: Session | None = None
        self._capture = Capture(source, self.limits.seconds)
        self._parent = folder
        self._name = name
        self._context: Context | None = None
        self._transcription: Transcription | None = None
        self._start_lock = threading.Lock()
        self._state = State.IDLE
        self._refused: NbstreamError | None = None  # at a start that left no session
        self._ready = threading.Event()  # recording, or over
        self._over = threading.Event()  # STOPPED or FAILED, folder closed
        self._told = threading.Event()  # the last snapshot went out
        self._forgotten = False
        self._listeners: list[Callable[[Snapshot], None]] = []

    # -- commands, from any thread ---------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the session is."""
        return self._state

    @property
    def can_pause(self) -> bool:
        """Whether it is being recorded now, or paused."""
        return self._ready.is_set() and not self._state.is_over and not self._capture.stop.is_set()

    @property
    def error(self) -> NbstreamError | None:
        """What made it fail, or will."""
        return self._context.error if self._context else self._refused

    def start(self, *, wait: bool = True) -> None:
        """Start recording.

        Parameters
        ----------
        wait : bool
            Until the service has accepted the session; what failed is raised here. Otherwise only
            what can be known at once is raised, and the rest appears in the snapshots.

        Raises
        ------
        SourceError, ConnectError, ServerError, StoreError, RecogniserError, ParameterError
        StateError
            If it was started before.

        """
        with self._start_lock:
            if self._state is not State.IDLE:
                raise StateError(
                    "this recording was started before.",
                    hint="Make a new one for each take.",
                    state=self._state,
                )
            self._state = State.CONNECTING
        try:
            self.service.check()
            self.source.check()
            folder = Folder.create(self._parent, self._name, self._meta())
        except NbstreamError as error:
            self._state, self._refused = State.FAILED, error
            for event in (self._ready, self._over, self._told):
                event.set()
            raise
        self.session = Session(folder, self, fill=fill_gaps)
        self._context = Context(folder, self.service, self.session, time.monotonic())
        with contextlib.suppress(NbstreamError):  # A full disk is the capture thread's to report.
            self._context.log(ev.StateChanged(State.CONNECTING))
        _running.add(self)
        for name, job in (
            ("capture", self._capture.run),
            ("send", self._send),
            ("notify", self._notify),
        ):
            self._spawn(name, job, self._context)
        if wait:
            self._wait_until_ready()

    def pause(self) -> None:
        """Pause: what is said until `resume` is not recorded, and the position stands still.

        All that was said before is sent, and the connection is ended: a pause costs nothing. A
        microphone stays open, a file is held. Does nothing if it is paused already.

        Raises
        ------
        StateError
            If it is not recording.

        """
        if self._recording().hold.begin(time.monotonic()):
            self._look_again()

    def resume(self) -> None:
        """Go on after a pause: what is said now is on disk at once, while it connects again.

        Does nothing if it is not paused.

        Raises
        ------
        StateError
            If it is not recording.

        """
        if self._recording().end_pause():
            self._look_again()

    def stop(self, *, wait: bool = True, timeout_s: float = 20, why: str = "") -> None:
        """Stop: capture ends, the rest is sent, ``Terminate``, last turn, close.

        Asked again, it waits for no page that is away and keeps some of the sound. After
        `timeout_s` the connection is cut and the session FAILED; the audio stays whole. `why` is
        kept and shown where nobody asked for it.
        """
        if self._state is State.IDLE:
            raise StateError("this recording was not started.", state=self._state)
        if why and self._context is not None and not self._capture.stop.is_set():
            self._context.note(f"Stopped by itself: {why}.")
        if self._capture.stop.is_set() and not why:
            self._capture.hurry()
        self._capture.stop.set()
        if self._context is not None:
            with self._context.news:
                if self._context.stop_by is None:
                    self._context.stop_by = time.monotonic() + timeout_s
                self._context.news.notify_all()
        if wait:
            self.wait()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False if `timeout_s` passed first. Raises what made it fail."""
        if not self._over.wait(timeout_s):
            return False
        self._told.wait(1.0)
        if self.error is not None:
            raise self.error
        return True

    def leave(self, error: BaseException | None) -> None:
        """End as a context manager does; see `Session`."""
        goes_on = self.source.live and self.limits == Limits()
        if error is not None or goes_on:
            self.stop(wait=False)
        try:
            self.wait()
        except NbstreamError:
            if error is None:  # An exception of the caller's comes first.
                raise
        except BaseException:  # Ctrl+C while a file plays to its end: stop properly, then go.
            self.stop(wait=False)
            with contextlib.suppress(NbstreamError):
                self.wait(END_TIMEOUT_S)
            raise

    def forget(self) -> None:
        """Nobody holds the session any more: stop, soon.

        Called by the garbage collector, on any thread and in the middle of anything, so it takes
        no lock; nbstream-notify does the rest.
        """
        self._forgotten = True

    def send(self, text: str) -> None:
        """Send a control message on the open connection of each channel, after it is on disk."""
        links = self._context.open_links() if self._context else []
        if not links:
            raise StateError(
                "there is no open connection now.",
                hint="Wait until the state is recording.",
                state=self._state,
            )
        broken: list[Closed] = []
        for link in links:
            try:
                link.send_text(text)
            except Closed as closed:
                broken.append(closed)
        if len(broken) == len(links):
            raise ConnectError(f"the connection broke while sending: {broken[0]}.")

    def subscribe(self, listener: Callable[[Snapshot], None]) -> None:
        """Have `listener` called with snapshots, at most 10 a second, by one thread."""
        self._listeners.append(listener)
        if self._context is not None:
            self._context.changed.set()

    def call_on(self, kind: type[ev.Event], handler: Callable[[Any], object]) -> None:
        """Call `handler` with each event of `kind`, on a thread of its own."""
        assert self._context is not None
        self._spawn("callback", self._call, self._context, handler, kind)

    def now_s(self) -> float:
        """Seconds since the session began."""
        return self._context.now_s() if self._context else 0.0

    def snapshot(self) -> Snapshot:
        """The session at this instant."""
        context = self._context
        if context is None or self.session is None:
            refused = self._refused
            return Snapshot(
                self._state,
                message=refused.message if refused else "",
                hint=refused.hint if refused else "",
            )
        finals, partials = self.session.turn_counts()
        now_s = context.now_s()
        retry_at_s = context.retry_at_s()
        is_captured = context.captured.is_set()
        level = (audio.SILENCE_DBFS, False) if is_captured else self._capture.level()
        return Snapshot(
            state=self._state,
            elapsed_s=context.folder.meta.get("ended_s") or now_s,
            audio_s=self.session.duration_s,
            behind_s=0.0 if self._state.is_over else context.behind_s(),
            retry_in_s=None if retry_at_s is None else max(0.0, retry_at_s - now_s),
            level_dbfs=level[0],
            clipped=level[1],
            silent_s=0.0 if is_captured or context.hold.is_on else self._capture.silent_s(),
            n_turns=finals,
            n_partials=partials,
            overflows=self._capture.overflows,
            folder=str(context.folder.path),
            **context.describe(),
        )

    def __repr__(self) -> str:
        return f"<Engine {self.snapshot()}>"

    # -- nbstream-send -----------------------------------------------------------------------------

    def _send(self, context: Context) -> None:
        transcription = self._transcription = Transcription(
            context,
            self._spawn,
            on_state=lambda state: self._moved(context, state),
            on_fail=self._give_up,
        )
        try:
            # A source that can't be opened costs no connection.
            self._capture.opened.wait()
            if context.error is None or context.folder.n_frames:
                transcription.run()
        except Exception as error:  # A bug of ours must end in FAILED, never in silence.
            context.fail(NbstreamError(f"internal error: {type(error).__name__}: {error}."))
        finally:
            self._finish(context)

    def _give_up(self) -> None:
        if not self._capture.stop.is_set():
            self.stop(wait=False)

    def _moved(self, context: Context, state: State) -> None:
        self._set_state(context, state)
        if state is not State.CONNECTING:  # Every channel has been accepted.
            self._ready.set()

    def _finish(self, context: Context) -> None:
        """End the session: capture ended, holes noted, folder closed, state final."""
        folder = context.folder
        self._capture.stop.set()
        context.captured.wait(END_TIMEOUT_S)
        context.close_links()
        self._capture.wait_closed()
        # Each by itself: what a full disk refuses must not keep the rest from being said.
        with contextlib.suppress(NbstreamError, OSError):
            cause = str(context.error) if context.error else context.problem[0]
            for start, end, channel in folder.missing():
                context.log(ev.Gap(start, end, cause, channel))
        with contextlib.suppress(NbstreamError, OSError):
            folder.update(
                ended_s=round(context.now_s(), 3),
                audio_frames=folder.n_frames,
                overflows=self._capture.overflows,
                billed_s=round(context.billed_s(), 3),
                cost_usd=round(context.cost_usd(), 4),
            )
        with contextlib.suppress(NbstreamError, OSError):
            self._set_state(context, State.STOPPED if context.error is None else State.FAILED)
        self._state = State.STOPPED if context.error is None else State.FAILED
        with contextlib.suppress(NbstreamError, OSError):
            folder.close()
            if not folder.n_frames and not context.links:
                folder.discard()  # A start that failed leaves nothing behind.
        _running.discard(self)
        for event in (self._over, self._ready, context.changed):
            event.set()

    # -- nbstream-notify -------------------------------------------------------------------------

    def _notify(self, context: Context) -> None:
        looked_s = 0.0
        while not self._over.is_set():
            if self._listeners:
                context.changed.wait(0.2 if self._capture.stop.is_set() else 1.0)
                context.changed.clear()
                self._tell(context)
            self._capture.give_up_if_hung(context)
            if context.now_s() - looked_s >= 1.0:
                looked_s = context.now_s()
                self._look_after(context)
            self._over.wait(1 / NOTIFY_HZ if self._listeners else UNSEEN_S)
        self._tell(context)
        self._told.set()

    def _look_after(self, context: Context) -> None:
        """Once a second: folder to disk, dead links, limits."""
        try:
            context.folder.sync()
        except (NbstreamError, OSError) as error:
            if not self._over.is_set():
                context.fail(error if isinstance(error, NbstreamError) else _disk(error))
                self._capture.stop.set()
        for link in list(context.links):
            link.look()
        if self._capture.stop.is_set():
            return
        if self._forgotten:
            self.stop(wait=False, why="nothing holds the session any more")
            return
        reached = self.limits.reached(context.now_s(), context.unspoken_s(), context.cost_usd())
        if reached:
            self.stop(wait=False, why=reached)

    def _tell(self, context: Context) -> None:
        if not self._listeners:
            return
        try:
            now = self.snapshot()
        except NbstreamError as error:  # The folder is gone: this thread still has work to do.
            context.fail(error)
            return
        for listener in tuple(self._listeners):
            try:
                listener(now)
            except Exception as error:  # A broken view must not stop the others.
                self._listeners.remove(listener)
                why = f"{type(error).__name__}: {error}"
                context.note(f"A view failed: {why}.", "Display it again.")

    # -- nbstream-callback -----------------------------------------------------------------------

    def _call(
        self, context: Context, handler: Callable[[Any], object], kind: type[ev.Event]
    ) -> None:
        for event in context.session.follow():
            if isinstance(event, kind):
                try:
                    handler(event)
                except Exception as error:  # The user's; shown, and the next event is tried.
                    name = getattr(handler, "__name__", repr(handler))
                    context.note(f"Handler {name} failed: {type(error).__name__}: {error}.")

    # -- helpers ---------------------------------------------------------------------------------

    def _recording(self) -> Context:
        """What is recorded now, also if it is paused; raises if nothing is."""
        context = self._context
        if context is None or not self.can_pause:
            raise StateError(
                f"the session is {self._state}: only a recording can be paused.",
                hint="Wait until the state is recording.",
                state=self._state,
            )
        return context

    def _look_again(self) -> None:
        assert self._context is not None
        assert self._transcription is not None
        self._transcription.look_again()
        self._context.wake()

    def _spawn(self, name: str, job: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=job, args=arguments, name=f"nbstream-{name}", daemon=True)
        thread.start()
        return thread

    def _wait_until_ready(self) -> None:
        try:
            self._ready.wait()
        except BaseException:  # Ctrl+C while connecting
            self.stop(wait=False)
            raise
        assert self._context is not None
        if self._context.error is not None:
            self._over.wait(END_TIMEOUT_S)
            raise self._context.error
        model = self._context.describe()["model"]
        if model not in (None, self.service.model):
            # Here, in the caller's thread, so that it appears in the caller's cell.
            warnings.warn(
                f"The service uses the model {model}, not {self.service.model} as asked.",
                stacklevel=4,
            )

    def _set_state(self, context: Context, state: State) -> None:
        if self._state is not state:
            context.folder.update(state=str(state))
            self._state = state
            context.log(ev.StateChanged(state))

    def _meta(self) -> dict[str, Any]:
        return {
            "source": {"kind": self.source.kind, "label": self.source.label},
            "speakers": list(self.source.speakers),
            "service": self.service.describe(),
            "versions": {"nbstream": __version__, "python": platform.python_version()},
            "platform": platform.platform(),
        }


def _disk(error: OSError) -> NbstreamError:
    return NbstreamError(f"the recording can't be written: {error}.", hint="Is the disk full?")


_running: weakref.WeakSet[Engine] = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    """Say ``Terminate`` for whatever still records: an open connection is paid for."""
    running = list(_running)
    for engine in running:
        engine.stop(wait=False, timeout_s=3)
    for engine in running:
        with contextlib.suppress(NbstreamError):
            engine.wait(4)
