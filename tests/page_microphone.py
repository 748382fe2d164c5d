"""A page whose microphone plays a file, what its cells say, and what the folder must then hold."""

from __future__ import annotations

import contextlib
import json
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Browser, sync_playwright

from tests.browser import FLAGS, ROOT, Lab, Notebook, chromium_path
from tests.scripted import Peer, ScriptedServer
from tests.talking import DEADLINE_S

SAMPLE = ROOT / "nbstream" / "samples" / "sample.wav"
SPEECH_S = 7.0
STILL_S = 0.5  # before and after what is said
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
        session.stop()
        print("stopped", session.state)
        """


# The page does nothing else for so long.
HOLD = "s => { const end = performance.now() + s * 1000; while (performance.now() < end); }"


def sounds(path: Path) -> Samples:
    """The samples of a mono WAV file."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def said(seconds: float = SPEECH_S) -> Samples:
    """What somebody says, over and over, without the stillness around it."""
    return np.resize(sounds(SAMPLE), round(seconds * 16_000))


def write_speech(path: Path, seconds: float = SPEECH_S) -> Path:
    """A file for the device: stillness, speech, stillness; the last is then repeated."""
    still = np.zeros(round(STILL_S * 16_000), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.concatenate([still, said(seconds), still]).tobytes())
    return path


def flags(speech: Path) -> list[str]:
    """For a Chromium that allows the microphone, which plays `speech` once when it is opened."""
    return [
        *FLAGS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={speech}%noloop",
    ]


@contextlib.contextmanager
def listening_chromium(
    speech: Path, more: Sequence[str] = (), beside: Browser | None = None
) -> Iterator[Browser]:
    """A headless browser in whose room `speech` is said; `beside` one that is open already."""
    with contextlib.ExitStack() as stack:
        if beside is None:
            kind = stack.enter_context(sync_playwright()).chromium
        else:
            kind = beside.browser_type  # Playwright is there once in a process.
        args = [*flags(speech), *more]
        browser = kind.launch(executable_path=chromium_path(), args=args)
        yield stack.enter_context(contextlib.closing(browser))


@contextlib.contextmanager
def silent_service() -> Iterator[ScriptedServer]:
    """A service that hears everything and says nothing."""

    def listen(peer: Peer) -> None:
        peer.begin()
        peer.listen()
        peer.finish()

    with ScriptedServer(listen).running() as server:
        yield server


def wait_until(is_so: Callable[[], bool], page: Notebook) -> None:
    """Wait, with the page alive meanwhile."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline_s
        page.page.wait_for_timeout(50)


def folders(server: Lab) -> list[Path]:
    """The recordings there are."""
    return sorted((server.folder / "recordings").glob("*"))


def new_folder(server: Lab, before: Sequence[Path]) -> Path:
    """The one recording that has been begun since."""
    (folder,) = [path for path in folders(server) if path not in before]
    return folder


def audio_s(folder: Path) -> float:
    """How much of a recording there is to read: its header follows once a second."""
    with wave.open(str(folder / "audio.wav")) as file:
        return file.getnframes() / file.getframerate()


def events(folder: Path, *types: str) -> list[dict[str, Any]]:
    """Those events of a recording."""
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["type"] in types]


def moved(recorded: Samples, said: Samples) -> tuple[int, npt.NDArray[np.float64]]:
    """`said` as it should lie in `recorded`: the delay, and as many samples as were recorded.

    Fractions of a sample are part of it: the device has a rate of its own.
    """
    n = 1 << (len(recorded) + len(said)).bit_length()
    spectrum = np.fft.rfft(said, n)
    cross = np.fft.rfft(recorded, n) * np.conj(spectrum)
    delay = int(np.argmax(np.fft.irfft(cross, n)))
    delay = delay - n if delay > n // 2 else delay
    frequency = np.fft.rfftfreq(n)
    exact = float(delay)
    for step in (0.1, 0.01):
        near = exact + step * np.arange(-10, 11)
        exact = max(near, key=lambda at: (cross @ np.exp(2j * np.pi * frequency * at)).real)
    back = np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequency * exact), n)
    return delay, back[: len(recorded)]


def correlation(recorded: Samples, said: Samples) -> float:
    """Of the two, once the delay between them is taken out; what is missing counts."""
    delay, there = moved(recorded, said)
    part = slice(max(0, delay), delay + len(said))
    cut = recorded[part].astype(float)
    norm = np.linalg.norm(cut) * np.linalg.norm(said.astype(float))
    return float(cut @ there[part] / norm)


def typical(recorded: Samples, said: Samples) -> float:
    """Correlation of the middle one of its seconds: a busy browser may drop some of it."""
    seconds = np.split(said, range(16_000, len(said), 16_000))
    return float(np.median([correlation(recorded, second) for second in seconds]))


def check(folder: Path, seconds: float = SPEECH_S) -> dict[str, Any]:
    """Everything was recorded, once and in order; returns what session.json says of it."""
    assert [] == events(folder, "Overflow", "Problem")
    assert 0.999 < correlation(sounds(folder / "audio.wav"), said(seconds))
    meta: dict[str, Any] = json.loads((folder / "session.json").read_text())
    assert 0 == meta["overflows"]
    assert "stopped" == meta["state"]
    return meta


def take(
    server: Lab,
    browser: Browser,
    service: ScriptedServer,
    name: str,
    more: str = "",
    page_held_s: float = 0.0,
) -> tuple[Notebook, Path]:
    """Record until all of the speech is there, while the page does nothing else for a while."""
    before = folders(server)
    notebook = server.open(
        browser, f"{name}.ipynb", [SHOW + more, RECORD.format(url=service.url), STOP]
    )
    notebook.run(0)
    notebook.run(1)
    folder = new_folder(server, before)
    notebook.page.evaluate(HOLD, page_held_s)
    wait_until(lambda: audio_s(folder) > SPEECH_S + 1, notebook)
    notebook.run(2)
    notebook.output(2).get_by_text("stopped stopped").wait_for()
    return notebook, folder
