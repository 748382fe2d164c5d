"""What is computed from a session's folder and turns: timing, voice activity, pictures.

`Session` hands its questions on to here. Nothing is written, so everything can be asked again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nbstream import events as ev
from nbstream import export, tables, timing
from nbstream.errors import ParameterError
from nbstream.store import Folder

if TYPE_CHECKING:
    from nbstream.speech import VoiceActivity

_READ_FRAMES = 60 * 16_000


class Study:
    """Answers about one folder. `speech` may be asked by any thread; it catches up and keeps."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._lock = threading.Lock()  # guards the detectors, which remember what they heard
        self._heard: list[VoiceActivity] = []

    def speech(self) -> pd.DataFrame:
        """Stretches in which somebody spoke: ``start_s``, ``end_s``, ``channel``."""
        parts = [
            pd.DataFrame(spans, columns=["start_s", "end_s"]).assign(channel=channel)
            for channel, spans in enumerate(self._spans())
        ]
        table = pd.concat(parts).sort_values("start_s", ignore_index=True)
        table = table.astype({"channel": "Int64"})
        if self._folder.n_channels == 1:
            table["channel"] = pd.array([pd.NA] * len(table), dtype="Int64")
        return table

    def turns(
        self,
        rows: Sequence[tables.TurnRow],
        rare: Sequence[ev.Entry],
        *,
        end_source: str,
        reference: str | Path | pd.DataFrame | None,
        corrected: Mapping[tables.TurnKey, Mapping[str, str]],
        **options: Any,
    ) -> pd.DataFrame:
        """`timing.turns` of this folder; see `Session.timing`."""
        rows = tables.in_order(rows)
        clock, records = self._clock(), self._folder.chunk_records()
        rate_hz = self._folder.sample_rate_hz
        speakers, spans = None, None
        if reference is not None:
            speakers, spans = timing.speakers(rows, _reference(reference))
        elif any("speaker_corrected" in said for said in corrected.values()):
            said = [corrected.get(tables.row_key(row), {}) for row in rows]
            known = zip(said, timing.labels(rows), strict=True)
            speakers = [one.get("speaker_corrected", label) for one, label in known]
        if end_source == "vad":
            heard = self._spans()
            spans = [heard[row.channel or 0] for row in rows]
        elif end_source == "asr_word":
            spans = None
        elif end_source != "manual" or spans is None:
            raise ParameterError(
                f"end_source {end_source!r} can't be used here.",
                hint='"asr_word", "vad", or "manual" together with reference=.',
                parameter="end_source",
            )
        table = timing.turns(
            rows,
            clock,
            timing.SendClock(records, rate_hz),
            timing.Commands(rare, self._folder.meta.get("service", {})),
            speakers=speakers,
            spans=spans,
            end_source=end_source,
            stops_s=[e.event.frame / rate_hz for e in rare if isinstance(e.event, ev.Paused)],
            **options,
        )
        names = pd.Series([self._folder.path.name] * len(table), dtype="string")
        table.insert(0, "session", names)
        return table

    def words(self, rows: Sequence[tables.TurnRow]) -> pd.DataFrame:
        """`timing.words` of this folder."""
        return timing.words(tables.words(rows), self._clock())

    def _clock(self) -> timing.CaptureClock:
        folder = self._folder
        source = folder.meta.get("source", {})
        return timing.CaptureClock(
            folder.chunk_records(), folder.sample_rate_hz, _uncertainty_ms(source)
        )

    def _spans(self) -> list[timing.Spans]:
        """Voice activity of each channel."""
        from nbstream.speech import VoiceActivity

        folder = self._folder
        with self._lock:
            if not self._heard:
                self._heard = [
                    VoiceActivity(folder.sample_rate_hz) for _ in range(folder.n_channels)
                ]
            for channel, heard in enumerate(self._heard):
                while pcm := folder.read_pcm(heard.n_frames, _READ_FRAMES, channel):
                    heard.add(pcm)
            return [np.array(heard.spans(), np.float64).reshape(-1, 2) for heard in self._heard]


def _uncertainty_ms(source: Mapping[str, Any]) -> float:
    """How far capture times may be off: 0 where the kernel stamped them, NaN where not known."""
    if source.get("kind") != "browser":
        return 0.0
    match source.get("clock"):
        case {"uncertainty_ms": int() | float() as found}:
            return float(found)
    return math.nan


def _reference(reference: str | Path | pd.DataFrame) -> pd.DataFrame:
    if not isinstance(reference, pd.DataFrame):
        return export.read_spans(reference)
    missing = {"start_s", "end_s", "speaker"} - set(reference.columns)
    if missing:
        raise ParameterError(
            f"the reference lacks {', '.join(sorted(missing))}.",
            hint="A table with start_s, end_s (in seconds) and speaker.",
            parameter="reference",
        )
    return reference
