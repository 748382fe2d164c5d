"""What people say about a session: labels, notes, corrections, marks, kept in its folder.

`Session` hands its questions on to here. What an annotation is stands in `annotate`; what may be
asked for in `wishes`.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pandas as pd

from nbstream import annotate
from nbstream.annotate import Change, Log
from nbstream.errors import ParameterError
from nbstream.notes.wishes import Reader, Wish, from_table, text_of
from nbstream.store import Folder
from nbstream.tables import TurnKey, TurnRow, row_key

__all__ = ["Notes", "default_author", "from_table"]


class Notes:
    """Annotations of one folder. Any thread may ask and change."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    # -- reading -------------------------------------------------------------------------------

    def table(self, rows: Sequence[TurnRow]) -> pd.DataFrame:
        """One row an annotation; columns as in `annotate.COLUMNS`."""
        there = self._folder.annotations.log().annotations()
        turn_of = annotate.resolve(there, rows)
        made = []
        for change in there:
            row = turn_of.get(change.id)
            start_s = change.start_s if change.start_s is not None or row is None else row.start_s
            end_s = change.end_s if change.end_s is not None else row.end_s if row else start_s
            key = (row.connection, row.turn_order) if row else (None, None)
            said = (change.value, change.author, change.at)
            made.append((change.id, change.kind, start_s, end_s, change.channel, *key, *said))
        return _frame(annotate.COLUMNS, made)

    def history(self) -> pd.DataFrame:
        """One row a line of the log; columns as in `annotate.HISTORY_COLUMNS`."""
        made = []
        for change in self._folder.annotations.log().changes:
            value = change.value
            if isinstance(value, dict):
                value = json.dumps(value, ensure_ascii=False)
            names = list(annotate.HISTORY_COLUMNS)
            made.append([value if name == "value" else getattr(change, name) for name in names])
        return _frame(annotate.HISTORY_COLUMNS, made)

    def remarks(self, rows: Sequence[TurnRow]) -> dict[TurnKey, dict[str, str]]:
        """What there is to say on each turn; see `annotate.remarks`."""
        there = self._folder.annotations.log().annotations()
        return annotate.remarks(there, rows) if there else {}

    def labels(self) -> dict[str, str]:
        """The label set: name -> colour."""
        return self._folder.annotations.log().labels()

    def find(self, rows: Sequence[TurnRow], turn: int | tuple[int, int]) -> TurnRow:
        """The turn of that row of the table, or of that (connection, turn_order)."""
        return self._reader(rows).find(turn)

    # -- changing ------------------------------------------------------------------------------

    def add(
        self,
        rows: Sequence[TurnRow],
        wanted: Iterable[Mapping[str, Any]],
        author: str | None = None,
        *,
        without: Collection[str] = (),
    ) -> list[str]:
        """Annotate, all at once or not at all; `wanted` are keywords of `Session.annotate`.

        Annotations whose ids are in `without` are taken away in the same step.

        Returns
        -------
        list of str
            The id of each annotation. What is said there already is not said again.

        """
        head = Change("", _now(), _who(author), "set", "", "", None)
        reader = self._reader(rows)
        wishes = [wish for one in wanted for wish in reader.wishes(head, one)]
        ids: list[str] = []

        def make(log: Log) -> list[Change]:
            there = log.annotations()
            kept = [change for change in there if change.id not in without]
            gone = [change for change in there if change.id in without]
            step = _new_id()
            removed = [replace(c, at=head.at, author=head.author, value=None) for c in gone]
            lines = [replace(change, op="remove") for change in removed]
            lines += _lines(wishes, kept, rows, ids)
            return [replace(line, step=step) for line in lines]

        self._folder.annotations.append(make)
        return ids

    def remove(self, ids: Iterable[str], author: str | None = None) -> None:
        """Take annotations away, all at once or not at all."""
        wanted = list(dict.fromkeys(ids))
        who, at, step = _who(author), _now(), _new_id()

        def make(log: Log) -> list[Change]:
            return [
                replace(change, at=at, author=who, op="remove", step=step, value=None)
                for change in _found(log, wanted)
            ]

        self._folder.annotations.append(make)

    def change(
        self,
        ids: Iterable[str],
        value: str | None = None,
        span_s: tuple[float | None, float | None] | None = None,
        author: str | None = None,
    ) -> None:
        """Give annotations another value, another span, or both; all at once or not at all."""
        wanted = list(dict.fromkeys(ids))
        who, at, step = _who(author), _now(), _new_id()
        reader = self._reader(())

        def make(log: Log) -> list[Change]:
            lines = []
            for before in _found(log, wanted):
                now = (
                    before if value is None else replace(before, value=text_of(value, before.kind))
                )
                if span_s is not None:
                    now = reader.moved(now, *span_s)
                if now != before:
                    lines.append(replace(now, at=at, author=who, op="set", step=step, of=""))
            return lines

        self._folder.annotations.append(make)

    def undo(self, author: str | None = None) -> list[str]:
        """Take back the last step, or the last of `author`; the ids it was about."""
        who = _who(author)
        return self._move(lambda log: log.undo(who, _now(), _new_id(), author))

    def redo(self, author: str | None = None) -> list[str]:
        """Do again what was undone last; the ids it is about."""
        who = _who(author)
        return self._move(lambda log: log.redo(who, _now(), _new_id(), author))

    def set_labels(self, labels: Mapping[str, str | None] | Iterable[str]) -> None:
        """Choose the label set; colours that are not given are chosen from `annotate.COLOURS`."""
        wanted = dict(labels) if isinstance(labels, Mapping) else dict.fromkeys(labels)
        named = {text_of(name, "label"): colour for name, colour in wanted.items()}
        for colour in named.values():
            if colour is not None and not re.fullmatch(r"#[0-9a-fA-F]{6}", str(colour)):
                raise ParameterError(
                    f"{colour!r} is no colour.", hint='Write "#0072b2".', parameter="labels"
                )
        value = annotate.with_colours(named)
        line = Change(
            annotate.LABELS, _now(), default_author(), "set", _new_id(), annotate.LABELS, value
        )

        def make(log: Log) -> list[Change]:
            there = log.find(annotate.LABELS)
            return [] if there and list(there.value.items()) == list(value.items()) else [line]

        self._folder.annotations.append(make)

    def mark(self, text: str, at_s: float, author: str | None) -> str:
        """A mark at an instant of the audio; its id."""
        at_s = self._reader(()).position(at_s, "at_s")
        who = _who(author)
        line = Change(
            _new_id(), _now(), who, "set", _new_id(), annotate.MARK, text_of(text, annotate.MARK)
        )
        line = replace(line, start_s=at_s, end_s=at_s)
        self._folder.annotations.append(lambda log: [line])
        return line.id

    # -- inside ----------------------------------------------------------------------------------

    def _reader(self, rows: Sequence[TurnRow]) -> Reader:
        folder = self._folder
        return Reader(rows, folder.n_frames / folder.sample_rate_hz, folder.n_channels)

    def _move(self, make: Callable[[Log], list[Change]]) -> list[str]:
        if not self._folder.annotations.path.exists():
            return []
        return [change.id for change in self._folder.annotations.append(make)]


