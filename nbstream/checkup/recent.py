"""What the last recordings with a browser's microphone used. Pure; their files may say anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nbstream.checkup.facts import Facts, Recording, Row
from nbstream.checkup.routes import WORDS

RECENT: Final = "What the last recordings with it used"
_LATE: Final = (
    "On some kernels, sound waits there while a cell runs; jupyter-server-proxy beside the Jupyter "
    "server avoids it."
)


def recent_rows(facts: Facts) -> list[Row]:
    """A row a recording, newest first."""
    return [_row(recording) for recording in facts.recordings]


def _row(recording: Recording) -> Row:
    name, source = recording.name, recording.source
    if recording.problem:
        found = f"session.json can't be read: {recording.problem}"
        return Row(RECENT, name, "note", found, "Restore it from a copy, or play audio.wav alone.")
    route = source.get("route")
    if recording.is_running:
        return Row(RECENT, name, "ok", "is being recorded; its route is noted at the end")
    parts = [_route(route)] if isinstance(route, str) and route else []
    if not parts:
        parts = ["no route is noted: it was cut off, or no page came"]
    parts += [*_numbers(source), *_clock(source.get("clock"))]
    if tried := _tried(source.get("tried"), route):
        parts.append(f"tried: {tried}")
    if not isinstance(route, str) or not route:
        return Row(RECENT, name, "note", "; ".join(parts))
    if route == "comm":
        return Row(RECENT, name, "note", "; ".join(parts), _LATE)
    return Row(RECENT, name, "ok", "; ".join(parts))


def _route(name: str) -> str:
    return WORDS.get(name, name)


def _numbers(source: Mapping[str, Any]) -> list[str]:
    found = []
    if _is_number(rate := source.get("device_rate_hz")):
        found.append(f"device at {rate:g} Hz")
    for field, one in (("pages", "page"), ("lines", "line")):
        if _is_number(count := source.get(field)):
            found.append(f"{count:g} {one}{'' if count == 1 else 's'}")
    return found


def _clock(clock: object) -> list[str]:
    if not isinstance(clock, Mapping):
        return []
    found = []
    if _is_number(offset := clock.get("offset_ms")):
        known = clock.get("uncertainty_ms")
        sure = f" ± {known:.1f}" if _is_number(known) else ""
        found.append(f"clocks {offset:,.0f}{sure} ms apart")
    if _is_number(drift := clock.get("drift_ppm")):
        found.append(f"drift {drift:g} ppm")
    return found


def _tried(tried: object, route: object) -> str:
    if not isinstance(tried, list):
        return ""
    found = []
    for one in tried:
        if not isinstance(one, Mapping) or not isinstance(one.get("route"), str):
            continue
        chosen = " was taken" if one["route"] == route else ""
        why = one.get("why")
        reason = f" ({why})" if isinstance(why, str) and why else ""
        found.append(f"{one['route']}{chosen}{reason}")
    return ", ".join(found)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
