"""16-bit WAV without a library, also where a killed recording left sizes that are not true."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from nbstream.sources.convert import FloatBlock, floats

PCM: Final = 1
EXTENSIBLE: Final = 0xFFFE
# Writers that cannot seek claim about 2 or 4 GiB, which says "until the end of the file".
UNKNOWN_BYTES: Final = 0x7FFF_0000


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the samples of a 16-bit WAV file are."""

    rate_hz: int
    n_channels: int
    start_byte: int
    n_frames: int
    warning: str = ""


def read_layout(file: BinaryIO) -> Layout | None:
    """Read the header; None if this is not a WAV file with 16-bit PCM.

    The size of the file decides how many frames there are. A header that claims another number
    is reported in `Layout.warning`.
    """
    n_bytes = os.fstat(file.fileno()).st_size
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    fmt = b""
    name, size = _next_chunk(file)
    while name not in (b"data", b""):
        body_start = file.tell()
        if name == b"fmt ":
            fmt = file.read(size)
        file.seek(body_start + size + size % 2)
        name, size = _next_chunk(file)
    if len(fmt) < 16:
        return None
    tag, n_channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", fmt[:16])
    if tag == EXTENSIBLE and len(fmt) >= 26:
        (tag,) = struct.unpack("<H", fmt[24:26])
    if tag != PCM or bits != 16 or not n_channels or not rate_hz:
        return None
    start = file.tell()
    frame_bytes = 2 * n_channels
    there = max(0, n_bytes - start)
    if size <= there and _is_chunks(file, start + size + size % 2, n_bytes):
        return Layout(rate_hz, n_channels, start, size // frame_bytes)
    n_frames = there // frame_bytes
    claimed = size // frame_bytes
    warning = ""
    if claimed != n_frames and size < UNKNOWN_BYTES:
        warning = (
            f"the header claims {claimed / rate_hz:.2f} s of audio, "
            f"but {n_frames / rate_hz:.2f} s are there and are read"
        )
    return Layout(rate_hz, n_channels, start, n_frames, warning)


def _next_chunk(file: BinaryIO) -> tuple[bytes, int]:
    head = file.read(8)
    return (head[:4], struct.unpack("<I", head[4:])[0]) if len(head) == 8 else (b"", 0)


def _is_chunks(file: BinaryIO, start: int, end: int) -> bool:
    """Whether nothing but whole RIFF chunks (tags, cue points) lies between the two positions."""
    while start < end - 1:
        file.seek(start)
        name, size = _next_chunk(file)
        if not name or not all(0x20 <= byte < 0x7F for byte in name):
            return False
        start += 8 + size + size % 2
    return start <= end + 1


class WavReader:
    """Read the samples of an open 16-bit WAV file in blocks."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self.rate_hz = layout.rate_hz
        self.n_frames = layout.n_frames
        self.n_channels = layout.n_channels
        self._left_frames = layout.n_frames
        self._file = file
        file.seek(layout.start_byte)

    def read(self, n_frames: int) -> FloatBlock:
        """Read up to `n_frames`, shape (frames, channels), full scale 1.0; empty at the end."""
        n_frames = min(n_frames, self._left_frames)
        block = floats(self._file.read(n_frames * 2 * self.n_channels), self.n_channels)
        self._left_frames -= len(block)
        return block

    def close(self) -> None:
        """Close the file."""
        self._file.close()
