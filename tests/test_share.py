"""A session as one HTML file: opened from disk, with the network off.

Screenshots go to ``artifacts/``, to be looked at.
"""

from __future__ import annotations

import base64
import contextlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Locator, Page, expect

import nbstream as nb
from nbstream.cli import main
from nbstream.errors import ParameterError, StoreError
from tests.axe import needs_axe, violations
from tests.browser import ROOT, chromium
from tests.growing import Growing, talk

SHOTS = ROOT / "artifacts"
PLAYS = "at_s => document.querySelector('audio').currentTime > at_s"
HOSTILE = (
    "</script><script>hit()</script>",
    "<img src=x onerror=hit()><svg onload=hit()>",
    '"><a href="javascript:hit()">=1+1</a>',
    "\u202eturned round <!-- and ]]> open",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    SHOTS.mkdir(exist_ok=True)
    with chromium() as browser:
        yield browser


@pytest.fixture
def session(tmp_path: Path) -> nb.Session:
    """Six turns of five seconds, of three people: one labelled, one corrected, a mark, a span."""
    growing = talk(tmp_path, 7)
    growing.session.labels = {"question": "#0072b2", "answer": None}
    growing.session.annotate(turn=1, label=["question", "answer"], note="Really?")
    growing.session.annotate(turn=2, transcript="There was a nice small place on the corner.")
    growing.session.annotate(turn=3, speaker="Ada")
    growing.session.annotate(start_s=6.0, end_s=9.0, label="answer")
    growing.session.mark("the door", at_s=12.0)
    return nb.open(growing.end().folder)


class Shared:
    """The page, from disk, and what it asked for and complained of."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        page.on("request", lambda request: self.asked.append(request.url))
        page.route(re.compile("^(?!file:|data:)"), lambda route: route.abort())
        page.goto(path.as_uri())

    def turn(self, number: int) -> Locator:
        return self.page.locator("#turns > li").nth(number)

    def shoot(self, name: str) -> None:
        """All of the page; Chromium may not have painted what it has not shown, the first time."""
        for _ in range(2):
            self.page.screenshot(path=SHOTS / name, full_page=True)

    def at_s(self) -> float:
        return float(self.page.evaluate("() => document.querySelector('audio').currentTime"))


@contextlib.contextmanager
def opened(
    browser: Browser, path: Path, *, width: int = 1300, height: int = 900, **options: object
) -> Iterator[Shared]:
    """The page as it is opened by somebody without a network; it must have nothing to complain."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, offline=True, **options
    )
    try:
        shared = Shared(context.new_page(), path)
        yield shared
        assert not shared.complaints, shared.complaints
        assert [] == [url for url in shared.asked if not url.startswith(("file:", "data:"))]
    finally:
        context.close()


# -- hearing ---------------------------------------------------------------------------------------


@pytest.mark.browser
def test_a_click_on_the_third_turn_plays_it(
    browser: Browser, session: nb.Session, tmp_path: Path
) -> None:
    """The page's audio clock moves to that turn and goes on; turn and word are marked."""
    path = session.share(tmp_path / "talk.html")
    start_s = float(session.turns["start_s"][2])
    with opened(browser, path) as shared:
        third = shared.turn(2)
        third.get_by_role("button").click()
        shared.page.wait_for_function(PLAYS, arg=start_s + 0.3)
        assert start_s <= shared.at_s() < start_s + 5
        expect(third).to_have_attribute("aria-current", "true")
        expect(third.locator(".heard")).to_have_count(1)
        shared.page.screenshot(path=SHOTS / "share_plays.png")
        assert session.duration_s == pytest.approx(
            shared.page.evaluate("() => document.querySelector('audio').duration"), abs=0.1
        )


@pytest.mark.browser
def test_a_click_on_a_word_plays_from_there(
    browser: Browser, session: nb.Session, tmp_path: Path
) -> None:
    """Of a corrected turn, too: its words have the times of those that they stand for."""
    path = session.share(tmp_path / "talk.html")
    words = session.words
    corner_s = float(words[words["text"] == "corner"]["start_s"].iloc[0])
    with opened(browser, path) as shared:
        shared.turn(2).get_by_text("corner.").click()
        assert corner_s <= shared.at_s() < corner_s + 0.3
        expect(shared.page.locator(".nbs-heard-line b")).to_have_text("corner.")


