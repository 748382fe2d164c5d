"""Measure how well known silences are recovered; docs/known-silences.md comes from here.

    python scripts/measure_gaps.py [--orders N] [--write]

Recordings are made of hand-labelled speech with silences of known length between its pieces, and
recorded through the public interface with the local recogniser. The silence between two turns is
compared with the known one, and so is the silence between two spans of voice activity.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import nbstream as nb  # noqa: E402
from nbstream.local import voice  # noqa: E402
from nbstream.local.activity import MIN_SILENCE_WINDOWS, SPEECH, WINDOW_FRAMES  # noqa: E402
from nbstream.speech import VoiceActivity  # noqa: E402

ALIGNED = ROOT / "tests" / "data" / "aligned"
PAGE = ROOT / "docs" / "known-silences.md"
RATE_HZ = 16_000
ORDERS = 16
GOAL_S = 0.1
SHORTEST_S, LONGEST_S = 0.6, 3.0
LEAD_S, TAIL_S, FADE_S = 1.0, 2.0, 0.005
MERGED_S, PAUSE_S = 0.1, 0.2  # words closer than this are one span; pauses from here are compared

# One recording each: pieces of one voice in one room, from the start of a word to the end of one.
# No piece starts or ends with "um" or "uh", which recognisers leave out.
PIECES: dict[str, list[tuple[str, float, float]]] = {
    "acoustic_corpus": [
        ("acoustic_corpus", start_s, end_s)
        for start_s, end_s in (
            *((1.05, 7.54), (8.60, 11.80), (12.14, 13.90)),
            *((14.87, 17.19), (18.35, 22.33), (24.15, 25.25)),
        )
    ],
    "cold_corpus": [
        ("cold_corpus", start_s, end_s)
        for start_s, end_s in (
            *((1.70, 3.62), (4.05, 5.55), (7.89, 9.00), (10.55, 12.73)),
            *((13.50, 17.09), (19.65, 23.44), (23.87, 24.72)),
        )
    ],
    "cold_corpus3": [
        ("cold_corpus3", start_s, end_s)
        for start_s, end_s in (
            *((0.88, 3.23), (3.83, 5.92), (7.21, 11.77), (13.06, 14.02)),
            *((15.39, 16.87), (18.37, 19.64), (20.97, 21.57), (21.86, 22.70)),
        )
    ],
    "mary, bobby": [("mary", 0.315, 1.518), ("bobby", 0.065, 1.117)] * 2,
}

Span = tuple[float, float]
Signal = npt.NDArray[np.float64]


# -- known silences ------------------------------------------------------------------------------


def read(name: str) -> Signal:
    """A labelled recording, -1 to 1."""
    samples: Signal = soundfile.read(ALIGNED / f"{name}.flac", dtype="float64")[0]
    return samples


def labels(name: str) -> list[Span]:
    """Start and end of each labelled word, s."""
    with (ALIGNED / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [(float(row["start_s"]), float(row["end_s"])) for row in csv.DictReader(file)]


def room(name: str) -> Signal:
    """Mean spectrum of a recording's background: of the softer half of what is between words."""
    name = "mary" if name == "bobby" else name  # which has no stretch without a word
    samples = read(name)
    is_background = np.ones(len(samples), bool)
    for start_s, end_s in labels(name):
        is_background[round((start_s - 0.1) * RATE_HZ) : round((end_s + 0.15) * RATE_HZ)] = False
    starts = range(0, len(samples) - WINDOW_FRAMES, WINDOW_FRAMES // 2)
    windows = np.array(
        [
            samples[at : at + WINDOW_FRAMES]
            for at in starts
            if is_background[at : at + WINDOW_FRAMES].all()
        ]
    )
    power = (windows**2).mean(axis=1)
    hann = np.hanning(WINDOW_FRAMES)
    spectra = np.abs(np.fft.rfft(windows[power <= np.median(power)] * hann, axis=1)) ** 2
    return np.sqrt(spectra.mean(axis=0) / (hann**2).sum())


def noise(spectrum: Signal, n_frames: int, random: np.random.Generator) -> Signal:
    """Noise of that spectrum and loudness."""
    white = np.fft.rfft(random.normal(size=n_frames + 2 * WINDOW_FRAMES))
    bins = np.linspace(0, len(spectrum) - 1, len(white))
    shaped = np.fft.irfft(white * np.interp(bins, np.arange(len(spectrum)), spectrum))
    return shaped[WINDOW_FRAMES : WINDOW_FRAMES + n_frames]


def build(pieces: Sequence[tuple[str, float, float]], seed: int) -> tuple[Signal, list[Span]]:
    """Pieces in some order with silences between; and where each of them is, s."""
    random = np.random.default_rng(seed)
    order = [pieces[n] for n in random.permutation(len(pieces))]
    rooms = {name: room(name) for name, _, _ in order}
    n_fade = round(FADE_S * RATE_HZ)
    parts: list[Signal] = []
    placed: list[Span] = []
    n_before = 0
    for name, start_s, end_s in order:
        known_s = random.uniform(SHORTEST_S, LONGEST_S) if placed else LEAD_S
        piece = read(name)[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)]
        ramp = np.linspace(0, 1, n_fade)
        piece[:n_fade] *= ramp
        piece[-n_fade:] *= ramp[::-1]
        parts += [noise(rooms[name], round(known_s * RATE_HZ), random), piece]
        n_start = n_before + len(parts[-2])
        n_before = n_start + len(piece)
        placed.append((n_start / RATE_HZ, n_before / RATE_HZ))
    parts.append(noise(rooms[order[-1][0]], round(TAIL_S * RATE_HZ), random))
    return np.concatenate(parts), placed


