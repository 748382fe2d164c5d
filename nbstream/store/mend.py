"""The files of a recording that was killed, made whole."""

from __future__ import annotations

import os
from pathlib import Path

from nbstream.audio import WAV_HEADER_BYTES
from nbstream.tables import CHUNK_RECORD


def mend_audio(path: Path, header: bytes, n_bytes: int) -> None:
    """Give ``audio.wav`` its true header, and cut off what is behind `n_bytes` of samples."""
    with open(path, "r+b") as file:
        file.write(header)
        file.truncate(WAV_HEADER_BYTES + n_bytes)


def mend_events(path: Path) -> None:
    """Move the torn last line of ``events.jsonl`` to ``events.torn``: nobody can read it."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    path.with_name("events.torn").write_bytes(data[whole:])
    os.truncate(path, whole)


def mend_chunks(path: Path) -> None:
    """Cut off the torn last record of ``chunks.bin``."""
    if path.exists():
        size = path.stat().st_size
        os.truncate(path, size - size % CHUNK_RECORD.itemsize)