def default_author() -> str:
    """Who annotates: ``NBSTREAM_AUTHOR``, else the name of the account."""
    try:
        return os.environ.get("NBSTREAM_AUTHOR") or getpass.getuser()
    except (ImportError, KeyError, OSError):  # In a container, the account may have no name.
        return "unknown"


def _who(author: str | None) -> str:
    return default_author() if author is None else text_of(author, "author")


def _found(log: Log, ids: Iterable[str]) -> list[Change]:
    """Annotations of those ids, or ParameterError."""
    found = []
    for id_ in ids:
        change = log.find(id_)
        if change is None or id_ == annotate.LABELS:
            raise ParameterError(
                f"there is no annotation {id_!r}.",
                hint="Ids are in session.annotations.",
                parameter="id",
            )
        found.append(change)
    return found


def _lines(
    wishes: Sequence[Wish], there: Sequence[Change], rows: Sequence[TurnRow], ids: list[str]
) -> list[Change]:
    """What has to be appended so that each wish holds; `ids` gets the annotation of each."""
    turn_of = annotate.resolve(there, rows)
    known = {_identity(change, change.value, turn_of.get(change.id)): change for change in there}
    named = [replace(wish.where, id=str(n)) for n, wish in enumerate(wishes)]
    wanted = annotate.resolve(named, rows)
    lines = []
    for change, wish in zip(named, wishes, strict=True):
        identity = _identity(change, wish.value, wanted.get(change.id))
        before = known.get(identity)
        line = replace(wish.where, id=before.id if before else _new_id(), value=wish.value)
        ids.append(line.id)
        if before is None or before.value != wish.value:
            lines.append(line)
            known[identity] = line
    return lines


def _identity(change: Change, value: str, row: TurnRow | None) -> tuple[Any, ...]:
    """What two annotations share that are the same one: one correction a turn, or span."""
    on: tuple[Any, ...] = (change.start_s, change.end_s, change.channel)
    if row is not None:
        on = row_key(row)
    is_one = change.kind in (annotate.TRANSCRIPT, annotate.SPEAKER)
    return change.kind, on, None if is_one else value


def _frame(columns: Mapping[str, tuple[str, str]], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    made = {}
    for n, (name, (dtype, _)) in enumerate(columns.items()):
        values = [row[n] for row in rows]
        if dtype.startswith("datetime"):
            times = pd.to_datetime(
                pd.Series(values, dtype="string"), utc=True, errors="coerce", format="ISO8601"
            )
            made[name] = times.dt.as_unit("ns")
        else:
            made[name] = pd.Series(values, dtype=cast(Any, dtype))
    return pd.DataFrame(made)


def _new_id() -> str:
    return secrets.token_hex(6)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