# -- what is recovered ---------------------------------------------------------------------------


@dataclass
class Errors:
    """Recovered minus known, s, of one way to find edges."""

    silences: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    def add(self, end_s: float, start_s: float, known: Span) -> None:
        """The silence from `end_s` to `start_s` was found where `known` is."""
        self.ends.append(end_s - known[0])
        self.starts.append(start_s - known[1])
        self.silences.append(start_s - end_s - known[1] + known[0])

    def extend(self, other: Errors) -> None:
        """Take over those of `other`."""
        self.silences += other.silences
        self.ends += other.ends
        self.starts += other.starts

    @property
    def share_below_goal(self) -> float:
        """Share of the silences that are less than `GOAL_S` off."""
        return float(np.mean(np.abs(self.silences) < GOAL_S))


@dataclass
class Found:
    """Errors of one or more recordings."""

    turns: Errors = field(default_factory=Errors)
    pauses: Errors = field(default_factory=Errors)  # known silences inside one turn
    voice: Errors = field(default_factory=Errors)

    def extend(self, other: Found) -> None:
        """Take over those of `other`."""
        self.turns.extend(other.turns)
        self.pauses.extend(other.pauses)
        self.voice.extend(other.voice)


def around(known: Span, spans: Sequence[Any], edges: Callable[[Any], Span]) -> tuple[Any, Any]:
    """The last of `spans` before the middle of a silence, and the first after it."""
    middle = sum(known)
    before = [span for span in spans if sum(edges(span)) < middle]
    after = [span for span in spans if sum(edges(span)) >= middle]
    if not before or not after:
        raise SystemExit(f"nothing was heard on one side of {known[0]:.2f}-{known[1]:.2f} s")
    return before[-1], after[0]


def compare(session: nb.Session, placed: Sequence[Span]) -> Found:
    """Silences between turns, inside turns and between spans of voice activity."""
    found = Found()
    words = list(session.words.itertuples())
    turns = session.turns.set_index("turn_order")
    heard = VoiceActivity()
    heard.add(session.audio().tobytes())
    for (_, end_s), (start_s, _) in itertools.pairwise(placed):
        known = (end_s, start_s)
        last, first = around(known, words, lambda word: (word.start_s, word.end_s))
        if last.turn_order == first.turn_order:
            found.pauses.add(last.end_s, first.start_s, known)
        else:
            edges = turns.loc[last.turn_order].end_s, turns.loc[first.turn_order].start_s
            found.turns.add(*edges, known)
        before, after = around(known, heard.spans(), lambda span: span)
        found.voice.add(before[1], after[0], known)
    return found


