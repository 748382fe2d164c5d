"""The contract: which table has which columns, of what type, in what unit."""

from __future__ import annotations

from typing import Final

import numpy as np

SCHEMA_VERSION: Final = 1

# table -> column -> (dtype, meaning)
SCHEMA: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "turns": {
        "connection": ("int64", "number of the connection, from 0"),
        "turn_order": ("int64", "the server's number of the turn, from 0 on each connection"),
        "transcript": ("string", "latest text; of a partial, all words so far"),
        "start_s": ("float64", "start of the first word, s of session audio; NaN without words"),
        "end_s": ("float64", "end of the last word, s of session audio; NaN without words"),
        "is_final": ("bool", "the server ended the turn (end_of_turn)"),
        "arrived_s": ("float64", "arrival of the final, else of the latest partial, s of session"),
        "speaker": ("string", "speaker label, after revisions"),
        "n_words": ("int64", "words in the latest version"),
        "confidence": ("float64", "mean confidence of the words, 0 to 1"),
        "first_arrived_s": ("float64", "arrival of the turn's first message, s of session"),
        "formatted_s": ("float64", "arrival of a formatted final behind a raw one, s of session"),
        "n_partials": ("int64", "messages before the final"),
        "is_formatted": ("bool", "punctuation and case applied, as the server says"),
        "end_of_turn_confidence": ("float64", "the server's, 0 to 1"),
        "language_code": ("string", "with language_detection"),
        "revision": ("int64", "how often a SpeakerRevision changed the turn"),
        "speaker_original": ("string", "speaker label before revisions"),
        "channel": ("Int64", "channel of the recording, from 0; <NA> where it has only one"),
        "onset_s": ("float64", "SpeechStarted of the turn, s of session audio; NaN without"),
        "label": ("string", 'labels that people gave it, joined by "; "; <NA> without'),
        "note": ("string", 'notes that people made on it, joined by "; "; <NA> without'),
        "corrected": ("string", "transcript as a person corrected it; <NA>: not corrected"),
        "speaker_corrected": ("string", "speaker as a person corrected it; <NA>: not corrected"),
    },
    "words": {
        "connection": ("int64", "number of the connection, from 0"),
        "turn_order": ("int64", "the turn it belongs to"),
        "word": ("int64", "position in the turn, from 0"),
        "text": ("string", "as the server wrote it"),
        "start_s": ("float64", "s of session audio"),
        "end_s": ("float64", "s of session audio"),
        "confidence": ("float64", "0 to 1"),
        "is_final": ("bool", "the word, or its turn, will not change any more"),
        "speaker": ("string", "speaker label, after revisions"),
        "channel": ("Int64", "channel of the recording, from 0; <NA> where it has only one"),
        "first_arrived_s": ("float64", "arrival of the first message that had it, s of session"),
        "final_arrived_s": ("float64", "arrival of the first in which it was final; NaN before"),
    },
    "partials": {
        "connection": ("int64", "number of the connection, from 0"),
        "turn_order": ("int64", "the turn"),
        "partial": ("int64", "number of the message in the turn, from 0; the final is the last"),
        "arrived_s": ("float64", "s since the session began"),
        "is_final": ("bool", "the server ended the turn (end_of_turn)"),
        "transcript": ("string", "the turn's text as it stood then"),
        "n_words": ("int64", "words in it"),
        "n_kept": ("int64", "words it begins with, as the message before it did"),
        "n_revised": ("int64", "words of the message before it that it changed or dropped"),
    },
    "events": {
        "arrived_s": ("float64", "s since the session began"),
        "connection": ("Int64", "number of the connection; <NA> for what belongs to none"),
        "type": ("string", "as on the wire, or our own"),
        "text": ("string", "the event in a few words"),
        "raw": ("string", "the server's message, word for word; <NA> for our own"),
    },
    "gaps": {
        "start_s": ("float64", "s of session audio"),
        "end_s": ("float64", "s of session audio"),
        "kind": ("string", "gap: not transcribed; overflow: lost by the device; pause: wanted"),
        "cause": ("string", "why"),
        "lost_s": ("float64", "what the recording leaves out; NaN where it can't be told"),
        "channel": ("Int64", "which was not transcribed; <NA> of one channel, and of all"),
    },
    "chunks": {
        "frame": ("int64", "position of the chunk's first frame"),
        "n_frames": ("int64", "its length"),
        "captured_s": ("float64", "when its last sample was captured, s since the session began"),
        "sent_s": ("float64", "when it was handed to the network; NaN if it was not"),
        "connection": ("Int64", "on which connection, the last if several"),
    },
    "connections": {
        "connection": ("int64", "number, from 0"),
        "id": ("string", "the server's session id"),
        "endpoint": ("string", "address, without parameters"),
        "model": ("string", "the model really used, as the server says"),
        "start_s": ("float64", "where its clock starts, s of session audio"),
        "connected_s": ("float64", "socket open, s since the session began"),
        "began_s": ("float64", "Begin arrived, s since the session began"),
        "ended_s": ("float64", "closed, s since the session began; NaN while open"),
        "expires_at": ("float64", "end of the server's cap, Unix seconds"),
        "code": ("Int64", "close code"),
        "reason": ("string", "the server's words"),
        "is_clean": ("bool", "ended after Termination"),
        "audio_duration_s": ("float64", "audio the server counted"),
        "session_duration_s": ("float64", "time the server counted"),
        "billed_s": ("float64", "estimate: whole seconds from open to close"),
        "channel": ("Int64", "channel it hears, from 0; <NA> where there is only one"),
    },
}

# Columns of turns that people fill in; see `annotate`.
REMARKS: Final = ("label", "note", "corrected", "speaker_corrected")

# One record of chunks.bin. `connection` is -1 where the record is of capture, not of sending.
CHUNK_RECORD: Final = np.dtype(
    [("frame", "<i8"), ("n_frames", "<i4"), ("connection", "<i4"), ("at_s", "<f8")]
)
