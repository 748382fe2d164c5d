"""The speech that comes with the package, and what is said in it."""

from __future__ import annotations

import functools
import importlib.resources
import json
from pathlib import Path

from nbstream.sources.file import AudioFile


class Sample(AudioFile):
    """The packaged public-domain speech, for a first try without a microphone.

    Parameters
    ----------
    speed : float
        As in `AudioFile`.
    """

    kind: str = "sample"

    def __init__(self, speed: float = 1.0) -> None:
        super().__init__(samples_folder() / "sample.wav", speed)
        self.label = "sample"

    def __repr__(self) -> str:
        return f"Sample(speed={self.speed:g})"

    @functools.cached_property
    def transcript(self) -> list[str]:
        """What is said, one text a turn."""
        about = json.loads((samples_folder() / "sample.json").read_text(encoding="utf-8"))
        return list(about["transcript"])


def samples_folder() -> Path:
    """Where the packaged speech is."""
    return Path(str(importlib.resources.files("nbstream"))) / "samples"
