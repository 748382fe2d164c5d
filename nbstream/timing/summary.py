"""Percentiles of figures, with how sure they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd

from nbstream.errors import ParameterError
from nbstream.timing.clock import FloatArray
from nbstream.timing.definitions import DEFINITIONS

MEASURES: Final = (
    "first_partial_ms",
    "ttfs_ms",
    "eot_latency_ms",
    "endpoint_wait_ms",
    "delivery_ms",
    "fto_ms",
    "duration_ms",
    "speech_rate_wpm",
    "pause_ms",
    "upwr",
    "upsr",
    "normalized_erasure",
)
PERCENTILES: Final = (50, 90, 95, 99)
_N_RESAMPLES: Final = 1000
_COVERAGE: Final = 0.95


class HasTiming(Protocol):
    """A session, as far as it is needed here."""

    @property
    def name(self) -> str:
        """What it was called."""

    def timing(self) -> pd.DataFrame:
        """One row a turn."""


Timed = HasTiming | pd.DataFrame


def summary(
    sessions: Timed | Iterable[Timed] | Mapping[str, Timed],
    by: str | Sequence[str] = (),
    *,
    columns: Sequence[str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Percentiles of the timing of one session or many, with bootstrap intervals.

    Parameters
    ----------
    sessions : Session, DataFrame, or several, or mapping from name to either
        Sessions, or tables as from `Session.timing` or `Session.word_timing`.
    by : str or sequence of str
        Columns to group by, such as ``"model"``, ``["session", "speaker"]``.
    columns : sequence of str, optional
        Figures to summarise; by default the latencies, rates and stability that are there.
    seed : int
        Of the resampling: the same table gives the same intervals.

    Returns
    -------
    DataFrame
        Index: `by` and ``figure``. Columns: ``n``, and for each of p50, p90, p95, p99 the value
        and its 95 % interval, as ``p90``, ``p90_low``, ``p90_high``. A percentile is NaN where n
        does not support it: with fewer than 1 / (1 - q) values nothing is known beyond q.

    Raises
    ------
    ParameterError
        If a column is not there.

    Notes
    -----
    Intervals are percentile bootstraps over turns (1000 resamples). Turns of one session resemble
    each other, so between people or rooms the truth is wider: group by session to see it.

    """
    table = gathered(sessions)
    groups = [by] if isinstance(by, str) else list(by)
    chosen = _columns(table, columns)
    for name in (*groups, *chosen):
        if name not in table:
            raise ParameterError(
                f"there is no column {name!r} to summarise.",
                hint="Columns: " + ", ".join(map(str, table.columns)) + ".",
                parameter="by" if name in groups else "columns",
            )
    parts = table.groupby(groups, dropna=False, sort=True) if groups else [((), table)]
    rows = []
    for key, part in parts:
        head = dict(zip(groups, key if isinstance(key, tuple) else (key,), strict=True))
        rows += [head | {"figure": name} | _row(part[name], seed) for name in chosen]
    return pd.DataFrame(
        rows, columns=[*groups, "figure", *_row(pd.Series(dtype=float), seed)]
    ).set_index([*groups, "figure"])


def gathered(sessions: Timed | Iterable[Timed] | Mapping[str, Timed]) -> pd.DataFrame:
    """Timing of all sessions under each other, with a column ``session``."""
    if isinstance(sessions, pd.DataFrame) or hasattr(sessions, "timing"):
        return _table(sessions, None)
    if isinstance(sessions, Mapping):
        tables = [_table(timed, str(name)) for name, timed in sessions.items()]
    else:
        tables = [_table(timed, None) for timed in sessions]
    if not tables:
        raise ParameterError("there is no session to summarise.", parameter="sessions")
    return pd.concat(tables, ignore_index=True)


def percentile(values: FloatArray, q: float) -> float:
    """Percentile `q` (0 to 100), or NaN where so few values can't tell."""
    supported = len(values) >= 1 / (1 - q / 100) - 1e-9
    return float(np.percentile(values, q)) if supported else math.nan


def _row(values: pd.Series, seed: int) -> dict[str, float]:
    found = values.dropna().to_numpy(np.float64)
    row: dict[str, float] = {"n": len(found)}
    if not len(found):
        return row | {
            f"p{q}{part}": math.nan for q in PERCENTILES for part in ("", "_low", "_high")
        }
    resampled = _resampled(found, np.random.default_rng(seed))
    tail = 50 * (1 - _COVERAGE)
    for q, estimates in zip(PERCENTILES, resampled, strict=True):
        value = percentile(found, q)
        low, high = np.percentile(estimates, (tail, 100 - tail))
        is_known = not math.isnan(value)
        row[f"p{q}"] = value
        row[f"p{q}_low"], row[f"p{q}_high"] = (low, high) if is_known else (math.nan, math.nan)
    return row


def _resampled(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Percentiles of resamples, shape (percentiles, resamples); some MB at a time."""
    at_once = max(1, 1_000_000 // len(values))
    blocks = []
    for first in range(0, _N_RESAMPLES, at_once):
        n = min(at_once, _N_RESAMPLES - first)
        drawn = values[rng.integers(len(values), size=(n, len(values)))]
        blocks.append(np.percentile(drawn, PERCENTILES, axis=1))
    return np.concatenate(blocks, axis=1)


def _columns(table: pd.DataFrame, columns: Sequence[str] | None) -> list[str]:
    if columns is not None:
        return list(columns)
    words = [d.column for d in DEFINITIONS if d.table == "word"]
    return [name for name in (*MEASURES, *words) if name in table]


def _table(timed: Any, name: str | None) -> pd.DataFrame:
    table: pd.DataFrame = timed if isinstance(timed, pd.DataFrame) else timed.timing()
    return table if name is None else table.assign(session=name)
