"""The inspector in a browser, without Jupyter: by keys alone, by mouse, heard, at rest.

Screenshots go to ``artifacts/``, to be looked at.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, expect

from nbstream.audio import wav_header
from nbstream.front.page import snapshot_json
from nbstream.session import Session
from nbstream.widgets.inspector import Inspector
from tests.axe import needs_axe, violations
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
    """40 s in which three people speak."""
    made = talk(tmp_path, 8)
    yield made
    made.folder.close()


@pytest.fixture
def session(growing: Growing) -> Session:
    ended = growing.end()
    ended.labels = ["question", "answer", "agreement", "noise"]
    return ended


# A word is marked for a fifth of a second, which a test that only looks now and then may miss.
NOTE_WORDS = """() => {
  window.heardWords = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (!target.classList.contains("nbs-heard")) continue;
      heardWords.push([target.closest(".nbs-turn").dataset.key, target.innerText]);
    }
  }).observe(document.body, { subtree: true, attributeFilter: ["class"] });
}"""
# Those up to the one that is looked for are forgotten.
WAS_HEARD = """([key, word]) => {
  const at = heardWords.findIndex((one) => one[0] === key && one[1] === word);
  heardWords.splice(0, at + 1);
  return at >= 0;
}"""


@pytest.fixture
def shown(browser: Browser, session: Session) -> Iterator[FrontPage]:
    with front_page(browser, Inspector(session), height=1100) as shown:
        shown.page.evaluate(NOTE_WORDS)
        yield shown


def press(shown: FrontPage, *keys: str) -> None:
    """Press keys, each when what the one before did has been drawn."""
    for key in keys:
        shown.page.keyboard.press(key)
        shown.settle()


def write(shown: FrontPage, text: str) -> None:
    """Put `text` in the place of what stands in the field."""
    shown.page.keyboard.press("Control+a")
    shown.page.keyboard.type(text)
    press(shown, "Enter")


def target(shown: FrontPage) -> Locator:
    """What is worked on, in words."""
    return shown.page.locator(".nbs-target")


def line(shown: FrontPage, number: int) -> Locator:
    return shown.page.locator(f'.nbs-turn[data-key="0.{number}"]')


def play_button(shown: FrontPage) -> Locator:
    return shown.page.locator(".nbs-play")


def said(session: Session) -> list[tuple[str, int | None, str]]:
    """Kind, turn and value of all that there is."""
    table = session.annotations
    turns = [None if pd.isna(turn) else int(turn) for turn in table["turn_order"]]
    return list(zip(table["kind"], turns, table["value"], strict=True))


def clock_s(shown: FrontPage) -> float:
    """Where the player is, as it is shown."""
    minutes, seconds = shown.page.locator(".nbs-time").inner_text().split(" / ")[0].split(":")
    return 60 * int(minutes) + int(seconds)


def until_heard(shown: FrontPage, number: int, word: str) -> None:
    """Until a word of a turn was marked as the one that is heard."""
    for _ in range(400):
        shown.settle()
        if shown.page.evaluate(WAS_HEARD, [f"0.{number}", word]):
            return
    raise AssertionError(f"{word} was never heard")


def until_over(shown: FrontPage) -> None:
    """Until all is at rest; what was heard by then is forgotten."""
    for _ in range(2000):
        shown.settle()
        if play_button(shown).get_attribute("data-state") == "paused":
            shown.page.evaluate("() => { heardWords.length = 0; }")
            return
    raise AssertionError("it never ended")


# -- by keys alone ---------------------------------------------------------------------------------


def test_five_turns_are_labelled_two_corrected_one_undone_by_keys_alone(
    shown: FrontPage, session: Session
) -> None:
    """Tab into it, and from then on no mouse: what is pressed is what stands in the folder."""
    press(shown, "Tab", "ArrowRight")
    expect(target(shown)).to_have_text("Turn 1 of 8 · 0:00 · A")
    press(shown, "1", "ArrowRight", "2", "j", "3", "j", "1", "4", "n", "2")
    expect(target(shown)).to_have_text("Turn 5 of 8 · 0:20 · C")
    labels = [("label", n, name) for n, name in enumerate(["question", "answer", "agreement"])]
    labels += [("label", 3, "question"), ("label", 3, "noise"), ("label", 4, "answer")]
    assert said(session) == labels

    press(shown, "Enter")
    write(shown, "Can I come too?")
    press(shown, "k", "Enter")
    write(shown, "Good, then we meet.")
    expect(line(shown, 3).locator(".nbs-corrected")).to_have_text("Good, then we meet.")
    expect(line(shown, 3).locator(".nbs-said")).to_have_text("Good. Then we meet there.")
    assert list(session.turns["corrected"].dropna()) == ["Good, then we meet.", "Can I come too?"]

    press(shown, "Control+z")
    expect(line(shown, 3).locator(".nbs-corrected")).to_have_count(0)
    assert list(session.turns["corrected"].dropna()) == ["Can I come too?"]
    press(shown, "Control+Shift+z")
    assert session.turns["corrected"].count() == 2
    press(shown, "4")
    assert ("label", 3, "noise") not in said(session)


def test_the_focus_goes_along_and_is_read_out(shown: FrontPage) -> None:
    """Steps move the focus to the turn's line, and a live region says which it is."""
    press(shown, "Tab", "ArrowRight", "ArrowRight")
    focused = "e => document.activeElement.closest('.nbs-turn')?.dataset.key"
    assert shown.page.evaluate(focused) == "0.1"
    status = shown.page.locator(".nbs-labels [role=status]")
    expect(status).to_contain_text("Turn 2 of 8")
    expect(status).to_contain_text("If it is not late again")
    press(shown, "2")
    expect(status).to_have_text("answer")


