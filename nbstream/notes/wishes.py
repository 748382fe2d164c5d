"""What a person asks for, in keywords or a table -> what has to stand in the log."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from nbstream import annotate, tables
from nbstream.annotate import Change
from nbstream.errors import ParameterError
from nbstream.tables import TurnKey, TurnRow, row_key
from nbstream.text import valid

_CONTENTS = (annotate.LABEL, annotate.NOTE, annotate.TRANSCRIPT, annotate.SPEAKER)
_SLACK_S = 0.05  # by which a span may end behind the recording, as other programs round
_WHERE = "Give turn=3 (a row of session.turns) or (connection, turn_order), or start_s= and end_s=."
_WHAT = 'Give label="question", note=, transcript= or speaker=; several if you like.'


@dataclass(frozen=True, slots=True)
class Wish:
    """What one annotation shall say, before it has an id: `where` it is, without op and step."""

    where: Change
    value: str


class Reader:
    """Reads what is asked for on a recording with these turns, of that length."""

    def __init__(self, rows: Sequence[TurnRow], duration_s: float, n_channels: int) -> None:
        self._rows = tables.in_order(rows)
        self._by_key: Mapping[TurnKey, TurnRow] = {row_key(row): row for row in rows}
        self._duration_s = duration_s
        self._n_channels = n_channels

    def wishes(self, head: Change, asked: Mapping[str, Any]) -> list[Wish]:
        """What the keywords of `Session.annotate` come to; `head` says who and when.

        Raises
        ------
        ParameterError
            Unknown turn, span outside the recording, two places or none, or nothing to say.

        """
        wanted = dict(asked)
        author = wanted.pop("author", None)
        where = head if author is None else replace(head, author=text_of(author, "author"))
        kind = wanted.pop("kind", None)
        value = wanted.pop("value", None)
        contents = {name: wanted.pop(name, None) for name in _CONTENTS}
        if kind is not None and value is not None:  # A row of somebody's session.annotations.
            if kind not in annotate.KINDS:
                raise ParameterError(f"there is no kind {kind!r}.", hint=_WHAT, parameter="kind")
            contents[kind] = value
            where = self._span(where, wanted)
            if wanted.get("turn_order") is not None:
                connection = _whole(wanted.get("connection"), "connection")
                turn_order = _whole(wanted["turn_order"], "turn_order")
                where = replace(where, connection=connection, turn_order=turn_order)
        else:
            where = self._place(where, wanted)
        if all(value is None for value in contents.values()):
            raise ParameterError("there is nothing to annotate with.", hint=_WHAT)
        return [
            Wish(replace(where, kind=name), text)
            for name, value in contents.items()
            if value is not None
            for text in _texts(name, value)
        ]

    def _place(self, where: Change, wanted: Mapping[str, Any]) -> Change:
        turn = wanted.get("turn")
        if turn is None and wanted.get("turn_order") is not None:
            turn = (wanted.get("connection"), wanted["turn_order"])
        is_span = any(wanted.get(name) is not None for name in ("start_s", "end_s", "channel"))
        if turn is not None and is_span:
            raise ParameterError(
                "a turn and a span were given: an annotation is about one of them.",
                hint="Leave out start_s, end_s and channel, or the turn.",
                parameter="turn",
            )
        if turn is None:
            return self._span(where, wanted)
        row = self.find(turn)
        start_s = None if math.isnan(row.start_s) else row.start_s
        return replace(
            where,
            start_s=start_s,
            end_s=row.end_s if row.is_final and start_s is not None else None,
            channel=row.channel,
            connection=row.connection,
            turn_order=row.turn_order,
        )

    def find(self, turn: Any) -> TurnRow:
        """The turn of that row of the table, or of that (connection, turn_order)."""
        rows, by_key = self._rows, self._by_key
        if isinstance(turn, tuple | list) and len(turn) == 2:
            row = by_key.get((_whole(turn[0], "connection"), _whole(turn[1], "turn_order")))
            if row is not None:
                return row
        else:
            at = _whole(turn, "turn")
            if -len(rows) <= at < len(rows):
                return rows[at]
        raise ParameterError(
            f"there is no turn {turn!r}: the session has {len(rows)} by now.",
            hint="A row of session.turns, from 0, or (connection, turn_order).",
            parameter="turn",
        )

    def _span(self, where: Change, wanted: Mapping[str, Any]) -> Change:
        if wanted.get("start_s") is None or wanted.get("end_s") is None:
            raise ParameterError(
                "there is no turn, and no span with start and end.", hint=_WHERE, parameter="turn"
            )
        start_s = self.position(wanted["start_s"], "start_s")
        end_s = self.position(wanted["end_s"], "end_s")
        if end_s < start_s:
            raise ParameterError(
                f"the span ends at {end_s:g} s, before it starts at {start_s:g} s.",
                parameter="end_s",
            )
        channel = wanted.get("channel")
        if channel is not None:
            channel = _whole(channel, "channel")
            if channel not in range(self._n_channels):
                raise ParameterError(
                    f"channel {channel} is not there: the recording has {self._n_channels}.",
                    hint="Channels are counted from 0, in the order of session.speakers.",
                    parameter="channel",
                )
        return replace(where, start_s=start_s, end_s=end_s, channel=channel)

    def moved(self, where: Change, start_s: Any, end_s: Any) -> Change:
        """`where` on another span, or ParameterError; it is about no turn any more."""
        wanted = {"start_s": start_s, "end_s": end_s, "channel": where.channel}
        return self._span(replace(where, connection=None, turn_order=None), wanted)

    def position(self, at_s: Any, name: str) -> float:
        """A position in the recording, in s, or ParameterError."""
        try:
            position_s = float(at_s)
        except (TypeError, ValueError):
            position_s = math.nan
        if not 0 <= position_s <= self._duration_s + _SLACK_S:
            raise ParameterError(
                f"{name}={at_s!r} lies outside the recording of {self._duration_s:.3f} s.",
                hint="Give seconds from the beginning of the recording.",
                parameter=name,
            )
        return min(position_s, self._duration_s)


def from_table(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Keywords of `Session.annotate` for each row that says something.

    Of a table that was made from `Session.turns`, its columns of people's remarks count, and what
    they say already is left out.
    """
    is_turns = {"corrected", "connection", "turn_order"} <= set(table.columns)
    renamed = {"corrected": "transcript", "speaker_corrected": "speaker"}
    names = ["turn", "connection", "turn_order", "start_s", "end_s", "channel", "author"]
    names += [*_CONTENTS, "kind", "value"]
    if is_turns:
        names = ["connection", "turn_order", "label", "note", *renamed]
    used = [name for name in names if name in table.columns]
    if not {*_CONTENTS, *renamed, "value"} & set(used):
        raise ParameterError(
            "the table has no column to annotate with.",
            hint="Columns: turn, or start_s and end_s; and label, note, transcript or speaker.",
            parameter="table",
        )
    wanted = []
    for record in table[used].to_dict("records"):
        given = {renamed.get(str(k), str(k)): v for k, v in record.items() if not _is_na(v)}
        if is_turns and isinstance(given.get("label"), str):
            given["label"] = given["label"].split(annotate.SEPARATOR)
        if is_turns and isinstance(given.get("note"), str):
            given["note"] = given["note"].split(annotate.SEPARATOR)
        if {*_CONTENTS, "value"} & set(given):
            wanted.append(given)
    return wanted


