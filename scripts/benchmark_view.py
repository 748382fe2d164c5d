"""What a refresh of a view costs, kernel and browser, early and late in a session.

    python scripts/benchmark_view.py [--hours H] [--refreshes N]

Sessions of 10 s, an hour and more are generated, with two channels and a turn each 3.6 s, and then
grow like live ones: 100 ms of sound and one more word of an open turn a refresh. Absolute times are
those of this machine; the ratios hold elsewhere. A page of 10 s has less to draw than a full
window: what must be flat in the browser is an hour against three.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser  # noqa: E402

from nbstream import protocol  # noqa: E402
from nbstream.session import Session  # noqa: E402
from nbstream.store import Folder  # noqa: E402
from nbstream.widgets.view import View  # noqa: E402
from scripts.benchmark_timing import RATE_HZ, VOCABULARY, generate  # noqa: E402
from tests.browser import chromium  # noqa: E402
from tests.front_page import front_page  # noqa: E402

TURN_S = 3.6
EVENTS_A_TURN = 10
REFRESH_FRAMES = RATE_HZ // 10
ENVELOPE_BYTES = 730  # of a message of JupyterLab, measured apart


class Live:
    """A generated session that goes on."""

    def __init__(self, folder: Path, duration_s: float) -> None:
        n_turns = round(duration_s / TURN_S)
        generate(folder, n_turns, EVENTS_A_TURN * n_turns)
        self.folder = Folder.open_(folder)
        self.folder.reopen()
        self.session = Session(self.folder)
        self.session.fold_rows()
        self._turn, self._n_words = n_turns, 0

    def grow(self) -> None:
        """What comes between two refreshes."""
        self.folder.n_frames += REFRESH_FRAMES
        size = 44 + self.folder.n_frames * self.folder.frame_bytes
        os.truncate(self.folder.path / "audio.wav", size)
        self._n_words += 1
        if self._n_words == 15:
            self._turn, self._n_words = self._turn + 1, 1
        start_ms = round(1000 * self.session.duration_s) - 300 * self._n_words
        words = [
            {"text": VOCABULARY[i], "start": start_ms + 300 * i, "end": start_ms + 300 * i + 250}
            for i in range(self._n_words)
        ]
        message = {"type": "Turn", "turn_order": self._turn, "end_of_turn": self._n_words == 14}
        message |= {"turn_is_formatted": True, "words": [w | {"confidence": 0.9} for w in words]}
        message |= {"transcript": " ".join(str(word["text"]) for word in words)}
        event = protocol.decode(json.dumps(message))
        self.folder.append_event(event, self.session.duration_s + 1, 0)


def size(message: dict[str, Any]) -> tuple[int, int]:
    """Bytes of JSON, and of buffers."""
    parts = message.get("sound", {}).get("parts", [])
    return len(json.dumps(message, default=lambda _: "")), sum(len(p["columns"]) for p in parts)


def each_ms(live: Live, function: Callable[[], object], n: int) -> float:
    """Median time of `function` after something new has come."""
    times = []
    for _ in range(n):
        live.grow()
        began_s = time.perf_counter()
        function()
        times.append(time.perf_counter() - began_s)
    return 1000 * statistics.median(times)


def in_kernel(live: Live, n: int) -> tuple[View, dict[str, float]]:
    """Figures of the kernel's side."""
    session, figures = live.session, dict[str, float]()
    began_s = time.perf_counter()
    view = View(session)
    figures["first look: all sound is read, ms"] = 1000 * (time.perf_counter() - began_s)
    began_s = time.perf_counter()
    state = view.get_state()["state"]
    figures["page joins: state, ms"] = 1000 * (time.perf_counter() - began_s)
    figures["page joins: state, KB"] = sum(size(state)) / 1000
    n_bytes: list[int] = []

    def refresh() -> None:
        session.turn_counts()
        session.spoken_s()
        view.show(session)

    def refresh_and_weigh() -> None:
        refresh()
        n_bytes.append(sum(size(view.delta)) + ENVELOPE_BYTES)

    figures["refresh: kernel, ms"] = each_ms(live, refresh, n)
    each_ms(live, refresh_and_weigh, n)
    figures["refresh: bytes, with a turn that grows"] = statistics.mean(n_bytes)

    def count_all_rows() -> None:
        sum(row.is_final for row in session.fold_rows())

    figures["(counting all turns alone, ms)"] = each_ms(live, count_all_rows, n)
    return view, figures


def in_browser(browser: Browser, live: Live, view: View, n: int) -> dict[str, float]:
    """Figures of the page's side: JavaScript of a repaint, in the frame that draws it."""
    figures = {}
    cases = [("sound, live", "waveform", None), ("sound, all of it in sight", "waveform", "0")]
    for name, only, key in [*cases, ("all parts, live", "", None)]:
        with front_page(browser, view) as shown:
            shown.begin(only)
            if key:
                shown.page.get_by_role("application").press(key)
                shown.settle()
            times = []
            for _ in range(n):
                live.grow()
                view.show(live.session)
                shown.page.evaluate("() => { spent_ms.length = 0; }")
                shown.settle()
                times.append(shown.page.evaluate("() => spent_ms.reduce((a, b) => a + b, 0)"))
        figures[f"refresh: browser, {name}, ms"] = statistics.median(times)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--refreshes", type=int, default=60)
    asked = parser.parse_args()
    lengths = {"10 s": 10.8, "1 h": 3600.0, f"{asked.hours:g} h": 3600 * asked.hours}
    columns: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as parent, chromium() as browser:
        for name, duration_s in lengths.items():
            live = Live(Path(parent) / name.replace(" ", "-"), duration_s)
            view, figures = in_kernel(live, asked.refreshes)
            columns[name] = figures | in_browser(browser, live, view, asked.refreshes)
            live.folder.close()
    print("| what | " + " | ".join([*lengths, "last / first"]) + " |")
    print("|---|" + "--:|" * (len(lengths) + 1))
    first, *_, last = columns.values()
    for name in first:
        values = [figures[name] for figures in columns.values()]
        shown = [f"{value:.0f}" if value >= 100 else f"{value:.2f}" for value in values]
        print(f"| {name} | " + " | ".join(shown) + f" | {last[name] / first[name]:.1f} |")


if __name__ == "__main__":
    main()
