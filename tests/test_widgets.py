"""The recorder's Python side; in the browser tests a front end does the pressing."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import traitlets

from nbstream import events as ev
from nbstream.engine import Snapshot, State
from nbstream.errors import AuthError, NbstreamError, ParameterError, SourceError, StateError
from nbstream.services import AssemblyAI
from nbstream.sources import Source
from nbstream.tables import TurnRow
from nbstream.widgets import Recorder, places
from nbstream.widgets.choices import KEY_NOTE
from nbstream.widgets.remembered import path, remember, remembered
from nbstream.widgets.static import NEWEST, static_html
from nbstream.widgets.status import SILENT, Status, status_view
from tests.conftest import ROOT
from tests.fakes import Given, noise
from tests.scripted import Peer, Script, ScriptedServer, hello, turn
from tests.virtual_mic import NO_DEVICE_CONFIG

KEY = "k3y-that-nobody-may-see"
DEADLINE_S = 20
Make = Callable[..., Recorder]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes recorders whose service is a server that follows a script."""
    with ExitStack() as stack:

        def recorder(
            script: Script = hello, source: Source | str | None = None, **options: Any
        ) -> Recorder:
            server = stack.enter_context(ScriptedServer(script).running())
            rec = Recorder(
                Given(noise(1.0), live=True) if source is None else source,
                AssemblyAI(endpoint=server.url, api_key=KEY),
                folder=tmp_path,
                **options,
            )
            stack.callback(end, rec)
            return rec

        def end(rec: Recorder) -> None:
            rec.close()
            with contextlib.suppress(NbstreamError):
                rec.wait(DEADLINE_S)  # while its server still answers

        yield recorder


def until(widget: traitlets.HasTraits, name: str, fits: Callable[[Any], bool]) -> Any:
    """Wait until the trait's value `fits`, and return it."""
    found = threading.Event()

    def look(_: object = None) -> None:
        if fits(getattr(widget, name)):
            found.set()

    widget.observe(look, name)
    look()
    assert found.wait(DEADLINE_S), getattr(widget, name)
    widget.unobserve(look, name)
    return getattr(widget, name)


def until_state(rec: Recorder, state: str) -> dict[str, Any]:
    """Wait until the status line shows `state`."""
    view: dict[str, Any] = until(rec._status, "view", lambda view: view["state"] == state)
    return view


def texts(rec: Recorder, *, is_final: bool) -> list[str]:
    """The turns that a page which opens now would show."""
    turns = rec._view.whole()["turns"]
    return [turn["text"] for turn in turns if turn["is_final"] is is_final]


def until_partial(rec: Recorder) -> None:
    """Wait until a page has been told of an open turn."""
    until(rec._view, "delta", lambda _: texts(rec, is_final=False))


def row(order: int, text: str, *, is_final: bool = True, version: int = 1) -> TurnRow:
    words = tuple(
        ev.Word(word, 1000 * order + 100 * i, 1000 * order + 100 * i + 80, 0.5, is_final)
        for i, word in enumerate(text.split())
    )
    return TurnRow(
        *(0, order, 0.0, None, text, words, is_final), arrived_s=order + 1.0, version=version
    )


# -- a take -----------------------------------------------------------------------------------


def test_the_button_records_and_stops(make: Make) -> None:
    """One press starts a take whose words appear while they are said, another ends it whole."""
    rec = make()
    assert rec._button.description == "Record"
    assert rec.session is None

    rec._button.click()
    until_partial(rec)
    assert texts(rec, is_final=False) == ["hello"]
    assert rec._button.description == "Stop"
    assert rec.session is not None
    assert list(rec.session.turns["transcript"]) == ["hello"]

    rec._button.click()
    view = until_state(rec, "stopped")
    assert texts(rec, is_final=True) == ["Hello there."]
    assert texts(rec, is_final=False) == []
    assert str(rec.session.folder) == view["folder"]
    assert rec.wait(DEADLINE_S)
    assert rec._button.description == "Record"


def test_each_press_of_record_is_a_session_of_its_own(make: Make) -> None:
    """A recorder works as often as one likes; the view begins anew with each take."""
    rec = make(source=Given(noise(1.0)))
    folders = set()
    for _ in range(2):
        rec.start()
        rec.wait()
        assert rec.session is not None
        folders.add(rec.session.folder)
        assert texts(rec, is_final=True) == ["Hello there."]

    assert len(folders) == 2


