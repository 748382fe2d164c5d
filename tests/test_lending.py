"""Which microphone a recorder takes by itself, and what a page is told; without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from nbstream.errors import ParameterError
from nbstream.sources import BrowserMicrophone, resolve
from nbstream.widgets import Recorder
from nbstream.widgets.choices import SourceChoice
from nbstream.widgets.microphone import MOST_NAMES, PageMicrophone, is_here
from nbstream.widgets.remembered import path, remember, remembered

HERE, AWAY = "http://localhost:8888", "https://hub.example.org"


@pytest.fixture(params=[True, False], ids=["device", "no device"])
def has_device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """A machine with a microphone, or without."""
    why = "" if request.param else "No microphone was found on the kernel's machine."
    monkeypatch.setattr(SourceChoice, "list_microphones", lambda self: why)
    return bool(request.param)


def page_comes(rec: Recorder, origin: str) -> None:
    ask = {"kind": "ask", "page": "p", "origin": origin}
    rec._lender._handle_custom_msg(ask, [])


def page_has(rec: Recorder, *names: Any, tab: bool = False) -> None:
    rec._lender._handle_custom_msg({"kind": "devices", "names": list(names), "tab": tab}, [])


def offered(rec: Recorder) -> list[str]:
    """What can be chosen of the page's."""
    return [label for label, _ in rec._source.options if label.startswith("Browser")]


@pytest.mark.parametrize("origin", [HERE, AWAY])
def test_auto_takes_the_microphone_that_the_person_has(has_device: bool, origin: str) -> None:
    """The kernel's where the page is beside it, else the browser's, and says why."""
    rec = Recorder(service="local")
    assert ("mic" if has_device else "sample") == rec._source.value  # no page so far
    page_comes(rec, origin)
    expected = "mic" if has_device and origin == HERE else "browser"
    assert expected == rec._source.value
    note = rec._status.view["note"]
    if expected == "browser":
        assert note.startswith("The browser's microphone is chosen: ")
        assert ("another machine" in note) == has_device
    where = path()
    assert where is not None
    assert not where.exists()  # nobody has chosen anything


def test_what_somebody_has_chosen_stays(has_device: bool) -> None:
    """By hand, in code, or the last time."""
    rec = Recorder(service="local")
    rec._source.value = "browser" if has_device else "mic"
    rec._source.value = "sample" if has_device else "mic"
    chosen = rec._source.value
    page_comes(rec, AWAY)
    assert chosen == rec._source.value

    in_code = Recorder("mic", "local")
    page_comes(in_code, AWAY)
    assert "mic" == in_code._source.value

    remember(source="sample")
    last = Recorder(service="local")
    page_comes(last, AWAY)
    assert "sample" == last._source.value
    remember(source="browser")
    last = Recorder(service="local")
    assert "browser" == last._source.value
    assert "as last time" in last._status.view["note"]


def test_only_the_first_page_chooses(has_device: bool) -> None:
    """A second window must not change what the first one shows."""
    rec = Recorder(service="local")
    page_comes(rec, HERE)
    first = rec._source.value
    page_comes(rec, AWAY)
    assert first == rec._source.value


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        *((HERE, True), ("http://127.0.0.1:1", True), ("http://[::1]:1", True)),
        *((AWAY, False), ("http://localhost.evil.example", False), ("null", False), ("", False)),
        ("http://[", False),
    ],
)
def test_where_a_page_is(origin: str, expected: bool) -> None:
    """By the name in its address."""
    assert expected == is_here(origin)


def test_the_browsers_microphone_by_its_name() -> None:
    """In the picker, in code and in a record."""
    assert isinstance(resolve("browser"), BrowserMicrophone)
    rec = Recorder("browser", "local")
    assert ("Browser microphone", "browser") == (rec._source.label, rec._source.value)
    assert "BrowserMicrophone('USB', speakers=('a', 'b'))" == repr(
        BrowserMicrophone("USB", speakers=("a", "b"))
    )


def test_no_trait_says_how_to_reach_the_kernel() -> None:
    """A notebook keeps the traits of its widgets: there is neither port nor secret in them."""
    source = BrowserMicrophone()
    lender = PageMicrophone(source)
    told: list[Any] = []
    source.tell = lambda message: told.append(message)
    keys = set(lender.get_state())
    assert not {key for key in keys if "secret" in key or "port" in key}
    assert {"_esm", "_css", "layout"} <= keys


