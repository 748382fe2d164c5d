"""A copy that can be shown: certain words are in no byte of it, and in none of its sound."""

from __future__ import annotations

import json
import re
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbstream as nb
from nbstream import events as ev
from nbstream import protocol
from nbstream.errors import ParameterError, StoreError
from nbstream.redact.plan import MARK, Plan, Span, pattern_of
from nbstream.redact.sound import hush
from nbstream.store import Folder
from tests.fakes import noise
from tests.scripted import turn
from tests.test_annotate import make

RATE_HZ = 16_000


def hides(folder: Path, *secrets: str) -> None:
    """None of the secrets is in any byte of any file, as text or as JSON writes it."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert {"session.json", "events.jsonl", "audio.wav", "chunks.bin"} <= {p.name for p in paths}
    for path in paths:
        data = path.read_bytes().lower()
        for secret in secrets:
            forms = {secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3]}
            for form in forms:
                assert form.lower().encode() not in data, (path.name, secret)
                assert secret.lower() not in str(path).lower()


def is_silent(
    session: nb.Session, start_s: float, end_s: float, channel: int | None = None
) -> bool:
    return not session.audio(start_s, end_s, channel).any()


@pytest.fixture
def session(tmp_path: Path) -> nb.Session:
    """A name that stands wherever a name can stand."""
    folder = Folder.create(
        tmp_path, "With Zelda", {"source": {"kind": "file", "label": "zelda.wav"}}
    )
    folder.append_audio(noise(6), 6.0)

    def say(message: dict[str, Any] | str, connection: int = 0) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        folder.append_event(protocol.decode(text), 1.0, connection)

    folder.append_event(ev.Connected("ws://x", 0), 0.1, 0)
    folder.append_event(ev.Sent('{"type":"UpdateConfiguration","prompt":"Zelda is here"}'), 0.1, 0)
    begin = {"type": "Begin", "id": "i", "expires_at": 1}
    say(begin | {"configuration": {"model": "m", "keyterms_prompt": ["Zelda", "castle"]}})
    say(turn(0, "zel", start_ms=5000))
    for text in ("this", "this is zel", "this is zelda speak", "this is zelda speaking"):
        say(turn(0, text))
    say(turn(0, "This is Zelda speaking.", final=True))
    say(turn(1, "Who?", final=True, start_ms=1000))
    say(turn(2, "I said selder.", final=True, start_ms=2000))
    say(turn(3, "Call me at five five five.", final=True, start_ms=3000))
    say({"type": "LLMGatewayResponse", "turn_order": 0, "transcript": "x", "data": {"Zelda": 1}})
    say({"type": "LLMGatewayResponse", "turn_order": 1, "transcript": "x", "data": {"who": "z"}})
    revision = {"turn_order": 0, "speaker_label": "Zelda", "words": []}
    say({"type": "SpeakerRevision", "revisions": [revision]})
    say({"type": "Zelda", "Zelda": ["\u00a1Zelda!", {"a": "zelda's"}]})
    say("Zelda is no JSON")
    say('{"type":"Silence","start_ms":1,"end_ms":2,"x":"Zelda","x":"no"}')
    folder.append_event(ev.Problem("ZELDA has left.", "Ask Zelda."), 1.0)
    folder.append_event(ev.Disconnected(1000, "zelda", True), 1.0, 0)
    folder.note_sent(0, 800, 0, 0.1)
    folder.update(state="stopped", speakers=[], note={"of": ["Zelda"]})
    folder.close()
    session = nb.open(folder.path)
    session.labels = ["zelda", "private"]
    session.annotate(turn=0, label="zelda", note="Zelda, again", author="zelda")
    session.annotate(turn=1, note="a secret")
    session.unannotate(session.annotate(turn=1, note="Zelda was here"))
    return session


def test_a_word_is_in_no_byte_of_the_copy(session: nb.Session, tmp_path: Path) -> None:
    """Messages, partials that show a part of it, settings, names, notes, history and folder."""
    before = {path.name: path.read_bytes() for path in session.folder.iterdir()}
    copy = session.redact(words="zelda", into=tmp_path / "out")
    hides(copy.folder, "zelda", "zel")
    assert before == {path.name: path.read_bytes() for path in session.folder.iterdir()}
    assert f"This is {MARK} speaking." == copy.turns["transcript"][0]
    assert f"{MARK}, again" == copy.turns["note"][0]
    assert MARK == copy.turns["label"][0]
    assert "I said selder." == copy.turns["transcript"][2]
    assert copy.meta["redacted"][0]["words"] == 1
    assert "stopped" == copy.state
    assert not copy.damage
    assert any("castle" in raw for raw in copy.events["raw"].dropna())


def test_its_sound_is_gone_and_no_other(session: nb.Session) -> None:
    """From a margin before the word to a margin after it, faded; every other sample is the same."""
    copy = session.redact(words=["Zelda"], margin_s=0.05)
    old, new = session.audio(), copy.audio()
    start, end = round(0.35 * RATE_HZ), round(0.63 * RATE_HZ)
    assert len(old) == len(new)
    assert is_silent(copy, 0.355, 0.625)
    assert np.array_equal(old[:start], new[:start])
    assert np.array_equal(old[end:], new[end:])
    assert np.abs(new[start : start + 40]).max() > 0
    with wave.open(str(copy.folder / "audio.wav")) as file:
        assert len(old) == file.getnframes()
    assert (session.folder / "chunks.bin").read_bytes() == (copy.folder / "chunks.bin").read_bytes()


def test_a_beep_stands_in_its_place(session: nb.Session) -> None:
    """A tone of 1 kHz, so that one hears that something is left out."""
    copy = session.redact(words=["Zelda"], beep=True)
    spectrum = np.abs(np.fft.rfft(copy.audio(0.4, 0.5).astype(float)))
    assert 100 == int(spectrum.argmax())
    assert spectrum[100] > 0.99 * np.sqrt((spectrum**2).sum())
    assert "beep" == copy.meta["redacted"][0]["audio"]


def test_a_whole_turn_goes_with_what_was_said_of_it(session: nb.Session) -> None:
    """All its words in every message, its notes and corrections; by row, by key, or by label."""
    session.annotate(turn=1, transcript="Who on earth?", label="private")
    session.annotate(start_s=1.05, end_s=1.1, note="laughs")
    for wanted in ({"turns": 1}, {"turns": [(0, 1)]}, {"turns": (0, 1)}, {"labels": "private"}):
        copy = session.redact(**wanted)  # type: ignore[arg-type]
        hides(copy.folder, "who?", "earth", "a secret", "laughs")
        row = copy.turns.loc[1]
        assert [MARK] * 3 == row[["transcript", "corrected", "note"]].tolist()
        assert "private" == row["label"]
        assert is_silent(copy, 1.0, 1.18)
        assert "This is Zelda speaking." == copy.turns["transcript"][0]


def test_a_labelled_span_goes(session: nb.Session) -> None:
    """With the words in it and the notes on it, whichever turn they are in."""
    session.annotate(start_s=2.35, end_s=2.7, label="private", note="her name")
    copy = session.redact(labels=["private"])
    hides(copy.folder, "selder", "her name")
    assert f"I said {MARK}" == copy.turns["transcript"][2]
    assert is_silent(copy, 2.35, 2.7)
    assert not is_silent(copy, 2.0, 2.15)


def test_a_pattern_finds_what_stands_in_several_words(session: nb.Session) -> None:
    """Words in a row; case does not count unless the pattern says so."""
    copy = session.redact(pattern=r"FIVE( five)+")
    assert f"Call me at {MARK} {MARK} {MARK}" == copy.turns["transcript"][3]
    hides(copy.folder, "five")
    kept = session.redact(pattern=re.compile("FIVE"))
    assert "five" in kept.turns["transcript"][3]
    phrase = session.redact(words=["five five"])
    assert f"Call me at {MARK} {MARK} {MARK}" != session.turns["transcript"][3]
    assert 2 <= phrase.turns["transcript"][3].count(MARK)


def test_a_correction_tells_where_a_word_was_said(session: nb.Session) -> None:
    """What was recognised in its place goes, and its sound; and the other way round."""
    session.annotate(turn=2, transcript="I said Zelda!")
    copy = session.redact(words=["Zelda"])
    hides(copy.folder, "zelda", "selder")
    assert f"I said {MARK}" == copy.turns["transcript"][2] == copy.turns["corrected"][2]
    assert is_silent(copy, 2.4, 2.58)
    session.annotate(turn=0, transcript="This is Selma speaking.")
    copy = session.redact(words=["Zelda"])
    assert f"This is {MARK} speaking." == copy.turns["corrected"][0]


def test_a_word_that_nobody_recognised_but_a_person_goes(session: nb.Session) -> None:
    """Nothing stands in its place, so its neighbours' sound goes too."""
    session.annotate(turn=2, transcript="I Ganon said selder.")
    copy = session.redact(words=["Ganon"])
    hides(copy.folder, "ganon")
    assert is_silent(copy, 2.0, 2.38)


