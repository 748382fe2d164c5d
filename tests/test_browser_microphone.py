"""The browser's microphone in JupyterLab: a real page, whose device plays a file."""

from __future__ import annotations

import contextlib
import json
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

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


@pytest.fixture(scope="module")
def browser(speech: Path) -> Iterator[Browser]:
    flags = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={speech}%noloop",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, *flags])
        yield browser
        browser.close()


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
        assert 0 == notebook.output(2).count()  # it has said nothing, so it has not failed
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
    (folder,) = [path for path in folders(server) if path not in before]
    wait_until(lambda: audio_s(folder) > 2, notebook)
    notebook.command("docmanager:save")
    notebook.load()
    at_s = audio_s(folder)
    wait_until(lambda: audio_s(folder) > at_s + 2, notebook)
    notebook.run(2)
    notebook.output(2).get_by_text("stopped stopped").wait_for()
    notebook.run(3)
    notebook.output(3).get_by_text("2 pages").wait_for()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    (lost,) = [event for event in events if event["type"] == "Overflow"]
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
    (folder,) = [path for path in folders(server) if path not in before]
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
        flags = [
            *FLAGS,
            "--host-resolver-rules=MAP hub.test 127.0.0.1",
            f"--unsafely-treat-insecure-origin-as-secure={server.url}",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={speech}%noloop",
        ]
        far = browser.browser_type.launch(executable_path=chromium_path(), args=flags)
        with contextlib.closing(far):
            _, folder = take(server, far, service, "proxy", BUSY["loop"])
            assert "proxy" == check(folder)["source"]["route"]
