"""The front end as text: plain ES modules and their style sheets, joined when they are needed.

A page gets one module: a widget's is loaded from a blob, where no relative import resolves, and a
shared file has no neighbours. So the modules, which import each other by name and run as they are
under Node, are put one behind the other, each once, in the order of their imports.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class)\b)", re.MULTILINE)


@cache
def module(entry: str) -> str:
    """The ES module `entry` with everything it imports in front of it."""
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", _text(name))) for name in needed(entry))


def needed(entry: str) -> list[str]:
    """Names of the modules that `entry` is made of, each behind those that it imports."""
    found: list[str] = []

    def visit(name: str) -> None:
        for other in _IMPORT.findall(_text(name)):
            visit(other)
        if name not in found:
            found.append(name)

    visit(entry)
    return found


@cache
def style(entry: str) -> str:
    """The style sheets of the modules that `entry` is made of."""
    sheets = (FOLDER / name.replace(".js", ".css") for name in needed(entry))
    return "\n".join(sheet.read_text("utf-8") for sheet in sheets if sheet.exists())


def _text(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")
