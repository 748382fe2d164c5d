"""Another tab's sound beside the microphone, the choice of a microphone, and pages without one."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect, sync_playwright

from tests.axe import needs_axe, violations
from tests.browser import FLAGS, Lab, Notebook, chromium_path, lab, notebook_of
from tests.page_microphone import (
    SAMPLE,
    SPEECH_S,
    Samples,
    audio_s,
    correlation,
    events,
    folders,
    new_folder,
    said,
    sounds,
    typical,
    wait_until,
    write_speech,
)
from tests.scripted import ScriptedServer

pytestmark = pytest.mark.browser

TAB = "An agent that speaks"
SECOND_S = 3.0  # of what it says again; its first second is nearly still, and found anywhere
SERVICE = "nb.AssemblyAI(endpoint={url!r}, api_key='none')"
PANEL = """
        import nbstream as nb
        rec = nb.Recorder(nb.BrowserMicrophone(tab=True), {service}, report=False)
        rec
        """
# What a person does that no switch of the browser does: say no, and share without sound.
SAYS_NO = """() => { navigator.mediaDevices.getDisplayMedia =
    async () => { throw new DOMException("Permission denied", "NotAllowedError"); }; }"""
WITHOUT_SOUND = """() => { navigator.mediaDevices.getDisplayMedia =
    async () => document.createElement("canvas").captureStream(); }"""
AS_IT_IS = "() => { delete navigator.mediaDevices.getDisplayMedia; }"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server that pages may reach by a name that is not loopback's."""
    with lab(tmp_path_factory.mktemp("lab"), host="hub.test") as server:
        yield server


@contextlib.contextmanager
def chromium(playwright: Playwright, *more: str) -> Iterator[BrowserContext]:
    """A browser that allows the microphone by itself; what it plays can be recorded."""
    browser = playwright.chromium.launch(
        executable_path=chromium_path(),
        args=[*FLAGS, "--host-resolver-rules=MAP hub.test 127.0.0.1", *more],
        ignore_default_args=["--mute-audio"],
    )
    with contextlib.closing(browser):  # A page that stays would answer for the next test's.
        yield browser.new_context(
            permissions=["microphone"], viewport={"width": 1300, "height": 900}
        )


def opened(server: Lab, page: Page, host: str, cells: Sequence[str]) -> Notebook:
    (server.folder / "tab.ipynb").write_text(json.dumps(notebook_of(cells)))
    notebook = Notebook(page, f"{server.url.replace('hub.test', host)}/doc/tree/tab.ipynb")
    notebook.load()
    return notebook


