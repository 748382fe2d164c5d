"""What can befall a page that records: its device, its permission, its computer, other pages."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import FLAGS, Lab, Notebook, chromium_path
from tests.page_microphone import (
    RECORD,
    SHOW,
    audio_s,
    events,
    folders,
    new_folder,
    said,
    sounds,
    wait_until,
    write_speech,
)
from tests.scripted import ScriptedServer
from tests.virtual_mic import VirtualMic, virtual_mic

pytestmark = pytest.mark.browser

SLEEP_S = 4.0
STOP = 'session.stop()\nprint("stopped", session.state)'
COUNT = """
() => {
  window.nAsked = 0;
  const media = navigator.mediaDevices;
  const ask = media.getUserMedia.bind(media);
  media.getUserMedia = (wish) => { window.nAsked += 1; return ask(wish); };
}
"""
# What a page of another origin can do with all that it could ever find out.
INTRUDE = """
async ([port, secret]) => {
  const seen = [];
  await new Promise((done) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    socket.onopen = () => {
      seen.push("open");
      socket.send(JSON.stringify({ kind: "hello", secret, page: "intruder" }));
    };
    socket.onmessage = ({ data }) => seen.push(data);
    socket.onclose = done;
  });
  await fetch(`http://127.0.0.1:${port}/`).then((r) => r.text()).then((t) => seen.push(t), () => 0);
  return seen;
}
"""


@pytest.fixture(scope="module")
def device() -> Iterator[VirtualMic]:
    """A device as a sound server gives it, which can be pulled out."""
    with virtual_mic() as device:
        device.as_input("desk")  # browsers leave out what only listens to a loudspeaker
        yield device


@pytest.fixture(scope="module")
def browser(device: VirtualMic) -> Iterator[Browser]:
    """A browser that asks for permission as it does with everybody."""
    args = [*FLAGS, "--host-resolver-rules=MAP evil.test 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=args, env={**os.environ, **device.env}
        )
        yield browser
        browser.close()


@pytest.fixture
def foreign_url(tmp_path: Path) -> Iterator[str]:
    """A page of another origin, though it is on this machine as well."""
    (tmp_path / "index.html").write_text("<title>Another page</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://evil.test:{web.server_port}/index.html"
        web.shutdown()


def record(
    server: Lab, browser: Browser, service: ScriptedServer, name: str, *more: str
) -> tuple[Notebook, Path]:
    """A notebook that records now; cells 2 and on are those of `more`."""
    before = folders(server)
    notebook = show(server, browser, service, name, *more)
    notebook.run(1)
    return notebook, new_folder(server, before)


def show(server: Lab, browser: Browser, service: ScriptedServer, name: str, *more: str) -> Notebook:
    """A notebook that may record, and does so by its cell 1."""
    cells = [SHOW, RECORD.format(url=service.url), *more]
    notebook = server.open(browser, f"{name}.ipynb", cells)
    notebook.page.context.grant_permissions(["microphone"], origin=server.url)
    notebook.run(0)
    return notebook


@contextlib.contextmanager
def asleep(browser: Browser, device: VirtualMic) -> Iterator[None]:
    """The computer of the page sleeps: browser and device stand still, the kernel does not."""
    about = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    pids = [process["id"] for process in about["processInfo"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        with device.asleep():
            yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_the_window_in_use_records_until_its_permission_is_taken_back(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """Of two windows on a notebook the other is not asked; what was recorded is kept."""
    before = folders(server)
    behind = show(server, browser, service, "two windows")
    behind.command("docmanager:save")
    used = Notebook(behind.page.context.new_page(), behind.page.url)
    used.load()
    used.output(0).locator(".nbs-choosing").wait_for(state="attached")
    for window in (behind, used):
        window.page.evaluate(COUNT)
    behind.page.evaluate(
        "() => { document.hasFocus = () => false; }"
    )  # as without a screen none is

    behind.run(1)
    folder = new_folder(server, before)
    wait_until(lambda: audio_s(folder) > 1, used)
    assert [0, 1] == [window.page.evaluate("nAsked") for window in (behind, used)]

    used.page.context.clear_permissions()
    wait_until(lambda: "failed" in (folder / "session.json").read_text(), used)
    (problem,) = events(folder, "Problem")
    assert "taken away while it recorded" in problem["message"]
    assert "still allowed" in problem["hint"]
    assert audio_s(folder) > 1


def test_intruders_sleep_and_a_pulled_plug(
    server: Lab,
    browser: Browser,
    service: ScriptedServer,
    device: VirtualMic,
    foreign_url: str,
    tmp_path: Path,
) -> None:
    """Others get nothing, sleep is counted, what came before the plug was pulled is kept."""
    offer = "o = mic._channel.offer(); print(o['port'], o['secret'])"
    refusals = "print(mic._channel.refusals)"
    notebook, folder = record(server, browser, service, "faults", offer, refusals, "session.state")

    # Somebody speaks, while a page of another origin tries all it can.
    speaking = device.play(write_speech(tmp_path / "speech.wav"))
    notebook.run(2)
    port, secret = notebook.output(2).inner_text().split()
    stranger = browser.new_context().new_page()
    stranger.goto(foreign_url)
    assert [] == stranger.evaluate(INTRUDE, [int(port), secret])
    stranger.context.close()
    notebook.run(3)
    notebook.output(3).get_by_text("origin http://evil.test").wait_for()
    wait_until(lambda: speaking.poll() is not None, notebook)
    assert 0 == speaking.returncode
    before_s = audio_s(folder)
    wait_until(lambda: audio_s(folder) > before_s + 1, notebook)
    recorded = sounds(folder / "audio.wav")
    assert np.max(said()) / 2 < np.max(recorded)
    n_before = len(events(folder, "Overflow"))

    # The lid is closed for a while.
    slept_from_s = time.monotonic()
    with asleep(browser, device):
        threading.Event().wait(SLEEP_S)
    slept_s = time.monotonic() - slept_from_s
    before_s = audio_s(folder)
    wait_until(lambda: audio_s(folder) > before_s + 4, notebook)
    lost = events(folder, "Overflow")[n_before:]
    lost_s = sum(event["lost_frames"] for event in lost) / 16_000
    assert SLEEP_S - 1 < lost_s < slept_s + 3  # to wake up takes a busy machine a while

    # The plug is pulled.
    device.kill()
    wait_until(lambda: "failed" in (folder / "session.json").read_text(), notebook)
    assert "taken away" in events(folder, "Problem")[-1]["message"]
    assert audio_s(folder) > before_s
    assert notebook.complaints == []
