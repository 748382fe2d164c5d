"""The browser's microphone in JupyterLab: a real page, whose device plays a file."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import FLAGS, Lab, Notebook, chromium_path, lab
from tests.scripted import Peer, ScriptedServer
from tests.talking import DEADLINE_S

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).parent.parent / "nbstream" / "samples" / "sample.wav"
SPEECH_S = 7.0
Samples = npt.NDArray[np.int16]

SHOW = """
        import nbstream as nb
        from nbstream.sources.browser import BrowserMicrophone
        from nbstream.widgets.microphone import PageMicrophone
        mic = BrowserMicrophone()
        page = PageMicrophone(mic)
        page
        """
RECORD = "session = nb.record(mic, nb.AssemblyAI(endpoint={url!r}, api_key='none'))"
STOP = """
        import json
        session.stop()
        print("stopped", session.state)
        """


def sounds(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the device plays: silence, speech, silence, which it then repeats."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    said = sounds(SAMPLE)[: round(SPEECH_S * 16_000)]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        still = np.zeros(8_000, np.int16)
        file.writeframes(np.concatenate([still, said, still]).tobytes())
    return path


@contextlib.contextmanager
def chromium_with(*flags: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=[*FLAGS, *flags]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser(speech: Path) -> Iterator[Browser]:
    with chromium_with(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={speech}%noloop",
    ) as browser:
        yield browser


def listen(peer: Peer) -> None:
    """A service that hears everything and says nothing."""
    peer.begin()
    peer.listen()
    peer.finish()


@pytest.fixture(scope="module")
def service() -> Iterator[ScriptedServer]:
    with ScriptedServer(listen).running() as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


def wait_until(is_so: Callable[[], bool], page: Notebook) -> None:
    """Wait, with the page alive meanwhile."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline_s
        page.page.wait_for_timeout(50)


def folders(server: Lab) -> list[Path]:
    return sorted((server.folder / "recordings").glob("*"))


def audio_s(folder: Path) -> float:
    return ((folder / "audio.wav").stat().st_size - 44) / 32_000


def correlation(recorded: Samples, said: Samples) -> float:
    """Of the two, once the delay between them is taken out, fractions of a sample included."""
    n = 1 << (len(recorded) + len(said)).bit_length()
    a, b = np.fft.rfft(recorded, n), np.fft.rfft(said, n)
    cross = a * np.conj(b)
    delay = int(np.argmax(np.fft.irfft(cross, n)))
    delay = delay - n if delay > n // 2 else delay
    cut = np.zeros(len(said))
    first, last = max(0, delay), min(len(recorded), delay + len(said))
    cut[first - delay : last - delay] = recorded[first:last]
    m = 1 << (2 * len(said)).bit_length()
    spectrum, shape = np.fft.rfft(said, m), np.fft.rfft(cut, m)
    frequency = np.fft.rfftfreq(m)
    best = 0.0
    for part in np.linspace(-1, 1, 201):
        moved = spectrum * np.exp(-2j * np.pi * frequency * part)
        same = np.vdot(moved, shape).real / (np.linalg.norm(moved) * np.linalg.norm(shape))
        best = max(best, float(same))
    return best


def check(folder: Path) -> dict[str, Any]:
    """Everything was recorded, once and in order; returns what session.json says of it."""
    said = sounds(SAMPLE)[: round(SPEECH_S * 16_000)]
    assert 0.999 < correlation(sounds(folder / "audio.wav"), said)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [] == [event for event in events if event["type"] in ("Overflow", "Problem")]
    meta: dict[str, Any] = json.loads((folder / "session.json").read_text())
    assert 0 == meta["overflows"]
    assert "stopped" == meta["state"]
    return meta


def take(
    server: Lab, browser: Browser, service: ScriptedServer, name: str, busy: str, more: str = ""
) -> tuple[Notebook, Path]:
    """Record until all of the speech is there, while the cell `busy` runs."""
    before = folders(server)
    cells = [SHOW + more, RECORD.format(url=service.url), busy or "1", STOP]
    notebook = server.open(browser, f"{name}.ipynb", cells)
    notebook.run(0)
    notebook.run(1)
    (folder,) = [path for path in folders(server) if path not in before]
    if busy:
        notebook.run(2)
    wait_until(lambda: audio_s(folder) > SPEECH_S + 1, notebook)
    notebook.run(3)
    notebook.output(3).get_by_text("stopped stopped").wait_for()
    return notebook, folder


BUSY = {
    "idle": "",
    "sleep": "import time; time.sleep(6)",
    "loop": """
        import time
        end = time.monotonic() + 6
        while time.monotonic() < end:
            sum(range(1000))
        """,
}


@pytest.mark.parametrize("busy", BUSY)
def test_all_of_it_is_recorded(
    server: Lab, browser: Browser, service: ScriptedServer, busy: str
) -> None:
    """Sound in the folder is the sound in the room, whatever the kernel does meanwhile."""
    notebook, folder = take(server, browser, service, busy, BUSY[busy])
    check(folder)
    assert notebook.complaints == []
