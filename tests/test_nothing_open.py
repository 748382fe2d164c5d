"""Nothing stays on the meter: however a recording is left, its connection ends."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

import nbstream as nb
from tests.conftest import ROOT
from tests.endings import WatchedServer
from tests.fakes import Given, noise
from tests.scripted import Peer, turn

START = """
import sys
sys.path.insert(0, {root!r})
import nbstream as nb
from tests.fakes import Given, noise
source = Given(noise(1), live=True)
session = nb.record(source, nb.AssemblyAI(endpoint={url!r}, api_key="key"), folder={folder!r})
assert source.all_read.wait(20)
"""


def talk(peer: Peer) -> None:
    """A conversation whose last turn comes when it is asked to end."""
    peer.begin()
    peer.listen()
    peer.say(**turn(0, "Hello there.", final=True))
    peer.finish()


@pytest.fixture
def server() -> Iterator[WatchedServer]:
    with WatchedServer(talk).running() as server:
        yield server


def code(server: WatchedServer, folder: Path) -> str:
    return START.format(root=str(ROOT), url=server.url, folder=str(folder))


def assert_ended_well(server: WatchedServer, folder: Path, *, n: int = 1) -> None:
    """`Terminate` came, the last turn was taken, and the folder says so."""
    assert server.all_ended(at_least=n)
    assert server.terminated == [True] * n
    for path in folder.iterdir():
        session = nb.open(path)
        assert session.state == "stopped"
        assert list(session.turns.transcript) == ["Hello there."]
        assert session.audio().tobytes() == noise(1)


def run(script: str) -> subprocess.Popen[str]:
    """Start a Python process; what it prints is a pipe."""
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


ENDS = {
    "the end of the script": "",
    "an exception": "raise ValueError('mine')",
    "sys.exit": "sys.exit(3)",
    "stop": "session.stop()",
    "stop without waiting": "session._control.stop(wait=False)",
    "an exception in with": "with session: raise ValueError('mine')",
    "an interrupt in with": "with session: raise KeyboardInterrupt",
    "a session that was deleted": "del session",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_terminate_is_said_however_a_script_ends(
    server: WatchedServer, tmp_path: Path, end: str
) -> None:
    """Also without a `stop`: the interpreter's exit says it, and waits for the last turn."""
    with run(code(server, tmp_path) + end) as process:
        assert server.all_ended()
        process.wait(30)
    assert_ended_well(server, tmp_path)


@pytest.mark.parametrize(
    ("number", "is_said"), [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, False)]
)
def test_a_signal_closes_the_connection(
    server: WatchedServer, tmp_path: Path, number: signal.Signals, is_said: bool
) -> None:
    """Ctrl+C says `Terminate`; what kills Python at once closes the socket, and audio is kept."""
    waiting = "print('recording', flush=True)\nsession.wait()\n"
    with run(code(server, tmp_path) + waiting) as process:
        assert process.stdout
        assert process.stdout.readline() == "recording\n"
        process.send_signal(number)
        assert server.all_ended()
        process.wait(30)
    assert server.terminated == [is_said]
    (path,) = tmp_path.iterdir()
    session = nb.open(path)
    assert session.state == ("stopped" if is_said else "interrupted")
    assert session.audio().tobytes() == noise(1)


@contextlib.contextmanager
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """A real notebook kernel."""
    manager, client = start_new_kernel(env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        yield manager, client
    finally:
        client.stop_channels()
        with contextlib.suppress(RuntimeError):
            manager.shutdown_kernel(now=True)


def execute(client: BlockingKernelClient, source: str) -> str:
    """Run a cell to its end; gives its status."""
    reply = client.execute_interactive(source, timeout=60, output_hook=lambda message: None)
    return str(reply["content"]["status"])


def test_terminate_is_said_when_the_kernel_is_shut_down(
    server: WatchedServer, tmp_path: Path
) -> None:
    """With "Shut down kernel", with a recording that nobody stopped."""
    with kernel() as (manager, client):
        assert execute(client, code(server, tmp_path)) == "ok"
        manager.shutdown_kernel()
        assert_ended_well(server, tmp_path)


def test_terminate_is_said_when_the_kernel_is_restarted(
    server: WatchedServer, tmp_path: Path
) -> None:
    """With "Restart kernel"; the new one records again."""
    with kernel() as (manager, client):
        assert execute(client, code(server, tmp_path)) == "ok"
        manager.restart_kernel()
        assert server.all_ended()
        client.wait_for_ready(timeout=60)
        assert execute(client, code(server, tmp_path) + "session.stop()") == "ok"
        assert_ended_well(server, tmp_path, n=2)


def test_terminate_is_said_when_a_cell_is_interrupted(
    server: WatchedServer, tmp_path: Path
) -> None:
    """The stop button of the notebook, while a cell waits inside `with`."""
    with kernel() as (manager, client):
        waiting = "with session:\n    print('recording', flush=True)\n    session.wait()\n"
        client.execute(code(server, tmp_path) + waiting)
        while True:
            message = client.get_iopub_msg(timeout=60)
            if message["content"].get("text", "").startswith("recording"):
                break
        manager.interrupt_kernel()
        assert client.get_shell_msg(timeout=60)["content"]["status"] == "error"
        assert_ended_well(server, tmp_path)


def test_a_killed_kernel_leaves_no_connection(server: WatchedServer, tmp_path: Path) -> None:
    """No code runs any more; the system closes the socket."""
    with kernel() as (manager, client):
        assert execute(client, code(server, tmp_path)) == "ok"
        manager.shutdown_kernel(now=True)
        assert server.all_ended()
    assert server.terminated == [False]
    (path,) = tmp_path.iterdir()
    assert nb.open(path).audio().tobytes() == noise(1)


def test_a_session_that_is_forgotten_is_ended(server: WatchedServer, tmp_path: Path) -> None:
    """When nothing holds it any more, it says `Terminate` by itself and tells why."""
    service = nb.AssemblyAI(endpoint=server.url, api_key="key")
    session = nb.record(Given(noise(1), live=True), service, folder=tmp_path)
    del session
    gc.collect()
    for thread in threading.enumerate():
        if thread.name.startswith("nbstream-"):
            thread.join(30)
    assert_ended_well(server, tmp_path)
    (path,) = tmp_path.iterdir()
    assert "nothing holds the session" in " ".join(nb.open(path).events.text)


def test_a_session_that_is_held_goes_on(server: WatchedServer, tmp_path: Path) -> None:
    """A loop over its events, or a variable, is enough to keep it."""
    service = nb.AssemblyAI(endpoint=server.url, api_key="key")
    events = nb.record(Given(noise(1), live=True), service, folder=tmp_path, seconds=1).follow()
    gc.collect()
    assert "Termination" in [type(event).__name__ for event in events]
    assert_ended_well(server, tmp_path)