def measure(orders: Iterable[int]) -> dict[str, Found]:
    """What is found in each recording, over all orders of its pieces."""
    result = {name: Found() for name in PIECES}
    with tempfile.TemporaryDirectory() as folder:
        for seed in orders:
            for name, pieces in PIECES.items():
                samples, placed = build(pieces, seed)
                file = Path(folder) / "silences.wav"
                soundfile.write(file, samples, RATE_HZ, subtype="PCM_16")
                # As fast as the recogniser takes it, and without partials: what a turn ends as
                # depends on the audio alone.
                service = nb.Local(include_partial_turns=False)
                with nb.record(nb.AudioFile(file, speed=0), service, folder=folder) as session:
                    session.wait()
                result[name].extend(compare(session, placed))
    return result


# -- edges in the recordings as they are -----------------------------------------------------------


def plain_spans(pcm: bytes) -> list[Span]:
    """Voice activity by the threshold alone, to show what the correction does."""
    detector, spans, n_quiet = voice.detector(), list[Span](), MIN_SILENCE_WINDOWS
    step = 2 * WINDOW_FRAMES
    for n, at in enumerate(range(0, len(pcm) - step + 1, step)):
        n_quiet = 0 if detector.process_chunk(pcm[at : at + step]) >= SPEECH else n_quiet + 1
        if n_quiet == 0:
            window_s = WINDOW_FRAMES / RATE_HZ
            is_new = not spans or n * window_s - spans[-1][1] >= MIN_SILENCE_WINDOWS * window_s
            start_s = n * window_s if is_new else spans.pop()[0]
            spans.append((start_s, (n + 1) * window_s))
    return spans


def spans_of(pcm: bytes) -> list[Span]:
    """Voice activity as the package gives it."""
    heard = VoiceActivity()
    heard.add(pcm)
    return heard.spans()


def natural_edges(find: Callable[[bytes], list[Span]]) -> Errors:
    """Errors at the hand-labelled pauses of the recordings, and at their outer edges."""
    errors = Errors()
    for path in sorted(ALIGNED.glob("*.csv")):
        said: list[Span] = []
        for start_s, end_s in labels(path.stem):
            is_near = said and start_s - said[-1][1] < MERGED_S
            said.append((said.pop()[0], end_s) if is_near else (start_s, end_s))
        spans = find((read(path.stem) * 32768).astype("<i2").tobytes())
        lows = [-np.inf, *(end_s for _, end_s in said)]
        highs = [*(start_s for start_s, _ in said), np.inf]
        for n, (start_s, end_s) in enumerate(said):
            if start_s - lows[n] >= PAUSE_S:
                errors.starts.append(min((s - start_s for s, _ in spans), key=abs))
            if highs[n + 1] - end_s >= PAUSE_S:
                errors.ends.append(min((e - end_s for _, e in spans), key=abs))
    return errors


# -- the page --------------------------------------------------------------------------------------

