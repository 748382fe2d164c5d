"""Run the quick start on the packaged speech and show its turns as they arrive.

Executes notebooks/01_quickstart.ipynb with the local recogniser at the pace of speech, and opens
JupyterLab on the result where there is a display.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import nbstream as nb

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "01_quickstart.ipynb"
EXECUTED = ROOT / "artifacts" / NOTEBOOK.name


class ShowingClient(NotebookClient):
    """Prints what cells print, while they print it."""

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Show streamed text at once, then let the client keep it."""
        if msg["msg_type"] == "stream":
            print(msg["content"]["text"], end="", flush=True)
        return super().process_message(msg, cell, cell_index)


def main() -> int:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    print(f"Running {NOTEBOOK.relative_to(ROOT)}: speech from a file, recognised on this machine.")
    EXECUTED.parent.mkdir(exist_ok=True)
    client = ShowingClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
        extra_arguments=["--log-level=40"],
    )
    try:
        client.execute()
    except CellExecutionError as error:
        print(f"\nThe notebook failed:\n{error}", file=sys.stderr)
        return 1
    finally:
        nbformat.write(notebook, EXECUTED)
    session = nb.open(_printed(notebook, "Session folder: "))
    turns = session.turns[["turn_order", "start_s", "end_s", "arrived_s", "transcript"]]
    print(
        f"\nThe table of turns, from the session folder:\n{turns.round(2).to_string(index=False)}"
    )
    print(f"\nSession folder:    {session.folder}")
    print(f"Executed notebook: {EXECUTED}")
    if _has_display():
        print("Opening JupyterLab; Ctrl+C ends it.", flush=True)
        os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(EXECUTED)])
    return 0


def _printed(notebook: Any, label: str) -> str:
    """What a cell printed behind `label`, to the end of the line."""
    outputs = (o for cell in notebook.cells for o in cell.get("outputs", []))
    text = "\n".join(o.get("text", "") for o in outputs)
    return text.partition(label)[2].partition("\n")[0]


def _has_display() -> bool:
    if os.environ.get("CI") or not sys.stdout.isatty():
        return False
    return sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


if __name__ == "__main__":
    sys.exit(main())
