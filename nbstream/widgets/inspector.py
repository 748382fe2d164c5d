"""`Inspector`: a session that can be listened to, labelled and corrected in a page.

The Python side of ``front/inspector.js``. What a person does there comes up as a message, is done
by `Session.annotate` and its like, and comes down to every page in `View.delta`, as does what
another cell or another kernel has annotated. Sound goes to a page in slices, when it asks for them.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from IPython import get_ipython
from IPython.display import display

from nbstream.audio import PcmArray
from nbstream.errors import NbstreamError, ParameterError
from nbstream.notes import default_author
from nbstream.session import Session
from nbstream.widgets.commands import carry
from nbstream.widgets.places import put, replace_earlier_run_of_cell
from nbstream.widgets.view import View, keys_of

MOST_SOUND_S: Final = 30.0  # in one answer

Edit = dict[str, Any]


class Inspector(View):
    """Waveform, transcript and table of a session, to listen to and to annotate.

    Parameters
    ----------
    session : Session
        Live or not.

    Notes
    -----
    Messages up, besides those of `View`: ``{kind: "sound", start_s, end_s, channel, to}``,
    ``{kind: "look"}`` (something may be new), ``{kind: "annotate", to, number, edit}`` with an
    ``edit`` as in `_DO`. Down: ``{kind: "sound", to, start_s, end_s, rate_hz}`` with int16
    little-endian samples of one channel as its buffer; ``{kind: "annotated", to, number}``, with
    ``error`` and ``hint`` if it could not be done.

    Edits are done on nbstream-commands, or on the thread that the kernel answers on; the log's own
    lock orders them.

    """

    entry = "inspector.js"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        carry(self)
        _shown.add(self)
        _look_after_each_cell()
        replace_earlier_run_of_cell(self)
        me = weakref.ref(self)
        session.watch(lambda: _refresh(me))

    def __repr__(self) -> str:
        return f"<Inspector {self._session!r}>"

    def refresh(self) -> None:
        """Show what is new; sends nothing if nothing is, or if the folder can't be read now."""
        with contextlib.suppress(NbstreamError):
            self.show(self._session)

    def _answer(self, widget: object, content: Edit, buffers: object) -> None:
        session = self._session
        assert session is not None
        match content:
            case {"kind": "sound", "start_s": float() | int(), "end_s": float() | int()}:
                self._send_sound(session, content)
            case {"kind": "annotate", "number": int(number), "edit": dict(edit)}:
                done = {"kind": "annotated", "to": content.get("to"), "number": number}
                try:
                    do(session, edit)
                    self.show(session)  # before the answer
                except NbstreamError as error:
                    self.refresh()  # it may have failed at what others did
                    done |= {"error": error.message, "hint": error.hint}
                except Exception as error:  # What fails in a page is never silent.
                    done |= {"error": f"internal error: {type(error).__name__}: {error}."}
                self.send(done)
            case {"kind": "look"}:
                self.refresh()
            case _:
                super()._answer(widget, content, buffers)

    def _send_sound(self, session: Session, asked: Edit) -> None:
        start_s = max(0.0, float(asked["start_s"]))
        end_s = min(float(asked["end_s"]), start_s + MOST_SOUND_S)
        samples = one_channel(session.audio(start_s, end_s, asked.get("channel")))
        said = {"start_s": start_s, "end_s": end_s, "rate_hz": session.data.sample_rate_hz}
        answer = {"kind": "sound", "to": asked.get("to")} | said
        self.send(answer, [samples.astype("<i2").tobytes()])


def one_channel(samples: PcmArray) -> PcmArray:
    """All channels in one, each as loud as it is."""
    if samples.ndim == 1:
        return samples
    mixed: PcmArray = samples.sum(axis=1, dtype=np.int32).clip(-32768, 32767).astype(np.int16)
    return mixed


# -- what a page may ask for -----------------------------------------------------------------------


def do(session: Session, edit: Edit) -> None:
    """Do what a page asks for.

    Raises
    ------
    NbstreamError
        If it can't be done; then nothing was.

    """
    act = _DO.get(str(edit.get("do")))
    if act is None:
        raise ParameterError(f"there is no edit {edit.get('do')!r}.", hint="Reload the page.")
    try:
        act(session, edit)
    except (KeyError, TypeError, ValueError) as error:
        raise ParameterError(
            f"the edit can't be read: {error!r}.", hint="Reload the page."
        ) from error


