"""A folder as one file and back; what comes from elsewhere and could do harm is refused."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import nbstream as nb
from nbstream import pack
from nbstream.errors import ParameterError, StoreError
from nbstream.store import Folder
from tests.conftest import ROOT
from tests.fakes import noise
from tests.scripted import turn
from tests.test_annotate import make


@pytest.fixture
def session(tmp_path: Path) -> nb.Session:
    """A turn with a note."""
    session = nb.open(make(tmp_path, turn(0, "Good day.", final=True)).path)
    session.annotate(turn=0, note="hm")
    return session


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_packed_comes_back_byte_for_byte(session: nb.Session, tmp_path: Path) -> None:
    """With its name, history and all, beside or among temporary files."""
    path = session.pack(tmp_path / "talk")
    assert tmp_path / "talk.nbstream" == path
    for again in (nb.open(path), nb.open(str(path), into=tmp_path / "more" / "deep")):
        assert contents(session.folder) == contents(again.folder)
        assert session.folder.name == again.folder.name
        assert "hm" == again.turns["note"][0]
        assert not again.damage
    assert ["deep"] == os.listdir(tmp_path / "more")
    assert [session.folder.name] == os.listdir(tmp_path / "more" / "deep")


def test_only_what_a_session_consists_of_is_given_away(session: nb.Session, tmp_path: Path) -> None:
    """Neither other files of the folder nor what links lead to."""
    (session.folder / ".env").write_text("ASSEMBLYAI_API_KEY=secret")
    (session.folder / "notes.txt").write_text("private")
    with zipfile.ZipFile(session.pack(tmp_path / "talk.zip")) as archive:
        assert set(pack.FILES) == {Path(name).name for name in archive.namelist()}
        assert archive.testzip() is None


def test_any_folder_name_can_be_opened_again(session: nb.Session, tmp_path: Path) -> None:
    """What no other system would take is left out of it."""
    for name in ("a (copy) of:it", "..x", "CON", "-", "ünï", "x" * 200):
        folder = session.folder.rename(tmp_path / name)
        again = nb.open(nb.open(folder).pack(tmp_path / "talk"))
        assert "Good day." == again.turns["transcript"][0]
        session._folder.path = folder


def test_the_temporary_folder_goes_when_python_ends(session: nb.Session, tmp_path: Path) -> None:
    """And nothing else does."""
    path = session.pack(tmp_path / "talk.nbstream")
    code = "import sys, nbstream as nb; print(nb.open(sys.argv[1]).folder)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    folder = Path(done.stdout.strip())
    assert session.folder.name == folder.name
    assert not folder.parent.exists()
    assert path.exists()


def test_a_recording_that_runs_is_not_packed(tmp_path: Path) -> None:
    """Half of it would be missing."""
    folder = Folder.create(tmp_path, "live", {})
    with pytest.raises(StoreError, match="being recorded"):
        nb.Session(folder).pack(tmp_path / "talk")
    folder.close()
    assert not (tmp_path / "talk.nbstream").exists()


def test_what_can_not_be_packed_or_unpacked_is_said_so(session: nb.Session, tmp_path: Path) -> None:
    """And leaves what was there as it was."""
    path = session.pack(tmp_path / "talk.nbstream")
    with pytest.raises(StoreError, match="there already"):
        nb.open(path, into=session.folder.parent)
    with pytest.raises(ParameterError, match="into="):
        nb.open(session.folder, into=tmp_path)
    (tmp_path / "a.folder").mkdir()
    with pytest.raises(StoreError, match="is a folder"):
        session.pack(tmp_path / "a.folder")
    with pytest.raises(StoreError, match="can't pack"):
        session.pack(tmp_path / "none" / "talk")
    (session.folder / "audio.wav").unlink()
    with pytest.raises(StoreError, match="can't pack"):
        session.pack(path)
    assert ["Good day."] == list(nb.open(path).turns["transcript"])
    assert not list(tmp_path.glob("*.new"))


def test_a_recording_of_silence_can_be_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shrinks as a bomb does, so it is stored as it is."""
    monkeypatch.setattr(pack, "_FREE_BYTES", 1 << 16)
    folder = Folder.create(tmp_path, "silence", {})
    folder.append_audio(bytes(1 << 20), 1.0)
    folder.close()
    path = nb.open(folder.path).pack(tmp_path / "talk")
    assert path.stat().st_size > 1 << 20
    assert nb.open(path).duration_s == 32.768


# -- hostile files -------------------------------------------------------------------------------


def zipped(
    path: Path, session: nb.Session, top: str = "talk/", names: Sequence[str] = pack.FILES
) -> zipfile.ZipFile:
    """An archive, still open, with a session in it."""
    archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
    for name in names:
        info = zipfile.ZipInfo("placeholder")
        info.filename = info.orig_filename = top + name
        archive.writestr(info, (session.folder / name).read_bytes())
    return archive


def listed(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "talk/../../evil.txt",
        "/tmp/evil.txt",
        "talk//../evil",
        "talk/..",
        "..\\evil.txt",
        "talk/C:evil",
        "C:\\evil.txt",
        "talk/sub/evil.txt",
        "talk/.bashrc",
        "talk/CON",
        "talk/aux.txt",
        "talk/a\u202ecod.exe",
        "talk/new\nline",
        "talk/nul\x00l",
        "talk/trailing.",
        "talk/more.txt",
        "other/evil.txt",
        "evil.txt",
        "",
    ],
)
def test_names_that_lead_elsewhere_are_refused(
    session: nb.Session, tmp_path: Path, name: str
) -> None:
    """Before a byte is written, wherever that would have been."""
    path = tmp_path / "evil.nbstream"
    with zipped(path, session) as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = info.orig_filename = name
        archive.writestr(info, "evil")
    before = listed(tmp_path)
    with pytest.raises(StoreError):
        nb.open(path, into=tmp_path / "out")
    assert before == listed(tmp_path)