def test_other_channels_are_silenced_too_unless_asked_otherwise(tmp_path: Path) -> None:
    """A voice is heard on the other microphone as well; what is said there stays in the text."""
    folder = make(
        tmp_path,
        turn(0, "Hello Zelda.", final=True) | {"connection": 0},
        turn(0, "Oh my word.", final=True, start_ms=200) | {"connection": 1},
        channels=("left", "Zelda"),
    )
    session = nb.open(folder.path)
    both, own = (session.redact(words=["zelda"], all_channels=yes) for yes in (True, False))
    for copy in (both, own):
        hides(copy.folder, "zelda")
        assert is_silent(copy, 0.2, 0.38, 0)
        assert "Oh my word." in list(copy.turns["transcript"])
        assert ("left", MARK) == copy.speakers
    assert is_silent(both, 0.2, 0.38, 1)
    assert np.array_equal(session.audio(channel=1), own.audio(channel=1))


def test_what_was_heard_again_after_a_drop_goes_everywhere(tmp_path: Path) -> None:
    """Another connection's clock starts elsewhere; its words of that time go too."""
    folder = make(tmp_path, turn(0, "and then selder came", start_ms=1000))
    folder.reopen()
    folder.append_event(ev.Disconnected(1006, "", False), 2.0, 0)
    folder.append_event(ev.Connected("ws://x", RATE_HZ), 2.1, 1)
    message = turn(0, "And then Zelda came.", final=True)
    folder.append_event(protocol.decode(json.dumps(message)), 3.0, 1)
    folder.close()
    copy = nb.open(folder.path).redact(words=["Zelda"])
    hides(copy.folder, "zelda", "selder")
    assert f"And then {MARK} came." in list(copy.turns["transcript"])