def _toggle(session: Session, edit: Edit) -> None:
    """Give a turn or a span a label; one that it has is taken away."""
    label, ids = str(edit["label"]), dict(edit.get("there", {}))
    if label in ids:
        session.unannotate(str(ids[label]))
    else:
        session.annotate(**_place(edit), label=label)


def _say(session: Session, edit: Edit) -> None:
    """Correct text or speaker, or note something."""
    kinds = ("transcript", "speaker", "note")
    said: Edit = {kind: str(edit[kind]) for kind in kinds if kind in edit}
    session.annotate(**_place(edit), **said)


def _place(edit: Edit) -> Edit:
    """Keywords of `Session.annotate` that say where."""
    if "key" in edit:
        (turn,) = keys_of([edit["key"]])
        return {"turn": turn}
    return {name: edit.get(name) for name in ("start_s", "end_s", "channel")}


def _change(session: Session, edit: Edit) -> None:
    wanted: Edit = {name: float(edit[name]) for name in ("start_s", "end_s") if name in edit}
    session.reannotate(_ids(edit), edit.get("value"), **wanted)


def _add_label(session: Session, edit: Edit) -> None:
    label = " ".join(str(edit["label"]).split())
    if label in session.labels:
        raise ParameterError(f"there is a label {label!r} already.", parameter="label")
    session.labels = {**session.labels, label: None}


def _ids(edit: Edit) -> list[str]:
    return [str(id_) for id_ in edit["ids"]]


# name -> what it does, with the other fields of the edit
_DO: Final[dict[str, Callable[[Session, Edit], object]]] = {
    "toggle": _toggle,  # label, there {label: id}; key, or start_s, end_s and channel
    "say": _say,  # transcript, speaker or note; key, or start_s, end_s and channel
    "change": _change,  # ids; value, or start_s and end_s
    "remove": lambda session, edit: session.unannotate(_ids(edit)),  # ids
    "label": _add_label,  # label, new in the set
    "mark": lambda session, edit: session.mark(str(edit.get("text", "")), edit.get("at_s")),
    # What others do meanwhile stays.
    "undo": lambda session, edit: session.undo(author=default_author()),
    "redo": lambda session, edit: session.redo(author=default_author()),
}


# -- in a notebook ---------------------------------------------------------------------------------

_shown: weakref.WeakSet[Inspector] = weakref.WeakSet()


def _refresh(me: weakref.ref[Inspector]) -> None:
    if (inspector := me()) is not None:
        inspector.refresh()


def _look_after_each_cell() -> None:
    """Have what a cell annotates be seen when it has run."""
    shell = get_ipython()
    if shell is not None and _after_cell not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _after_cell)


def _after_cell(*_: object) -> None:
    for inspector in list(_shown):
        if inspector.comm is not None:
            inspector.refresh()


def show(session: Session) -> bool:
    """Show `session` in the cell that runs: a report, which stays, and the inspector.

    They are two outputs: where a notebook is read without its kernel, the report is there in any
    viewer, and only the inspector is not. As one output with two types, JupyterLab would show
    neither, but "model not found". While the inspector is there, its style hides the report.

    Returns
    -------
    bool
        False outside a notebook.

    """
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return False
    place = display({"text/plain": repr(session)}, raw=True, display_id=True)
    display(Inspector(session))
    report = _report(session)
    put(report, [place.display_id])
    if session.is_live:
        session.watch(_once_ended(session, place.display_id))
    return True


def _once_ended(session: Session, place: str) -> Callable[[], None]:
    """Replaces the report of a session that goes on when it has ended."""
    ref, left = weakref.ref(session), [place]

    def look() -> None:
        ended = ref()
        if left and ended is not None and not ended.is_live:
            put(_report(ended), [left.pop()])

    return look


def _report(session: Session) -> dict[str, str]:
    try:
        html = f'<div class="nbs-saved">{session._repr_html_()}</div>'
    except Exception as error:  # The inspector is there all the same.
        why = f"The report can't be made: {type(error).__name__}: {error}."
        return {"text/plain": f"{session!r}\n{why}"}
    return {"text/plain": repr(session), "text/html": html}
