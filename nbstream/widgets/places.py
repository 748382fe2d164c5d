"""Where a recorder is shown in a notebook, and what is left there when it has recorded."""

from __future__ import annotations

import threading
import uuid
import weakref
from typing import Any

import ipywidgets
from IPython import get_ipython
from IPython.display import display

Bundle = dict[str, Any]  # MIME type -> data


class Places:
    """The outputs that show one recorder, by their display ids. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._ids)

    def show(self, bundle: Bundle) -> None:
        """Show `bundle` in the cell that runs."""
        display_id = uuid.uuid4().hex
        with self._lock:
            self._ids.append(display_id)
        display(bundle, raw=True, display_id=display_id)

    def take(self) -> list[str]:
        """All places so far; they are forgotten, for what is put there is to stay."""
        with self._lock:
            taken, self._ids = self._ids, []
        return taken


def put(bundle: Bundle, places: list[str]) -> None:
    """Put `bundle` in the place of what is there."""
    if get_ipython() is None:
        return
    for display_id in places:
        display(bundle, raw=True, display_id=display_id, update=True)


# cell id -> the run of the cell that made widgets, and these
_of_cell: dict[str, tuple[str, weakref.WeakSet[ipywidgets.Widget]]] = {}


def replace_earlier_run_of_cell(widget: ipywidgets.Widget) -> None:
    """Close what an earlier run of the same cell made: nobody can see or stop it any more."""
    try:
        parent = get_ipython().get_parent()
        cell, run = parent["metadata"]["cellId"], parent["header"]["msg_id"]
    except (AttributeError, KeyError, TypeError):
        return  # No notebook, or one that does not name its cells.
    earlier_run, made = _of_cell.get(cell, (run, weakref.WeakSet()))
    if earlier_run != run:
        for earlier in list(made):
            earlier.close()
        made = weakref.WeakSet()
    made.add(widget)
    _of_cell[cell] = (run, made)
