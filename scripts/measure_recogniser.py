"""Measure the local recogniser on a folder of speech; the numbers in the docs come from here.

    python scripts/measure_recogniser.py [SPEECH_DIR] [--option NAME=VALUE ...]

SPEECH_DIR holds 16-bit mono WAV files at 16 kHz and ``references.tsv`` with at least the columns
``file`` and ``transcript``. Without it only the hand-aligned recordings are measured.

Each file is fed in chunks of 50 ms, followed by two seconds of digital silence (not counted in
the seconds of audio), on one thread.

* WER: word error rate of the joined final turns. Both texts are lower-cased, hyphens become
  spaces, other punctuation is dropped, whole numbers are spelled out, and `MERGES` evens out
  spellings that are both right. Total: errors of all files over their words.
* CPU: process time for each second of audio, partials included. RTF: the same by the wall clock.
* latency: audio time from the end of the last word to the position at which the final came out.
* start error: start of a recognised word minus its hand label, for words that were recognised.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import re
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soundfile

from nbstream.local.model import Model, Pcm
from nbstream.local.recogniser import RecognisedWord, Stream, TurnUpdate

ALIGNED = Path(__file__).resolve().parents[1] / "tests" / "data" / "aligned"
CHUNK_FRAMES = 800
MERGES = {
    "mr": "mister",
    "forever more": "forevermore",
    "voice mail": "voicemail",
    "key pad": "keypad",
    "touchtone": "touch tone",
    "metres": "meters",
    "alright": "all right",
    "gonna": "going to",
    "yknow": "you know",
}
FILLERS = {"uh", "um"}  # the model leaves them out; only the aligned recordings have them
NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
"""
ONES, TENS = NUMBERS.split()[:20], NUMBERS.split()[20:]


