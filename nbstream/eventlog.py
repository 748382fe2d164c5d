"""The events of a session as a sequence, read from ``events.jsonl`` when asked.

Only where each line ends is kept in memory, so that an hour of partials costs kilobytes: three
hours of speech are some twenty thousand messages of a kilobyte each.
"""

from __future__ import annotations

import json
import threading
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import IO, overload

from nbstream import events as ev
from nbstream import protocol
from nbstream.errors import StoreError
from nbstream.text import decoded


class EventLog(Sequence[ev.Entry]):
    """Entries of a file that one writer appends to.

    Notes
    -----
    `added` is called by the writer, after the line is in the file. Reading is safe from any
    thread: it sees the lines that were there when it looked at the length.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends = array("Q")  # offset behind each line
        self._lock = threading.Lock()  # guards the two below
        self._file: IO[bytes] | None = None
        self._kept: bytes | None = None  # all of it, where there is no file any more

    def scan(self) -> bool:
        """Find the lines of a file that is there; whether the last one is torn."""
        end, torn = 0, False
        with open(self._path, "rb") as file:
            for line in file:
                end += len(line)
                torn = not line.endswith(b"\n")
                if not torn and line != b"\n":
                    self._ends.append(end)
        return torn

    def added(self, end: int) -> None:
        """Take in a line that was appended, up to the offset `end`."""
        self._ends.append(end)

    def hold(self) -> None:
        """Keep the file open: while it is written, it may be moved away."""
        with self._lock:
            if self._file is None:
                self._file = open(self._path, "rb")  # noqa: SIM115

    def release(self) -> None:
        """Close it, unless it was deleted or moved: then this is the last way to it."""
        with self._lock:
            if self._file is not None and self._path.exists():
                self._file.close()
                self._file = None

    def keep(self) -> None:
        """Take what little there is into memory: the file is about to be removed."""
        if not self._ends:
            return
        data = self._bytes(0, self._ends[-1])
        with self._lock:
            self._kept = data
            if self._file is not None:
                self._file.close()
                self._file = None

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> ev.Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[ev.Entry]: ...
    def __getitem__(self, index: int | slice) -> ev.Entry | list[ev.Entry]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            return self._read(start, stop)[::step] if step > 0 else list(self)[index]
        at = range(len(self))[index]
        return self._read(at, at + 1)[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _read(self, start: int, stop: int) -> list[ev.Entry]:
        if start >= stop:
            return []
        first, end = (self._ends[start - 1] if start else 0), self._ends[stop - 1]
        try:
            data = self._bytes(first, end)
        except OSError as error:
            raise StoreError(
                f"{self._path} can't be read: {error.strerror or error}.",
                hint="Is the folder still there?",
                path=self._path,
            ) from error
        return [_entry(line) for line in data.split(b"\n") if line]

    def _bytes(self, first: int, end: int) -> bytes:
        with self._lock:
            if self._kept is not None:
                return self._kept[first:end]
            if self._file is not None:
                self._file.seek(first)
                return self._file.read(end - first)
            with open(self._path, "rb") as file:
                file.seek(first)
                return file.read(end - first)


def _entry(line: bytes) -> ev.Entry:
    """One line of events.jsonl; what can't be read is kept as `Unknown`, word for word."""
    text = decoded(line)
    try:
        record = json.loads(text)
        at_s, connection = float(record.pop("at_s")), record.pop("connection")
        kind = record.pop("type")
        if "raw" in record:
            return ev.Entry(at_s, connection, protocol.decode(record["raw"]))
        event = ev.Entry.OURS.get(kind)
        if event is None:
            return ev.Entry(at_s, connection, ev.Unknown(text, kind, "unknown type"))
        known = {k: v for k, v in record.items() if k in event.__dataclass_fields__}
        return ev.Entry(at_s, connection, event(**known))
    # As in protocol.decode: a strange line must not close the whole session to its reader.
    except Exception as error:
        why = f"{type(error).__name__}: {error}"[:200]
        return ev.Entry(float("nan"), None, ev.Unknown(text, "", why))
