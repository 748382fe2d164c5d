"""The doctor tells the truth of a place: of this one for real, of others by facts made by hand."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import trustme
from nbclient import NotebookClient

import nbstream as nb
from nbstream.checkup import show
from nbstream.checkup.facts import Facts, Kernel, Problem, Recording, Row, Server
from nbstream.checkup.gather import reach, recordings, room
from nbstream.checkup.jupyter import has_proxy, loopback_problem, servers
from nbstream.checkup.report import Report, report
from nbstream.checkup.routes import WORDS
from nbstream.checkup.rows import EXTRAS
from nbstream.store import Folder
from tests.conftest import ROOT

CANARY = "key-canary-5d41402abc4b"
TOKEN = "token-canary-7d793037a076"
ALL = (
    "anywidget",
    "ipywidgets",
    "ipykernel",
    "notebook",
    *(p for _, ps in EXTRAS.values() for p in ps),
)
# A notebook where all is well, on one machine with its browser.
WELL = Facts(
    versions=dict.fromkeys(ALL, "7.4.0"),
    python="3.13",
    kernel=Kernel(),
    microphones=("USB Audio (default)",),
    key="environment",
    weights="/weights",
    folder="/recordings",
    free_bytes=10**12,
    known_routes=("direct", "proxy", "comm"),
    servers=(Server("http://localhost:8888/", has_proxy=True, is_ours=True),),
)
WITHOUT_PROXY = (Server("http://localhost:8888/", has_proxy=False, is_ours=True),)


def place(**changes: Any) -> Report:
    return report(dataclasses.replace(WELL, **changes))


def row(found: Report, name: str) -> Row:
    (one,) = (row for row in found.rows if row.name == name)
    return one


def states(found: Report, *names: str) -> list[str]:
    return [row(found, name).state for name in names]


def doctor_(
    *arguments: str, cwd: Path, **env: str
) -> tuple[int, dict[str, dict[str, str]], dict[str, Any], str]:
    """Status, checks by name, summary, and all that was said, of the command."""
    done = subprocess.run(
        [sys.executable, "-m", "nbstream.cli", "doctor", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env=os.environ | {"JUPYTER_RUNTIME_DIR": str(cwd / "runtime")} | env,
    )
    *rows, summary = (json.loads(line) for line in done.stdout.splitlines())
    return done.returncode, {one["name"]: one for one in rows}, summary, done.stdout + done.stderr


# -- here, for real --------------------------------------------------------------------------------


def test_it_looks_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """In an empty folder without a key: what there is, status 0, and the folder is still empty."""
    status, rows, summary, _ = doctor_("--local", cwd=tmp_path)
    assert (0, True) == (status, summary["can_record"])
    assert "note" == rows["key"]["state"]
    assert "nb.ask_key()" in rows["key"]["todo"]
    assert rows["recogniser"]["found"].startswith("started, and heard 1.0 s of the sample")
    assert str(tmp_path / "recordings") in rows["folder"]["found"]
    assert "ok" == rows["direct"]["state"]
    assert "network" not in rows
    assert [] == list(tmp_path.iterdir())


def test_a_key_is_found_and_never_shown(tmp_path: Path) -> None:
    """That there is one is said; its text, or a part of it, is in no output."""
    _, rows, summary, said = doctor_(cwd=tmp_path, ASSEMBLYAI_API_KEY=CANARY)
    assert "ok" == rows["key"]["state"]
    assert "AssemblyAI" in summary["verdict"]
    assert not [part for part in (CANARY, CANARY[:8], CANARY[-6:]) if part in said]


def test_a_file_in_the_place_of_the_folder_is_status_1(tmp_path: Path) -> None:
    """Nothing can be recorded: it says why and what to do, and the status is 1."""
    (tmp_path / "recordings").write_text("")
    status, rows, summary, _ = doctor_(cwd=tmp_path)
    assert (1, False) == (status, summary["can_record"])
    assert "missing" == rows["folder"]["state"]
    assert "choose another folder" in rows["folder"]["todo"]
    assert "recordings can't be written" in summary["verdict"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """A Jupyter server with a token, under a base URL; its pid."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    arguments += ["--ServerApp.base_url=/user/me/", f"--ServerApp.root_dir={tmp_path}"]
    env = os.environ | {"JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"), "JUPYTER_TOKEN": TOKEN}
    log = tmp_path / "log"
    with open(log, "w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "server", *arguments], env=env, stderr=out
        )
    try:
        deadline_s, never = time.monotonic() + 60, threading.Event()
        while not list((tmp_path / "runtime").glob("jpserver-*.json")):
            assert time.monotonic() < deadline_s, log.read_text()
            assert process.poll() is None, log.read_text()
            never.wait(0.1)
        (info,) = (tmp_path / "runtime").glob("jpserver-*.json")
        yield int(json.loads(info.read_text())["pid"])
    finally:
        process.terminate()
        process.wait(20)


