"""What a recording through the browser's microphone costs, kernel and page, in CPU time.

    python scripts/benchmark_browser.py [--seconds S] [--only A,B] [--write]

JupyterLab and a headless Chromium whose microphone plays speech over and over; a service in this
process hears all of it and says a word each 0.3 s. Each figure is CPU time (user and system) while
recording, less that of the same page and kernel after it, as a share of one core. No
debugger is attached to the page meanwhile: it would be told of each message. A busy machine
disturbs CPU time less than wall time, but does: so each third is printed by itself, and how busy
the machine was with other things.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page, sync_playwright  # noqa: E402

from scripts.make_docs import write_part  # noqa: E402
from tests.browser import FLAGS, Lab, Notebook, chromium_path, lab, notebook_of  # noqa: E402
from tests.scripted import Peer, ScriptedServer, turn  # noqa: E402
from tests.virtual_mic import VirtualMic, virtual_mic  # noqa: E402

DOC = ROOT / "docs/browser-microphone.md"
SAMPLE = ROOT / "nbstream/samples/sample.wav"
IDLE_S = 15.0
SETTLE_S = 8.0
START_S = 60.0
WORD_S = 0.3
TURN_WORDS = 14
PARTS = ("kernel", "page", "audio", "gpu", "browser", "server")
HEADS = ("kernel", "page", "its audio", "its drawing", "its other", "Jupyter")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")

PIDS = "import os; import nbstream as nb; print('pids', os.getpid(), os.getppid())"
SERVICE = "nb.AssemblyAI(endpoint={url!r}, api_key='none')"
CASES = {
    "line": ('`nb.record("browser")`, no panel', "session = nb.record('browser', {service})"),
    "panel": (
        '`nb.Recorder("browser")`, panel in sight',
        "rec = nb.Recorder('browser', {service}, report=False)\nrec",
    ),
    "pyaudio": ('`nb.record("mic")`, PyAudio', "session = nb.record('mic', {service})"),
}
STOP = "(rec if 'rec' in globals() else session).stop()\nprint('has ended')"

_never = threading.Event()


@dataclass
class Cost:
    """CPU time of each part while it records, as shares of a core."""

    idle: dict[str, float]
    thirds: list[dict[str, float]]
    others: float  # cores that were busy with other things

    def of(self, part: str) -> float:
        """What recording adds."""
        return sum(third[part] for third in self.thirds) / len(self.thirds) - self.idle[part]


# -- what is measured ------------------------------------------------------------------------------


def cpu_s(pids: list[int]) -> float:
    """User and system time of processes, all threads; those that have ended count nothing."""
    spent = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent += (int(values[11]) + int(values[12])) * TICK_S
    return spent


def machine_s() -> float:
    """Time that all cores together were busy."""
    user, nice, system, _, _, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) * TICK_S


def parts_of(browser: int) -> dict[str, list[int]]:
    """Processes of a browser by what they do."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found: dict[str, list[int]] = {part: [] for part in PARTS}
    for pid in parents:
        above, at = set[int](), pid
        while at in parents and at not in above:
            above.add(at)
            at = parents[at]
        if browser not in above:
            continue
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_text()
            if "--type=renderer" in line:
                found["page"].append(pid)
            elif "audio.mojom" in line:
                found["audio"].append(pid)
            elif "--type=gpu-process" in line:
                found["gpu"].append(pid)
            else:
                found["browser"].append(pid)
    return found


def measured(pids: dict[str, list[int]], seconds: float) -> tuple[dict[str, float], float]:
    """Shares of a core over so many seconds; and how many cores others used."""
    before, busy_s, began_s = {p: cpu_s(pids[p]) for p in PARTS}, machine_s(), time.monotonic()
    _never.wait(seconds)
    took_s = time.monotonic() - began_s
    shares = {part: (cpu_s(pids[part]) - before[part]) / took_s for part in PARTS}
    return shares, (machine_s() - busy_s) / took_s - sum(shares.values())


# -- a notebook that records -----------------------------------------------------------------------


def speak(peer: Peer) -> None:
    """A service that hears everything and says a word each 0.3 s of it."""
    peer.begin()
    heard_s, said = 0.0, 0
    while peer.listen(seconds=heard_s + WORD_S):
        heard_s += WORD_S
        order, n = divmod(said, TURN_WORDS)
        start_ms = round(1000 * WORD_S * order * TURN_WORDS)
        text = " ".join(["word"] * (n + 1))
        peer.say(**turn(order, text, final=n == TURN_WORDS - 1, start_ms=start_ms))
        said += 1
    peer.finish()


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A browser by itself, and where a debugger may come and go."""
    profile = folder / "chromium"
    command = [
        *(chromium_path(), "--headless=new", *FLAGS),
        *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
        f"--use-file-for-fake-audio-capture={SAMPLE}",
        *("--remote-debugging-port=0", f"--user-data-dir={profile}", "--window-size=1300,900"),
        "about:blank",
    ]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            port = profile / "DevToolsActivePort"
            deadline_s = time.monotonic() + START_S
            while not (port.exists() and port.read_text().strip()):
                assert process.poll() is None, "Chromium has ended"
                assert time.monotonic() < deadline_s, "Chromium does not start"
                _never.wait(0.1)
            yield process, f"http://127.0.0.1:{port.read_text().split()[0]}"
        finally:
            process.terminate()


@contextlib.contextmanager
def debugged(address: str) -> Iterator[Page]:
    """The page, while somebody is looking."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(address)
        yield browser.contexts[0].pages[0]
        browser.close()  # it goes on by itself


