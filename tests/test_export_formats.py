"""Every export is opened by a program that nobody here wrote."""

from __future__ import annotations

import itertools
import json
import re
import warnings
import wave
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

import duckdb
import meeteval
import numpy as np
import pandas as pd
import pympi
import pytest

import nbstream as nb
from nbstream import export
from nbstream.errors import ParameterError, StoreError
from nbstream.export import FORMATS, Talk, talk_of, write
from nbstream.tables import SCHEMA, SCHEMA_VERSION
from tests.exporting import HOSTILE, hostile, run, talk

PRAAT = """
form Read
    sentence Path
endform
Read from file: path$
tiers = Get number of tiers
writeInfo: ""
for tier to tiers
    name$ = Get tier name: tier
    interval = Is interval tier: tier
    if interval
        n = Get number of intervals: tier
    else
        n = Get number of points: tier
    endif
    for i to n
        if interval
            text$ = Get label of interval: tier, i
            first = Get start time of interval: tier, i
            last = Get end time of interval: tier, i
        else
            text$ = Get label of point: tier, i
            first = Get time of point: tier, i
            last = first
        endif
        if text$ <> ""
            appendInfoLine: name$, tab$, fixed$ (first, 3), tab$, fixed$ (last, 3), tab$, text$
        endif
    endfor
endfor
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> nb.Session:
    """Two speakers on two channels, recognised here, with what a person added."""
    recorded = nb.record(nb.Dialogue(speed=4), "local", folder=tmp_path_factory.mktemp("rec"))
    recorded.wait()
    session = nb.open(recorded.folder)
    session.annotate(turn=0, label=["question", "long"], note="a note")
    session.annotate(turn=1, transcript="And so, my fellow Americans!")
    session.annotate(turn=2, speaker="Ada B.")
    session.annotate(start_s=3.0, end_s=4.5, channel=1, label="noise")
    session.mark("here", at_s=5.0)
    return session


@pytest.fixture(scope="module")
def real(session: nb.Session) -> Talk:
    return talk_of(session)


@pytest.fixture(params=["real", "hostile"])
def any_talk(request: pytest.FixtureRequest, real: Talk) -> Talk:
    return real if request.param == "real" else hostile()


def texts(of: Talk) -> list[str]:
    return [turn.text for turn in of.said()]


def praat(path: Path) -> list[list[str]]:
    script = path.with_suffix(".praat")
    script.write_text(PRAAT)
    out = run("praat", "--utf8", "--run", script, path)
    return [line.split("\t", 3) for line in out.split("\n") if line]


def test_praat_opens_a_textgrid(any_talk: Talk, tmp_path: Path) -> None:
    """All tiers, times and texts are there, in Praat's own words."""
    rows = praat(write(any_talk, tmp_path / "talk.TextGrid"))
    assert len(rows) > 20
    said = [turn for turn in any_talk.said() if len(turn.text) < 5000]  # Praat's form is shorter
    for turn in said:
        found = [
            row
            for row in rows
            if row[0].startswith("turns") and abs(float(row[1]) - turn.start_s) < 0.001
        ]
        assert [re.sub(r"(item|intervals) \[", "\\1 \uff3b", turn.text)] == [
            row[3] for row in found
        ]


def test_praat_finds_tiers_by_speaker(real: Talk, tmp_path: Path) -> None:
    """Turns, words, labels and notes of each speaker, marks as points, corrections in place."""
    rows = praat(write(real, tmp_path / "talk.TextGrid"))
    assert ["labels@president", "3.000", "4.500", "noise"] in rows
    assert ["labels@reader", "0.652", "7.216", "question; long"] in [
        [row[0], "0.652", "7.216", row[3]] for row in rows
    ]
    assert ["marks", "5.000", "5.000", "here"] in rows
    assert "a note" in [row[3] for row in rows if row[0] == "notes@reader"]
    assert {"turns@Ada B.", "words@Ada B."} <= {row[0] for row in rows}
    corrected = [row[3] for row in rows if row[0] == "turns@president"]
    assert "And so, my fellow Americans!" in corrected
    assert "Americans!" in [row[3] for row in rows if row[0] == "words@president"]


