"""Record the page's microphone in every place, through everything that a kernel does meanwhile.

Each place is a real JupyterLab or Notebook 7 with a kernel of ipykernel 7 or 6, and Chromium, whose
device plays speech; the page is held to one route. One recording goes through all of it: the kernel
idles, sleeps, computes, draws, computes for minutes, and the line is cut; Stop is pressed while a
cell computes. A second one is loaded again in the middle. Writes into docs/browser-routes.md, and a
row for each place into docs/browser-microphone.md.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, expect

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.make_docs import write_part  # noqa: E402
from tests.browser import Lab, lab  # noqa: E402
from tests.page_course import (  # noqa: E402
    BUSY,
    N_FIGURES,
    PANEL,
    ROUTE,
    TELL,
    Came,
    Taken,
    take_all,
)
from tests.page_microphone import (  # noqa: E402
    Samples,
    audio_s,
    events,
    folders,
    listening_chromium,
    moved,
    new_folder,
    said,
    silent_service,
    sounds,
    wait_until,
    write_speech,
)
from tests.scripted import ScriptedServer  # noqa: E402

SUMMARY = ROOT / "docs" / "browser-microphone.md"
DOC = ROOT / "docs" / "browser-routes.md"
APPS = {"lab": "JupyterLab", "notebook": "Notebook 7"}
ELSEWHERE = "hub.test"
BASE_URL = "/hub/user/"
HEADS = ("app", "ipykernel", "route", "the kernel", "chunks captured", "recorded")
HEADS += ("correlation", "latest by s", "Stop after ms")
SUMMARY_HEADS = ("app", "ipykernel", "route", "captured", "recorded", "lowest correlation")
SUMMARY_HEADS += ("latest by s", "Stop after ms", "loaded again", "without a page, s")
LONG = "a cell of {:g} min"
SAMPLE_S = 32.48  # then it begins anew
SPEECH_S = 120.0  # longer than cells and stop take, on a busy machine as well


@dataclass(frozen=True)
class Place:
    """Where a recording is made."""

    app: str
    ipykernel: int
    route: str

    @property
    def cells(self) -> tuple[str, str, str]:
        """As the table names it."""
        return APPS[self.app], str(self.ipykernel), self.route

    @contextlib.contextmanager
    def open(self, scratch: Path, seconds: float) -> Iterator[tuple[Lab, Browser]]:
        """Its server, and a browser in whose room somebody speaks for so long."""
        far: dict[str, str] = {}
        flags: list[str] = []
        if self.route == "proxy":
            far = {"base_url": BASE_URL, "token": "a-token", "host": ELSEWHERE}
        with lab(scratch, app=self.app, **far) as server:
            if far:
                origin = server.url.removesuffix(BASE_URL.rstrip("/"))
                flags.append(f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1")
                flags.append(f"--unsafely-treat-insecure-origin-as-secure={origin}")
            speech = write_speech(scratch / "speech.wav", seconds)
            with listening_chromium(speech, flags) as browser:
                yield server, browser

    def kernel(self, server: Lab) -> str:
        """The name of its kernel."""
        return server.add_ipykernel_6() if self.ipykernel == 6 else "python3"


PLACES = [
    Place(app, version, route)
    for app, version, route in itertools.product(
        APPS, (7, 6), ("direct", "proxy", "control", "comm")
    )
]


@dataclass
class Row:
    """What came of one thing that a kernel did, or of a whole recording."""

    what: str
    captured: int
    recorded: int
    correlation: float
    late_s: float | None = None
    stop: str = ""

    @property
    def is_whole(self) -> bool:
        """Nothing is missing."""
        return self.captured == self.recorded and self.correlation > 0.999

    @property
    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        late = "" if self.late_s is None else f"{self.late_s:.2f}"
        counts = (str(self.captured), str(self.recorded))
        return (self.what, *counts, f"{self.correlation:.5f}", late, self.stop)


def device_lost_s(folder: Path) -> float:
    """What nobody captured, as the session has counted it."""
    return sum(event["lost_frames"] for event in events(folder, "Overflow")) / 16_000


def spoken(recorded: Samples) -> tuple[Samples, Samples]:
    """The recording without what came before the speech, and the speech as it lies there."""
    delay, there = moved(recorded, said(SAMPLE_S + recorded.size / 16_000))
    return recorded[max(0, delay) :], there[max(0, delay) :]


def likeness(recorded: Samples, there: Samples) -> float:
    """Correlation of two stretches of one length."""
    a, b = recorded.astype(float), there.astype(float)
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else float("nan")


def as_spoken(recorded: Samples) -> float:
    """How like some stretch of the speech a stretch of the recording is."""
    return likeness(*spoken(recorded))


def rows_of(taken: Taken) -> list[Row]:
    """One for each thing that the kernel did, and one for the whole."""
    recorded = sounds(taken.folder / "audio.wav")
    heard, there = spoken(recorded)
    before = recorded.size - heard.size
    came, offset_s = taken.came, taken.offset_s
    begins = np.cumsum([0] + [chunk.frames for chunk in came])
    end_s = np.array([chunk.at_ms / 1000 + offset_s for chunk in came])
    late_s = np.array([chunk.now_s for chunk in came]) - end_s
    first_s = min(begin for begin, _ in taken.spans.values())
    spans = {"idles": (end_s[0], first_s), **taken.spans}
    rows = []
    for what, (begin_s, over_s) in spans.items():
        (inside,) = np.nonzero((begin_s <= end_s) & (end_s < over_s))
        first, last = inside[0], inside[-1]
        part = slice(begins[first], begins[last + 1])
        numbers = came[last].seq - came[first].seq + 1
        # Where it lies if nothing is missing before it; else where it is most alike.
        at = slice(max(0, part.start - before), max(0, part.stop - before))
        same = np.fmax(likeness(heard[at], there[at]), as_spoken(recorded[part]))
        rows.append(Row(what, numbers, len(inside), same, late_s[inside].max()))
    in_folder = len(came) if begins[-1] == recorded.size else recorded.size // 800
    stop = "after the cell" if taken.stop_ms is None else f"{taken.stop_ms:.0f}"
    drawn = 2 * N_FIGURES
    what = f"all of it; figures shown: {taken.figures} of {drawn}"
    if lost_s := device_lost_s(taken.folder):
        what += f"; the device lost {lost_s:.1f} s"
    same = likeness(heard, there)
    rows.append(Row(what, taken.captured, in_folder, same, late_s.max(), stop))
    return rows


def reloaded(server: Lab, browser: Browser, service: ScriptedServer, place: Place) -> Row:
    """A recording whose page is loaded again after some seconds."""
    before = folders(server)
    panel = PANEL.format(url=service.url, route=ROUTE[place.route])
    cells = [panel, TELL]
    notebook = server.open(browser, "reload.ipynb", cells, kernel=place.kernel(server))
    page = notebook.page
    notebook.run(0)
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator(".nbs-state")).to_have_text("Recording", timeout=60_000)
    folder = new_folder(server, before)
    wait_until(lambda: audio_s(folder) > 5, notebook)
    notebook.command("docmanager:save")
    notebook.load()
    at_s = audio_s(folder)
    wait_until(lambda: audio_s(folder) > at_s + 5, notebook)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".nbs-state")).to_have_text("Stopped", timeout=60_000)
    notebook.run(1)
    _, came, ends, _ = json.loads(notebook.output(1).inner_text())
    page.context.close()
    # The speech in its room begins anew.
    chunks = [Came(*chunk) for chunk in came]
    apart_ms = np.diff([chunk.at_ms for chunk in chunks])
    again = 1 + int(np.argmax(np.abs(apart_ms - 50)))
    parts = [
        {chunk.seq: chunk.frames for chunk in them} for them in (chunks[:again], chunks[again:])
    ]
    goes_on = min(parts[1]) > 0
    captured = ends[-1] if goes_on else ends[-1] + max(parts[0]) + 1
    recorded = sounds(folder / "audio.wav")
    cut = sum(parts[0].values())
    lost_s = device_lost_s(folder)
    same = min(as_spoken(recorded[:cut]), as_spoken(recorded[cut:]))
    what = f"page loaded again, {lost_s:.1f} s without a page"
    return Row(what, captured, len(parts[0] | parts[1]) if goes_on else sum(map(len, parts)), same)


def record(place: Place, minutes: float, service: ScriptedServer) -> list[Row]:
    """Both recordings of a place."""
    busy = dict(BUSY)
    seconds = SPEECH_S
    if minutes:
        busy[LONG.format(minutes)] = f"time.sleep({60 * minutes})"
        seconds += 60 * minutes
    with (
        tempfile.TemporaryDirectory() as scratch,
        place.open(Path(scratch), seconds) as (server, browser),
    ):
        taken = take_all(
            server,
            browser,
            service,
            route=place.route,
            kernel=place.kernel(server),
            seconds=0.0,  # The speech is longer than it all.
            busy=busy,
            timeout_s=90 + 90 * minutes,
        )
        source = json.loads((taken.folder / "session.json").read_text())["source"]
        found = (source["route"], taken.ipykernel)
        if found != (place.route, place.ipykernel):
            raise RuntimeError(f"{place} was {found}")
        rows = rows_of(taken)
        rows.append(reloaded(server, browser, service, place))
    for complaint in taken.complaints:
        print(f"    {complaint}", file=sys.stderr)
    return rows


def table(lines: Sequence[Sequence[str]]) -> str:
    """As Markdown."""
    rule = "|---|---:|---|---|" + "---:|" * 5
    return "\n".join([line_of(HEADS), rule, *map(line_of, lines)])


def summary(rows: Sequence[Sequence[str]]) -> str:
    """One line a place, of the rows that `table` has."""
    lines = []
    for place in dict.fromkeys(tuple(cells[:3]) for cells in rows):
        parts = [cells[3:] for cells in rows if tuple(cells[:3]) == place]
        whole = next(part for part in parts if part[0].startswith("all of it"))
        again = next(part for part in parts if part[0].startswith("page loaded again"))
        lowest = min((part[3] for part in parts), key=float)
        gap = again[0].removeprefix("page loaded again, ").removesuffix(" s without a page")
        counts = f"{again[2]} of {again[1]}"
        lines.append((*place, *whole[1:3], lowest, *whole[4:6], counts, gap))
    rule = "|---|---:|---|" + "---:|" * (len(SUMMARY_HEADS) - 3)
    return "\n".join([line_of(SUMMARY_HEADS), rule, *map(line_of, lines)])


def line_of(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def written(place: Place, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The table in the page, with these rows of a place in the stead of those it had."""
    old = [
        tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
        for line in DOC.read_text("utf-8").splitlines()
        if line.count("|") == len(HEADS) + 1
    ]
    kept = [cells for cells in old if cells[0] in APPS.values() and cells[:3] != place.cells]
    order = [other.cells for other in PLACES]
    new = [(*place.cells, *row.cells) for row in rows]
    return sorted([*kept, *new], key=lambda cells: order.index(cells[:3]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=[], help="lab, notebook, 6, 7, a route")
    parser.add_argument("--minutes", type=float, default=3.0, help="of the longest cell; 0: none")
    parser.add_argument("--write", action="store_true", help="put the rows into the docs")
    options = parser.parse_args()
    failed = []
    wanted = [p for p in PLACES if set(options.only) <= {p.app, str(p.ipykernel), p.route}]
    with silent_service() as service:
        for place in wanted:
            rows = record(place, options.minutes, service)
            for row in rows:
                print(line_of((*place.cells, *row.cells)), flush=True)
            failed += [(place, row) for row in rows if not row.is_whole]
            if options.write:
                found = written(place, rows)
                write_part(DOC, "routes", table(found))
                write_part(SUMMARY, "routes", summary(found))
    print(f"{len(wanted)} places, something missing in {len(failed)} rows")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
