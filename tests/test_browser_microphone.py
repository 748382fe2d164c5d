"""The browser's microphone in JupyterLab: a real page, whose device plays a file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import FLAGS, Lab, chromium_path, lab
from tests.page_microphone import (
    RECORD,
    SHOW,
    SPEECH_S,
    STOP,
    audio_s,
    check,
    events,
    flags,
    folders,
    listening_chromium,
    new_folder,
    silent_service,
    take,
    wait_until,
    write_speech,
)
from tests.scripted import ScriptedServer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("speech") / "speech.wav")


@pytest.fixture(scope="module")
def browser(speech: Path) -> Iterator[Browser]:
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


def test_a_line_that_is_cut_loses_nothing(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """The page keeps what the kernel does not have, and brings it by the next line, in order."""
    cut = """
        import threading
        for _ in range(4):
            threading.Event().wait(1.0)
            mic.cut()
        """
    _, folder = take(server, browser, service, "cut", cut)
    source = check(folder)["source"]
    assert (1, 5) == (source["pages"], source["lines"])


def test_a_device_with_another_rate_is_resampled_in_the_page(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """Browsers that refuse 16 kHz, as Firefox does, lose nothing by it."""
    more = "mic.at_native_rate = True\n        "
    _, folder = take(server, browser, service, "native", "", f"\n        {more}")
    assert check(folder)["source"]["device_rate_hz"] in (44_100, 48_000)


def test_without_a_socket_it_goes_through_the_widget(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """Where the page can't reach the kernel by itself, the notebook carries the same messages."""
    more = """
        from nbstream.channel import Channel
        offer = Channel.offer
        Channel.offer = lambda self: offer(self) | {"port": 9}  # where nobody listens
        """
    _, folder = take(server, browser, service, "comm", "", more)
    assert "comm" == check(folder)["source"]["route"]


def test_a_page_that_is_loaded_again_goes_on(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """What was said while there was no page is an overflow; the rest is there."""
    cells = [SHOW, RECORD.format(url=service.url), STOP, "print(mic.about()['pages'], 'pages')"]
    notebook = server.open(browser, "reload.ipynb", cells)
    before = folders(server)
    notebook.run(0)
    notebook.run(1)
    folder = new_folder(server, before)
    wait_until(lambda: audio_s(folder) > 2, notebook)
    notebook.command("docmanager:save")
    notebook.load()
    at_s = audio_s(folder)
    wait_until(lambda: audio_s(folder) > at_s + 2, notebook)
    notebook.run(2)
    notebook.output(2).get_by_text("stopped stopped").wait_for()
    notebook.run(3)
    notebook.output(3).get_by_text("2 pages").wait_for()
    (lost,) = events(folder, "Overflow")
    meta = json.loads((folder / "session.json").read_text())
    missing_s = meta["ended_s"] - audio_s(folder)
    assert lost["lost_frames"] / 16_000 == pytest.approx(missing_s, abs=5)
    assert 0.1 < lost["lost_frames"] / 16_000 < missing_s


def test_a_permission_that_is_refused_is_said(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """The cell says what was refused and what to do, and nothing is left behind."""
    before = folders(server)
    careful = browser.browser_type.launch(  # where nobody presses Allow
        executable_path=chromium_path(), args=[*FLAGS, "--use-fake-device-for-media-stream"]
    )
    with contextlib.closing(careful):
        notebook = server.open(careful, "refused.ipynb", [SHOW, RECORD.format(url=service.url)])
        notebook.run(0)
        notebook.run(1)
        output = notebook.output(1)
        output.get_by_text("not allowed to use the microphone").first.wait_for()
        output.get_by_text("Allow it at the lock").first.wait_for()
    assert folders(server) == before


def test_the_secret_is_not_saved(server: Lab, browser: Browser, service: ScriptedServer) -> None:
    """Neither secret nor port is in the notebook that is saved while it records."""
    cells = [SHOW, RECORD.format(url=service.url), "print(mic._channel.offer()['secret'])", STOP]
    notebook = server.open(browser, "secret.ipynb", cells)
    notebook.run(0)
    notebook.run(1)
    notebook.run(2)
    secret = notebook.output(2).inner_text().strip()
    assert len(secret) > 40
    notebook.page.evaluate(
        "() => jupyterapp.shell.currentWidget.content.widgets[2].model.clearExecution()"
    )
    notebook.command("docmanager:save")
    assert secret not in (server.folder / "secret.ipynb").read_text()
    notebook.run(3)


PANEL = "import nbstream as nb\nrec = nb.Recorder(service={service}, report=False)\nrec"
SERVICE = "nb.AssemblyAI(endpoint={url!r}, api_key='none')"


def test_the_recorder_takes_the_browsers_where_the_kernel_has_none(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """It says so, records at a press, stops at a press while a cell runs, and keeps the clock."""
    before = folders(server)
    panel = PANEL.format(service=SERVICE.format(url=service.url))
    notebook = server.open(browser, "panel.ipynb", [panel, "import time; time.sleep(30)"])
    page = notebook.page
    notebook.run(0)
    expect(page.get_by_label("Source", exact=True)).to_have_value("Browser microphone")
    expect(page.get_by_text("The browser's microphone is chosen: ")).to_be_visible()
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator(".nbs-state")).to_have_text("Recording", timeout=30_000)
    expect(page.get_by_text("The page is heard directly")).to_be_visible()
    folder = new_folder(server, before)
    notebook.run(1, wait=False)
    wait_until(lambda: audio_s(folder) > SPEECH_S + 1, notebook)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".nbs-state")).to_have_text("Stopped", timeout=10_000)
    expect(notebook.cell(1)).to_contain_text("[*]")
    source = check(folder)["source"]
    assert ("browser", "direct", 1) == (source["kind"], source["route"], source["pages"])
    assert abs(source["clock"]["drift_ms"]) < 200
    assert 0 <= source["clock"]["uncertainty_ms"] < 100
    notebook.command("notebook:interrupt-kernel")
    assert notebook.complaints == []


def test_record_shows_what_captures_by_itself(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """Without a panel one line is enough, in the cell that records."""
    line = f'import nbstream as nb\ns = nb.record("browser", {SERVICE.format(url=service.url)})'
    notebook = server.open(browser, "line.ipynb", [line, "s.stop(); print(s.duration_s > 0)"])
    notebook.run(0)
    notebook.run(1)
    notebook.output(1).get_by_text("True").wait_for()
    assert notebook.complaints == []


def test_a_page_elsewhere_comes_through_jupyter(
    speech: Path, browser: Browser, service: ScriptedServer, tmp_path: Path
) -> None:
    """By jupyter-server-proxy, from a host that is not loopback."""
    pytest.importorskip("jupyter_server_proxy")
    config = tmp_path / "config"
    config.mkdir()
    (config / "jupyter_server_config.json").write_text(
        json.dumps({"ServerApp": {"allow_remote_access": True}})
    )
    with lab(tmp_path) as server:
        server.url = server.url.replace("127.0.0.1", "hub.test")
        elsewhere = [
            "--host-resolver-rules=MAP hub.test 127.0.0.1",
            f"--unsafely-treat-insecure-origin-as-secure={server.url}",
        ]
        far = browser.browser_type.launch(
            executable_path=chromium_path(), args=[*flags(speech), *elsewhere]
        )
        with contextlib.closing(far):
            _, folder = take(server, far, service, "proxy", BUSY["loop"])
            assert "proxy" == check(folder)["source"]["route"]