def test_writing_keeps_its_keys_and_can_be_left(shown: FrontPage, session: Session) -> None:
    """Letters are letters in the field; Escape leaves everything as it was."""
    press(shown, "Tab", "ArrowRight", "Enter")
    field = shown.page.get_by_label("Corrected text")
    expect(field).to_be_focused()
    expect(field).to_have_value("So well then we could take the early train from platform nine.")
    shown.page.keyboard.type("snmjk123 ?")
    expect(field).to_have_value("snmjk123 ?")
    press(shown, "Escape")
    expect(field).to_have_count(0)
    assert said(session) == []
    press(shown, "1")  # the keys go on where they were
    assert said(session) == [("label", 0, "question")]


def test_keys_that_follow_each_other_within_a_frame_are_all_meant(shown: FrontPage) -> None:
    """A step and Enter at once: the focus that follows the step does not leave the field."""
    press(shown, "Tab", "ArrowRight")
    shown.page.evaluate(
        """() => {
            for (const key of ["ArrowRight", "Enter"]) {
                document.activeElement.dispatchEvent(
                    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
            }
        }"""
    )
    shown.settle()
    field = shown.page.get_by_label("Corrected text")
    expect(field).to_have_value(re.compile("^If it is not late"))
    expect(field).to_be_focused()


def test_speaker_note_and_mark(shown: FrontPage, session: Session) -> None:
    """S, M and H; a note that is there is changed, an empty one taken back."""
    press(shown, "Tab", "ArrowRight", "s")
    write(shown, "Ada")
    expect(line(shown, 0).locator(".nbs-badge")).to_have_attribute("aria-label", "Speaker Ada")
    press(shown, "m")
    write(shown, "coughs")
    expect(line(shown, 0).locator(".nbs-note")).to_have_text("coughs")
    press(shown, "m")
    write(shown, "laughs")
    assert said(session) == [("speaker", 0, "Ada"), ("note", 0, "laughs")]
    press(shown, "m")
    write(shown, "")
    press(shown, "ArrowRight", "h")
    assert said(session)[0] == ("speaker", 0, "Ada")
    (mark,) = session.annotations.query("kind == 'mark'").itertuples()
    assert mark.start_s == pytest.approx(5.4)


