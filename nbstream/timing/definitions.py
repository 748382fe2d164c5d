"""What each figure means: formula, unit, clocks, source, caveat. Docs are made from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import pandas as pd

_AUDIO = "audio"
_ARRIVAL = "arrival - capture"


@dataclass(frozen=True, slots=True)
class Definition:
    """One column. `table` is ``turn`` (`Session.timing`) or ``word`` (`Session.word_timing`)."""

    column: str
    formula: str
    unit: str
    clock: str
    source: str
    caveat: str = ""
    table: str = "turn"


DEFINITIONS: Final = (
    Definition(
        "duration_ms",
        "end_s - start_s of the turn's speech",
        "ms",
        _AUDIO,
        "utterance times of conversation corpora, as in scikit-talk",
        "edges as end_source and onset_source say; word times are the recogniser's estimates",
    ),
    Definition("n_words", "words in the latest version", "words", "none", "Streaming v3, words"),
    Definition(
        "speech_rate_wpm",
        "n_words / duration, pauses included",
        "words/min",
        _AUDIO,
        "speech rate as against articulation rate: de Jong & Wempe 2009",
        "words as written: numbers and contractions count once",
    ),
    Definition(
        "articulation_rate_wpm",
        "n_words / (duration - pauses)",
        "words/min",
        _AUDIO,
        "articulation rate: de Jong & Wempe 2009",
        "phonetics prefers syllables a second, which words do not give",
    ),
    Definition(
        "n_pauses",
        "silences of at least min_pause_ms (200) between two words of the turn",
        "pauses",
        _AUDIO,
        "Heldner & Edlund 2010: pauses lie within a speaker's turn, gaps between speakers",
        "recognisers stretch words over short silences",
    ),
    Definition("pause_ms", "sum of those silences", "ms", _AUDIO, "as n_pauses", "as n_pauses"),
    Definition(
        "inter_turn_silence_ms",
        "start_s - latest end_s of all turns before, not below 0",
        "ms",
        _AUDIO,
        "a name of our own: who spoke is left open",
        "no floor transfer; with one speaker it is the pause that the endpointer cut at; NaN where "
        "the recording was paused",
    ),
    Definition(
        "fto_ms",
        "start_s - end_s of the relevant prior turn of another speaker",
        "ms",
        _AUDIO,
        "floor transfer offset: Levinson & Torreira 2015; prior turn as in scikit-talk 0.1.1",
        "needs two speakers or channels, NaN otherwise; window 10 s, buffer 200 ms, 2 speakers",
    ),
    Definition("gap_ms", "fto_ms where it is 0 or more", "ms", _AUDIO, "Heldner & Edlund 2010"),
    Definition(
        "overlap_ms",
        "-fto_ms where it is below 0",
        "ms",
        _AUDIO,
        "Heldner & Edlund 2010",
        "turns of one channel do not overlap: two channels are needed to see it",
    ),
    Definition(
        "first_partial_ms",
        "arrival of the first message with a word - capture of the speech onset",
        "ms",
        _ARRIVAL,
        "time to first partial from onset, as voice agents count it; benchmarks often count from "
        "the start of the stream",
        "onset by onset_source; the service starts some turns up to 1 s too early",
    ),
    Definition(
        "ttfs_ms",
        "arrival of the message in which the last word is final - capture of the end of speech",
        "ms",
        _ARRIVAL,
        "TTFS of Pipecat's STT guide; TTCT, transcription delay elsewhere",
        "end of speech by end_source; the service ends last words about 0.24 s late",
    ),
    Definition(
        "eot_latency_ms",
        "arrival of the first message with end_of_turn - capture of the end of speech",
        "ms",
        _ARRIVAL,
        "end-of-turn latency of Deepgram's measuring guide; end_of_utterance_delay of LiveKit",
        "equals ttfs_ms unless words are final before their turn",
    ),
    Definition(
        "endpoint_wait_ms",
        "the silence setting that eot_latency_ms reached (min_turn_silence, max_turn_silence), "
        "or end of speech to the ForceEndpoint or Terminate that ended the turn",
        "ms",
        _ARRIVAL,
        "endpointing delay is a setting, not speed: Soniox's and Keen's latency guides",
        "inferred: the service does not say when it decided; endpoint_source says what from",
    ),
    Definition(
        "delivery_ms",
        "eot_latency_ms - endpoint_wait_ms",
        "ms",
        _ARRIVAL,
        "the rest of it: sending, recognising, network",
        "takes over the errors of the end of speech and of the inferred wait",
    ),
    Definition(
        "send_delay_ms",
        "sending of the end of speech - its capture",
        "ms",
        "send - capture",
        "a name of our own",
        "large where a dropped connection was caught up: such latencies are not the service's",
    ),
    Definition(
        "capture_uncertainty_ms",
        "half of the quickest answer that the page had from the kernel's clock; 0 where the kernel "
        "captured",
        "ms",
        "page - kernel",
        "Cristian 1989: a clock is read to within half of the round trip",
        "of all latencies of a browser's microphone; its device's own latency is as the browser "
        "states it, and Firefox states none",
    ),
    Definition(
        "format_delay_ms",
        "arrival of the formatted final - arrival of the raw one",
        "ms",
        "arrival",
        "AssemblyAI's message sequence",
        "only where the model sends both",
    ),
    Definition("n_partials", "messages before the final", "messages", "none", "Streaming v3, Turn"),
    Definition(
        "partials_per_s",
        "n_partials / duration",
        "1/s",
        _AUDIO,
        "update cadence: Gladia's guide to measuring latency",
    ),
    Definition(
        "upwr",
        "words of messages that the next message changed or dropped / words of the final",
        "ratio",
        "none",
        "unstable partial word ratio: Shangguan et al. 2020, arXiv 2006.01416",
        "case and punctuation aside; a shifted word and a last word that goes on are kept",
    ),
    Definition(
        "upsr",
        "messages that changed or dropped a word",
        "messages",
        "none",
        "unstable partial segment ratio, Shangguan et al. 2020: its mean over turns",
        "as upwr",
    ),
    Definition(
        "normalized_erasure",
        "words of messages behind the first one that the next message changed / words of the final",
        "ratio",
        "none",
        "Arivazhagan et al. 2020, arXiv 1912.03393",
        "words, not characters; case and punctuation aside",
    ),
    Definition("confidence", "mean of the words' confidence", "0 to 1", "none", "Streaming v3"),
    Definition("lowest_confidence", "lowest of them", "0 to 1", "none", "Streaming v3"),
    Definition(
        "emission_latency_first_ms",
        "arrival of the first message that had the word - capture of the word's end",
        "ms",
        _ARRIVAL,
        "emission latency, user-perceived latency; PR50 and PR90 in the literature",
        "below 0 where a word was guessed before it was over",
        "word",
    ),
    Definition(
        "emission_latency_final_ms",
        "arrival of the first message in which the word is final - capture of the word's end",
        "ms",
        _ARRIVAL,
        "finalisation latency: Soniox's speech-to-text latency guide",
        "final with the turn, unless the model finishes words earlier",
        "word",
    ),
)


def definitions() -> pd.DataFrame:
    """One row a figure: column, formula, unit, clock, source, caveat, table.

    The clocks: ``audio`` is position in the recording; ``capture`` when a sample existed;
    ``send`` when it was handed to the network; ``arrival`` when a message came. All but the first
    are the monotonic clock of the kernel's machine.
    """
    return pd.DataFrame([asdict(definition) for definition in DEFINITIONS]).set_index("column")
