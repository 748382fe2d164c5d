"""The command line, run as a script runs it: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbstream
from tests.scripted import Peer, ScriptedServer, hello, turn


def nbstream_(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nbstream.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | env,
    )


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A second of PCM in a WAV file."""
    from nbstream.audio import wav_header
    from tests.fakes import noise

    path = tmp_path / "speech.wav"
    path.write_bytes(wav_header(16_000) + noise(1))
    return path


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(hello).running() as server:
        yield server


def test_record_prints_turns_and_then_the_session(
    server: ScriptedServer, speech: Path, tmp_path: Path
) -> None:
    """One JSON object a line: each final turn with text and times, last the session; status 0."""
    out = tmp_path / "out"
    arguments = ["record", str(speech), "--endpoint", server.url, "--speed", "0", "--json"]
    done = nbstream_(*arguments, "--out", str(out), ASSEMBLYAI_API_KEY="canary")
    assert done.returncode == 0, done.stderr
    turn_, session = lines(done.stdout)
    assert (turn_["type"], turn_["transcript"]) == ("turn", "Hello there.")
    assert (turn_["start_s"], turn_["end_s"]) == (0.1, 0.48)
    assert session["type"] == "session"
    assert (session["audio_s"], session["turns"], session["state"]) == (1.0, 1, "stopped")
    assert Path(session["folder"]).parent == out
    assert "canary" not in done.stdout + done.stderr


