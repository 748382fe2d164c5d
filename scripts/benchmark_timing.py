"""Time `Session.timing` on a three-hour session, beside plain pandas that says the same.

    python scripts/benchmark_timing.py [--turns N] [--events N] [--write]

The session is generated: a folder with turns of some fifteen words, each of which grew by many
partials, half of them said by either of two channels. Both ways must agree before they are timed.
Absolute times are those of this machine; the ratio holds elsewhere.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import nbstream as nb  # noqa: E402
from nbstream import audio, tables  # noqa: E402
from scripts.make_docs import TIMING, write_part  # noqa: E402

RATE_HZ = 16_000
SENTENCE = "so well then we could take the early train from platform nine if it is not late"
VOCABULARY = SENTENCE.split()


def generate(folder: Path, n_turns: int, n_events: int, seed: int = 0) -> None:
    """Write a session folder with so many turns and events; its audio is silence, as a hole."""
    rng = random.Random(seed)
    folder.mkdir(parents=True)
    duration_s = 3.6 * n_turns
    n_frames = round(duration_s * RATE_HZ)
    meta = {"format": 1, "name": "", "sample_rate_hz": RATE_HZ, "channels": 2}
    meta |= {"speakers": ["left", "right"], "state": "stopped"}
    meta |= {"service": {"name": "assemblyai", "model": "u3-rt-pro", "options": {}}}
    (folder / "session.json").write_text(json.dumps(meta), "utf-8")
    with open(folder / "audio.wav", "wb") as file:
        file.write(audio.wav_header(n_frames, RATE_HZ, 2))
        file.truncate(audio.WAV_HEADER_BYTES + 4 * n_frames)
    frames = np.arange(0, n_frames - 800, 800)
    captured = np.zeros(len(frames), tables.CHUNK_RECORD)
    captured["frame"], captured["n_frames"], captured["connection"] = frames, 800, -1
    captured["at_s"] = 1 + (frames + 800) / RATE_HZ
    sent = [captured.copy(), captured.copy()]
    for channel, records in enumerate(sent):
        records["connection"] = channel
        records["at_s"] += 0.02
    records = np.concatenate([captured, *sent])
    records[np.argsort(records["at_s"], kind="stable")].tofile(folder / "chunks.bin")
    with open(folder / "events.jsonl", "w", encoding="utf-8") as file:
        for channel in (0, 1):
            line = {"type": "Connected", "at_s": 1.0, "connection": channel, "start_frame": 0}
            line |= {"endpoint": "ws://x", "channel": channel}
            file.write(json.dumps(line) + "\n")
        for turn in range(n_turns):
            _write_turn(file, rng, turn, n_events // n_turns)


def _write_turn(file, rng: random.Random, turn: int, n_messages: int) -> None:
    channel, start_ms = turn % 2, 3600 * turn + rng.randrange(800)
    words, at_ms = [], start_ms
    for _ in range(rng.randrange(8, 22)):
        at_ms += rng.choice((0, 0, 0, 250))
        end_ms = at_ms + rng.randrange(80, 200)
        words.append({"text": rng.choice(VOCABULARY), "start": at_ms, "end": end_ms})
        at_ms = end_ms
    for number in range(n_messages):
        is_final = number == n_messages - 1
        shown = words[: max(1, round(len(words) * (number + 1) / n_messages))]
        if not is_final and rng.random() < 0.1:
            shown = [*shown[:-1], shown[-1] | {"text": "uh"}]
        message = {
            "type": "Turn",
            "turn_order": turn // 2,
            "turn_is_formatted": is_final,
            "end_of_turn": is_final,
            "transcript": " ".join(word["text"] for word in shown),
            "end_of_turn_confidence": float(is_final),
            "words": [w | {"confidence": 0.9, "word_is_final": is_final} for w in shown],
        }
        share = (number + 1) / n_messages
        arrived_s = 1 + (start_ms + share * (words[-1]["end"] - start_ms) + 500) / 1000
        line = {"type": "Turn", "at_s": arrived_s, "connection": channel}
        file.write(json.dumps(line | {"raw": json.dumps(message)}) + "\n")


def in_plain_pandas(session: nb.Session) -> pd.DataFrame:
    """Some of the same figures, as one would write them over the tables, turn by turn."""
    turns, words, chunks = session.turns, session.words, session.chunks
    rows = []
    for _, turn in turns.iterrows():
        same = (words["connection"] == turn.connection) & (words["turn_order"] == turn.turn_order)
        mine = words[same]
        silence_ms = 1000 * (mine["start_s"] - mine["end_s"].shift())
        pause_ms = silence_ms[silence_ms >= 200 - 1e-6].sum()
        frame = turn.end_s * RATE_HZ
        chunk = chunks[chunks["frame"] + chunks["n_frames"] >= frame].iloc[0]
        ended_s = chunk.captured_s - (chunk.frame + chunk.n_frames - frame) / RATE_HZ
        before = turns[
            (turns["speaker"] != turn.speaker) & (turns["start_s"] <= turn.start_s - 0.2)
        ]
        near = before[before["end_s"] >= turn.start_s - 10]
        rows.append(
            {
                "duration_ms": 1000 * (turn.end_s - turn.start_s),
                "pause_ms": pause_ms,
                "speech_rate_wpm": 60 * turn.n_words / (turn.end_s - turn.start_s),
                "eot_latency_ms": 1000 * (turn.arrived_s - ended_s),
                "last_other_ends_s": near["end_s"].max(),
            }
        )
    return pd.DataFrame(rows)


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        began_s = time.perf_counter()
        function()
        times.append(time.perf_counter() - began_s)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--write", action="store_true", help="into docs/timing.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        generate(Path(parent) / "long", asked.turns, asked.events)
        session = nb.open(Path(parent) / "long")
        took = {
            "first look: all events read and folded": seconds(session.fold_rows, 1),
            "`session.timing()`": seconds(session.timing, 7),
            "`session.word_timing()`": seconds(session.word_timing, 5),
            "`nb.timing.summary(session)`": seconds(lambda: nb.timing.summary(session), 3),
        }
        naive: list[pd.DataFrame] = []
        took["plain pandas, turn by turn, five of the 24 figures"] = seconds(
            lambda: naive.append(in_plain_pandas(session)), 1
        )
        ours = session.timing()
        for name in ("duration_ms", "pause_ms", "speech_rate_wpm", "eot_latency_ms"):
            np.testing.assert_allclose(ours[name], naive[0][name], rtol=1e-6, atol=1e-3)
    fast = took["`session.timing()`"]
    lines = [
        f"{len(ours)} turns, {asked.events} events, {3.6 * asked.turns / 3600:.1f} h of audio.",
        "",
        "| step | time | ratio to `timing()` |",
        "|---|---|---|",
        *(f"| {name} | {1000 * s:.0f} ms | {s / fast:.1f} |" for name, s in took.items()),
    ]
    print("\n".join(lines))
    if asked.write:
        write_part(TIMING, "benchmark", "\n".join(lines))


if __name__ == "__main__":
    main()
