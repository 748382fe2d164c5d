"""Notebooks are tests: each runs from top to bottom in a fresh kernel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from scripts.make_notebooks import RUN
from tests.conftest import ROOT


def test_the_demo_runs_the_quick_start(tmp_path: Path) -> None:
    """`make demo`'s script prints each turn as it comes, the table, and where everything is."""
    for name in ("scripts", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("recordings"))
    done = subprocess.run(
        [sys.executable, tmp_path / "scripts" / "demo.py"],
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("Mr. John Dashwood") < done.stdout.index("The table of turns")
    (folder,) = re.findall(r"Session folder: +(/.+)\n", done.stdout)[-1:]
    (executed,) = re.findall(r"Executed notebook: (/.+)\n", done.stdout)
    assert (Path(folder) / "audio.wav").is_file()
    cells = nbformat.read(executed, as_version=4).cells
    shown = [o.get("data", {}) for cell in cells for o in cell.get("outputs", [])]
    assert any("image/png" in data for data in shown)
    assert any("<table" in data.get("text/html", "") for data in shown)
    assert all(o.output_type != "error" for cell in cells for o in cell.get("outputs", []))


@pytest.mark.quiet
def test_the_notebook_on_timing_comes_to_its_finding(tmp_path: Path) -> None:
    """It runs from the recording to the table that says what waiting costs, pictures included."""
    executed = execute(ROOT / "notebooks" / "03_turn_timing.ipynb", tmp_path)
    shown = [o.get("data", {}) for cell in executed.cells for o in cell.get("outputs", [])]
    assert sum("image/png" in data for data in shown) == 3
    finding = next(
        data["text/plain"] for data in shown if "waits 900 ms" in data.get("text/plain", "")
    )
    assert re.findall(r"endpoint_wait_ms +6 +(\d+)", finding) == ["400", "900"], finding


@pytest.mark.parametrize("name", RUN)
def test_stored_outputs_are_what_it_shows(name: str, tmp_path: Path) -> None:
    """What is read on GitHub is what a run shows: the same texts, with about the same numbers."""
    stored = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    executed = execute(ROOT / "notebooks" / name, tmp_path)
    shows = [shown(cell) for cell in executed.cells]
    assert any(shows)
    assert [shown(cell) for cell in stored.cells] == shows
    assert "/tmp" not in nbformat.writes(stored)


def shown(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell shows in words; a recogniser's times may differ a little between machines."""
    outputs = cell.get("outputs", [])
    texts = [o.get("text") or o.get("data", {}).get("text/plain", o.output_type) for o in outputs]
    return [re.sub(r"\d+", "0", re.sub(r"\s+", " ", text)) for text in texts]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("04_annotate_and_export.ipynb", "turn 0 is labelled irony"),
        ("04_annotate_and_export.ipynb", "after undo: aside"),
        ("05_share.ipynb", "the name is in it: False"),
        ("05_share.ipynb", "the same partials: True"),
    ],
)
def test_what_is_stored_says_what_its_prose_promises(name: str, says: str) -> None:
    """An edit comes back and is undone; a word is gone; a replay is the same."""
    stored = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    assert any(says in text for cell in stored.cells for text in shown(cell))


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in a kernel whose working folder is `folder`."""
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=170, resources=where, coalesce_streams=True).execute()
    return notebook
