"""A session that grows on demand: a real folder, and what a microphone and a service would add."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nbstream import events as ev
from nbstream import protocol
from nbstream.session import Session
from nbstream.store import Folder

RATE_HZ = 16_000
WORD_S = 0.3


class Growing:
    """A live session without an engine.

    Parameters
    ----------
    parent : Path
        Where its folder is made.
    speakers : sequence of str
        Of channels that are kept apart; each has a connection of that number.

    """

    def __init__(self, parent: Path, speakers: Sequence[str] = ()) -> None:
        self.n_channels = len(speakers) or 1
        self.folder = Folder.create(parent, "talk", {"speakers": list(speakers)})
        self.session = Session(self.folder)
        self.folder.update(state="recording")
        self._rng = np.random.default_rng(1)
        for number in range(self.n_channels):
            self.add(ev.Connected("ws://x", 0, number if speakers else None), number)

    def add(self, event: ev.Event, connection: int | None = None) -> None:
        """Put an event on disk."""
        self.folder.append_event(event, self.session.duration_s + 0.5, connection)

    def hear(self, seconds: float, loud: Sequence[float] | None = None) -> None:
        """Add sound: noise in syllables, so loud on each channel (0 to 1)."""
        n = round(seconds * RATE_HZ)
        t = (self.folder.n_frames + np.arange(n)) / RATE_HZ
        swell = np.abs(np.sin(2 * np.pi * 1.7 * t)) * (0.4 + 0.6 * np.abs(np.sin(t / 1.3)))
        noise = self._rng.normal(0, 6000, (n, self.n_channels))
        levels = np.array(loud if loud is not None else [1.0] * self.n_channels)
        samples = (noise * swell[:, None] * levels + self._rng.normal(0, 30, noise.shape)).clip(
            -32768, 32767
        )
        at_s = self.session.duration_s
        frame = self.folder.append_audio(samples.astype("<i2").tobytes(), at_s)
        for number in range(self.n_channels):
            self.folder.note_sent(frame, n, number, at_s)

    def say(
        self,
        order: int,
        text: str,
        start_s: float,
        *,
        is_final: bool = True,
        speaker: str | None = None,
        connection: int = 0,
    ) -> None:
        """A message of a turn, each word 0.3 s long."""
        words = [
            {
                "text": word,
                "start": round(1000 * (start_s + WORD_S * i)),
                "end": round(1000 * (start_s + WORD_S * i + 0.26)),
                "confidence": 0.3 + 0.07 * (i % 11),
                "word_is_final": is_final,
            }
            for i, word in enumerate(text.split())
        ]
        message: dict[str, Any] = {"type": "Turn", "turn_order": order, "end_of_turn": is_final}
        message |= {"turn_is_formatted": is_final, "transcript": text, "words": words}
        message |= {"end_of_turn_confidence": float(is_final)}
        if speaker is not None:
            message["speaker_label"] = speaker
        self.add(protocol.decode(json.dumps(message)), connection)

    def end(self) -> Session:
        """Close it as is usual, and open its folder again."""
        ended = {"audio_duration_seconds": 1, "session_duration_seconds": 1}
        for number in range(self.n_channels):
            self.add(protocol.decode(json.dumps({"type": "Termination"} | ended)), number)
        self.folder.update(state="stopped")
        self.folder.close()
        return Session(Folder.open_(self.folder.path))


TALK = (
    ("A", "So well then we could take the early train from platform nine."),
    ("B", "If it is not late again, I would rather have breakfast first."),
    ("A", "There is a small place on the corner that opens at six."),
    ("B", "Good. Then we meet there."),
    ("C", "Can I come along, or is the table too small for the three of us?"),
)


def talk(parent: Path, n_turns: int, *, speakers: Sequence[str] = ()) -> Growing:
    """A conversation of `n_turns` turns, five seconds each; the last one is still open."""
    growing = Growing(parent, speakers)
    for n in range(n_turns):
        who, text = TALK[n % len(TALK)]
        channel = n % growing.n_channels
        loud = [float(i == channel) for i in range(growing.n_channels)]
        growing.hear(0.4, [0.02] * growing.n_channels)
        growing.hear(0.3 * len(text.split()), loud)
        growing.hear(4.6 - 0.3 * len(text.split()), [0.02] * growing.n_channels)
        label = None if speakers else who
        order = n // growing.n_channels
        is_final = n < n_turns - 1
        growing.say(order, text, 5 * n + 0.4, is_final=is_final, speaker=label, connection=channel)
    return growing
