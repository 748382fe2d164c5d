"""Kill recordings at random instants and count what is missing from their folders.

    python scripts/kills.py [N] [--seed S] [--jobs J] [--write] [--json]

Each recording runs in a process of its own: the real engine, the packaged speech at a random
speed, the local recogniser in another process; on every third the network breaks every six
seconds of audio. SIGKILL comes at a random instant: while the folder is made, while it connects,
in the middle, while it drains, or at the end. A log outside the folder tells what the process knew:
how many frames its source had handed over, and each message that it had taken from its socket.

* audio lost: frames that the source had handed over and the folder does not hold. What it holds
  must be the beginning of the source, bit for bit.
* events lost: messages that the process had put on disk, by its own word, and that can't be read.
  On disk they are, connection by connection, in their order without a hole, or the very last was
  being written.
* after ``nbstream recover`` the stdlib's ``wave`` and libsndfile read the same frames, and a
  second run finds nothing to mend.
* the same folder once more, with its files cut at a random byte as a power cut would: what was
  torn is reported, and only that is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import soundfile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import nbstream as nb  # noqa: E402
from nbstream import cli, store  # noqa: E402
from nbstream import connection as connections  # noqa: E402
from nbstream import events as ev  # noqa: E402
from nbstream.audio import CHUNK_FRAMES, Chunk  # noqa: E402
from nbstream.store import Folder  # noqa: E402
from scripts.make_docs import write_part  # noqa: E402

SAMPLE = ROOT / "nbstream" / "samples" / "sample.wav"
DOC = ROOT / "docs" / "endurance.md"
_stdout = threading.Lock()  # is the process's, and recordings are mended side by side


@dataclass
class Outcome:
    """What one killed recording left."""

    phase: str
    state: str = "nothing recorded"
    captured: int = 0  # frames that the source had handed over
    lost_frames: int = 0
    received: int = 0  # messages taken from the socket
    lost_events: int = 0
    in_flight: int = 0  # taken from the socket, not yet on disk
    torn: int = 0
    connections: int = 0
    wrong: list[str] = field(default_factory=list)


# -- the process that is killed --------------------------------------------------------------------


def record(url: str, fault: str, folder: str, log_path: str, speed: float, seconds: float) -> None:
    """Record until killed; the log gets a line before and after each step that may be lost."""
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(what: str, value: Any = None) -> None:
        os.write(log, (json.dumps([what, value]) + "\n").encode())

    class Told(nb.AudioFile):
        def chunks(self, stop: Any) -> Iterator[Chunk]:
            n_frames = 0
            for chunk in super().chunks(stop):
                n_frames += chunk.n_frames
                say("captured", n_frames)
                yield chunk

    receive, append = connections.Connection.receive, Folder.append_event

    def told_receive(self: Any, on_pong: Any) -> str:
        text = receive(self, on_pong)
        say("received", [id(self), text])
        return text

    def told_append(self: Any, event: Any, at_s: float, connection: int | None = None) -> None:
        append(self, event, at_s, connection)
        if isinstance(event, ev.ServerEvent):
            say("kept", event.raw)

    connections.Connection.receive, Folder.append_event = told_receive, told_append  # type: ignore[method-assign, assignment]
    service = nb.AssemblyAI(
        endpoint=url, api_key="local", extra={"_fault": fault} if fault else None
    )
    say("start")
    session = nb.record(Told(SAMPLE, speed), service, folder=folder, seconds=seconds)
    session.wait()
    say("ended")


# -- the one that kills ----------------------------------------------------------------------------


def kill_one(number: int, seed: int, url: str) -> Outcome:
    """Start a recording, kill it at an instant that `seed` and `number` decide, and look."""
    rng = random.Random(f"{seed}/{number}")
    seconds, speed = rng.uniform(2, 20), rng.choice([2, 4, 4, 4, 8])
    # One in six right at the start, where the folder is being made.
    delay_s = rng.uniform(0, 0.04) if number % 6 == 0 else rng.uniform(0, seconds / speed + 1.5)
    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        folder, log = Path(temporary, "recordings"), Path(temporary, "log")
        fault = "tcp_drop_after_s:6" if number % 3 == 1 else ""
        arguments = [url, fault, str(folder), str(log), str(speed), str(seconds)]
        process = subprocess.Popen(
            [sys.executable, __file__, "--child", *arguments],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout
        assert process.stdin
        process.stdout.readline()  # All is imported, nothing has begun.
        process.stdin.write(b"go\n")
        process.stdin.flush()
        select.select([process.stdout], [], [], delay_s)  # Nothing comes unless it has ended.
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stdin.close()
        return look_at(folder, log, rng)


def look_at(parent: Path, log: Path, rng: random.Random) -> Outcome:
    """Compare what a killed recording left with what it knew."""
    said = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    last = [what for what, _ in said]
    phase = "ended" if "ended" in last else "recording" if "kept" in last else "starting"
    outcome = Outcome(phase)
    outcome.captured = max((value for what, value in said if what == "captured"), default=0)
    received = [value for what, value in said if what == "received"]
    kept = [value for what, value in said if what == "kept"]
    outcome.received = len(received)
    paths = list(store.sessions(parent)) if parent.exists() else []
    if not paths:
        outcome.lost_frames, outcome.lost_events = outcome.captured, len(kept)
        return outcome
    (path,) = paths
    session = nb.open(path)
    pcm = session.audio().tobytes()
    raw = messages(path)
    outcome.state = session.state
    outcome.lost_frames = max(0, outcome.captured - len(pcm) // 2)
    outcome.connections = len(session.connections)
    on_disk = [text for texts in raw.values() for text in texts]
    outcome.lost_events = (Counter(kept) - Counter(on_disk)).total()
    outcome.in_flight = len(received) - len(on_disk)
    outcome.torn = session.damage.torn_events + bool(session.damage.torn_bytes)
    check = outcome.wrong.append
    if session.state == "failed":
        check("it failed by itself: " + str(session.gaps.cause.iloc[-1:].to_list()))
    source = SAMPLE.read_bytes()[44:]
    if not source.startswith(pcm):
        check("audio differs from the source")
    came: dict[int, list[str]] = {}
    for socket, text in received:
        came.setdefault(socket, []).append(text)
    # A later connection may have taken nothing yet.
    if any(
        texts != taken[: len(texts)]
        for texts, taken in zip(raw.values(), came.values(), strict=False)
    ):
        check("messages differ from those that came")
    if outcome.in_flight > 1:
        check(f"{outcome.in_flight} messages were taken and are not on disk")
    tables = [session.turns, session.words, session.events, session.chunks, session.connections]
    if not all(len(table.columns) for table in tables):
        check("a table can't be made")
    tear(path, rng, check)
    for problem in mend(path, pcm, raw):
        check(problem)
    return outcome


def messages(path: Path) -> dict[int | None, list[str]]:
    """What the service said, by connection, in the order of the folder."""
    found: dict[int | None, list[str]] = {}
    for entry in Folder.open_(path).entries:
        if isinstance(entry.event, ev.ServerEvent):
            found.setdefault(entry.connection, []).append(entry.event.raw)
    return found


def mend(path: Path, pcm: bytes, raw: dict[int | None, list[str]]) -> Iterator[str]:
    """Run ``nbstream recover`` and say what is wrong afterwards."""
    out = io.StringIO()
    with _stdout, contextlib.redirect_stdout(out):
        status = cli.main(["recover", str(path), "--json"])
    if status:
        yield f"recover ended with {status}"
    with wave.open(str(path / "audio.wav")) as file:
        if (file.getframerate(), file.readframes(file.getnframes())) != (16_000, pcm):
            yield "wave reads something else"
    if soundfile.read(path / "audio.wav", dtype="int16")[0].tobytes() != pcm:
        yield "libsndfile reads something else"
    again = nb.open(path)
    if again.damage or again.state not in ("stopped", "failed", "recovered"):
        yield f"after recover it is {again.state}, with {again.damage}"
    if messages(path) != raw:
        yield "recover changed the events"
    if store.recover(path):
        yield "a second recover found something to mend"


def tear(path: Path, rng: random.Random, check: Any) -> None:
    """Cut the last event and the last sample of a copy, and see that it is reported."""
    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        torn = Path(shutil.copytree(path, Path(temporary, "torn")))
        store.recover(torn)
        whole = Folder.open_(torn)
        events = torn / "events.jsonl"
        lines = events.read_bytes().splitlines(keepends=True)
        n_events = len(lines)
        if lines:
            events.write_bytes(b"".join(lines)[: -rng.randrange(1, len(lines[-1]))])
        if whole.n_frames:
            os.truncate(torn / "audio.wav", 44 + 2 * whole.n_frames - 1)
        again = Folder.open_(torn)
        expected = (int(bool(lines)), int(bool(whole.n_frames)))
        if (again.damage.torn_events, again.damage.torn_bytes) != expected:
            check(f"a torn tail gives {again.damage}, not {expected}")
        if len(again.entries) != max(0, n_events - 1):
            check("a torn tail hides more than itself")
        store.recover(torn)
        if Folder.open_(torn).damage:
            check("a torn tail is not mended")


@contextlib.contextmanager
def local_server() -> Iterator[str]:
    """The local recogniser in a process of its own; gives its address."""
    command = [sys.executable, "-m", "nbstream.local", "--port", "0", "--faults", "--with-parent"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdin
        try:
            yield process.stdout.readline().decode().split()[-1]
        finally:
            process.kill()  # A connection that a fault froze would keep it from ending by itself.


def write_section(name: str, text: str) -> None:
    """Replace the generated part `name` of the page."""
    write_part(DOC, name, text)


def summary(outcomes: list[Outcome], seed: int) -> dict[str, Any]:
    """Add it all up."""
    return {
        "kills": len(outcomes),
        "seed": seed,
        "date": date.today().isoformat(),
        "phases": dict(Counter(o.phase for o in outcomes)),
        "states": dict(Counter(o.state for o in outcomes)),
        "captured_s": round(sum(o.captured for o in outcomes) / 16_000, 1),
        "most_frames_lost": max(o.lost_frames for o in outcomes),
        "with_a_chunk_in_flight": sum(o.lost_frames > 0 for o in outcomes),
        "events_received": sum(o.received for o in outcomes),
        "events_lost": sum(o.lost_events for o in outcomes),
        "events_in_flight": sum(max(0, o.in_flight) for o in outcomes),
        "connections": sum(o.connections for o in outcomes),
        "torn_by_the_kill": sum(o.torn > 0 for o in outcomes),
        "wrong": sorted({text for o in outcomes for text in o.wrong}),
    }


def table(found: dict[str, Any]) -> str:
    """The summary as a Markdown table."""
    phases = ", ".join(f"{n} {phase}" for phase, n in sorted(found["phases"].items()))
    rows = {
        "recordings killed": f"{found['kills']} (seed {found['seed']}, {found['date']}): {phases}",
        "audio captured": f"{found['captured_s']} s",
        "most audio lost by one kill": f"{found['most_frames_lost']} frames (a chunk has 800)",
        "kills that lost a chunk": found["with_a_chunk_in_flight"],
        "connections": found["connections"],
        "messages received": found["events_received"],
        "messages that were on disk and are lost": found["events_lost"],
        "messages taken from the socket, not yet on disk": found["events_in_flight"],
        "files torn by the kill itself": found["torn_by_the_kill"],
        "anything else wrong": "; ".join(found["wrong"]) or "nothing",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("n", nargs="?", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the summary into the docs")
    options = parser.parse_args()
    with local_server() as url, ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(
            pool.map(lambda number: kill_one(number, options.seed, url), range(options.n))
        )
    found = summary(outcomes, options.seed)
    for number, outcome in enumerate(outcomes):
        if outcome.wrong or outcome.lost_events or outcome.lost_frames > CHUNK_FRAMES:
            print(number, asdict(outcome), file=sys.stderr)
    print(json.dumps(found) if options.json else table(found))
    if options.write:
        write_section("kills", table(found))
    is_good = not found["wrong"] and not found["events_lost"]
    return 0 if is_good and found["most_frames_lost"] <= CHUNK_FRAMES else 1


def child() -> None:
    """Be the process that is killed."""
    import nbstream.engine  # noqa: F401

    url, fault, folder, log, speed, seconds = sys.argv[2:]
    print("ready", flush=True)
    sys.stdin.readline()
    record(url, fault, folder, log, float(speed), float(seconds))
    print("ended", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    child() if sys.argv[1:2] == ["--child"] else sys.exit(main())
