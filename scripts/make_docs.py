"""Write the parts of the docs that are made from code.

python scripts/make_docs.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nbstream import timing  # noqa: E402

TIMING = ROOT / "docs/timing.md"


def definitions() -> str:
    """Return the table of definitions as Markdown."""
    lines = ["| column | unit | formula | clock | source | caveat |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{d.column}` | {d.unit} | {d.formula} | {d.clock} | {d.source} | {d.caveat} |"
        for d in timing.DEFINITIONS
    ]
    return "\n".join(lines)


def with_part(page: str, name: str, text: str) -> str:
    """`page` with its generated part `name` replaced."""
    begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"there is no part {name} in the page.")
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page)


def write_part(path: Path, name: str, text: str) -> None:
    """Replace the generated part `name` of a page on disk."""
    path.write_text(with_part(path.read_text("utf-8"), name, text), "utf-8")


if __name__ == "__main__":
    write_part(TIMING, "definitions", definitions())