def test_a_take_lets_in_the_pages_that_show_it_and_no_other() -> None:
    """Pages say where they are from when they come, which is before anything is recorded."""
    rec = Recorder("browser", "local")
    page_comes(rec, AWAY)
    source = rec._lender.lend(BrowserMicrophone())
    assert {AWAY} == source.origins


# -- which of the page's -------------------------------------------------------------------------


def test_the_pages_microphones_can_be_chosen() -> None:
    """By their names, once the page knows them; one alone needs no second entry."""
    rec = Recorder("browser", "local")
    page_has(rec)
    page_has(rec, "Built-in")
    assert ["Browser microphone"] == offered(rec)
    page_has(rec, "Built-in", "USB", tab=True)
    assert offered(rec) == [
        *("Browser microphone", "Browser: Built-in", "Browser: USB"),
        "Browser microphone and a tab",
    ]
    assert "browser" == rec._source.value  # it is nobody's choice
    rec._source.label = "Browser: USB"
    assert "BrowserMicrophone('USB')" == repr(rec._sources.make(rec._source.value))
    rec._source.label = "Browser microphone and a tab"
    assert isinstance(both := rec._sources.make(rec._source.value), BrowserMicrophone)
    assert (True, ("you", "tab")) == (both.tab, both.speakers)


def test_what_was_chosen_of_the_page_is_chosen_the_next_time() -> None:
    """Before the page may tell names, too; what is gone gives way to the default, and says so."""
    rec = Recorder("browser", "local")
    page_has(rec, "Built-in", "USB")
    rec._source.label = "Browser: USB"
    assert "Browser: USB" == remembered()["source"]

    again = Recorder(service="local")
    assert "Browser: USB" == again._source.label
    assert "USB is chosen, as last time." in again._status.view["note"]
    page_has(again)  # which is all it may know before somebody allows it
    page_comes(again, AWAY)
    assert "Browser: USB" == again._source.label
    page_has(again, "USB")
    assert "Browser: USB" == again._source.label
    page_has(again, "Built-in", "HDMI")
    assert "browser" == again._source.value
    assert again._status.view["note"].startswith("USB is not there any more")
    assert "Browser: USB" == remembered()["source"]  # it may come back


def test_a_tab_that_was_chosen_is_chosen_the_next_time_where_there_is_one() -> None:
    """In a browser that has no sound of tabs, the microphone is what remains."""
    remember(source="tab")
    rec = Recorder(service="local")
    assert "tab" == rec._source.value
    assert "and a tab are chosen, as last time." in rec._status.view["note"]
    page_has(rec, tab=True)
    assert "tab" == rec._source.value
    page_has(rec, tab=False)
    assert "browser" == rec._source.value
    assert "does not give the sound of a tab" in rec._status.view["note"]


def test_names_of_devices_are_what_a_stranger_says() -> None:
    """Twice the same, none, markup, lines, numbers, thousands: no more than entries in a list."""
    rec = Recorder("browser", "local")
    nasty = "<img src=x onerror=alert(1)>"
    page_has(rec, "USB", "USB", "", "  ", nasty, "a\n\x00b", 3, None, ["x"], "y" * 1000)
    assert ["USB", nasty, "a b", "y" * 100] == [
        label.removeprefix("Browser: ") for label in offered(rec)[1:]
    ]
    rec._source.label = f"Browser: {nasty}"
    source = rec._sources.make(rec._source.value)
    assert isinstance(source, BrowserMicrophone)
    assert nasty == source.device
    page_has(rec, *(f"microphone {n}" for n in range(1000)))
    assert MOST_NAMES + 1 == len(offered(rec))
    for names in (None, "USB", {"a": 1}, 3):
        rec._lender._handle_custom_msg({"kind": "devices", "names": names, "tab": "yes"}, [])
    assert MOST_NAMES + 1 == len(offered(rec))


def test_a_tab_takes_two_speakers() -> None:
    """The microphone's and the tab's, by their names or ours."""
    assert ("you", "tab") == BrowserMicrophone(tab=True).speakers
    both = BrowserMicrophone("USB", speakers=("me", "agent"), tab=True)
    assert "BrowserMicrophone('USB', speakers=('me', 'agent'), tab=True)" == repr(both)
    assert "browser microphone and a tab: USB" == both.label
    for speakers in (("me",), ("me", "you", "agent"), ("me", "me")):
        with pytest.raises(ParameterError):
            BrowserMicrophone(speakers=speakers, tab=True)
