"""What pages tell widgets by a line of their own: who may, and that each message is done once."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import types
from collections.abc import Iterator
from typing import Any

import ipywidgets
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from nbstream.channel import REFUSED, REPLACED, Inbox, Message
from nbstream.channel.inbox import MOST_PAGES
from nbstream.widgets import commands, control
from nbstream.widgets.commands import Commands, carry
from tests.talking import DEADLINE_S
from tests.test_channel import ORIGIN, Told, close_code, dial, go


class Kernel:
    """An inbox that is open, what it was told and what it has done."""

    def __init__(self) -> None:
        self.told = Told()
        self.done: queue.Queue[Message] = queue.Queue()
        self.inbox = Inbox(self.done.put, self.told)

    def offer(self, page: str = "p") -> Message:
        self.inbox.invite(page, ORIGIN, self.told)
        offer = self.told.next("offer")
        assert page == offer["to"]
        return offer

    def next(self, n: int) -> list[object]:
        return [self.done.get(timeout=DEADLINE_S)["what"] for _ in range(n)]


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    with kernel.inbox:
        yield kernel


def say(ws: ClientConnection, *numbers: int) -> None:
    with contextlib.suppress(ConnectionClosed):  # by a kernel that refuses it
        for n in numbers:
            ws.send(json.dumps({"kind": "message", "n": n, "what": n}))


def have(ws: ClientConnection, n: int) -> None:
    """Wait until the kernel says that it has `n` messages."""
    while n != json.loads(ws.recv(DEADLINE_S)).get("next"):
        pass


# -- each message once -----------------------------------------------------------------------------


def test_messages_are_done_in_order_and_acknowledged(kernel: Kernel) -> None:
    """What the page is told to have arrived is done, whatever becomes of the line."""
    with dial(kernel.offer(), first=0) as ws:
        assert 0 == go(ws)["next"]
        say(ws, 0, 1, 2)
        have(ws, 3)
    assert [0, 1, 2] == kernel.next(3)


def test_what_is_sent_again_on_the_next_line_is_done_once(kernel: Kernel) -> None:
    """Whether the message was lost with the line, or the word that it has arrived."""
    offer = kernel.offer()
    with dial(offer, first=0) as ws:
        go(ws)
        say(ws, 0, 1)
        have(ws, 2)
        kernel.inbox.cut()
        assert 1011 == close_code(ws)
    with dial(offer, first=1) as ws:  # that 1 has arrived was not heard there
        assert 2 == go(ws)["next"]
        say(ws, 1, 2, 2)
        have(ws, 3)
    assert [0, 1, 2] == kernel.next(3)
    assert kernel.done.empty()


def test_nothing_is_done_before_what_came_before_it(kernel: Kernel) -> None:
    """A message whose number is not the next one waits in the page."""
    with dial(kernel.offer(), first=0) as ws:
        go(ws)
        say(ws, 1, 0, 1)
        have(ws, 2)
    assert [0, 1] == kernel.next(2)
    assert kernel.done.empty()


def test_the_same_through_the_widget_and_the_control_channel(kernel: Kernel) -> None:
    """Numbers go on from line to line; one that was given up says nothing."""
    offer = kernel.offer()
    with dial(offer, first=0) as ws:
        go(ws)
        say(ws, 0)
        have(ws, 1)
        hello = {"kind": "hello", "page": "p", "secret": offer["secret"], "first": 0}
        content = {"page": "p", "line": 7}
        kernel.inbox.through_comm(content | {"text": json.dumps(hello)}, [])
        said = kernel.told.next("line")
        assert ("p", 7, 1) == (said["to"], said["line"], json.loads(said["text"])["next"])
        assert REPLACED == close_code(ws)
    text = json.dumps({"kind": "message", "n": 1, "what": 1})
    kernel.inbox.through_comm({"page": "p", "line": 6, "text": text}, [])
    assert 6 == kernel.told.next("closed")["line"]
    kernel.inbox.through_comm(content | {"text": text}, [])
    kernel.told.next("line")
    assert [0, 1] == kernel.next(2)


def test_a_command_that_takes_long_holds_up_nothing_but_commands() -> None:
    """Lines are answered meanwhile: sound goes on, by the same thread."""
    told, begun, may_end = Told(), threading.Event(), threading.Event()

    def do(_: Message) -> None:
        begun.set()
        may_end.wait(DEADLINE_S)

    with Inbox(do, told) as inbox:
        inbox.invite("p", ORIGIN, told)
        with dial(told.next("offer"), first=0) as ws:
            go(ws)
            say(ws, 0)
            assert begun.wait(DEADLINE_S)
            say(ws, 1)
            have(ws, 2)
            may_end.set()


# -- who may come ----------------------------------------------------------------------------------


def test_two_windows_on_a_notebook_both_have_a_line(kernel: Kernel) -> None:
    """Each has a secret of its own, and numbers of its own."""
    offers = kernel.offer("p"), kernel.offer("q")
    assert offers[0]["secret"] != offers[1]["secret"]
    with dial(offers[0], "p", first=0, route="direct") as p, dial(offers[1], "q", first=5) as q:
        go(p)
        assert 5 == go(q)["next"]
        assert ["direct", ""] == kernel.inbox.routes
        say(p, 0)
        have(p, 1)
        say(q, 5)
        have(q, 6)
    assert [0, 5] == kernel.next(2)


@pytest.mark.parametrize("secret", ["", "guess", None, 7])
def test_without_a_secret_nothing_is_done(kernel: Kernel, secret: object) -> None:
    """The line is closed with the code that says not to try again."""
    with dial(kernel.offer(), secret=secret, first=0) as ws:
        say(ws, 0)
        assert REFUSED == close_code(ws)
    assert kernel.done.empty()


def test_a_secret_is_worth_nothing_to_another_page(kernel: Kernel) -> None:
    """Neither to one that is known nor to one that is not; the page that has it keeps its line."""
    offer = kernel.offer("p")
    kernel.offer("q")
    with dial(offer, "p", first=0) as mine:
        go(mine)
        for other in ("q", "unknown"):
            with dial(offer, other, first=0) as stranger:
                say(stranger, 0)
                assert REFUSED == close_code(stranger)
        say(mine, 0)
        have(mine, 1)
    assert [0] == kernel.next(1)
    assert ["another page's secret"] * 2 == kernel.inbox.refusals


def test_a_page_of_another_origin_can_do_nothing(kernel: Kernel) -> None:
    """Whatever it knows; other servers on this machine are strangers as well."""
    offer = kernel.offer()
    for origin in ("https://evil.example", "http://localhost:9999", None):
        with pytest.raises(InvalidStatus), dial(offer, origin=origin, first=0):
            pass
    assert kernel.done.empty()


@pytest.mark.parametrize("first", [None, -1, "0", 0.5])
def test_who_does_not_say_where_its_numbers_begin_is_refused(kernel: Kernel, first: object) -> None:
    """Nothing could be told apart."""
    with dial(kernel.offer(), first=first) as ws:
        assert REFUSED == close_code(ws)


def test_a_page_that_has_been_away_for_longest_must_ask_again(kernel: Kernel) -> None:
    """Reloads do not fill the kernel's memory; who has a line keeps it."""
    staying, going = kernel.offer("staying"), kernel.offer("going")
    with dial(staying, "staying", first=0) as ws:
        go(ws)
        for n in range(MOST_PAGES):
            kernel.offer(str(n))
        say(ws, 0)
        have(ws, 1)
        with dial(going, "going", first=0) as gone:
            assert REFUSED == close_code(gone)


