"""Rows as a table: in a terminal, and as HTML. Pure."""

from __future__ import annotations

import textwrap
from html import escape
from itertools import groupby
from typing import Final

from nbstream.checkup.facts import Row, State
from nbstream.export.clean import clean

MARKS: Final[dict[State, str]] = {"ok": "✓", "note": "!", "missing": "✗"}
PLAIN_MARKS: Final[dict[State, str]] = {"ok": "+", "note": "!", "missing": "x"}
_COLOURS: Final[dict[State, str]] = {"ok": "32", "note": "33", "missing": "31"}
_LEAST_WIDTH: Final = 32
_NARROW: Final = 64  # below it, names stand above what was found
_MOST_NAME: Final = 22  # and so do longer ones, such as those of recordings
_HEADS: Final = ("state", "check", "found", "what to do")
_LEFT: Final = ' style="text-align: left"'


def as_text(
    rows: list[Row],
    verdict: str,
    *,
    width: int = 100,
    marks: dict[State, str] = MARKS,
    colour: bool = False,
) -> str:
    """The table in so many columns; what to do stands below what was found.

    Parameters
    ----------
    width : int
        Columns of the terminal.
    marks : dict
        A sign for each state.
    colour : bool
        Whether marks are coloured and headings bold, by escape sequences.

    """
    width = max(_LEAST_WIDTH, width)
    longest = max((len(clean(row.name)) for row in rows), default=0)
    name_width = 0 if width < _NARROW else min(longest, _MOST_NAME)
    indent = 4 + name_width + 2 if name_width else 4
    lines = []
    for group, members in groupby(rows, key=lambda row: row.group):
        lines += [_styled(line, "1", colour) for line in _wrapped(group, width)]
        for row in members:
            mark = _styled(marks[row.state], _COLOURS[row.state], colour)
            name, found = clean(row.name), _wrapped(row.found, width - indent)
            if len(name) > name_width:  # it stands above
                first, *rest = _wrapped(name, width - 4)
                lines += [f"  {mark} {first}", *(f"    {line}" for line in rest)]
            else:
                lines.append(f"  {mark} {name:<{name_width}}  {found.pop(0)}")
            lines += [" " * indent + line for line in found]
            if row.todo:
                first, *rest = _wrapped(row.todo, width - indent - 3)
                lines.append(" " * indent + f"-> {first}")
                lines += [" " * (indent + 3) + line for line in rest]
        lines.append("")
    shown = [_styled(line, "1", colour) for line in _wrapped(verdict, width)]
    return "\n".join([*(line.rstrip() for line in lines), *shown])


def as_html(rows: list[Row], verdict: str) -> str:
    """The same as one plain table, without script; every text is escaped."""
    heads = "".join(f'<th scope="col"{_LEFT}>{head}</th>' for head in _HEADS)
    parts = [f"<table><caption{_LEFT}>{_escaped(verdict)}</caption><thead><tr>{heads}</tr></thead>"]
    for group, members in groupby(rows, key=lambda row: row.group):
        parts.append(
            f'<tbody><tr><th colspan="4" scope="rowgroup"{_LEFT}>{_escaped(group)}</th></tr>'
        )
        for row in members:
            state = f"{MARKS[row.state]}&nbsp;{row.state}"
            cells = "".join(f"<td{_LEFT}>{_escaped(t)}</td>" for t in (row.found, row.todo))
            name = f'<th scope="row"{_LEFT}>{_escaped(row.name)}</th>'
            parts.append(f"<tr><td{_LEFT}>{state}</td>{name}{cells}</tr>")
        parts.append("</tbody>")
    return "".join([*parts, "</table>"])


def _wrapped(text: str, width: int) -> list[str]:
    # A path that is too long for a line is cut; a hyphen in a package's name is no place to.
    return textwrap.wrap(clean(text), width, break_on_hyphens=False) or [""]


def _styled(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def _escaped(text: str) -> str:
    return escape(clean(text))
