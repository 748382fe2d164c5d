"""The thin edge: a file is there as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nbstream.errors import ParameterError, StoreError

# What a session is made of: no export is to overwrite it.
_OWN: Final = ("audio.wav", "events.jsonl", "chunks.bin", "session.json", "annotations.jsonl")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place when all went well.

    Raises
    ------
    ParameterError
        If `path` is part of a session.
    StoreError
        If it can't be written.
    """
    if path.name in _OWN and (path.parent / "session.json").exists():
        raise ParameterError(
            f"{path} is part of a session: it is not overwritten.",
            hint="Export to another folder, or by another name.",
            parameter="path",
        )
    new = path.with_name(f".{path.name[:80]}.{os.getpid()}.new")
    try:
        yield new
        os.replace(new, path)
    except OSError as error:
        hint = "Choose another folder."
        if not path.parent.is_dir():
            hint = f"There is no folder {path.parent}: make it first."
        elif path.is_dir():
            hint = "A folder of that name is there: choose another name."
        message = f"can't write {path}: {error.strerror or error}."
        raise StoreError(message, hint=hint, path=path) from error
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def missing(what: str) -> ParameterError:
    """The error of a library that is not installed; `what` is written or read by which."""
    return ParameterError(
        f"{what}, which is not installed.",
        hint="pip install 'nbstream[formats]'",
        parameter="format",
    )
