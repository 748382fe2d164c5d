"""The files of the model: where the packaged weights are, and the decoder that is made of them.

The weights are those inside the ``moonshine-voice`` wheel, which is opened as a folder and never
imported. The packaged decoder does not output its cross-attention, from which word times are read,
so a decoder that does is made once and cached (`attention_decoder`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbstream.errors import RecogniserError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

HINT = "pip install 'nbstream[local]'"


def packaged_folder() -> Path:
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
            hint=HINT,
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


def session(model: Path | bytes) -> InferenceSession:
    """Open a model, or the bytes of one, to run on the caller's thread alone."""
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


def load_decoder(packaged: Path, folder: Path | None = None) -> InferenceSession:
    """The decoder with attention, from the cache or made now and put there.

    Any number of processes may do this at once: each makes its own file and renames it into
    place, so that a reader sees a whole file or none. A cache that cannot be written costs the
    making, some two seconds, at each start.
    """
    digest = hashlib.sha256(packaged.read_bytes()).hexdigest()
    cached = (folder or cache_folder()) / f"decoder-attention-1-{digest[:24]}.onnx"
    if cached.is_file():
        try:
            return session(cached)
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
    return session(model)


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
