"""What a saved notebook keeps: a report that needs no kernel, no script and no style."""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import nh3
import numpy as np
import pytest
import soundfile

import nbstream as nb
from nbstream import saved
from nbstream.saved import NEWEST, SOUND_BYTES, report_html, report_text
from nbstream.session import Session
from nbstream.sources.compressed import compressed
from tests.browser import notebook_of
from tests.fakes import Given, noise
from tests.scripted import Peer, ScriptedServer, turn

NASTY = '<script>alert(1)</script> & <img src=x onerror="alert(2)">'
# As GitHub shows notebooks: no style, no sound, no script; what it lets stand is in its own words
# in https://github.com/gjtorikian/html-pipeline, sanitization_filter.rb.
GITHUB_TAGS = set(
    nh3.ALLOWED_TAGS
    - {"audio", "svg", "math", "style", "area", "map", "center", "article", "aside", "header"}
)
GITHUB_ATTRIBUTES = {"img": {"src", "alt", "width", "height"}, "a": {"href"}, "*": {"align"}}


def as_on_github(html: str, *, has_pictures: bool = True) -> str:
    """Sanitised as GitHub does it; whether it shows pictures that are in the page."""
    schemes = {"http", "https"} | ({"data"} if has_pictures else set())
    attributes = GITHUB_ATTRIBUTES
    return nh3.clean(html, tags=GITHUB_TAGS, attributes=attributes, url_schemes=schemes)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Two seconds in which two people say what could do harm; marked once."""

    def script(peer: Peer) -> None:
        peer.begin()
        peer.listen()
        for order, speaker in enumerate("AB"):
            said = turn(order, f"{NASTY} {speaker}", final=True, start_ms=100 + 900 * order)
            peer.say(**said, speaker_label=speaker)
        peer.finish()

    with ScriptedServer(script).running() as server:
        service = nb.AssemblyAI(endpoint=server.url, api_key="canary-key")
        with nb.record(Given(noise(2)), service, folder=tmp_path, name="a <b>") as made:
            pass
    made.mark("<i>here</i>", 1.0)
    return made


def media(html: str, kind: str) -> bytes:
    """What is embedded as ``data:kind``."""
    (found,) = re.findall(rf'src="data:{kind};base64,([^"]+)"', html)
    return base64.b64decode(found)


def test_it_says_what_was_recorded(session: Session) -> None:
    """Name, length, model, turns, cost, every turn with its speaker, marks, where it is."""
    html = report_html(session, again="Run the cell again.")
    text = nh3.clean(html, tags=set())
    assert "a &lt;b&gt;" in html
    for said in ("0:02", "AssemblyAI u3-rt-pro", "2 turns", "USD", "Marked: 0:01", "Medians"):
        assert said in text, said
    assert html.count("<tr>") == 3
    assert f"nb.open('{session.folder}')" in text
    assert "Run the cell again." in text
    assert str(session.folder) in report_text(session)


def test_what_was_said_is_never_markup(session: Session) -> None:
    """No script, no handler, no element comes from a text, whoever wrote it."""
    html = report_html(session)
    assert html.count("&lt;script&gt;") == 2
    assert not re.search(r"<(script|svg|style|i|b)\b|<img src=x", html)
    assert "canary" not in html + report_text(session)


def test_picture_and_sound_are_inside(session: Session) -> None:
    """A PNG of some width, and two seconds that can be played; nothing is fetched."""
    html = report_html(session)
    assert media(html, "image/png").startswith(b"\x89PNG")
    samples, rate_hz = soundfile.read(io.BytesIO(media(html, "audio/ogg")))
    assert len(samples) / rate_hz == pytest.approx(2.0, abs=0.05)
    assert not re.search(r"https?://", html)
    assert "<audio" not in report_html(session, sound=False)


def test_it_reads_well_as_github_shows_it(session: Session) -> None:
    """Without styles and player, the words, the table and the picture are there."""
    html = as_on_github(report_html(session))
    assert "style" not in html
    assert html.count("<tr>") == 3
    assert media(html, "image/png").startswith(b"\x89PNG")
    assert "The sound is <code>" in html
    bare = as_on_github(report_html(session), has_pictures=False)
    assert 'alt="Waveform of 0:02 with 2 turns"' in bare


def test_sound_that_is_too_long_is_left_out_with_a_hint(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook does not grow by hours of sound; it says where the sound is."""
    assert "<audio" in report_html(session)
    monkeypatch.setattr(saved, "SOUND_BYTES", 1000)
    html = report_html(session)
    assert "<audio" not in html
    assert f"Too long to be kept in the notebook: the sound is <code>{session.folder}" in html


