"""`Recorder`: record with a button in a notebook cell, and see what is said while it is said.

Threads: the button's and the pickers' callbacks run on nbstream-commands (see `widgets.commands`)
or, where pages have no line, wherever Jupyter runs them, now or after the cell that is running;
they hand a command to the engine and return. While an engine runs, its thread nbstream-notify alone
sets the traits of the parts, and leaves the report at the end; while none runs, the thread of the
command sets them. `_lock` guards which engine is the current one; nothing is called out to while it
is held.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import ipywidgets

from nbstream.engine import Engine, Limits, Snapshot, State
from nbstream.errors import NbstreamError, StateError
from nbstream.saved import clock_text, report_html, report_text
from nbstream.services import Service
from nbstream.session import Session
from nbstream.sources import BrowserMicrophone, Source
from nbstream.widgets.choices import ServiceChoice, SourceChoice
from nbstream.widgets.commands import carry
from nbstream.widgets.microphone import PageMicrophone
from nbstream.widgets.places import Places, put, replace_earlier_run_of_cell
from nbstream.widgets.presence import Presence
from nbstream.widgets.remembered import remember
from nbstream.widgets.static import static_html
from nbstream.widgets.status import Status, is_running
from nbstream.widgets.view import View

REPORT_TIMEOUT_S: Final = 30.0
PAGE_STOP_S: Final = 45.0  # a page that is away is waited for; a second press does without
_SOUND_LATER_S: Final = 30.0  # what is longer takes its time to be compressed


class Recorder(ipywidgets.VBox):  # type: ignore[misc]
    """One panel to record, pause and mark, with sound, transcript and table of turns, in a cell.

    Each press of Record makes a new session with a folder of its own. A press of Stop ends it
    gracefully: the last turn is waited for. Then a report takes the panel's place, which needs no
    kernel: picture, sound, turns.

    Parameters
    ----------
    source : str, Path or Source
        What is chosen at first: ``"sample"``, ``"mic"``, ``"browser"``, an audio file, a source;
        ``"auto"`` takes what was chosen last time, else the microphone of this machine where there
        is one and the page is on it, else the browser's where a page is, else the sample.
    service : Service or str, optional
        What is chosen at first: ``"assemblyai"``, ``"local"`` or an object. By default what was
        chosen last time, else AssemblyAI if there is a key, else the local recogniser.
    folder : str or Path
        Where the sessions' folders are made.
    close_grace_s : float or None
        Stop a take when the page has been closed for so long while the kernel lives on: nobody can
        see or stop it then. None never to.
    report : bool
        Leave a report in the panel's place when a take has ended; without it the panel stays. One
        that fails, or holds nothing, leaves the panel in any case.
    engine : callable
        Makes what records, from a source, a service and ``folder=``.
    **limits
        ``max_minutes``, ``idle_stop_s``, ``max_cost``, ``seconds``: when a take ends by itself, see
        `nbstream.record`.

    Attributes
    ----------
    session : Session or None
        The running or the last take; None before the first.

    Raises
    ------
    SourceError, ParameterError
        For a source or service that does not exist. What fails later is shown in the cell.

    Examples
    --------
    >>> rec = nb.Recorder()  # doctest: +SKIP
    >>> rec  # doctest: +SKIP
    >>> rec.session.turns  # in any later cell, also while it records  # doctest: +SKIP

    """

    # ipywidgets also closes what could not be made.
    _engine: Engine | None = None  # the running or the last one
    _parts: tuple[ipywidgets.Widget, ...] = ()
    _is_closed = False

    def __init__(
        self,
        source: str | os.PathLike[str] | Source = "auto",
        service: Service | str | None = None,
        *,
        folder: str | Path = "recordings",
        close_grace_s: float | None = 900.0,
        report: bool = True,
        engine: Callable[..., Engine] = Engine,
        **limits: float | None,
    ) -> None:
        self._limits = Limits(**limits)
        self._presence = Presence(close_grace_s)
        self.session: Session | None = None
        self._lock = threading.Lock()
        self._make_engine = engine
        self._snapshot = Snapshot(State.IDLE)  # what is shown
        self._said = ""  # what a press has done
        self._leaves_report = report
        self._places = Places()
        self._shown_end = threading.Event()  # of the latest take, report and all
        self._folder = folder
        self._sources = SourceChoice(source)
        self._inputs: tuple[tuple[str, ...], bool] | None = None  # of a page, not offered so far
        self._services = ServiceChoice(service)

        self._button = self._make_button("Record", self._record_or_stop)
        self._pause = self._make_button("Pause", self._pause_or_resume)
        self._mark = self._make_button("Mark", self.mark)
        buttons = (self._button, self._pause, self._mark)
        self._source = ipywidgets.Dropdown(
            options=self._sources.options, value=self._sources.first, description="Source"
        )
        self._service = ipywidgets.Dropdown(
            options=self._services.options, value=self._services.first, description="Service"
        )
        self._source.observe(self._source_chosen, "value")
        self._service.observe(self._service_chosen, "value")
        pickers = ipywidgets.Box([self._source, self._service])
        pickers.add_class("nbs-pickers")
        controls = ipywidgets.Box([*buttons, pickers])
        controls.add_class("nbs-controls")
        self._status, self._view = Status(), View()
        self._status.on_sign_of_life(self._presence.seen)
        self._lender = PageMicrophone(on_page=self._page_came, on_inputs=self._inputs_came)
        shown = (controls, self._status, self._lender, self._view)
        self._parts = (*buttons, self._source, self._service, pickers, *shown)
        super().__init__(shown)
        self.add_class("nbs-recorder")
        self.add_class("nbs-part")
        carry(*buttons, self._source, self._service, self._status, self._view)
        self._show_status()
        replace_earlier_run_of_cell(self)

    # -- commands, from any thread ---------------------------------------------------------------

    def start(self, *, wait: bool = True) -> None:
        """Start a new take, as a press of Record does.

        Parameters
        ----------
        wait : bool
            Until the service has accepted the session. Otherwise only what can be known at once
            is raised; the rest is shown in the cell.

        Raises
        ------
        StateError
            If it is recording already.
        NbstreamError
            What failed; it is shown in the cell as well.

        """
        engine: Engine | None = None
        try:
            source = self._sources.make(self._source.value)
            if isinstance(source, BrowserMicrophone):
                self._lender.lend(source)
            service = self._services.make(self._service.value)
            with self._lock:
                if self._is_busy():
                    raise StateError(
                        "this recorder is recording already.",
                        hint="Stop it first, or make another Recorder.",
                        state=self._snapshot.state,
                    )
                engine = self._engine = self._make_engine(
                    source, service, folder=self._folder, **dataclasses.asdict(self._limits)
                )
            made = engine
            self._said = ""
            self._shown_end.clear()
            engine.subscribe(lambda snapshot: self._show(made, snapshot))
            engine.start(wait=wait)
        except StateError:
            raise
        except NbstreamError as error:
            if engine is None or engine.session is None:  # No engine runs that could show it.
                self._show_failure(error.message, error.hint)
            raise
        finally:
            if engine is not None and engine.session is not None:
                self.session = engine.session

    def stop(self, *, wait: bool = True, timeout_s: float = 20) -> None:
        """Stop the take, as a press of Stop does. Does nothing if none is running.

        Parameters
        ----------
        wait : bool
            Until the last turn has arrived and the folder is complete.
        timeout_s : float
            Longest time for that, in seconds; then the connection is cut.

        Raises
        ------
        NbstreamError
            With `wait`: what made the take fail, if it did.

        """
        engine = self._engine
        if engine is not None and is_running(engine.state):
            engine.stop(wait=wait, timeout_s=timeout_s)
            if wait:
                self._shown_end.wait(REPORT_TIMEOUT_S)

    def pause(self) -> None:
        """Pause the take, as a press of Pause does; see `Session.pause`."""
        self._running().pause()

    def resume(self) -> None:
        """Go on with it, as a press of Resume does."""
        self._running().resume()

    def mark(self, text: str = "") -> None:
        """Mark this instant of the take, as a press of Mark does; see `Session.mark`."""
        session = self._running().session
        assert session is not None
        at_s = session.duration_s
        session.mark(text, at_s)
        self._said = f"Marked {clock_text(at_s)}"

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the take, and for its report to stand in the notebook.

        Returns False if `timeout_s` passed first. Raises as `stop`.
        """
        engine = self._engine
        if engine is None or engine.session is None:
            return True
        try:
            return engine.wait(timeout_s)
        finally:  # What made it fail is shown as well.
            if engine.state.is_over:
                self._shown_end.wait(REPORT_TIMEOUT_S)

    def close(self) -> None:
        """Take the panel away. A running take is stopped; its end is not waited for."""
        self._is_closed = True
        self.stop(wait=False)
        self._presence.close()
        for part in self._parts:
            part.close()
        super().close()

    # -- callbacks of the front end --------------------------------------------------------------

    def _record_or_stop(self) -> None:
        if self._is_busy():
            source = self._engine.source if self._engine is not None else None
            is_page = isinstance(source, BrowserMicrophone)
            self.stop(wait=False, timeout_s=PAGE_STOP_S if is_page else 20)
            return
        try:
            self.start(wait=False)
        except NbstreamError:
            pass  # It is shown in the cell.
        except Exception as error:  # A press that fails is never silent.
            self._show_failure(f"internal error: {type(error).__name__}: {error}.", "")

    def _pause_or_resume(self) -> None:
        engine = self._running()
        if engine.state is State.PAUSED:
            engine.resume()
        else:
            engine.pause()

    def _make_button(self, name: str, command: Callable[[], None]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=name)
        button.add_class(f"nbs-{name.lower()}")
        button.on_click(lambda _: self._do(command))
        return button

    def _do(self, command: Callable[[], None]) -> None:
        """Do what a press asks for; what it failed with is said, and the take goes on."""
        try:
            command()
        except NbstreamError as error:
            self._said = f"{error.message} {error.hint}".strip()
        except Exception as error:  # A press that fails is never silent.
            self._said = f"internal error: {type(error).__name__}: {error}."

    def _source_chosen(self, change: dict[str, Any]) -> None:
        if self._is_busy():
            return
        if name := self._sources.name_of(change["new"]):
            remember(source=name)
        self._sources.note = self._sources.list_microphones() if change["new"] == "mic" else ""
        self._show_status()

    def _page_came(self, is_here: bool) -> None:
        """Choose for a page that shows this now, where "auto" leaves the choice to it."""
        is_untouched = not self._is_busy() and self._source.value == self._sources.first
        if is_untouched and (chosen := self._sources.for_page(is_here)):
            self._choose(chosen)
            self._show_status()

    def _inputs_came(self, names: tuple[str, ...], shares_tabs: bool) -> None:
        """Offer what a page has; while it records, its names wait for the end of that."""
        self._inputs = (names, shares_tabs)
        if not self._is_busy():
            self._show_status()

    def _choose(self, value: str) -> None:
        """Have the picker show what there is, and `value` chosen, which is nobody's choice."""
        picker, options = self._source, self._sources.options
        if picker.value == value and list(picker.options) == options:
            return
        picker.unobserve(self._source_chosen, "value")
        with picker.hold_sync():
            picker.options = options
            picker.value = value
        picker.observe(self._source_chosen, "value")

    def _service_chosen(self, change: dict[str, Any]) -> None:
        if not self._is_busy():
            remember(service=change["new"])
            self._show_status()

    # -- showing -----------------------------------------------------------------------------------

    def _show(self, engine: Engine, snapshot: Snapshot) -> None:
        """Show `snapshot`. Runs on nbstream-notify."""
        if engine is not self._engine:
            return  # The last word of an earlier take.
        self._snapshot = snapshot
        self._show_status()  # first: what failed is said whatever becomes of the picture
        self._view.show(engine.session)
        if snapshot.state.is_over:
            self._leave_report(engine.session, snapshot)
            self._shown_end.set()
        if self._presence.is_gone() and is_running(snapshot.state):
            engine.stop(wait=False, why="the page that showed the recorder was closed")

    def _show_failure(self, message: str, hint: str) -> None:
        """Show what failed before there was a session."""
        self._snapshot = Snapshot(State.FAILED, message=message, hint=hint)
        self._view.show(None)
        self._show_status()

    def _show_status(self) -> None:
        is_live = is_running(self._snapshot.state)
        if not is_live:
            chosen = self._source.value
            if self._inputs is not None:
                inputs, self._inputs = self._inputs, None
                chosen = self._sources.offer_inputs(*inputs, chosen)
            self._choose(chosen)
        is_free = self._engine is not None and self._engine.service.name in ("local", "replay")
        notes = [self._said] if is_live else [self._sources.note, self._services.note]
        note = " ".join(filter(None, notes))
        snapshot = self._snapshot
        source = self._engine.source if self._engine is not None else None
        if is_live and isinstance(source, BrowserMicrophone):
            note = note or source.note
            message, hint = source.problem
            if message and not snapshot.message:
                snapshot = dataclasses.replace(snapshot, message=message, hint=hint)
        self._status.show(snapshot, note=note, is_free=is_free)
        self._button.description = "Stop" if is_live else "Record"
        is_paused = self._snapshot.state is State.PAUSED
        self._pause.description = "Resume" if is_paused else "Pause"
        can_pause = is_live and self._engine is not None and self._engine.can_pause
        self._pause.disabled = self._mark.disabled = not can_pause
        self._source.disabled = self._service.disabled = is_live

    def _leave_report(self, session: Session | None, snapshot: Snapshot) -> None:
        """Put the report in the panel's place, everywhere. Runs on nbstream-notify."""
        is_wanted = self._leaves_report and not self._is_closed and self._places
        if snapshot.state is not State.STOPPED or session is None or not snapshot.audio_s:
            return
        if not is_wanted:
            return
        again = "Run the cell again for another take."
        text = report_text(session)
        try:
            steps = [False, True] if snapshot.audio_s > _SOUND_LATER_S else [True]
            reports = (report_html(session, sound=sound, again=again) for sound in steps)
            first = next(reports)
            places = self._places.take()  # from here on nobody can press anything there
            for html in (first, *reports):
                put({"text/html": html, "text/plain": text}, places)
        except Exception as error:  # The recording is there all the same.
            why = f"The report can't be made: {type(error).__name__}: {error}."
            self._snapshot = dataclasses.replace(
                snapshot, message=why, hint="The recording is kept."
            )
            self._show_status()

    def _running(self) -> Engine:
        engine = self._engine
        if engine is None or not self._is_busy():
            raise StateError(
                "this recorder is not recording.", hint="Press Record.", state=self._snapshot.state
            )
        return engine

    def _is_busy(self) -> bool:
        return self._engine is not None and not self._engine.state.is_over

    # -- without a live view -----------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<Recorder {self._now()}>"

    def _ipython_display_(self) -> None:
        """Be shown such that the report can take this place later."""
        self._places.show(self._repr_mimebundle_())

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs) or {}
        now = self._now()
        rows = self.session.fold_rows() if self.session is not None and now.folder else []
        return bundle | {"text/plain": repr(self), "text/html": static_html(now, rows)}

    def _now(self) -> Snapshot:
        engine = self._engine
        return self._snapshot if engine is None or engine.session is None else engine.snapshot()
