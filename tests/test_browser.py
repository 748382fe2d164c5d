"""The recorder in JupyterLab, in a real browser: seen and pressed as a person would.

One server for all tests, with the virtual microphone in its environment. Screenshots go to
``artifacts/``, to be looked at.
"""

from __future__ import annotations

import html
import io
import re
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.sign import NotebookNotary
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.axe import needs_axe, violations
from tests.browser import ROOT, Lab, Notebook, chromium, lab, notebook_of
from tests.talking import silence, two_turns
from tests.test_report import as_on_github
from tests.virtual_mic import VirtualMic, virtual_mic

pytestmark = pytest.mark.browser

SHOTS = ROOT / "artifacts"
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


def panel(page: Page) -> Locator:
    return page.get_by_role("group", name="Recorder")


def rows(page: Page) -> Locator:
    """The table's rows, the open turn's included."""
    return page.get_by_role("grid", name="Turns").locator("tbody tr[data-key]")


def state(page: Page) -> Locator:
    return page.locator(".nbs-state").first


def reports(page: Page) -> Locator:
    """Pictures of the reports that stand where panels were."""
    return page.get_by_role("img", name=re.compile("^Waveform of .* turn"))


def shoot(notebook: Notebook, name: str) -> None:
    """Pictures of the page at three widths, light and dark."""
    for width in WIDTHS:
        notebook.page.set_viewport_size({"width": width, "height": 900})
        for theme in ("Dark", "Light"):
            notebook.command("apputils:change-theme", theme=f"JupyterLab {theme}")
            dark = "false" if theme == "Dark" else "true"
            expect(notebook.page.locator("body")).to_have_attribute("data-jp-theme-light", dark)
            expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
            notebook.cell(0).evaluate("e => e.scrollIntoView({ block: 'start' })")
            notebook.page.screenshot(path=SHOTS / f"{name}-{width}-{theme.lower()}.png")
    notebook.page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def pixels(place: Locator) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(place.screenshot())).convert("RGB"), np.int16)


def is_loaded(picture: Locator) -> bool:
    return bool(picture.evaluate("e => e.complete && e.naturalWidth > 300"))


def seconds_of(player: Locator) -> float:
    """Length of what an audio element can play."""
    length: float = player.evaluate(
        "e => new Promise((done) => { const say = () => done(e.duration);"
        " if (e.readyState) say(); else { e.onloadedmetadata = say; e.load(); } })"
    )
    return length


SAMPLE = 'import nbstream as nb\nrec = nb.Recorder("sample", "local"{more})\nrec'


def test_the_sample_is_recorded_and_read_while_it_is_spoken(server: Lab, browser: Browser) -> None:
    """Press Record: partials, turns, a live DataFrame elsewhere; Stop: a report is there."""
    turns = "rec.session.turns[['transcript', 'is_final']]"
    notebook = server.open(browser, "sample.ipynb", [SAMPLE.format(more=""), turns, "rec"])
    page = notebook.page
    notebook.run(0)
    expect(state(page)).to_have_text("Ready")
    shoot(notebook, "ready")

    record_button(page).click()
    expect(stop_button(page)).to_be_visible()
    expect(page.locator(".nbs-turn.nbs-partial")).to_be_visible()
    expect(state(page)).to_have_text("Recording")
    expect(rows(page).locator("nth=2")).to_be_visible()
    notebook.run(1)
    expect(notebook.output(1).locator("tbody tr").nth(1)).to_be_visible()
    shoot(notebook, "recording")

    notebook.run(2)  # a second view of the same recorder
    second = notebook.output(2)
    expect(second.get_by_role("grid", name="Turns").locator("tr[data-key]").nth(2)).to_be_visible()
    expect(second.get_by_role("button", name="Stop", exact=True)).to_be_visible()

    stop_button(page).first.click()
    expect(reports(page)).to_have_count(2)
    expect(panel(page)).to_have_count(0)
    expect(page.locator("audio")).to_have_count(2)
    shoot(notebook, "report")

    notebook.run(2)  # and another take
    expect(record_button(page)).to_have_count(1)
    assert notebook.complaints == []