def test_pympi_opens_an_eaf(any_talk: Talk, tmp_path: Path) -> None:
    """Turns with their texts; words are children of the tier of their turns, and lie within."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        eaf = pympi.Eaf(str(write(any_talk, tmp_path / "talk.eaf")))
    turns = sorted(
        (start, end, text)
        for tier in eaf.get_tier_names()
        if tier.startswith("turns")
        for start, end, text in eaf.get_annotation_data_for_tier(tier)
    )
    assert texts(any_talk) == [text for _, _, text in turns]
    for tier in eaf.get_tier_names():
        if not tier.startswith("words"):
            continue
        parent = eaf.get_parameters_for_tier(tier)["PARENT_REF"]
        assert tier.replace("words", "turns", 1) == parent
        within = eaf.get_annotation_data_for_tier(parent)
        words = sorted(eaf.get_annotation_data_for_tier(tier))
        for start, end, _ in words:
            assert any(a <= start < end <= b for a, b, _ in within)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(words))


def test_an_eaf_is_built_as_elans_schema_has_it(any_talk: Talk, tmp_path: Path) -> None:
    """Elements in order, required attributes, keys unique, references to what is there."""
    root = ET.fromstring(write(any_talk, tmp_path / "talk.eaf").read_bytes())
    order = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]
    assert list(dict.fromkeys(child.tag for child in root)) == order
    assert [child.tag for child in root] == sorted((c.tag for c in root), key=order.index)
    assert {"DATE", "AUTHOR", "VERSION"} <= set(root.attrib)
    pd.Timestamp(root.attrib["DATE"])
    slots = [slot.attrib for slot in root.iterfind("TIME_ORDER/TIME_SLOT")]
    times = [int(slot["TIME_VALUE"]) for slot in slots]
    assert times == sorted(times)
    assert min(times) >= 0
    aligned = [element.attrib for element in root.iterfind("TIER/ANNOTATION/ALIGNABLE_ANNOTATION")]
    ids = [slot["TIME_SLOT_ID"] for slot in slots] + [a["ANNOTATION_ID"] for a in aligned]
    stereotypes = [c.attrib["STEREOTYPE"] for c in root.iterfind("CONSTRAINT")]
    assert len(ids + stereotypes) == len(set(ids + stereotypes))
    used = [a[ref] for a in aligned for ref in ("TIME_SLOT_REF1", "TIME_SLOT_REF2")]
    assert sorted(used) == sorted(slot["TIME_SLOT_ID"] for slot in slots)
    for element in root.iterfind("TIER/ANNOTATION"):
        assert [["ANNOTATION_VALUE"]] == [[value.tag for value in child] for child in element]
    tiers = [tier.attrib for tier in root.iterfind("TIER")]
    names = {tier["TIER_ID"] for tier in tiers}
    kinds = {kind.attrib["LINGUISTIC_TYPE_ID"] for kind in root.iterfind("LINGUISTIC_TYPE")}
    assert len(names) == len(tiers)
    assert all(names)
    assert {tier["LINGUISTIC_TYPE_REF"] for tier in tiers} == kinds
    assert {tier["PARENT_REF"] for tier in tiers if "PARENT_REF" in tier} <= names
    constraints = {kind.get("CONSTRAINTS") for kind in root.iterfind("LINGUISTIC_TYPE")}
    assert constraints <= {None, *stereotypes}


def test_an_eaf_is_linked_to_the_recording(session: nb.Session, tmp_path: Path) -> None:
    """By an absolute and by a relative URL; both lead to the WAV."""
    folder = tmp_path / "my files"
    folder.mkdir()
    media = ET.fromstring(session.export(folder / "talk.eaf").read_bytes()).find(
        "HEADER/MEDIA_DESCRIPTOR"
    )
    assert media is not None
    wav = session.folder / "audio.wav"
    assert media.attrib["MEDIA_URL"] == f"file://{wav}"
    assert (folder / media.attrib["RELATIVE_MEDIA_URL"]).resolve() == wav.resolve()


def packets(path: Path) -> list[dict[str, Any]]:
    shown = run("ffprobe", "-v", "error", "-show_packets", "-of", "json", path, package="ffmpeg")
    found: list[dict[str, Any]] = json.loads(shown)["packets"]
    return found


@pytest.mark.parametrize("suffix", [".srt", ".vtt", ".ass"])
def test_ffmpeg_opens_subtitles(any_talk: Talk, suffix: str, tmp_path: Path) -> None:
    """As many cues as were written, with their times, and each word in its place."""
    cues = export.cues.cues(any_talk.said())
    path = write(any_talk, tmp_path / f"talk{suffix}")
    found = packets(path)
    assert len(cues) == len(found)
    for cue, packet in zip(cues, found, strict=True):
        assert float(packet["pts_time"]) == pytest.approx(cue.start_s, abs=0.011)
        end_s = float(packet["pts_time"]) + float(packet["duration_time"])
        assert end_s == pytest.approx(cue.end_s, abs=0.021)
    plain = tmp_path / "plain.srt"
    run("ffmpeg", "-v", "error", "-i", path, "-y", plain, package="ffmpeg")
    assert plain.read_text("utf-8").startswith("1\n00:00:0")


def test_the_words_of_subtitles_are_those_of_the_talk(real: Talk, tmp_path: Path) -> None:
    """What ffmpeg reads are the same words, whatever the format."""
    words = " ".join(texts(real)).split()
    for name in ("a.srt", "b.vtt", "c.ass"):
        plain = tmp_path / "plain.srt"
        run("ffmpeg", "-v", "error", "-i", write(real, tmp_path / name), "-y", plain)
        lines = plain.read_text("utf-8").split("\n")
        shown = " ".join(x for x in lines if x and "-->" not in x and not x.isdigit())
        shown = re.sub(r"<[^>]*>|\{[^}]*\}", "", shown)
        assert sorted(words) == sorted(shown.split())


def test_subtitles_run_nothing(tmp_path: Path) -> None:
    """What was said is no tag, override, time line or block of its own, in any of the formats."""
    given = hostile()
    n_cues = len(export.cues.cues(given.said()))
    for name, options in (("a.vtt", {}), ("b.vtt", {"word_times": True}), ("c.srt", {})):
        shown = write(given, tmp_path / name, **options).read_text("utf-8")
        blocks = shown.removeprefix("WEBVTT\n\n").rstrip("\n").split("\n\n")
        assert n_cues == len(blocks) == shown.count("-->")
        assert all(block.count("\n") <= 3 for block in blocks)
        assert not re.search(r"<(?!v |\d\d:)", shown)
        assert "{\\" not in shown
    shown = write(given, tmp_path / "d.ass", karaoke=False).read_text("utf-8")
    assert "{" not in shown
    assert n_cues == shown.count("\nDialogue: ")
    timed = write(given, tmp_path / "e.ass").read_text("utf-8")
    assert not re.search(r"\{(?!\\k\d+\})", timed)
    assert "C:\\\u2060new" in write(
        talk([{"text": r"C:\new", "start_s": 0.0, "end_s": 1.0}]), tmp_path / "f.srt"
    ).read_text("utf-8")


def test_vtt_tells_who_speaks_and_when_each_word(real: Talk, tmp_path: Path) -> None:
    """Voice tags, and on request times that run forward within the cue."""
    shown = write(real, tmp_path / "talk.vtt", word_times=True).read_text("utf-8")
    assert "<v reader>" in shown
    assert "<v Ada B.>" in shown
    assert "<00:00:0" in shown
    assert "<v " not in write(real, tmp_path / "b.vtt", speakers=False).read_text("utf-8")
    packets(tmp_path / "talk.vtt")


def test_meeteval_opens_rttm_ctm_and_stm(any_talk: Talk, tmp_path: Path) -> None:
    """As many lines as turns or words; the texts score no error against themselves."""
    said = [turn for turn in any_talk.said() if turn.text]
    rttm, ctm, stm = (
        meeteval.io.load(write(any_talk, tmp_path / f"talk.{name}"))
        for name in ("rttm", "ctm", "stm")
    )
    assert len(said) == len(rttm.lines) == len(stm.lines)
    assert sum(len(turn.words) for turn in said) == len(ctm.lines)
    assert [f"{turn.start_s:.3f}" for turn in said] == [str(line.begin_time) for line in stm.lines]
    assert len({line.filename for line in [*rttm.lines, *ctm.lines, *stm.lines]}) == 1


def test_meeteval_scores_an_stm(real: Talk, tmp_path: Path) -> None:
    """Who said what: no error against itself, some where a turn was corrected."""
    path = write(real, tmp_path / "talk.stm")
    stm = meeteval.io.load(path)
    (found,) = meeteval.wer.cpwer(stm, stm).values()
    assert found.errors == 0
    assert found.length == sum(len(text.split()) for text in texts(real))


@pytest.mark.parametrize("channel", [None, 1])
def test_sox_opens_flac(session: nb.Session, channel: int | None, tmp_path: Path) -> None:
    """Sample for sample what was recorded, of all channels or of one."""
    path = session.export(tmp_path / "talk.flac", channel=channel)
    raw = tmp_path / "talk.raw"
    run("sox", path, "-t", "raw", "-e", "signed", "-b", "16", "-L", raw)
    expected = session.audio(channel=channel)
    assert np.array_equal(np.fromfile(raw, "<i2").reshape(expected.shape), expected)
    assert str(expected.ndim) == run("soxi", "-c", path, package="sox").strip()


def test_duckdb_opens_parquet(any_talk: Talk, tmp_path: Path) -> None:
    """Rows, types and texts as they are, with the schema's version in the file's metadata."""
    path = str(write(any_talk, tmp_path / "talk.parquet"))
    rows = duckdb.sql(f"select * from '{path}'").df()
    assert list(rows.columns) == list(any_talk.turns.columns)
    assert (
        rows["transcript"].tolist()
        == [
            t.encode("utf-8", "replace").decode()
            if "\ud800" not in t
            else t.replace("\ud800", "\ufffd")
            for t in any_talk.turns["transcript"]
        ]
        or any_talk.name != "talk"
    )
    types = dict(duckdb.sql(f"select name, type from parquet_schema('{path}')").fetchall())
    assert types["start_s"] == "DOUBLE"
    assert types["turn_order"] == "INT64"
    assert types["is_final"] == "BOOLEAN"
    about = dict(duckdb.sql(f"select key, value from parquet_kv_metadata('{path}')").fetchall())
    assert about[b"nbstream.schema_version"] == str(SCHEMA_VERSION).encode()
    assert about[b"nbstream.table"] == b"turns"


@pytest.mark.parametrize("table", ["turns", "words", "annotations", "timing", "events", "chunks"])
def test_pandas_opens_tables(session: nb.Session, table: str, tmp_path: Path) -> None:
    """Each table comes back with its columns and rows, from CSV, JSON lines and Parquet."""
    real = talk_of(session)
    expected = real.table(table)
    assert len(expected)
    for suffix, opened in (
        (".csv", pd.read_csv),
        (".jsonl", lambda path: pd.read_json(path, lines=True)),
        (".parquet", pd.read_parquet),
    ):
        found = opened(session.export(tmp_path / f"x{suffix}", table=table))
        assert list(expected.columns) == list(found.columns)
        assert len(expected) == len(found)
        for name in expected.columns:
            if expected[name].dtype == "float64":
                a, b = (np.array(t[name], np.float64) for t in (expected, found))
                assert np.allclose(a, b, rtol=0, atol=1e-9, equal_nan=True)


def test_what_columns_mean_is_in_a_parquet_file(real: Talk, tmp_path: Path) -> None:
    """Each column says its unit, as the schema does."""
    from pyarrow import parquet as pq

    schema = pq.read_schema(write(real, tmp_path / "w.parquet", table="words"))
    for name, (_, meaning) in SCHEMA["words"].items():
        assert meaning.encode() == schema.field(name).metadata[b"description"]


def test_a_spreadsheet_runs_nothing(tmp_path: Path) -> None:
    """Cells that begin as a formula get an apostrophe; with safe=False texts are as they were."""
    given = talk([{"text": t, "start_s": 0.0, "end_s": 1.0, "speaker": "=x"} for t in HOSTILE])
    table = pd.read_csv(write(given, tmp_path / "a.csv"))
    for name in ("transcript", "speaker"):
        assert not table[name].str.match(r"[=+\-@\t\r\n]").any()
    assert table["transcript"][1] == "'" + HOSTILE[1]
    assert table["start_s"].tolist() == [0.0] * len(HOSTILE)
    raw = pd.read_csv(write(given, tmp_path / "b.csv", safe=False))
    assert raw["transcript"].tolist() == [text.replace("\x00", "\ufffd") for text in HOSTILE]


def test_wav_of_a_part(session: nb.Session, tmp_path: Path) -> None:
    """A turn has its own channel; a span all of them; a label every span, with silence between."""
    first = session.turns.iloc[0]
    with wave.open(str(session.export(tmp_path / "turn.wav", turn=0))) as file:
        expected = session.audio(first["start_s"], first["end_s"], 0)
        assert file.getnchannels() == 1
        assert file.getframerate() == 16_000
        assert np.array_equal(np.frombuffer(file.readframes(10**9), "<i2"), expected)
    with wave.open(str(session.export(tmp_path / "span.wav", start_s=1, end_s=2.5))) as file:
        assert (file.getnchannels(), file.getnframes()) == (2, 24_000)
    session.annotate(start_s=1.0, end_s=2.0, label="twice")
    session.annotate(start_s=5.0, end_s=5.5, label="twice")
    with wave.open(str(session.export(tmp_path / "l.wav", label="twice", channel=0))) as file:
        assert file.getnframes() == 16_000 + 4_800 + 8_000
    with wave.open(str(session.export(tmp_path / "all.wav"))) as file:
        assert file.getnframes() == len(session.audio())


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"turn": 99}, "turn"),
        ({"turn": (7, 7)}, "turn"),
        ({"turn": 0, "label": "x"}, "turn"),
        ({"label": "nowhere"}, "label"),
        ({"start_s": 900.0}, "start_s"),
        ({"channel": 2}, "channel"),
        ({"colour": 1}, "colour"),
    ],
)
def test_sound_that_is_not_there(
    session: nb.Session, options: dict[str, Any], parameter: str, tmp_path: Path
) -> None:
    """It says so, and leaves no file behind."""
    with pytest.raises(ParameterError) as error:
        session.export(tmp_path / "x.wav", **options)
    assert error.value.parameter == parameter
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_says_what_there_is(session: nb.Session, tmp_path: Path) -> None:
    """Every suffix is listed; format= goes before the name."""
    with pytest.raises(ParameterError) as error:
        session.export(tmp_path / "talk.docx")
    for made in FORMATS.values():
        assert made.suffix in error.value.hint
    with pytest.raises(ParameterError, match="'word'"):
        session.export(tmp_path / "talk.srt", format="word")
    path = session.export(tmp_path / "talk.data", format="audacity")
    assert "reader: " in path.read_text("utf-8")
    assert session.export(tmp_path / "TALK.SRT").read_text("utf-8").startswith("1\n")


def test_a_session_is_not_overwritten(session: nb.Session, tmp_path: Path) -> None:
    """The recording is the one thing that can't be made again."""
    before = (session.folder / "audio.wav").read_bytes()
    with pytest.raises(ParameterError, match="part of a session"):
        session.export(session.folder / "audio.wav")
    assert before == (session.folder / "audio.wav").read_bytes()
    with pytest.raises(StoreError, match="can't write") as error:
        session.export(tmp_path / "no" / "such" / "talk.srt")
    assert "make it first" in error.value.hint


