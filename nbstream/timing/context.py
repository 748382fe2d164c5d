"""What the timing of a turn depends on besides the turn: model, mode, settings, commands."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from nbstream import events as ev
from nbstream import protocol


class Commands:
    """What was sent on each connection, and what the server said of itself.

    Parameters
    ----------
    entries : iterable of Entry
        At least every ``Begin`` and ``Sent``; see `tables.Fold.rare`.
    service : Mapping
        As in ``session.json``: the model and the options that were asked for.

    """

    def __init__(self, entries: Iterable[ev.Entry], service: Mapping[str, Any]) -> None:
        self._model = str(service.get("model", ""))
        self._options: list[tuple[float, dict[str, Any]]] = [
            (-math.inf, dict(service.get("options", {})))
        ]
        self._begins: dict[int | None, ev.Begin] = {}
        self._sent: dict[tuple[int | None, str], list[float]] = {}
        for entry in entries:
            if isinstance(entry.event, ev.Begin):
                self._begins[entry.connection] = entry.event
            elif isinstance(entry.event, ev.Sent):
                self._take(entry, json.loads(entry.event.text))

    def model(self, connection: int) -> str | None:
        """The model the server said it used, else the one asked for."""
        begin = self._begins.get(connection)
        return (begin.model if begin else None) or self._model or None

    def mode(self, connection: int, at_s: float) -> str | None:
        """The preset in force, if the model has any."""
        return self._configuration(connection, at_s).get("mode")

    def silences_ms(self, connection: int, at_s: float) -> tuple[float, float]:
        """`protocol.turn_silences_ms` as in force at `at_s`."""
        configuration = self._configuration(connection, at_s)
        return protocol.turn_silences_ms(self._model, configuration, self._asked(at_s))

    def last_sent_s(self, connection: int, kind: str, before_s: float) -> float:
        """When a control message was last sent before `before_s`; NaN if it was not."""
        sent = [at_s for at_s in self._sent.get((connection, kind), ()) if at_s < before_s]
        return sent[-1] if sent else math.nan

    def _take(self, entry: ev.Entry, message: dict[str, Any]) -> None:
        kind = str(message.pop("type", ""))
        if kind != "UpdateConfiguration":
            self._sent.setdefault((entry.connection, kind), []).append(entry.at_s)
            return
        options = dict(self._options[-1][1])
        if "mode" in message:  # It sets the whole preset anew.
            for name in protocol.Preset._fields:
                options.pop(name, None)
        self._options.append((entry.at_s, options | message))

    def _asked(self, at_s: float) -> dict[str, Any]:
        return [options for since_s, options in self._options if since_s <= at_s][-1]

    def _configuration(self, connection: int, at_s: float) -> dict[str, Any]:
        begin = self._begins.get(connection)
        said = dict(begin.configuration) if begin else {}
        # What was changed since counts more than what the server said at the beginning.
        changes = self._asked(at_s) if math.isfinite(self._changed_s(at_s)) else {}
        if "mode" in changes:
            for name in protocol.Preset._fields:
                said.pop(name, None)
        return said | {k: v for k, v in changes.items() if k in ("mode", *protocol.Preset._fields)}

    def _changed_s(self, at_s: float) -> float:
        return [since_s for since_s, _ in self._options if since_s <= at_s][-1]
