"""Each row of docs/from-the-tutorial.md, run."""

from __future__ import annotations

import queue
import re
import wave
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import nbstream as nb
from nbstream import services
from nbstream.local.server import Server
from tests.conftest import ROOT
from tests.fakes import Given, noise
from tests.scripted import ScriptedServer, hello
from tests.talking import load_model

DOC = (ROOT / "docs" / "from-the-tutorial.md").read_text("utf-8")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(hello).running() as server:
        yield server


@pytest.fixture
def service(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> nb.AssemblyAI:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "key-from-env")
    return nb.AssemblyAI(endpoint=server.url)


@pytest.fixture
def session(service: nb.AssemblyAI, tmp_path: Path) -> nb.Session:
    """A whole session of 2.5 s."""
    with nb.record(Given(noise(2.5)), service, folder=tmp_path) as session:
        pass
    return session


def test_every_row_names_its_test() -> None:
    """No row without a test, no test without a row."""
    named = set(re.findall(r"\| `(test_\w+)` \|", DOC))
    rows = [line for line in DOC.splitlines() if line.startswith("| ")][1:]
    assert all(re.search(r"\| `test_\w+` \|$", row) for row in rows)
    mine = {name for name in globals() if name.startswith("test_")}
    assert named == mine - {"test_every_row_names_its_test", "test_all_of_it_at_once"}


def test_configure() -> None:
    """Parameters become the query of the address."""
    url = nb.AssemblyAI("u3-rt-pro", min_turn_silence=400).url()
    assert url.startswith("wss://streaming.assemblyai.com/v3/ws?")
    query = parse_qs(urlsplit(url).query)
    assert (query["speech_model"], query["sample_rate"]) == (["u3-rt-pro"], ["16000"])


def test_a_misspelled_parameter() -> None:
    """A camelCase name raises and names the right one."""
    with pytest.raises(nb.ParameterError, match="min_turn_silence"):
        nb.AssemblyAI(minTurnSilence=400)  # type: ignore[call-arg]


def test_the_key(session: nb.Session, server: ScriptedServer) -> None:
    """It comes from the environment, travels in the header, and is not in the folder."""
    assert server.peers[0].headers["Authorization"] == "key-from-env"
    assert b"key-from-env" not in b"".join(p.read_bytes() for p in session.folder.iterdir())


def test_the_microphone() -> None:
    """The device's capture itself is in test_microphone.py, sample by sample."""
    assert nb.Microphone().live
    assert list(nb.devices().columns)


def test_connect(service: nb.AssemblyAI, tmp_path: Path) -> None:
    """`record` returns after `Begin`, and raises where the tutorial's loop would go on."""
    with nb.record(Given(noise(1), live=True), service, folder=tmp_path) as session:
        assert session.state == "recording"
        assert "Begin" in set(session.events.type)
    with pytest.raises(nb.ConnectError):
        nb.record(Given(noise(1)), nb.AssemblyAI(endpoint="ws://127.0.0.1:9"), folder=tmp_path)


def test_begin(session: nb.Session) -> None:
    """Session id and expiry."""
    row = session.connections.iloc[0]
    assert row.id == "id-0"
    assert datetime.fromtimestamp(row.expires_at, UTC).year == 2096


def test_partials_and_finals(session: nb.Session) -> None:
    """Each state of a turn in order, the last one final."""
    said = [(turn.transcript, turn.end_of_turn) for turn in session.follow("turn")]
    assert said == [("hello", False), ("Hello there.", True)]


def test_termination(session: nb.Session) -> None:
    """Both durations, in seconds, as the server counted them."""
    row = session.connections.iloc[0]
    assert (row.audio_duration_s, row.session_duration_s) == (2, 2)


def test_the_wav(session: nb.Session) -> None:
    """A WAV in a folder named by the time, with the right duration."""
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ", session.folder.name)
    with wave.open(str(session.folder / "audio.wav")) as file:
        assert file.getnframes() / file.getframerate() == 2.5


