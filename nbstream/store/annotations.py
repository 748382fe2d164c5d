"""``annotations.jsonl``: appended to by any number of processes, read as it grows."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from nbstream import annotate
from nbstream.store import files
from nbstream.store.files import cannot
from nbstream.text import decoded


class Annotations:
    """The log of one folder. Any thread may ask or append; it is there once something is said.

    Who appends holds a lock on the file and has read it to its end, so two kernels that annotate
    one folder see each other's lines and lose none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()  # guards the two below
        self._log = annotate.Log()
        self._end = 0  # offset behind the last whole line that was read

    def log(self) -> annotate.Log:
        """What is there now: a copy."""
        with self._lock:
            try:
                with open(self.path, "rb") as file:
                    self._catch_up(file)
            except FileNotFoundError:
                self._restart()
            except OSError as error:
                raise cannot("read", self.path, error) from error
            return self._log.copy()

    def append(
        self, make: Callable[[annotate.Log], Sequence[annotate.Change]]
    ) -> list[annotate.Change]:
        """Append what `make` answers to the log as it stands; all of it or nothing.

        `make` is called while nobody else can append: it must do nothing but decide.

        Raises
        ------
        StoreError
            If it can't be written.

        """
        with self._lock:
            try:
                with open(self.path, "a+b", buffering=0) as file:
                    files.lock(file, wait=True)
                    self._mend(file)
                    self._catch_up(file)
                    changes = list(make(self._log))
                    text = "".join(map(annotate.encode, changes))
                    if text:
                        file.seek(0, os.SEEK_END)
                        files.append(file, text.encode("utf-8", "surrogatepass"))
                        os.fsync(file.fileno())
                        self._catch_up(file)
            except OSError as error:
                raise cannot("write", self.path, error) from error
            return changes

    def torn(self) -> bool:
        """Whether the last line is torn: its writer was killed."""
        try:
            with open(self.path, "rb") as file:
                files.lock(file, wait=True, shared=True)  # or somebody may be writing it
                return _torn_bytes(file) > 0
        except FileNotFoundError:
            return False
        except OSError as error:
            raise cannot("read", self.path, error) from error

    def mend(self) -> None:
        """Move a torn last line to ``annotations.torn``: nobody can read it."""
        if self.path.exists():
            self.append(lambda log: ())

    def _mend(self, file: IO[bytes]) -> None:
        n_bytes = _torn_bytes(file)
        if n_bytes:
            size = file.seek(-n_bytes, os.SEEK_END)
            with open(self.path.with_suffix(".torn"), "ab") as torn:
                torn.write(file.read(n_bytes) + b"\n")
            file.truncate(size)

    def _catch_up(self, file: IO[bytes]) -> None:
        """Read whole lines that have come; with the lock held."""
        size = file.seek(0, os.SEEK_END)
        if size < self._end:  # It was put in the place of another.
            self._restart()
        file.seek(self._end)
        data = file.read(size - self._end)
        whole = data[: data.rfind(b"\n") + 1]
        self._end += len(whole)
        for line in whole.split(b"\n"):
            if line.strip():
                self._log.add(annotate.decode(decoded(line)))

    def _restart(self) -> None:
        self._log, self._end = annotate.Log(), 0


def _torn_bytes(file: IO[bytes]) -> int:
    """How many bytes stand behind the last whole line."""
    size = file.seek(0, os.SEEK_END)
    back = 0
    while back < size:
        step = min(1 << 16, size - back)
        file.seek(size - back - step)
        at = file.read(step).rfind(b"\n")
        if at >= 0:
            return back + step - 1 - at
        back += step
    return size
