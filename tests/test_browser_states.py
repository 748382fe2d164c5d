"""How a page and its device may stand while it records, as a person's browser has it.

Playwright has each page believe that it is in sight, and keeps crashed ones; so Chromium runs by
itself here, and is only looked into.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    CDPSession,
    Error,
    Page,
    Playwright,
    expect,
    sync_playwright,
)
from websockets.sync.client import connect

from tests.browser import FLAGS, START_S, Lab, Notebook, chromium_path, notebook_of
from tests.page_microphone import (
    STOP,
    audio_s,
    correlation,
    events,
    flags,
    folders,
    new_folder,
    said,
    sounds,
    wait_until,
    write_speech,
)
from tests.page_watch import CHUNK_FRAMES, SWALLOW, WATCH, recorded
from tests.scripted import ScriptedServer
from tests.virtual_mic import virtual_mic

pytestmark = pytest.mark.browser

PANEL = """
        import nbstream as nb
        service = nb.AssemblyAI(endpoint={url!r}, api_key='none')
        rec = nb.Recorder(service=service, report=False)
        rec
        """
LINE = """
        import nbstream as nb
        session = nb.record("browser", nb.AssemblyAI(endpoint={url!r}, api_key='none'))
        """
HIDDEN = "The page that records is in the background."
MUTED = "The browser's microphone is switched off."
# The page tells each chunk, as what it notes itself it may not have on disk when it crashes.
TELL = f"""() => ({WATCH})((number, began_s, seq, isHere) => {{
  if (isHere) testHeard([number, began_s]);
}})"""
KEPT_S = 3.0  # of sound that the kernel did not have when the page crashed
YOUNG_S = 2.5  # what is younger may not be on the shelf: 1 s to be ripe, up to 1 s to its turn
BUSY_S = 1.5  # a device that a busy machine has kept waiting is heard so much later
SAID_S = 5.0


@dataclass(frozen=True)
class Chromium:
    """A browser of its own, and where one can look into it."""

    address: str
    playwright: Playwright

    def look(self) -> Browser:
        """See its tabs, and change nothing about them."""
        return self.playwright.chromium.connect_over_cdp(self.address, no_defaults=True)

    def revive(self) -> None:
        """Have the tab that crashed show an empty page: looked into, it can't be seen."""
        with urllib.request.urlopen(f"{self.address}/json/list") as answer:
            (tab,) = [one for one in json.load(answer) if one["type"] == "page"]
        with connect(tab["webSocketDebuggerUrl"]) as socket:
            navigate = {"id": 1, "method": "Page.navigate", "params": {"url": "about:blank"}}
            socket.send(json.dumps(navigate))
            socket.recv()


@contextlib.contextmanager
def chromium(profile: Path, flags: Sequence[str], env: Mapping[str, str]) -> Iterator[Chromium]:
    """A browser with a profile of its own."""
    command = [
        *(chromium_path(), "--headless=new", *flags, "--window-size=1300,900"),
        *("--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"),
    ]
    port, never = profile / "DevToolsActivePort", threading.Event()
    quiet = subprocess.DEVNULL
    with (
        sync_playwright() as playwright,
        subprocess.Popen(command, env={**os.environ, **env}, stdout=quiet, stderr=quiet) as process,
    ):
        try:
            deadline_s = time.monotonic() + START_S
            while not (port.exists() and port.read_text().strip()):
                assert process.poll() is None, "Chromium has ended"
                assert time.monotonic() < deadline_s, "Chromium does not start"
                never.wait(0.05)
            yield Chromium(f"http://127.0.0.1:{port.read_text().split()[0]}", playwright)
        finally:
            process.terminate()


def opened(server: Lab, browser: Browser, name: str, *cells: str) -> Notebook:
    """A notebook in the browser's only tab, which may use the microphone."""
    (server.folder / name).write_text(json.dumps(notebook_of(cells)))
    notebook = found(server, browser, name)
    notebook.load()
    return notebook


def found(server: Lab, browser: Browser, name: str) -> Notebook:
    """The browser's only tab, for a notebook that may use the microphone."""
    (context,) = browser.contexts
    context.grant_permissions(["microphone"], origin=server.url)
    (page,) = context.pages
    page.bring_to_front()  # has the focus, by which JupyterLab finds what is in front
    return Notebook(page, f"{server.url}/doc/tree/{name}")


