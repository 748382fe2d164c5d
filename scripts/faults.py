"""Break network and service in every way that is known, and count what was lost.

Each row records the packaged speech with the real recogniser, through a proxy that stands for the
network, and compares the result word for word with an undisturbed run. Writes docs/faults.md.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jiwer
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import nbstream as nb  # noqa: E402
from nbstream import errors  # noqa: E402
from nbstream.engine import sender  # noqa: E402
from nbstream.local.model import Model  # noqa: E402
from nbstream.local.server import Server  # noqa: E402
from tests.proxy import Proxy  # noqa: E402

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- table: make faults -->", "<!-- end of table -->"
SPEED = 4.0
DROP = "tcp_drop_after_s:12"
CAP = ["error_after_s:12", "error_code:3008", "error_text:Session Expired: Maximum session"]


class Plan(nb.AssemblyAI):
    """The service at `url`, whose n-th connection suffers the n-th faults of `faults`."""

    def __init__(self, url: str, faults: Sequence[Sequence[str]], **options: Any) -> None:
        super().__init__("moonshine-tiny-en", endpoint=url, api_key="any", **options)
        self._faults = list(faults)

    def url(self) -> str:
        """Address of the next connection."""
        faults = self._faults.pop(0) if self._faults else ()
        return super().url() + "".join(f"&_fault={quote(fault)}" for fault in faults)


@dataclass
class Row:
    """One fault: what the server does, what the network does, what happens meanwhile."""

    fault: str
    server: Sequence[Sequence[str]] = ()
    network: tuple[float, str] | None = None
    meanwhile: Callable[[nb.Session, Proxy], float] | None = None
    speed: float = SPEED
    comes_back: bool = True
    silent_from_s: float | None = None  # audio; from there on nothing passed, and nobody said so
    options: dict[str, Any] | None = None
    longest_backoff_s: float = sender.LONGEST_BACKOFF_S


@dataclass
class Result:
    """What came of it."""

    fault: str
    audio_s: float
    audio_lost_s: float
    words_lost: int
    words_doubled: int
    words_changed: int
    recovery_s: float
    reconnect_s: float
    n_connections: int
    n_left_open: int
    state: str
    gaps: str


def back_after(audio_s: float) -> Callable[[nb.Session, Proxy], float]:
    """Bring the network back once so much has been recorded; says when that was."""

    def meanwhile(session: nb.Session, proxy: Proxy) -> float:
        wait_until(session, lambda: session.duration_s >= audio_s)
        proxy.up()
        return now_s(session)

    return meanwhile


def reset_when_terminating(session: nb.Session, proxy: Proxy) -> float:
    """Break the link as soon as `Terminate` was sent."""
    for event in session.follow("sent"):
        if "Terminate" in event.text:
            proxy.cut("reset")
            break
    return now_s(session)


def never(session: nb.Session, proxy: Proxy) -> float:
    """Let the network stay away; stop when the source has ended, as a person does."""
    wait_until(session, lambda: session.duration_s >= 32.4)
    session.stop(timeout_s=3)
    return float("nan")


def two_outages(session: nb.Session, proxy: Proxy) -> float:
    """Down from 4 to 15 s, and again from 19 to 30 s."""
    back_after(15)(session, proxy)
    wait_until(session, lambda: session.duration_s >= 19)
    proxy.down()
    return back_after(30)(session, proxy)


def now_s(session: nb.Session) -> float:
    """The session's clock."""
    return session._control.now_s() if session._control else float("nan")


def wait_until(session: nb.Session, condition: Callable[[], bool]) -> None:
    """Wait, a tenth of a second at a time."""
    tick = threading.Event()
    while not condition() and session.is_live:
        tick.wait(0.1)


def filled_later(session: nb.Session, proxy: Proxy) -> float:
    """The same, but the network comes back afterwards, and the gap is filled from the folder."""
    with contextlib.suppress(errors.NbstreamError):
        never(session, proxy)
    proxy.up()
    session.fill_gaps(Plan(proxy.url, ()))
    return float("nan")


