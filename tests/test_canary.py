"""The key is nowhere: not in a file, a log, an output, a traceback or a saved notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT
from tests.endings import WatchedServer
from tests.scripted import Peer, turn

CANARY = "canary-4f1d7e0b"
# What a base64 or URL-quoted copy would hold; the first is the key itself.
TRACES = (CANARY, "canary%2D", "Y2FuYXJ5L", "NhbmFyeS0", "jYW5hcnkt")

SETUP = """
import logging, sys, traceback
logging.basicConfig(level=logging.DEBUG, filename={log!r}, force=True)
import nbstream as nb
from tests.fakes import Given, noise
logging.debug("the log is on")
URL = {url!r}
FOLDER = {folder!r}
"""

SESSIONS = """
import copy, pickle
for key in (None, {canary!r}):
    service = nb.AssemblyAI(endpoint=URL, api_key=key)
    print(service, repr(service), str(vars(service)), service.describe(), service.url())
    for attempt in (pickle.dumps, copy.deepcopy):
        try:
            print(attempt(service))
        except Exception:
            traceback.print_exc()
    for _ in range(3):  # refused, broken and connected again, whole
        try:
            with nb.record(Given(noise(1)), service, folder=FOLDER, name="talk") as session:
                print(session, session.events.to_string(), session.connections.to_string())
        except Exception:
            traceback.print_exc()
for wrong in ("ws://127.0.0.1:9", "ws://host.invalid"):
    try:
        nb.record(Given(noise(1)), nb.AssemblyAI(endpoint=wrong, api_key={canary!r}), folder=FOLDER)
    except Exception:
        traceback.print_exc()
try:
    nb.AssemblyAI(endpoint=URL, api_key={canary!r}).token()
except Exception:
    traceback.print_exc()
try:
    nb.record(Given(noise(1)), nb.AssemblyAI(endpoint=URL, api_key={canary!r} + "\\u20ac"))
except Exception:
    traceback.print_exc()
nb.record(Given(noise(1)), nb.AssemblyAI(endpoint=URL, token={canary!r}), folder=FOLDER).wait()
nb.record(Given(noise(1), live=True), service, folder=FOLDER)  # left to the exit
"""


def script(peer: Peer) -> None:
    """Refuse two, break two, talk with the others."""
    if peer.number in (0, 4):
        peer.say(type="Error", error_code=1008, error="Unauthorized Connection: Invalid API key")
        peer.ws.close(1008, "See Error message for details")
        return
    peer.begin()
    if peer.number in (1, 5):
        peer.listen(seconds=0.5)
        peer.ws.socket.close()
        return
    peer.listen()
    peer.say(**turn(0, "Hello there.", final=True))
    peer.finish()


@pytest.fixture
def server() -> Iterator[WatchedServer]:
    with WatchedServer(script).running() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where everything that is written goes."""
    home = tmp_path / "home"
    home.mkdir()
    return home


def environment(home: Path) -> dict[str, str]:
    return os.environ | {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "TMPDIR": str(home),
        "PYTHONPATH": str(ROOT),
        "ASSEMBLYAI_API_KEY": CANARY,
    }


def setup(server: WatchedServer, home: Path) -> str:
    return SETUP.format(log=str(home / "log"), url=server.url, folder=str(home / "recordings"))


def found_in(home: Path) -> list[str]:
    """Files, and lines of them, that hold the key."""
    hits = []
    for path in home.rglob("*"):
        if path.is_file():
            for number, line in enumerate(path.read_bytes().splitlines(), 1):
                if any(trace.encode() in line for trace in TRACES):
                    hits.append(f"{path.relative_to(home)}:{number}: {line[:200]!r}")
    return hits


def assert_used(server: WatchedServer, n: int) -> None:
    """The key did travel: otherwise the search finds nothing for the wrong reason."""
    sent = [peer.headers.get("Authorization") for peer in server.peers]
    assert sent.count(CANARY) >= n


def run(home: Path, name: str, *command: str) -> int:
    """Run a command whose output goes to files in `home`."""
    with open(home / f"{name}.out", "wb") as out, open(home / f"{name}.err", "wb") as err:
        return subprocess.run(
            command,
            cwd=home,
            env=environment(home),
            stdout=out,
            stderr=err,
            timeout=90,
            check=False,
        ).returncode


