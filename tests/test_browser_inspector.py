"""The inspector in JupyterLab, in a real browser, as somebody uses it who annotates.

Screenshots go to ``artifacts/``, to be looked at.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import nbstream as nb
from tests.browser import ROOT, Lab, Notebook, chromium, lab

pytestmark = pytest.mark.browser

SHOTS = ROOT / "artifacts"
# Keeps the words that are marked as heard, one after the other.
WATCH = """() => {
    window.heard = [];
    new MutationObserver(() => {
        const found = document.querySelector(".nbs-heard")?.textContent;
        if (found) heard.push(found);
    }).observe(document.querySelector(".nbs-transcript"), { subtree: true, attributes: true });
}"""
OPEN = 'import nbstream as nb\nsession = nb.open("talk")\nsession.labels = ["question", "answer"]'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with the recorded sample in its folder."""
    folder = tmp_path_factory.mktemp("lab")
    session = nb.record(nb.Sample(speed=4), "local", folder=folder, name="talk")
    session.wait()
    shutil.move(session.folder, folder / "talk")
    with lab(folder, {"NBSTREAM_AUTHOR": "ada"}) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    SHOTS.mkdir(exist_ok=True)
    with chromium() as browser:
        yield browser


def target(page: Page) -> Locator:
    """What is worked on, in words."""
    return page.locator(".nbs-target")


def line(page: Page, number: int) -> Locator:
    return page.locator(".nbs-turn").nth(number)


def chips(page: Page, number: int) -> Locator:
    return line(page, number).locator(".nbs-chip")


def shoot(notebook: Notebook, name: str) -> None:
    """Pictures of the panel at three widths, light and dark."""
    for width in (1300, 800, 400):
        notebook.page.set_viewport_size({"width": width, "height": 900})
        for theme in ("Dark", "Light"):
            notebook.command("apputils:change-theme", theme=f"JupyterLab {theme}")
            dark = "false" if theme == "Dark" else "true"
            expect(notebook.page.locator("body")).to_have_attribute("data-jp-theme-light", dark)
            expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
            notebook.page.screenshot(path=SHOTS / f"{name}-{width}-{theme.lower()}.png")
    notebook.page.set_viewport_size({"width": 1300, "height": 900})


def test_a_session_is_labelled_and_corrected_by_keys_alone(server: Lab, browser: Browser) -> None:
    """Five labels, two corrections, one undone; the next cell has them, and so has the folder."""
    notebook = server.open(
        browser,
        "annotate.ipynb",
        [
            f"{OPEN}\nsession",
            "session.annotations[['kind', 'turn_order', 'value', 'author']].to_csv('said.csv')",
            "session.annotate(turn=0, note='from a cell');",
        ],
    )
    page, press = notebook.page, notebook.page.keyboard.press
    notebook.run(0)
    expect(page.get_by_role("group", name="Inspector of talk")).to_be_visible()
    expect(line(page, 4)).to_be_attached()
    page.locator(".nbs-play").focus()  # as Tab does
    for number in range(5):
        press("ArrowRight")
        expect(target(page)).to_contain_text(f"Turn {number + 1} of")
        press(str(1 + number % 2))
        expect(chips(page, number)).to_have_text(("question", "answer")[number % 2])
    for text in ("One.", "Two."):
        press("Enter")
        expect(page.get_by_label("Corrected text")).to_be_focused()
        press("Control+a")
        page.keyboard.type(text)
        press("Enter")
        expect(page.locator(".nbs-editor")).to_have_count(0)
        expect(page.locator(".nbs-corrected").filter(has_text=text)).to_be_visible()
        press("ArrowLeft")
    press("Control+z")
    expect(page.locator(".nbs-corrected")).to_have_count(1)
    # None of it reached JupyterLab, where M, B and the like change the notebook.
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(3)
    shoot(notebook, "lab-inspector")

    notebook.run(1)
    rows = (server.folder / "said.csv").read_text().splitlines()[1:]
    said = sorted(row.split(",", 1)[1] for row in rows)
    names = ("question", "answer", "question", "answer", "question")
    labels = [f"label,{number},{name},ada" for number, name in enumerate(names)]
    assert said == sorted([*labels, "transcript,4,One.,ada"])

    notebook.run(2)  # what a cell annotates is seen when it has run
    expect(line(page, 0).locator(".nbs-note")).to_have_text("from a cell")
    assert notebook.complaints == []


def test_a_turn_is_heard_while_a_cell_runs(server: Lab, browser: Browser) -> None:
    """The audio's clock moves to the third turn and through it; a busy kernel answers."""
    notebook = server.open(
        browser, "hear.ipynb", [f"{OPEN}\nsession", "import threading; threading.Event().wait(120)"]
    )
    page = notebook.page
    notebook.run(0)
    expect(line(page, 2)).to_be_attached()
    notebook.run(1, wait=False)
    expect(notebook.cell(1)).to_contain_text("[*]")
    line(page, 2).scroll_into_view_if_needed()
    page.evaluate(WATCH)
    line(page, 2).locator(".nbs-at").click()
    expect(page.locator(".nbs-play")).to_have_attribute("data-state", "playing")
    expect(line(page, 2)).to_have_attribute("aria-current", "true")
    expect(page.locator(".nbs-play")).to_have_attribute("data-state", "paused")
    words = line(page, 2).locator(".nbs-word").all_inner_texts()
    heard = page.evaluate("() => heard.filter((word, i) => word !== heard[i - 1])")
    assert heard[0] == words[0]
    assert heard[-1] == words[-1]
    assert len(words) / 2 < len(heard) <= len(words)
    expect(notebook.cell(1)).to_contain_text("[*]")
    notebook.command("notebook:interrupt-kernel")
    assert notebook.complaints == []


def test_the_saved_notebook_reads_well_without_a_kernel(server: Lab, browser: Browser) -> None:
    """While the inspector is there the report is hidden; reopened without a kernel, it is seen."""
    notebook = server.open(browser, "saved.ipynb", [f"{OPEN}\nsession"])
    page = notebook.page
    notebook.run(0)
    report = page.locator(".nbs-saved")
    expect(page.locator(".nbs-inspector")).to_be_visible()
    expect(report.locator("audio")).to_be_attached()
    expect(report).to_be_hidden()
    notebook.command("docmanager:save")
    cell = json.loads((server.folder / "saved.ipynb").read_text())["cells"][0]
    html = ["".join(one["data"].get("text/html", "")) for one in cell["outputs"]]
    assert sum("<audio" in one for one in html) == 1
    assert not any("widget-view" in key for one in cell["outputs"][:1] for key in one["data"])

    notebook.command("kernelmenu:shutdown")
    notebook.load()
    expect(report).to_be_visible()
    expect(report.locator("img")).to_be_visible()
    expect(page.locator(".nbs-inspector")).to_have_count(0)
    page.screenshot(path=SHOTS / "lab-inspector-reopened.png")
