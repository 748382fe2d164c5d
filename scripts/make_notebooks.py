"""Write the notebooks from this text, so that they can be reviewed as text. Outputs stay empty.

Run it after a change here: ``python scripts/make_notebooks.py``. A test holds the two together.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"

QUICKSTART = """
# Live speech in a notebook
Speech goes in, turns come out: as a table you can use while it grows, beside a recording that is
safe on disk. This notebook needs no key and no network: a recogniser on this machine speaks the
protocol of AssemblyAI's Streaming Speech-to-Text.
---
import nbstream as nb
---
## A record button
Press **Record**: the packaged sample is played as if somebody were speaking. Choose your
microphone as the source to hear yourself.
---
rec = nb.Recorder(source="sample", service="local")
rec
---
## The same in code
`nb.record` starts recording and returns the live session; `follow` yields what the service says,
while it says it.
---
with nb.record("sample", "local") as session:
    for turn in session.follow("turn"):
        if turn.end_of_turn:
            print(turn.transcript)
print("Session folder:", session.folder)
---
## One row a turn
Times are seconds in the recording; `arrived_s` is when the final reached us.
---
session.turns[["turn_order", "start_s", "end_s", "arrived_s", "n_words", "transcript"]]
---
session.plot();
---
## Everything is in the folder
Audio, events and tables come back whenever you open it: tomorrow, elsewhere, after a crash.
---
again = nb.open(session.folder)
again.words.head(8)
---
again.audio(0.0, 1.0)
---
## With AssemblyAI
Set `ASSEMBLYAI_API_KEY` before you start Jupyter, or call `nb.ask_key()`, which asks without
showing or storing it. Then:

```python
nb.Recorder(source="mic", service=nb.AssemblyAI("u3-rt-pro", min_turn_silence=400))
```
"""

NOTEBOOKS = {"01_quickstart.ipynb": QUICKSTART}


def build(text: str) -> nbformat.NotebookNode:
    """Make a notebook of cells separated by ``---``; prose begins with ``#`` or a capital."""
    cells = []
    for n, part in enumerate(text.strip().split("\n---\n")):
        prose = part[0] in "#`" or part[0].isupper()
        cell = (new_markdown_cell if prose else new_code_cell)(part)
        cell["id"] = f"cell-{n:02d}"
        cells.append(cell)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def main() -> None:
    for name, text in NOTEBOOKS.items():
        nbformat.write(build(text), FOLDER / name)
        print(f"notebooks/{name}")


if __name__ == "__main__":
    main()
