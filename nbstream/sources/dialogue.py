"""The packaged speech as a conversation of two people, with floor transfers of known length."""

from __future__ import annotations

import itertools
import json
import wave
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nbstream.audio import SAMPLE_RATE_HZ, to_array
from nbstream.errors import ParameterError
from nbstream.sources.convert import Converter, FloatBlock, floats
from nbstream.sources.file import AudioFile
from nbstream.sources.sample import samples_folder

if TYPE_CHECKING:
    import pandas as pd

TRANSFERS_MS = (400, 150, -300, 900, 250)
# Of each turn so much is taken before and behind its speech: it is faded there.
MARGIN_S = 0.12
LEAD_S, TAIL_S = 0.6, 1.5


class Dialogue(AudioFile):
    """Two speakers of the packaged sample, each on a channel, taking turns as you say.

    Real speech, but no real conversation: what was said at other times is put in turns, so that
    the truth is known when turn timing is tried out.

    Parameters
    ----------
    transfers_ms : sequence of float
        Silence between one turn and the next, which is the other speaker's; negative where they
        overlap. One turn more than transfers is heard.
    speed : float
        As in `AudioFile`.

    Attributes
    ----------
    turns : DataFrame
        The truth: ``start_s``, ``end_s``, ``speaker``, ``text``, ``fto_ms``; speech edges by ear,
        to some 30 ms. `nb.Session.timing` takes it as ``reference=``.

    Raises
    ------
    ParameterError
        If a speaker would have to interrupt themselves.

    """

    kind: str = "sample"

    def __init__(self, transfers_ms: Sequence[float] = TRANSFERS_MS, *, speed: float = 1.0) -> None:
        super().__init__(samples_folder() / "sample.wav", speed)
        self.speakers = ("reader", "president")
        self.label = "dialogue"
        self.transfers_ms = tuple(map(float, transfers_ms))
        self._turns = self._placed()

    def __repr__(self) -> str:
        return f"Dialogue({self.transfers_ms}, speed={self.speed:g})"

    @property
    def turns(self) -> pd.DataFrame:
        """What is said when, and by whom."""
        import pandas as pd

        columns = ["start_s", "end_s", "speaker", "text", "fto_ms"]
        return pd.DataFrame([{name: turn[name] for name in columns} for turn in self._turns])

    def _placed(self) -> list[dict[str, Any]]:
        about = json.loads((samples_folder() / "sample.json").read_text("utf-8"))["turns"]
        half = len(about) // 2  # the first half is read, the second held as a speech
        said = [itertools.cycle(about[:half]), itertools.cycle(about[half:])]
        placed: list[dict[str, Any]] = []
        for number, fto_ms in enumerate((float("nan"), *self.transfers_ms)):
            turn = next(said[number % 2])
            last = placed[-1]["end_s"] if placed else 0.0
            start_s = last + fto_ms / 1000 if placed else LEAD_S + MARGIN_S
            own_end_s = placed[-2]["end_s"] if number > 1 else 0.0
            if start_s - MARGIN_S < own_end_s + MARGIN_S * (number > 1):
                raise ParameterError(
                    f"a transfer of {fto_ms:g} ms puts turn {number} into the same speaker's last.",
                    hint="Turns last 2 to 7 s: overlap by less than the turn in between.",
                    parameter="transfers_ms",
                )
            length_s = turn["end_s"] - turn["start_s"]
            placed.append(
                {
                    "start_s": start_s,
                    "end_s": start_s + length_s,
                    "speaker": self.speakers[number % 2],
                    "text": turn["text"],
                    "fto_ms": fto_ms,
                    "channel": number % 2,
                    "from_s": turn["start_s"],
                }
            )
        return placed

    def _open(self) -> tuple[Any, Converter]:
        with wave.open(str(self.path)) as file:
            sample = to_array(file.readframes(file.getnframes()))
        n_frames = _frame(self._turns[-1]["end_s"] + TAIL_S)
        # As in the sample: silence is noise of one quantisation step, the same on every run.
        generator = np.random.default_rng(21)
        heard = generator.integers(-1, 2, (n_frames, 2)).astype(np.int16)
        for turn in self._turns:
            length = _frame(turn["end_s"] - turn["start_s"] + 2 * MARGIN_S)
            at, of = _frame(turn["start_s"] - MARGIN_S), _frame(turn["from_s"] - MARGIN_S)
            heard[at : at + length, turn["channel"]] = sample[of : of + length]
        return _ArrayReader(heard), Converter(SAMPLE_RATE_HZ, self.label, len(self.speakers))


class _ArrayReader:
    """Samples in memory, as `AudioFile` reads a file."""

    rate_hz = SAMPLE_RATE_HZ

    def __init__(self, samples: npt.NDArray[np.int16]) -> None:
        self._samples = samples
        self._at = 0
        self.n_frames, self.n_channels = samples.shape

    def read(self, n_frames: int) -> FloatBlock:
        block = self._samples[self._at : self._at + n_frames]
        self._at += len(block)
        return floats(block.astype("<i2").tobytes(), self.n_channels)

    def close(self) -> None:
        self._at = self.n_frames


def _frame(at_s: float) -> int:
    return round(at_s * SAMPLE_RATE_HZ)
