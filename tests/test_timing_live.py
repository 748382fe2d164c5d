"""Turn timing of real recordings: delays that are set, transfers that are known."""

from __future__ import annotations

import math
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

import nbstream as nb
from scripts.kills import local_server
from tests.fakes import noise
from tests.scripted import Peer, ScriptedServer, hello, turn

N_WORDS = 8
WORD_MS = 600  # one word each, 300 ms long


def speak(peer: Peer, delay_s: float) -> None:
    """Send each word so long after the last of its audio; every fourth ends a turn."""
    peer.begin()
    never = threading.Event()
    for n in range(N_WORDS):
        order, place = divmod(n, 4)
        peer.listen(seconds=((n + 1) * WORD_MS - 300) / 1000)
        never.wait(delay_s)
        message = turn(order, " ".join(f"w{k}" for k in range(n - place, n + 1)), final=place == 3)
        for k, word in enumerate(message["words"]):
            word["start"] = (n - place + k) * WORD_MS
            word["end"] = word["start"] + 300
        peer.say(**message)
    peer.listen()
    peer.finish()


def talk(folder: Path, seconds: float) -> Path:
    """Write a file of noise; the scripted server hears words in anything."""
    path = folder / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(noise(seconds))
    return path


@pytest.mark.quiet
@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_a_delay_that_is_set_is_the_emission_latency(tmp_path: Path, speed: float) -> None:
    """A server that answers 0.2 s after the audio has that latency, to within one chunk."""
    source = nb.AudioFile(talk(tmp_path, N_WORDS * WORD_MS / 1000 + 0.5), speed=speed)
    with ScriptedServer(lambda peer: speak(peer, 0.2)).running() as server:
        service = nb.AssemblyAI(endpoint=server.url, api_key="k")
        with nb.record(source, service, folder=tmp_path) as session:
            session.wait()
    words = session.word_timing()
    assert len(words) == N_WORDS
    latency_ms = words["emission_latency_first_ms"].median()
    # What is added: the rest of the chunk that the word ends in, and the way here.
    assert 200 <= latency_ms + 1 <= 200 + 50 / speed + 30
    turns = session.timing()
    assert latency_ms == pytest.approx(turns["eot_latency_ms"].median(), abs=30)
    assert (turns["first_partial_ms"] >= 500 / speed - 1).all()  # a word and the delay


@pytest.mark.quiet
def test_a_delay_of_the_local_server_is_recovered(tmp_path: Path) -> None:
    """With messages held back by 0.4 s, every latency grows by that, to within one chunk.

    The least of each is compared: a busy machine adds to some, and takes nothing off. On a very
    busy one it takes more than one recording to find what was not disturbed.
    """
    least = {"": [math.inf] * 4, "message_delay_s:0.4": [math.inf] * 4}
    expected = pytest.approx([400] * 4, abs=50)
    with local_server() as url:
        for _ in range(3):
            for fault in least:
                found = latencies_ms(url, fault, tmp_path)
                least[fault] = list(np.minimum(least[fault], found))
            grown = list(np.subtract(least["message_delay_s:0.4"], least[""]))
            if grown == expected:
                break
    assert expected == grown


def latencies_ms(url: str, fault: str, folder: Path) -> list[float]:
    service = nb.AssemblyAI(endpoint=url, api_key="k", extra={"_fault": fault} if fault else None)
    with nb.record(nb.Sample(), service, folder=folder, seconds=15) as session:
        session.wait()
    turns, words = session.timing(), session.word_timing()
    return [
        words["emission_latency_first_ms"].min(),
        words["emission_latency_final_ms"].min(),
        turns["first_partial_ms"].min(),
        turns["eot_latency_ms"][0],  # the second turn is ended by the end of the audio
    ]


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory: pytest.TempPathFactory) -> tuple[nb.Session, nb.Dialogue]:
    """A conversation of two, each on a channel, as the local recogniser heard it."""
    source = nb.Dialogue(speed=2)
    with nb.record(source, "local", folder=tmp_path_factory.mktemp("dialogue")) as session:
        session.wait()
    return session, source


def test_floor_transfers_of_a_recording_are_those_it_was_made_with(
    dialogue: tuple[nb.Session, nb.Dialogue],
) -> None:
    """Who took the floor, with a gap or an overlap, and how long: from sound alone."""
    session, source = dialogue
    timing, truth = session.timing(), source.turns
    assert list(truth["speaker"]) == list(timing["speaker"])
    error_ms = (timing["fto_ms"] - truth["fto_ms"]).abs()[1:]
    assert (error_ms < 150).all(), error_ms
    assert timing["overlap_ms"].notna().sum() == 1
    assert timing["gap_ms"].notna().sum() == 4
    assert timing["fto_ms"].isna()[0]


