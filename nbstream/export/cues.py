"""Turns -> subtitle cues that can be read in time.

At most two lines of 42 characters, 17 characters a second, 1 to 7 s; broken between words, at
punctuation and pauses where there are any. Where people speak faster than that can be read, a cue
stays for as long as there is room before the next of its turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from nbstream.errors import ParameterError
from nbstream.export.pieces import Piece, join
from nbstream.export.talk import Said
from nbstream.tables import TurnKey

_LONG_PAUSE_S: Final = 1.5
_SENTENCE: Final = (".", "?", "!", "…", "\u3002", "\uff1f", "\uff01", '."', '?"', '!"')
_CLAUSE: Final = (",", ";", ":", "\u2013", "\u2014", "\u3001", "\uff0c")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a cue may be; a word that is longer than a line stays whole, up to 40 letters."""

    max_lines: int = 2
    max_characters: int = 42
    characters_per_s: float = 17.0
    min_s: float = 1.0
    max_s: float = 7.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not value > 0:
                raise ParameterError(
                    f"{name} is {value!r}: nothing would fit.",
                    hint="Give a number above 0.",
                    parameter=name,
                )


@dataclass(frozen=True, slots=True)
class Cue:
    """Words that are shown together."""

    start_s: float
    end_s: float
    speaker: str
    lines: tuple[tuple[Piece, ...], ...]
    key: TurnKey

    @property
    def text(self) -> str:
        """Its lines."""
        return "\n".join(map(join, self.lines))

    @property
    def words(self) -> list[Piece]:
        """Its words, of all lines."""
        return [word for line in self.lines for word in line]


def cues(said: Sequence[Said], limits: Limits | None = None) -> list[Cue]:
    """Cues of all turns, in order of time. Of two speakers at once, cues overlap as they do."""
    limits = limits or Limits()
    made = [
        cue for turn in said if turn.is_timed and turn.words for cue in _turn_cues(turn, limits)
    ]
    return _timed(sorted(made, key=lambda cue: cue.start_s), limits)


def _turn_cues(turn: Said, limits: Limits) -> Iterator[Cue]:
    for words in _split(turn.words, limits):
        yield Cue(
            words[0].start_s, words[-1].end_s, turn.speaker, _wrapped(words, limits), turn.key
        )


def _split(words: Sequence[Piece], limits: Limits) -> list[Sequence[Piece]]:
    """The division into cues that costs least, found from the front to the end."""
    n = len(words)
    best = [0.0] + [float("inf")] * n
    came_from = [0] * (n + 1)
    for start in range(n):
        within, n_lines, width, length = best[start] + 1.0, 1, 0, 0
        for end in range(start + 1, n + 1):
            word = words[end - 1]
            wide = len(word.text) + (word.spaced and end > start + 1)
            length += wide
            width += wide
            if width > limits.max_characters:
                n_lines, width = n_lines + 1, len(word.text)
            spoken_s = word.end_s - words[start].start_s
            if end > start + 1:
                before = words[end - 2]
                if n_lines > limits.max_lines or spoken_s > limits.max_s:
                    break
                # A sentence that ends within a cue leaves the beginning of the next one hanging.
                within += 0.2 * before.text.endswith(_SENTENCE)
                within += 2.0 * (word.start_s - before.end_s > _LONG_PAUSE_S)
            after = words[end] if end < n else None
            cost = within + _break_cost(word, after)
            until_s = after.start_s if after else word.end_s + limits.min_s
            shown_s = max(until_s - words[start].start_s, 0.01)
            cost += 20 * max(0.0, limits.min_s - shown_s)
            cost += 0.05 * max(0.0, length / shown_s - limits.characters_per_s)
            if cost < best[end]:
                best[end], came_from[end] = cost, start
    parts: list[Sequence[Piece]] = []
    end = n
    while end:
        parts.append(words[came_from[end] : end])
        end = came_from[end]
    return parts[::-1]


def _break_cost(word: Piece, after: Piece | None) -> float:
    """How much it disturbs to end a cue behind `word`."""
    if after is None or word.text.endswith(_SENTENCE):
        return 0.0
    if word.text.endswith(_CLAUSE):
        return 0.3
    return 0.6 if after.start_s - word.end_s >= 0.3 else 1.0


def _wrapped(words: Sequence[Piece], limits: Limits) -> tuple[tuple[Piece, ...], ...]:
    """`words` on lines; of two, the longer as short as can be, ending at punctuation if it may."""
    if len(join(words)) <= limits.max_characters:
        return (tuple(words),)
    choices: list[tuple[int, int]] = []
    for at in range(1, len(words)):
        longer = max(len(join(words[:at])), len(join(words[at:])))
        if longer <= limits.max_characters:
            is_good = words[at - 1].text.endswith(_SENTENCE + _CLAUSE)
            choices.append((longer - 8 * is_good, at))
    if choices:
        _, at = min(choices)
        return tuple(words[:at]), tuple(words[at:])
    lines: list[list[Piece]] = [[]]
    for word in words:
        if lines[-1] and len(join([*lines[-1], word])) > limits.max_characters:
            lines.append([])
        lines[-1].append(word)
    return tuple(map(tuple, lines))


def _timed(made: Sequence[Cue], limits: Limits) -> list[Cue]:
    """Let each stay until it can be read, or until the next one comes.

    The shortest time is kept even so: by coming earlier, or by overlapping another turn's cue.
    """
    timed: list[Cue] = []
    shown_until_s = 0.0
    for i, cue in enumerate(made):
        spoken_s = min(cue.end_s, cue.start_s + limits.max_s)
        wanted_s = max(limits.min_s, len(cue.text) / limits.characters_per_s)
        wanted_s = cue.start_s + min(wanted_s, limits.max_s)
        following = made[i + 1 : i + 6]
        next_s = min((c.start_s for c in following if c.start_s >= spoken_s), default=wanted_s)
        own_next_s = min((c.start_s for c in following if c.key == cue.key), default=wanted_s)
        end_s = max(spoken_s, min(wanted_s, next_s))
        start_s = max(0.0, min(cue.start_s, max(shown_until_s, end_s - limits.min_s)))
        end_s = max(end_s, min(start_s + limits.min_s, own_next_s))
        timed.append(replace(cue, start_s=start_s, end_s=end_s))
        shown_until_s = max(shown_until_s, end_s)
    return timed
