"""A text and the words that were heard -> pieces of that text, each with its time.

The text may be formatted, or corrected by a person, so it need not be made of those words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

_TOO_LONG = 40  # a word of more letters is cut: it would fit on no line of a subtitle


@dataclass(frozen=True, slots=True)
class Piece:
    """A word as it is written.

    Parameters
    ----------
    text : str
        Without spaces around it.
    start_s, end_s : float
        In seconds of session audio.
    confidence : float
        Of the word that was heard, 0 to 1; NaN where a person wrote another.
    spaced : bool
        Whether a space stands before it.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float = math.nan
    spaced: bool = True


def pieces(
    text: str, words: Sequence[Piece], start_s: float = math.nan, end_s: float = math.nan
) -> list[Piece]:
    """The words of `text` in order, with the times of the `words` that they were heard as.

    What was not heard that way shares the time that is left, by its letters. Times do not run
    backwards. `start_s` and `end_s` are those of the whole, by default those of `words`.
    """
    tokens = text.split()
    if not tokens:
        return []
    heard = sorted((w for w in words if w.start_s == w.start_s), key=lambda w: w.start_s)
    if heard:
        start_s = heard[0].start_s if math.isnan(start_s) else start_s
        end_s = max(w.end_s for w in heard) if math.isnan(end_s) else end_s
    found = _unspaced(text, heard) or _aligned(tokens, heard, start_s, end_s)
    return [part for piece in _forwards(found) for part in _cut(piece)]


def join(parts: Sequence[Piece]) -> str:
    """The text of some pieces that follow each other."""
    return "".join(" " * (p.spaced and i > 0) + p.text for i, p in enumerate(parts))


def _unspaced(text: str, heard: Sequence[Piece]) -> list[Piece]:
    """Pieces of a text that is these words letter for letter, however it is spaced; else none."""
    found, at = [], 0
    for word in heard:
        bare = "".join(word.text.split())
        match = re.match(r"\s*" + r"\s*".join(map(re.escape, bare)), text[at:]) if bare else None
        if match is None:
            return []
        whole = match.group()
        spaced = at == 0 or whole[:1].isspace()
        found.append(replace(word, text="".join(whole.split()), spaced=spaced))
        at += len(whole)
    return [] if text[at:].strip() else found


def _aligned(
    tokens: Sequence[str], heard: Sequence[Piece], start_s: float, end_s: float
) -> list[Piece]:
    said = [_bare(word.text) for word in heard]
    times: list[Piece | None] = [None] * len(tokens)
    matcher = SequenceMatcher(None, [_bare(token) for token in tokens], said)
    for tag, first, last, at, to in matcher.get_opcodes():
        if tag == "equal" or (tag == "replace" and last - first == to - at):
            for token, word in zip(range(first, last), heard[at:to], strict=True):
                sure = word.confidence if tag == "equal" else math.nan
                times[token] = replace(word, text=tokens[token], confidence=sure, spaced=True)
    return list(_filled(tokens, times, start_s, end_s))


def _filled(
    tokens: Sequence[str], times: Sequence[Piece | None], start_s: float, end_s: float
) -> Iterator[Piece]:
    """Give those without a time what their neighbours leave, by their letters."""
    at, i = start_s, 0
    while i < len(tokens):
        known = times[i]
        if known is not None:
            yield known
            at, i = known.end_s, i + 1
            continue
        stop = next((k for k in range(i, len(tokens)) if times[k] is not None), len(tokens))
        after = times[stop] if stop < len(tokens) else None
        until = max(at, after.start_s if after else end_s)
        letters = sum(map(len, tokens[i:stop]))
        for token in tokens[i:stop]:
            to = at + (until - at) * len(token) / letters
            letters -= len(token)
            yield Piece(token, at, to)
            at = to
        i = stop


def _forwards(found: Sequence[Piece]) -> Iterator[Piece]:
    at = -math.inf
    for piece in found:
        start_s = max(at, piece.start_s)
        yield replace(piece, start_s=start_s, end_s=max(start_s, piece.end_s))
        at = start_s


def _cut(piece: Piece) -> Iterator[Piece]:
    n = math.ceil(len(piece.text) / _TOO_LONG)
    step_s = (piece.end_s - piece.start_s) / max(1, n)
    for i in range(n):
        yield replace(
            piece,
            text=piece.text[i * _TOO_LONG : (i + 1) * _TOO_LONG],
            start_s=piece.start_s + i * step_s,
            end_s=piece.start_s + (i + 1) * step_s,
            spaced=piece.spaced and i == 0,
        )


def _bare(word: str) -> str:
    return "".join(filter(str.isalnum, word)).casefold() or word
