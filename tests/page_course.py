"""One recording of a page's microphone through everything that a kernel does meanwhile."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, expect

from tests.browser import Lab
from tests.page_microphone import audio_s, folders, new_folder, wait_until
from tests.scripted import ScriptedServer
from tests.talking import DEADLINE_S

PANEL = """
        import json, struct, threading, time
        import ipykernel, matplotlib.pyplot as plt, numpy as np
        import nbstream as nb
        from nbstream.sources.pagetake import PageTake
        mic = nb.BrowserMicrophone()
        came, ends, spans = [], [], []
        def heard(take, frame, hear=PageTake.heard):
            seq, _, at_ms = struct.unpack_from("<IId", frame)
            came.append((seq, at_ms, len(frame) // 2 - 8, time.monotonic()))
            hear(take, frame)
        def said(take, message, hear=PageTake.said):
            if message.get("kind") == "end":
                ends.append(message["next"])
            return hear(take, message)
        PageTake.heard, PageTake.said = heard, said
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
    # Where messages wait for the cell, the line can't come back before its end.
    "line cut three times": """
        for _ in range(3):
            threading.Event().wait(0.7)
            for _ in range(40):
                if mic._channel.is_connected:
                    break
                threading.Event().wait(0.05)
            mic.cut()
        """,
}
COMPUTE = """
        end = time.monotonic() + 60
        while time.monotonic() < end:
            sum(range(1000))
        """
TIMED = "begun = time.monotonic()\n{}\nspans.append((begun, time.monotonic()))"
TELL = """
        print(json.dumps([ipykernel.version_info[0], came, ends, spans]))
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


class Came(NamedTuple):
    """A chunk when it first came."""

    seq: int
    at_ms: float  # when it was captured, on the page's clock
    frames: int
    now_s: float  # on the kernel's clock, as `Taken.spans`


@dataclass
class Taken:
    """What came of a recording, as page, kernel and folder have it."""

    folder: Path
    ipykernel: int
    captured: int  # chunks, as the page counts them
    came: list[Came]  # in the order of their numbers
    spans: dict[str, tuple[float, float]]  # when each cell ran
    stop_ms: float | None  # from the press until the panel says so; None: after the cell
    figures: int  # of those that were drawn meanwhile
    complaints: list[str]

    @property
    def offset_s(self) -> float:
        """Kernel's clock less page's, plus the shortest way."""
        return min(chunk.now_s - chunk.at_ms / 1000 for chunk in self.came)


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
    timed = [TIMED.format(cell.strip()) for cell in busy.values()]
    cells = [panel, *timed, COMPUTE, TELL]
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
    expect(notebook.cell(compute)).not_to_contain_text("[*]", timeout=timeout_s * 1000)
    expect(page.locator(".nbs-state")).to_have_text("Stopped", timeout=timeout_s * 1000)
    notebook.run(compute + 1)
    version, came, ends, spans = json.loads(notebook.output(compute + 1).inner_text())
    page.context.close()
    return Taken(
        folder,
        version,
        ends[-1],
        first_times(came),
        dict(zip(busy, spans, strict=True)),
        stop_ms,
        figures,
        [said for said in notebook.complaints if not NOBODY_LISTENS.search(said)],
    )


def first_times(came: Sequence[Sequence[Any]]) -> list[Came]:
    """Chunks, each once, though some came by two lines."""
    first: dict[int, Came] = {}
    for chunk in itertools.starmap(Came, came):
        first.setdefault(chunk.seq, chunk)
    return [first[seq] for seq in sorted(first)]
