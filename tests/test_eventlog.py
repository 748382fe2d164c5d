"""The events of a session as a sequence read from their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbstream import events as ev
from nbstream.errors import StoreError
from nbstream.eventlog import EventLog
from nbstream.store import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Ten events, being written."""
    folder = Folder.create(tmp_path, "", {})
    for n in range(10):
        folder.append_event(ev.Problem(str(n)), float(n))
    return folder


def messages(entries: list[ev.Entry]) -> str:
    return "".join(entry.event.message for entry in entries)  # type: ignore[attr-defined]


def test_it_is_a_sequence(folder: Folder) -> None:
    """Length, single entries, slices of every kind, iteration, equality."""
    log = folder.entries
    assert len(log) == 10
    assert log[3].event == log[-7].event == ev.Problem("3")
    assert messages(log[2:5]) == "234"
    assert messages(log[8:99]) == "89"
    assert messages(log[::3]) == "0369"
    assert messages(log[::-1]) == "9876543210"
    assert log[5:5] == []
    assert messages(list(log)) == "0123456789"
    assert log == list(log)
    with pytest.raises(IndexError):
        _ = log[10]
    folder.close()


def test_it_grows_with_the_file(folder: Folder) -> None:
    """What is appended is there at once, whether or not the file is held open."""
    before = len(folder.entries)
    folder.append_event(ev.Problem("new"), 10.0)
    assert messages(folder.entries[before:]) == "new"
    folder.close()
    assert messages(folder.entries[before:]) == "new"
    folder.reopen()
    folder.append_event(ev.Problem("newer"), 11.0)
    assert messages(folder.entries[before:]) == "newnewer"
    folder.close()


def test_a_scan_finds_the_same_lines(folder: Folder) -> None:
    """Blank lines are none; a torn last one is said."""
    folder.close()
    path = folder.path / "events.jsonl"
    with open(path, "ab") as file:
        file.write(b"\n\n")
    log = EventLog(path)
    assert not log.scan()
    assert log == folder.entries
    with open(path, "ab") as file:
        file.write(b'{"type":')
    torn = EventLog(path)
    assert torn.scan()
    assert torn == folder.entries


def test_what_was_moved_away_stays_readable(folder: Folder, tmp_path: Path) -> None:
    """The file is held while it is written, and kept where its path leads nowhere."""
    moved = folder.path.rename(tmp_path / "moved")
    folder.entries.release()
    assert len(list(folder.entries)) == 10
    moved.rename(folder.path)
    folder.close()


def test_a_file_that_is_gone_is_said_so(folder: Folder) -> None:
    """One sentence, not a traceback of the library."""
    folder.close()
    (folder.path / "events.jsonl").unlink()
    with pytest.raises(StoreError, match="can't be read"):
        list(folder.entries)
