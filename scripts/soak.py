"""Record for an hour with a fault every half minute; nothing may be lost and nothing may grow.

    python scripts/soak.py [--minutes M] [--speed X] [--write] [--json]
    python scripts/soak.py --starts N [--write]

The packaged sample, over and over, goes through the real engine to the local recogniser in another
process. Each connection that gets through suffers a fault when 30 s of its audio are recognised;
`FAULTS` are taken in turn. In the end

* the recording is compared with the source, bit for bit;
* the words are compared with an undisturbed recording of three repeats: the first, the last, and
  the middle one for all between;
* the resident memory of the recording process, sampled once a second, is compared between the
  first and the last quarter of the time after the first minute.

``--starts`` starts and stops N recordings in this process, then 50 at once, and counts what is
left: threads, descriptors, temporary files.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jiwer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import nbstream as nb  # noqa: E402
from scripts.kills import SAMPLE, local_server, write_section  # noqa: E402

EVERY_S = 30
WARM_UP_S = 60.0
FAULTS: tuple[tuple[str, ...], ...] = (
    (f"tcp_drop_after_s:{EVERY_S}",),
    (f"close_1000_after_s:{EVERY_S}",),
    (f"error_after_s:{EVERY_S}", "error_code:3005"),
    ("http_status:503",),
    (f"error_after_s:{EVERY_S}", "error_code:3008", "error_text:Session Expired"),
    ("close_1011_at_open",),
    (f"freeze_after_s:{EVERY_S}",),
)


class Trouble(nb.AssemblyAI):
    """The local recogniser, each connection with the next fault."""

    def __init__(self, url: str, *, is_calm: bool) -> None:
        super().__init__("moonshine-tiny-en", endpoint=url, api_key="local")
        self._faults = itertools.cycle([()] if is_calm else FAULTS)
        self._lock = threading.Lock()

    def url(self) -> str:
        """Address of the next connection."""
        with self._lock:
            faults = next(self._faults)
        return super().url() + "".join(f"&_fault={quote(fault)}" for fault in faults)


def record(url: str, file: str, folder: str, speed: float, is_calm: bool) -> None:
    """Be the recording process; prints what it found as its last line."""
    service = Trouble(url, is_calm=is_calm)
    session = nb.record(nb.AudioFile(file, speed), service, folder=folder)
    problem = ""
    try:
        session.wait()
    except nb.NbstreamError as error:
        problem = str(error)
    turns = session.turns
    found = {
        "folder": str(session.folder),
        "state": session.state,
        "problem": problem,
        "turns": [
            [row.start_s, row.transcript] for row in turns[turns.is_final].itertuples(index=False)
        ],
        "partials": int((~turns.is_final).sum()),
        "gaps_s": float((session.gaps.end_s - session.gaps.start_s).sum()),
        "connections": len(session.connections),
        "broken": int((~session.connections.is_clean).sum()),
        "events": len(session.events),
    }
    print(json.dumps(found), flush=True)


def run(url: str, file: Path, folder: Path, speed: float, *, is_calm: bool) -> dict[str, Any]:
    """Record `file` in a process of its own and watch its memory."""
    arguments = [url, str(file), str(folder), str(speed), "calm" if is_calm else ""]
    began_s = time.monotonic()
    memory: list[tuple[float, float]] = []
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__, "--child", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        while process.poll() is None:
            memory.append((time.monotonic() - began_s, resident_mb(process.pid)))
            try:
                process.wait(1.0)
            except subprocess.TimeoutExpired:
                continue
        found: dict[str, Any] = json.loads(process.stdout.read().splitlines()[-1])
    found["took_s"] = time.monotonic() - began_s
    found["memory"] = memory[:-1]  # In the last one it may already be gone.
    return found


def resident_mb(pid: int) -> float:
    """Resident memory of a process, MB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0.0


def repeat(path: Path, n_repeats: int) -> float:
    """Write the sample so many times into one file; gives the length of one, s."""
    with wave.open(str(SAMPLE)) as sample:
        parameters, pcm = sample.getparams(), sample.readframes(sample.getnframes())
    with wave.open(str(path), "wb") as file:
        file.setparams(parameters)
        for _ in range(n_repeats):
            file.writeframesraw(pcm)
    return len(pcm) / 32_000


def words_of(turns: list[list[Any]], start_s: float = 0.0, end_s: float = float("inf")) -> str:
    """Words of the turns that start in a span, lower case, without punctuation."""
    text = " ".join(text for at_s, text in turns if start_s <= at_s < end_s)
    return " ".join(re.sub(r"[^\w\s']", " ", text.lower()).split())


def same_audio(file: Path, folder: str) -> bool:
    """Whether the recording equals its source, bit for bit."""
    with open(file, "rb") as source, open(Path(folder, "audio.wav"), "rb") as recorded:
        source.seek(44), recorded.seek(44)
        while True:
            one, other = source.read(1 << 20), recorded.read(1 << 20)
            if one != other:
                return False
            if not one:
                return True