def test_channels_are_kept_apart_by_naming_their_speakers(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """--speakers agent,caller: a connection for each channel; a wrong number is one sentence."""
    from nbstream.audio import wav_header
    from tests.fakes import noise

    path, out = tmp_path / "call.wav", tmp_path / "out"
    path.write_bytes(wav_header(16_000, n_channels=2) + noise(2))
    arguments = ["record", str(path), "--endpoint", server.url, "--speed", "0", "--json"]
    arguments += ["--out", str(out)]
    done = nbstream_(*arguments, "--speakers", "agent, caller", ASSEMBLYAI_API_KEY="k")
    assert done.returncode == 0, done.stderr
    *turns, session = lines(done.stdout)
    assert [row["transcript"] for row in turns] == ["Hello there."] * 2
    assert {row["speaker"] for row in turns} == {"agent", "caller"}
    assert (session["audio_s"], session["connections"]) == (1.0, 2)
    wrong = nbstream_(*arguments, "--speakers", "agent", ASSEMBLYAI_API_KEY="k")
    assert wrong.returncode == 1
    assert "has 2 channels, and speakers has 1 name: agent." in wrong.stderr


def test_record_for_people_reads_well(server: ScriptedServer, speech: Path, tmp_path: Path) -> None:
    """Without --json: a line a turn, then a sentence and the folder."""
    arguments = ["record", str(speech), "--endpoint", server.url, "--speed", "0"]
    done = nbstream_(*arguments, "--out", str(tmp_path / "out"), ASSEMBLYAI_API_KEY="k")
    first, second, third = done.stdout.splitlines()
    assert first == "   0.10 - 0.48 s  Hello there."
    assert second == "1 turn in 1.0 s of audio, stopped."
    assert third.startswith("Session: ")


def test_options_reach_the_service(server: ScriptedServer, speech: Path, tmp_path: Path) -> None:
    """--option NAME=VALUE takes numbers, lists and texts; --seconds cuts the recording."""
    more = ["--option", "min_turn_silence=800", "--option", 'keyterms_prompt=["a b"]']
    more += ["--model", "universal-3-6-pro", "--option", "mode=min_latency", "--seconds", "0.5"]
    arguments = ["record", str(speech), "--endpoint", server.url, "--speed", "0", "--json"]
    done = nbstream_(*arguments, *more, "--out", str(tmp_path / "out"), ASSEMBLYAI_API_KEY="k")
    query = server.peers[0].query
    assert query["speech_model"] == "universal-3-6-pro"
    assert query["min_turn_silence"] == "800"
    assert json.loads(query["keyterms_prompt"]) == ["a b"]
    assert query["mode"] == "min_latency"
    assert lines(done.stdout)[-1]["audio_s"] == 0.5


def test_a_session_that_did_not_end_whole_has_another_status(speech: Path, tmp_path: Path) -> None:
    """A fatal end: the session line says failed, stderr says why, the status is 1."""

    def script(peer: Peer) -> None:
        peer.begin()
        peer.listen(seconds=0.5)
        peer.say(type="Error", error_code=3006, error="Invalid Message")
        peer.ws.close(3006, "See Error message for details")

    with ScriptedServer(script).running() as server:
        arguments = ["record", str(speech), "--endpoint", server.url, "--speed", "1", "--json"]
        done = nbstream_(*arguments, "--out", str(tmp_path / "out"), ASSEMBLYAI_API_KEY="k")
    assert done.returncode == 1
    assert lines(done.stdout)[-1]["state"] == "failed"
    assert "Invalid Message" in done.stderr


def test_a_start_that_fails_is_one_sentence(tmp_path: Path) -> None:
    """No traceback: what failed and what to do, on stderr and as JSON."""
    done = nbstream_("record", "sample", "--service", "assemblyai", "--json", ASSEMBLYAI_API_KEY="")
    assert done.returncode == 1
    assert done.stderr.startswith("nbstream: no AssemblyAI key found.")
    assert "Traceback" not in done.stderr
    assert lines(done.stdout)[0]["type"] == "error"
    assert "ASSEMBLYAI_API_KEY" in lines(done.stdout)[0]["hint"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_terminates_the_session_properly(
    speech: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl+C, or a container that is stopped: Terminate, the last turn, status 0."""

    def script(peer: Peer) -> None:
        peer.begin()
        peer.listen(seconds=0.2)
        peer.say(**turn(0, "First.", final=True))
        peer.listen()
        peer.say(**turn(1, "Last.", final=True))
        peer.finish()

    with ScriptedServer(script).running() as server:
        arguments = ["record", str(speech), "--endpoint", server.url, "--speed", "0.1", "--json"]
        with subprocess.Popen(
            [sys.executable, "-m", "nbstream.cli", *arguments, "--out", str(tmp_path / "out")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"ASSEMBLYAI_API_KEY": "k"},
        ) as process:
            assert process.stdout
            assert process.stderr
            assert json.loads(process.stdout.readline())["transcript"] == "First."
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert lines(out)[-1]["state"] == "stopped"
    assert server.peers[0].texts[-1]["type"] == "Terminate"


def test_open_shows_a_recorded_session(
    server: ScriptedServer, speech: Path, tmp_path: Path
) -> None:
    """The turns as a table, or a line each with --json."""
    arguments = ["record", str(speech), "--endpoint", server.url, "--speed", "0", "--json"]
    done = nbstream_(*arguments, "--out", str(tmp_path / "out"), ASSEMBLYAI_API_KEY="k")
    folder = lines(done.stdout)[-1]["folder"]
    assert "Hello there." in nbstream_("open", folder).stdout
    shown = lines(nbstream_("open", folder, "--json").stdout)
    assert shown[0]["transcript"] == "Hello there."
    assert shown[-1]["turns"] == 1
    missing = nbstream_("open", str(tmp_path / "nothing"))
    assert missing.returncode == 1
    assert "no session" in missing.stderr


def test_recover_mends_and_says_so(tmp_path: Path) -> None:
    """A recording that was killed is mended; one in order is left alone."""
    from nbstream.store import Folder

    folder = Folder.create(tmp_path, "", {})
    folder.append_audio(bytes(3200), 0.1)
    folder.close()
    with open(folder.path / "audio.wav", "ab") as file:
        file.write(bytes(1601))
    found = lines(nbstream_("recover", str(tmp_path), "--json").stdout)
    assert [(f["torn_bytes"], f["stale_header"], f["state"]) for f in found] == [
        (1, True, "recovered")
    ]
    assert (
        "in order, recovered, 0.1 s not transcribed" in nbstream_("recover", str(tmp_path)).stdout
    )
    assert nbstream_("recover", str(tmp_path / "nothing")).returncode == 1


def test_serve_prints_its_address_and_ends_on_sigterm() -> None:
    """One line with a ws:// address when it is ready; a request to end is obeyed with status 0."""
    with subprocess.Popen(
        [sys.executable, "-m", "nbstream.cli", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert "ws://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == ""
    assert process.returncode == 0


def test_version_and_help() -> None:
    """The version alone on a line; each command has a help text."""
    assert nbstream_("version").stdout.strip() == nbstream.__version__
    shown = nbstream_("--help").stdout
    for command in ("record", "serve", "open", "recover", "devices", "version"):
        assert command in shown
        assert nbstream_(command, "--help").returncode == 0