@pytest.mark.browser
def test_it_is_heard_by_keys_alone(browser: Browser, session: nb.Session, tmp_path: Path) -> None:
    """Tab reaches the transcript once; arrows, Enter and space do the rest."""
    path = session.share(tmp_path / "talk.html")
    starts = [float(s) for s in session.turns["start_s"]]
    with opened(browser, path) as shared:
        page, press = shared.page, shared.page.keyboard.press
        assert 1 == page.locator("#turns button[tabindex='0']").count()
        shared.turn(0).get_by_role("button").focus()
        press("ArrowDown")
        press("ArrowDown")
        expect(shared.turn(2).get_by_role("button")).to_be_focused()
        press("Enter")
        page.wait_for_function(PLAYS, arg=starts[2] + 0.1)
        page.evaluate("() => document.querySelector('audio').pause()")
        before_s = shared.at_s()
        press("ArrowRight")
        page.evaluate("() => document.querySelector('audio').pause()")
        assert before_s < shared.at_s() < before_s + 2
        press("End")
        expect(shared.turn(5).get_by_role("button")).to_be_focused()
        page.evaluate("() => document.activeElement.blur()")
        press(" ")
        page.wait_for_function("() => !document.querySelector('audio').paused")
        press(" ")
        page.wait_for_function("() => document.querySelector('audio').paused")


@pytest.mark.browser
def test_marks_and_the_waveform_lead_to_their_place(
    browser: Browser, session: nb.Session, tmp_path: Path
) -> None:
    """A click on a mark, and on the sound, plays from there; a drag moves and does not play."""
    path = session.share(tmp_path / "talk.html")
    with opened(browser, path) as shared:
        page = shared.page
        page.locator(".marks li", has_text="the door").get_by_role("button").click()
        assert 12 <= shared.at_s() < 13
        page.evaluate("() => document.querySelector('audio').pause()")
        page.get_by_role("button", name="Look at the whole session").click()
        box = page.locator(".nbs-detail").bounding_box()
        assert box
        y = box["y"] + box["height"] / 2
        page.mouse.click(box["x"] + box["width"] * 0.5, y)
        middle_s = session.duration_s / 2
        assert middle_s - 0.2 <= shared.at_s() < middle_s + 1
        page.evaluate("() => document.querySelector('audio').pause()")
        before_s = shared.at_s()
        page.mouse.move(box["x"] + 300, y)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, y)
        page.mouse.up()
        assert before_s == shared.at_s()


# -- reading ---------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1300])
@needs_axe
def test_anybody_can_use_it(
    browser: Browser, session: nb.Session, tmp_path: Path, width: int, scheme: str
) -> None:
    """axe-core finds nothing at all, on a phone and on a desk, light and dark."""
    path = session.share(tmp_path / "talk.html")
    with opened(browser, path, width=width, color_scheme=scheme) as shared:
        shared.turn(1).get_by_role("button").click()
        shared.page.evaluate("() => document.querySelector('audio').pause()")
        found = violations(shared.page, "html", ("minor", "moderate", "serious", "critical"))
        assert [] == found
        shared.shoot(f"share_{scheme}_{width}.png")
        wide = shared.page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= width


@pytest.mark.browser
def test_it_says_what_was_annotated_and_what_was_recognised(
    browser: Browser, session: nb.Session, tmp_path: Path
) -> None:
    """Labels, note, correction beside the original, corrected speaker, mark, span, figures."""
    path = session.share(tmp_path / "talk.html")
    with opened(browser, path) as shared:
        page = shared.page
        expect(shared.turn(1).locator(".label")).to_have_text(["question", "answer"])
        expect(shared.turn(1).locator(".note")).to_have_text("Note: Really?")
        expect(shared.turn(2).locator(".said")).to_have_text(re.compile("^There was a nice small"))
        expect(shared.turn(2).locator(".was")).to_contain_text("There is a small place")
        expect(shared.turn(3).locator(".who")).to_have_text("Ada")
        expect(page.locator(".marks li")).to_have_text(
            ["0:06 to 0:09 label: answer", "0:12 mark: the door"]
        )
        expect(page.get_by_role("table")).to_contain_text("first partial")
        facts = page.locator(".facts").inner_text()
        assert re.search(r"Turns\s+6", facts)
        assert re.search(r"Length\s+0:35", facts)
        assert "talk" == page.title()
        assert 0 == page.locator("input, textarea, [contenteditable]").count()


@pytest.mark.browser
def test_it_can_be_printed(browser: Browser, session: nb.Session, tmp_path: Path) -> None:
    """On paper: times, speakers, text and the picture of the sound; nothing to press."""
    path = session.share(tmp_path / "talk.html")
    with opened(browser, path) as shared:
        page = shared.page
        page.emulate_media(media="print")
        for shown in (page.locator(".picture"), shared.turn(5), page.get_by_role("table")):
            expect(shown).to_be_visible()
        for hidden in (page.locator("audio"), page.locator("#sound"), page.locator(".keys")):
            expect(hidden).to_be_hidden()
        shared.shoot("share_print.png")
        pdf = page.pdf()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 20_000
    assert b"/Subtype /Image" in pdf