def test_a_pause_and_a_mark_by_mouse(server: Lab, browser: Browser) -> None:
    """Buttons say what they do and rest when there is nothing to do; both are in the report."""
    notebook = server.open(browser, "pause.ipynb", [SAMPLE.format(more=""), "rec.session.gaps"])
    page = notebook.page
    notebook.run(0)
    pause, resume, mark = (
        page.get_by_role("button", name=name, exact=True) for name in ("Pause", "Resume", "Mark")
    )
    expect(pause).to_be_disabled()
    expect(mark).to_be_disabled()
    record_button(page).click()
    expect(pause).to_be_enabled()
    expect(rows(page).first).to_be_visible()
    mark.click()
    expect(page.get_by_text(re.compile("^Marked 0:"))).to_be_visible()
    pause.click()
    expect(state(page)).to_have_text("Paused")
    expect(page.get_by_text("nothing is recorded")).to_be_visible()
    shoot(notebook, "paused")
    at = page.get_by_role("timer").inner_text()
    resume.click()
    expect(pause).to_be_enabled()
    expect(page.get_by_role("timer")).not_to_have_text(at)
    stop_button(page).click()
    expect(reports(page)).to_have_count(1)
    expect(page.get_by_text(re.compile("^Marked: 0:"))).to_be_visible()
    expect(page.get_by_text(re.compile("^Left out: 1 pause"))).to_be_visible()
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("paused by the person")
    assert notebook.complaints == []


def test_it_works_by_keyboard_alone(server: Lab, browser: Browser) -> None:
    """Space records and stops, p pauses and goes on, m marks; the notebook hears none of it."""
    notebook = server.open(browser, "keys.ipynb", [SAMPLE.format(more=", report=False"), "1 + 1"])
    page = notebook.page
    notebook.run(0)
    panel(page).focus()
    for key, word in (
        *((" ", "Recording"), ("p", "Paused"), ("p", "Recording")),
        *((" ", "Stopped"), (" ", "Recording"), (" ", "Stopped")),
    ):
        page.keyboard.press(key)
        expect(state(page)).to_have_text(word)
        expect(panel(page)).to_be_focused()
        if word == "Recording":
            page.keyboard.press("m")
            expect(page.get_by_text(re.compile("^Marked 0:"))).to_be_visible()
    expect(page.locator(".jp-MarkdownCell, .jp-mod-editMode")).to_have_count(0)

    # Where keys mean something else they are not the panel's.
    expect(page.get_by_label("Source", exact=True)).to_be_enabled()
    page.get_by_label("Source", exact=True).focus()
    page.keyboard.press("m")
    expect(page.get_by_label("Source", exact=True)).to_have_value("Microphone")
    page.get_by_label("Source", exact=True).select_option("Sample")
    page.get_by_role("searchbox").focus()
    page.keyboard.type("p m")
    expect(page.get_by_role("searchbox")).to_have_value("p m")
    page.get_by_role("grid", name="Turns").locator("tr[tabindex='0']").or_(
        page.get_by_role("region", name="Transcript")
    ).first.focus()
    page.keyboard.press(" ")
    expect(state(page)).to_have_text("Stopped")
    # JupyterLab's own shortcuts stay its own.
    panel(page).focus()
    page.keyboard.press("Shift+Enter")
    expect(notebook.cell(0)).to_contain_text("[2]:")
    assert notebook.complaints == []


def test_the_button_is_pressed_by_space_and_enter(server: Lab, browser: Browser) -> None:
    """As any button; the source's end is an end; a press on it is one press."""
    speech(server.folder / "two.wav")
    cells = ['import nbstream as nb\nrec = nb.Recorder("two.wav", "local", report=False)\nrec']
    notebook = server.open(browser, "button.ipynb", cells)
    page = notebook.page
    notebook.run(0)
    for key in ("Space", "Enter"):
        record_button(page).focus()
        page.keyboard.press(key)
        expect(state(page)).to_have_text("Recording")
        expect(state(page)).to_have_text("Stopped")
        expect(rows(page)).to_have_count(2)
    expect(page.locator(".jp-mod-editMode")).to_have_count(0)
    assert notebook.complaints == []


