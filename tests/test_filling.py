"""Transcribing afterwards what could not be transcribed while it was recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nbstream as nb
from nbstream.store import Folder
from tests.fakes import Given, noise
from tests.scripted import Peer, ScriptedServer, hello, turn

PCM = noise(3)


@pytest.fixture
def broken(tmp_path: Path) -> nb.Session:
    """A session of 3 s whose service gave up after the first word."""
    source = Given(PCM)

    def script(peer: Peer) -> None:
        peer.begin()
        peer.listen(seconds=1)
        peer.say(**turn(0, "one", final=True))
        source.all_read.wait(10)
        peer.say(type="Error", error_code=3006, error="Invalid Message")
        peer.ws.close(3006, "See Error message for details")

    with ScriptedServer(script).running() as server:
        service = nb.AssemblyAI(endpoint=server.url, api_key="k", min_turn_silence=700)
        with (
            pytest.raises(nb.ServerError),
            nb.record(source, service, folder=tmp_path) as session,
        ):
            session.wait(10)
    (path,) = tmp_path.iterdir()
    return nb.open(path)


def test_the_missing_stretch_is_transcribed_and_the_gap_is_gone(broken: nb.Session) -> None:
    """Exactly what was missing is sent again, its turns come at their place, nothing is missing."""
    (gap,) = broken.gaps.itertuples()
    assert (gap.start_s, gap.end_s, gap.kind) == (pytest.approx(0.18), 3.0, "gap")
    assert "Invalid Message" in gap.cause
    with ScriptedServer(hello).running() as server:
        filled_s = broken.fill_gaps(nb.AssemblyAI(endpoint=server.url, api_key="k"))
        heard = bytes(server.peers[0].audio)
    assert filled_s == pytest.approx(2.82)
    start = round(broken.connections.start_s[1] * 16_000)
    assert 2880 <= start < 2880 + 512  # at the next window of a voice detector
    assert heard[: len(PCM) - start * 2] == PCM[start * 2 :]
    assert list(broken.turns.transcript) == ["one", "Hello there."]
    assert broken.turns.start_s[1] == pytest.approx(start / 16_000 + 0.1)
    assert broken.gaps.empty
    again = nb.open(broken.folder)
    assert again.turns.equals(broken.turns)
    assert again.gaps.empty
    assert again.fill_gaps("local") == 0.0


def test_the_service_it_was_recorded_with_is_asked_by_default(
    broken: nb.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same endpoint and options; the key comes from where keys come from."""
    with pytest.raises(nb.ConnectError, match="refused"):  # its server is gone
        broken.fill_gaps()
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "k")
    with ScriptedServer(hello).running() as server:
        meta = json.loads((broken.folder / "session.json").read_text())
        meta["service"]["endpoint"] = server.url
        (broken.folder / "session.json").write_text(json.dumps(meta))
        nb.open(broken.folder).fill_gaps()
        assert server.peers[0].headers["Authorization"] == "k"
        assert server.peers[0].query["min_turn_silence"] == "700"
    assert nb.open(broken.folder).gaps.empty


def test_a_refusal_is_raised_and_leaves_the_gap(broken: nb.Session) -> None:
    """Nothing is lost by trying."""
    before = broken.gaps
    with pytest.raises(nb.ConnectError):
        broken.fill_gaps(nb.AssemblyAI(endpoint="ws://127.0.0.1:9", api_key="k"))
    assert broken.gaps.equals(before)
    assert broken.state == "failed"


def test_a_recording_session_is_not_filled(tmp_path: Path) -> None:
    """Its engine still does that itself."""
    folder = Folder.create(tmp_path, "", {"service": {"name": "local"}})
    folder.append_audio(PCM, 0.1)
    with pytest.raises(nb.StoreError, match="being recorded"):
        nb.open(folder.path).fill_gaps("local")
    folder.close()


def test_recover_transcribes_on_request(tmp_path: Path) -> None:
    """`nbstream recover DIR --transcribe` mends a killed recording and has it transcribed."""
    folder = Folder.create(tmp_path, "", {"service": {"name": "assemblyai"}})
    folder.append_audio(PCM, 0.1)
    folder.close()  # never said that it ended
    with ScriptedServer(hello).running() as server:
        how = ["--transcribe", "--service", "assemblyai", "--endpoint", server.url]
        done = subprocess.run(
            [sys.executable, "-m", "nbstream.cli", "recover", str(tmp_path), "--json", *how],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"ASSEMBLYAI_API_KEY": "k"},
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["state"], found["transcribed_s"], found["missing_s"]) == ("recovered", 3.0, 0.0)
    session = nb.open(folder.path)
    assert session.transcript == "Hello there."
    assert session.gaps.empty


def test_an_interrupted_recording_shows_its_gap(tmp_path: Path) -> None:
    """Killed before anything was transcribed: the whole recording is one gap, mended or not."""
    folder = Folder.create(tmp_path, "", {})
    folder.append_audio(PCM, 0.1)
    folder.close()
    session = nb.open(folder.path)
    assert session.state == "interrupted"
    assert [tuple(row) for row in session.gaps[["start_s", "end_s"]].to_numpy()] == [(0.0, 3.0)]
    nb.recover(folder.path)
    assert len(nb.open(folder.path).gaps) == 1