@pytest.mark.browser
def test_it_can_be_read_without_scripts(
    browser: Browser, session: nb.Session, tmp_path: Path
) -> None:
    """Text, picture and the browser's own player are plain HTML."""
    path = session.share(tmp_path / "talk.html")
    with opened(browser, path, java_script_enabled=False) as shared:
        expect(shared.page.locator(".picture")).to_be_visible()
        expect(shared.page.locator("audio")).to_be_visible()
        expect(shared.turn(0)).to_contain_text("0:00")
        expect(shared.turn(0)).to_contain_text("take the early train")
        shared.shoot("share_no_script.png")


@pytest.mark.browser
def test_without_sound_a_turn_is_looked_at(
    browser: Browser, session: nb.Session, tmp_path: Path
) -> None:
    """A page without sound says so in its buttons, and is as quiet as it is small."""
    path = session.share(tmp_path / "quiet.html", audio=False, timing=False)
    assert path.stat().st_size < 260_000
    with opened(browser, path) as shared:
        expect(shared.page.locator("audio, table")).to_have_count(0)
        button = shared.turn(4).get_by_role("button")
        expect(button).to_have_accessible_name("Look at 0:20")
        button.click()
        expect(shared.turn(4)).to_have_attribute("aria-current", "true")


# -- what could do harm ----------------------------------------------------------------------------


@pytest.mark.browser
def test_what_was_said_harms_nothing(browser: Browser, tmp_path: Path) -> None:
    """Markup in text, words, speakers, labels, notes, marks and the name is text."""
    growing = Growing(tmp_path)
    for n, text in enumerate((*HOSTILE, "long " * 2000)):
        growing.hear(4)
        growing.say(n, text, 4 * n + 0.1, speaker=HOSTILE[n % 4])
        growing.session.annotate(turn=n, label=HOSTILE[1], note=HOSTILE[n % 4])
    growing.session.annotate(turn=0, transcript=HOSTILE[0] + " corrected")
    growing.session.mark(HOSTILE[2], at_s=1.0)
    growing.folder.update(name=HOSTILE[0])
    path = nb.open(growing.end().folder).share(tmp_path / "hostile.html")
    text = path.read_text("utf-8")
    assert 2 == text.count("</script>")  # of the data and of the page's own
    assert not re.search(r"<script>hit|<img src=x|<svg onload|<a href", text)
    hits: list[str] = []
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.expose_function("hit", lambda: hits.append("hit"))
    page.on("dialog", lambda dialog: hits.append(dialog.message))
    shared = Shared(page, path)
    for n, said in enumerate(HOSTILE[1:3], start=1):
        expect(shared.turn(n).locator(".said")).to_have_text(said)
        shared.turn(n).locator(".said").click()
    expect(shared.turn(0).locator(".said")).to_have_text(HOSTILE[0] + " corrected")
    assert HOSTILE[0] == page.title()
    assert 0 == page.locator("body img:not(.picture), body svg, body a").count()
    assert [] == hits
    assert [] == shared.complaints
    context.close()


@pytest.mark.browser
def test_the_page_may_not_use_the_network_or_other_scripts(
    browser: Browser, session: nb.Session, tmp_path: Path
) -> None:
    """Its policy refuses requests, scripts and styles that are not its own."""
    path = session.share(tmp_path / "talk.html")
    context = browser.new_context()
    page = context.new_page()
    page.goto(path.as_uri())
    refused = page.evaluate("""async () => {
        const refused = [];
        document.addEventListener("securitypolicyviolation",
            ({ effectiveDirective }) => refused.push(effectiveDirective));
        await fetch("https://nbstream.test/").catch(() => {});
        for (const [tag, of] of [["script", { textContent: "window.ran = 1" }],
                                 ["style", { textContent: "body { color: red }" }],
                                 ["img", { src: "https://nbstream.test/x.png" }]]) {
            document.body.append(Object.assign(document.createElement(tag), of));
        }
        await new Promise((f) => setTimeout(f, 200));
        return [...refused, window.ran ?? "did not run"];
    }""")
    expected = {"connect-src", "script-src-elem", "style-src-elem", "img-src", "did not run"}
    assert expected == set(refused)
    context.close()


