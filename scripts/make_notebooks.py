"""Write the notebooks from this text, so that they can be reviewed as text.

Run it after a change here: ``python scripts/make_notebooks.py``. A test holds the two together.
Outputs stay empty, but for those of `RUN`, which are run here; another test runs them again and
compares.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
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

ANNOTATE_AND_EXPORT = """
# Annotate, compare, export
A transcript becomes data when somebody has listened to it: labels, notes, corrections. Here they
are made in code, so that the notebook runs by itself; with the keyboard it is quicker, in the
inspector that `session` shows as the last line of a cell. No key, no network.
---
import nbstream as nb

with nb.record(nb.Sample(speed=4), "local", name="two speakers") as session:
    session.wait()
session.turns[["start_s", "end_s", "transcript"]].round(1)
---
session.plot();
---
## Labels, notes, corrections
What the service said stays as it is; what people say about it stands beside it, with author and
time, in `annotations.jsonl` of the session's folder. Turns are rows of the table above.
---
session.labels = ["aside", "appeal"]
session.annotate(turn=2, label="aside", note="She does not mean it kindly.")
session.annotate(turn=4, label="appeal")
session.annotate(turn=5, label="appeal")
for turn, text in enumerate(nb.Sample().transcript):
    session.annotate(turn=turn, transcript=text)
for turn in (3, 4, 5):
    session.annotate(turn=turn, speaker="Kennedy")
session.turns[["speaker_corrected", "label", "corrected"]]
---
## How good was the recogniser?
Corrections are a reference. How many errors there are depends on what counts as one: by default
case and punctuation do not, and here nothing else was wrong.
---
rates = {
    "words alone": session.wer(),
    "case and punctuation, too": session.wer(normalise=lambda text: text),
}
for what, table in rates.items():
    print(f"{what}: WER {table['wer'].iloc[-1]:.3f} of {table['n_words'].iloc[-1]} words")
---
print(session.compare_text(normalise=lambda text: text))
---
## Undo
Everything can be taken back, by whoever did it: the log only grows.
---
session.annotate(turn=0, label="appeal")
before = session.turns["label"][0]
session.undo()
print(before, "->", session.turns["label"][0])
---
## To other programs
The end of the file's name says what is written: subtitles, tables, Praat, ELAN, Audacity, RTTM and
more. Corrected text goes before recognised text.
---
session.export("talk.csv")
session.export("talk.TextGrid")
subtitles = session.export("talk.srt").read_text("utf-8").split("\\n\\n")
print(*subtitles[:2], sep="\\n\\n")
---
## There and back
A colleague moves an edge, renames a label and sends the TextGrid back. With
[praatio](https://github.com/timmahrt/praatIO) in her place:
---
from praatio import textgrid
from praatio.utilities.constants import Interval

grid = textgrid.openTextgrid("talk.TextGrid", includeEmptyIntervals=False)
labels = grid.getTier("labels")
(aside,) = labels.entries
labels.deleteEntry(aside)
labels.insertEntry(Interval(aside.start, aside.end, "irony"))
grid.save("talk.TextGrid", format="long_textgrid", includeBlankSpaces=True)
grid.tierNames
---
changed = session.import_("talk.TextGrid")
print(len(changed), "annotations changed; turn 2 is labelled", session.turns["label"][2])
---
session.undo()
print("after undo:", session.turns["label"][2])
---
## What was done, and when
`annotation_history` has every change, what was undone included.
---
session.annotation_history[["op", "kind", "value"]].tail(4)
"""

SHARE = """
# Share
A session is worth most to others when they need nothing of ours: no kernel, no key, no nbstream.
---
import nbstream as nb

with nb.record(nb.Sample(speed=4), "local", name="talk") as session:
    session.wait()
session.annotate(turn=4, label="appeal")
print(session.transcript)
---
## First, what is nobody's business
A copy without certain words: gone from every message, partials included, and beeped over in the
sound. The session itself stays as it was.
---
public = session.redact(words="Dashwood", beep=True)
print(public.transcript)
---
## One page
Sound, waveform, transcript, labels and figures in one file that may not use a network. A click on
a word plays from there; on paper it is a transcript with times.
---
page = public.share("talk.html")
print(f"{page.name}, {page.stat().st_size / 1e6:.1f} MB")
---
import re

text = page.read_text("utf-8")
print("the name is in it:", "Dashwood" in text)
print("asked of the network:", re.findall(r"(?:src|href)=.?(https?:[^ >]+)", text))
---
## One file with everything
The folder as a zip, for somebody who has nbstream: tables, events and annotations come along.
---
packed = public.pack("talk.nbstream")
again = nb.open(packed)
print(packed.name, again.transcript == public.transcript, list(again.labels))
---
## As if it were live
A recorded session plays through the same recorder, with the same partials, word for word and when
they came: for a lesson, a demo, a test. Show `rec` as the last line of a cell and press Record;
here it is done in code, four times as fast.
---
rec = nb.replay(again, speed=4)
rec.start()
rec.wait()
partials = [len(s.partials) for s in (again, rec.session)]
print("the same text:", rec.session.transcript == again.transcript)
print("the same partials:", partials[0] == partials[1])
---
rec.session.turns[["start_s", "transcript"]].round(1)
"""

NOTEBOOKS = {
    "01_quickstart.ipynb": QUICKSTART,
    "03_turn_timing.ipynb": TURN_TIMING,
    "04_annotate_and_export.ipynb": ANNOTATE_AND_EXPORT,
    "05_share.ipynb": SHARE,
}
RUN = ("04_annotate_and_export.ipynb", "05_share.ipynb")  # what they show is the same each time


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


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run a notebook in `folder`; its outputs are put into it, and nothing else."""
    before = notebook.metadata.copy()
    NotebookClient(notebook, timeout=170, resources={"metadata": {"path": str(folder)}}).execute()
    notebook.metadata = before
    for cell in notebook.cells:
        cell.metadata = {}


def bare(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same without outputs."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def main() -> None:
    for name, text in NOTEBOOKS.items():
        notebook = build(text)
        if name in RUN:
            with tempfile.TemporaryDirectory() as folder:
                run(notebook, Path(folder))
        nbformat.write(notebook, FOLDER / name)
        print(f"notebooks/{name}")


if __name__ == "__main__":
    main()