def test_sound_is_a_wav_where_opus_cannot_be_written(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soundfile is optional; what is short can be played without it."""
    monkeypatch.setitem(sys.modules, "soundfile", None)
    html = report_html(session)
    monkeypatch.delitem(sys.modules, "soundfile")
    samples, rate_hz = soundfile.read(io.BytesIO(media(html, "audio/wav")))
    assert (len(samples), rate_hz) == (32_000, 16_000)


def test_speech_of_minutes_stays_under_a_megabyte() -> None:
    """The rate that the limit is reckoned with is that of real speech."""
    with nb.Sample(speed=0) as source:
        import threading

        pcm = b"".join(chunk.pcm for chunk in source.chunks(threading.Event()))
    samples = np.frombuffer(pcm, np.int16)
    data, kind = compressed(lambda: [samples], len(samples), 1)
    assert kind == "audio/ogg"
    assert len(data) <= 1.15 * saved.BYTES_PER_S * len(samples) / 16_000
    assert 4 / 3 * SOUND_BYTES <= 1_000_000


def test_a_long_session_is_told_in_part(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest turns are in it, under their numbers, and how many there are before."""
    row = session.fold_rows()[0]
    monkeypatch.setattr(type(session), "fold_rows", lambda _: [row] * (NEWEST + 3))
    html = report_html(session, sound=False)
    assert html.count("<tr>") == NEWEST + 1
    assert "3 earlier turns" in html
    assert f">{NEWEST + 2}</td>" in html


def test_nothing_said_is_said_so(tmp_path: Path) -> None:
    """A take without a word has a report all the same."""

    def script(peer: Peer) -> None:
        peer.begin()
        peer.listen()
        peer.finish()

    with ScriptedServer(script).running() as server:
        service = nb.AssemblyAI(endpoint=server.url, api_key="canary-key")
        with nb.record(Given(noise(1)), service, folder=tmp_path) as quiet:
            pass
    assert "Nobody said a word." in report_html(quiet)
    assert "Nobody said a word." in quiet._repr_html_()


# -- in a kernel ------------------------------------------------------------------------------


def run(folder: Path, *cells: str) -> list[list[dict[str, Any]]]:
    """Outputs of each cell, once all have run."""
    notebook = nbformat.from_dict(notebook_of(cells))
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=60, resources=resources).execute()
    return [cell.outputs for cell in notebook.cells]


START = """import nbstream as nb
rec = nb.Recorder("sample", "local", seconds=3{more})
rec"""
WIDGET = "application/vnd.jupyter.widget-view+json"


def test_the_report_takes_the_place_of_every_view(tmp_path: Path) -> None:
    """Shown by the last line or by `display`, twice: HTML and text are all that is saved."""
    first, second, _, again = run(
        tmp_path,
        START.format(more=""),
        "display(rec)",
        "rec.start(); rec.wait(); assert len(rec.session.turns) > 0",
        "rec",
    )
    for output in (*first, *second):
        assert set(output["data"]) == {"text/html", "text/plain"}
        assert "data:image/png" in output["data"]["text/html"]
        assert "data:audio/ogg" in output["data"]["text/html"]
        assert "2 turns" in output["data"]["text/plain"] or "1 turn" in output["data"]["text/plain"]
    assert [len(first), len(second)] == [1, 1]
    assert WIDGET in again[0]["data"]  # for another take


def test_the_panel_stays_where_it_is_wanted(tmp_path: Path) -> None:
    """With ``report=False``, and after a failure, which is there to be read."""
    kept, _ = run(tmp_path, START.format(more=", report=False"), "rec.start(); rec.wait()")
    assert WIDGET in kept[0]["data"]
    failed, _ = run(
        tmp_path,
        'import nbstream as nb\nrec = nb.Recorder("nowhere.wav", "local")\nrec',
        "try:\n    rec.start()\nexcept nb.SourceError: pass",
    )
    assert WIDGET in failed[0]["data"]


def test_a_session_is_a_report_at_the_end_of_a_cell(tmp_path: Path) -> None:
    """The last line of a cell shows picture and turns; its text stays one line."""
    output = run(
        tmp_path,
        'import nbstream as nb\nwith nb.record("sample", "local", seconds=2) as s: pass\ns',
    )[0][0]
    assert "data:image/png" in output["data"]["text/html"]
    assert output["data"]["text/plain"].startswith("<Session STOPPED 0:02")
