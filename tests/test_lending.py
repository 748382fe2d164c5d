"""Which microphone a recorder takes by itself, and what a page is told; without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from nbstream.sources import BrowserMicrophone, resolve
from nbstream.widgets import Recorder
from nbstream.widgets.choices import SourceChoice
from nbstream.widgets.microphone import PageMicrophone, is_here
from nbstream.widgets.remembered import path, remember

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
