"""Events -> tables."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from nbstream import events as ev
from nbstream import protocol, tables
from tests.scripted import turn


def entry(at_s: float, message: dict | ev.Event, connection: int | None = 0) -> ev.Entry:
    event = message if isinstance(message, ev.Event) else protocol.decode(json.dumps(message))
    return ev.Entry(at_s, connection, event)


def folded(*entries: ev.Entry) -> list[tables.TurnRow]:
    return tables.fold(entries).rows


def test_a_turn_is_one_row_however_many_messages_it_took() -> None:
    """Partials are counted and replaced; the row keeps first and final arrival."""
    rows = folded(
        entry(1.0, turn(0, "good")),
        entry(1.5, turn(0, "good day")),
        entry(2.0, turn(0, "Good day.", final=True)),
    )
    table = tables.turns(rows)
    assert len(table) == 1
    row = table.iloc[0]
    assert (row.transcript, row.is_final, row.n_partials) == ("Good day.", True, 2)
    assert (row.first_arrived_s, row.arrived_s, row.n_words) == (1.0, 2.0, 2)
    assert (row.start_s, row.end_s) == (0.0, pytest.approx(0.38))


def test_a_formatted_final_replaces_a_raw_one() -> None:
    """Two finals of one turn are one row: formatted text, and both arrivals."""
    raw = turn(0, "good day", final=True) | {"turn_is_formatted": False}
    table = tables.turns(folded(entry(2.0, raw), entry(2.3, turn(0, "Good day.", final=True))))
    assert list(table.transcript) == ["Good day."]
    assert (table.arrived_s[0], table.formatted_s[0]) == (2.0, 2.3)


def test_a_final_is_locked() -> None:
    """A late partial, or a raw final after a formatted one, changes nothing."""
    raw = turn(0, "good day", final=True) | {"turn_is_formatted": False}
    final = entry(2.0, turn(0, "Good day.", final=True))
    table = tables.turns(folded(final, entry(3.0, turn(0, "good")), entry(3.0, raw)))
    assert list(table.transcript) == ["Good day."]
    assert list(table.arrived_s) == [2.0]


def test_a_speaker_revision_changes_who_and_keeps_what() -> None:
    """The label and the words' speakers are patched, the original label stays readable."""
    said = turn(0, "good day", final=True, speaker_label="A")
    words = [word | {"speaker": "B"} for word in said["words"]]
    revision = {
        "type": "SpeakerRevision",
        "revisions": [{"turn_order": 0, "speaker_label": "B", "words": words}],
    }
    rows = folded(entry(1, said), entry(2, revision))
    row = tables.turns(rows).iloc[0]
    assert (row.transcript, row.speaker, row.speaker_original, row.revision) == (
        "good day",
        "B",
        "A",
        1,
    )
    assert list(tables.words(rows).speaker) == ["B", "B"]
    unknown = entry(3, {**revision, "revisions": [{"turn_order": 9, "speaker_label": "C"}]})
    assert len(folded(entry(1, said), unknown)) == 1


def test_partials_of_universal_streaming_show_their_words() -> None:
    """A partial without transcript is shown by its words; an empty final is no row."""
    partial = turn(0, "good day") | {"transcript": ""}
    assert folded(entry(1, partial))[0].transcript == "good day"
    empty = turn(1, "", final=True)
    assert len(folded(entry(1, turn(0, "a", final=True)), entry(2, empty))) == 1


def test_times_are_on_the_sessions_clock() -> None:
    """A connection whose clock starts at 10 s of audio has all its times 10 s later."""
    opened = entry(0, ev.Connected("ws://x", 160_000), 1)
    rows = folded(opened, entry(1, turn(0, "later", final=True, start_ms=500), 1))
    assert tables.turns(rows).start_s[0] == pytest.approx(10.5)
    assert tables.words(rows).start_s[0] == pytest.approx(10.5)


def test_what_is_heard_again_after_a_drop_stands_there_once() -> None:
    """The open turn of a broken connection gives way to the one that hears its audio again."""
    rows = folded(
        entry(0, ev.Connected("ws://x", 0), 0),
        entry(1, turn(0, "one", final=True), 0),
        entry(2, turn(1, "two th", start_ms=1000), 0),
        entry(2.5, ev.Disconnected(None, "", False), 0),
        entry(3, ev.Connected("ws://x", 8000), 1),
        entry(4, turn(0, "Two three.", final=True, start_ms=500), 1),
    )
    table = tables.turns(rows)
    assert list(table.transcript) == ["one", "Two three."]
    assert list(table.connection) == [0, 1]


def test_turns_come_in_the_order_of_the_audio() -> None:
    """A connection that fills a hole later does not come last in the table."""
    rows = folded(
        entry(0, ev.Connected("ws://x", 0), 0),
        entry(1, turn(0, "second", final=True, start_ms=5000), 0),
        entry(0, ev.Connected("ws://x", 0), 1),
        entry(1, turn(0, "first", final=True), 1),
    )
    assert list(tables.turns(rows).transcript) == ["first", "second"]


@pytest.mark.parametrize("name", tables.SCHEMA)
def test_every_table_has_its_schema_even_when_empty(name: str) -> None:
    """Columns, order and types do not depend on the data."""
    made = {
        "turns": tables.turns([]),
        "words": tables.words([]),
        "partials": tables.partials([]),
        "events": tables.events([]),
        "gaps": tables.gaps([]),
        "connections": tables.connections([]),
        "chunks": tables.chunks(np.empty(0, tables.CHUNK_RECORD)),
    }[name]
    assert list(made.columns) == list(tables.SCHEMA[name])
    assert [str(d) for d in made.dtypes] == [dtype for dtype, _ in tables.SCHEMA[name].values()]