def test_it_names_no_place_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the folder's path, nor the account that annotated, nor a path in a problem."""
    monkeypatch.setenv("NBSTREAM_AUTHOR", "account-of-this-machine")
    growing = talk(tmp_path / "private place", 3)
    growing.session.annotate(turn=0, note="seen")
    cause = f"can't write {growing.folder.path}: disk full."
    frame = growing.folder.append_audio(bytes(32_000), 20.0)
    growing.add(nb.events.Gap(frame, frame + 16_000, cause))
    session = nb.open(growing.end().folder)
    text = session.share(tmp_path / "talk.html").read_text("utf-8")
    assert "private place" not in text
    assert "account-of-this-machine" not in text
    assert "disk full" in text


# -- the file --------------------------------------------------------------------------------------


def sound(path: Path) -> tuple[str, bytes]:
    """Media type and file of the sound in a page."""
    kind, data = re.findall(r'<audio[^>]* src="data:([\w/]+);base64,([^"]+)"', path.read_text())[0]
    return kind, base64.b64decode(data)


@pytest.mark.parametrize(
    ("speakers", "kind", "name"),
    [
        ((), "audio/ogg", "OGG"),
        (("ada", "ben"), "audio/ogg", "OGG"),
        (("ada", "ben", "cy"), "audio/flac", "FLAC"),
    ],
)
def test_channels_stay_apart(
    tmp_path: Path, speakers: tuple[str, ...], kind: str, name: str
) -> None:
    """One or two channels as Opus; of more, browsers know FLAC."""
    session = nb.open(talk(tmp_path, 4, speakers=speakers).end().folder)
    found, data = sound(session.share(tmp_path / "talk.html"))
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert (kind, name) == (found, file.format)
        assert max(1, len(speakers)) == file.channels
        assert session.duration_s == pytest.approx(file.frames / file.samplerate, abs=0.1)


def test_a_long_session_is_compressed_quickly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vorbis takes a tenth of the time; where a word is, stays exact."""
    monkeypatch.setattr("nbstream.sources.compressed._LONG_FRAMES", 16_000)
    session = nb.open(talk(tmp_path, 4).end().folder)
    _, data = sound(session.share(tmp_path / "talk.html"))
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert "VORBIS" == file.subtype
        heard = file.read(dtype="int16").astype(float)
    said = session.audio().astype(float)[: len(heard)]
    lag = np.argmax(np.correlate(heard[16_000:80_000:4], said[16_400:79_600:4], "valid")) * 4
    assert abs(lag - 400) <= 16


def test_without_soundfile_it_is_wav(
    session: nb.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large, but any browser plays it, and nothing has to be installed."""
    monkeypatch.setitem(sys.modules, "soundfile", None)
    kind, data = sound(session.share(tmp_path / "talk.html"))
    assert ("audio/wav", 44 + 2 * session.data.n_frames) == (kind, len(data))


def test_a_page_that_would_be_too_large_is_refused(session: nb.Session, tmp_path: Path) -> None:
    """With how large it would be, and what to do; a page that was there stays."""
    path = tmp_path / "talk.html"
    path.write_text("before")
    for most in (0.01, 0.1):
        with pytest.raises(ParameterError, match=r"talk\.html would have about") as caught:
            session.share(path, max_mb=most)
        assert "audio=False" in caught.value.hint
    assert "before" == path.read_text()


def test_a_session_that_records_is_shared_as_it_stands(tmp_path: Path) -> None:
    """Its final turns; the open one is left out."""
    growing = talk(tmp_path, 3)
    session = nb.Session(growing.folder)
    text = session.share(tmp_path / "talk.html").read_text("utf-8")
    assert 2 == text.count('<li class="turn"')
    assert "<dt>State</dt><dd>recording</dd>" in text
    growing.folder.close()


def test_an_empty_session_is_a_page_too(tmp_path: Path) -> None:
    """Nothing recorded, nothing said: the page says so."""
    session = nb.open(Growing(tmp_path).end().folder)
    assert "Nothing was transcribed." in session.share(tmp_path / "talk.html").read_text("utf-8")


def test_a_file_that_is_no_page_is_not_written(session: nb.Session, tmp_path: Path) -> None:
    """Another suffix, or a folder that is not there."""
    with pytest.raises(ParameterError, match="no name of a page"):
        session.share(tmp_path / "talk.mp3")
    with pytest.raises(StoreError, match="can't write"):
        session.share(tmp_path / "nowhere" / "talk.html")


def test_the_command_line_shares(
    session: nb.Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``nbstream share DIR FILE`` prints the file's name."""
    path = tmp_path / "talk.html"
    assert 0 == main(["share", str(session.folder), str(path), "--no-audio", "--no-timing"])
    assert f"{path}\n" == capsys.readouterr().out
    assert "<audio" not in path.read_text("utf-8")
