"""Make the packaged sample: ``nbstream/samples/sample.wav`` and ``sample.json``.

    python scripts/make_sample.py SPEECH_DIR

SPEECH_DIR holds ``jfk.wav`` and ``librivox_*.wav``, 16-bit mono at 16 kHz. All are in the public
domain. The pieces below are cut out, faded over 100 ms at both ends and set apart by known
silences; the silences are noise of one quantisation step, from a seeded generator, so that the
result is the same to the bit on every run. Spoken by two people, read and as a speech.
"""

from __future__ import annotations

import argparse
import json
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
FADE_FRAMES = 1_600
LEAD_S, TAIL_S = 0.6, 1.0
OUT = Path(__file__).resolve().parents[1] / "nbstream" / "samples"
LIBRIVOX = (
    "LibriVox reading of Jane Austen, Sense and Sensibility, as in the pocketsphinx 5.1.1 "
    "source distribution"
)
KENNEDY = (
    "John F. Kennedy, inaugural address, 20 January 1961, as in the whisper.cpp samples of the "
    "pywhispercpp 1.5.1 source distribution"
)
LICENCES = {LIBRIVOX: "public domain (LibriVox)", KENNEDY: "public domain (US Government work)"}


@dataclass(frozen=True)
class Piece:
    """Part of a recording, and the silence after it, in seconds."""

    file: str
    start_s: float
    end_s: float
    speech_start_s: float  # by ear and by a voice activity detector, to some 30 ms
    speech_end_s: float
    text: str
    silence_s: float = 0.0


PIECES = (
    Piece(
        "librivox_0870.wav",
        0.20,
        7.00,
        0.32,
        6.88,
        "And Mr. John Dashwood had then leisure to consider how much there might be prudently "
        "in his power to do for them.",
        1.2,
    ),
    Piece(
        "librivox_0920.wav",
        0.23,
        5.98,
        0.35,
        5.86,
        "Had he married a more amiable woman, he might have been made still more respectable "
        "than he was.",
        1.0,
    ),
    Piece(
        "librivox_0930.wav",
        0.17,
        3.16,
        0.29,
        3.04,
        "He might even have been made amiable himself.",
        1.6,
    ),
    Piece("jfk.wav", 0.0, 2.75, 0.35, 2.24, "And so, my fellow Americans,", 0.89),
    # The speaker stops for a second after "ask not"; here for 0.4 s, so that it is one turn.
    Piece("jfk.wav", 3.10, 4.53, 3.30, 4.38, "ask not"),
    Piece("jfk.wav", 5.26, 7.80, 5.41, 7.65, "what your country can do for you;", 1.2),
    Piece("jfk.wav", 8.02, 10.75, 8.19, 10.59, "ask what you can do for your country."),
)
JOINED = {5}  # pieces that go on with the turn of the piece before


def silence(seconds: float, generator: np.random.Generator) -> npt.NDArray[np.int16]:
    """Noise of at most one quantisation step."""
    return generator.integers(-1, 2, round(seconds * RATE_HZ)).astype(np.int16)


def cut(folder: Path, piece: Piece) -> npt.NDArray[np.int16]:
    """The piece's audio, faded in and out."""
    with wave.open(str(folder / piece.file)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE_HZ, 1, 2):
            raise SystemExit(f"{piece.file} is not 16-bit mono at 16 kHz")
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float64)
    pcm = pcm[round(piece.start_s * RATE_HZ) : round(piece.end_s * RATE_HZ)]
    ramp = np.linspace(0.0, 1.0, FADE_FRAMES)
    pcm[:FADE_FRAMES] *= ramp
    pcm[-FADE_FRAMES:] *= ramp[::-1]
    return np.rint(pcm).astype(np.int16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("speech", type=Path, metavar="SPEECH_DIR")
    folder: Path = parser.parse_args().speech
    generator = np.random.default_rng(20)
    parts = [silence(LEAD_S, generator)]
    silences = [[0.0, LEAD_S]]
    turns: list[dict[str, object]] = []
    pieces: list[dict[str, object]] = []
    at = LEAD_S
    for number, piece in enumerate(PIECES):
        audio = cut(folder, piece)
        parts.append(audio)
        start_s = round(at + piece.speech_start_s - piece.start_s, 3)
        end_s = round(at + piece.speech_end_s - piece.start_s, 3)
        if number in JOINED:
            turns[-1] |= {"text": f"{turns[-1]['text']} {piece.text}", "end_s": end_s}
        else:
            turns.append({"text": piece.text, "start_s": start_s, "end_s": end_s})
        source = KENNEDY if piece.file == "jfk.wav" else LIBRIVOX
        pieces.append(
            {
                "file": piece.file,
                "from_s": piece.start_s,
                "to_s": piece.end_s,
                "placed_s": round(at, 3),
                "source": source,
                "licence": LICENCES[source],
            }
        )
        at += len(audio) / RATE_HZ
        pause_s = piece.silence_s if number < len(PIECES) - 1 else TAIL_S
        if pause_s:
            parts.append(silence(pause_s, generator))
            silences.append([round(at, 3), round(at + pause_s, 3)])
            at += pause_s
    OUT.mkdir(exist_ok=True)
    with wave.open(str(OUT / "sample.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.concatenate(parts).tobytes())
    about = {
        "title": "Sense and Sensibility, read aloud, and the inaugural address of 1961",
        "licence": "public domain",
        "seconds": round(at, 3),
        "transcript": [turn["text"] for turn in turns],
        "turns": turns,
        "silences_s": silences,
        "pieces": pieces,
    }
    text = json.dumps(about, indent=2, ensure_ascii=False)
    (OUT / "sample.json").write_text(text + "\n", encoding="utf-8")
    print(f"{OUT / 'sample.wav'}: {at:.2f} s, {len(turns)} turns")


if __name__ == "__main__":
    main()
