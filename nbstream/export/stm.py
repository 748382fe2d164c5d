"""STM, NIST's segments: a line a turn, for scoring with several speakers."""

from __future__ import annotations

from nbstream.export.clean import no_tags, token
from nbstream.export.talk import Talk
from nbstream.export.tiers import ms


def render(talk: Talk) -> str:
    """File, channel, speaker, start, end, text; brackets that mean something there are wide."""
    name = token(talk.title)
    return "".join(
        f"{name} {(turn.channel or 0) + 1} {token(turn.speaker)} "
        f"{ms(turn.start_s) / 1000:.3f} {ms(turn.end_s) / 1000:.3f} {no_tags(turn.text)}\n"
        for turn in talk.timed()
        if turn.text
    )
