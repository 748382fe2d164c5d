"""`PageTake`: one recording, as the pages that capture it tell it."""

from __future__ import annotations

import math
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbstream.audio import CHUNK_MS
from nbstream.channel import Message
from nbstream.sources.pagesound import Arrived, PageSound
from nbstream.sources.pagestates import KEEP_S, ROUTES, PageStates, tried_of


@dataclass(frozen=True, slots=True)
class Wish:
    """What a page is asked for."""

    device: str  # a part of its name; any if empty
    n_channels: int
    tab: bool  # the last channel is another tab's
    in_worklet: bool  # not read from the track itself, as in Firefox


class PageTake:
    """What was heard of one recording; the `channel.Listener` of it.

    Written on nbstream-channel; who waits for more does so on `news`, whose lock guards `states`
    and `sound` where both change.

    Parameters
    ----------
    wish : Wish
        What pages are asked for.
    heed : callable, optional
        As of `PageStates`.

    Attributes
    ----------
    arrived : SimpleQueue of Arrived
        Chunks that nobody has read.
    device : str
        The name of the device that captures; empty before that is known.
    route : str
        How the page is heard; empty before it is.
    fill : float
        How much of what the page can keep is waiting there, 0 to 1.
    sign_s : float
        When a page said something, monotonic.
    joined_s : float
        When a page last came by a line, monotonic.
    is_stopping : bool
        Whether pages are told that it was stopped; set by who reads.

    """

    def __init__(self, wish: Wish, heed: Callable[[str, str], None] | None = None) -> None:
        self.sound = PageSound(wish.n_channels)
        self.states = PageStates(heed)
        self.arrived: queue.SimpleQueue[Arrived] = queue.SimpleQueue()
        self.news = threading.Condition()
        self.device = self.route = ""
        self.fill = 0.0
        self.sign_s = self.joined_s = -math.inf
        self.is_stopping = False
        self._wish = wish
        self._name = secrets.token_hex(8)  # no secret: by it a page finds what it kept
        self._tried: list[dict[str, str]] = []
        self._rate_hz: int | None = None
        self._n_lines = 0  # that pages have come by

    @property
    def has_ended(self) -> bool:
        """Whether pages capture no more, and all that came was read."""
        with self.news:
            return self.sound.has_ended and self.arrived.empty()

    @property
    def note(self) -> str:
        """How the page is heard, and what waits there."""
        if not self.route:
            return ""
        waiting_s = self.fill * KEEP_S
        waiting = f"; {waiting_s:.0f} s wait in the page" if waiting_s >= 1 else ""
        forgets = "; loaded again, it would lose that" if "forgetful" in self.states else ""
        route = ROUTES.get(self.route, self.route)
        return f"The page is heard {route}{waiting}{forgets if waiting else ''}."

    def about(self) -> dict[str, Any]:
        """What was found out; see `BrowserMicrophone.about`."""
        return {
            "route": self.route,
            "tried": self._tried,
            "device_rate_hz": self._rate_hz,
            "device_latency_ms": self.sound.latency_ms,
            "pages": self.sound.pages,
            "lines": self._n_lines,
            "clock": self.sound.clock.about(),
        }

    # -- on nbstream-channel -----------------------------------------------------------------------

    def joined(self, is_new: bool) -> Message:
        """See `channel.Listener`."""
        with self.news:
            self._n_lines += 1
            self.sign_s = self.joined_s = time.monotonic()
            self.sound.joined(is_new)
            self.states.clear()  # They are told again.
            self.news.notify_all()
        wish = self._wish
        return {
            "recording": self._name,
            "next": self.sound.next,
            "device": wish.device,
            "n_channels": wish.n_channels,
            "most": round(KEEP_S * 1000 / CHUNK_MS),
            "worklet": wish.in_worklet,
            "tab": wish.tab,
            "begun": self.sound.pages > 0,
            "stop": self.is_stopping,
        }

    def left(self) -> None:
        """See `channel.Listener`."""

    def said(self, message: Message) -> Message | None:
        """See `channel.Listener`."""
        self.sign_s = time.monotonic()
        match message:
            case {"kind": "ping"}:
                match message.get("last"):
                    case [int() | float() as sent, int() | float() as at, int() | float() as back]:
                        self.sound.clock.answered(sent, at, back)
                self.fill = float(message.get("fill", 0.0))
            case {"kind": "state", "state": str(state)}:
                self._take_state(state, message)
            case {"kind": "end", "next": int(n)}:
                with self.news:
                    self.sound.ended(n)
                    self.news.notify_all()
        return None

    def heard(self, frame: bytes) -> None:
        """See `channel.Listener`."""
        self.sign_s = time.monotonic()
        if (arrived := self.sound.take(frame, self.sign_s)) is not None:
            self.arrived.put(arrived)

    def _take_state(self, state: str, message: Message) -> None:
        with self.news:
            self.states.add(state, str(message.get("detail", "")))
            if state == "recording":
                self.route = str(message.get("route", ""))
                self._tried = tried_of(message.get("tried"))
                self._rate_hz = message.get("rate_hz")
                self.sound.delayed_by(message.get("latency_ms"))
                self.device = str(message.get("device", "")) or self.device
            self.news.notify_all()
