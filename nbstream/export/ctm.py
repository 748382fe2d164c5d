"""CTM, NIST's time-marked words: a line a word, for scoring."""

from __future__ import annotations

from nbstream.export.clean import no_tags, token
from nbstream.export.talk import Talk
from nbstream.export.tiers import ms


def render(talk: Talk) -> str:
    """File, channel, start, duration, word, confidence; the last is left out where unknown."""
    name = token(talk.title)
    lines = sorted(
        (
            (turn.channel or 0) + 1,
            ms(word.start_s),
            max(0, ms(word.end_s) - ms(word.start_s)),
            number,
            "_".join(no_tags(word.text).split()),
            "" if word.confidence != word.confidence else f" {word.confidence:.3f}",
        )
        for number, turn in enumerate(talk.timed())
        for word in turn.words
    )
    return "".join(
        f"{name} {channel} {start / 1000:.3f} {length / 1000:.3f} {word}{sure}\n"
        for channel, start, length, _, word, sure in lines
    )
