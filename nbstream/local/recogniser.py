"""Audio in, turns out: one connection's stream through voice activity, decoding and endpointing.

Everything is driven by the position in the audio, in windows of 32 ms, and never by a clock: the
same audio gives the same updates whatever the size of its pieces and however busy the machine is.

The path of a window::

    feed -> voice activity -> segment opens, grows, closes -> Model.decode -> words of the turn
                                        turn: segments until the silence is long enough

A *segment* is what is decoded in one go, at most 12 s. A *turn* is one or more segments; the
words of its closed segments no longer change.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nbstream.local import activity, endpoint, voice
from nbstream.local.endpoint import Options
from nbstream.local.model import NOTHING, RATE_HZ, Decoded, Model, Pcm
from nbstream.local.voice import WINDOW_FRAMES

_MS = RATE_HZ // 1000  # frames in a millisecond


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """A word; times in ms of audio since the stream began, confidence 0..1."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class SpeechOnset:
    """A turn began. Comes once a turn, right before its first update, so text always follows."""

    start_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class TurnUpdate:
    """The whole turn so far; replaces the update before."""

    words: tuple[RecognisedWord, ...]
    transcript: str
    end_of_turn: bool


Event = SpeechOnset | TurnUpdate

_PARTIAL_EVERY_MS = 500
_PARTIAL_STRETCH_MS = 6_000  # less often in longer segments, whose decoding costs more
_PRE_ROLL_MS = 350  # speech begins before the detector is sure of it
_POST_ROLL_MS = 150
_ONSET_WINDOWS = 2
_RELEASE = 0.7  # speech goes on down to this part of the threshold
_PAUSE_MS = 200  # silence after which the segment is decoded for the case that it is the end
_CLOSE_MS = 1_000  # silence that closes a segment in an open turn
_LONG_MS, _CLOSE_LONG_MS = 8_000, 240  # a long segment takes any pause
_CUT_MS, _CUT_SHORTEST_MS, _CUT_SEARCH_MS = 12_000, 1_000, 3_000


@dataclass(slots=True)
class _Segment:
    start: int  # frame
    onset: int  # frame; where speech was first heard, or `start` after a cut
    speech_end: int  # frame after the last window of speech
    next_partial: int  # frame
    scores: list[float] = field(default_factory=list)  # of its windows, the last at the end
    decoded: Decoded = NOTHING
    is_settled: bool = False  # decoded up to the present pause


@dataclass(slots=True)
class _Turn:
    onset: int  # frame
    confidence: float
    words: list[RecognisedWord] = field(default_factory=list)  # of closed segments
    speech_end: int = 0
    is_complete: bool = True  # as far as the closed segments go
    shown: tuple[RecognisedWord, ...] = ()  # of the last update; empty before the first