def test_the_schemas_promised_columns_are_there() -> None:
    """The columns that every version keeps."""
    turns = ["connection", "turn_order", "transcript", "start_s", "end_s", "is_final", "arrived_s"]
    words = ["text", "start_s", "end_s", "confidence", "is_final"]
    assert set(turns) <= set(tables.SCHEMA["turns"])
    assert set(words) <= set(tables.SCHEMA["words"])


def test_gaps_tell_what_was_not_transcribed_and_what_was_lost() -> None:
    """A gap is a span of the recording; an overflow is a point where the device lost audio."""
    table = tables.gaps(
        [
            entry(5, ev.Gap(16_000, 48_000, "no network"), None),
            entry(6, ev.Overflow(32_000, 2, 160), None),
            entry(7, ev.Overflow(32_000, 1, 0), None),
        ],
        untold=[(16_000, 48_000, None), (64_000, 80_000, None)],
    )
    assert list(table.kind) == ["gap", "overflow", "overflow", "gap"]
    assert list(table.start_s) == [1, 2, 2, 4]
    assert list(table.end_s) == [3, 2, 2, 5]
    assert list(table.cause[[0, 3]]) == ["no network", "the recording was interrupted"]
    assert table.lost_s[1] == 0.01
    assert math.isnan(table.lost_s[2])


def test_chunks_join_capture_and_sending() -> None:
    """A chunk was sent with the message that holds its last frame; unsent ones say so."""
    records = np.array(
        [
            (0, 800, -1, 0.05),
            (800, 800, -1, 0.10),
            (1600, 800, -1, 0.15),
            (0, 1600, 0, 0.12),
        ],
        tables.CHUNK_RECORD,
    )
    table = tables.chunks(records)
    assert list(table.captured_s) == [0.05, 0.10, 0.15]
    assert list(table.sent_s[:2]) == [0.12, 0.12]
    assert math.isnan(table.sent_s[2])
    assert table.connection[2] is pd.NA


def test_connections_are_priced_by_the_open_socket() -> None:
    """Billed time goes from open to close in whole seconds; an open one is priced until now."""
    entries = [
        entry(1.0, ev.Connected("ws://x", 0)),
        entry(2.0, {"type": "Begin", "id": "i", "expires_at": 9, "configuration": {"model": "m"}}),
        entry(6.0, {"type": "Termination", "audio_duration_seconds": 4}),
        entry(6.2, ev.Disconnected(1000, "Session Ended", True)),
        entry(7.0, ev.Connected("ws://x", 64_000), 1),
    ]
    table = tables.connections(entries, now_s=8.5)
    assert list(table.billed_s) == [6, 2]
    assert list(table.is_clean) == [True, False]
    assert table.model[0] == "m"
    assert list(table.start_s) == [0, 4]


def test_events_keep_the_servers_words() -> None:
    """The table of events holds each message word for word, unknown ones too."""
    strange = '{"type":"New",  "a":1}'
    table = tables.events([ev.Entry(1.0, 0, protocol.decode(strange))])
    assert (table.type[0], table.raw[0]) == ("New", strange)


def test_a_table_is_yours_to_change() -> None:
    """Changing a table changes no other."""
    rows = folded(entry(1, turn(0, "a", final=True)))
    table = tables.turns(rows)
    table.loc[0, "transcript"] = "changed"
    assert tables.turns(rows).transcript[0] == "a"


def sent(*records: tuple[int, int, int]) -> np.ndarray:
    """Records of messages: (frame, n_frames, connection)."""
    return np.array([(*record, 0.0) for record in records], tables.CHUNK_RECORD)


def test_a_terminated_connection_has_had_its_say_on_all_it_was_sent() -> None:
    """Nothing is missing after Termination; what was not sent is."""
    entries = [
        entry(0, ev.Connected("ws://x", 0)),
        entry(1, {"type": "Termination", "audio_duration_seconds": 2}),
    ]
    assert tables.missing(entries, sent((0, 32_000, 0)), 32_000) == []
    assert tables.missing(entries, sent((0, 32_000, 0)), 48_000) == [(32_000, 48_000, None)]
    assert tables.missing(entries, sent((0, 32_000, 0)), 32_799) == []


def test_a_broken_connection_has_had_its_say_up_to_its_last_final() -> None:
    """What came after the last final turn is missing, until another connection hears it."""
    entries = [
        entry(0, ev.Connected("ws://x", 0)),
        entry(1, turn(0, "one two", final=True)),
        entry(2, turn(1, "three", start_ms=800)),
    ]
    records = sent((0, 32_000, 0), (16_000, 16_000, 1), (6080, 9920, 2))
    assert tables.missing(entries, records, 32_000) == [(6080, 32_000, None)]
    entries += [
        entry(3, ev.Connected("ws://x", 16_000), 1),
        entry(4, {"type": "Termination"}, 1),
    ]
    assert tables.missing(entries, records, 32_000) == [(6080, 16_000, None)]
    entries += [entry(5, ev.Connected("ws://x", 6080), 2), entry(6, {"type": "Termination"}, 2)]
    assert tables.missing(entries, records, 32_000) == []


def test_half_a_character_harms_no_table() -> None:
    """JSON may hold half a surrogate pair; the table shows U+FFFD, the event keeps it."""
    said = entry(1.0, turn(0, "so \ud800 it is", final=True))
    assert list(tables.turns(folded(said)).transcript) == ["so \ufffd it is"]
    assert "\ufffd" in set(tables.words(folded(said)).text)
    assert len(tables.events([said])) == 1