def test_the_search_finds_a_key_that_is_there(home: Path) -> None:
    """In a nested file, and quoted."""
    (home / "deep").mkdir()
    (home / "deep" / "file").write_bytes(b"\x00\xff" + CANARY.encode() + b"\n")
    (home / "url").write_text(CANARY.replace("-", "%2D"))
    assert len(found_in(home)) == 2


def test_whole_sessions_leave_no_key(server: WatchedServer, home: Path) -> None:
    """Refused, broken, unreachable, whole and left to the exit, with every logger at DEBUG."""
    code = setup(server, home) + SESSIONS.replace(
        "{canary!r}", "__import__('os').environ['ASSEMBLYAI_API_KEY']"
    )
    assert run(home, "sessions", sys.executable, "-c", code) == 0, (
        home / "sessions.err"
    ).read_text()
    assert_used(server, 6)
    assert "the log is on" in (home / "log").read_text()
    assert [] == found_in(home)


TRACED = """
import websocket
websocket.enableTrace(True, handler=logging.FileHandler({log!r}), level="DEBUG")
for _ in range(3):
    try:
        nb.record(Given(noise(1)), nb.AssemblyAI(endpoint=URL), folder=FOLDER).wait()
    except Exception:
        traceback.print_exc()
"""


def test_the_trace_of_the_websocket_library_shows_no_key(server: WatchedServer, home: Path) -> None:
    """It logs whole handshakes when a person turns it on to look for a fault."""
    code = setup(server, home) + TRACED.format(log=str(home / "log"))
    assert run(home, "traced", sys.executable, "-c", code) == 0
    assert_used(server, 3)
    assert "Sec-WebSocket-Key" in (home / "log").read_text()
    assert [] == found_in(home)


def test_the_command_line_leaves_no_key(server: WatchedServer, home: Path) -> None:
    """Whole, refused, unreachable, and what is read later from the folder."""
    program = [sys.executable, "-m", "nbstream.cli"]
    record = [
        *program,
        "record",
        "sample",
        "--service",
        "assemblyai",
        "--speed",
        "0",
        "--seconds=1",
    ]
    status = [
        run(home, f"record{n}", *record, "--endpoint", server.url, *extra)
        for n, extra in enumerate([[], ["--json"], ["--option", "min_turn_silence=400"]])
    ]
    assert sorted(status) == [0, 0, 1]
    assert run(home, "nowhere", *record, "--endpoint", "ws://127.0.0.1:9", "--json") == 1
    (first, *_) = (home / "recordings").iterdir()
    assert run(home, "open", *program, "open", str(first)) == 0
    assert run(home, "recover", *program, "recover", str(home / "recordings")) == 0
    assert_used(server, 3)
    assert [] == found_in(home)


CELLS = [
    "import os\nservice = nb.AssemblyAI(endpoint=URL, api_key=os.environ['ASSEMBLYAI_API_KEY'])",
    "service",
    "rec = nb.Recorder(Given(noise(1)), service, folder=FOLDER)\nrec",
    "rec.start()",
    "rec.session.wait()",
    "rec.start()\nrec.session.wait()\nrec.session.turns",
    "vars(service)",
    "%xmode Verbose",
    "nb.record(Given(noise(1)), nb.AssemblyAI(endpoint='ws://127.0.0.1:9'), folder=FOLDER)",
    "service._base = 'ws://127.0.0.1:9'\nnb.record(Given(noise(1)), service, folder=FOLDER)",
    "service._base = URL",
    "nb.record(Given(noise(1)), service, folder=FOLDER)",
    "nb.AssemblyAI(endpoint=URL).token()",
    "rec.session.connections, rec.session.meta, rec",
]


def test_a_saved_notebook_holds_no_key(
    server: WatchedServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorder displayed and started, verbose tracebacks, widget state: saved as Jupyter does."""
    for name, value in environment(home).items():
        monkeypatch.setenv(name, value)
    cells = [nbformat.v4.new_code_cell(cell) for cell in [setup(server, home), *CELLS]]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, allow_errors=True, timeout=90, kernel_name="python3")
    client.execute(cwd=str(home))
    nbformat.write(notebook, home / "saved.ipynb")
    saved = json.dumps(notebook)
    assert_used(server, 3)
    # All of it really was in there.
    assert "application/vnd.jupyter.widget-state+json" in notebook.metadata.widgets
    assert "can't connect" in saved
    assert "Invalid API key" in saved
    assert "Secret(***)" in saved
    assert [] == found_in(home)
