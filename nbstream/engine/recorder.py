"""The engine: one session's state machine and the threads that move it.

| thread | job | ends when |
|---|---|---|
| nbstream-capture | source -> audio.wav | the source ends, or a stop is asked |
| nbstream-send | audio.wav -> network: connects, reconnects, terminates | all is over |
| nbstream-receive | network -> events.jsonl; one a connection | its socket closes |
| nbstream-notify | snapshots -> listeners; folder -> disk | after the last snapshot |
| nbstream-callback | one handler given to `Session.on` | the session has ended |

All are daemons: a forgotten session must not keep a kernel from ending, and at exit `_at_exit`
says ``Terminate`` for it. The recording is the queue: the send thread reads the file that the
capture thread writes, so a slow network never reaches the microphone.

One condition, `_news`, guards `_links` and the links; new audio, news from the network and
commands signal it. It is not held while calling a source, a socket, the folder or a listener.
Only the send thread assigns `_state` once the session has started.
"""

from __future__ import annotations

import atexit
import contextlib
import platform
import random
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nbstream import audio, protocol
from nbstream import events as ev
from nbstream._version import __version__
from nbstream.connection import Closed, Connection, without_query
from nbstream.engine.link import SILENT_TIMEOUT_S, Link
from nbstream.engine.state import Snapshot, State
from nbstream.errors import (
    AuthError,
    ConnectError,
    NbstreamError,
    ParameterError,
    ServerError,
    StateError,
)
from nbstream.protocol import Ending
from nbstream.services import Service
from nbstream.session import Session
from nbstream.sources import Source
from nbstream.store import Folder

