"""What an inspector of a long session costs: opening, scrolling, labelling, listening.

    python scripts/benchmark_inspector.py [--hours H]

The session is generated: two channels, a turn each 3.6 s, every other turn labelled. Absolute times
are those of this machine, whose browser draws without a graphics card. Bytes are those of messages,
without the envelope of some 700 bytes that Jupyter adds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pandas as pd  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402

import nbstream as nb  # noqa: E402
from nbstream.session import Session  # noqa: E402
from nbstream.widgets.inspector import Inspector  # noqa: E402
from scripts.benchmark_timing import generate  # noqa: E402
from tests.browser import chromium  # noqa: E402
from tests.front_page import FrontPage, coded, front_page  # noqa: E402

TURN_S = 3.6
OPEN = """async (state) => {
    const began = performance.now();
    await begin(state, "");
    await new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)));
    return performance.now() - began;
}"""
# Scroll by a little more than a screen, frame after frame; ms of each frame, and of what ran in it.
SCROLL = """async (selector) => {
    const area = document.querySelector(selector);
    area.scrollTop = 0;
    spent_ms.length = 0;
    const at = [];
    for (let i = 0; i < 240; i++) {
        area.scrollTop += 300;
        at.push(await new Promise((f) => requestAnimationFrame(() => f(performance.now()))));
    }
    return [at.slice(1).map((ms, i) => ms - at[i]), [...spent_ms]];
}"""
# Move the cursor as a player does, 120 frames.
PLAY = """async () => {
    spent_ms.length = 0;
    await new Promise((f) => setTimeout(f, 2000));
    return [...spent_ms];
}"""


def ms(function: Callable[[], Any]) -> tuple[float, Any]:
    """Time of `function`, and what it gave."""
    began_s = time.perf_counter()
    found = function()
    return 1000 * (time.perf_counter() - began_s), found


def size_kb(message: dict[str, Any]) -> float:
    """JSON and buffers."""
    parts = message.get("sound", {}).get("parts", [])
    n_bytes = len(json.dumps(message, default=lambda _: "")) + sum(len(p["columns"]) for p in parts)
    return n_bytes / 1000


def in_kernel(session: Session) -> tuple[Inspector, dict[str, float]]:
    """Figures of the kernel's side."""
    figures = {}
    figures["kernel: first look, ms"], view = ms(lambda: Inspector(session))
    figures["kernel: state of a page, ms"], state = ms(lambda: view.get_state()["state"])
    figures["state, KB"] = size_kb(state)
    figures["of that annotations, KB"] = len(json.dumps(state["annotations"])) / 1000
    sent: list[Any] = []
    view.send = lambda content, buffers=None: sent.append((content, buffers))
    times, deltas = [], []
    for n in range(20):
        edit = {"do": "toggle", "key": f"1.{2 * n + 1}", "label": "answer", "there": {}}
        content = {"kind": "annotate", "to": "me", "number": n, "edit": edit}
        took_ms, _ = ms(lambda content=content: view._handle_custom_msg(content, []))
        times.append(took_ms)
        deltas.append(view.delta)
        assert "error" not in sent[-1][0], sent[-1][0]
    figures["kernel: a label, ms"] = statistics.median(times)
    figures["a label: down, KB"] = max(map(size_kb, deltas)) + size_kb(sent[-1][0])
    figures["a label: up, KB"] = size_kb(content)
    sound = {"kind": "sound", "to": "me", "start_s": 5000, "end_s": 5004}
    figures["kernel: 4 s of sound, ms"], _ = ms(lambda: view._handle_custom_msg(sound, []))
    figures["4 s of sound, KB"] = len(sent[-1][1][0]) / 1000
    figures["kernel: nothing new, ms"], _ = ms(view.refresh)
    return view, figures


def in_browser(browser: Browser, view: Inspector) -> dict[str, float]:
    """Figures of the page's side."""
    figures = {}
    with front_page(browser, view, width=1300, height=1100) as shown:
        shown.page.reload()
        shown.page.wait_for_function("() => window.ready")
        state = coded(view.get_state()["state"])
        shown.asked.clear()
        figures["browser: opened and drawn, ms"] = shown.page.evaluate(OPEN, state)
        shown.settle()
        figures["asked for at first, messages"] = len(shown.asked)
        for name, selector in (
            ("transcript", ".nbs-spoken > .nbs-scroll"),
            ("table", ".nbs-table > .nbs-scroll"),
        ):
            frames, spent = shown.page.evaluate(SCROLL, selector)
            figures[f"browser: scrolling the {name}, ms a frame"] = statistics.median(frames)
            figures[f"browser: scrolling the {name}, ms a frame, p95"] = percentile(frames, 95)
            figures[f"browser: scrolling the {name}, ms of scripts a frame, p95"] = percentile(
                spent, 95
            )
        figures["browser: step to the next turn, ms of scripts"] = step_ms(shown)
        shown.page.keyboard.press("Shift+ArrowRight")
        shown.settle()
        shown.page.keyboard.press("Space")
        shown.page.keyboard.press("Space")
        spent = shown.page.evaluate(PLAY)
        figures["browser: playing, ms of scripts a frame"] = statistics.median(spent)
        figures["browser: playing, frames a second"] = len(spent) / 2 / 2  # player and views
        heard = [one for one in shown.asked if one["kind"] == "sound"]
        figures["playing 4 s: sound asked for, s"] = sum(
            one["end_s"] - one["start_s"] for one in heard
        )
    return figures


def step_ms(shown: FrontPage) -> float:
    """What runs where a key goes on to the next turn."""
    times = []
    shown.page.locator(".nbs-play").focus()
    for _ in range(10):
        shown.page.evaluate("() => { spent_ms.length = 0; }")
        shown.page.keyboard.press("ArrowRight")
        shown.settle()
        times.append(shown.page.evaluate("() => spent_ms.reduce((a, b) => a + b, 0)"))
    return statistics.median(times)


def percentile(values: list[float], n: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * n // 100)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=3.0)
    hours = parser.parse_args().hours
    n_turns = round(3600 * hours / TURN_S)
    with tempfile.TemporaryDirectory() as parent, chromium() as browser:
        folder = Path(parent) / "talk"
        generate(folder, n_turns, 10 * n_turns)
        session = nb.open(folder)
        session.labels = ["question", "answer"]
        every_other = range(0, n_turns, 2)
        session.annotate(pd.DataFrame({"turn": every_other, "label": "question"}))
        view, figures = in_kernel(session)
        figures |= in_browser(browser, view)
    print(f"| {hours:g} h, {n_turns} turns | |\n|---|--:|")
    for name, value in figures.items():
        print(f"| {name} | {value:.0f} |" if value >= 100 else f"| {name} | {value:.2f} |")


if __name__ == "__main__":
    main()