def test_a_running_server_is_asked_for_its_proxy(
    tmp_path: Path, server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found, answers without its token, and a page elsewhere would come through it.

    Servers that have died, and what they wrote when they did, are passed over.
    """
    (tmp_path / "runtime" / "jpserver-1.json").write_text('{"port": 1, "base_url": "/dead/"}')
    (tmp_path / "runtime" / "jpserver-2.json").write_text('["torn')
    _, rows, _, said = doctor_(cwd=tmp_path, JPY_PARENT_PID=str(server))
    assert "ok" == rows["proxy"]["state"]
    assert re.fullmatch(
        r"http://localhost:\d+/user/me/ has jupyter-server-proxy", rows["proxy"]["found"]
    )
    assert rows["page elsewhere"]["found"].startswith("through Jupyter;")
    assert TOKEN not in said
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert [(True, True, False)] == [(s.has_proxy, s.is_loopback, s.is_ours) for s in servers()]


def test_in_a_kernel_it_is_a_table(tmp_path: Path) -> None:
    """nb.doctor() in a notebook: text and HTML without script; the kernel is looked at itself."""
    cells = ["import nbstream as nb\nnb.doctor()", "[row.state for row in nb.doctor().rows][:1]"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = notebook.cells[0].outputs[0].data
    assert re.search(r"✓ kernel +ipykernel [\d.]+, with subshells", shown["text/plain"])
    assert shown["text/html"].startswith("<table>")
    assert "<script" not in shown["text/html"]
    assert "['ok']" == notebook.cells[1].outputs[0].data["text/plain"]


@pytest.mark.parametrize(("env", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals(tmp_path: Path, env: dict[str, str], is_coloured: bool) -> None:
    """On a terminal marks are coloured, not with NO_COLOR; lines keep to its width."""
    ours, its = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    done = subprocess.Popen(
        [sys.executable, "-m", "nbstream.cli", "doctor"],
        stdout=its,
        cwd=tmp_path,
        env=inherited | {"TERM": "xterm", "COLUMNS": "60"} | env,
    )
    os.close(its)
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
    assert 0 == done.wait(60)
    lines = said.decode().splitlines()
    assert is_coloured == any("\x1b[32m" in line for line in lines)
    assert 60 >= max(len(re.sub(r"\x1b\[\d+m", "", line)) for line in lines)


def test_what_can_be_reached_is_told_apart() -> None:
    """A closed port, a name without an address, a certificate of somebody else: each is said."""
    certificate = trustme.CA().issue_cert("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            client, _ = listener.accept()
            with client, pytest.raises(ssl.SSLError):
                context.wrap_socket(client, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        _, foreign = reach("127.0.0.1", port)
        thread.join(10)
    _, closed = reach("127.0.0.1", port)
    _, unknown = reach("nowhere.invalid")
    assert "has no certificate to trust" in foreign.message
    assert "can't be reached: Connection refused" in closed.message
    assert "has no address here" in unknown.message


def test_room_is_made_out_where_the_folder_would_be(tmp_path: Path) -> None:
    """Free bytes of the nearest folder that is there; a link to nowhere is no place."""
    free_bytes, problem = room(tmp_path / "not" / "yet")
    assert free_bytes
    assert not problem
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert room(tmp_path / "link")[1]
    assert "" == loopback_problem()


# -- what recordings say ---------------------------------------------------------------------------


def test_the_last_recordings_say_what_they_used(tmp_path: Path) -> None:
    """Newest first: route, rate, pages, clocks, what was tried; other sources are left out."""
    clock = {"offset_ms": 12.3, "uncertainty_ms": 0.42, "drift_ms": 1.0, "drift_ppm": 31.5}
    tried = [{"route": "direct", "why": "no answer"}, {"route": "proxy", "why": "it answered"}]
    source = {"kind": "browser", "route": "proxy", "device_rate_hz": 44100, "pages": 1, "lines": 3}
    for name, meta in (("a", source), ("b", {"kind": "file"}), ("c", {"kind": "browser"})):
        about = {"clock": clock, "tried": tried} if name == "a" else {}
        Folder.create(tmp_path, name, {"source": meta | about}).close()
    c, a = place(recordings=tuple(recordings(tmp_path))).rows[-2:]
    assert "ok" == a.state
    assert a.found == (
        "through Jupyter; device at 44100 Hz; 1 page; 3 lines; clocks 12 ± 0.4 ms apart; "
        "drift 31.5 ppm; tried: direct (no answer), proxy was taken (it answered)"
    )
    assert ("note", True) == (c.state, c.name.endswith("-c"))
    assert "no route is noted" in c.found


def test_damaged_recordings_are_told_and_stop_nothing(tmp_path: Path) -> None:
    """What can't be read is a note; fields of any other kind are passed over."""
    texts = ['{"source":', "[]", '{"source": 3}', "[" * 100_000, "\x00"]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "session.json").write_text(text)
    found = place(recordings=tuple(recordings(tmp_path))).rows[-len(texts) :]
    assert {"note"} == {one.state for one in found}
    assert all("session.json can't be read" in one.found for one in found)
    odd: dict[str, Any] = {"route": 7, "pages": "x", "lines": True, "device_rate_hz": None}
    odd |= {"clock": {"offset_ms": []}, "tried": [{"route": 1}, 2, {}]}
    shown = row(place(recordings=(Recording("odd", odd),)), "odd")
    assert "no route is noted: it was cut off, or no page came" == shown.found
    assert [] == list(recordings(tmp_path / "none"))