def test_a_file_is_replaced_as_a_whole(session: nb.Session, tmp_path: Path) -> None:
    """What was there stays until the new one is whole; nothing else is left behind."""
    path = tmp_path / "talk.srt"
    path.write_text("old")
    with pytest.raises(ParameterError):
        session.export(path, max_words=3)
    assert path.read_text() == "old"
    session.export(path)
    assert path.read_text("utf-8").startswith("1\n")
    assert list(tmp_path.iterdir()) == [path]


def test_open_turns_are_left_out(tmp_path: Path) -> None:
    """What may still change is in no export."""
    given = talk([{"text": "Good day.", "start_s": 0.0, "end_s": 1.0}])
    assert write(given, tmp_path / "a.txt").read_text() == "Good day.\n"
    assert talk_of_open() == ["final"]


def talk_of_open() -> list[str]:
    class Live:
        name, folder, speakers, duration_s = "x", Path("x"), (), 1.0
        meta: ClassVar[dict[str, Any]] = {}
        turns = talk(
            [
                {"text": "final", "start_s": 0.0, "end_s": 0.5},
                {"text": "open", "start_s": 0.5, "end_s": 1.0, "is_final": False},
            ]
        ).turns
        words = talk([]).words
        audio = staticmethod(lambda *_: np.empty(0, np.int16))

    return texts(talk_of(Live()))


