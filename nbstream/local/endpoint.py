"""Endpointing: when a turn has ended, by the silence and by the look of the text. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from nbstream.local.model import Decoded

SILENCE_FLOOR_MS = 400
"""Pauses inside sentences are often longer than the service's 128 ms, and a recogniser that sees
only half a sentence ends it with a full stop; so no turn ends before this much silence."""

COMPLETE_PROBABILITY = 0.5
"""A full stop less likely than this is not taken for the end of a sentence."""

FIRST_PARTIAL_MS = 256
"""Less speech than this is not recognised well enough to be shown."""


@dataclass(frozen=True, slots=True)
class Options:
    """Turn detection, as the service names it (Streaming v3, preset ``balanced``).

    Attributes
    ----------
    min_turn_silence_ms : int
        Silence that ends a turn whose text is complete (ends in ``.``, ``?`` or ``!``); not
        below `SILENCE_FLOOR_MS`.
    max_turn_silence_ms : int
        Silence that ends any turn; same floor.
    vad_threshold : float
        Voice activity from which a window counts as speech, 0..1.
    interruption_delay_ms : int
        From the onset of speech to the first partial; not below `FIRST_PARTIAL_MS`.
    partials : bool
        Whether updates come before the end of the turn.
    max_turn_ms : int
        A turn is ended when it gets this long, at a quiet place of its last seconds.
    """

    min_turn_silence_ms: int = 128
    max_turn_silence_ms: int = 1280
    vad_threshold: float = 0.5
    interruption_delay_ms: int = 500
    partials: bool = True
    max_turn_ms: int = 60_000

    def turn_ends(self, silence_ms: int, looks_complete: bool) -> bool:
        """Whether a turn is over after this much silence."""
        limit_ms = self.max_turn_silence_ms
        if looks_complete:
            limit_ms = min(limit_ms, self.min_turn_silence_ms)
        return silence_ms >= max(limit_ms, SILENCE_FLOOR_MS)


def is_complete(decoded: Decoded) -> bool:
    """Whether the text looks like a whole sentence.

    The model puts a full stop behind nearly everything that is followed by silence; only one
    that it was fairly sure of counts.
    """
    text = decoded.text.rstrip("\"')")
    return text.endswith((".", "?", "!")) and decoded.last_probability >= COMPLETE_PROBABILITY
