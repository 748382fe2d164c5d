"""What a page captures, as a test hears it: each chunk when the page sends it for the first time.

    page.evaluate(f"() => {{ ({WATCH})(note) }}")   # calls note(number, began_s)


The number stands for a chunk's samples; `recorded` has the same for what is on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.page_microphone import events, sounds

CHUNK_FRAMES = 800
WATCH = """(note) => {
  const since_ms = performance.timeOrigin + performance.now();
  const { send } = WebSocket.prototype;
  const weigh = (sum, x, i) => sum + x * (1 + i % 7);
  let next = 0;
  WebSocket.prototype.send = function (data) {
    const isOurs = !this.url.includes("/api/");
    if (isOurs && data instanceof Uint8Array) {
      const view = new DataView(data.buffer, data.byteOffset);
      const [seq, end_ms] = [view.getUint32(0, true), view.getFloat64(8, true)];
      if (seq >= next) {
        const samples = new Int16Array(data.slice(16).buffer);
        const began_s = (end_ms - samples.length / 16) / 1000;
        note(samples.reduce(weigh, 0), began_s, seq, end_ms > since_ms);
      }
      next = Math.max(next, seq + 1);
    }
    if (!(isOurs && window.testSwallows)) send.call(this, data);
  };
}"""
# Each life of the page: those numbers, when the first chunk had begun and when the page went, on
# the clock that goes on over it.
LIVES = f"""
    const life = {{ began_s: null, went_s: null, chunks: [] }};
    const lives = () => JSON.parse(localStorage.getItem("test-lives") ?? "[]");
    addEventListener("pagehide", () => {{
      life.went_s = (performance.timeOrigin + performance.now()) / 1000;
      if (!life.chunks.length) return;
      localStorage.setItem("test-lives", JSON.stringify([...lives(), life]));
    }});
    window.testLives = () => [...lives(), life];
    ({WATCH})((number, began_s, seq, isHere) => {{
      if (isHere) {{
        life.began_s ??= began_s;
        life.chunks.push(number);
        return;
      }}
      // Firefox takes a page's line before the page goes: what it captured then, it never sent.
      const before = lives();
      if (!before.length || before.flatMap(({{ chunks }}) => chunks).length > seq) return;
      before.at(-1).chunks.push(number);
      localStorage.setItem("test-lives", JSON.stringify(before));
    }});
"""
# What is sent to the kernel comes nowhere from now on.
SWALLOW = "() => { window.testSwallows = true; }"


@dataclass(frozen=True)
class Life:
    """What one life of a page noted; see `LIVES`."""

    began_s: float
    went_s: float | None
    chunks: list[int]


def recorded(folder: Path) -> list[int]:
    """A number for each chunk that is on disk, as `WATCH` makes it."""
    audio = sounds(folder / "audio.wav").astype(np.int64)
    weights = 1 + np.arange(CHUNK_FRAMES) % 7
    cuts = range(0, len(audio), CHUNK_FRAMES)
    parts = [audio[cut : cut + CHUNK_FRAMES] for cut in cuts]
    return [int(part @ weights[: len(part)]) for part in parts]


def lost_s(folder: Path, n_chunks: int) -> float:
    """What an overflow says that stands there."""
    (found,) = [e for e in events(folder, "Overflow") if e["frame"] == n_chunks * CHUNK_FRAMES]
    seconds: float = found["lost_frames"] / 16_000
    return seconds
