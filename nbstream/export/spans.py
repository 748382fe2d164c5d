"""What readers find in a file, before it is a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from nbstream.export.tiers import TURNS, kind_and_speaker


@dataclass(frozen=True, slots=True)
class Found:
    """A span of a file; with NaN for times, a tier that is there."""

    tier: str
    kind: str
    speaker: str
    start_s: float
    end_s: float
    text: str | None

    @property
    def is_tier(self) -> bool:
        """Whether it only says that the tier is there."""
        return math.isnan(self.start_s)


def found(
    tier: str, start_s: float = math.nan, end_s: float = math.nan, text: str | None = None
) -> Found:
    """A span of a tier whose name says what it holds, or else who speaks."""
    kind, speaker = kind_and_speaker(tier) or (TURNS, tier)
    return Found(tier, kind, speaker, start_s, end_s, text)


def table(spans: Sequence[Found], format: str) -> pd.DataFrame:
    """Spans as a table, in order; its ``attrs`` say which format and tiers it came from."""
    there = sorted((s for s in spans if not s.is_tier), key=lambda s: (s.start_s, s.end_s))
    columns = {
        "start_s": pd.Series([s.start_s for s in there], dtype="float64"),
        "end_s": pd.Series([s.end_s for s in there], dtype="float64"),
        "speaker": pd.Series([s.speaker or None for s in there], dtype="string"),
        "text": pd.Series([s.text for s in there], dtype="string"),
        "kind": pd.Series([s.kind for s in there], dtype="string"),
        "tier": pd.Series([s.tier for s in there], dtype="string"),
    }
    made = pd.DataFrame(columns)
    made.attrs |= {"format": format, "kinds": sorted({s.kind for s in spans})}
    return made
