"""A session's folder as one file, ``talk.nbstream``, and back: a zip that anything can open.

What comes from elsewhere is not trusted: a zip that would write outside its folder, that holds
links, too many files, or more than it could is refused before a byte is written.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from nbstream.errors import StoreError
from nbstream.store import is_being_recorded
from nbstream.store.files import cannot

SUFFIX: Final = ".nbstream"
# What a folder consists of; anything else that lies in it is not ours to give away.
FILES: Final = ("session.json", "audio.wav", "events.jsonl", "chunks.bin", "annotations.jsonl")
_NEEDED: Final = FILES[:4]
MAX_FILES: Final = 64
MAX_BYTES: Final = 8 << 30  # three days of one channel
# Speech shrinks by a fifth, a recording of pure silence to a thousandth.
MAX_RATIO: Final = 100
_FREE_BYTES: Final = 64 << 20  # up to here the ratio does not matter
_PIECE_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[^\W_][\w. -]{0,127}")
# Names that are devices on Windows, whatever their suffix.
_DEVICE: Final = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def pack(folder: str | Path, path: str | Path) -> Path:
    """Put a session's files into one, byte for byte.

    Parameters
    ----------
    folder : path
        Of a session that has ended.
    path : path
        Of the new file; ``.nbstream`` is added if it has no suffix. A file that is there is
        replaced when the new one is whole.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StoreError
        If the session is being recorded, or a file can't be read or written.

    """
    folder, path = Path(folder).absolute(), Path(path).expanduser().absolute()
    path = path if path.suffix else path.with_suffix(SUFFIX)
    if is_being_recorded(folder):
        raise StoreError(
            f"{folder} is being recorded right now.", hint="Stop that recording first.", path=folder
        )
    if path.is_dir():
        raise StoreError(f"{path} is a folder.", hint="Give the name of a file.", path=path)
    new = path.with_name(path.name + ".new")
    try:
        _write(folder, new, zipfile.ZIP_DEFLATED)
        with zipfile.ZipFile(new) as archive:
            shrank_too_far = _is_bomb(archive)
        if shrank_too_far:  # Silence: nobody could tell it from a bomb.
            _write(folder, new, zipfile.ZIP_STORED)
        os.replace(new, path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise cannot("pack", path, error) from error
    return path


def is_packed(path: str | Path) -> bool:
    """Whether it is a file, so no folder of a session but perhaps one that was packed."""
    return Path(path).expanduser().is_file()


def unpack(path: str | Path, into: str | Path | None = None) -> Path:
    """Take a session's folder out of a file.

    Parameters
    ----------
    path : path
        As from `pack`.
    into : path, optional
        Where the folder is made, under the name it had. By default it is made among the temporary
        files and removed when Python ends, and what was annotated with it: pack it again before.

    Returns
    -------
    Path
        The session's folder.

    Raises
    ------
    StoreError
        If it is no session, or one that could do harm, or there is such a folder already.

    """
    path = Path(path).expanduser().absolute()
    try:
        with zipfile.ZipFile(path) as archive:
            name, members = _checked(path, archive)
            if into is None:
                parent = Path(tempfile.mkdtemp(prefix="nbstream-"))
                atexit.register(shutil.rmtree, parent, ignore_errors=True)
            else:
                parent = Path(into).expanduser().absolute()
            target = parent / (name or path.stem)
            if target.exists():
                raise StoreError(
                    f"{target} is there already.",
                    hint="Open it, or unpack into another folder.",
                    path=target,
                )
            parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=parent, prefix=".nbstream-") as made:
                half = Path(made) / "folder"
                half.mkdir()
                _extract(path, archive, members, half)
                os.rename(half, target)
    except OSError as error:
        raise cannot("unpack", path, error) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise StoreError(
            f"{path} can't be unpacked: {error}.",
            hint="Is it whole? session.pack(...) makes such files.",
            path=path,
        ) from error
    return target


def _write(folder: Path, path: Path, compression: int) -> None:
    top = re.sub(r"[^\w. -]+", "-", folder.name).strip("-._ ")[:100].strip("-._ ")
    top = top if _is_plain(top) else "session"
    with zipfile.ZipFile(path, "w", compression, compresslevel=6, strict_timestamps=False) as file:
        for name in FILES:
            if (folder / name).is_file() or name in _NEEDED:
                file.write(folder / name, f"{top}/{name}")
        file.comment = f"nbstream: {len(file.infolist())} files".encode()


def _checked(path: Path, archive: zipfile.ZipFile) -> tuple[str, Mapping[str, zipfile.ZipInfo]]:
    """The folder's name ("" if there is none) and its files, if there is nothing odd about them."""
    listed = archive.infolist()
    if len(listed) > MAX_FILES:
        raise _refused(path, f"it holds {len(listed)} files")
    if sum(one.file_size for one in listed) > MAX_BYTES or _is_bomb(archive):
        raise _refused(path, "it would grow far beyond what a session is")
    found: dict[str, zipfile.ZipInfo] = {}
    tops = set()
    for one in listed:
        kind = stat.S_IFMT(one.external_attr >> 16)
        parts = PurePosixPath(one.orig_filename).parts
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or one.flag_bits & 1:
            raise _refused(path, f"{one.filename!r} is a link, a device or encrypted")
        if not parts or not all(_is_plain(part) for part in parts) or len(parts) > 2:
            raise _refused(path, f"it would write to {one.orig_filename!r}")
        tops.add(parts[0] if len(parts) == 2 or one.is_dir() else "")
        if one.is_dir():
            continue
        if parts[-1] not in FILES:
            raise _refused(path, f"it holds {parts[-1]!r}, which no session has")
        if parts[-1] in found:
            raise _refused(path, f"{parts[-1]!r} is in it twice")
        found[parts[-1]] = one
    said = re.fullmatch(rb"nbstream: (\d+) files", archive.comment)  # a zip has no better check
    if said and int(said[1]) != len(listed):
        raise zipfile.BadZipFile(f"{len(listed)} files are left of {int(said[1])}")
    if len(tops) != 1 or set(_NEEDED) - set(found):
        raise StoreError(
            f"{path} holds no session.", hint="session.pack(...) makes such files.", path=path
        )
    return tops.pop(), found


def _is_plain(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name[-1] not in ". " and not _DEVICE.fullmatch(name)


def _is_bomb(archive: zipfile.ZipFile) -> bool:
    full = sum(one.file_size for one in archive.infolist())
    packed = sum(one.compress_size for one in archive.infolist())
    return full > _FREE_BYTES and full > MAX_RATIO * packed


def _extract(
    path: Path, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], target: Path
) -> None:
    for name, member in members.items():
        n_bytes = 0
        with archive.open(member) as packed, open(target / name, "xb") as file:
            while piece := packed.read(_PIECE_BYTES):
                n_bytes += len(piece)
                if n_bytes > member.file_size:
                    raise _refused(path, f"{name} is longer than it says")
                file.write(piece)


def _refused(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path} is not opened: {why}.",
        hint="No session is like that. Ask whoever sent it for another one.",
        path=path,
    )