def test_turns_without_a_label_are_next_and_alone(shown: FrontPage, session: Session) -> None:
    """N goes from one to the next, around the end; U shows no others."""
    session.annotate(turn=1, label="answer")
    shown.view.refresh()
    press(shown, "Tab", "ArrowRight", "n")
    expect(target(shown)).to_contain_text("Turn 3 of 8")
    press(shown, "u")
    expect(shown.page.locator(".nbs-turn")).to_have_count(7)
    expect(shown.page.locator(".nbs-table .nbs-count")).to_have_text("7 of 8 turns")
    for _ in range(7):
        press(shown, "2", "n")
    expect(shown.page.locator(".nbs-labels [role=status]")).to_have_text("Every turn has a label.")
    expect(shown.page.locator(".nbs-transport .nbs-count")).to_have_text("8 of 8 labelled")


def test_a_label_is_added_and_used(shown: FrontPage, session: Session) -> None:
    """L, its name, Enter: it has the next number."""
    press(shown, "Tab", "ArrowRight", "l")
    shown.page.keyboard.type("laughter")
    press(shown, "Enter", "5")
    assert said(session) == [("label", 0, "laughter")]
    expect(line(shown, 0).locator(".nbs-chip")).to_have_text("laughter")


def test_a_span_is_made_and_moved_by_keys(shown: FrontPage, session: Session) -> None:
    """X where it begins, X where it ends; brackets move its edges; Delete removes it."""
    press(shown, "Tab", "ArrowRight", "x", ".", ".", ".", "x")
    until_over(shown)
    press(shown, "4", "[", "[", "}")
    (span,) = session.annotations.itertuples()
    assert span.start_s == pytest.approx(0.3, abs=0.002)
    assert span.end_s > 1.0
    press(shown, "Delete")
    assert session.annotations.empty


def test_all_keys_are_shown_on_demand(shown: FrontPage) -> None:
    """A line of them always, all of them after ?."""
    expect(shown.page.get_by_text("Space play")).to_be_visible()
    expect(shown.page.get_by_text("hear the turn again")).to_be_hidden()
    press(shown, "Tab", "?")
    expect(shown.page.get_by_text("hear the turn again")).to_be_visible()


# -- by mouse --------------------------------------------------------------------------------------


def test_a_span_is_drawn_labelled_and_resized_with_the_mouse(
    shown: FrontPage, session: Session
) -> None:
    """Shift and drag over the sound; its edges are dragged; one button removes it."""
    box = shown.page.locator(".nbs-detail").bounding_box()
    assert box
    mouse, y = shown.page.mouse, box["y"] + 60
    per_s = box["width"] / 40

    def drag(from_s: float, to_s: float, at_y: float) -> None:
        mouse.move(box["x"] + per_s * from_s, at_y)
        mouse.down()
        mouse.move(box["x"] + per_s * to_s, at_y, steps=6)
        mouse.up()
        shown.settle()

    shown.page.keyboard.down("Shift")
    drag(10, 20, y)
    shown.page.keyboard.up("Shift")
    expect(shown.page.get_by_role("button", name="new span")).to_have_count(0)
    expect(target(shown)).to_contain_text("Span 0:10")
    shown.page.get_by_role("group", name="Labels").get_by_role("button", name="noise").click()
    shown.settle()
    (span,) = session.annotations.itertuples()
    assert (span.value, span.start_s, span.end_s) == (
        "noise",
        pytest.approx(10, abs=0.1),
        pytest.approx(20, abs=0.1),
    )
    strip_y = box["y"] + box["height"] - 25
    drag(span.end_s, 30, strip_y)
    (span,) = session.annotations.itertuples()
    assert span.end_s == pytest.approx(30, abs=0.1)
    assert span.start_s == pytest.approx(10, abs=0.1)
    drag(span.start_s, 15, strip_y)
    assert session.annotations["start_s"].item() == pytest.approx(15, abs=0.1)
    press(shown, "Control+z")
    assert session.annotations["start_s"].item() == pytest.approx(10, abs=0.1)

    shown.page.get_by_role("button", name=re.compile("^Span .*noise")).focus()
    shown.page.get_by_role("button", name="Remove span").click()
    shown.settle()
    assert session.annotations.empty


