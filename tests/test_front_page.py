"""The sound of a session in a browser, without Jupyter: by mouse, by keys, at rest.

Screenshots go to ``artifacts/``, to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from nbstream import events as ev
from nbstream.front.page import snapshot_json
from nbstream.widgets.view import View
from tests.browser import ROOT, chromium
from tests.front_page import FrontPage, front_page
from tests.growing import Growing, talk

pytestmark = pytest.mark.browser

SHOTS = ROOT / "artifacts"
WIDTHS = (400, 800, 1300)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    SHOTS.mkdir(exist_ok=True)
    with chromium() as browser:
        yield browser


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Growing]:
    """35 s in which three people speak; it goes on."""
    made = talk(tmp_path, 7)
    yield made
    made.folder.close()


@pytest.fixture
def shown(browser: Browser, growing: Growing) -> Iterator[FrontPage]:
    with front_page(browser, View(growing.session)) as shown:
        yield shown


def detail(shown: FrontPage) -> Locator:
    return shown.page.get_by_role("application", name=re.compile("^Sound from"))


def overview(shown: FrontPage) -> Locator:
    return shown.page.get_by_role("img", name=re.compile("^The whole session"))


def live(shown: FrontPage) -> Locator:
    return shown.page.get_by_role("button", name="Follow what is being said")


def seconds(text: str) -> float:
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return total


def span(shown: FrontPage) -> tuple[float, float]:
    """What is shown, as it is said."""
    shown.settle()
    found = re.match(
        r"Sound from ([\d:.]+) to ([\d:.]+) of", detail(shown).get_attribute("aria-label")
    )
    assert found
    return seconds(found[1]), seconds(found[2])


def pointed_at(shown: FrontPage, at_s: float, *, row: float = 0.6) -> tuple[float, float]:
    """Where a time is on the page."""
    start_s, end_s = span(shown)
    box = detail(shown).bounding_box()
    assert box
    share = (at_s - start_s) / (
        30 if live(shown).get_attribute("aria-pressed") == "true" else end_s - start_s
    )
    return box["x"] + share * box["width"], box["y"] + row * box["height"]


def picture(at: Locator) -> bytes:
    return at.screenshot(animations="disabled")


# -- following -----------------------------------------------------------------------------------


def test_it_follows_until_it_is_touched_and_one_key_returns(
    shown: FrontPage, growing: Growing
) -> None:
    """By keys alone: the window rolls; an arrow stops it; F, and Escape, make it roll again."""
    assert span(shown) == (5, 35)
    grow(shown, growing, 2)
    assert span(shown) == (7, 37)

    detail(shown).focus()
    shown.page.keyboard.press("ArrowLeft")
    assert span(shown) == (4, 34)
    expect(live(shown)).to_have_attribute("aria-pressed", "false")
    grow(shown, growing, 2)
    assert span(shown) == (4, 34)

    for key in ("f", "Escape"):
        shown.page.keyboard.press(key)
        assert span(shown) == (9, 39)
        expect(live(shown)).to_have_attribute("aria-pressed", "true")
        shown.page.keyboard.press("Home")
        assert span(shown) == (0, 30)
    live(shown).click()
    assert span(shown) == (9, 39)


def grow(shown: FrontPage, growing: Growing, n_s: float) -> None:
    growing.hear(n_s)
    shown.view.show(growing.session)
    shown.settle()


def test_a_session_that_ends_stays_where_it_is(shown: FrontPage, growing: Growing) -> None:
    """The end of a recording is no jump: the last thirty seconds stay; nothing is live any more."""
    growing.folder.update(state="stopped")
    growing.folder.close()
    shown.view.show(growing.session)
    assert span(shown) == (5, 35)
    expect(live(shown)).to_be_hidden()


def test_a_partial_turn_is_seen_to_grow(shown: FrontPage, growing: Growing) -> None:
    """Its span gets longer with each message, without a new row."""
    growing.hear(3)
    pictures = []
    for text in ("and", "and then", "and then we"):
        growing.say(9, text, 35.5, is_final=False, speaker="B")
        shown.view.show(growing.session)
        shown.settle()
        pictures.append(picture(detail(shown)))
    assert len(set(pictures)) == 3
    assert shown.page.evaluate("() => model.get('delta').turns.length") == 1


# -- mouse ---------------------------------------------------------------------------------------


def test_the_wheel_scrolls_the_page_until_the_view_is_focused(shown: FrontPage) -> None:
    """Nobody is trapped on the way down a page; once it is clicked, the wheel zooms."""
    page = shown.page
    page.mouse.move(*pointed_at(shown, 20))
    page.mouse.wheel(0, 120)
    page.wait_for_function("() => window.scrollY > 50")
    assert span(shown) == (5, 35)

    page.evaluate("() => window.scrollTo(0, 0)")
    page.mouse.click(*pointed_at(shown, 20))
    page.mouse.wheel(0, -200)
    start_s, end_s = span(shown)
    assert end_s - start_s < 20
    assert start_s < 20 < end_s
    assert page.evaluate("() => window.scrollY") == 0


def test_ctrl_and_wheel_zooms_around_the_pointer(shown: FrontPage) -> None:
    """Without a click before; the place under the pointer stays."""
    x, y = pointed_at(shown, 12.5)
    shown.page.mouse.move(x, y)
    shown.page.keyboard.down("Control")
    for _ in range(3):
        shown.page.mouse.wheel(0, -100)
    shown.page.keyboard.up("Control")
    start_s, end_s = span(shown)
    assert end_s - start_s == pytest.approx(30 * 0.549**3, abs=0.3)
    assert pointed_at(shown, 12.5)[0] == pytest.approx(x, abs=40)

    shown.page.keyboard.down("Shift")
    shown.page.mouse.wheel(0, 300)
    shown.page.keyboard.up("Shift")
    assert span(shown)[0] > start_s + 0.5


def test_dragging_moves_the_sound(shown: FrontPage) -> None:
    """To the right is back in time, as far as the hand goes."""
    page = shown.page
    x, y = pointed_at(shown, 20)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y, steps=4)
    page.mouse.up()
    start_s, end_s = span(shown)
    width = detail(shown).bounding_box()["width"]
    assert end_s - start_s == 30
    assert start_s == pytest.approx(5 - 30 * 100 / width, abs=1)


def test_the_box_in_the_overview_is_dragged(shown: FrontPage) -> None:
    """A press beside it brings it there; it goes along with the hand."""
    page = shown.page
    for _ in range(2):
        page.get_by_role("button", name="Zoom in").click()
        shown.settle()
    box = overview(shown).bounding_box()
    assert box

    def at(s: float) -> float:
        return float(box["x"] + box["width"] * s / 60)  # the overview reaches to a minute

    page.mouse.move(at(10), box["y"] + 10)
    page.mouse.down()
    start_s, end_s = span(shown)
    assert (start_s + end_s) / 2 == pytest.approx(10, abs=0.3)
    page.mouse.move(at(25), box["y"] + 10, steps=5)
    page.mouse.up()
    start_s, end_s = span(shown)
    assert (start_s + end_s) / 2 == pytest.approx(25, abs=0.3)


def test_the_turn_under_the_pointer_is_read(shown: FrontPage, growing: Growing) -> None:
    """Its text stands below, the word that is heard in bold; a double click looks at the turn."""
    page = shown.page
    line = page.locator(".nbs-heard-line")
    page.mouse.move(*pointed_at(shown, 11.1))
    shown.settle()
    expect(line).to_have_text("0:10 A: There is a small place on the corner that opens at six.")
    expect(line.locator("b")).to_have_text("a")
    page.mouse.move(*pointed_at(shown, 19))
    shown.settle()
    expect(line).to_contain_text("move")

    page.mouse.dblclick(*pointed_at(shown, 11.1))
    start_s, end_s = span(shown)
    assert start_s == pytest.approx(10.0, abs=0.1)
    assert end_s == pytest.approx(14.3, abs=0.3)


def test_a_hole_under_the_pointer_says_why(shown: FrontPage, growing: Growing) -> None:
    """A pause or a loss has no length in the audio: being near it is enough."""
    growing.add(ev.Overflow(16_000 * 18, 3, 800))
    shown.view.show(growing.session)
    shown.page.mouse.move(*pointed_at(shown, 18))
    shown.settle()
    line = shown.page.locator(".nbs-heard-line")
    expect(line).to_have_text("0:18 overflow: the device lost audio 3 times")


def test_what_is_said_is_text_and_nothing_else(shown: FrontPage, growing: Growing) -> None:
    """Words that look like HTML are shown as they were said."""
    growing.hear(5)
    growing.say(8, "<img src=x onerror=window.broken=1> <b>bold</b>", 36, speaker="<i>D</i>")
    shown.view.show(growing.session)
    shown.settle()
    shown.page.mouse.move(*pointed_at(shown, 36.5))
    shown.settle()
    expect(shown.page.locator(".nbs-heard-line")).to_contain_text(
        "<img src=x onerror=window.broken=1>"
    )
    assert shown.page.evaluate("() => window.broken") is None
    assert shown.page.locator(".nbs-heard-line img").count() == 0


# -- keys ----------------------------------------------------------------------------------------


def test_everything_can_be_done_by_keys(shown: FrontPage) -> None:
    """Tab reaches it; it zooms, moves, goes from turn to turn, to both ends and to all."""
    page = shown.page
    page.get_by_role("button", name="Look at the whole session").focus()
    page.keyboard.press("Tab")
    expect(detail(shown)).to_be_focused()
    outline = detail(shown).evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"

    page.keyboard.press("+")
    start_s, end_s = span(shown)
    assert (start_s, end_s) == (20, 35)  # where the sound is
    page.keyboard.press("-")
    page.keyboard.press("Home")
    assert span(shown) == (0, 30)
    page.keyboard.press("Shift+ArrowRight")
    assert span(shown) == (5, 35)
    page.keyboard.press("0")
    assert span(shown) == (0, 35)
    page.keyboard.press("End")
    assert span(shown)[1] == 35

    page.keyboard.press("Home")
    for _ in range(9):
        page.keyboard.press("p")
        shown.settle()
    assert span(shown)[0] == 0
    page.keyboard.press("n")
    assert span(shown) == (pytest.approx(5.0, abs=0.1), pytest.approx(9.2, abs=0.2))
    expect(page.locator(".nbs-heard-line")).to_contain_text("B: If it is not late")


def test_keys_of_the_browser_stay_the_browsers(shown: FrontPage) -> None:
    """What is not the view's goes on: Tab leaves it; JupyterLab's shortcuts are held back."""
    detail(shown).focus()
    shown.page.keyboard.press("Tab")
    expect(detail(shown)).not_to_be_focused()
    kept = detail(shown).evaluate("e => Boolean(e.closest('[data-lm-suppress-shortcuts]'))")
    assert kept


# -- at rest -------------------------------------------------------------------------------------


def test_an_idle_view_does_not_change(shown: FrontPage) -> None:
    """Two pictures of a view at rest are equal to the pixel, and nothing runs in between."""
    shown.settle()
    first = picture(shown.page.locator("#place"))
    before = shown.page.evaluate("() => window.frames")
    shown.page.evaluate("() => new Promise(f => setTimeout(f, 400))")
    assert shown.page.evaluate("() => window.frames") == before
    assert picture(shown.page.locator("#place")) == first


def test_sound_that_rolls_keeps_its_shape(shown: FrontPage, growing: Growing) -> None:
    """A bar is as high at its new place: nothing shimmers while the window moves."""
    shapes = []
    for _ in range(2):
        shapes.append(columns_of_ink(shown))
        grow(shown, growing, 0.1)
    first, later = shapes
    width = detail(shown).bounding_box()["width"]
    moved = round(0.1 * width / 30)
    same = sum(a == b for a, b in zip(first[moved:-40], later[:-40], strict=False))
    shifts = [
        sum(a == b for a, b in zip(first[n:-40], later[:-40], strict=False))
        for n in range(moved - 1, moved + 2)
    ]
    assert max(shifts) > 0.97 * len(first[moved:-40]), (same, shifts)


def columns_of_ink(shown: FrontPage) -> list[int]:
    """How many dark pixels each column of the sound has, words and labels left out."""
    found: list[int] = shown.page.evaluate("""() => {
      const canvas = document.querySelector(".nbs-detail canvas");
      const [top, bottom] = [30, 110];
      const { data } = canvas.getContext("2d").getImageData(0, top, canvas.width, bottom - top);
      return Array.from({ length: canvas.width }, (_, x) => {
        let n = 0;
        for (let y = 0; y < bottom - top; y++) n += data[4 * (y * canvas.width + x) + 3] > 200;
        return n;
      });
    }""")
    return found


def test_it_is_painted_anew_in_another_theme(shown: FrontPage) -> None:
    """Colours come from the page: dark is dark at once, without anybody touching it."""
    bright = painted(shown)
    shown.page.emulate_media(color_scheme="dark")
    shown.settle()
    assert painted(shown) != bright
    shown.page.emulate_media(color_scheme="light")
    shown.settle()
    assert painted(shown) == bright

    set_colour = "() => document.body.style.setProperty('--jp-ui-font-color2', 'rgb(200,0,0)')"
    shown.page.evaluate(set_colour)
    shown.settle()
    assert painted(shown) != bright  # JupyterLab's, or any page's


def painted(shown: FrontPage) -> str:
    """What is on the canvas, without the page behind it."""
    found: str = shown.page.evaluate(
        "() => document.querySelector('.nbs-detail canvas').toDataURL()"
    )
    return found


def test_it_goes_when_it_is_removed(shown: FrontPage, growing: Growing) -> None:
    """A view that was taken away draws no more, and leaves nothing behind."""
    shown.page.evaluate("""() => {
      const place = document.querySelector("#place");
      place.replaceChildren();
      const store = parts.fromPage({ seq: 0, head: { speakers: [] }, turns: [], gaps: [], marks: [],
        sound: { n_channels: 1, n_columns: 0, parts: [] } });
      window.store = store;
      window.end = parts.waveform(store, place);
    }""")
    shown.settle()
    assert shown.page.locator("#place canvas").count() == 2
    listeners = shown.page.evaluate("() => { window.end(); return store._listeners.size; }")
    assert listeners == 0
    assert shown.page.locator("#place *").count() == 0


# -- long sessions, other pages --------------------------------------------------------------------


def test_detail_is_asked_for_and_drawn_when_it_comes(browser: Browser, tmp_path: Path) -> None:
    """A page that joined late zooms in on the beginning: coarse at once, then fine."""
    growing = talk(tmp_path, 40)
    with front_page(browser, View(growing.session)) as shown:
        shown.asked.clear()
        detail(shown).focus()
        answer, shown.view._handle_custom_msg = shown.view._handle_custom_msg, lambda *_: None
        for key in ("Home", "+", "+", "+"):
            shown.page.keyboard.press(key)
            shown.settle()
        coarse = picture(detail(shown))
        shown.view._handle_custom_msg = answer
        kinds = {content["kind"] for content in shown.asked}
        assert "tiles" in kinds
        for content in shown.asked:
            answer(content, [])
        shown.settle()
        assert picture(detail(shown)) != coarse
    growing.folder.close()


def test_a_page_that_is_loaded_again_is_right_at_once(shown: FrontPage, growing: Growing) -> None:
    """What a reloaded page shows is what was there before, to the pixel."""
    grow(shown, growing, 3)
    before = picture(shown.page.locator("#place"))
    shown.begin()
    assert picture(shown.page.locator("#place")) == before


def test_a_page_without_a_kernel_looks_the_same(browser: Browser, tmp_path: Path) -> None:
    """From embedded JSON alone: the same sound and turns as a widget shows."""
    session = talk(tmp_path, 5).end()
    with front_page(browser, View(session)) as shown:
        widget = picture(detail(shown))
        shown.page.evaluate(
            """json => {
              const place = document.querySelector("#place");
              place.replaceChildren();
              window.end = parts.mount(parts.fromPage(json), place);
            }""",
            snapshot_json(session),
        )
        shown.settle()
        assert picture(detail(shown)) == widget
        expect(live(shown)).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits(browser: Browser, tmp_path: Path, width: int, scheme: Any) -> None:
    """Pictures at three widths in both schemes; nothing hangs over the edge of the page."""
    for name, speakers in (("mono", ()), ("channels", ("Ann", "Bob"))):
        growing = talk(tmp_path / name, 8, speakers=speakers)
        growing.add(ev.Overflow(16_000 * 17, 3, 800))
        view = View(growing.session)
        size = {"width": width, "height": 640, "color_scheme": scheme}
        with front_page(browser, view, **size) as shown:
            shown.page.mouse.move(*pointed_at(shown, 21))
            shown.settle()
            shown.page.screenshot(path=SHOTS / f"sound-{name}-{width}-{scheme}.png")
            over = shown.page.evaluate(
                "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0
        growing.folder.close()
