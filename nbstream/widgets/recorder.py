"""`Recorder`: record with a button in a notebook cell, and see what is said while it is said.

Threads: the button's and the pickers' callbacks run wherever Jupyter runs them, the main thread or
another, now or after the cell that is running; they hand a command to the engine and return. While
an engine runs, its thread nbstream-notify alone sets the traits of the parts; while none runs, the
thread of the command does. `_lock` guards which engine is the current one; nothing is called out
to while it is held.
"""

from __future__ import annotations

import dataclasses
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets

from nbstream.engine import Engine, Limits, Snapshot, State
from nbstream.errors import NbstreamError, StateError
from nbstream.services import Service
from nbstream.session import Session
from nbstream.sources import Source
from nbstream.tables import TurnRow
from nbstream.widgets.choices import ServiceChoice, SourceChoice
from nbstream.widgets.presence import Presence
from nbstream.widgets.static import static_html
from nbstream.widgets.status import Status, is_running
from nbstream.widgets.turns import Turns
from nbstream.widgets.waveform import Waveform


class Recorder(ipywidgets.VBox):  # type: ignore[misc]
    """Record and stop button, level, waveform, transcript and table of turns, in a cell.

    Each press of Record makes a new session with a folder of its own. A press of Stop ends it
    gracefully: the last turn is waited for.

    Parameters
    ----------
    source : str, Path or Source
        What is chosen at first: ``"sample"``, ``"mic"``, an audio file, a source; ``"auto"``
        takes the microphone where there is one, else the sample.
    service : Service or str, optional
        What is chosen at first: ``"assemblyai"``, ``"local"`` or an object. By default AssemblyAI
        if there is a key, else the local recogniser.
    folder : str or Path
        Where the sessions' folders are made.
    close_grace_s : float or None
        Stop a take when the page has been closed for so long while the kernel lives on: nobody can
        see or stop it then. None never to.
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

    def __init__(
        self,
        source: str | os.PathLike[str] | Source = "auto",
        service: Service | str | None = None,
        *,
        folder: str | Path = "recordings",
        close_grace_s: float | None = 900.0,
        engine: Callable[..., Engine] = Engine,
        **limits: float | None,
    ) -> None:
        self._limits = Limits(**limits)
        self._presence = Presence(close_grace_s)
        self.session: Session | None = None
        self._lock = threading.Lock()
        self._make_engine = engine
        self._snapshot = Snapshot(State.IDLE)  # what is shown
        self._folder = folder
        self._sources = SourceChoice(source)
        self._services = ServiceChoice(service)

        self._button = ipywidgets.Button(description="Record")
        self._button.add_class("nbs-record")
        self._button.on_click(self._pressed)
        self._source = ipywidgets.Dropdown(
            options=self._sources.options, value=self._sources.first, description="Source"
        )
        self._service = ipywidgets.Dropdown(
            options=self._services.options, value=self._services.first, description="Service"
        )
        self._source.observe(self._source_chosen, "value")
        self._service.observe(self._service_chosen, "value")
        controls = ipywidgets.Box([self._button, self._source, self._service])
        controls.add_class("nbs-controls")
        self._status, self._waveform, self._turns = Status(), Waveform(), Turns()
        self._status.on_sign_of_life(self._presence.seen)
        shown = (controls, self._status, self._waveform, self._turns)
        self._parts = (self._button, self._source, self._service, *shown)
        super().__init__(shown)
        self.add_class("nbs-recorder")
        for control in (self._button, self._source, self._service):
            _answer_while_a_cell_runs(control)
        self._show_status()
        _replace_earlier_run_of_cell(self)

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

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the take; False if `timeout_s` passed first. Raises as `stop`."""
        engine = self._engine
        return True if engine is None or engine.session is None else engine.wait(timeout_s)

    def close(self) -> None:
        """Take the panel away. A running take is stopped; its end is not waited for."""
        self.stop(wait=False)
        self._presence.close()
        for part in self._parts:
            part.close()
        super().close()

    # -- callbacks of the front end --------------------------------------------------------------

    def _pressed(self, _: ipywidgets.Button) -> None:
        try:
            if self._is_busy():
                self.stop(wait=False)
            else:
                self.start(wait=False)
        except NbstreamError:
            pass  # It is shown in the cell.
        except Exception as error:  # A press that fails is never silent.
            self._show_failure(f"internal error: {type(error).__name__}: {error}.", "")

    def _source_chosen(self, change: dict[str, Any]) -> None:
        if self._is_busy():
            return
        self._sources.note = self._sources.list_microphones() if change["new"] == "mic" else ""
        if list(self._source.options) != self._sources.options:
            with self._source.hold_trait_notifications():
                self._source.options = self._sources.options
                self._source.value = "mic"
        self._show_status()

    def _service_chosen(self, change: dict[str, Any]) -> None:
        if not self._is_busy():
            self._show_status()

    # -- showing -----------------------------------------------------------------------------------

    def _show(self, engine: Engine, snapshot: Snapshot) -> None:
        """Show `snapshot`. Runs on nbstream-notify."""
        if engine is not self._engine:
            return  # The last word of an earlier take.
        rows = self._rows(engine.session)
        self._snapshot = snapshot
        self._waveform.show(engine.session, rows)
        self._turns.show(snapshot.folder, rows)
        self._show_status()
        if self._presence.is_gone() and is_running(snapshot.state):
            engine.stop(wait=False, why="the page that showed the recorder was closed")

    def _show_failure(self, message: str, hint: str) -> None:
        """Show what failed before there was a session."""
        self._snapshot = Snapshot(State.FAILED, message=message, hint=hint)
        self._waveform.show(None, ())
        self._turns.show("", ())
        self._show_status()

    def _show_status(self) -> None:
        is_live = is_running(self._snapshot.state)
        is_free = self._engine is not None and self._engine.service.name == "local"
        note = " ".join(filter(None, [self._sources.note, self._services.note]))
        self._status.show(self._snapshot, note=note, is_free=is_free)
        self._button.description = "Stop" if is_live else "Record"
        self._source.disabled = self._service.disabled = is_live

    def _is_busy(self) -> bool:
        return self._engine is not None and not self._engine.state.is_over

    @staticmethod
    def _rows(session: Session | None) -> list[TurnRow]:
        return [] if session is None else session.fold_rows()

    # -- without a live view -----------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<Recorder {self._now()}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs) or {}
        now = self._now()
        rows = self._rows(self.session) if now.folder else []
        return bundle | {"text/plain": repr(self), "text/html": static_html(now, rows)}

    def _now(self) -> Snapshot:
        engine = self._engine
        return self._snapshot if engine is None or engine.session is None else engine.snapshot()


def _answer_while_a_cell_runs(widget: ipywidgets.Widget) -> None:
    """Have `widget` answered at once where the front end asks for a thread of its own.

    From 7.4 on, ipykernel answers a widget on the thread that last set one of its traits, which
    for a widget made in a cell is the thread that runs cells: Stop would wait for a long cell.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda data, default: default


# cell id -> the run of the cell that made recorders, and these
_of_cell: dict[str, tuple[str, weakref.WeakSet[Recorder]]] = {}


def _replace_earlier_run_of_cell(recorder: Recorder) -> None:
    """Close what an earlier run of the same cell made: nobody can see or stop it any more."""
    try:
        from IPython import get_ipython

        parent = get_ipython().get_parent()
        cell, run = parent["metadata"]["cellId"], parent["header"]["msg_id"]
    except (ImportError, AttributeError, KeyError, TypeError):
        return  # No notebook, or one that does not name its cells.
    earlier_run, made = _of_cell.get(cell, (run, weakref.WeakSet()))
    if earlier_run != run:
        for earlier in list(made):
            earlier.close()
        made = weakref.WeakSet()
    made.add(recorder)
    _of_cell[cell] = (run, made)