def test_stop_is_heard_while_a_cell_runs(server: Lab, browser: Browser) -> None:
    """Nobody has to wait for a long computation to end a recording that code has started."""
    notebook = server.open(
        browser,
        "busy.ipynb",
        [SAMPLE.format(more=""), "rec.start()", "import threading; threading.Event().wait(60)"],
    )
    page = notebook.page
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, wait=False)
    expect(notebook.cell(2)).to_contain_text("[*]")
    stop_button(page).click()
    expect(reports(page)).to_have_count(1)
    expect(notebook.output(2)).to_have_count(0)  # it stands where the panel was
    expect(notebook.cell(2)).to_contain_text("[*]")  # that cell is still running
    notebook.command("notebook:interrupt-kernel")
    assert notebook.complaints == []


def test_what_is_spoken_into_the_microphone_becomes_turns(
    server: Lab, browser: Browser, mic: VirtualMic, tmp_path: Path
) -> None:
    """The microphone is found by itself; silence is warned of until there is speech in the cell."""
    cells = ['import nbstream as nb\nrec = nb.Recorder(service="local", report=False)\nrec']
    notebook = server.open(browser, "mic.ipynb", cells)
    page = notebook.page
    notebook.run(0)
    page.get_by_label("Source", exact=True).select_option("Microphone")
    record_button(page).click()
    expect(state(page)).to_have_text("Recording")
    warning = page.get_by_text("Nothing heard for 5 s: is the right microphone chosen?")
    expect(warning).to_be_visible()
    page.screenshot(path=SHOTS / "silent.png")

    speaking = mic.play(speech(tmp_path / "speech.wav"))
    expect(warning).to_have_count(0)
    expect(rows(page)).to_have_count(2)
    speaking.wait(20)
    stop_button(page).click()
    expect(state(page)).to_have_text("Stopped")
    expect(rows(page).first).to_contain_text(re.compile("Mary|barrel", re.IGNORECASE))

    notebook.run(0)  # what was chosen is remembered
    expect(page.get_by_label("Source", exact=True)).to_have_value("Microphone")
    assert notebook.complaints == []


def test_a_reload_in_the_middle_shows_everything_at_once(server: Lab, browser: Browser) -> None:
    """The page comes back with turns, sound and a working Stop; the take knows nothing of it."""
    notebook = server.open(browser, "reload.ipynb", [SAMPLE.format(more=", report=False")])
    page = notebook.page
    notebook.run(0)
    record_button(page).click()
    expect(rows(page).locator("nth=1")).to_be_visible()
    said = rows(page).first.inner_text().split("\t")[3]
    notebook.command("docmanager:save")

    notebook.load()
    expect(stop_button(page)).to_be_visible()
    expect(rows(page).first).to_contain_text(said)
    expect(page.locator(".nbs-turn").first).to_contain_text(said[:20])
    expect(page.locator("canvas")).to_have_count(2)
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
        expect(area.locator(".nbs-state")).to_have_text("Failed")
        expect(area.get_by_role("button", name="Record", exact=True)).to_be_visible()
    page.screenshot(path=SHOTS / "errors.png")
    assert notebook.complaints == []


@needs_axe
def test_everybody_can_use_it(server: Lab, browser: Browser) -> None:
    """axe-core finds nothing serious: at rest, recording, paused, and in the report."""
    notebook = server.open(browser, "axe.ipynb", [SAMPLE.format(more="")])
    page = notebook.page
    notebook.run(0)
    for theme in ("Light", "Dark"):
        notebook.command("apputils:change-theme", theme=f"JupyterLab {theme}")
        expect(page.locator("#jupyterlab-splash")).to_have_count(0)
        assert violations(page, ".nbs-recorder") == []
    record_button(page).click()
    expect(rows(page).first).to_be_visible()
    assert violations(page, ".nbs-recorder") == []
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(state(page)).to_have_text("Paused")
    assert violations(page, ".nbs-recorder") == []
    stop_button(page).click()
    expect(reports(page)).to_have_count(1)
    assert violations(page, ".jp-OutputArea-output") == []


def test_a_view_at_rest_does_not_flicker(server: Lab, browser: Browser) -> None:
    """Two pictures of a panel in which nothing happens are the same."""
    notebook = server.open(browser, "rest.ipynb", [SAMPLE.format(more=", report=False, seconds=3")])
    page = notebook.page
    notebook.run(0)
    for word in ("Ready", "Stopped"):
        if word == "Stopped":
            panel(page).focus()
            page.keyboard.press(" ")
        expect(state(page)).to_have_text(word)
        page.wait_for_timeout(1000)  # for what settles by itself
        seen = []
        for _ in range(3):
            seen.append(pixels(panel(page)))
            page.wait_for_timeout(300)
        for later in seen[1:]:
            assert later.shape == seen[0].shape
            assert np.abs(later - seen[0]).max() <= 2