def speaking_page(page: Page, speech: Samples) -> Page:
    """A page that says something when its `a` is played."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes(speech.tobytes())
    sound = base64.b64encode(file.getvalue()).decode()
    page.set_content(
        f"<title>{TAB}</title><audio id=a src='data:audio/wav;base64,{sound}'></audio>"
    )
    return page


def channels(folder: Path) -> Samples:
    """A row a channel."""
    with wave.open(str(folder / "audio.wav")) as file:
        assert 2 == file.getnchannels()
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return pcm.reshape(-1, 2).T


@needs_axe
def test_a_tab_is_a_channel_beside_the_microphone(
    server: Lab, playwright: Playwright, service: ScriptedServer, tmp_path: Path
) -> None:
    """The person is asked in the cell, each answer is said, and both are recorded to the end."""
    before = folders(server)
    agent = sounds(SAMPLE)[round(SPEECH_S * 16_000) : round(2 * SPEECH_S * 16_000)]
    speech = write_speech(tmp_path / "speech.wav")
    fake = [  # without a fake UI, which would fake the tab's sound as well
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={speech}%noloop",
        f"--auto-select-tab-capture-source-by-title={TAB}",
    ]
    missing = f"nb.record(nb.BrowserMicrophone('Nobody'), {SERVICE.format(url=service.url)})"
    with chromium(playwright, *fake) as context:
        cells = [PANEL.format(service=SERVICE.format(url=service.url)), missing]
        tab = speaking_page(context.new_page(), agent)
        notebook = opened(server, context.new_page(), "127.0.0.1", cells)
        page = notebook.page
        notebook.run(0)
        choose = page.get_by_role("button", name="Choose the tab to record")
        problem = page.locator(".nbs-problem")
        state = page.locator(".nbs-state")
        picker = page.get_by_label("Source", exact=True)

        page.get_by_role("button", name="Record", exact=True).click()
        expect(problem).to_contain_text("waits for you to choose the tab")
        assert [] == violations(page, ".nbs-recorder")
        page.evaluate(SAYS_NO)
        choose.click()
        expect(problem).to_contain_text("No tab was chosen.")
        page.evaluate(WITHOUT_SOUND)
        choose.click()
        expect(problem).to_contain_text("shared without its sound")
        expect(problem).to_contain_text("tick “Also share tab audio”")
        folder = new_folder(server, before)
        assert 0 == audio_s(folder)

        page.evaluate(AS_IT_IS)
        choose.press("Enter")
        expect(state).to_have_text("Recording")
        expect(choose).to_be_hidden()
        expect(problem).to_be_hidden()
        tab.evaluate("a.play()")
        tab.wait_for_function("a.ended")
        wait_until(lambda: audio_s(folder) > SPEECH_S + 2, notebook)

        again = speaking_page(context.new_page(), agent)
        tab.close()
        expect(problem).to_contain_text("its channel is silent")
        expect(state).to_have_text("Recording")
        before_s = audio_s(folder)
        choose.click()
        expect(problem).to_be_hidden()
        again.evaluate("a.play()")
        again.wait_for_function(f"a.currentTime > {SECOND_S}")
        played_s = audio_s(folder)
        wait_until(lambda: audio_s(folder) > played_s + 2, notebook)
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(state).to_have_text("Stopped")

        one, other = channels(folder)
        first, second = other[: round(before_s * 16_000)], other[round(before_s * 16_000) :]
        assert 0.999 < correlation(one, said())
        assert 0.99 < typical(first, agent)
        assert 0.98 < correlation(second, agent[: round(SECOND_S * 16_000)])
        assert [] == events(folder, "Overflow", "Problem")
        meta = json.loads((folder / "session.json").read_text())
        assert ["you", "tab"] == meta["speakers"]

        options = [text.replace("\xa0", " ") for text in picker.locator("option").all_inner_texts()]
        assert "Browser microphone and a tab" in options
        assert "Browser: Fake Audio Input 2" in options
        picker.select_option("Browser: Fake Audio Input 2".replace(" ", "\xa0"))
        before = folders(server)
        page.get_by_role("button", name="Record", exact=True).click()
        expect(state).to_have_text("Recording")
        folder = new_folder(server, before)
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(state).to_have_text("Stopped")
        meta = json.loads((folder / "session.json").read_text())
        assert "browser microphone: Fake Audio Input 2" == meta["source"]["label"]

        notebook.run(1)
        output = notebook.output(1)
        expect(output.last).to_contain_text("“Nobody” is not among Fake Audio Input 1, Fake Audio")
        assert [] == notebook.complaints


def test_a_page_that_cannot_record_says_why(
    server: Lab, playwright: Playwright, service: ScriptedServer
) -> None:
    """Without any device, and where browsers give none: what is wrong, and what to do."""
    cells = [f"import nbstream as nb; nb.record('browser', {SERVICE.format(url=service.url)})"]
    said = {
        "127.0.0.1": ("the browser finds no microphone", "Plug one in"),
        "hub.test": ("to secure pages only (http://hub.test", "Open the notebook by https"),
    }
    with chromium(playwright) as context:
        for host, (wrong, what_to_do) in said.items():
            notebook = opened(server, context.new_page(), host, cells)
            notebook.run(0)
            expect(notebook.output(0).last).to_contain_text(wrong)
            expect(notebook.output(0).last).to_contain_text(what_to_do)
            notebook.page.close()  # or it would answer for the next one: the kernel is the same
