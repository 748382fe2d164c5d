"""The recorder in JupyterLab, in a real browser: seen and pressed as a person would.

One server for all tests, with the virtual microphone in its environment. Screenshots go to
``artifacts/``, to be looked at.
"""

from __future__ import annotations

import re
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import ROOT, Lab, Notebook, chromium, lab
from tests.talking import silence, two_turns
from tests.virtual_mic import VirtualMic, virtual_mic

pytestmark = pytest.mark.browser

SHOTS = ROOT / "artifacts"
SOON_MS = 30_000  # generous: a first take loads the recogniser
WIDTHS = (1300, 800, 400)


@pytest.fixture(scope="module")
def mic() -> Iterator[VirtualMic]:
    with virtual_mic() as mic:
        yield mic


@pytest.fixture(scope="module")
def server(mic: VirtualMic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # HOME is the server's own: PulseAudio needs only its address.
    env = {name: value for name, value in mic.env.items() if name != "HOME"}
    with lab(tmp_path_factory.mktemp("lab"), env) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    SHOTS.mkdir(exist_ok=True)
    with chromium() as browser:
        yield browser


def record_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Record", exact=True)


def stop_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Stop", exact=True)


def rows(page: Page) -> Locator:
    """The table's rows, the open turn's included."""
    return page.get_by_role("region", name="Turns").locator("tbody tr")


def state(page: Page) -> Locator:
    return page.get_by_role("status").filter(has_text=re.compile(r"^[A-Z][a-z]+$")).first


def left_to_scroll(page: Page, name: str) -> float:
    """How far the end of a region is out of sight, in pixels."""
    left: float = page.get_by_role("region", name=name).first.evaluate(
        "e => e.scrollHeight - e.clientHeight - e.scrollTop"
    )
    return left


def shoot(notebook: Notebook, name: str, *, follows: bool = False) -> None:
    """Pictures of the panel at three widths, light and dark; `follows`: the newest is in sight."""
    for width in WIDTHS:
        notebook.page.set_viewport_size({"width": width, "height": 900})
        for theme in ("Dark", "Light"):
            notebook.command("apputils:change-theme", theme=f"JupyterLab {theme}")
            dark = "false" if theme == "Dark" else "true"
            expect(notebook.page.locator("body")).to_have_attribute("data-jp-theme-light", dark)
            expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
            for region in ("Transcript", "Turns"):
                assert not follows or left_to_scroll(notebook.page, region) < 24
            notebook.page.screenshot(path=SHOTS / f"{name}-{width}-{theme.lower()}.png")
    notebook.page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def test_the_sample_is_recorded_and_read_while_it_is_spoken(
    server: Lab, browser: Browser, tmp_path: Path
) -> None:
    """Press Record: partials, turns, a live DataFrame in another cell; Stop: all is kept."""
    notebook = server.open(
        browser,
        "sample.ipynb",
        [
            'import nbstream as nb\nrec = nb.Recorder("sample", "local")\nrec',
            "rec.session.turns[['transcript', 'is_final']]",
            "rec",
        ],
    )
    page = notebook.page
    notebook.run(0)
    expect(state(page)).to_have_text("Ready")
    shoot(notebook, "ready")

    record_button(page).click()
    expect(stop_button(page)).to_be_visible()
    expect(page.locator(".nbs-transcript .nbs-partial")).to_be_visible(timeout=SOON_MS)
    expect(state(page)).to_have_text("Recording")
    expect(rows(page).locator("nth=2")).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_role("img", name=re.compile("^Waveform"))).to_be_visible()
    notebook.run(1)
    expect(notebook.output(1).locator("tbody tr").nth(1)).to_be_visible()
    shoot(notebook, "recording", follows=True)

    page.set_viewport_size({"width": 400, "height": 900})
    page.get_by_role("region", name="Turns").hover()
    page.mouse.wheel(0, -2000)  # a reader who looks back is left alone
    expect(rows(page).locator("nth=3")).to_be_attached(timeout=SOON_MS)
    assert left_to_scroll(page, "Turns") > 24
    page.set_viewport_size({"width": 1300, "height": 900})

    notebook.run(2)  # a second view of the same recorder
    expect(
        page.get_by_role("region", name="Turns").nth(1).locator("tbody tr").nth(1)
    ).to_be_visible()

    stop_button(page).first.click()
    expect(record_button(page)).to_have_count(2)
    expect(state(page)).to_have_text("Stopped")
    expect(page.get_by_text(re.compile("^Kept in .*recordings/")).first).to_be_visible()
    expect(page.locator(".nbs-partial")).to_have_count(0)
    shoot(notebook, "stopped")
    assert notebook.complaints == []


