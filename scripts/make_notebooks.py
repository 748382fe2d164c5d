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

TURN_TIMING = """
# Turn timing: from a recording of two to a finding
Who takes the floor when, and how much of the time until a final turn arrives is waiting that we
chose? The packaged speech of two people, as a conversation on two channels: the floor transfers
are known, so that we can see how far to trust what is measured. No key, no network.
---
import nbstream as nb

talk = nb.Dialogue(transfers_ms=(400, 150, -300, 900, 250))
with nb.record(talk, "local") as session:
    session.wait()
---
session.plot();
---
## One row a turn
Each figure has a definition with its clock, its source and its caveat. What can't be had honestly
is NaN: the first turn follows nobody, so it has no floor transfer.
---
timing = session.timing()
timing[["speaker", "duration_ms", "fto_ms", "ttfs_ms", "endpoint_wait_ms", "delivery_ms"]].round()
---
nb.timing.definitions().loc[["fto_ms", "ttfs_ms", "endpoint_wait_ms"], ["formula", "caveat"]]
---
nb.plots.floor_transfers(timing);
---
## How far to trust it
The truth is known here, so the error can be measured: once with the ends of the recogniser's words,
once with voice activity, once with the truth itself as reference.
---
import pandas as pd

truth = talk.turns
errors_ms = pd.DataFrame(
    {
        "words": timing["fto_ms"] - truth["fto_ms"],
        "voice activity": session.timing(end_source="vad")["fto_ms"] - truth["fto_ms"],
        "reference": session.timing(reference=truth, end_source="manual")["fto_ms"]
        - truth["fto_ms"],
    }
)
errors_ms.round()
---
## What a setting costs
The same conversation again, with an endpointer that waits for at least 900 ms of silence.
---
with nb.record(nb.Dialogue(talk.transfers_ms), nb.Local(min_turn_silence=900)) as patient:
    patient.wait()
---
nb.timing.summary(
    {"as it comes": session, "waits 900 ms": patient},
    by="session",
    columns=["ttfs_ms", "endpoint_wait_ms", "delivery_ms"],
)[["n", "p50", "p50_low", "p50_high"]].round()
---
nb.plots.latencies(
    pd.concat([session.timing().assign(run="as it comes"), patient.timing().assign(run="900 ms")]),
    columns=["ttfs_ms"],
    by="run",
);
---
## The finding
Finals come later by the silence that was asked for, while the delivery, which is what the service
and the network need, stays as it was. A latency that is quoted without its setting says little.
"""

NOTEBOOKS = {
    "01_quickstart.ipynb": QUICKSTART,
    "03_turn_timing.ipynb": TURN_TIMING,
}


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