class Stream:
    """One connection's audio. All times are ms of audio received since the stream began.

    Parameters
    ----------
    model : Model
        May be shared by any number of streams.
    **options
        As `endpoint.Options`.

    Notes
    -----
    Not thread-safe: one owner. Decoding runs inside `feed`, in the caller's thread, and takes
    about a tenth of the time of the audio.
    """

    def __init__(self, model: Model, **options: Any) -> None:
        self._model = model
        self._options = Options(**options)
        self._vad = voice.detector()
        self._activity = activity.Activity()
        self._kept = np.zeros(0, np.int16)  # audio from frame _kept_from on
        self._kept_from = 0
        self._at = 0  # windows before this frame have been looked at
        self._free_from = 0  # audio before this frame belongs to earlier segments
        self._onset_scores: list[float] = []
        self._segment: _Segment | None = None
        self._turn: _Turn | None = None
        self._probability = 0.0

    def __repr__(self) -> str:
        words = len(self._turn.words) if self._turn else 0
        state = f"turn open, {words} words settled" if self._turn else "no turn"
        return f"<Stream {self.audio_ms / 1000:.1f} s | {state}>"

    @property
    def audio_ms(self) -> int:
        """Audio received, ms."""
        return self._end // _MS

    @property
    def speech_probability(self) -> float:
        """Voice activity of the last whole window, 0..1."""
        return self._probability

    @property
    def _end(self) -> int:
        return self._kept_from + len(self._kept)

    def configure(self, **options: Any) -> None:
        """Change options, as `endpoint.Options`, for the audio fed from now on."""
        self._options = replace(self._options, **options)

    def feed(self, pcm: Pcm) -> list[Event]:
        """Take more audio.

        Parameters
        ----------
        pcm : int16 array, shape (frames,)
            16 kHz mono, any length.

        Returns
        -------
        list of SpeechOnset or TurnUpdate
            What this audio brought about, in order; mostly empty.
        """
        self._kept = np.concatenate((self._kept, np.asarray(pcm, np.int16)))
        events: list[Event] = []
        while self._end - self._at >= WINDOW_FRAMES:
            window = self._audio(self._at, self._at + WINDOW_FRAMES)
            self._at += WINDOW_FRAMES
            self._probability = float(self._vad.process_chunk(window.tobytes()))
            self._activity.add(window, self._probability)
            events += self._step()
        needed = self._segment.start if self._segment else self._at - _PRE_ROLL_MS * _MS * 2
        if needed > self._kept_from:
            self._kept = self._kept[needed - self._kept_from :]
            self._kept_from = needed
            self._activity.forget(needed)
        return events

    def force_endpoint(self) -> list[Event]:
        """End the open turn here. Empty if none is open, or nothing was recognised in it."""
        if self._segment:
            self._close_segment(self._segment, self._end)
        events = self._end_turn() if self._turn else []
        self._free_from = self._end
        self._onset_scores.clear()
        return events

    def finish(self) -> list[Event]:
        """No more audio comes: end the open turn, if there is one."""
        return self.force_endpoint()

    def _audio(self, start: int, end: int) -> Pcm:
        return self._kept[start - self._kept_from : end - self._kept_from]

    def _step(self) -> list[Event]:
        """Take one window into account: the one that ends at _at."""
        segment = self._segment
        if segment is None:
            self._look_for_onset()
            return self._wait_in_turn(self._turn) if self._turn and not self._segment else []
        segment.scores.append(self._probability)
        if self._probability >= self._options.vad_threshold * _RELEASE:
            segment.speech_end = self._at
            segment.is_settled = False
        silence = (self._at - segment.speech_end) // _MS
        length = (self._at - segment.start) // _MS
        close_ms = _CLOSE_LONG_MS if length > _LONG_MS else _CLOSE_MS
        if silence >= min(_PAUSE_MS, close_ms):
            return self._pause(segment, silence, close_ms)
        if length >= _CUT_MS or (self._turn_is_too_long() and length >= _CUT_SHORTEST_MS):
            return self._cut(segment)
        if self._options.partials and self._at >= segment.next_partial and silence == 0:
            self._decode(segment, self._at, partial=True)
            return self._show(segment)
        return []

    def _look_for_onset(self) -> None:
        if self._probability < self._options.vad_threshold:
            self._onset_scores.clear()
            return
        self._onset_scores.append(self._probability)
        if len(self._onset_scores) < _ONSET_WINDOWS:
            return
        onset = self._at - _ONSET_WINDOWS * WINDOW_FRAMES
        first_ms = max(self._options.interruption_delay_ms, endpoint.FIRST_PARTIAL_MS)
        if self._turn is None:
            self._turn = _Turn(onset, max(self._onset_scores))
        self._segment = _Segment(
            start=max(onset - _PRE_ROLL_MS * _MS, self._free_from, self._kept_from),
            onset=onset,
            speech_end=self._at,
            next_partial=onset + first_ms * _MS,
            scores=list(self._onset_scores),
        )
        self._onset_scores.clear()

    def _pause(self, segment: _Segment, silence: int, close_ms: int) -> list[Event]:
        """The open segment is silent: see whether the segment, or the turn, has ended."""
        events: list[Event] = []
        if not segment.is_settled:
            self._decode(segment, min(segment.speech_end + _POST_ROLL_MS * _MS, self._at))
            segment.is_settled = True
            if self._options.partials:
                events += self._show(segment)
        assert self._turn is not None
        looks_complete = self._turn.is_complete
        if segment.decoded.words:
            looks_complete = endpoint.is_complete(segment.decoded)
        is_end = self._options.turn_ends(silence, looks_complete)
        if is_end or silence >= close_ms:
            self._close_segment(segment, None)
        return events + self._end_turn() if is_end else events

    def _wait_in_turn(self, turn: _Turn) -> list[Event]:
        """All segments of the open turn are closed: see whether it has ended."""
        silence = (self._at - turn.speech_end) // _MS
        is_end = self._options.turn_ends(silence, turn.is_complete) or self._turn_is_too_long()
        return self._end_turn() if is_end else []

    def _turn_is_too_long(self) -> bool:
        assert self._turn is not None
        return (self._at - self._turn.onset) // _MS >= self._options.max_turn_ms

    def _cut(self, segment: _Segment) -> list[Event]:
        """Split a long segment where it is quietest; the tail stays open."""
        scores = np.convolve(segment.scores, np.ones(5) / 5, mode="same")
        search = min(_CUT_SEARCH_MS * _MS // WINDOW_FRAMES, len(scores) // 2)
        keep = len(scores) - search + int(np.argmin(scores[-search:-2]))  # the edge is not smooth
        cut = self._at - (len(scores) - keep) * WINDOW_FRAMES
        speech_end, tail_scores = segment.speech_end, segment.scores[keep:]
        self._close_segment(segment, cut)
        events = self._end_turn() if self._turn_is_too_long() else []
        if self._turn is None:
            self._turn = _Turn(cut, max(tail_scores))
        self._segment = _Segment(cut, cut, max(speech_end, cut), self._at, tail_scores)
        return events

    def _decode(self, segment: _Segment, end: int, *, partial: bool = False) -> None:
        # Only partials build on each other: a decoding that builds on another may differ in a
        # word, and what a turn ends as must not depend on the partials that came before.
        prefix = segment.decoded.tokens if partial else ()
        segment.decoded = self._model.decode(self._audio(segment.start, end), prefix=prefix)
        stretch = max(1.0, (self._at - segment.start) / (_PARTIAL_STRETCH_MS * _MS))
        segment.next_partial = self._at + int(_PARTIAL_EVERY_MS * _MS * stretch)

    def _close_segment(self, segment: _Segment, end: int | None) -> None:
        """Settle the segment's words, decoded up to frame *end* or as they are."""
        assert self._turn is not None
        if end is not None and not (segment.is_settled and end >= self._at):
            self._decode(segment, end)
        self._turn.words += self._words(segment)
        self._turn.speech_end = segment.speech_end
        if segment.decoded.words:
            self._turn.is_complete = endpoint.is_complete(segment.decoded)
        self._free_from = segment.speech_end + _POST_ROLL_MS * _MS if end is None else end
        self._segment = None

    def _words(self, segment: _Segment) -> list[RecognisedWord]:
        # The detector is surer of where speech starts and ends than the alignment is, so no word
        # lies outside what it heard, and words beside a silence start and end where it does.
        speech = self._activity.spans()
        onsets = [start for start, _ in speech if start >= segment.start]
        earliest = min([*onsets[:1], segment.onset - WINDOW_FRAMES])
        found = segment.decoded.words
        edges = []
        for word in found:
            start = max(segment.start + word.start_frame, earliest)
            end = min(segment.start + word.end_frame, segment.speech_end)
            edges.append((start, max(end, start)))
        return [
            RecognisedWord(word.text, start // _MS, end // _MS, round(word.confidence, 4))
            for word, (start, end) in zip(found, activity.snap(edges, speech), strict=True)
        ]

    def _show(self, segment: _Segment) -> list[Event]:
        assert self._turn is not None
        return self._update([*self._turn.words, *self._words(segment)], end_of_turn=False)

    def _end_turn(self) -> list[Event]:
        assert self._turn is not None
        events = self._update(self._turn.words, end_of_turn=True)
        self._turn = None
        return events

    def _update(self, words: list[RecognisedWord], *, end_of_turn: bool) -> list[Event]:
        turn = self._turn
        assert turn is not None
        # What was shown is not taken back to nothing; and what was never shown never began.
        now = tuple(words) or turn.shown
        if not now:
            return []
        transcript = " ".join(word.text for word in now)
        if not end_of_turn and transcript == " ".join(word.text for word in turn.shown):
            return []
        events: list[Event] = []
        if not turn.shown:
            events.append(SpeechOnset(turn.onset // _MS, round(turn.confidence, 4)))
        turn.shown = now
        events.append(TurnUpdate(now, transcript, end_of_turn))
        return events