def soak(minutes: float, speed: float) -> dict[str, Any]:
    """Record calmly and with faults, and compare."""
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary, local_server() as url:
        short, long = Path(temporary, "short.wav"), Path(temporary, "long.wav")
        loop_s = repeat(short, 3)
        n_repeats = max(3, round(minutes * 60 / loop_s))
        repeat(long, n_repeats)
        calm = run(url, short, Path(temporary, "calm"), speed, is_calm=True)
        loops = [words_of(calm["turns"], n * loop_s, (n + 1) * loop_s) for n in range(3)]
        expected = " ".join([loops[0], *[loops[1]] * (n_repeats - 2), loops[2]])
        found = run(url, long, Path(temporary, "long"), speed, is_calm=False)
        difference = jiwer.process_words(expected, words_of(found["turns"]))
        is_exact = same_audio(long, found["folder"])
    steady = [mb for at_s, mb in found["memory"] if at_s >= min(WARM_UP_S, found["took_s"] / 4)]
    quarter = max(1, len(steady) // 4)
    first, last = statistics.median(steady[:quarter]), statistics.median(steady[-quarter:])
    return {
        "date": date.today().isoformat(),
        "audio_min": round(n_repeats * loop_s / 60, 1),
        "took_min": round(found["took_s"] / 60, 1),
        "speed": speed,
        "state": found["state"],
        "problem": found["problem"],
        "connections": found["connections"],
        "broken": found["broken"],
        "events": found["events"],
        "audio_exact": is_exact,
        "words": len(expected.split()),
        "words_lost": difference.deletions,
        "words_doubled": difference.insertions,
        "words_other": difference.substitutions,
        "gaps_s": round(found["gaps_s"], 2),
        "partials_left": found["partials"],
        "memory_first_mb": round(first, 1),
        "memory_last_mb": round(last, 1),
        "changes": list(changes(difference)),
    }


def changes(difference: jiwer.WordOutput) -> Iterator[str]:
    """Where the words differ, with two words around."""
    expected, heard = difference.references[0], difference.hypotheses[0]
    for part in difference.alignments[0]:
        if part.type != "equal":
            around = slice(max(0, part.ref_start_idx - 2), part.ref_end_idx + 2)
            said = heard[max(0, part.hyp_start_idx - 2) : part.hyp_end_idx + 2]
            yield f"{part.type}: {' '.join(expected[around])} -> {' '.join(said)}"


def table(found: dict[str, Any]) -> str:
    """The summary as a Markdown table."""
    grown = found["memory_last_mb"] - found["memory_first_mb"]
    rows = {
        "audio": f"{found['audio_min']} min in {found['took_min']} min, speed {found['speed']:g} "
        f"({found['date']})",
        "connections": f"{found['connections']}, of which {found['broken']} were broken",
        "ended": found["state"] + (f": {found['problem']}" if found["problem"] else ""),
        "audio against the source": "equal, bit for bit" if found["audio_exact"] else "different",
        "words": found["words"],
        "words lost": found["words_lost"],
        "words doubled or added": found["words_doubled"],
        "words heard otherwise": found["words_other"],
        "audio not transcribed": f"{found['gaps_s']} s",
        "memory, first and last quarter": f"{found['memory_first_mb']} MB, "
        f"{found['memory_last_mb']} MB ({grown:+.1f} MB)",
        "events kept": found["events"],
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())])


def starts(n_starts: int) -> dict[str, Any]:
    """Start and stop many recordings in this process."""
    from tests.test_stress import N_AT_ONCE, at_once, starts_and_stops

    with tempfile.TemporaryDirectory(prefix="starts-") as temporary:
        began_s = time.monotonic()
        one_by_one = starts_and_stops(n_starts, Path(temporary, "one"))
        took_s = time.monotonic() - began_s
        together = at_once(N_AT_ONCE, Path(temporary, "many"))
    return {
        "one after the other": f"{n_starts} in {took_s:.0f} s ({date.today().isoformat()})",
        "left by them": left(one_by_one),
        "at once": N_AT_ONCE,
        "left by those": left(together),
    }


def left(found: dict[str, list[str]]) -> str:
    return ", ".join(f"{len(items)} {name}" for name, items in found.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--speed", type=float, default=5)
    parser.add_argument("--starts", type=int)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the result into the docs")
    options = parser.parse_args()
    if options.starts:
        rows = starts(options.starts)
        text = "\n".join(["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())])
        print(text)
        if options.write:
            write_section("starts", text)
        return 0
    found = soak(options.minutes, options.speed)
    print(json.dumps(found) if options.json else table(found))
    print(*found["changes"], sep="\n", file=sys.stderr)
    if options.write:
        write_section("soak", table(found))
    lost = found["words_lost"] or found["words_doubled"] or found["gaps_s"]
    return 0 if found["audio_exact"] and found["state"] == "stopped" and not lost else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        url, file, folder, speed, is_calm = sys.argv[2:]
        record(url, file, folder, float(speed), bool(is_calm))
    else:
        sys.exit(main())
