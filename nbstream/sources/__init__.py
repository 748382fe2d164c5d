"""Where audio comes from: a microphone, a file, the packaged sample.

A source is opened by `with` and iterated once by one thread, the engine's capture thread. Sources
make no threads and load PyAudio, soundfile and soxr only when they are needed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nbstream.audio import Chunk
from nbstream.errors import SourceError
from nbstream.sources.browser import BrowserMicrophone
from nbstream.sources.dialogue import Dialogue
from nbstream.sources.file import AudioFile
from nbstream.sources.microphone import Microphone
from nbstream.sources.portaudio import devices
from nbstream.sources.sample import Sample

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "AudioFile",
    "BrowserMicrophone",
    "Dialogue",
    "Microphone",
    "Sample",
    "Source",
    "devices",
    "resolve",
]


@runtime_checkable
class Source(Protocol):
    """Anything that yields chunks.

    Attributes
    ----------
    label : str
        For people: "sample", "talk.flac", "microphone: USB Audio".
    kind : str
        "sample", "file", "mic" or "browser".
    live : bool
        Whether it goes on until it is stopped.
    speed : float
        Seconds of audio a second; 0.0 is as fast as it can be read.
    warning : str
        What the person should know of it, once it is open; empty if nothing.
    speakers : tuple of str
        Who is on each channel of the chunks; empty if they have one channel, of whoever speaks.
    """

    label: str
    kind: str
    live: bool
    speed: float
    warning: str
    speakers: tuple[str, ...]

    def check(self) -> None:
        """Raise SourceError for what can be known before opening."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """Yield 50 ms chunks (the last may be shorter) until the end or soon after `stop`."""
        ...


def resolve(spec: str | os.PathLike[str] | Source) -> Source:
    """Make a source of what a user may give.

    Parameters
    ----------
    spec : str, Path or Source
        "sample", "dialogue", "mic", "browser", the path of an audio file, or a source.

    Raises
    ------
    SourceError
        For anything else. Whether a file exists is found by `Source.check`.
    """
    if isinstance(spec, Source):
        return spec
    if spec == "sample":
        return Sample()
    if spec == "dialogue":
        return Dialogue()
    if spec == "mic":
        return Microphone()
    if spec == "browser":
        return BrowserMicrophone()
    if isinstance(spec, (str, os.PathLike)) and os.fspath(spec):
        return AudioFile(spec)
    raise SourceError(
        f"no source can be made of {spec!r}.",
        hint='Give "sample", "dialogue", "mic", "browser", the path of an audio file, or a source '
        "such as Microphone(2).",
    )