# -- other places ----------------------------------------------------------------------------------


def test_where_all_is_well_nothing_is_to_do() -> None:
    """Each row is ok, and none says what to do."""
    found = place(known_routes=("direct", "proxy", "control", "comm"))
    assert {"ok"} == {one.state for one in found.rows}, found
    assert not [one.todo for one in found.rows if one.todo]
    assert found.verdict == (
        "Recording is possible: a kernel's microphone, a browser's microphone, files and the "
        "sample, with AssemblyAI or the local recogniser."
    )


@pytest.mark.parametrize(
    ("changes", "here", "elsewhere"),
    [
        ({}, "directly", "through Jupyter"),
        ({"servers": WITHOUT_PROXY}, "directly", "through the widget"),
        (
            {"servers": WITHOUT_PROXY, "known_routes": ("direct", "proxy", "control", "comm")},
            "directly",
            WORDS["control"],
        ),
        ({"loopback_problem": "Operation not permitted"}, *["through the widget"] * 2),
        (
            {"servers": ()},
            "directly",
            "through Jupyter if its server has jupyter-server-proxy, else through the widget",
        ),
        ({"kernel": None, "versions": {}, "servers": WITHOUT_PROXY}, "directly", "none"),
    ],
)
def test_the_route_that_would_be_taken(changes: dict[str, Any], here: str, elsewhere: str) -> None:
    """The first that can be had; both where it depends on what is not known."""
    found = place(**changes)
    assert here == row(found, "page on this machine").found.partition(";")[0]
    assert elsewhere == row(found, "page elsewhere").found.partition(";")[0]


def test_old_kernels_make_the_widget_late() -> None:
    """Without subshells, where only the widget is left, both rows say that sound comes late."""
    found = place(kernel=Kernel(has_subshells=False), servers=WITHOUT_PROXY)
    assert ["note", "missing", "note", "note"] == states(
        found, "kernel", "proxy", "comm", "page elsewhere"
    )
    assert "late while a cell runs" in row(found, "page elsewhere").found
    assert "ipykernel>=7" in row(found, "kernel").todo
    assert "ok" == row(found, "page on this machine").state


