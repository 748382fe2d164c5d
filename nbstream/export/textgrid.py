"""Praat's TextGrid: one tier a speaker, through praatio."""

from __future__ import annotations

from pathlib import Path

from nbstream.errors import ParameterError
from nbstream.export.rttm import Span


def read(path: Path) -> list[Span]:
    """Intervals with text, of every interval tier; the tier's name is the speaker."""
    try:
        from praatio import textgrid
        from praatio.utilities.constants import INTERVAL_TIER
    except ImportError as error:
        raise ParameterError(
            "TextGrid files are read by praatio, which is not installed.",
            hint="pip install 'nbstream[formats]'",
            parameter="reference",
        ) from error
    try:
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    # praatio raises what its parser stumbled over, of many kinds.
    except Exception as error:
        raise ParameterError(
            f"{path.name} can't be read as a TextGrid: {error}.", parameter="reference"
        ) from error
    return [
        (interval.start, interval.end, tier.name, interval.label)
        for tier in grid.tiers
        if tier.tierType == INTERVAL_TIER
        for interval in tier.entries
    ]
