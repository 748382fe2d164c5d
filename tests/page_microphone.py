"""A page whose microphone plays a file, what its cells say, and what the folder must then hold."""

from __future__ import annotations

import contextlib
import json
import re
import time
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Browser, expect, sync_playwright

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


def sounds(path: Path) -> Samples:
    """The samples of a mono WAV file."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def said(seconds: float = SPEECH_S) -> Samples:
    """What somebody says, without the stillness around it."""
    return sounds(SAMPLE)[: round(seconds * 16_000)]


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
    """How much has been recorded."""
    return ((folder / "audio.wav").stat().st_size - 44) / 32_000


def events(folder: Path, *types: str) -> list[dict[str, Any]]:
    """Those events of a recording."""
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["type"] in types]


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
    cross = np.conj(spectrum) * shape
    norm = np.linalg.norm(spectrum) * np.linalg.norm(shape)
    frequency = np.fft.rfftfreq(m)
    best = 0.0
    for part in np.linspace(-1, 1, 201):
        moved = cross @ np.exp(2j * np.pi * frequency * part)
        best = max(best, float(moved.real / norm))
    return best


def check(folder: Path, seconds: float = SPEECH_S) -> dict[str, Any]:
    """Everything was recorded, once and in order; returns what session.json says of it."""
    assert 0.999 < correlation(sounds(folder / "audio.wav"), said(seconds))
    assert [] == events(folder, "Overflow", "Problem")
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
    folder = new_folder(server, before)
    if busy:
        notebook.run(2)
        assert 0 == notebook.output(2).count()  # it has said nothing, so it has not failed
    wait_until(lambda: audio_s(folder) > SPEECH_S + 1, notebook)
    notebook.run(3)
    notebook.output(3).get_by_text("stopped stopped").wait_for()
    return notebook, folder


# -- one recording through everything that a kernel does meanwhile ---------------------------------

PANEL = """
        import json, struct, threading, time
        import ipykernel, matplotlib.pyplot as plt, numpy as np
        import nbstream as nb
        mic = nb.BrowserMicrophone()
        came, ends = [], []
        def heard(frame, hear=mic.heard):
            seq, _, at_ms = struct.unpack_from("<IId", frame)
            came.append((seq, at_ms, len(frame) // 2 - 8, time.monotonic()))
            hear(frame)
        def said(message, hear=mic.said):
            if message.get("kind") == "end":
                ends.append(message["next"])
            return hear(message)
        mic.heard, mic.said = heard, said
        {route}
        rec = nb.Recorder(mic, nb.AssemblyAI(endpoint={url!r}, api_key="none"), report=False)
        rec
        """
# Ports are where nobody can listen, so that the page goes on to the next route.
NO_SOCKET = """
        from nbstream.channel.room import Room
        Room.port = property(lambda room: 9)
        """.strip()
NO_CONTROL = """
        from nbstream.widgets import control
        control.get_ipython = lambda: None
        """.strip()
ROUTE = {
    "direct": "",
    "proxy": "",
    "control": NO_SOCKET,
    "comm": f"{NO_SOCKET}\n        {NO_CONTROL}",
}
NOBODY_LISTENS = re.compile(r"ERR_UNSAFE_PORT|/proxy/9/")
N_FIGURES = 5
FIGURES = """
        for number in range(5):
            figure, ax = plt.subplots(figsize=(2, 1))
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                sum(range(1000))
            ax.plot([0, number])
        """
BUSY = {
    "C call that holds the interpreter": "_ = sum(range(150_000_000))",
    "figures": FIGURES,
    "figures again": FIGURES,
    "loop in Python": """
        end = time.monotonic() + 2
        while time.monotonic() < end:
            sum(range(1000))
        """,
    "NumPy": """
        a = np.random.default_rng(0).random((1000, 1000))
        end = time.monotonic() + 2
        while time.monotonic() < end:
            a @ a
        """,
    "time.sleep": "time.sleep(2)",
    "line cut three times": """
        for _ in range(3):
            threading.Event().wait(0.7)
            mic.cut()
        """,
}
COMPUTE = """
        end = time.monotonic() + 60
        while time.monotonic() < end:
            sum(range(1000))
        """
TELL = """
        print(json.dumps([ipykernel.version_info[0], came, ends]))
        """
STOPS_WITHIN_S = 5.0  # else it waits for the cell
PRESS_STOP = """patience_ms => new Promise(done => {
    const pressed_ms = performance.now();
    const end = (stopped_ms) => { observer.disconnect(); done(stopped_ms); };
    const observer = new MutationObserver(() => {
        if (document.querySelector(".nbs-state").textContent === "Stopped")
            end(performance.now() - pressed_ms);
    });
    observer.observe(document.body, { childList: true, characterData: true, subtree: true });
    setTimeout(() => end(null), patience_ms);
    document.querySelector("button.nbs-record").click();
})"""


@dataclass
class Taken:
    """What came of a recording, as page, kernel and folder have it."""

    folder: Path
    ipykernel: int
    captured: int  # chunks, as the page counts them
    came: list[tuple[int, int]]  # number and frames of each chunk, once
    late_s: float  # the latest chunk, beyond the earliest
    stop_ms: float | None  # from the press until the panel says so; None: after the cell
    figures: int  # of those that were drawn meanwhile
    complaints: list[str]


def take_all(
    server: Lab,
    browser: Browser,
    service: ScriptedServer,
    *,
    route: str,
    kernel: str,
    seconds: float,
    busy: Mapping[str, str] = BUSY,
    timeout_s: float = DEADLINE_S,
) -> Taken:
    """Record by the panel while cell after cell runs, and press Stop while one computes."""
    before = folders(server)
    panel = PANEL.format(url=service.url, route=ROUTE[route])
    cells = [panel, *busy.values(), COMPUTE, TELL]
    notebook = server.open(browser, f"{route}-{kernel}.ipynb", cells, kernel=kernel)
    page = notebook.page
    page.set_default_timeout(timeout_s * 1000)
    notebook.run(0)
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator(".nbs-state")).to_have_text("Recording", timeout=timeout_s * 1000)
    folder = new_folder(server, before)
    wait_until(lambda: audio_s(folder) > 2, notebook)  # the kernel is idle
    figures = 0
    for number, name in enumerate(busy, start=1):
        notebook.run(number)
        figures += notebook.output(number).locator("img").count() if "figures" in name else 0
    wait_until(lambda: audio_s(folder) > seconds + 1, notebook)
    compute = len(busy) + 1
    notebook.run(compute, wait=False)
    expect(notebook.cell(compute)).to_contain_text("[*]")
    stop_ms = page.evaluate(PRESS_STOP, STOPS_WITHIN_S * 1000)
    expect(notebook.cell(compute)).to_contain_text("[*]")
    notebook.command("notebook:interrupt-kernel")
    expect(notebook.cell(compute)).not_to_contain_text("[*]")
    expect(page.locator(".nbs-state")).to_have_text("Stopped")
    notebook.run(compute + 1)
    told = notebook.output(compute + 1)
    told.wait_for()
    version, came, ends = json.loads(told.inner_text())
    late_s = [now_s - at_ms / 1000 for _, at_ms, _, now_s in came]
    page.context.close()
    return Taken(
        folder,
        version,
        ends[-1],
        sorted({(seq, n) for seq, _, n, _ in came}),
        max(late_s) - min(late_s),
        stop_ms,
        figures,
        [said for said in notebook.complaints if not NOBODY_LISTENS.search(said)],
    )
