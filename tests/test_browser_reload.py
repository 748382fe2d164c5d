"""A page that is loaded again while it records, a kernel that stands still, a stop with no line."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import START_S, Lab, Notebook, lab
from tests.page_microphone import (
    RECORD,
    SHOW,
    SPEECH_S,
    STILL_S,
    STOP,
    Samples,
    audio_s,
    correlation,
    events,
    folders,
    listening_chromium,
    new_folder,
    said,
    silent_service,
    sounds,
    wait_until,
    write_speech,
)
from tests.scripted import ScriptedServer

pytestmark = pytest.mark.browser

KEPT_S = 2.5  # of sound that the kernel did not have when the page went
# When a page went, and when the next one began to listen, on the clock that goes on over it.
WATCH = """
    const now = () => performance.timeOrigin + performance.now();
    const note = (what) => {
      const found = JSON.parse(localStorage.getItem("test-times") ?? "[]");
      localStorage.setItem("test-times", JSON.stringify([...found, [what, now()]]));
    };
    addEventListener("pagehide", () => note("went"));
    const connect = MediaStreamAudioSourceNode.prototype.connect;
    MediaStreamAudioSourceNode.prototype.connect = function (...all) {
      note("listens");
      return connect.apply(this, all);
    };
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    speech = write_speech(tmp_path_factory.mktemp("speech") / "speech.wav")
    with listening_chromium(speech) as browser:
        yield browser


@pytest.fixture(scope="module")
def service() -> Iterator[ScriptedServer]:
    with silent_service() as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@contextlib.contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """A kernel that does nothing at all meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def begun(server: Lab, browser: Browser, service: ScriptedServer, name: str) -> Any:
    """A notebook that records: itself, its folder, the process of its kernel."""
    before = folders(server)
    cells = [SHOW, "import os; print(os.getpid())", RECORD.format(url=service.url), STOP, "1"]
    notebook = server.open(browser, f"{name}.ipynb", cells)
    for cell in range(3):
        notebook.run(cell)
    pid = int(notebook.output(1).inner_text())
    return notebook, new_folder(server, before), pid


def loaded_again(notebook: Notebook, pid: int) -> None:
    """Reload while the kernel does not have the last seconds of sound."""
    page = notebook.page
    with standing_still(pid):
        page.wait_for_timeout(KEPT_S * 1000)
        page.reload(wait_until="commit")
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
        "?.connectionStatus === 'connected'",
        timeout=START_S * 1000,
    )


def pieces(folder: Path) -> list[Samples]:
    """What was recorded, cut where something is missing."""
    audio = sounds(folder / "audio.wav")
    cuts = [0, *(event["frame"] for event in events(folder, "Overflow")), len(audio)]
    return [audio[a:b] for a, b in itertools.pairwise(cuts) if b > a]


def is_said(piece: Samples) -> None:
    """A piece is what was said from the beginning on, up to where it was cut off."""
    n_frames = min(len(piece) - round((STILL_S + 0.4) * 16_000), round(SPEECH_S * 16_000))
    assert n_frames > 16_000
    assert 0.999 < correlation(piece, said()[:n_frames])


def test_a_page_that_is_loaded_again_loses_nothing_that_was_captured(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """Twice: what the kernel did not have yet comes then; what nobody captured has its length."""
    notebook, folder, pid = begun(server, browser, service, "again")
    notebook.page.context.add_init_script(WATCH)
    notebook.page.evaluate(f"() => {{ {WATCH} }}")
    notebook.command("docmanager:save")
    for _ in range(2):
        at_s = audio_s(folder)
        wait_until(lambda at_s=at_s: audio_s(folder) > at_s + 1.5, notebook)  # type: ignore[misc]
        n_lost = len(events(folder, "Overflow"))
        loaded_again(notebook, pid)
        wait_until(lambda n=n_lost: len(events(folder, "Overflow")) > n, notebook)  # type: ignore[misc]
    at_s = audio_s(folder)
    wait_until(lambda: audio_s(folder) > at_s + 2, notebook)
    notebook.run(3)
    notebook.output(3).get_by_text("stopped stopped").wait_for()
    source = json.loads((folder / "session.json").read_text())["source"]
    assert (3, 3, 0) == (source["pages"], source["lines"], source["clock"]["jumps"])
    for piece in pieces(folder):
        is_said(piece)
    times = notebook.page.evaluate("JSON.parse(localStorage.getItem('test-times'))")
    assert ["went", "listens"] * 2 == [what for what, _ in times]
    lost = events(folder, "Overflow")
    for event, (_, went_ms), (_, listens_ms) in zip(lost, times[::2], times[1::2], strict=True):
        away_s = (listens_ms - went_ms) / 1000
        assert away_s == pytest.approx(event["lost_frames"] / 16_000, abs=0.2)