@pytest.mark.parametrize("made", FORMATS.values(), ids=FORMATS)
def test_nothing_was_said(made: export.Format, tmp_path: Path) -> None:
    """A session without a turn is exported as one."""
    path = write(talk([], duration_s=0.0), tmp_path / f"x{made.suffix}")
    assert path.exists()
    if made.read:
        assert export.read(path).empty


@pytest.mark.parametrize("name", ["srt", "vtt", "ass", "textgrid", "eaf", "rttm", "ctm", "stm"])
def test_turns_without_times_are_not_lost_silently(name: str, tmp_path: Path) -> None:
    """They have no place where there are times; text and tables have them."""
    given = talk([{"text": "When?", "speaker": "ada"}])
    with pytest.warns(UserWarning, match="1 turns are left out"):
        write(given, tmp_path / "x", format=name)
    assert write(given, tmp_path / "x.txt").read_text() == "ada: When?\n"


def test_the_command_line_exports(session: nb.Session, tmp_path: Path, capsys: Any) -> None:
    """The same by hand: folder, file, and how it is told what to write."""
    from nbstream.cli import main

    assert main(["export", str(session.folder), str(tmp_path / "a.srt")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "a.srt")
    target = str(tmp_path / "words.txt")
    assert main(["export", str(session.folder), target, "--format", "csv", "--table", "words"]) == 0
    assert len(pd.read_csv(target)) == len(session.words)
    assert main(["export", str(session.folder), str(tmp_path / "a.nothing")]) == 1
    assert ".TextGrid" in capsys.readouterr().err


def test_markdown_is_text_and_nothing_else(tmp_path: Path) -> None:
    """No tag, link, list or heading comes out of what was said."""
    shown = write(hostile(), tmp_path / "x.md").read_text("utf-8")
    assert "<script" not in shown
    assert "<b>" not in shown
    given = talk([{"text": "# 1. [x](javascript:y) *z*", "start_s": 0.0, "end_s": 1.0}])
    body = write(given, tmp_path / "y.md", times=False).read_text("utf-8").split("\n\n")[-1]
    assert body == "\\# 1. \\[x\\](javascript:y) \\*z\\*\n"


def test_markdown_has_labels_and_notes(real: Talk, tmp_path: Path) -> None:
    """Labels behind the turn, notes below it, free ones at the end."""
    shown = write(real, tmp_path / "x.md").read_text("utf-8")
    assert "*(question; long)*" in shown
    assert "> a note" in shown
    assert "label: noise" in shown
    assert "mark: here" in shown
