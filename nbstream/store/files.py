"""Where session folders lie, who is writing one, and what the disk refuses."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from nbstream.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows: two writers of one folder go unnoticed there.
    fcntl = None  # type: ignore[assignment]


def sessions(parent: str | Path) -> Iterator[Path]:
    """Session folders in `parent`, or `parent` itself if it is one, oldest first."""
    parent = Path(parent).expanduser()
    if (parent / "session.json").is_file():
        yield parent
        return
    if not parent.is_dir():
        raise StoreError(
            f"there is no folder {parent}.", hint="Check the path; see --out.", path=parent
        )
    yield from sorted(p.parent for p in parent.glob("*/session.json"))


def choices(path: Path) -> str:
    """What to give instead of `path`, which is no session."""
    found = [p.name for p in sessions(path)] if path.is_dir() else []
    if found:
        return "Sessions in it: " + ", ".join(found[-5:]) + "."
    return "Give the folder that a recording made, such as recordings/2026-01-31T14-05-09Z."


def new_folder(parent: Path, name: str, now: datetime) -> Path:
    """Make a folder for a session of that name, which need not be unique."""
    slug = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60]
    stem = now.strftime("%Y-%m-%dT%H-%M-%SZ") + (f"-{slug}" if name else "")
    parent.mkdir(parents=True, exist_ok=True)
    for n in range(1, 10_000):
        path = parent / (stem if n == 1 else f"{stem}-{n}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"10,000 sessions named {stem}")


def append(file: IO[bytes], data: bytes) -> None:
    """Append all of `data` to an unbuffered file, or nothing."""
    view = memoryview(data)
    try:
        while view:
            view = view[file.write(view) :]
    except OSError:
        # A part of it would spoil whatever is appended when there is room again.
        with contextlib.suppress(OSError):
            whole = os.fstat(file.fileno()).st_size - (len(data) - len(view))
            file.truncate(whole)
            file.seek(whole)
        raise


def cannot(what: str, path: Path, error: OSError) -> StoreError:
    """The error for what the system refused, and what to do about it."""
    full = "The disk is full: make room, or record into another folder. What is on disk is kept."
    hints = {
        "PermissionError": "Choose another folder with folder=... (--out on the command line).",
        "NotADirectoryError": "A file stands where a folder should be: choose another folder.",
        "FileExistsError": "A file stands where a folder should be: choose another folder.",
    }
    hint = hints.get(type(error).__name__, "Is the folder gone, or read-only?")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = full
    return StoreError(f"can't {what} {path}: {error.strerror or error}.", hint=hint, path=path)


def lock(file: IO[bytes], *, wait: bool = False, shared: bool = False) -> None:
    """Say, until it is closed, that this process writes it, or reads it if `shared`.

    If another process is writing it, wait for that, or raise OSError.
    """
    if fcntl is not None:
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(file, how | (0 if wait else fcntl.LOCK_NB))


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock of a file."""
    if fcntl is None or not path.exists():
        return False
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def is_being_recorded(path: str | Path) -> bool:
    """Whether some process is writing this folder now."""
    return is_locked(Path(path) / "audio.wav")
