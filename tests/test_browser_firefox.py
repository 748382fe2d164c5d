"""The browser's microphone in a real Firefox, whose sound is resampled by the page."""

from __future__ import annotations

import json
import threading
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soxr

from tests.browser import ROOT, RUN, Lab, notebook_of
from tests.firefox import FirefoxPage, firefox
from tests.page_microphone import (
    RECORD,
    SHOW,
    STILL_S,
    STOP,
    audio_s,
    events,
    folders,
    new_folder,
    said,
    sounds,
    typical,
)
from tests.page_watch import LIVES, SWALLOW, Life, lost_s, recorded
from tests.scripted import ScriptedServer
from tests.talking import DEADLINE_S
from tests.test_browser_reload import BUSY_S, KEPT_S
from tests.virtual_mic import VirtualMic, virtual_mic

pytestmark = pytest.mark.browser

DEVICE_HZ = 48_000
EVERYBODY, NOBODY = 1, 2  # who may have the microphone
SERVICE = "nb.AssemblyAI(endpoint={url!r}, api_key='none')"
PANEL = """
        import time
        import nbstream as nb
        service = {service}
        rec = nb.Recorder("browser", service, report=False)
        rec
        """
RECORDS = "nb.record({source}, service)"
WIDGETS = "jupyterapp.shell.currentWidget.content.widgets"
SHOWN = "element => document.querySelector(element)?.innerText"


class Notebook:
    """A notebook in JupyterLab, in the page of a Firefox."""

    def __init__(self, server: Lab, page: FirefoxPage, name: str, cells: Sequence[str]) -> None:
        self.page = page
        (server.folder / name).write_text(json.dumps(notebook_of(cells)))
        self._url = f"{server.url}/doc/tree/{name}"
        self.load()

    def load(self) -> None:
        """Open it, or open it again, and wait until its kernel is there."""
        self.page.go(self._url)
        self.page.wait_for(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
            "?.connectionStatus === 'connected'"
        )
        self.page.wait_for(
            "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
        )

    def begin(self, index: int) -> None:
        """Run a cell, and do not wait for it."""
        self.page.evaluate(RUN, index)
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-cell'); }")

    def run(self, index: int) -> str:
        """Run a cell, and wait until it has run; what it shows."""
        before = self.count(index)
        self.begin(index)
        wait_until(lambda: self.count(index) not in (None, before))
        return self.text(index)

    def count(self, index: int) -> int | None:
        """The number before a cell that has run."""
        found: int | None = self.page.evaluate(f"i => {WIDGETS}[i].model.executionCount", index)
        return found

    def text(self, index: int) -> str:
        """A cell, and what it has given."""
        found: str = self.page.evaluate(f"i => {WIDGETS}[i].node.innerText", index)
        return found

    def command(self, name: str) -> None:
        """Execute one of JupyterLab's commands, and wait for it."""
        self.page.evaluate("async name => { await jupyterapp.commands.execute(name); }", name)


def wait_until(is_so: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    never = threading.Event()
    while not is_so():
        assert time.monotonic() < deadline_s
        never.wait(0.05)


def more_recorded(folder: Path, seconds: float) -> None:
    """Wait until so much more is on disk."""
    at_s = audio_s(folder)
    wait_until(lambda: audio_s(folder) > at_s + seconds)


@pytest.fixture(scope="module")
def device() -> Iterator[VirtualMic]:
    with virtual_mic(rate_hz=DEVICE_HZ) as device:
        device.as_input("desk")
        yield device


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is said, at the rate of the device."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    still = np.zeros(round(STILL_S * DEVICE_HZ), np.int16)
    spoken = soxr.resample(said(), 16_000, DEVICE_HZ, quality="VHQ")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, DEVICE_HZ, 0, "NONE", ""))
        file.writeframes(np.concatenate([still, spoken, still]).tobytes())
    return path


@pytest.fixture(scope="module")
def page(device: VirtualMic) -> Iterator[FirefoxPage]:
    with firefox(device.env) as page:
        # Pages that are not secure have none.
        page.before_each_page(f"() => {{ if (window.AudioWorkletNode) {{ {LIVES} }} }}")
        yield page