def _whole(number: Any, name: str) -> int:
    try:
        if isinstance(number, bool):
            raise TypeError(number)
        if isinstance(number, float) and number.is_integer():  # Of a column with holes.
            return int(number)
        return operator.index(number)
    except TypeError as error:
        raise ParameterError(f"{name}={number!r} is no whole number.", parameter=name) from error


def _texts(kind: str, value: Any) -> list[str]:
    several = kind in (annotate.LABEL, annotate.NOTE) and isinstance(value, list | tuple | set)
    texts = [text_of(one, kind) for one in (value if several else [value])]
    if not texts:
        raise ParameterError(f"the {kind} is empty.", hint=_WHAT, parameter=kind)
    return list(dict.fromkeys(texts))


def text_of(value: Any, kind: str) -> str:
    """A text to keep; nothing was said is a correction, but no label."""
    if not isinstance(value, str):
        raise ParameterError(f"{kind}={value!r} is no text.", hint=_WHAT, parameter=kind)
    text = valid(value).strip()
    if kind in (annotate.LABEL, annotate.SPEAKER):
        text = " ".join(text.split())
    if not text and kind not in (annotate.TRANSCRIPT, annotate.MARK):
        raise ParameterError(
            f"the {kind} is empty.",
            hint="session.unannotate(id) takes an annotation away.",
            parameter=kind,
        )
    return text


def _is_na(value: Any) -> bool:
    return value is None or (not isinstance(value, list | tuple | set) and bool(pd.isna(value)))