def test_a_drag_without_a_key_still_moves_the_sound(shown: FrontPage, session: Session) -> None:
    """No span, and nothing is heard."""
    shown.page.get_by_role("button", name="Zoom in").click()
    where = shown.page.locator(".nbs-where")
    before = where.inner_text()
    box = shown.page.locator(".nbs-detail").bounding_box()
    assert box
    shown.page.mouse.move(box["x"] + 800, box["y"] + 60)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + 500, box["y"] + 60, steps=5)
    shown.page.mouse.up()
    shown.settle()
    expect(where).not_to_have_text(before)
    expect(play_button(shown)).to_have_attribute("data-state", "paused")
    assert session.annotations.empty


# -- heard -----------------------------------------------------------------------------------------


def test_a_turn_is_heard_from_where_it_is_clicked_to_its_end(shown: FrontPage) -> None:
    """The audio's clock moves to that turn and goes on to its end; then all is at rest."""
    line(shown, 2).locator(".nbs-at").click()
    until_heard(shown, 2, "There")
    expect(play_button(shown)).to_have_text("Pause")
    assert clock_s(shown) in (10, 11)
    until_heard(shown, 2, "small")
    until_over(shown)
    assert clock_s(shown) in (13, 14)

    line(shown, 4).get_by_text("too", exact=True).click()
    until_heard(shown, 4, "too")
    assert clock_s(shown) in (22, 23, 24)
    press(shown, " ")  # pauses
    at_s = clock_s(shown)
    frames = shown.page.evaluate("() => frames")
    shown.page.evaluate("() => new Promise(f => setTimeout(f, 300))")
    assert shown.page.evaluate("() => frames") - frames <= 1
    assert clock_s(shown) == at_s
    press(shown, " ")
    expect(play_button(shown)).to_have_text("Pause")
    until_over(shown)


def test_only_what_is_heard_travels(shown: FrontPage) -> None:
    """A turn of 3.6 s costs a piece or two, and the second time nothing."""
    press(shown, "Tab", "ArrowRight", "Shift+Space")
    until_over(shown)
    asked = [one for one in shown.asked if one["kind"] == "sound"]
    assert [(one["start_s"], one["end_s"]) for one in asked] == [(0, 4)]
    press(shown, "Shift+Space")
    until_over(shown)
    assert [one for one in shown.asked if one["kind"] == "sound"] == asked


def test_keys_step_aloud_and_what_is_heard_is_what_is_labelled(
    shown: FrontPage, session: Session
) -> None:
    """Shift and an arrow hear a turn; while all is heard, the choice goes along."""
    press(shown, "Tab", "Shift+ArrowRight")
    until_heard(shown, 0, "So")
    press(shown, "Shift+ArrowRight")
    until_heard(shown, 1, "If")
    until_over(shown)
    press(shown, "ArrowLeft", ">", ">", ">", " ")  # twice as fast, from the first turn on
    expect(shown.page.get_by_label("Speed")).to_have_value("2")
    until_heard(shown, 1, "it")
    press(shown, "2", " ")
    assert said(session) == [("label", 1, "answer")]


def test_a_page_without_a_kernel_is_heard_but_not_edited(
    browser: Browser, shown: FrontPage
) -> None:
    """The same code with an <audio> element: it plays; there is nothing to label with."""
    session = shown.view._session
    assert session is not None
    session.annotate(turn=0, label="question")
    pcm = session.audio()
    wav = base64.b64encode(wav_header(len(pcm)) + pcm.astype("<i2").tobytes()).decode()
    shown.page.evaluate(
        """([json, wav]) => {
            const place = document.createElement("div");
            document.querySelector("#place").replaceWith(place);
            const store = parts.fromPage(JSON.parse(json));
            const player = new parts.Player(store);
            player.useElement(new Audio(`data:audio/wav;base64,${wav}`));
            parts.inspector(store, place, { player });
        }""",
        [json.dumps(snapshot_json(session)), wav],
    )
    expect(line(shown, 0).locator(".nbs-chip")).to_have_text("question")
    n_asked = len(shown.asked)
    press(shown, "Tab", "ArrowRight", "ArrowRight", "Shift+ArrowRight")
    until_heard(shown, 2, "There")
    until_over(shown)
    assert 13 <= clock_s(shown) <= 14
    press(shown, "1", "Enter", "m", "l", "Control+z")
    expect(shown.page.locator(".nbs-editor")).to_have_count(0)
    expect(shown.page.get_by_label("New label")).to_have_count(0)
    assert len(shown.asked) == n_asked