@pytest.mark.parametrize(
    "top",
    ["../", "/", "//", "C:/", "C:\\x/", ".ssh/", "CON/", "nul.x/", "a\nb/", "a./", "../../x/"],
)
def test_a_folder_that_lies_elsewhere_is_refused(
    session: nb.Session, tmp_path: Path, top: str
) -> None:
    """Nothing but the name of a folder may stand before the names of the files."""
    path = tmp_path / "evil.nbstream"
    zipped(path, session, top).close()
    before = listed(tmp_path)
    with pytest.raises(StoreError, match="would write to"):
        nb.open(path, into=tmp_path / "out")
    assert before == listed(tmp_path)


def test_a_zip_without_a_folder_is_one_of_its_own_name(session: nb.Session, tmp_path: Path) -> None:
    """As when the files were zipped by hand."""
    zipped(tmp_path / "mine.zip", session, "").close()
    assert "mine" == nb.open(tmp_path / "mine.zip").folder.name


def test_links_devices_and_doubles_are_refused(session: nb.Session, tmp_path: Path) -> None:
    """A link could lead out of the folder, and of two files one would hide."""
    path = tmp_path / "evil.nbstream"
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR):
        with zipped(path, session, names=pack.FILES[:4]) as archive:
            info = zipfile.ZipInfo("talk/annotations.jsonl")
            info.external_attr = (kind | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
        with pytest.raises(StoreError, match="is a link"):
            nb.open(path)
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipped(path, session) as archive,
    ):
        archive.writestr("talk/session.json", "{}")
    with pytest.raises(StoreError, match="twice"):
        nb.open(path)


def test_bombs_are_refused(
    session: nb.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many files, too much altogether, or far more than there is."""
    path = tmp_path / "bomb.nbstream"
    with zipped(path, session) as archive:
        for n in range(100):
            archive.writestr(f"talk/f{n}", "")
    with pytest.raises(StoreError, match="105 files"):
        nb.open(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("talk/audio.wav", "w") as file:
            for _ in range(100):
                file.write(bytes(1 << 20))
        for name in {*pack.FILES} - {"audio.wav"}:
            archive.write(session.folder / name, f"talk/{name}")
    assert path.stat().st_size < 1 << 20
    before = listed(tmp_path)
    with pytest.raises(StoreError, match="grow far beyond"):
        nb.open(path, into=tmp_path / "out")
    assert before == listed(tmp_path)
    monkeypatch.setattr(pack, "MAX_BYTES", 1000)
    with pytest.raises(StoreError, match="grow far beyond"):
        nb.open(session.pack(tmp_path / "talk"))


def test_a_file_that_is_longer_than_it_says_is_refused(session: nb.Session, tmp_path: Path) -> None:
    """The sizes in the list are what was checked, so nothing else is written."""
    path = tmp_path / "lie.nbstream"
    with zipped(path, session) as archive:
        info = archive.getinfo("talk/audio.wav")
        info.file_size = 1000
    with pytest.raises(StoreError, match="can't be unpacked"):
        nb.open(path, into=tmp_path / "out")
    assert not listed(tmp_path / "out")


def test_what_is_no_session_is_said_so(session: nb.Session, tmp_path: Path) -> None:
    """Other files, other zips, and half of one."""
    path = session.pack(tmp_path / "talk")
    data = path.read_bytes()
    wrong = tmp_path / "wrong.nbstream"
    for half in (b"", b"PK", b"hello" * 1000, data[: len(data) // 2], data[:-30]):
        wrong.write_bytes(half)
        with pytest.raises(StoreError, match="unpacked"):
            nb.open(wrong)
    with zipfile.ZipFile(wrong, "w") as archive:
        archive.writestr("talk/session.json", "{}")
    with pytest.raises(StoreError, match="no session"):
        nb.open(wrong)


def test_any_byte_that_is_wrong_is_an_error_of_ours(session: nb.Session, tmp_path: Path) -> None:
    """Damage anywhere is refused with a hint, or changes nothing that matters; never a crash."""
    path = session.pack(tmp_path / "talk")
    data = path.read_bytes()
    wrong = tmp_path / "wrong.nbstream"
    for at in [*range(200), *range(len(data) - 700, len(data)), *range(200, len(data), 9973)]:
        wrong.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            again = nb.open(wrong)
        except StoreError:
            continue
        assert contents(session.folder) == contents(again.folder)


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 0},
        {"channels": "2"},
        {"channels": 10**9},
        {"sample_rate_hz": 0},
        {"sample_rate_hz": None},
        {"speakers": 3},
        {"speakers": ["a", "b"]},
        {"speakers": [1]},
        {"format": "new"},
    ],
)
def test_a_session_json_that_makes_no_sense_is_refused(
    session: nb.Session, wrong: dict[str, object]
) -> None:
    """It may come from anywhere, so its numbers are looked at before they are used."""
    path = session.folder / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | wrong))
    with pytest.raises(StoreError, match="can't be read"):
        nb.open(session.folder)


def test_unpacked_files_hold_what_the_recording_holds(session: nb.Session, tmp_path: Path) -> None:
    """Sound and words, by the tables and not only by bytes."""
    again = nb.open(session.pack(tmp_path / "talk"))
    assert noise(4) == again.audio().tobytes()
    assert session.turns.equals(again.turns)
