"""Transcript and table in a page without Jupyter: what is seen of a store that a test fills."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from nbstream import front
from tests.axe import needs_axe, violations
from tests.browser import chromium

SPEECH = (
    "so the first thing that we did was to look at how people take turns when they talk over a "
    "bad line and what becomes of the pauses between them"
)
WORDS = SPEECH.split()
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>nbstream</title>
<style>{css} body {{ color-scheme: light dark; background: Canvas; }}</style>
<main><div id="a"></div><div id="b"></div></main>
<script type="module">{js}
Object.assign(window, {{ Store, mount, table, transcript, store: new Store() }});
</script></html>"""
BOTH = """() => {
    document.querySelector("main").classList.add("nbs-view");
    window.ends = [transcript(store, a), table(store, b)];
}"""
# Apply `deltas`, one a frame, and say how many changes to the page each of them made.
APPLY = """async (deltas) => {
    const touched = [];
    let n = 0;
    const seen = new MutationObserver((records) => { n += records.length; });
    const all = { subtree: true, childList: true, attributes: true, characterData: true };
    seen.observe(document.body, all);
    for (const delta of deltas) {
        store.apply({ seq: store.seq + 1, head: store.head, ...delta });
        for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
        touched.push(n);
        n = 0;
    }
    seen.disconnect();
    return touched;
}"""
Open = Callable[..., Page]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens pages that hold the whole front end, joined as it is shipped; any error there fails."""
    failed: list[str] = []
    with ExitStack() as stack:

        def opened(
            *, width: int = 800, begin: str = BOTH, site: str = "http://localhost", **options: Any
        ) -> Page:
            context = browser.new_context(viewport={"width": width, "height": 720}, **options)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: failed.append(f"{error} {error.stack}"))
            html = PAGE.format(css=front.style("view.js"), js=front.module("view.js"))
            page.route("**/*", lambda route: route.fulfill(body=html, content_type="text/html"))
            page.goto(site)
            page.evaluate(begin)
            return page

        yield opened
    assert failed == []


def turn(number: int, text: str | None = None, **more: Any) -> Row:
    """A turn as the kernel sends it, 8 s after the one before."""
    chance = random.Random(number)
    said = " ".join(chance.choices(WORDS, k=12)) + "." if text is None else text
    start_s = 8.0 * number
    heard = said.split()
    return {
        "connection": 0,
        "turn": number,
        "channel": None,
        "speaker": None,
        "start_s": start_s,
        "end_s": start_s + 0.5 * len(heard),
        "text": said,
        "n_words": len(heard),
        "confidence": 0.9,
        "arrived_s": start_s + 0.5 * len(heard) + 0.25,
        "is_final": True,
        "words": [
            [w, start_s + 0.5 * i, start_s + 0.5 * i + 0.4, 0.9] for i, w in enumerate(heard)
        ],
    } | more


def partial(number: int, text: str) -> Row:
    return turn(number, text, is_final=False)


def head(*, live: bool = True, name: str = "demo", speakers: Sequence[str] = ()) -> Row:
    return {
        "name": name,
        "folder": f"recordings/{name}",
        "state": "recording" if live else "stopped",
        "is_live": live,
        "duration_s": 60.0,
        "speakers": list(speakers),
    }


def load(page: Page, turns: Sequence[Row], **of_head: Any) -> None:
    """The session that the store of `page` holds."""
    sound = {"n_channels": 1, "n_columns": 0, "parts": []}
    state = {"head": head(**of_head), "turns": turns, "gaps": [], "marks": [], "sound": sound}
    page.evaluate(
        "async (state) => { store.load({ seq: 0, ...state });"
        " for (let i = 0; i < 4; i++) await new Promise(requestAnimationFrame); }",
        state,
    )


def apply(page: Page, *deltas: Row) -> list[int]:
    """What is new in the store, one message after the other; changes of the page for each."""
    touched: list[int] = page.evaluate(APPLY, list(deltas))
    return touched


def texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def to_end_px(page: Page, part: str = "#a") -> float:
    """How far the reader is from the end."""
    found: float = page.eval_on_selector(
        f"{part} .nbs-scroll", "at => at.scrollHeight - at.clientHeight - at.scrollTop"
    )
    return found


def settle(page: Page, part: str = "#a") -> None:
    """Return when the place has not scrolled, nor grown, for ten frames."""
    page.eval_on_selector(
        f"{part} .nbs-scroll",
        """async (at) => {
            for (let still = 0, before = ""; still < 10; ) {
                await new Promise(requestAnimationFrame);
                const now = `${at.scrollTop} ${at.scrollHeight}`;
                still = now === before ? still + 1 : 0;
                before = now;
            }
        }""",
    )


def scroll_to(page: Page, top_px: int, part: str = "#a") -> None:
    page.eval_on_selector(
        f"{part} .nbs-scroll",
        "async (at, top) => { at.scrollTop = top;"
        " for (let i = 0; i < 4; i++) await new Promise(requestAnimationFrame); }",
        top_px,
    )


# -- transcript -------------------------------------------------------------------------------


def test_what_is_said_grows_and_settles(open_page: Open) -> None:
    """A partial is lighter and grows in its place; its final takes that place, settled."""
    page = open_page()
    expect(page.get_by_text("What is said appears here.")).to_be_visible()
    load(page, [turn(0, "Well.")])
    apply(page, {"turns": [partial(1, "and so")]}, {"turns": [partial(1, "and so it")]})

    assert texts(page, ".nbs-said") == ["Well.", "and so it"]
    assert texts(page, ".nbs-turn.nbs-partial .nbs-said") == ["and so it"]
    page.evaluate("() => { window.line = document.querySelector('.nbs-partial'); }")
    apply(page, {"turns": [turn(1, "And so it is.")]})
    assert texts(page, ".nbs-said") == ["Well.", "And so it is."]
    assert page.locator(".nbs-partial").count() == 0
    assert page.evaluate("() => line.isConnected && line.innerText.includes('And so it is.')")


def test_only_words_that_changed_flash(open_page: Open) -> None:
    """Words that came, or were formatted, do not flash; those that stand for others do, once."""
    page = open_page()
    load(page, [])
    flashing = "() => [...document.querySelectorAll('.nbs-changed')].map((at) => at.innerText)"
    apply(page, {"turns": [partial(0, "we recognise")]})
    assert page.evaluate(flashing) == []
    apply(page, {"turns": [partial(0, "we recognise speech")]})
    assert page.evaluate(flashing) == []
    apply(page, {"turns": [partial(0, "we wreck a speech on")]})
    assert page.evaluate(flashing) == ["wreck", "a"]
    name = "() => getComputedStyle(document.querySelector('.nbs-changed')).animationName"
    assert page.evaluate(name) == "nbs-flash"
    page.wait_for_function("() => !document.querySelector('.nbs-changed')")
    apply(page, {"turns": [turn(0, "We wreck a speech on.")]})
    assert page.evaluate(flashing) == []


def test_nothing_flashes_for_readers_who_want_less_motion(open_page: Open) -> None:
    """Under prefers-reduced-motion a changed word is just there."""
    page = open_page(reduced_motion="reduce")
    load(page, [partial(0, "we recognise")])
    apply(page, {"turns": [partial(0, "we wreck")]})

    name = "() => getComputedStyle(document.querySelector('.nbs-changed')).animationName"
    assert page.evaluate(name) == "none"


def test_a_reader_who_scrolled_up_is_left_alone(open_page: Open) -> None:
    """The end is followed until somebody scrolls up; what came meanwhile is counted, and one
    press leads back to it.
    """
    page = open_page()
    load(page, [turn(n) for n in range(40)])
    apply(page, {"turns": [turn(40)]})
    assert to_end_px(page) <= 1
    newest = page.locator(".nbs-newest")
    expect(newest).to_be_hidden()

    page.locator("#a .nbs-scroll").hover()
    page.mouse.wheel(0, -300)
    expect(newest).to_have_text("Newest")
    first = "() => [...document.querySelectorAll('#a .nbs-turn')].find((one) => one.getBounding"
    first += "ClientRect().top >= a.querySelector('.nbs-scroll').getBoundingClientRect().top)"
    seen = f"() => {{ const one = ({first})(); return [one.dataset.key, one.offsetTop"
    seen += " - a.querySelector('.nbs-scroll').scrollTop]; }"
    settle(page)
    before = page.evaluate(seen)
    apply(page, *({"turns": [turn(n)]} for n in (41, 42, 43)))
    assert page.evaluate(seen) == before
    expect(newest).to_have_text("3 new")

    newest.click()
    expect(newest).to_be_hidden()
    # A focus that falls to the page would give the keys to JupyterLab.
    assert page.evaluate("() => Boolean(document.activeElement.closest('.nbs-turn'))")
    apply(page, {"turns": [turn(44)]})
    assert to_end_px(page) <= 1


def test_a_finished_session_is_read_from_its_beginning(open_page: Open) -> None:
    """What is reopened begins at the top, a live one at its end; stopping moves nothing."""
    page = open_page()
    load(page, [turn(n) for n in range(60)], live=False, name="old")
    for part in ("#a", "#b"):
        assert page.eval_on_selector(f"{part} .nbs-scroll", "at => at.scrollTop") == 0
    expect(page.locator(".nbs-newest")).to_be_hidden()

    load(page, [turn(n) for n in range(60)], name="new")
    assert to_end_px(page) <= 1
    assert to_end_px(page, "#b") <= 1
    apply(page, {"head": head(live=False, name="new")})
    assert to_end_px(page) <= 1


def test_five_thousand_turns_cost_what_is_seen_of_them(open_page: Open) -> None:
    """The page holds a bounded number of elements, a message touches a few, and any turn can be
    scrolled to.
    """
    page = open_page()
    load(page, [turn(n) for n in range(5000)])
    n_elements = "() => document.querySelectorAll('main *').length"
    assert page.locator(".nbs-turn").count() <= 80
    assert page.locator("tbody tr[data-key]").count() <= 60
    assert page.evaluate(n_elements) < 2500

    said = [partial(5000, " ".join(WORDS[:n])) for n in range(1, 21)]
    touched = apply(page, *({"turns": [row]} for row in said))
    assert max(touched[3:]) <= 10, touched
    assert texts(page, ".nbs-partial .nbs-said") == [" ".join(WORDS[:20])]

    for part in ("#a", "#b"):
        middle = page.eval_on_selector(f"{part} .nbs-scroll", "at => at.scrollHeight / 2")
        scroll_to(page, middle, part)
    keys = page.eval_on_selector_all(".nbs-turn", "all => all.map((at) => at.dataset.key)")
    assert any(2000 < int(key.split(".")[1]) < 3000 for key in keys), keys
    rows = page.eval_on_selector_all(
        "tbody tr[data-key]", "all => all.map((at) => [at.dataset.key, at.ariaRowIndex])"
    )
    assert ["0.2500", "2502"] in rows, rows  # the head is row 1
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "5002")
    assert page.evaluate(n_elements) < 3000


def test_text_is_text_whatever_it_holds(open_page: Open) -> None:
    """Markup, marks of direction and 10,000 characters without a blank are shown, nothing more."""
    page = open_page(width=400)
    hostile = [
        "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>",
        "\u202edesrever \u2067rtl\u2069 مرحبا بالعالم",
        "a" * 10_000,
        " ".join(["word"] * 2000),
    ]
    name = "<b onmouseover='window.hit = 1'>Eve</b>"
    rows = [turn(n, text, speaker=name) for n, text in enumerate(hostile)]
    load(page, rows, speakers=[name])
    apply(page, {"turns": [partial(4, hostile[0])]}, {"turns": [turn(4, hostile[0])]})

    assert page.evaluate("() => window.hit") is None
    assert page.locator("main :is(script, img, b)").count() == 0
    shown = page.eval_on_selector_all(".nbs-said", "all => all.map((at) => at.textContent)")
    assert shown == [*hostile, hostile[0]]
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    direction = "all => all.map((at) => getComputedStyle(at).direction)"
    assert page.eval_on_selector_all(".nbs-said", direction)[:2] == ["ltr", "ltr"]
    apply(page, {"turns": [turn(5, "مرحبا بالعالم")]})
    assert page.eval_on_selector_all(".nbs-said", direction)[-1] == "rtl"


def test_a_word_that_is_clicked_is_pointed_at(open_page: Open) -> None:
    """A click points at the word and looks at its turn, which is marked in both views."""
    page = open_page()
    load(page, [turn(n) for n in range(5)])
    page.locator("[data-key='0.3'] .nbs-word").nth(2).click()

    assert page.evaluate("() => store.cursor_s") == 25.0
    looked = page.evaluate("() => store.range")
    assert looked["start_s"] <= 24
    assert looked["end_s"] >= 30
    expect(page.locator(".nbs-turn[aria-current]")).to_have_attribute("data-key", "0.3")
    expect(page.locator("tr[aria-current]")).to_have_attribute("data-key", "0.3")
    page.locator("tbody tr[data-key='0.1']").click()
    assert page.evaluate("() => store.cursor_s") == 8.0
    expect(page.locator(".nbs-turn[aria-current]")).to_have_attribute("data-key", "0.1")


def test_the_transcript_goes_with_what_is_looked_at(open_page: Open) -> None:
    """A place far away that is looked at is shown; a pointer over the live sound moves nothing, and
    following the sound again follows the text again.
    """
    page = open_page()
    load(page, [turn(n) for n in range(300)])
    page.evaluate("() => store.point(8 * 20 + 1)")
    settle(page)
    assert to_end_px(page) <= 1

    page.evaluate("() => { store.look({ start_s: 400, end_s: 410 }); store.point(400); }")
    expect(page.locator("[data-key='0.50']")).to_be_in_viewport()
    expect(page.locator("[data-key='0.50']")).to_have_attribute("aria-current", "true")
    expect(page.locator(".nbs-newest")).to_be_visible()
    page.evaluate("() => store.look(null)")
    expect(page.locator(".nbs-newest")).to_be_hidden()
    assert to_end_px(page) <= 1


def test_the_transcript_is_read_by_keyboard(open_page: Open) -> None:
    """Tab reaches the newest turn, arrows go by turn and by word, Enter points; no key gets out to
    be a shortcut of the page around.
    """
    page = open_page()
    load(page, [turn(n, "one two three") for n in range(60)])
    page.get_by_role("button", name="Doubtful words").focus()
    page.keyboard.press("Tab")
    focused = "() => document.activeElement.closest('.nbs-turn')?.dataset.key"
    assert page.evaluate(focused) == "0.59"
    for key in ("ArrowUp", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert page.evaluate("() => document.activeElement.innerText") == "two"
    assert page.evaluate("() => store.cursor_s") == 58 * 8 + 0.5

    page.keyboard.press("Home")
    assert page.evaluate(focused) == "0.0"
    page.keyboard.press("Enter")
    assert page.evaluate("() => store.cursor_s") == 0
    apply(page, {"turns": [turn(60)]})
    assert page.evaluate(focused) == "0.0"
    assert page.evaluate("() => document.activeElement.dataset.lmSuppressShortcuts") == "true"


def test_doubtful_words_are_underlined_on_demand(open_page: Open) -> None:
    """Below 0.6 dotted, below 0.4 wavy, with the number; words that have not come are asked for."""
    page = open_page()
    page.evaluate("() => { window.asked = []; store.ask = (what) => asked.push(what); }")
    words = [["a", 0, 1, 0.95], ["b", 1, 2, 0.5], ["c", 2, 3, 0.3]]
    load(page, [turn(0, "a b c", words=words), turn(1, "a b c", words=None)])
    doubts = (
        "() => [...document.querySelectorAll('[data-doubt]')]"
        ".map((at) => [at.innerText, at.title, getComputedStyle(at).textDecorationStyle])"
    )
    assert page.evaluate(doubts) == []

    button = page.get_by_role("button", name="Doubtful words")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expected = [["b", "confidence 0.50", "dotted"], ["c", "confidence 0.30", "wavy"]]
    assert page.evaluate(doubts) == expected
    assert page.evaluate("() => asked") == [{"kind": "words", "keys": ["0.1"]}]
    page.evaluate("(words) => store.takeWords({ '0.1': words })", words)
    page.wait_for_function("() => document.querySelectorAll('[data-doubt]').length === 4")
    button.click()
    assert page.evaluate(doubts) == []


def test_speakers_have_a_letter_and_a_colour(open_page: Open) -> None:
    """Each has its own, with the name for who points or listens; alone, nobody needs one."""
    page = open_page()
    load(page, [turn(0)])
    assert page.locator(".nbs-badge:visible").count() == 0

    rows = [turn(n, speaker=name) for n, name in enumerate(("Anna", "Ben", "Anna"))]
    load(page, rows, name="two", speakers=["Anna", "Ben"])
    badges = page.locator("#a .nbs-badge")
    assert badges.all_inner_texts() == ["A", "B", "A"]
    colours = badges.evaluate_all("all => all.map((at) => getComputedStyle(at).backgroundColor)")
    assert colours[0] == colours[2] != colours[1]
    expect(page.get_by_role("img", name="Speaker Ben").first).to_be_visible()


# -- table ------------------------------------------------------------------------------------


def keys_of_rows(page: Page) -> list[int]:
    found: list[int] = page.eval_on_selector_all(
        "tbody tr[data-key]", "all => all.map((at) => Number(at.dataset.key.split('.')[1]))"
    )
    return found


def test_the_table_is_sorted_filtered_and_copied_by_keyboard(open_page: Open) -> None:
    """Without a mouse: a filter, an order, the rows on the clipboard as they stand there."""
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    said = ["=1+1", "a nice café", "no", "another cafe, or two"]
    load(page, [turn(n, text) for n, text in enumerate(said)])
    page.get_by_role("searchbox").focus()
    page.keyboard.type("CAFE")
    assert keys_of_rows(page) == [1, 3]
    expect(page.get_by_role("status")).to_have_text("2 of 4 turns")

    page.locator("[data-sorts='n_words']").focus()
    for order, rows in (("ascending", [1, 3]), ("descending", [3, 1]), ("none", [1, 3])):
        page.keyboard.press("Enter")
        header = page.locator("th", has=page.locator("[data-sorts='n_words']"))
        expect(header).to_have_attribute("aria-sort", order)
        assert keys_of_rows(page) == rows
        assert page.evaluate("() => document.activeElement.dataset.sorts") == "n_words"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")

    page.get_by_role("button", name="Copy CSV").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("2 rows copied")
    copied = page.evaluate("() => navigator.clipboard.readText()").replace("\r\n", "\n")
    assert copied.splitlines()[0] == (
        "turn_order,start_s,end_s,transcript,n_words,confidence,arrived_s"
    )
    assert copied.splitlines()[1] == '3,24,26,"another cafe, or two",4,0.9,26.25'

    page.get_by_role("searchbox").fill("=")
    page.get_by_role("button", name="Copy CSV").click()
    expect(page.get_by_role("status")).to_have_text("1 row copied")
    assert ",'=1+1," in page.evaluate("() => navigator.clipboard.readText()")
    page.get_by_role("button", name="Copy Markdown").click()
    page.wait_for_function(
        "async () => (await navigator.clipboard.readText()).startsWith('| turn')"
    )


def test_rows_are_copied_where_the_clipboard_is_closed_to_pages(open_page: Open) -> None:
    """A page that is not secure has no clipboard of its own; the old way works there."""
    page = open_page(site="http://plain.test")
    assert page.evaluate("() => navigator.clipboard === undefined")
    load(page, [turn(0, "hello")])
    button = page.get_by_role("button", name="Copy Markdown")
    button.click()
    expect(page.get_by_role("status")).to_have_text("1 row copied")
    assert button.evaluate("at => at === document.activeElement")

    page.get_by_role("searchbox").focus()
    page.keyboard.press("Control+V")
    assert "| hello |" in page.get_by_role("searchbox").input_value()


def test_rows_are_walked_and_looked_at_by_keyboard(open_page: Open) -> None:
    """Arrows and pages move through all rows, seen or not; Enter looks at the turn."""
    page = open_page()
    load(page, [turn(n) for n in range(1000)], live=False)
    page.locator("tbody tr[tabindex='0']").focus()
    focused = "() => document.activeElement.dataset.key"
    assert page.evaluate(focused) == "0.0"
    for key, place in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("End", 999)):
        page.keyboard.press(key)
        assert page.evaluate(focused) == f"0.{place}"
        expect(page.locator(f"tr[data-key='0.{place}']")).to_be_in_viewport()
    page.keyboard.press("PageUp")
    assert int(page.evaluate(focused).split(".")[1]) < 999
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate("() => store.cursor_s") == 8.0

    scroll_to(page, 20_000, "#b")  # the row with the focus has gone out of the page
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "0.2"


def test_chosen_columns_are_remembered(open_page: Open) -> None:
    """The menu works by keyboard, its choice holds for later pages, and a page that may not
    remember works as well.
    """
    page = open_page()
    rows = [turn(0, is_final=True)]
    load(page, rows)
    summary = page.locator("summary", has_text="Columns")
    summary.focus()
    page.keyboard.press("Enter")
    page.get_by_label("Final").focus()
    page.keyboard.press("Space")
    assert "Final" in texts(page, "th")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Final")).to_be_hidden()
    assert summary.evaluate("at => at === document.activeElement")

    page.reload()
    page.evaluate(BOTH)
    load(page, rows)
    assert "Final" in texts(page, "th")
    page.reload()
    page.evaluate(
        "() => Object.defineProperty(window, 'localStorage', { get() { throw Error('no'); } })"
    )
    page.evaluate(BOTH)
    load(page, rows)
    assert "Final" not in texts(page, "th")
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Final").check()
    assert "Final" in texts(page, "th")


# -- all together -----------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "is_open"), [(320, False), (560, False), (800, True)])
def test_the_table_is_open_where_there_is_room(open_page: Open, width: int, is_open: bool) -> None:
    """Sound, transcript and table fit any width; a narrow place begins without the table."""
    page = open_page(width=width, begin="() => { window.end = mount(store, a); }")
    load(page, [turn(n, speaker="Anna") for n in range(30)], speakers=["Anna"])

    assert page.locator("canvas").count() >= 1
    assert page.get_by_role("grid").is_visible() is is_open
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.locator(".nbs-fold > summary").click()
    assert page.get_by_role("grid").is_visible() is not is_open
    if not is_open:
        settle(page, ".nbs-table")
        assert to_end_px(page, ".nbs-table") <= 1
        assert keys_of_rows(page)[-1] == 29


def test_one_line_gives_the_same_frame(open_page: Open) -> None:
    """The code under the table fits where the view stands: recorded, opened, or as it is told."""
    page = open_page()
    expect(page.locator("code")).to_have_text("rec.session.turns")
    load(page, [], live=False)
    expect(page.locator("code")).to_have_text('nb.open("recordings/demo").turns')
    load(page, [], name="new")
    apply(page, {"head": head(live=False, name="new")})
    expect(page.locator("code")).to_have_text("rec.session.turns")

    page = open_page(begin="() => { mount(store, a, { frame: 'session.turns' }); }")
    expect(page.locator("code")).to_have_text("session.turns")


def test_what_fails_is_said_in_its_place(open_page: Open) -> None:
    """A part that can't be drawn says so, the others go on, and it comes back by itself."""
    page = open_page(begin="() => { window.end = mount(store, a); }")
    load(page, [turn(0, "hello")])
    apply(page, {"turns": [turn(1, "there", end_s="no number", words=None, confidence="?")]})
    expect(page.get_by_role("alert")).to_contain_text("The table can't be drawn")
    assert texts(page, ".nbs-said") == ["hello", "there"]
    apply(page, {"turns": [turn(1, "there")]})
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_view_that_ends_leaves_nothing(open_page: Open) -> None:
    """Its place is empty, and the store has no listener of it."""
    page = open_page(begin="() => { window.end = mount(store, a); }")
    load(page, [turn(0)])
    page.evaluate("() => end()")

    assert page.locator("#a *").count() == 0
    assert page.evaluate("() => store._listeners.size") == 0


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: Open, scheme: str) -> None:
    """In both themes, with speakers, a partial, doubtful words, a turn at the cursor, the menu."""
    page = open_page(color_scheme=scheme)
    rows = [turn(n, speaker="AB"[n % 2]) for n in range(60)]
    load(page, [*rows, partial(60, "and so") | {"speaker": "A"}], speakers=["A", "B"])
    page.get_by_role("button", name="Doubtful words").click()
    page.locator("summary", has_text="Columns").click()
    page.evaluate("() => store.point(8 * 59 + 1)")
    expect(page.locator(".nbs-turn[aria-current]")).to_be_visible()

    assert violations(page) == []