NOTIFY_HZ: Final = 10
FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 20.0


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
    seconds : float, optional
        Stop after so many seconds of audio.

    """

    def __init__(
        self,
        source: Source,
        service: Service,
        *,
        folder: str | Path = "recordings",
        name: str = "",
        seconds: float | None = None,
    ) -> None:
        if seconds is not None and not seconds > 0:
            raise ParameterError(f"seconds {seconds!r} must be over 0.", parameter="seconds")
        self.source = source
        self.service = service
        self.session: Session | None = None
        self.error: NbstreamError | None = None
        self._parent = folder
        self._name = name
        self._limit_frames = None if seconds is None else round(seconds * audio.SAMPLE_RATE_HZ)
        self._news = threading.Condition()
        self._state = State.IDLE
        self._links: list[Link] = []
        self._stop_by: float | None = None  # monotonic; a stop was asked, and must end by then
        self._stop = threading.Event()  # capture is to end
        self._opened = threading.Event()  # the source is open, or could not be
        self._captured = threading.Event()  # capture has ended
        self._ready = threading.Event()  # recording, or over
        self._over = threading.Event()  # STOPPED or FAILED, folder closed
        self._told = threading.Event()  # the last snapshot went out
        self._changed = threading.Event()  # there is something to show
        self._cursor = 0  # next frame to send; only the send thread writes it
        self._overflows = 0
        self._level = (audio.SILENCE_DBFS, False)
        self._problem = ("", "")
        self._listeners: list[Callable[[Snapshot], None]] = []

    # -- commands, from any thread ---------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the session is."""
        return self._state

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
        with self._news:
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
            self._folder = Folder.create(self._parent, self._name, self._meta())
        except NbstreamError as error:
            self._state, self.error = State.FAILED, error
            self._problem = (error.message, error.hint)
            for event in (self._captured, self._ready, self._over, self._told):
                event.set()
            raise
        self._t0 = time.monotonic()
        self.session = Session(self._folder, self)
        self._log(ev.StateChanged(State.CONNECTING))
        _running.add(self)
        self._spawn("capture", self._capture)
        self._spawn("send", self._send)
        self._spawn("notify", self._notify)
        if wait:
            self._wait_until_ready()

    def stop(self, *, wait: bool = True, timeout_s: float = 20) -> None:
        """Stop: capture ends, the rest is sent, ``Terminate``, last turn, close. Idempotent.

        After `timeout_s` the connection is cut and the session FAILED; the audio stays whole.
        """
        if self._state is State.IDLE:
            raise StateError("this recording was not started.", state=self._state)
        self._stop.set()
        with self._news:
            if self._stop_by is None:
                self._stop_by = time.monotonic() + timeout_s
            self._news.notify_all()
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
        if error is not None or (self.source.live and self._limit_frames is None):
            self.stop(wait=False)
        try:
            self.wait()
        except NbstreamError:
            if error is None:  # An exception of the caller's comes first.
                raise
        except BaseException:  # Ctrl+C while a file plays to its end: stop properly, then go.
            self.stop(wait=False)
            with contextlib.suppress(NbstreamError):
                self.wait(SILENT_TIMEOUT_S)
            raise

    def send(self, text: str) -> None:
        """Send a control message on the open connection, after it is on disk."""
        with self._news:
            link = self._links[-1] if self._links else None
        if link is None or link.begin is None or link.ending is not None:
            raise StateError(
                "there is no open connection now.",
                hint="Wait until the state is recording.",
                state=self._state,
            )
        try:
            link.send_text(text)
        except Closed as closed:
            raise ConnectError(f"the connection broke while sending: {closed}.") from None

    def subscribe(self, listener: Callable[[Snapshot], None]) -> None:
        """Have `listener` called with snapshots, at most 10 a second, by one thread."""
        self._listeners.append(listener)
        self._changed.set()

    def call_on(self, kind: type[ev.Event], handler: Callable[[Any], object]) -> None:
        """Call `handler` with each event of `kind`, on a thread of its own."""
        self._spawn("callback", lambda: self._call(handler, kind))

    def now_s(self) -> float:
        """Seconds since the session began."""
        return time.monotonic() - self._t0

    def snapshot(self) -> Snapshot:
        """The session at this instant."""
        message, hint = self._problem
        if self.session is None:
            return Snapshot(self._state, message=message, hint=hint)
        rows = self.session.fold_rows()
        finals = sum(row.is_final for row in rows)
        with self._news:
            links = list(self._links)
        begin = links[-1].begin if links else None
        return Snapshot(
            state=self._state,
            elapsed_s=self._folder.meta.get("ended_s") or self.now_s(),
            audio_s=self.session.duration_s,
            sent_s=self._cursor / audio.SAMPLE_RATE_HZ,
            billed_s=sum(link.billed_s for link in links),
            level_dbfs=audio.SILENCE_DBFS if self._captured.is_set() else self._level[0],
            clipped=self._level[1],
            n_turns=finals,
            n_partials=len(rows) - finals,
            overflows=self._overflows,
            connection=links[-1].number if links else None,
            message=message,
            hint=hint,
            folder=str(self._folder.path),
            model=begin.model if begin else None,
            expires_at=begin.expires_at if begin else None,
        )

    def __repr__(self) -> str:
        return f"<Engine {self.snapshot()}>"

    # -- nbstream-capture ------------------------------------------------------------------------

    def _capture(self) -> None:
        try:
            with self.source as source:
                self._opened.set()
                if source.warning:
                    self._note(source.warning)
                for chunk in source.chunks(self._stop):
                    pcm = self._up_to_limit(chunk.pcm)
                    frame = self._folder.append_audio(pcm, chunk.captured_s - self._t0)
                    self._level = (audio.level_dbfs(pcm), audio.is_clipped(pcm))
                    if chunk.overflows:
                        self._overflows += chunk.overflows
                        self._log(ev.Overflow(frame, chunk.overflows, chunk.lost_frames))
                    with self._news:
                        self._news.notify_all()
                    self._changed.set()
                    if self._folder.n_frames == self._limit_frames:
                        break
        except NbstreamError as error:
            self._fail(error)
        except Exception as error:
            self._fail(NbstreamError(f"the source failed: {type(error).__name__}: {error}."))
        finally:
            self._captured.set()
            self._opened.set()
            with self._news:
                self._news.notify_all()

    def _up_to_limit(self, pcm: bytes) -> bytes:
        if self._limit_frames is None:
            return pcm
        return pcm[: (self._limit_frames - self._folder.n_frames) * audio.BYTES_PER_FRAME]

    # -- nbstream-send ---------------------------------------------------------------------------

    def _send(self) -> None:
        try:
            # A source that can't be opened costs no connection.
            self._opened.wait()
            if self.error is None:
                self._connect_until_done()
        except NbstreamError as error:
            self._fail(error)
        except Exception as error:  # A bug of ours must end in FAILED, never in silence.
            self._fail(NbstreamError(f"internal error: {type(error).__name__}: {error}."))
        finally:
            self._finish()

    def _connect_until_done(self) -> None:
        """Connect, stream, and connect again, until all is sent or nothing can be done."""
        failures = 0
        while True:
            try:
                link = self._open()
                failures = 0
                end = self._stream(link)
            except AuthError as error:
                end = Ending(error)
            except ConnectError as error:
                end = Ending(error, retry=True)
            except ServerError as error:
                end = protocol.ending(error.code, error.reason, terminated=False)
            if end.error is None:
                return
            # The first connection decides whether the session starts at all: no retry, no lie.
            if not self._ready.is_set() or not end.retry or self._must_end():
                raise end.error
            self._set_state(State.RECONNECTING)
            self._cursor = self._heard_frame()
            self._back_off(end.error, end.wait_s, failures)
            failures += 1

    def _open(self) -> Link:
        """A new connection, accepted with `Begin`. Raises what refused it."""
        url = self.service.url()
        connection = Connection(url, self.service.headers())
        link = Link(
            len(self._links),
            connection,
            log=self._log,
            news=self._news,
            now_s=self.now_s,
            on_disk_failure=self._fail,
        )
        self._log(ev.Connected(without_query(url), self._cursor), link.number)
        with self._news:
            self._links.append(link)
        begin = link.start()
        asked, used = self.service.model, begin.model or self.service.model
        if used != asked:
            self._note(
                f"The service uses the model {used}, not {asked} as asked.",
                "Figures of different models can't be compared.",
            )
        idle = (
            [] if self.service.name == "local" else protocol.ineffective(self.service.options, used)
        )
        if idle:
            self._note(f"{', '.join(idle)}: no effect on {used}.")
        self._set_state(State.RECORDING)
        self._ready.set()
        return link

    def _stream(self, link: Link) -> Ending:
        """Send until the audio ends, then wait for the last word. Returns how the link ended."""
        pace, began_s, sent_frames = protocol.Pace(self.service.max_speed), self.now_s(), 0
        try:
            while link.ending is None:
                self._cut_if_overdue(link)
                ended = self._captured.is_set()  # before the count, which then is the last
                waiting = self._folder.n_frames - self._cursor
                n_frames, n_pad = protocol.next_chunk(waiting, ended=ended)
                sent_s = sent_frames / audio.SAMPLE_RATE_HZ
                pause_s = pace.wait_s(self.now_s() - began_s, sent_s) if n_frames else 0.0
                if ended:
                    self._set_state(State.DRAINING)
                    if not waiting:
                        link.send_text(protocol.terminate())
                        return self._drain(link)
                if not n_frames or pause_s:
                    self._wait_for_news(waiting, pause_s)
                    continue
                pcm = self._folder.read_pcm(self._cursor, n_frames)
                link.send_audio(pcm + bytes(n_pad * audio.BYTES_PER_FRAME))
                self._folder.note_sent(self._cursor, n_frames, link.number, self.now_s())
                self._cursor += n_frames
                sent_frames += n_frames
        except Closed:
            pass  # The receive thread learns why.
        return link.ended()

    def _wait_for_news(self, waiting_frames: int, pause_s: float) -> None:
        """Sleep until there is more to send, or half a second, to look at the deadline."""
        with self._news:
            nothing_new = self._folder.n_frames - self._cursor == waiting_frames
            if pause_s or (nothing_new and not self._captured.is_set()):
                self._news.wait(min(pause_s or 0.5, 0.5))

    def _drain(self, link: Link) -> Ending:
        """Wait for `Termination` and the close, as long as the service says something."""
        link.heard_s = self.now_s()
        while link.ending is None:
            self._cut_if_overdue(link)
            if link.is_silent():
                link.cut(f"no Termination within {SILENT_TIMEOUT_S:g} s")
            with self._news:
                self._news.wait_for(lambda: link.ending, 0.5)
        return link.ended()

    def _must_end(self) -> bool:
        return self._stop_by is not None and time.monotonic() > self._stop_by

    def _cut_if_overdue(self, link: Link) -> None:
        if self._must_end():
            link.cut("the time allowed for stopping had passed")

    def _heard_frame(self) -> int:
        """Frame up to which the service has had its say: the end of the last final turn."""
        assert self.session is not None
        rows = self.session.fold_rows()
        finals_end_s = max((r.end_s for r in rows if r.is_final and r.words), default=0.0)
        return min(self._cursor, int(finals_end_s * audio.SAMPLE_RATE_HZ))

    def _back_off(self, error: NbstreamError, least_s: float, failures: int) -> None:
        """Wait before the next attempt, with full jitter."""
        longest_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**failures)
        wait_s = least_s + random.uniform(0, longest_s)
        self._note(error.message, f"Recording goes on; connecting again in {wait_s:.1f} s.")
        until_s = self.now_s() + wait_s
        with self._news:
            while self.now_s() < until_s and not self._must_end():
                self._news.wait(min(0.5, max(0.01, until_s - self.now_s())))

    def _finish(self) -> None:
        """End the session: capture ended, holes noted, folder closed, state final."""
        self._stop.set()
        self._captured.wait(SILENT_TIMEOUT_S)
        for link in self._links:
            link.close()
        with self._news:
            self._news.wait_for(lambda: all(k.closed_s is not None for k in self._links), 5.0)
        state = State.STOPPED if self.error is None else State.FAILED
        with contextlib.suppress(NbstreamError, OSError):
            heard = self._folder.n_frames if self.error is None else self._heard_frame()
            if heard < self._folder.n_frames:
                self._log(ev.Gap(heard, self._folder.n_frames, str(self.error)))
            self._folder.update(
                ended_s=round(self.now_s(), 3),
                audio_frames=self._folder.n_frames,
                overflows=self._overflows,
            )
            self._set_state(state)
        self._state = state
        with contextlib.suppress(NbstreamError, OSError):
            self._folder.close()
            if not self._folder.n_frames and not self._links:
                self._folder.discard()  # A start that failed leaves nothing behind.
        _running.discard(self)
        for event in (self._over, self._ready, self._changed):
            event.set()

    # -- nbstream-notify -------------------------------------------------------------------------

    def _notify(self) -> None:
        synced_s = 0.0
        while not self._over.is_set():
            self._changed.wait(1.0)
            self._changed.clear()
            self._tell()
            if self.now_s() - synced_s >= 1.0:
                synced_s = self.now_s()
                with contextlib.suppress(OSError):
                    self._folder.sync()
                for link in self._links:
                    if link.is_stuck():
                        link.cut("it takes no more audio")
            self._over.wait(1 / NOTIFY_HZ)
        self._tell()
        self._told.set()

    def _tell(self) -> None:
        if not self._listeners:
            return
        now = self.snapshot()
        for listener in tuple(self._listeners):
            try:
                listener(now)
            except Exception as error:  # A broken view must not stop the others.
                self._listeners.remove(listener)
                self._note(f"A view failed: {type(error).__name__}: {error}.", "Display it again.")

    # -- nbstream-callback -----------------------------------------------------------------------

    def _call(self, handler: Callable[[Any], object], kind: type[ev.Event]) -> None:
        assert self.session is not None
        for event in self.session.follow():
            if isinstance(event, kind):
                try:
                    handler(event)
                except Exception as error:  # The user's; shown, and the next event is tried.
                    name = getattr(handler, "__name__", repr(handler))
                    self._note(f"Handler {name} failed: {type(error).__name__}: {error}.")

    # -- helpers ---------------------------------------------------------------------------------

    def _spawn(self, name: str, job: Callable[[], None]) -> None:
        threading.Thread(target=job, name=f"nbstream-{name}", daemon=True).start()

    def _wait_until_ready(self) -> None:
        try:
            self._ready.wait()
        except BaseException:  # Ctrl+C while connecting
            self.stop(wait=False)
            raise
        if self.error is not None:
            self._over.wait(SILENT_TIMEOUT_S)
            raise self.error
        begin = self._links[-1].begin
        if begin is not None and begin.model not in (None, self.service.model):
            # Here, in the caller's thread, so that it appears in the caller's cell.
            warnings.warn(f"{self._problem[0]} {self._problem[1]}", stacklevel=4)

    def _log(self, event: ev.Event, connection: int | None = None) -> None:
        self._folder.append_event(event, self.now_s(), connection)
        self._changed.set()

    def _note(self, message: str, hint: str = "") -> None:
        """Tell the person: on disk, then in the next snapshot."""
        with contextlib.suppress(NbstreamError):
            self._log(ev.Problem(message, hint))
        self._problem = (message, hint)
        self._changed.set()

    def _fail(self, error: NbstreamError) -> None:
        """Keep the first error; the session will end as FAILED."""
        if self.error is None:
            self.error = error
            self._note(error.message, error.hint)

    def _set_state(self, state: State) -> None:
        if self._state is not state:
            self._folder.update(state=str(state))
            self._state = state
            self._log(ev.StateChanged(state))

    def _meta(self) -> dict[str, Any]:
        return {
            "source": {"kind": self.source.kind, "label": self.source.label},
            "service": self.service.describe(),
            "versions": {"nbstream": __version__, "python": platform.python_version()},
            "platform": platform.platform(),
        }


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