def test_stop_is_heard_while_a_cell_runs(server: Lab, browser: Browser) -> None:
    """Nobody has to wait for a long computation to end a recording that code has started."""
    notebook = server.open(
        browser,
        "busy.ipynb",
        [
            'import nbstream as nb\nrec = nb.Recorder("sample", "local")\nrec',
            "rec.start()",
            "import threading; threading.Event().wait(60)",
        ],
    )
    page = notebook.page
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, wait=False)
    expect(notebook.cell(2)).to_contain_text("[*]")
    stop_button(page).click()
    expect(state(page)).to_have_text("Stopped", timeout=20_000)
    expect(record_button(page)).to_be_visible()
    expect(notebook.cell(2)).to_contain_text("[*]")  # that cell is still running
    notebook.command("notebook:interrupt-kernel")
    assert notebook.complaints == []


def test_it_works_by_keyboard_and_ends_by_itself(server: Lab, browser: Browser) -> None:
    """Space and Enter press the button, not JupyterLab's shortcuts; the source's end is an end."""
    speech(server.folder / "two.wav")
    cells = ['import nbstream as nb\nrec = nb.Recorder("two.wav", "local")\nrec']
    notebook = server.open(browser, "keys.ipynb", cells)
    page = notebook.page
    notebook.run(0)
    for key in ("Space", "Enter"):
        record_button(page).focus()
        page.keyboard.press(key)
        expect(state(page)).to_have_text("Recording", timeout=SOON_MS)
        expect(state(page)).to_have_text("Stopped", timeout=SOON_MS)
        expect(rows(page)).to_have_count(2)
    expect(page.locator(".jp-mod-editMode")).to_have_count(0)

    source = page.get_by_label("Source", exact=True)
    source.focus()
    page.keyboard.press("m")  # in JupyterLab: turn the cell into Markdown
    expect(source).to_have_value("Microphone")
    expect(page.locator(".jp-MarkdownCell")).to_have_count(0)
    assert notebook.complaints == []


def test_what_is_spoken_into_the_microphone_becomes_turns(
    server: Lab, browser: Browser, mic: VirtualMic, tmp_path: Path
) -> None:
    """The microphone is found and chosen by itself, and speech in it is in the cell."""
    cells = ['import nbstream as nb\nrec = nb.Recorder(service="local")\nrec']
    notebook = server.open(browser, "mic.ipynb", cells)
    page = notebook.page
    notebook.run(0)
    expect(page.get_by_label("Source", exact=True)).to_have_value("Microphone")
    record_button(page).click()
    expect(state(page)).to_have_text("Recording", timeout=SOON_MS)

    speaking = mic.play(speech(tmp_path / "speech.wav"))
    expect(rows(page)).to_have_count(2, timeout=SOON_MS)
    speaking.wait(20)
    stop_button(page).click()
    expect(state(page)).to_have_text("Stopped")
    expect(rows(page).first).to_contain_text(re.compile("Mary|barrel", re.IGNORECASE))
    assert notebook.complaints == []


def test_a_reload_in_the_middle_shows_everything_at_once(server: Lab, browser: Browser) -> None:
    """The page comes back with turns, waveform and a working Stop; the take knows nothing of it."""
    cells = ['import nbstream as nb\nrec = nb.Recorder("sample", "local")\nrec', "rec"]
    notebook = server.open(browser, "reload.ipynb", cells)
    page = notebook.page
    notebook.run(0)
    record_button(page).click()
    expect(rows(page).locator("nth=1")).to_be_visible(timeout=SOON_MS)
    first = rows(page).first.inner_text()
    notebook.command("docmanager:save")

    notebook.load()
    expect(stop_button(page)).to_be_visible()
    expect(rows(page).first).to_have_text(re.compile(re.escape(first.split("\t")[3])))
    expect(state(page)).to_have_text("Recording")
    stop_button(page).click()
    expect(state(page)).to_have_text("Stopped")
    assert notebook.complaints == []


def test_what_goes_wrong_is_said_in_the_cell(server: Lab, browser: Browser) -> None:
    """No such file, and no key: what failed, which one, and what to do; nothing records."""
    notebook = server.open(
        browser,
        "errors.ipynb",
        [
            'import nbstream as nb\nnb.Recorder("nowhere.wav", "local")',
            'nb.Recorder("sample", "assemblyai")',
        ],
    )
    page = notebook.page
    for cell, said in enumerate(("nowhere.wav", "no AssemblyAI key found.")):
        notebook.run(cell)
        area = notebook.cell(cell)
        area.get_by_role("button", name="Record", exact=True).click()
        alert = area.get_by_role("alert").filter(has_text=said)
        expect(alert.locator(".nbs-hint")).not_to_be_empty()
        expect(area.get_by_role("status")).to_have_text("Failed")
        expect(area.get_by_role("button", name="Record", exact=True)).to_be_visible()
    page.screenshot(path=SHOTS / "errors.png")
    assert notebook.complaints == []


def speech(path: Path) -> Path:
    """Two sentences as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(silence(0.5) + two_turns() + silence(1.0))
    return path