def test_a_copy_of_a_copy_says_both(session: nb.Session) -> None:
    """And stays a session: packed, annotated, timed, filled from its own settings."""
    copy = session.redact(words=["Zelda"]).redact(turns=[1], beep=True)
    assert ["silence", "beep"] == [one["audio"] for one in copy.meta["redacted"]]
    copy.annotate(turn=0, label="shown")
    assert len(session.turns) == len(copy.turns) == len(copy.timing())
    assert copy.folder.parent == session.folder.parent


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({}, "nothing to redact"),
        ({"words": []}, "nothing to redact"),
        ({"words": [" ", "x"]}, "no word"),
        ({"labels": ["none"]}, "nothing is labelled 'none'"),
        ({"turns": [99]}, "no turn 99"),
        ({"pattern": "("}, "no regular expression"),
        ({"words": "x", "margin_s": -1}, "not 0 to 10"),
    ],
)
def test_what_can_not_be_redacted_is_said_so(
    session: nb.Session, wanted: dict[str, Any], why: str
) -> None:
    """And no folder is left behind."""
    n_before = len(list(session.folder.parent.iterdir()))
    with pytest.raises(ParameterError, match=why):
        session.redact(**wanted)
    assert n_before == len(list(session.folder.parent.iterdir()))


def test_half_a_copy_is_none(session: nb.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong on the way, nothing is left that looks like a session."""
    n_before = len(list(session.folder.parent.iterdir()))

    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nbstream.redact._write_audio", full)
    with pytest.raises(StoreError, match="No space left"):
        session.redact(words=["Zelda"])
    assert n_before == len(list(session.folder.parent.iterdir()))


def test_a_recording_that_runs_is_not_redacted(tmp_path: Path) -> None:
    """What is said next would be missing from the copy."""
    folder = Folder.create(tmp_path, "live", {})
    with pytest.raises(StoreError, match="being recorded"):
        nb.Session(folder).redact(words=["x"])
    folder.close()


@pytest.mark.parametrize("words", ["Ann Lee", "ann-lee", "ANN", "Émile", "E\u0301mile", "c++"])
def test_whole_words_are_found_however_they_stand(words: str) -> None:
    """Hyphens, underscores, punctuation, accents in either form; not inside other words."""
    plan = Plan((pattern_of(words),))
    for text in ("Dear %s!", "file_%s_2.wav", "(%s's)", "a-%s-b"):
        assert words.lower() not in plan.scrub(text % words.upper()).lower()
    assert "annex leeward émiles" == plan.scrub("annex leeward émiles")


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 20)), max_size=8),
    st.integers(1, 40),
    st.booleans(),
)
def test_silence_does_not_depend_on_the_pieces(
    places: list[tuple[int, int]], size: int, beep: bool
) -> None:
    """A long recording is read piece by piece; the spans are the same as in one."""
    spans, last = [], 0
    for start, length in sorted(places):
        if start >= last:
            spans.append((start, start + length))
            last = start + length
    samples = np.arange(100, dtype=np.int16) * 300
    whole = hush(samples, 0, spans, 200, beep=beep)
    parts = [hush(samples[at : at + size], at, spans, 200, beep=beep) for at in range(0, 100, size)]
    assert np.array_equal(whole, np.concatenate(parts))
    outside = [not any(a <= at < b for a, b in spans) for at in range(100)]
    assert np.array_equal(samples[outside], whole[outside])


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0, 3), st.sampled_from([None, 0, 1]), st.booleans()),
        max_size=20,
    ),
    st.floats(0, 50),
    st.floats(0, 2),
    st.sampled_from([None, 0, 1]),
)
def test_merged_spans_hide_what_each_of_them_covers(
    given_: list[tuple[float, float, int | None, bool]],
    start_s: float,
    length_s: float,
    channel: int | None,
) -> None:
    """Looking only around a place finds what looking at every merged span would."""
    plan = Plan(spans=[Span(a, a + n, c, w) for a, n, c, w in given_])
    plan.merge()
    end_s = start_s + length_s
    for near_s, is_partial in ((0.0, False), (0.25, True)):
        expected = any(span.hides(start_s, end_s, channel, near_s) for span in plan.spans)
        assert expected == plan.hides(start_s, end_s, channel, is_partial=is_partial)
