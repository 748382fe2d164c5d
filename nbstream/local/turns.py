"""What the recogniser found -> messages, told as the family of the asked model tells it.

Pro: each partial is the whole turn so far and replaces the one before; one final.
Universal-Streaming: words are appended and, once finished, never change; raw text, and with
``format_turns`` a second, formatted final of the same turn. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from nbstream.local.checks import Settings
from nbstream.local.faults import Faults
from nbstream.local.recogniser import RecognisedWord, SpeechOnset, TurnUpdate

Message = dict[str, Any]

_RARE_PARTIALS_MS: Final = 3000  # without continuous_partials
_UNSETTLED_WORDS: Final = 2  # the last words of a partial are never finished


class Turns:
    """Tells one connection's turns, numbered from 0.

    `settings` may be replaced at any time.
    """

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self.settings = settings
        self._faults = faults
        self._order = 0
        self._shown_ms: int | None = None  # end of the last word told of the open turn
        self._before: list[str] = []  # raw words of the last update
        self._finished: list[RecognisedWord] = []  # Universal-Streaming: told, never to change
        self._revisions: list[Message] = []

    @property
    def is_open(self) -> bool:
        """Whether something was told of a turn that has not ended."""
        return self._shown_ms is not None

    def messages(self, events: Iterable[SpeechOnset | TurnUpdate]) -> Iterator[Message]:
        """The messages for what the recogniser found, in order."""
        for event in events:
            if isinstance(event, SpeechOnset):
                if self.settings.is_pro:
                    yield _speech_started(event)
            elif event.end_of_turn:
                yield from self._finals(event)
                self._order += 1
                self._shown_ms = None
                self._before, self._finished = [], []
            elif self._is_due(event):
                self._shown_ms = event.words[-1].end_ms if event.words else 0
                yield self._partial(event)

    def last_messages(self) -> Iterator[Message]:
        """What comes after the last turn, before ``Termination``."""
        if not self.settings.is_pro:
            yield self._turn([], is_final=True, is_formatted=False)
        if self._revisions:
            yield {"type": "SpeakerRevision", "revisions": self._revisions}

    def _is_due(self, update: TurnUpdate) -> bool:
        if self._shown_ms is None or self.settings.flag("continuous_partials", True):
            return True
        return bool(update.words) and (
            update.words[-1].end_ms - self._shown_ms >= _RARE_PARTIALS_MS
        )

    def _partial(self, update: TurnUpdate) -> Message:
        if self.settings.is_pro:
            # The service says "formatted" on partials too; end_of_turn alone means final.
            return self._turn(update.words, is_final=False, is_formatted=True)
        self._finish_words(update.words)
        return self._turn(
            [*self._finished, *self._rest(update.words)],
            is_final=False,
            is_formatted=self.settings.asked_model == "universal-streaming-multilingual",
            n_finished=len(self._finished),
        )

    def _finals(self, update: TurnUpdate) -> Iterator[Message]:
        settings = self.settings
        if not settings.is_pro and settings.asked_model != "universal-streaming-multilingual":
            words = [*self._finished, *self._rest(update.words)]
            yield self._turn(words, is_final=True, is_formatted=False)
        elif self._faults.duplicate_final:
            yield self._turn(update.words, is_final=True, is_formatted=False)
        if settings.is_formatted:
            yield self._turn(update.words, is_final=True, is_formatted=True)
        if self._faults.speaker_revision:
            words_json = [_word(w, w.text, True) | {"speaker": "A"} for w in update.words]
            self._revisions.append(
                {"turn_order": self._order, "speaker_label": "A", "words": words_json}
            )

    def _finish_words(self, words: Sequence[RecognisedWord]) -> None:
        """Words that two updates agree on are finished, but for the last of them."""
        raw = [_raw(word.text) for word in words]
        agreed = 0
        for old, new in zip(self._before, raw, strict=False):
            if old != new:
                break
            agreed += 1
        self._before = raw
        settled = list(words[: min(agreed, len(words) - _UNSETTLED_WORDS)])
        self._finished += self._rest(settled)

    def _rest(self, words: Sequence[RecognisedWord]) -> list[RecognisedWord]:
        """The words behind the finished ones. By time: a word before may have changed."""
        end_ms = self._finished[-1].end_ms if self._finished else -1
        return [word for word in words if (word.start_ms + word.end_ms) / 2 > end_ms]

    def _turn(
        self,
        words: Sequence[RecognisedWord],
        *,
        is_final: bool,
        is_formatted: bool,
        n_finished: int = 0,
    ) -> Message:
        texts = [word.text if is_formatted else _raw(word.text) for word in words]
        n_finished = len(words) if is_final else n_finished
        is_pro = self.settings.is_pro
        transcript = " ".join(filter(None, texts if is_pro else texts[:n_finished]))
        message: Message = {
            "type": "Turn",
            "turn_order": self._order,
            "turn_is_formatted": is_formatted,
            "end_of_turn": is_final,
            "transcript": transcript,
            "utterance": transcript if is_final else "",
            "end_of_turn_confidence": 1.0 if is_final else 0.0,
            "words": [
                _word(word, text, n < n_finished)
                for n, (word, text) in enumerate(zip(words, texts, strict=True))
                if text
            ],
        }
        if is_final and self.settings.flag("language_detection"):
            message |= {"language_code": "en", "language_confidence": 1.0}
        if is_final and self._faults.speaker_revision:
            message["speaker_label"] = "PENDING"
        return message


def _speech_started(onset: SpeechOnset) -> Message:
    return {
        "type": "SpeechStarted",
        "timestamp": onset.start_ms,
        "confidence": onset.confidence,
    }


def _word(word: RecognisedWord, text: str, is_finished: bool) -> Message:
    return {
        "text": text,
        "start": word.start_ms,
        "end": word.end_ms,
        "confidence": word.confidence,
        "word_is_final": is_finished,
    }


def _raw(text: str) -> str:
    """A word without case and punctuation; empty if nothing else was in it."""
    return re.sub(r"[^\w'\u2019-]+", "", text.lower()).strip("'\u2019-")
