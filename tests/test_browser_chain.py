"""From Record to a page that somebody else hears: the whole way, as a new user goes it.

Screenshots of each step go to ``artifacts/``, to be looked at.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

import nbstream as nb
from tests.browser import ROOT, chromium, lab
from tests.test_browser_inspector import chips, line, target
from tests.test_share import PLAYS, opened

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SHOTS = ROOT / "artifacts"
LONG_MS = 90_000  # the sample takes 32 s
EDIT = """
        from praatio import textgrid
        session.export("talk.TextGrid")
        grid = textgrid.openTextgrid("talk.TextGrid", includeEmptyIntervals=False)
        for name in grid.tierNames:
            tier = grid.getTier(name)
            said = [(a, b, text.replace("amiable", "AMIABLE")) for a, b, text in tier.entries]
            grid.replaceTier(name, tier.new(entries=said))
        grid.save("talk.TextGrid", "long_textgrid", includeBlankSpaces=True)
        print(len(session.import_("talk.TextGrid")), "changes")
"""
CELLS = [
    'import nbstream as nb\nrec = nb.Recorder("sample", "local")\nrec',
    'session = rec.session\nsession.labels = ["question", "answer"]\nsession',
    EDIT,
    'session.share("talk.html"); print(session.folder)',
]


def test_from_record_to_a_page_that_is_heard(tmp_path: Path) -> None:
    """Record, label five by keys, correct two, undo one, TextGrid and back, share, hear."""
    SHOTS.mkdir(exist_ok=True)
    with lab(tmp_path, {"NBSTREAM_AUTHOR": "ada"}) as server, chromium() as browser:
        notebook = server.open(browser, "chain.ipynb", CELLS)
        page, press = notebook.page, notebook.page.keyboard.press
        notebook.run(0)
        page.get_by_role("button", name="Record", exact=True).click()
        expect(page.locator(".nbs-turn").first).to_be_visible(timeout=LONG_MS)
        page.screenshot(path=SHOTS / "chain-1-record.png")
        # The sample ends by itself; the report takes the panel's place.
        expect(notebook.output(0).locator("audio")).to_be_attached(timeout=LONG_MS)
        page.screenshot(path=SHOTS / "chain-2-report.png")

        notebook.run(1)
        expect(line(page, 5)).to_be_attached()
        page.locator(".nbs-play").focus()  # as Tab does
        for number in range(5):
            press("ArrowRight")
            expect(target(page)).to_contain_text(f"Turn {number + 1} of")
            press(str(1 + number % 2))
            expect(chips(page, number)).to_have_count(1)
        for text in ("One.", "Two."):
            press("Enter")
            expect(page.get_by_label("Corrected text")).to_be_focused()
            press("Control+a")
            page.keyboard.type(text)
            press("Enter")
            expect(page.locator(".nbs-corrected").filter(has_text=text)).to_be_visible()
            press("ArrowLeft")
        press("Control+z")
        expect(page.locator(".nbs-corrected")).to_have_count(1)
        page.screenshot(path=SHOTS / "chain-3-labelled.png")

        notebook.run(2)
        expect(notebook.output(2)).to_contain_text("2 changes")  # two turns say "amiable"
        expect(page.locator(".nbs-corrected")).to_have_count(3)
        page.screenshot(path=SHOTS / "chain-4-imported.png")
        notebook.run(3)
        session = nb.open(notebook.output(3).inner_text().strip())
        assert 5 == (session.annotations["kind"] == "label").sum()
        assert 2 == session.turns["corrected"].str.contains("AMIABLE").sum()
        start_s = float(session.turns["start_s"][2])
        with opened(browser, tmp_path / "talk.html") as shared:
            third = shared.turn(2)
            expect(third).to_contain_text("AMIABLE")
            third.get_by_role("button").click()
            shared.page.wait_for_function(PLAYS, arg=start_s + 0.3)
            assert start_s <= shared.at_s() < start_s + 5
            shared.page.screenshot(path=SHOTS / "chain-5-shared.png")
        assert notebook.complaints == []
