"""How whole a page's sound is on a busy machine: read from the track, and rendered in a worklet.

    python scripts/measure_reading.py [--seconds S] [--busy N] [--runs K]

A headless Chromium whose microphone plays speech records it both ways at the same time, while N
other programs compute. Prints how each correlates with what was said, run by run.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nbstream import front  # noqa: E402
from tests.page_microphone import (  # noqa: E402
    correlation,
    listening_chromium,
    said,
    write_speech,
)

WAYS = {"read from the track": False, "rendered in a worklet": True}
RECORD = """async (worklet) => {
  const { openSound } = await import("/devices.js");
  const wish = { device: "", n_channels: 1, worklet, tab: false, begun: false };
  const nothing = () => {};
  const chunks = [];
  const begun = new Promise((done) => {
    openSound(wish, {
      told: (state) => { if (state === "recording") done(); },
      heard: (pcm) => chunks.push(...new Int16Array(pcm)),
      ended: nothing, allowed: nothing, ask: nothing, withdraw: nothing,
    });
  });
  await begun;
  (window.recorded ??= []).push(chunks);
}"""
TELL = """() => recorded.map((samples) => {
  const bytes = new Uint8Array(Int16Array.from(samples).buffer);
  return bytes.reduce((text, byte) => text + String.fromCharCode(byte), "");
})"""


class Modules(http.server.SimpleHTTPRequestHandler):
    """The modules of the front end, as they are."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript"
    }

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The address of a page that can import them."""
    handler = functools.partial(Modules, directory=str(front.FOLDER))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}/package.json"
        web.shutdown()


@contextlib.contextmanager
def busy(n: int) -> Iterator[None]:
    """So many programs compute meanwhile."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def run(seconds: float, n_busy: int) -> list[float]:
    """What each way's sound correlates with what was said."""
    with tempfile.TemporaryDirectory() as scratch, served() as url:
        speech = write_speech(Path(scratch) / "speech.wav", seconds)
        with listening_chromium(speech) as browser:
            page = browser.new_page()
            page.goto(url)
            for in_worklet in WAYS.values():
                page.evaluate(RECORD, in_worklet)
            with busy(n_busy):
                page.wait_for_timeout((seconds + 2) * 1000)
            recorded = page.evaluate(TELL)
    sounds = [np.frombuffer(text.encode("latin-1"), np.int16) for text in recorded]
    return [correlation(samples, said(seconds)) for samples in sounds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--busy", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    runs = [run(options.seconds, options.busy) for _ in range(options.runs)]
    for way, found in zip(WAYS, zip(*runs, strict=True), strict=True):
        print(f"{way}: " + ", ".join(f"{same:.7f}" for same in found))


if __name__ == "__main__":
    main()