def test_errors(service: nb.AssemblyAI, tmp_path: Path) -> None:
    """What goes wrong is raised to the caller, with what to do."""
    with pytest.raises(nb.SourceError, match="no such file"):
        nb.record(tmp_path / "missing.wav", service, folder=tmp_path)


def test_close(session: nb.Session) -> None:
    """Close code and reason."""
    row = session.connections.iloc[0]
    assert (row.code, row.reason) == (1000, "Session Ended")


def test_ctrl_c(service: nb.AssemblyAI, server: ScriptedServer, tmp_path: Path) -> None:
    """KeyboardInterrupt in the `with` sends Terminate, keeps the last turn, and is raised on."""
    with (
        pytest.raises(KeyboardInterrupt),
        nb.record(Given(noise(1), live=True), service, folder=tmp_path) as session,
    ):
        raise KeyboardInterrupt
    assert server.peers[0].texts[-1] == {"type": "Terminate"}
    assert session.transcript == "Hello there."


def test_stop(service: nb.AssemblyAI, tmp_path: Path) -> None:
    """`stop` returns when the last turn is there."""
    session = nb.record(Given(noise(1), live=True), service, folder=tmp_path)
    session.stop()
    assert session.state == "stopped"
    assert session.transcript == "Hello there."


def test_data_zones() -> None:
    """US, EU, and an address of one's own."""
    assert nb.AssemblyAI(region="eu").url().startswith("wss://streaming.eu.assemblyai.com/")
    assert nb.AssemblyAI(region="us").url().startswith("wss://streaming.us.assemblyai.com/")
    assert nb.AssemblyAI(endpoint="wss://own.example").url().startswith("wss://own.example/v3/ws")


def test_temporary_token(tmp_path: Path) -> None:
    """A token fetched with the key opens a session without it; a wrong key gets none."""
    with Server(load_model(), key="right") as server:
        token = nb.AssemblyAI(endpoint=server.url, api_key="right").token(
            60, max_session_duration_seconds=120
        )
        assert token != "right"
        service = nb.AssemblyAI("moonshine-tiny-en", endpoint=server.url, token=token)
        with nb.record(Given(noise(0.5)), service, folder=tmp_path) as session:
            pass
        assert session.state == "stopped"
        with pytest.raises(nb.AuthError, match="no token"):
            nb.AssemblyAI(endpoint=server.url, api_key="wrong").token()


def test_callbacks(service: nb.AssemblyAI, tmp_path: Path) -> None:
    """A function is called for each event of its kind, from the first on."""
    got: queue.Queue[str] = queue.Queue()
    with nb.record(Given(noise(1), live=True), service, folder=tmp_path) as session:
        session.on("begin", lambda event: got.put(event.id))
        assert got.get(timeout=10) == "id-0"


def test_mid_session(service: nb.AssemblyAI, server: ScriptedServer, tmp_path: Path) -> None:
    """New parameters and a forced endpoint reach the server while it records."""
    with nb.record(Given(noise(1), live=True), service, folder=tmp_path) as session:
        session.update(min_turn_silence=800)
        session.force_endpoint()
    assert [m["type"] for m in server.peers[0].texts[:2]] == [
        "UpdateConfiguration",
        "ForceEndpoint",
    ]


def test_all_of_it_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example of the page runs as it stands, against a server that speaks the protocol."""
    (example,) = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "right")
    monkeypatch.chdir(tmp_path)
    fast = example.replace('nb.record("sample"', "nb.record(nb.Sample(speed=0)")
    with Server(load_model(), key="right") as server:
        monkeypatch.setitem(services.HOSTS, None, server.url)
        with pytest.warns(UserWarning, match="moonshine"):
            exec(compile(fast, "from-the-tutorial", "exec"), {})
    shown = capsys.readouterr().out
    assert "ask what you can do" in shown.lower()
    assert "Session Ended" in shown