@pytest.fixture(scope="module")
def saved_notebook(server: Lab, browser: Browser) -> Path:
    """A notebook in which something was recorded, as JupyterLab saves it."""
    speech(server.folder / "saved.wav")
    cells = ['import nbstream as nb\nrec = nb.Recorder("saved.wav", "local")\nrec']
    notebook = server.open(browser, "saved.ipynb", [*cells, "rec.start(); rec.wait()"])
    notebook.run(0)
    notebook.run(1)
    expect(reports(notebook.page)).to_have_count(1)
    notebook.command("docmanager:save")
    path = server.folder / "saved.ipynb"
    data = nbformat.read(path, 4).cells[0].outputs[0]["data"]
    assert set(data) == {"text/html", "text/plain"}
    return path


@pytest.mark.parametrize("trusted", [True, False])
def test_a_saved_notebook_reads_the_same_without_a_kernel(
    server: Lab, browser: Browser, saved_notebook: Path, trusted: bool
) -> None:
    """Opened again in JupyterLab, trusted or not: picture, sound, turns, what to do next."""
    path = saved_notebook.with_name(f"again-{trusted}.ipynb")
    again = nbformat.read(saved_notebook, 4)
    again.metadata["seen"] = str(trusted)  # another notebook: its signature is not that one's
    nbformat.write(again, path)
    if trusted:
        NotebookNotary(data_dir=str(server.folder / "data")).sign(again)
    page = browser.new_context(viewport={"width": 1300, "height": 900}).new_page()
    notebook = Notebook(page, f"{server.url}/doc/tree/{path.name}")
    notebook.load()
    cell = "jupyterapp.shell.currentWidget.content.widgets[0].model.trusted"
    assert page.evaluate(cell) is trusted
    see_report(page, notebook.output(0))
    page.screenshot(path=SHOTS / f"again-{'trusted' if trusted else 'not-trusted'}.png")
    assert notebook.complaints == []


def test_a_saved_notebook_reads_well_as_a_page(browser: Browser, saved_notebook: Path) -> None:
    """As nbconvert makes HTML of it, and with all taken out that GitHub takes out."""
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", str(saved_notebook)], check=True
    )
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto(saved_notebook.with_suffix(".html").as_uri())
    see_report(page, page.locator("body"))
    page.screenshot(path=SHOTS / "nbconvert.png")

    data = nbformat.read(saved_notebook, 4).cells[0].outputs[0]["data"]
    page.set_content(f"<title>{html.escape('saved')}</title>" + as_on_github(data["text/html"]))
    assert is_loaded(reports(page))
    expect(page.get_by_role("row")).to_have_count(3)
    expect(page.get_by_text(re.compile("^Run the cell again"))).to_be_visible()
    page.screenshot(path=SHOTS / "github.png")


def see_report(page: Page, area: Locator) -> None:
    picture = area.get_by_role("img", name=re.compile("^Waveform of"))
    expect(picture).to_be_visible()
    assert is_loaded(picture)
    assert 5 < seconds_of(area.locator("audio")) < 8
    expect(area.get_by_role("row")).to_have_count(3)
    expect(area.get_by_text(re.compile("^Run the cell again"))).to_be_visible()


def test_it_works_in_notebook_7(server: Lab, browser: Browser) -> None:
    """The same panel, and the same report in its place."""
    pytest.importorskip("notebook")
    cells = [SAMPLE.format(more=", seconds=3")]
    (server.folder / "seven.ipynb").write_text(
        nbformat.writes(nbformat.from_dict(notebook_of(cells)))
    )
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    Notebook(page, f"{server.url}/notebooks/seven.ipynb").load()
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    expect(state(page)).to_have_text("Ready")
    panel(page).focus()
    page.keyboard.press(" ")
    expect(reports(page)).to_have_count(1, timeout=60_000)
    page.screenshot(path=SHOTS / "notebook-7.png")


def speech(path: Path) -> Path:
    """Two sentences as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(silence(0.5) + two_turns() + silence(1.0))
    return path