# -- while it records, and when it can't -----------------------------------------------------------


def test_a_live_session_is_annotated_while_it_records(browser: Browser, growing: Growing) -> None:
    """Labels, a correction and a mark; what is said meanwhile comes on."""
    growing.session.labels = ["question"]
    with front_page(browser, Inspector(growing.session), height=1100) as shown:
        press(shown, "Tab", "h", "k", "1")
        growing.hear(3)
        growing.say(8, "One more.", 41)
        shown.view.refresh()
        shown.settle()
        expect(target(shown)).to_have_text("Turn 8 of 9 · 0:35 · A")
        expect(line(shown, 8)).to_contain_text("One more.")
        press(shown, "Enter")
        write(shown, "There was a place.")
        found = said(growing.session)
        assert ("label", 7, "question") in found
        assert ("transcript", 7, "There was a place.") in found
        assert growing.session.annotations.query("kind == 'mark'")["start_s"].item() == 40


def test_what_could_not_be_saved_is_said(shown: FrontPage, session: Session) -> None:
    """Which file and why, until something can be saved again."""
    log = session.folder / "annotations.jsonl"
    text = log.read_bytes()
    log.unlink()
    log.mkdir()
    press(shown, "Tab", "ArrowRight", "1")
    alert = shown.page.locator(".nbs-labels [role=alert]")
    expect(alert).to_contain_text("Not saved:")
    expect(alert).to_contain_text("annotations.jsonl")
    log.rmdir()
    log.write_bytes(text)
    press(shown, "1")
    expect(alert).to_be_hidden()
    assert said(session) == [("label", 0, "question")]


def test_what_others_annotate_is_seen(shown: FrontPage, session: Session) -> None:
    """When the mouse comes back to the panel."""
    session.annotate(turn=1, label="noise", note="from elsewhere")
    shown.page.mouse.move(5, 5)
    shown.page.mouse.move(400, 100)
    shown.settle()
    expect(line(shown, 1).locator(".nbs-chip")).to_have_text("noise")
    expect(line(shown, 1).locator(".nbs-note")).to_have_text("from elsewhere")


# -- seen ------------------------------------------------------------------------------------------


def worked_on(shown: FrontPage, session: Session) -> None:
    """An inspector in the middle of work: labels, a correction, a note, a span, an open field."""
    session.annotate(turn=0, label=["question", "noise"])
    session.annotate(turn=1, transcript="If it isn't late again, I'd have breakfast first.")
    session.annotate(turn=1, label="answer", note="speaks while eating")
    session.annotate(start_s=3, end_s=7, label="noise")
    session.mark("here", 9.5)
    shown.view.refresh()
    shown.settle()
    press(shown, "Tab", "ArrowRight", "ArrowRight")


@needs_axe
def test_it_is_accessible(shown: FrontPage, session: Session) -> None:
    """axe-core finds nothing, whatever is open."""
    worked_on(shown, session)
    everything = ("minor", "moderate", "serious", "critical")
    assert violations(shown.page, ".nbs-inspector", everything) == []
    press(shown, "?", "Enter")
    assert violations(shown.page, ".nbs-inspector", everything) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(shown: FrontPage, session: Session, scheme: Any) -> None:
    """Nothing is cut off at any width; for the rest, they are looked at."""
    worked_on(shown, session)
    shown.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for width in WIDTHS:
        shown.page.set_viewport_size({"width": width, "height": 1100})
        shown.settle()
        wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert shown.page.evaluate(wide) == 0
        shown.page.screenshot(path=SHOTS / f"inspector-{width}-{scheme}.png")
    press(shown, "Enter")
    shown.page.screenshot(path=SHOTS / f"inspector-writing-{scheme}.png")