def test_nothing_is_lost_nor_by_a_page_that_is_loaded_again(
    server: Lab, page: FirefoxPage, service: ScriptedServer, device: VirtualMic, speech: Path
) -> None:
    """What is captured is recorded whole, what the kernel did not have when the page went later.

    Sound is taken at the device's rate: at another one, Firefox stretches it now and then.
    """
    before = folders(server)
    cells = [SHOW, RECORD.format(url=service.url), STOP]
    notebook = Notebook(server, page, "whole.ipynb", cells)
    page.evaluate("() => localStorage.clear()")
    notebook.run(0)
    notebook.run(1)
    folder = new_folder(server, before)
    more_recorded(folder, 0.5)
    notebook.command("docmanager:save")
    assert 0 == device.play(speech).wait(DEADLINE_S)
    more_recorded(folder, 1)
    speaking = device.play(speech)
    page.evaluate(SWALLOW)
    threading.Event().wait(KEPT_S)
    notebook.load()
    page.wait_for("() => testLives().at(-1).chunks.length > 20")
    assert "stopped stopped" in notebook.run(2)
    speaking.terminate()
    speaking.wait()

    assert 0.999 < typical(sounds(folder / "audio.wav"), said())
    lives = [Life(**life) for life in page.evaluate("() => testLives()")]
    one, other = [life for life in lives if life.chunks]
    on_disk = recorded(folder)
    captured = one.chunks + other.chunks
    assert captured[: len(on_disk)] == on_disk
    assert len(captured) - len(on_disk) < 20  # behind the stop
    assert one.went_s is not None
    away_s = other.began_s - one.went_s
    # When the page began to capture, the test hears from the page, which is busy then.
    assert abs(lost_s(folder, len(one.chunks)) - away_s) < BUSY_S
    assert [] == events(folder, "Problem")

    source = json.loads((folder / "session.json").read_text())["source"]
    assert ("direct", 2, 2) == (source["route"], source["pages"], source["lines"])
    assert ("browser microphone: desk", DEVICE_HZ) == (source["label"], source["device_rate_hz"])
    clock = source["clock"]
    assert 0 == clock["jumps"]
    assert 0 <= clock["uncertainty_ms"] < 50
    assert abs(clock["drift_ms"]) < 150  # What a busy Firefox drops is counted from 0.1 s on.
    assert [] == page.complaints


def test_what_is_pressed_is_done_at_once_and_what_is_missing_is_said(
    server: Lab, page: FirefoxPage, service: ScriptedServer
) -> None:
    """Stop, while a cell runs, before it ends; a tab's sound that Firefox has not; a refusal."""
    before = folders(server)
    panel = PANEL.format(service=SERVICE.format(url=service.url))
    sources = ("nb.BrowserMicrophone(tab=True)", "'browser'")
    cells = [panel, "time.sleep(60)", *(RECORDS.format(source=one) for one in sources)]
    notebook = Notebook(server, page, "panel.ipynb", cells)

    notebook.run(0)
    press = "() => document.querySelector('button.nbs-record').click()"
    page.wait_for(SHOWN, "button.nbs-record")
    page.evaluate(press)
    wait_until(lambda: page.evaluate(SHOWN, ".nbs-state") == "Recording")
    folder = new_folder(server, before)
    more_recorded(folder, 0.5)
    (ROOT / "artifacts").mkdir(exist_ok=True)
    page.screenshot(ROOT / "artifacts" / "firefox.png")
    notebook.begin(1)
    wait_until(lambda: "[*]" in notebook.text(1))
    page.evaluate(press)
    wait_until(lambda: page.evaluate(SHOWN, ".nbs-state") == "Stopped")
    assert "[*]" in notebook.text(1)
    notebook.command("notebook:interrupt-kernel")
    wait_until(lambda: "[*]" not in notebook.text(1))

    assert "this browser does not give the sound of a tab" in notebook.run(2)
    page.prefer("permissions.default.microphone", NOBODY)
    try:
        said = notebook.run(3)
    finally:
        page.prefer("permissions.default.microphone", EVERYBODY)
    assert "the browser was not allowed to use the microphone" in said
    assert "Allow it at the lock" in said
    assert [folder] == [one for one in folders(server) if one not in before]
    assert [] == page.complaints
