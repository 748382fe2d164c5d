"""The model's files: found, made once, cached by any number of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nbstream.errors import RecogniserError
from nbstream.local import weights

DEADLINE_S = 120


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
        weights.packaged_folder()
    assert "pip install moonshine-voice==0.1.0" == caught.value.hint


def decoder(folder: Path) -> Any:
    return weights.load_decoder(weights.packaged_folder() / "decoder_model_merged.ort", folder)


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