HEAD = (
    "| | n | below 100 ms | median | p75 | p90 | p95 | largest | signed p5 | p50 | p95 |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def row(name: str, errors_s: Sequence[float]) -> str:
    """One line of the table, in ms."""
    if not errors_s:
        return f"| {name} | 0" + " | " * 9 + "|"
    signed = 1000 * np.array(errors_s)
    absolute = np.abs(signed)
    below = f"{100 * np.mean(absolute < 1000 * GOAL_S):.0f} %"
    cells = [f"{value:.0f}" for value in np.percentile(absolute, (50, 75, 90, 95, 100))]
    cells += [f"{value:+.0f}" for value in np.percentile(signed, (5, 50, 95))]
    return " | ".join([f"| {name}", str(len(signed)), below, *cells]) + " |"


def tables(result: dict[str, Found]) -> tuple[str, str, str]:
    """Silences and edges; each recording; edges in the recordings as they are."""
    total = Found()
    for found in result.values():
        total.extend(found)
    turns, pauses, heard = total.turns, total.pauses, total.voice
    rows = [
        row("between turns", turns.silences),
        row("- end of the last word", turns.ends),
        row("- start of the first word", turns.starts),
        row("inside a turn, between words", pauses.silences),
        row("between spans of voice activity", heard.silences),
        row("- end of a span", heard.ends),
        row("- start of a span", heard.starts),
    ]
    each = [
        f"| {name} | {len(found.turns.silences)} | {100 * found.turns.share_below_goal:.0f} % "
        f"| {1000 * np.median(np.abs(found.turns.silences)):.0f} "
        f"| {100 * found.voice.share_below_goal:.0f} % "
        f"| {1000 * np.median(np.abs(found.voice.silences)):.0f} |"
        for name, found in result.items()
    ]
    plain, corrected = natural_edges(plain_spans), natural_edges(spans_of)
    natural = [
        row("start, by the threshold alone", plain.starts),
        row("start, corrected", corrected.starts),
        row("end, by the threshold alone", plain.ends),
        row("end, corrected", corrected.ends),
    ]
    return (
        "\n".join([HEAD, *rows]),
        "\n".join(
            [
                "| recording | silences between turns | below 100 ms | median | voice activity "
                "below 100 ms | median |\n|---|---:|---:|---:|---:|---:|",
                *each,
            ]
        ),
        "\n".join([HEAD, *natural]),
    )


def page(result: dict[str, Found], orders: int) -> str:
    """The whole of docs/known-silences.md."""
    silences, each, natural = tables(result)
    return f"""# Known silences, recovered

How far off is a silence that is computed from `turns`? `scripts/measure_gaps.py --write` makes
recordings in which every silence is known, has them recognised by the local recogniser through
`nb.record`, and compares. Times are in ms; an error is what was found minus what is known.

## Method

The speech is the hand-labelled speech of the tests: pieces from the labelled start of a word to the
labelled end of one, {sum(map(len, PIECES.values()))} in {len(PIECES)} recordings of one room each.
Between them stands noise with the spectrum and the loudness of that room for {SHORTEST_S} to \
{LONGEST_S:g} s (seeded),
joined by fades of 5 ms; each recording comes in {orders} orders. Found is, from the last word
before the middle of the known silence to the first word after it, the start of the next turn minus
the end of the one before. Where the recogniser took both for one turn, the known silence is a
pause inside it, found between two words. Nothing is left out: a word that was not heard at an edge
is an error there.

## Result

{silences}

{each}

The goal is an error below 100 ms for nine of ten silences between turns. `cold_corpus` is a hoarse
voice, in the median 6 dB above its room: what the detector misses of it are soft starts. In
`cold_corpus3` the room rumbles as loud as the voice; `mary, bobby` is a quiet room.

## Edges in the recordings as they are

A piece ends as if cut off; a voice in a room dies away, and where it ends is a matter of taste to
some 30 ms. These are the same recordings uncut: the detector's edges against the labels, at pauses
of at least 200 ms.

{natural}

## What to keep in mind

- The rules for edges were chosen on these five recordings (80 s, 3 of them noisy) and on half of
  the orders, so other speech may do somewhat worse. Far-field and overlapping speech was not
  measured.
- A start that is found much too late is a voice too soft for the detector; it is rare and large, so
  quote medians, not means.
- A breath or a laugh can pass for speech; an "um" that the recogniser leaves out is a silence
  between words, not between spans.
- A service's own word times have other errors. Measure them as here: the script takes any service
  that `nb.record` does.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--orders", type=int, default=ORDERS, metavar="N")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    arguments = parser.parse_args()
    result = measure(range(1, arguments.orders + 1))
    text = page(result, arguments.orders)
    if arguments.write:
        PAGE.write_text(text, encoding="utf-8")
    print(*tables(result), sep="\n\n")


if __name__ == "__main__":
    main()