def test_after_the_end_there_is_nothing() -> None:
    """Neither port nor thread, and what is still sent is not done."""
    kernel = Kernel()
    with kernel.inbox:
        offer = kernel.offer()
        with dial(offer, first=0) as ws:
            go(ws)
    with pytest.raises(ConnectionRefusedError), dial(offer, first=0):
        pass
    assert "nbstream-commands" not in [thread.name for thread in threading.enumerate()]


# -- widgets ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def page_of(widget: Commands) -> Iterator[ClientConnection]:
    """A page that has asked for a line, and has it."""
    told = Told()
    widget.send = told
    ask = {"kind": "ask", "page": "p", "origin": ORIGIN}
    widget._handle_custom_msg(ask, [])
    with dial(told.next("offer"), first=0) as ws:
        go(ws)
        yield ws


def tell(ws: ClientConnection, n: int, model_id: str, data: Any) -> None:
    ws.send(json.dumps({"kind": "message", "n": n, "model_id": model_id, "data": data}))
    have(ws, n + 1)


CLICK = {"method": "custom", "content": {"event": "click"}}


@pytest.fixture
def button() -> Iterator[ipywidgets.Button]:
    ipywidgets.Widget.close_all()  # what other tests have left open would keep the line
    button = ipywidgets.Button()
    carry(button)
    yield button
    button.close()


