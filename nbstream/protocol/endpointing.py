"""How long the service waits in silence before it ends a turn, as far as it tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from nbstream.protocol.parameters import is_pro


class Preset(NamedTuple):
    """What a mode stands for; ms."""

    min_turn_silence: int
    max_turn_silence: int
    interruption_delay: int


PRESETS: Final[Mapping[str | None, Preset]] = {
    None: Preset(400, 1280, 500),  # Universal-Streaming, which has no modes
    "min_latency": Preset(128, 640, 0),
    "balanced": Preset(128, 1280, 500),
    "max_accuracy": Preset(512, 2560, 500),
}
WITH_SPEAKERS: Final = Preset(640, 768, 500)
"""``speaker_labels`` replaces the preset of every mode."""


def turn_silences_ms(
    model: str, configuration: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[float, float]:
    """Shortest and longest silence that ends a turn.

    Parameters
    ----------
    model : str
        As asked for; its family decides which presets there are.
    configuration : Mapping
        ``Begin.configuration``. What it says of the two counts most; the service says the mode.
    options : Mapping
        As asked for, updates included.

    Returns
    -------
    tuple of float
        In ms of audio: for a turn whose text looks complete, and for any turn.

    """
    mode = configuration.get("mode", options.get("mode", "balanced" if is_pro(model) else None))
    preset = PRESETS.get(mode, PRESETS[None])
    if options.get("speaker_labels") and is_pro(model):
        preset = WITH_SPEAKERS
    found = {**preset._asdict(), **options, **configuration}
    shortest = float(found["min_turn_silence"])
    return shortest, max(shortest, float(found["max_turn_silence"]))