def recorded_s(server: Lab) -> float:
    """Length of the newest recording."""
    folders = sorted((server.folder / "recordings").glob("*"))
    return (folders[-1] / "audio.wav").stat().st_size / 32_000 if folders else 0.0


def last_words(server: Lab) -> str:
    """The newest events of the newest recording that are not about what was said."""
    folder = sorted((server.folder / "recordings").glob("*"))[-1]
    lines = (folder / "events.jsonl").read_text().splitlines()
    return "\n".join(line[:300] for line in lines if '"Turn"' not in line)


def cost_of(name: str, server: Lab, service: ScriptedServer, seconds: float) -> Cost:
    """Open a notebook, record, stop; look while it records, and afterwards."""
    shutil.rmtree(server.folder / "recordings", ignore_errors=True)
    cell = CASES[name][1].format(service=SERVICE.format(url=service.url))
    cells = [PIDS, cell, STOP]
    (server.folder / f"{name}.ipynb").write_text(json.dumps(notebook_of(cells)))
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as parent,
        chromium(Path(parent)) as (browser, address),
    ):
        with debugged(address) as page:
            notebook = Notebook(page, f"{server.url}/doc/tree/{name}.ipynb")
            notebook.load()
            notebook.run(0)
            _, kernel, jupyter = notebook.output(0).inner_text().split()
            notebook.run(1)
            if "Recorder" in cell:
                page.get_by_role("button", name="Record", exact=True).click()
            deadline_s = time.monotonic() + START_S
            while recorded_s(server) < 1:
                assert time.monotonic() < deadline_s, "nothing is recorded"
                page.wait_for_timeout(100)
        _never.wait(SETTLE_S)
        before_s, began_s = recorded_s(server), time.monotonic()
        pids = parts_of(browser.pid) | {"kernel": [int(kernel)], "server": [int(jupyter)]}
        thirds, others = zip(*(measured(pids, seconds / 3) for _ in range(3)), strict=True)
        came_s, took_s = recorded_s(server) - before_s, time.monotonic() - began_s
        if abs(came_s - took_s) > 2:
            print(f"{name}: only {came_s:.1f} s came in {took_s:.1f} s", last_words(server))
        with debugged(address) as page:
            notebook = Notebook(page, page.url)
            notebook.run(2)
            notebook.output(2).get_by_text("has ended").wait_for()
        _never.wait(SETTLE_S)  # Not before: JupyterLab is busy for a while after it was opened.
        idle, _ = measured(pids, IDLE_S)
    return Cost(idle, list(thirds), sum(others) / 3)


@contextlib.contextmanager
def speaking(mic: VirtualMic) -> Iterator[None]:
    """Speech, over and over, from a microphone that PyAudio can hear."""
    with tempfile.TemporaryDirectory() as parent:
        path = Path(parent) / "long.wav"
        with wave.open(str(SAMPLE)) as said, wave.open(str(path), "wb") as long:
            long.setparams(said.getparams())
            pcm = said.readframes(said.getnframes())
            for _ in range(20):
                long.writeframesraw(pcm)
        player = mic.play(path)
        try:
            yield
        finally:
            player.kill()
            player.wait()


# -- what is said of it ----------------------------------------------------------------------------


def lines_of(name: str, cost: Cost) -> Iterator[str]:
    """Everything, for the terminal."""
    yield f"{name:10}" + "".join(f"{part:>9}" for part in PARTS)
    rows = {"idle": cost.idle} | {f"third {i + 1}": third for i, third in enumerate(cost.thirds)}
    rows["more"] = {part: cost.of(part) for part in PARTS}
    for row, shares in rows.items():
        yield f"  {row:8}" + "".join(f"{100 * shares[part]:8.2f}%" for part in PARTS)
    yield f"  others kept {cost.others:.2f} of {os.cpu_count()} cores busy"


def table(costs: dict[str, Cost], seconds: float) -> str:
    """The same as Markdown."""
    lines = [f"| % of a core | {' | '.join(HEADS)} | kernel, each third |"]
    lines.append("|---|" + "--:|" * (len(HEADS) + 1))
    for name, cost in costs.items():
        shares = [f"{100 * cost.of(part):.1f}" for part in PARTS]
        if name == "pyaudio":
            shares[1:5] = ["-"] * 4
        thirds = ", ".join(
            f"{100 * (third['kernel'] - cost.idle['kernel']):.1f}" for third in cost.thirds
        )
        lines.append(f"| {CASES[name][0]} | {' | '.join(shares)} | {thirds} |")
    others = ", ".join(f"{cost.others:.2f}" for cost in costs.values())
    today = datetime.now(UTC).date().isoformat()
    lines += ["", f"{seconds:g} s each, {today}, {os.cpu_count()} cores, of which other programs"]
    lines[-1] += f" kept busy: {others}."
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of recording, a case")
    parser.add_argument("--only", default=",".join(CASES), help=f"some of {','.join(CASES)}")
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    asked = parser.parse_args()
    names = asked.only.split(",")
    costs: dict[str, Cost] = {}
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory()))
        mic = undo.enter_context(virtual_mic()) if "pyaudio" in names else None
        service = undo.enter_context(ScriptedServer(speak).running())
        server = undo.enter_context(lab(folder, mic.env if mic else {}))
        for name in names:
            with speaking(mic) if mic and name == "pyaudio" else contextlib.nullcontext():
                seconds = asked.seconds / 3 if name == "pyaudio" else asked.seconds
                costs[name] = cost_of(name, server, service, seconds)
            print("\n".join(lines_of(name, costs[name])), flush=True)
    print(found := table(costs, asked.seconds))
    if asked.write:
        write_part(DOC, "benchmark", found)


if __name__ == "__main__":
    main()