def test_an_earlier_take_has_no_say_any_more(make: Make) -> None:
    """A last snapshot that comes late does not overwrite what the next take shows."""
    rec = make()
    rec.start()
    earlier = rec._engine
    assert earlier is not None
    rec.stop()
    rec.start()
    until_state(rec, "recording")
    rec._show(earlier, earlier.snapshot())

    assert rec._status.view["state"] == "recording"


def test_pickers_rest_while_it_records(make: Make) -> None:
    """Source and service can't be changed in the middle of a take."""
    rec = make()
    rec.start()
    until_state(rec, "recording")
    assert rec._source.disabled
    assert rec._service.disabled

    rec.stop()
    assert not rec._source.disabled
    assert not rec._service.disabled


def test_one_thread_sets_the_traits_of_a_take(make: Make) -> None:
    """While an engine runs, its notify thread alone writes: traitlets has no lock."""
    rec = make()
    writers: set[str] = set()
    for part in (rec._status, rec._view, rec._button, rec._pause, rec._mark, rec._source):
        part.observe(lambda _: writers.add(threading.current_thread().name), traitlets.All)

    rec._button.click()
    until_partial(rec)
    rec._button.click()
    until_state(rec, "stopped")

    assert {"nbstream-notify"} == writers


def test_a_view_that_joins_late_has_all_it_needs(make: Make) -> None:
    """The state that a reloaded page asks for holds the sound, the turns and the time."""
    rec = make()
    rec.start()
    until_partial(rec)
    until(rec._view, "delta", lambda _: rec._view.whole()["sound"]["n_columns"] == 100)

    state = rec._view.get_state()["state"]
    assert len(state["sound"]["parts"][0]["columns"]) == 100 * 4
    (turn,) = state["turns"]
    assert (turn["start_s"], turn["end_s"], turn["text"]) == (0.1, 0.28, "hello")
    assert rec._status.get_state()["view"]["elapsed_s"] == 1.0


def test_starting_twice_is_an_error(make: Make) -> None:
    """A take that runs is not replaced silently."""
    rec = make()
    rec.start()
    with pytest.raises(StateError, match="recording already"):
        rec.start()
    assert rec._status.view["message"] == ""


def test_closing_ends_the_take(make: Make) -> None:
    """A panel that is taken away leaves no microphone open; the folder is complete."""
    rec = make()
    rec.start()
    session = rec.session
    rec.close()

    assert session is not None
    assert session.wait(DEADLINE_S)
    assert session.state == "stopped"