def made() -> Commands:
    assert commands._commands is not None
    return commands._commands


def test_what_a_page_tells_a_widget_is_done_on_a_thread_of_ours(button: ipywidgets.Button) -> None:
    """Clicks, and traits that the page has set; what raises is told as ever, and ends nothing."""
    done: queue.Queue[str] = queue.Queue()
    button.on_click(lambda _: done.put(threading.current_thread().name))
    button.on_click(lambda _: 1 / 0)
    with page_of(made()) as ws:
        tell(ws, 0, button.model_id, CLICK)
        assert "nbstream-commands" == done.get(timeout=DEADLINE_S)
        button.observe(lambda change: done.put(change["new"]), "description")
        tell(ws, 1, button.model_id, {"method": "update", "state": {"description": "new"}})
        assert "new" == done.get(timeout=DEADLINE_S)


def test_only_what_is_carried_can_be_told_something(button: ipywidgets.Button) -> None:
    """Other widgets of the notebook are out of reach, and nonsense harms nobody."""
    done: queue.Queue[str] = queue.Queue()
    other = ipywidgets.Button()
    other.on_click(lambda _: done.put("other"))
    button.on_click(lambda _: done.put("ours"))
    said: list[tuple[Any, Any]] = [
        (other.model_id, CLICK),
        ("nobody", CLICK),
        (None, CLICK),
        (button.model_id, "click"),
        (button.model_id, {}),
        (button.model_id, {"method": "no such"}),
        (button.model_id, CLICK),
    ]
    with page_of(made()) as ws:
        for n, (model_id, data) in enumerate(said):
            tell(ws, n, model_id, data)
        assert "ours" == done.get(timeout=DEADLINE_S)
    assert done.empty()


def test_nothing_listens_before_a_page_has_asked_or_after_the_last_was_closed(
    button: ipywidgets.Button,
) -> None:
    """What is carried is what is open; the next one begins anew."""
    first = made()
    threads = {thread.name for thread in threading.enumerate()}
    assert not threads & {"nbstream-channel", "nbstream-commands"}
    second = ipywidgets.Button()
    carry(second)
    assert [button.model_id, second.model_id] == first.models
    with page_of(first) as ws:
        button.close()
        assert [second.model_id] == first.models
        assert ["p"] == list(first._inbox._guests)  # type: ignore[union-attr]
        second.close()
        assert 1001 == close_code(ws)
    assert first.comm is None
    third = ipywidgets.Button()
    carry(third)
    assert made() is not first
    third.close()


def test_no_trait_says_how_to_come(button: ipywidgets.Button) -> None:
    """A notebook keeps the traits of its widgets: there is neither port nor secret in them."""
    widget = made()
    with page_of(widget):
        inbox = widget._inbox
        assert inbox is not None
        state = json.dumps(widget.get_state(["models", "control"]))
        (guest,) = inbox._guests.values()
        assert guest.secret not in state
        assert str(inbox.port) not in state
        new = set(widget.keys) - set(ipywidgets.DOMWidget().keys)
        assert {"models", "control", "_esm", "_css", "_anywidget_id"} == new


def test_the_control_channel_reaches_widgets_that_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a name that the page was given; frames come as bytes; a closed widget hears nothing."""
    kernel = types.SimpleNamespace(control_handlers={})
    monkeypatch.setattr(control, "get_ipython", lambda: types.SimpleNamespace(kernel=kernel))
    widget = ipywidgets.Button()
    heard: list[Any] = []
    widget.on_msg(lambda _, content, frames: heard.append((content, frames)))
    name = control.reach(widget)

    def come(to: object, content: object) -> None:
        message = {"content": {"to": to, "content": content}, "buffers": [memoryview(b"pcm")]}
        kernel.control_handlers["nbstream"](None, [], message)

    for to, content in ((name, {"kind": "ask"}), ("x", {}), (None, {}), (name, "text")):
        come(to, content)
    assert [({"kind": "ask"}, [b"pcm"])] == heard
    widget.close()
    come(name, {"kind": "ask"})
    assert 1 == len(heard)


def test_a_kernel_without_a_control_channel_is_left_alone() -> None:
    """As this one, which is none."""
    assert "" == control.reach(ipywidgets.Button())
