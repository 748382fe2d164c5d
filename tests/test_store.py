"""The session folder: appended, read while written, reopened, mended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from nbstream import events as ev
from nbstream import protocol, store
from nbstream.errors import StoreError

PCM = np.arange(800, dtype="<i2").tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> store.Folder:
    return store.Folder.create(tmp_path, "A talk", {"source": {"kind": "test"}})


def test_what_was_appended_reads_the_same_live_and_reopened(folder: store.Folder) -> None:
    """Audio, events and chunk records come back equal, from the open folder and from disk."""
    folder.append_audio(PCM, 0.05)
    folder.append_audio(PCM[:200], 0.10)
    folder.append_event(protocol.decode('{"type":"Silence","start_ms":1,"end_ms":2}'), 0.5, 0)
    folder.append_event(ev.Gap(1, 2, "why"), 0.123456789)
    folder.note_sent(0, 800, 0, 0.07)
    live = (folder.read_pcm(0, 10_000), list(folder.entries), folder.chunk_records().tolist())
    folder.update(state="stopped")
    folder.close()
    again = store.Folder.open_(folder.path)
    assert (PCM + PCM[:200], again.n_frames) == (live[0], 900)
    assert live == (again.read_pcm(0, 10_000), again.entries, again.chunk_records().tolist())
    assert [(0, 800, -1, 0.05), (800, 100, -1, 0.1), (0, 800, 0, 0.07)] == live[2]
    assert not again.damage
    assert again.state == "stopped"
    for opened in (folder, again):
        opened.release()


def test_any_player_reads_the_wav_after_close(folder: store.Folder) -> None:
    """The header tells the true length."""
    folder.append_audio(PCM, 0.05)
    folder.close()
    with wave.open(str(folder.path / "audio.wav")) as file:
        assert (file.getnframes(), file.readframes(800)) == (800, PCM)


def test_names_become_safe_folder_names_and_never_collide(tmp_path: Path) -> None:
    """A name with separators stays one folder below its parent; two in one second are two."""
    one = store.Folder.create(tmp_path, "../../x y/é?", {})
    two = store.Folder.create(tmp_path, "../../x y/é?", {})
    assert one.path.parent == two.path.parent == tmp_path
    assert one.path != two.path
    one.close()
    two.close()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_event_is_reported_and_the_rest_is_read(folder: store.Folder, cut: int) -> None:
    """Cut anywhere in its last line, the file gives all lines before, and says that one is torn."""
    folder.append_event(ev.Problem("first", "é"), 1.0)
    folder.append_event(ev.Problem("second", ""), 2.0)
    folder.close()
    path = folder.path / "events.jsonl"
    os.truncate(path, path.stat().st_size - cut)
    again = store.Folder.open_(folder.path)
    assert [e.event for e in again.entries] == [ev.Problem("first", "é")]
    assert again.damage.torn_events == 1


def test_a_strange_line_is_kept_and_hides_no_other(folder: store.Folder) -> None:
    """A line that is not JSON, or of an unknown type, is kept as `Unknown`, in its place."""
    folder.append_event(ev.Problem("first"), 1.0)
    folder.close()
    with open(folder.path / "events.jsonl", "a") as file:
        file.write('nonsense\n{"type":"FromTheFuture","at_s":2,"connection":null,"x":1}\n')
    kinds = [type(e.event) for e in store.Folder.open_(folder.path).entries]
    assert kinds == [ev.Problem, ev.Unknown, ev.Unknown]


@pytest.mark.parametrize("text", ["한국어", "so", "\ud800"])
def test_a_byte_that_is_no_text_spoils_its_own_line_alone(folder: store.Folder, text: str) -> None:
    """Whatever else the line holds; a disk or a copy can spoil one."""
    for n in (0, 1):
        raw = json.dumps({"type": "X", "n": n, "said": text}, ensure_ascii=False)
        folder.append_event(protocol.decode(raw), 1.0, 0)
    folder.close()
    path = folder.path / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b'\\"n\\": 0', b'\\"n\\": \xff', 1))
    spoilt, whole = store.Folder.open_(folder.path).entries
    assert isinstance(spoilt.event, ev.Unknown)
    assert "\ufffd" in spoilt.event.raw
    assert whole.event == folder.entries[1].event


def test_any_text_a_server_may_send_survives_the_disk(folder: store.Folder) -> None:
    """Line separators, lone surrogates and quotes inside a message come back word for word."""
    for text in (
        '{"type":"X","a":"\\u2028\u2028\\n"}',
        '{"type":"Y","a":"\\ud800"}',
        "\ud800",
        '"',
    ):
        folder.append_event(protocol.decode(text), 1.0, 0)
    folder.close()
    assert [e.event for e in store.Folder.open_(folder.path).entries] == [
        e.event for e in folder.entries
    ]


def test_a_folder_of_a_newer_format_is_refused(folder: store.Folder) -> None:
    """Reading what we do not understand would hide things."""
    folder.update(format=store.FORMAT_VERSION + 1)
    folder.close()
    with pytest.raises(StoreError, match="pip install -U"):
        store.Folder.open_(folder.path)


def test_what_is_no_session_is_said_so(tmp_path: Path) -> None:
    """An empty folder, one with sessions in it and a broken session.json each say what to do."""
    with pytest.raises(StoreError, match="no session"):
        store.Folder.open_(tmp_path)
    made = store.Folder.create(tmp_path, "inner", {})
    made.close()
    with pytest.raises(StoreError, match="inner"):
        store.Folder.open_(tmp_path)
    (made.path / "session.json").write_text("{")
    with pytest.raises(StoreError, match="can't be read"):
        store.Folder.open_(made.path)


def test_a_place_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    """A file in the folder's place gives one sentence with what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another folder"):
        store.Folder.create(tmp_path / "file", "", {})