def test_running_the_cell_again_ends_the_earlier_take(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run of a cell made can't be seen any more, so it must not record on."""
    parent: dict[str, Any] = {"metadata": {"cellId": "a"}, "header": {"msg_id": "1"}}
    shell = SimpleNamespace(get_parent=lambda: parent)
    monkeypatch.setattr(places, "get_ipython", lambda: shell)
    earlier, beside = make(), make()
    earlier.start()
    assert earlier.session is not None
    assert earlier.session.is_live  # `beside` was made by the same run

    parent["header"]["msg_id"] = "2"
    make()

    assert earlier.wait(DEADLINE_S)
    assert beside.comm is None


# -- what goes wrong --------------------------------------------------------------------------


def test_no_key_is_shown_with_its_hint(tmp_path: Path) -> None:
    """A press never fails silently: the sentence is in the cell, and `start` raises it."""
    rec = Recorder("sample", "assemblyai", folder=tmp_path)
    rec._button.click()
    view = rec._status.view
    assert view["state"] == "failed"
    assert view["message"] == "no AssemblyAI key found."
    assert "nb.ask_key()" in view["hint"]
    assert rec._button.description == "Record"

    with pytest.raises(AuthError, match="no AssemblyAI key"):
        rec.start()
    assert rec.session is None


def test_a_file_that_is_not_there_is_shown_with_its_hint(make: Make, tmp_path: Path) -> None:
    """The cell says which file, and nothing stays behind on disk."""
    rec = make(source=str(tmp_path / "nowhere.wav"))
    rec._button.click()

    assert "nowhere.wav" in rec._status.view["message"]
    assert rec._status.view["hint"]
    assert list(tmp_path.iterdir()) == []


def test_a_failure_in_mid_take_is_shown_and_the_next_take_forgets_it(make: Make) -> None:
    """What ends a take is in the cell with the turns so far; Record works again."""
    source = Given(noise(1.0), fails_with=SourceError("the device is gone.", hint="Plug it in."))
    rec = make(source=source)
    rec._button.click()
    until_partial(rec)
    source.may_fail.set()
    view = until_state(rec, "failed")
    assert (view["message"], view["hint"]) == ("the device is gone.", "Plug it in.")

    source.fails_with = None
    rec._button.click()
    assert until_state(rec, "stopped")["message"] == ""


def test_a_bug_in_a_press_is_shown(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of a button would be logged where nobody looks."""
    rec = make()
    monkeypatch.setattr(rec, "_make_engine", lambda *args, **more: 1 / 0)
    rec._button.click()

    assert "ZeroDivisionError" in rec._status.view["message"]


def test_what_cannot_be_recorded_is_refused_at_once() -> None:
    """A source or service that does not exist raises where it is written."""
    with pytest.raises(SourceError):
        Recorder(3)  # type: ignore[arg-type]
    with pytest.raises(ParameterError):
        Recorder("sample", "asemblyai")


# -- choosing ---------------------------------------------------------------------------------


def test_without_a_key_the_local_recogniser_is_chosen_and_says_so() -> None:
    """One line tells how to give a key, unless the person has chosen a service."""
    rec = Recorder("sample")
    assert rec._service.value == "local"
    assert rec._status.view["note"] == KEY_NOTE
    assert Recorder("sample", "local")._status.view["note"] == ""


def test_with_a_key_assemblyai_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment is enough."""
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
    rec = Recorder("sample")
    assert rec._service.value == "assemblyai"
    assert rec._status.view["note"] == ""


def test_auto_takes_the_sample_where_there_is_no_microphone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status line says what was chosen, and why."""
    config = tmp_path / "asound.conf"
    config.write_text(NO_DEVICE_CONFIG)
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    rec = Recorder(service="local")

    assert rec._source.value == "sample"
    assert "sample is chosen: no microphone" in rec._status.view["note"]

    rec._source.value = "mic"
    assert "o microphone" in rec._status.view["note"]
    rec._source.value = "sample"
    assert rec._status.view["note"] == ""


def test_a_given_source_and_service_are_what_the_pickers_show(make: Make) -> None:
    """What the code says is chosen, and what else there is can be."""
    rec = make()
    assert (rec._source.label, rec._source.value) == ("test", "given")
    assert rec._service.label == "AssemblyAI (u3-rt-pro)"
    assert [value for _, value in rec._source.options] == ["given", "sample", "mic", "browser"]


# -- the key, and what is saved ---------------------------------------------------------------


def test_the_key_is_nowhere_to_be_seen(make: Make) -> None:
    """No trait, repr or saved form of a recorder holds the key."""
    rec = make()
    rec.start()
    rec.stop()
    parts = (rec, rec._status, rec._view, rec._button, rec._source, rec._service)

    seen = [repr(part.get_state()) for part in parts] + [repr(rec._repr_mimebundle_())]
    assert KEY not in "".join(seen)


def test_the_repr_is_a_dashboard(make: Make) -> None:
    """State, length, turns, overflows and connection at one look."""
    rec = make()
    assert "<Recorder IDLE 0:00 | 16000 Hz |" in repr(rec)
    assert "no connection>" in repr(rec)

    rec.start()
    until_partial(rec)
    assert "<Recorder RECORDING 0:01 | 16000 Hz | 0 turns, 1 partial | 0 overflow" in repr(rec)
    assert "connection 0>" in repr(rec)


def test_a_saved_notebook_says_something(make: Make) -> None:
    """Beside the live view stand text and HTML, in which what was said can't be markup."""

    def nasty(peer: Peer) -> None:
        peer.begin()
        peer.listen()
        peer.say(**turn(0, "<script>alert(1)</script> & co.", final=True))
        peer.finish()

    rec = make(nasty, Given(noise(1.0)))
    rec.start()
    rec.wait()
    bundle = rec._repr_mimebundle_()

    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == repr(rec)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co." in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert rec.session is not None
    assert rec.session.folder.name in bundle["text/html"]


def test_a_saved_form_stays_small() -> None:
    """Of a long session the newest turns are saved, and it says that there are more."""
    html = static_html(Snapshot(State.STOPPED), [row(n, "word") for n in range(NEWEST + 3)])
    assert html.count("<tr>") == NEWEST + 1
    assert "3 earlier turns" in html


# -- what the parts are given -----------------------------------------------------------------


def test_the_level_rests_when_nothing_is_recorded() -> None:
    """The last level of a take does not stand in the meter for ever."""
    live = status_view(Snapshot(State.RECORDING, level_dbfs=-12.34, clipped=True, folder="f"))
    take = Snapshot(State.STOPPED, level_dbfs=-12.34, clipped=True, folder="f", audio_s=1.0)
    over = status_view(take)
    refused = status_view(Snapshot(State.FAILED, folder="gone"))

    assert (live["level_dbfs"], live["is_clipped"], live["folder"]) == (-12.3, True, "")
    assert (over["level_dbfs"], over["is_clipped"], over["folder"]) == (-96.0, False, "f")
    assert refused["folder"] == ""  # nothing was recorded, so nothing is kept


def test_a_page_is_told_of_a_level_less_often_than_of_a_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What only moves waits for the next but one; what has changed, or is the last, is told."""
    now_s = 100.0
    monkeypatch.setattr("nbstream.widgets.status.time.monotonic", lambda: now_s)
    status, told = Status(), list[tuple[str, float]]()
    status.observe(lambda to: told.append((to.new["word"], to.new["elapsed_s"])), "view")
    for state, audio_s in [
        (State.RECORDING, 0.1),
        (State.RECORDING, 0.2),
        (State.RECORDING, 0.3),
        (State.RECONNECTING, 0.4),
        (State.STOPPED, 0.4),
        (State.STOPPED, 0.5),
    ]:
        status.show(Snapshot(state, audio_s=audio_s))
        now_s += 0.1
    assert [
        ("Recording", 0.1),
        ("Recording", 0.3),
        ("Reconnecting", 0.4),
        ("Stopped", 0.4),
        ("Stopped", 0.5),
    ] == told


def test_the_javascript_passes_its_own_tests() -> None:
    """The pure helpers of the front end, under Node."""
    node = shutil.which("node")
    assert node, "no Node: apt-get install nodejs"
    files = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.js"))
    run = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout


def test_a_take_stops_when_its_page_was_closed(make: Make) -> None:
    """After the grace without a sign of life the take ends properly and says why."""
    recorder = make(close_grace_s=0.01)
    recorder._status._handle_custom_msg({"kind": "alive"}, [])
    recorder.start()
    assert recorder.wait(DEADLINE_S)
    assert recorder.session is not None
    assert recorder.session.state == "stopped"
    assert "page" in recorder._status.view["message"]


def test_limits_end_a_take(make: Make) -> None:
    """Limits given to the recorder hold for each take."""
    recorder = make(idle_stop_s=0.01)
    recorder.start()
    assert recorder.wait(DEADLINE_S)
    assert "idle_stop_s" in recorder._status.view["message"]


# -- pausing and marking ----------------------------------------------------------------------


def test_pause_and_mark_can_be_pressed_when_they_make_sense(make: Make) -> None:
    """Only what is being recorded can be paused or marked; the button says what it will do."""
    rec = make()
    assert (rec._pause.disabled, rec._mark.disabled) == (True, True)
    rec.start()
    until_state(rec, "recording")
    assert (rec._pause.disabled, rec._mark.disabled) == (False, False)

    rec._pause.click()
    view = until_state(rec, "paused")
    assert view["word"] == "Paused"
    assert (rec._pause.description, rec._pause.disabled) == ("Resume", False)
    assert rec._button.description == "Stop"
    rec._pause.click()
    until_state(rec, "recording")
    assert rec._pause.description == "Pause"

    rec.stop()
    assert (rec._pause.disabled, rec._mark.disabled) == (True, True)
    assert rec.session is not None
    assert list(rec.session.gaps.kind) == ["pause"]


def test_resume_can_be_pressed_again_at_once(make: Make) -> None:
    """A button that rests for an instant would lose the focus of who pressed it by key."""
    rec = make()
    rec.start()
    until_state(rec, "recording")
    rested: list[bool] = []
    rec._pause.observe(lambda change: rested.append(change["new"]), "disabled")
    for _ in range(3):
        rec._pause.click()
        until_state(rec, "paused")
        rec._pause.click()
        until_state(rec, "recording")
    assert rested == []


def test_a_mark_is_an_annotation_at_its_place(make: Make) -> None:
    """A press marks the end of what is recorded by then, and says so."""
    rec = make()
    rec.start()
    until(rec._status, "view", lambda view: view["elapsed_s"] == 1.0)
    rec._mark.click()
    until(rec._status, "view", lambda view: view["note"] == "Marked 0:01")
    assert rec.session is not None
    marks = rec.session.annotations
    assert [(m.kind, m.start_s) for m in marks.itertuples()] == [("mark", 1.0)]
    rec.stop()
    with pytest.raises(StateError, match="not recording"):
        rec.mark()


def test_a_paused_take_stops_when_its_page_was_closed(make: Make) -> None:
    """Nobody comes back to press Resume."""
    rec = make(close_grace_s=0.5)
    rec._status._handle_custom_msg({"kind": "alive"}, [])
    rec.start()
    rec.pause()
    assert rec.wait(DEADLINE_S)
    assert rec.session is not None
    assert rec.session.state == "stopped"
    assert list(rec.session.gaps.kind) == ["pause"]


# -- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        (Snapshot(State.CONNECTING), ("Connecting", "")),
        (Snapshot(State.CONNECTING, behind_s=3.2), ("Connecting", "3 s behind")),
        (Snapshot(State.RECORDING, behind_s=0.4), ("Recording", "")),
        (Snapshot(State.RECORDING, behind_s=12.4), ("Recording", "catching up: 12 s behind")),
        (Snapshot(State.RECONNECTING, retry_in_s=2.1), ("Reconnecting", "in 3 s")),
        (Snapshot(State.PAUSED), ("Paused", "nothing is recorded")),
        (Snapshot(State.PAUSED, behind_s=4), ("Paused", "catching up: 4 s behind")),
        (Snapshot(State.DRAINING), ("Finishing", "waiting for the last turn")),
        (Snapshot(State.STOPPED, behind_s=9), ("Stopped", "")),
    ],
)
def test_the_state_is_said_in_words(snapshot: Snapshot, said: tuple[str, str]) -> None:
    """What it does, and what there is to wait for."""
    view = status_view(snapshot)
    assert (view["word"], view["detail"]) == said


def test_silence_is_warned_of_and_taken_back() -> None:
    """After five seconds without a sound it asks for the microphone; no number counts up in it."""
    quiet = status_view(Snapshot(State.RECORDING, silent_s=5.1), note="Marked 0:01")
    assert (quiet["note"], quiet["is_silent"]) == (SILENT, True)
    assert status_view(Snapshot(State.RECORDING, silent_s=61))["note"] == SILENT
    again = status_view(Snapshot(State.RECORDING, silent_s=0.1), note="Marked 0:01")
    assert (again["note"], again["is_silent"]) == ("Marked 0:01", False)
    assert not status_view(Snapshot(State.STOPPED, silent_s=61))["is_silent"]


# -- remembering ------------------------------------------------------------------------------


def test_what_was_chosen_is_chosen_the_next_time() -> None:
    """Source and service come back where the code does not say what to take."""
    rec = Recorder("mic", "assemblyai")
    rec._source.value = "sample"
    rec._service.value = "local"
    again = Recorder()
    assert (again._source.value, again._service.value) == ("sample", "local")
    assert "as last time" in again._status.view["note"]

    given = Recorder("dialogue", "assemblyai")
    assert (given._source.value, given._service.value) == ("given", "assemblyai")


def test_what_is_gone_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A microphone that is not there, and a service without a key, are no choice."""
    remember(source="Microphone: of another machine", service="assemblyai")
    assert Recorder()._service.value == "local"
    assert Recorder()._source.value in ("sample", "mic")
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
    assert Recorder()._service.value == "assemblyai"


def test_memory_holds_two_names_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the code was given is nobody's choice, and a key is none of them."""
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
    rec = Recorder(Given(noise(1.0)), AssemblyAI(api_key=KEY))
    rec._source.value = "sample"
    rec._source.value = "given"
    rec._service.value = "local"
    where = path()
    assert where is not None
    assert json.loads(where.read_text()) == {"source": "sample", "service": "local"}


@pytest.mark.parametrize("content", ["", "[1]", '{"source": 3}', "\0\0"])
def test_a_memory_that_cannot_be_read_is_none(content: str) -> None:
    """The file is the person's to edit, and to spoil."""
    where = path()
    assert where is not None
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(content)
    assert remembered() == {}
    remember(source="sample")
    assert remembered() == {"source": "sample"}