class Window:
    """The window of a page, which can be put away."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._id = self._session.send("Browser.getWindowForTarget")["windowId"]

    def put(self, state: str, visibility: str) -> None:
        """Minimise it, or make it normal again; the page knows when this returns."""
        bounds = {"windowId": self._id, "bounds": {"windowState": state}}
        self._session.send("Browser.setWindowBounds", bounds)
        is_so = f"() => document.visibilityState === {visibility!r}"
        self._page.wait_for_function(is_so, polling=50)

    def hide(self) -> None:
        self.put("minimized", "hidden")

    def show(self) -> None:
        self.put("normal", "visible")


def says(notebook: Notebook, selector: str) -> str:
    """What stands there, in sight or not; empty if there is no such thing."""
    find = "selector => document.querySelector(selector)?.textContent ?? ''"
    text: str = notebook.page.evaluate(find, selector)
    return text


def test_a_page_says_how_it_stands_and_takes_it_back(
    server: Lab, service: ScriptedServer, tmp_path: Path
) -> None:
    """A microphone that is plugged in can be chosen, and one that is switched off is said to be.

    So is a page out of sight, from the beginning on; each as long as it is so.
    """
    before = folders(server)
    headset = f"headset{tmp_path.name[-1]}"  # tried once more, it is not the one of the last time
    with contextlib.ExitStack() as undo:
        device = undo.enter_context(virtual_mic())
        device.as_input("desk")
        own = undo.enter_context(chromium(tmp_path, FLAGS, device.env))
        browser = undo.enter_context(contextlib.closing(own.look()))
        notebook = opened(server, browser, "states.ipynb", PANEL.format(url=service.url))
        page = notebook.page
        window = Window(page)
        notebook.run(0)
        picker = page.get_by_label("Source", exact=True)
        picker.get_by_text("Browser microphone", exact=True).wait_for(state="attached")
        named = picker.get_by_text(headset)
        assert 0 == named.count()
        plug = undo.enter_context(contextlib.ExitStack())
        plug.enter_context(device.plugged(headset))
        named.wait_for(state="attached")
        picker.select_option(label=named.text_content() or "")

        device.mute(headset, True)
        window.hide()
        page.evaluate("() => document.querySelector('.nbs-record').click()")
        wait_until(lambda: says(notebook, ".nbs-message") == MUTED, notebook)
        device.mute(headset, False)
        wait_until(lambda: says(notebook, ".nbs-message") == HIDDEN, notebook)
        folder = new_folder(server, before)
        wait_until(lambda: audio_s(folder) > 1, notebook)
        assert HIDDEN == says(notebook, ".nbs-message")
        window.show()
        wait_until(lambda: says(notebook, ".nbs-message") == "", notebook)
        device.mute(headset, True)
        wait_until(lambda: says(notebook, ".nbs-message") == MUTED, notebook)
        device.mute(headset, False)
        wait_until(lambda: says(notebook, ".nbs-message") == "", notebook)

        page.get_by_role("button", name="Stop", exact=True).click()
        wait_until(lambda: says(notebook, ".nbs-state") == "Stopped", notebook)
        assert headset in (folder / "session.json").read_text()
        plug.close()
        named.wait_for(state="detached")
        expect(picker).to_have_value("Browser microphone")
        assert notebook.complaints == []


def watched(notebook: Notebook) -> list[tuple[int, float]]:
    """What the page captures from now on, as it comes; see `TELL`."""
    heard: list[tuple[int, float]] = []
    notebook.page.expose_function("testHeard", lambda one: heard.append((one[0], one[1])))
    return heard


def test_a_page_out_of_sight_loses_nothing_until_it_crashes(
    server: Lab, service: ScriptedServer, tmp_path: Path
) -> None:
    """Loaded again in the same tab it brings what it kept and records on; the rest is counted.

    Without a panel, too, it is said in the cell that it is out of sight.
    """
    before = folders(server)
    speech = write_speech(tmp_path / "speech.wav", SAID_S)
    with contextlib.ExitStack() as undo:
        own = undo.enter_context(chromium(tmp_path, flags(speech), {}))
        browser = undo.enter_context(contextlib.closing(own.look()))
        notebook = opened(server, browser, "crash.ipynb", LINE.format(url=service.url), STOP)
        heard = watched(notebook)
        notebook.page.evaluate(TELL)
        notebook.run(0)
        folder = new_folder(server, before)
        notebook.command("docmanager:save")
        window = Window(notebook.page)
        window.hide()
        wait_until(lambda: HIDDEN in says(notebook, ".nbs-notice"), notebook)
        wait_until(lambda: audio_s(folder) > SAID_S + 1, notebook)
        assert 0.999 < correlation(sounds(folder / "audio.wav"), said(SAID_S))
        assert [] == events(folder, "Overflow")
        window.show()
        wait_until(lambda: says(notebook, ".nbs-notice") == "", notebook)
        notebook.page.evaluate(SWALLOW)
        notebook.page.wait_for_timeout(KEPT_S * 1000)
        here = len(recorded(folder))
        with notebook.page.expect_event("crash"), contextlib.suppress(Error):
            notebook.page.goto("chrome://crash")
        first = list(heard)
        own.revive()
        browser = undo.enter_context(contextlib.closing(own.look()))
        notebook = found(server, browser, "crash.ipynb")
        heard = watched(notebook)
        notebook.page.add_init_script(f"({TELL})()")
        notebook.load()
        wait_until(lambda: len(events(folder, "Overflow")) > 0, notebook)
        at_s = audio_s(folder)
        wait_until(lambda: audio_s(folder) > at_s + 1, notebook)
        notebook.run(1)
        notebook.output(1).get_by_text("stopped stopped").wait_for()
    (lost,) = events(folder, "Overflow")
    n_kept = lost["frame"] // CHUNK_FRAMES
    on_disk = recorded(folder)
    captured = [number for number, _ in [*first[:n_kept], *heard]]
    assert captured[: len(on_disk)] == on_disk
    assert n_kept > here  # what the kernel did not have
    assert n_kept > len(first) - YOUNG_S * 20
    away_s = heard[0][1] - first[n_kept][1]
    assert abs(lost["lost_frames"] / 16_000 - away_s) < BUSY_S
