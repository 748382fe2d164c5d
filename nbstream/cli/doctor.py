"""``nbstream doctor``: its arguments, and its table as the terminal can show it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbstream.checkup.facts import Row


def add_doctor(commands: Any) -> None:
    """Give `commands` the command ``doctor``."""
    parser = commands.add_parser("doctor", help="say what works here, and what to do if not")
    add = parser.add_argument
    add("--folder", default="recordings", help="where recordings are to be")
    add("--network", action="store_true", help="reach for the service; no session is opened")
    add("--local", action="store_true", help="start the local recogniser for a second")
    add("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    """Print the table. Returns 0 if recording is possible here."""
    from nbstream.checkup.report import doctor  # not at the top: other commands start sooner

    found = doctor(options.folder, network=options.network, local=options.local)
    if options.json:
        for row in found.rows:  # in ASCII: a folder may be called anything
            print(json.dumps({"type": "check"} | asdict(row)))
        summary = {"can_record": found.can_record, "verdict": found.verdict}
        print(json.dumps({"type": "doctor"} | summary))
    else:
        print(_table(list(found.rows), found.verdict))
    return 0 if found.can_record else 1


def _table(rows: list[Row], verdict: str) -> str:
    from nbstream.checkup import show

    encoding = sys.stdout.encoding or "ascii"
    try:
        "".join(show.MARKS.values()).encode(encoding)
        marks = show.MARKS
    except UnicodeEncodeError:
        marks = show.PLAIN_MARKS
    is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    colour = sys.stdout.isatty() and not is_plain
    width = min(100, shutil.get_terminal_size().columns)
    text = show.as_text(rows, verdict, width=width, marks=marks, colour=colour)
    return text.encode(encoding, "replace").decode(encoding)  # names of devices, folders
