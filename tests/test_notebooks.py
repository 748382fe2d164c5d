"""Notebooks are tests: each runs from top to bottom in a fresh kernel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

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


def test_the_notebook_on_timing_comes_to_its_finding(tmp_path: Path) -> None:
    """It runs from the recording to the table that says what waiting costs, pictures included."""
    executed = execute(ROOT / "notebooks" / "03_turn_timing.ipynb", tmp_path)
    shown = [o.get("data", {}) for cell in executed.cells for o in cell.get("outputs", [])]
    assert sum("image/png" in data for data in shown) == 3
    finding = next(
        data["text/plain"] for data in shown if "waits 900 ms" in data.get("text/plain", "")
    )
    assert re.findall(r"endpoint_wait_ms +6 +(\d+)", finding) == ["400", "900"], finding


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in a kernel whose working folder is `folder`."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=170, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook
