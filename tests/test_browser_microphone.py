"""The browser's microphone in JupyterLab: a real page, whose device plays a file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import FLAGS, Lab, chromium_path
from tests.page_microphone import (
    RECORD,
    SHOW,
    audio_s,
    check,
    folders,
    listening_chromium,
    new_folder,
    said,
    sounds,
    take,
    typical,
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


def test_a_page_that_is_held_up_loses_nothing(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """What the device gives, at its own rate, waits in the browser for the page."""
    _, folder = take(server, browser, service, "held", page_held_s=5.0)
    assert check(folder)["source"]["device_rate_hz"] in (44_100, 48_000)


def test_a_browser_whose_tracks_cannot_be_read_renders_them(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """In a worklet, as Safari would: then a busy machine may cost some, but no second is spoilt."""
    more = "\n        mic.in_worklet = True\n        "
    _, folder = take(server, browser, service, "worklet", more)
    assert 0.999 < typical(sounds(folder / "audio.wav"), said())
    assert 16_000 == json.loads((folder / "session.json").read_text())["source"]["device_rate_hz"]


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


SECRETS = """
        import json, secrets
        made, token = [], secrets.token_urlsafe
        secrets.token_urlsafe = lambda n=None: made.append(token(n)) or made[-1]
        """
PANEL = "import nbstream as nb\nrec = nb.Recorder(service={service}, report=False)\nrec"
SERVICE = "nb.AssemblyAI(endpoint={url!r}, api_key='none')"


def test_the_recorder_takes_the_browsers_where_the_kernel_has_none(
    server: Lab, browser: Browser, service: ScriptedServer
) -> None:
    """It says so, and records at a press; no secret is in the notebook that is saved meanwhile."""
    before = folders(server)
    panel = PANEL.format(service=SERVICE.format(url=service.url))
    notebook = server.open(browser, "panel.ipynb", [SECRETS, panel, "print(json.dumps(made))"])
    page = notebook.page
    notebook.run(0)
    notebook.run(1)
    expect(page.get_by_label("Source", exact=True)).to_have_value("Browser microphone")
    expect(page.get_by_text("The browser's microphone is chosen: ")).to_be_visible()
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator(".nbs-state")).to_have_text("Recording")
    expect(page.get_by_text("The page is heard directly")).to_be_visible()
    folder = new_folder(server, before)
    wait_until(lambda: audio_s(folder) > 0.5, notebook)
    notebook.run(2)
    secrets = json.loads(notebook.output(2).inner_text())
    page.evaluate("() => jupyterapp.shell.currentWidget.content.widgets[2].model.clearExecution()")
    notebook.command("docmanager:save")
    saved = (server.folder / "panel.ipynb").read_text()
    assert "widget-view+json" in saved
    assert secrets
    assert [] == [secret for secret in secrets if secret in saved]
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".nbs-state")).to_have_text("Stopped")
    assert "browser" == json.loads((folder / "session.json").read_text())["source"]["kind"]
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