ROWS = [
    Row("TCP reset", [[DROP]]),
    Row("closed without a close frame (1006)", network=(12, "close")),
    Row(
        "half-open link: TCP stays up, nothing passes",
        network=(12, "freeze"),
        speed=2,
        silent_from_s=12,
    ),
    Row(
        "server hangs: reads nothing, says nothing",
        [["freeze_after_s:12"]],
        speed=2,
        silent_from_s=12,
    ),
    Row("five resets, each 5 s of audio after the reconnect", [["tcp_drop_after_s:5"]] * 5),
    Row("1011 at the open of a reconnect", [[DROP], ["close_1011_at_open"]]),
    Row("3005 in mid-session", [["error_after_s:12"]]),
    Row("3008 at the session's cap", [CAP]),
    Row("1000 without `Termination`", [["close_1000_after_s:12"]]),
    Row("429 at the reconnect", [[DROP], ["http_status:429"]], speed=2),
    Row("503 at the reconnect, twice", [[DROP], ["http_status:503"], ["http_status:503"]]),
    Row("too many sessions (1008)", [[DROP], ["slot_held_s:60"]], speed=2),
    Row("too many sessions (3009)", [[DROP], ["slot_held_s:60", "too_many_code:3009"]], speed=2),
    Row("no `Begin` at the reconnect", [[DROP], ["no_begin"]], speed=2),
    Row(
        "mute server, heartbeats asked for",
        [["mute_after_s:12"]],
        options={"session_heartbeat": True},
        speed=1.5,
        silent_from_s=12,
    ),
    Row("mute server, no heartbeats", [["mute_after_s:12"]], silent_from_s=12),
    Row(
        "long outage: 20 s of audio",
        network=(2, "down"),
        meanwhile=back_after(22),
        speed=2,
        longest_backoff_s=1.0,
    ),
    Row(
        "two long outages, 11 s each",
        network=(4, "down"),
        meanwhile=two_outages,
        speed=2,
        longest_backoff_s=1.0,
    ),
    Row("rollover in a pause before the cap", [["session_cap_s:10"]], speed=2),
    Row("rollover while somebody speaks on", [["session_cap_s:13.3"]], speed=1),
    Row(
        "rollover, the old connection breaks in its last turn",
        [["session_cap_s:10", "termination_delay_s:2", "no_termination"]],
        speed=2,
    ),
    Row("reset right after `Terminate`", meanwhile=reset_when_terminating, speed=0),
    Row("`Termination` 5 s late", [["termination_delay_s:5"]]),
    Row("`Termination` never comes, close 1000 does", [["no_termination"]]),
    Row("service gone for good", network=(16, "down"), meanwhile=never, comes_back=False),
    Row("the same, filled from the folder later", network=(16, "down"), meanwhile=filled_later),
]


def texts(session: nb.Session) -> str:
    """Words of the final turns in the order of the audio, without case and punctuation."""
    words = session.words
    words = words[words.is_final]
    plain = [re.sub(r"[^\w']", "", word.lower()) for word in words.text]
    return " ".join(filter(None, plain))


