"""Being answered while a cell runs, as far as ipykernel allows it."""

from __future__ import annotations

import ipywidgets


def answer_while_a_cell_runs(widget: ipywidgets.Widget) -> None:
    """Have `widget` answered at once where the front end asks for a thread of its own.

    From 7.4 on, ipykernel answers a widget on the thread that last set one of its traits, which
    for a widget made in a cell is the thread that runs cells: it would wait for a long cell.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda data, default: default