def spelled(number: int) -> str:
    """Spell out 0 to 99; longer numbers digit by digit."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return f"{TENS[number // 10 - 2]} {ONES[number % 10] if number % 10 else ''}".strip()
    return " ".join(ONES[int(digit)] for digit in str(number))


def normalise(text: str) -> str:
    """Bring a transcript to the form in which words are compared."""
    text = re.sub(r"[-:\u2013\u2014]", " ", text.lower())
    text = re.sub(r"\d+", lambda found: f" {spelled(int(found[0]))} ", text)
    text = " ".join(re.sub(r"[^a-z' ]", " ", text).replace("'", "").split())
    for one, other in MERGES.items():
        text = re.sub(rf"\b{one}\b", other, text)
    return " ".join(word for word in text.split() if word not in FILLERS)


@dataclass
class Run:
    """What one file gave."""

    audio_s: float
    cpu_s: float
    wall_s: float
    turns: list[str]
    words: list[RecognisedWord]
    latencies_ms: list[int]
    n_partials: int


def run(model: Model, pcm: Pcm, **options: Any) -> Run:
    """Feed *pcm* to a new stream as fast as it takes it."""
    padded = np.concatenate((pcm, np.zeros(2 * 16_000, np.int16)))
    stream = Stream(model, **options)
    result = Run(len(pcm) / 16_000, 0.0, 0.0, [], [], [], 0)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for at in range(0, len(padded), CHUNK_FRAMES):
        events = stream.feed(padded[at : at + CHUNK_FRAMES])
        if at + CHUNK_FRAMES >= len(padded):
            events += stream.finish()
        for event in events:
            if not isinstance(event, TurnUpdate):
                continue
            if not event.end_of_turn:
                result.n_partials += 1
                continue
            result.turns.append(event.transcript)
            result.words += event.words
            if event.words:
                result.latencies_ms.append(stream.audio_ms - event.words[-1].end_ms)
    result.cpu_s, result.wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    return result


def label_errors(words: list[RecognisedWord], labels: Path) -> list[tuple[str, int, int]]:
    """Word, start error and end error in ms, for each labelled word that was recognised."""
    with labels.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    said = [normalise(row["word"]) for row in rows]
    heard = [normalise(word.text) for word in words]
    errors = []
    for block in difflib.SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks():
        for n in range(block.size):
            row, word = rows[block.a + n], words[block.b + n]
            if not said[block.a + n]:
                continue
            errors.append(
                (
                    row["word"],
                    word.start_ms - round(float(row["start_s"]) * 1000),
                    word.end_ms - round(float(row["end_s"]) * 1000),
                )
            )
    return errors


def read_wav(path: Path) -> Pcm:
    """Read 16-bit mono at 16 kHz."""
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (16_000, 1, 2):
            raise SystemExit(f"{path} is not 16-bit mono at 16 kHz")
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def line(name: str, wer: float | None, result: Run) -> str:
    """One row of the table."""
    latency = f"{np.median(result.latencies_ms):8.0f}" if result.latencies_ms else f"{'-':>8}"
    return (
        f"{name:28}{result.audio_s:8.1f}{f'{100 * wer:.1f}' if wer is not None else '-':>8}"
        f"{len(result.turns):7d}{result.n_partials:10d}"
        f"{result.cpu_s / result.audio_s:8.3f}{result.wall_s / result.audio_s:8.3f}{latency}"
    )


def summary(errors: list[int]) -> str:
    """Median and 90th percentile of the absolute error, and the median error itself."""
    absolute = np.abs(errors)
    return (
        f"median {np.median(absolute):.0f} ms, p90 {np.percentile(absolute, 90):.0f} ms, "
        f"bias {np.median(errors):+.0f} ms"
    )


def measure_aligned(model: Model, options: dict[str, Any]) -> None:
    """Print the errors of word times on the hand-aligned recordings."""
    print("\nhand-aligned words")
    starts: list[int] = []
    ends: list[int] = []
    for labels in sorted(ALIGNED.glob("*.csv")):
        pcm, rate = soundfile.read(labels.with_suffix(".flac"), dtype="int16")
        assert rate == 16_000
        errors = label_errors(run(model, pcm, **options).words, labels)
        starts += [start for _, start, _ in errors]
        ends += [end for _, _, end in errors]
        print(f"{labels.stem:28}{len(errors):5d} words: start {summary([e[1] for e in errors])}")
    print(f"{'all starts':28}{len(starts):5d} words: start {summary(starts)}")
    print(f"{'all ends':28}{len(ends):5d} words: end   {summary(ends)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("speech", nargs="?", type=Path, metavar="SPEECH_DIR")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--text", action="store_true", help="print the turns of each file too")
    arguments = parser.parse_args()
    options: dict[str, Any] = {}
    for option in arguments.option:
        name, _, value = option.partition("=")
        options[name] = float(value) if "." in value else int(value)

    started_s = time.perf_counter()
    model = Model.load()
    print(
        f"model loaded in {time.perf_counter() - started_s:.2f} s; options {options or 'default'}"
    )
    if arguments.speech:
        measure_speech(model, arguments.speech, options, with_text=arguments.text)
    measure_aligned(model, options)


def measure_speech(
    model: Model, folder: Path, options: dict[str, Any], *, with_text: bool = False
) -> None:
    """Print the table for the files of ``references.tsv``."""
    print(
        f"{'file':28}{'audio s':>8}{'WER %':>8}{'turns':>7}{'partials':>10}"
        f"{'CPU':>8}{'RTF':>8}{'latency':>8}"
    )
    total = Run(0.0, 0.0, 0.0, [], [], [], 0)
    errors = n_words = 0
    with (folder / "references.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        result = run(model, read_wav(folder / row["file"]), **options)
        said, heard = normalise(row["transcript"]), normalise(" ".join(result.turns))
        score = jiwer.process_words(said, heard)
        wrong = score.substitutions + score.deletions + score.insertions
        errors += wrong
        n_words += len(said.split())
        print(line(row["file"], wrong / len(said.split()), result))
        if with_text:
            for turn in result.turns:
                print(f"    {turn}")
            if wrong:
                print(f"    said: {said}\n   heard: {heard}")
        total.audio_s += result.audio_s
        total.cpu_s += result.cpu_s
        total.wall_s += result.wall_s
        total.n_partials += result.n_partials
        total.turns += result.turns
        total.latencies_ms += result.latencies_ms
    print(line("total", errors / n_words, total))
    print(f"{errors} errors in {n_words} words")


if __name__ == "__main__":
    main()