def test_only_an_empty_folder_is_discarded(folder: store.Folder) -> None:
    """Audio is never removed."""
    folder.append_audio(PCM, 0.05)
    folder.close()
    with pytest.raises(StoreError, match="holds audio"):
        folder.discard()
    assert (folder.path / "audio.wav").exists()


KILLED = """
import sys, numpy as np
from nbstream import events as ev, store
speakers = sys.argv[2:]
folder = store.Folder.create(sys.argv[1], "killed", {"speakers": speakers})
n = 0
while True:
    frame = [n % 1000 + 1000 * k for k in range(len(speakers) or 1)]
    folder.append_audio(np.tile(frame, 800).astype("<i2").tobytes(), n / 20)
    folder.append_event(ev.Problem(str(n)), n / 20)
    n += 1
    print(n, flush=True)
"""


@pytest.mark.parametrize("speakers", [(), ("agent", "caller"), ("a", "b", "c")], ids=len)
def test_a_killed_recording_is_whole_after_recover(
    tmp_path: Path, speakers: tuple[str, ...]
) -> None:
    """After SIGKILL: every event and chunk that was appended is there; recover mends the header."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), *speakers], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if int(line) >= 40:
                break
        (path,) = store.sessions(tmp_path)
        assert store.is_being_recorded(path)
        with pytest.raises(StoreError, match="being recorded"):
            store.recover(path)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
    told = int(rest[-1]) if rest else 40

    folder = store.Folder.open_(path)
    assert folder.state == "interrupted"
    assert folder.damage.stale_header
    assert len(folder.entries) >= told
    assert folder.n_frames >= told * 800
    assert store.recover(path).stale_header
    with wave.open(str(path / "audio.wav")) as file:
        n_channels, n_frames = file.getnchannels(), file.getnframes()
        samples = np.frombuffer(file.readframes(n_frames), "<i2").reshape(-1, n_channels)
    assert (len(speakers) or 1, folder.n_frames) == (n_channels, n_frames)
    for k in range(n_channels):
        assert np.array_equal(samples[::800, k][:told], np.arange(told) % 1000 + 1000 * k)
    assert not store.recover(path)
    assert store.Folder.open_(path).state == "recovered"


def test_recover_keeps_the_torn_tail_aside(folder: store.Folder) -> None:
    """What nobody can read is moved next to the events, not deleted; half a sample is cut off."""
    folder.append_audio(PCM, 0.05)
    folder.append_event(ev.Problem("whole"), 1.0)
    folder.close()
    for name in ("events.jsonl", "audio.wav", "chunks.bin"):
        with open(folder.path / name, "ab") as file:
            file.write(b"{")
    damage = store.recover(folder.path)
    assert (damage.torn_events, damage.torn_bytes) == (1, 1)
    assert (folder.path / "events.torn").read_bytes() == b"{"
    assert not store.Folder.open_(folder.path).damage
    assert store.Folder.open_(folder.path).read_pcm(0, 900) == PCM
    assert json.loads((folder.path / "events.jsonl").read_text())["message"] == "whole"


PAIR = np.arange(1600, dtype="<i2").reshape(-1, 2)


def test_channels_stand_side_by_side(tmp_path: Path) -> None:
    """Positions are frames, of all channels and of one; the folder says who is on which."""
    folder = store.Folder.create(tmp_path, "", {"speakers": ["agent", "caller"]})
    assert 0 == folder.append_audio(PAIR.tobytes(), 0.05)
    assert 800 == folder.append_audio(PAIR[:100].tobytes(), 0.06)
    for opened in (folder, store.Folder.open_(folder.path)):
        assert (2, ("agent", "caller"), 900) == (
            opened.n_channels,
            opened.speakers,
            opened.n_frames,
        )
        assert PAIR[790:].tobytes() + PAIR[:5].tobytes() == opened.read_pcm(790, 15)
        assert PAIR[7:20, 1].tobytes() == opened.read_pcm(7, 13, 1)
        assert PAIR[90:100, 0].tobytes() == opened.read_pcm(890, 99, 0)
        opened.release()
    folder.close()
    with wave.open(str(folder.path / "audio.wav")) as file:
        assert (2, 900) == (file.getnchannels(), file.getnframes())
    meta = json.loads((folder.path / "session.json").read_text())
    assert (2, ["agent", "caller"]) == (meta["channels"], meta["speakers"])


def test_a_torn_frame_is_cut_off(tmp_path: Path) -> None:
    """Of two channels, a frame is four bytes: three of them are none."""
    folder = store.Folder.create(tmp_path, "", {"speakers": ["agent", "caller"]})
    folder.append_audio(PAIR.tobytes(), 0.05)
    folder.close()
    with open(folder.path / "audio.wav", "ab") as file:
        file.write(b"abc")
    assert 3 == store.recover(folder.path).torn_bytes
    assert PAIR.tobytes() == store.Folder.open_(folder.path).read_pcm(0, 900)
    assert (folder.path / "audio.wav").stat().st_size == 44 + 3200


def test_a_folder_that_names_no_channels_has_one(folder: store.Folder) -> None:
    """Of an older recording."""
    folder.append_audio(PCM, 0.05)
    folder.close()
    meta = json.loads((folder.path / "session.json").read_text())
    del meta["channels"], meta["speakers"]
    (folder.path / "session.json").write_text(json.dumps(meta))
    again = store.Folder.open_(folder.path)
    assert (1, (), 800) == (again.n_channels, again.speakers, again.n_frames)