def test_the_truth_as_reference_gives_the_truth(
    dialogue: tuple[nb.Session, nb.Dialogue], tmp_path: Path
) -> None:
    """A table, an RTTM file or a TextGrid give speakers and edges; transfers are exact then."""
    session, source = dialogue
    truth = source.turns
    rttm = tmp_path / "truth.rttm"
    rttm.write_text(
        "".join(
            f"SPEAKER talk 1 {t.start_s:.3f} {t.end_s - t.start_s:.3f} <NA> <NA> {t.speaker} <NA> "
            "<NA>\n"
            for t in truth.itertuples()
        )
    )
    from praatio import textgrid
    from praatio.utilities.constants import Interval

    grid = textgrid.Textgrid()
    for name, part in truth.groupby("speaker"):
        spans = [Interval(t.start_s, t.end_s, t.text) for t in part.itertuples()]
        grid.addTier(textgrid.IntervalTier(str(name), spans, 0, session.duration_s))
    grid.save(str(tmp_path / "truth.TextGrid"), "long_textgrid", includeBlankSpaces=True)
    for reference in (truth, rttm, tmp_path / "truth.TextGrid"):
        timing = session.timing(reference=reference, end_source="manual")
        assert list(truth["speaker"]) == list(timing["speaker"])
        np.testing.assert_allclose(timing["fto_ms"][1:], truth["fto_ms"][1:], atol=2)
        assert set(timing["end_source"]) == {"manual"}


def test_voice_activity_is_heard_on_each_channel(
    dialogue: tuple[nb.Session, nb.Dialogue],
) -> None:
    """Spans of speech lie in the turns of their channel, and cover most of them."""
    session, source = dialogue
    speech = session.speech
    assert set(speech["channel"]) == {0, 1}
    for channel, name in enumerate(source.speakers):
        turns = source.turns[source.turns["speaker"] == name]
        spans = speech[speech["channel"] == channel]
        inside = [
            any(t.start_s - 0.2 < s.start_s and s.end_s < t.end_s + 0.2 for t in turns.itertuples())
            for s in spans.itertuples()
        ]
        assert all(inside)
        talk_s = (turns["end_s"] - turns["start_s"]).sum()
        heard_s = (spans["end_s"] - spans["start_s"]).sum()
        assert 0.7 * talk_s < heard_s < 1.1 * talk_s
    timing = session.timing(end_source="vad")
    assert (timing["end_source"] == "vad").sum() >= 5


def test_a_report_is_a_page(dialogue: tuple[nb.Session, nb.Dialogue]) -> None:
    """One figure, with everything in it, that can be saved."""
    session, _ = dialogue
    figure = session.report()
    titles = " ".join(axes.get_title(loc="left") + axes.get_title() for axes in figure.axes)
    for part in ("turns", "Latencies", "Floor transfers", "Talk time"):
        assert part in titles
    assert len(session.plot().get_yticklabels()) >= 2  # a lane a speaker


def test_speaker_labels_give_floor_transfers_and_revisions_move_them(tmp_path: Path) -> None:
    """With labels of the service there is an FTO; a revision changes it, the original stays."""

    def script(peer: Peer) -> None:
        peer.begin()
        peer.listen()
        for order, label in enumerate(("A", "B", "A")):
            said = turn(order, "so it is", final=True, start_ms=1000 * order, speaker_label=label)
            peer.say(**said)
        revised = {"turn_order": 1, "speaker_label": "A", "words": []}
        if peer.number:
            peer.say(type="SpeakerRevision", revisions=[revised])
        peer.finish()

    tables = []
    with ScriptedServer(script).running() as server:
        service = nb.AssemblyAI(endpoint=server.url, api_key="k", speaker_labels=True)
        for _ in range(2):
            source = nb.AudioFile(talk(tmp_path, 3.5), speed=8)
            with nb.record(source, service, folder=tmp_path) as session:
                session.wait()
            tables.append((session.turns, session.timing()))
    (_, labelled), (turns, revised) = tables
    assert [420, 420] == pytest.approx(list(labelled["fto_ms"][1:]), abs=1)
    assert revised["fto_ms"].isna().all()
    assert list(turns["speaker_original"]) == ["A", "B", "A"]
    assert list(turns["speaker"]) == ["A", "A", "A"]
    assert list(turns["revision"]) == [0, 1, 0]


def test_a_reference_that_can_not_be_read_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """Another kind of file, none, a broken one, a table without speakers; and what needs one."""
    with ScriptedServer(hello).running() as server:
        service = nb.AssemblyAI(endpoint=server.url, api_key="k")
        with nb.record(
            nb.AudioFile(talk(tmp_path, 1), speed=8), service, folder=tmp_path
        ) as session:
            session.wait()
    broken, wrong = tmp_path / "broken.rttm", tmp_path / "wrong.TextGrid"
    broken.write_text("SPEAKER talk 1 here\n")
    wrong.write_text("no grid")
    for reference in (tmp_path / "a.docx", tmp_path / "none.rttm", broken, wrong):
        with pytest.raises(nb.ParameterError, match=reference.name):
            session.timing(reference=reference)
    with pytest.raises(nb.ParameterError, match="lacks speaker"):
        session.timing(reference=session.words[["start_s", "end_s"]])
    for source in ("manual", "ear"):
        with pytest.raises(nb.ParameterError, match="end_source"):
            session.timing(end_source=source)


@pytest.mark.parametrize("transfers_ms", [(-3000, -3000, -3000), (400, -6000)])
def test_a_dialogue_in_which_one_would_interrupt_themselves_is_refused(
    transfers_ms: tuple[float, ...],
) -> None:
    """Two turns of one speaker can't overlap."""
    with pytest.raises(nb.ParameterError, match="same speaker"):
        nb.Dialogue(transfers_ms)