def test_a_server_for_others_needs_https() -> None:
    """One that listens beyond loopback without TLS gives pages no microphone; a hub has its own."""
    bare = (dataclasses.replace(WELL.servers[0], is_loopback=False),)
    assert "https" in row(place(servers=bare), "page elsewhere").todo
    assert not row(place(servers=bare, kernel=Kernel(front_end="JupyterHub")), "direct").todo
    assert (
        "" == row(place(servers=bare, kernel=Kernel(front_end="JupyterHub")), "page elsewhere").todo
    )


def test_what_a_server_says_of_its_proxy() -> None:
    """404 is no; another answer than nobody's address gets is yes; all else is not known."""
    answers = [(404, 404), (302, 404), (403, 404), (302, 302), (None, 404)]
    assert [False, True, True, None, None] == [has_proxy(*pair) for pair in answers]


def test_vs_code_has_no_page() -> None:
    """Its notebooks give a page no microphone: said instead of routes, and not promised."""
    found = place(kernel=Kernel(front_end="VS Code"))
    assert "missing" == row(found, "all").state
    assert 'source="mic"' in row(found, "all").todo
    assert "browser" not in found.verdict


def test_without_key_and_recogniser_nothing_can_be_recorded() -> None:
    """Both are missing and say what to do; one of them is enough."""
    gone = Problem("the local recogniser is not installed", "pip install 'nbstream[local]'")
    found = place(key="", key_hint="Set it.", local_problem=gone)
    assert (False, ["missing", "missing"]) == (found.can_record, states(found, "key", "recogniser"))
    assert "no key, no local recogniser" in found.verdict
    assert place(local_problem=gone).can_record
    assert place(key="").can_record
    cut_off = place(local_problem=gone, network_problem=Problem("no address"))
    assert (False, "missing") == (cut_off.can_record, row(cut_off, "network").state)
    by_proxy = place(local_problem=gone, network="by proxy", network_problem=Problem("none"))
    assert (True, "note") == (by_proxy.can_record, row(by_proxy, "network").state)


@pytest.mark.parametrize(
    ("free_bytes", "state"), [(10**6, "missing"), (32_000 * 60 * 59, "note"), (None, "note")]
)
def test_room_is_told_in_minutes(free_bytes: int | None, state: str) -> None:
    """Less than an hour is a note, less than a minute is nothing."""
    found = place(free_bytes=free_bytes)
    assert (state, state != "missing") == (row(found, "folder").state, found.can_record)
    if free_bytes == 32_000 * 60 * 59:
        assert "59 min of sound" in row(found, "folder").found


def test_extras_are_those_of_the_project() -> None:
    """What an extra brings is what pyproject.toml says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for extra, (_, packages) in EXTRAS.items():
        wanted = project["optional-dependencies"][extra]
        assert sorted(packages) == sorted(re.match(r"[\w-]+", one)[0] for one in wanted)
    found = row(place(versions={"jiwer": "4"}), "files")
    assert "pip install 'nbstream[audio,formats]'" == found.todo


# -- how it looks ----------------------------------------------------------------------------------

HOSTILE = "<b>\x1b[31mred\r\n</b>\u202e" + "x" * 200


@pytest.mark.parametrize("width", [10, 32, 47, 64, 80, 100])
def test_lines_keep_to_the_width(width: int) -> None:
    """Names, texts and what to do are cut to the columns there are; nothing acts on a terminal."""
    rows = [*place(servers=()).rows, Row("Group", HOSTILE, "missing", HOSTILE, HOSTILE)]
    text = show.as_text(rows, HOSTILE, width=width)
    assert max(32, width) >= max(len(line) for line in text.splitlines())
    assert not set(re.findall(r"[\x00-\x09\x0b-\x1f]", text))


def test_marks_stand_in_one_column() -> None:
    """Every check has its mark before it; the plain marks are ASCII."""
    text = show.as_text(list(place().rows), "Well.", marks=show.PLAIN_MARKS)
    assert text.isascii()
    assert len(place().rows) == len(re.findall(r"^  [+!x] \S", text, re.MULTILINE))


def test_html_is_escaped() -> None:
    """What a device or a folder is called is text, never markup."""
    found = Report((Row("G", HOSTILE, "ok", HOSTILE, HOSTILE),), HOSTILE, True)
    assert "<b>" not in found._repr_html_()
    assert 4 == found._repr_html_().count("&lt;b&gt;")


def test_it_is_public() -> None:
    """nb.doctor stays the function, whatever else of it was imported."""
    assert callable(nb.doctor)