def run(row: Row, url: str, said: str, pcm: np.ndarray, folder: Path) -> Result:
    """Inject one fault."""
    sender.LONGEST_BACKOFF_S = row.longest_backoff_s  # type: ignore[misc]
    with Proxy(url, {0: row.network} if row.network else {}) as proxy:
        service = Plan(proxy.url, row.server, **(row.options or {}))
        session = nb.record(nb.Sample(speed=row.speed), service, folder=folder, name="faults")
        back_s = float("nan")
        try:
            if row.meanwhile is not None:
                back_s = row.meanwhile(session, proxy)
            if not session.wait(150):
                raise TimeoutError(f"{row.fault}: it hangs: {session}")
        except errors.NbstreamError as error:
            if row.comes_back:
                print(f"    {error}", file=sys.stderr)
        n_left_open = proxy.n_left_open()
    found = jiwer.process_words(said, texts(session) or "-")
    recorded = session.audio()
    same = np.array_equal(recorded, pcm[: recorded.size])
    if row.silent_from_s is not None:
        chunks = session.chunks
        back_s = float(chunks.captured_s[chunks.frame >= row.silent_from_s * 16_000].min())
    recovery_s, reconnect_s = recovery(session, back_s)
    return Result(
        row.fault,
        session.duration_s,
        (pcm.size - recorded.size) / 16_000 if same else float("nan"),
        found.deletions,
        found.insertions,
        found.substitutions,
        recovery_s,
        reconnect_s,
        len(session.connections),
        n_left_open,
        session.state,
        ", ".join(f"{g.start_s:.1f}-{g.end_s:.1f}" for g in session.gaps.itertuples()),
    )


def recovery(session: nb.Session, back_s: float) -> tuple[float, float]:
    """Time from the end of the fault until the live connection's first turn, and until it began."""
    table, events = session.connections, session.events
    if len(table) < 2:
        return float("nan"), float("nan")
    if np.isnan(back_s):
        back_s = float(table.ended_s.iloc[0])
    later = table[table.connected_s > back_s - 1e-6]
    began = later[later.began_s.notna()]
    if began.empty:
        return float("nan"), float("nan")
    live = began.connection.min()  # What fills up a hole is opened after it.
    turns = events[(events.type == "Turn") & (events.connection == live)]
    first_s = float(turns.arrived_s.min()) if len(turns) else float("nan")
    return first_s - back_s, float(began.began_s.min()) - back_s


def table(results: Sequence[Result]) -> str:
    """As Markdown."""
    heads = [
        "fault",
        "audio captured s",
        "audio lost s",
        "words lost",
        "words doubled",
        "words changed",
        "live turns again after s",
        "of it until connected s",
        "connections opened",
        "left open",
        "state",
        "gaps s",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * 9 + "|---|---|"]
    for r in results:
        cells = [
            r.fault,
            f"{r.audio_s:.2f}",
            f"{r.audio_lost_s:g}",
            r.words_lost,
            r.words_doubled,
            r.words_changed,
            "" if np.isnan(r.recovery_s) else f"{r.recovery_s:.1f}",
            "" if np.isnan(r.reconnect_s) else f"{r.reconnect_s:.1f}",
            r.n_connections,
            r.n_left_open,
            r.state,
            r.gaps,
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> int:
    warnings.simplefilter("ignore")
    wanted = [row for row in ROWS if all(word in row.fault for word in sys.argv[1:])]
    results: list[Result] = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        Server(Model.load(), faults_by_query=True) as server,
    ):
        folder = Path(scratch)
        with nb.record(nb.Sample(speed=0), Plan(server.url, ()), folder=folder) as undisturbed:
            pass
        said, pcm = texts(undisturbed), undisturbed.audio()
        print(f"undisturbed: {undisturbed.duration_s:.2f} s, {len(said.split())} words")
        for row in wanted:
            results.append(run(row, server.url, said, pcm, folder))
            print(table(results[-1:]).splitlines()[-1], flush=True)
        if len(wanted) == len(ROWS):
            page = PAGE.read_text("utf-8")
            head, _, rest = page.partition(BEGIN)
            tail = rest.partition(END)[2]
            PAGE.write_text(f"{head}{BEGIN}\n{table(results)}\n{END}{tail}", "utf-8")
    lost = [
        r.fault
        for r, row in zip(results, wanted, strict=True)
        if r.audio_lost_s or r.n_left_open or (row.comes_back and (r.words_lost or r.words_doubled))
    ]
    print(f"{len(results)} faults, something lost in {len(lost)}: {', '.join(lost) or 'none'}")
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main())
