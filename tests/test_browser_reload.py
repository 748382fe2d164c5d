"""A page that is loaded again while it records, a kernel that stands still, a stop with no line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import Lab, Notebook
from tests.page_microphone import (
    RECORD,
    SHOW,
    STOP,
    audio_s,
    folders,
    listening_chromium,
    new_folder,
    wait_until,
    write_speech,
)
from tests.page_watch import LIVES, SWALLOW, Life, lost_s, recorded
from tests.scripted import ScriptedServer

pytestmark = pytest.mark.browser

STILL_KERNEL_S = 5.0
KEPT_S = 2.5  # of sound that the kernel did not have when the page went
BUSY_S = 1.5  # a device that a busy machine has kept waiting is heard so much later


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    speech = write_speech(tmp_path_factory.mktemp("speech") / "speech.wav")
    with listening_chromium(speech) as browser:
        yield browser


@contextlib.contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """A kernel that does nothing at all meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def begun(
    server: Lab, browser: Browser, service: ScriptedServer, name: str, *cells: str
) -> tuple[Notebook, Path, int]:
    """A notebook that records: itself, its folder, the process of its kernel."""
    before = folders(server)
    head = [SHOW, "import os; print(os.getpid())", RECORD.format(url=service.url)]
    notebook = server.open(browser, f"{name}.ipynb", [*head, *cells])
    notebook.page.context.add_init_script(LIVES)
    notebook.page.evaluate(f"() => {{ {LIVES} }}")
    for cell in range(3):
        notebook.run(cell)
    pid = int(notebook.output(1).inner_text())
    notebook.command("docmanager:save")
    return notebook, new_folder(server, before), pid


def recorded_more(folder: Path, notebook: Notebook, seconds: float) -> None:
    """Wait until so much more is on disk."""
    at_s = audio_s(folder)
    wait_until(lambda: audio_s(folder) > at_s + seconds, notebook)


def left(notebook: Notebook, url: str) -> None:
    """Go elsewhere when something on the way has swallowed the last seconds of sound."""
    notebook.page.evaluate(SWALLOW)
    notebook.page.wait_for_timeout(KEPT_S * 1000)
    notebook.page.goto(url, wait_until="commit")


def lives_of(notebook: Notebook) -> list[Life]:
    """Those in which something was captured."""
    found = [Life(**life) for life in notebook.page.evaluate("testLives()")]
    return [life for life in found if life.chunks]


def test_a_page_that_is_loaded_again_loses_nothing_that_was_captured(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """Twice: what the kernel did not have yet comes then; what nobody captured has its length.

    Before that, the kernel stands still for a while, and nothing is missing either.
    """
    notebook, folder, pid = begun(server, browser, service, "again", STOP)
    recorded_more(folder, notebook, 0.5)
    with standing_still(pid):
        notebook.page.wait_for_timeout(STILL_KERNEL_S * 1000)
    for _ in range(2):
        recorded_more(folder, notebook, 1)
        left(notebook, notebook.page.url)
        notebook.load()
    recorded_more(folder, notebook, 1)
    notebook.run(3)
    notebook.output(3).get_by_text("stopped stopped").wait_for()

    first, second, third = lives_of(notebook)
    captured = first.chunks + second.chunks + third.chunks
    on_disk = recorded(folder)
    assert captured[: len(on_disk)] == on_disk
    assert len(captured) - len(on_disk) < 20  # behind the stop
    at = 0
    for life, again in ((first, second), (second, third)):
        at += len(life.chunks)
        assert life.went_s is not None
        assert -0.2 < lost_s(folder, at) - (again.began_s - life.went_s) < BUSY_S
    source = json.loads((folder / "session.json").read_text())["source"]
    assert (3, 3, 0) == (source["pages"], source["lines"], source["clock"]["jumps"])


def test_a_page_that_is_away_at_the_stop_brings_its_last_sound(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """It is waited for; what nobody captured between its going and the stop has its length."""
    when_asked = """
        import pathlib, threading, time
        def stop():
            never = threading.Event()
            while not pathlib.Path("stop").exists():
                never.wait(0.05)
            pathlib.Path("stop").replace("stopped")
            session.stop(timeout_s=60)
        threading.Thread(target=stop, daemon=True).start()
        """
    done = "print(session.wait(60), session.state)"
    notebook, folder, _ = begun(server, browser, service, "away", when_asked, done)
    asked, stopped = server.folder / "stop", server.folder / "stopped"
    for of_a_try_before in (asked, stopped):
        of_a_try_before.unlink(missing_ok=True)
    url = notebook.page.url
    recorded_more(folder, notebook, 0.5)
    notebook.run(3)
    notebook.command("docmanager:save")
    left(notebook, "about:blank")
    notebook.page.wait_for_timeout(1000)
    here = len(recorded(folder))
    asked.touch()
    stopped_s = time.time()
    wait_until(stopped.exists, notebook)
    notebook.page.goto(url)
    notebook.load()
    notebook.run(4)
    assert "True stopped" == notebook.output(4).inner_text().strip()
    (life,) = lives_of(notebook)
    assert life.chunks == recorded(folder)
    assert len(life.chunks) - here > KEPT_S * 5  # a good part of it was kept over it
    assert life.went_s is not None
    away_s = stopped_s - life.went_s
    assert -0.2 < lost_s(folder, len(life.chunks)) - away_s < BUSY_S
