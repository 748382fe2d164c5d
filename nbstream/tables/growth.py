"""How the text of one turn grew: what was shown, what was revised, and when each word came."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

_NOT_SPOKEN = re.compile(r"[^\w']+")


@lru_cache(maxsize=1 << 16)
def bare(word: str) -> str:
    """A word without case and punctuation: formatting is no change of mind."""
    return _NOT_SPOKEN.sub("", word).casefold()


@dataclass(slots=True)
class Growth:
    """Counts over the messages of one turn; times in s since the session began.

    A word is *kept* from one message to the next where both have it in the same order, case and
    punctuation aside. What is not kept was changed or dropped: it is *revised*. A last word that
    goes on ("some", "something") is not revised, since all that was shown still stands.
    """

    words: tuple[str, ...] = ()  # of the latest message, bare
    first_s: list[float] = field(default_factory=list)  # when each of them first stood there
    final_s: list[float] = field(default_factory=list)  # when it became final; NaN before
    first_text_s: float = math.nan  # arrival of the first message with a word in it
    n_kept: int = 0  # words the latest message begins with, as the one before it did
    n_revised: int = 0  # words of the message before it that it changed or dropped
    n_revisions: int = 0  # messages that revised a word
    n_unstable: int = 0  # words revised, over all messages
    n_erased: int = 0  # words behind the beginning that was kept, over all messages

    def add(
        self, texts: Sequence[str], are_final: Sequence[bool], at_s: float, *, counts: bool = True
    ) -> None:
        """Take in the words of the turn's next message, and which of them are final.

        Without `counts`, as of a formatted final behind a raw one, only the times are carried on.
        """
        old, new = self.words, tuple(map(bare, texts))
        if new and math.isnan(self.first_text_s):
            self.first_text_s = at_s
        kept = _common_beginning(old, new)
        first_s = self.first_s[:kept] + [at_s] * (len(new) - kept)
        final_s = self.final_s[:kept] + [math.nan] * (len(new) - kept)
        n_revised = n_erased = 0
        if kept < len(old) and not _goes_on(old, new, kept):
            # Words behind the first change may stand there still, only shifted.
            n_same = 0
            for a, b, n in _shifted(old, new, kept):
                first_s[b : b + n] = self.first_s[a : a + n]
                final_s[b : b + n] = self.final_s[a : a + n]
                n_same += n
            n_erased = len(old) - kept
            n_revised = n_erased - n_same
        for i, is_final in enumerate(are_final):
            if is_final and math.isnan(final_s[i]):
                final_s[i] = at_s
        self.words, self.first_s, self.final_s = new, first_s, final_s
        if counts:
            self.n_kept, self.n_revised = kept, n_revised
            self.n_revisions += n_revised > 0
            self.n_unstable += n_revised
            self.n_erased += n_erased


def same_words(old: tuple[str, ...], new: tuple[str, ...]) -> dict[int, int]:
    """Place in `new` -> place in `old` of the words that `Growth` takes for kept; bare words."""
    kept = _common_beginning(old, new)
    same = {i: i for i in range(kept)}
    if _goes_on(old, new, kept):
        return same | {kept: kept}
    for a, b, n in _shifted(old, new, kept):
        same |= {b + i: a + i for i in range(n)}
    return same


def _shifted(
    old: tuple[str, ...], new: tuple[str, ...], kept: int
) -> Iterator[tuple[int, int, int]]:
    """Runs of words behind the first `kept` that are in both: place in `old`, in `new`, length."""
    matcher = difflib.SequenceMatcher(None, old[kept:], new[kept:], autojunk=False)
    for a, b, n in matcher.get_matching_blocks():
        yield kept + a, kept + b, n


def _common_beginning(old: tuple[str, ...], new: tuple[str, ...]) -> int:
    if new[: len(old)] == old:
        return len(old)
    for i, (a, b) in enumerate(zip(old, new, strict=False)):
        if a != b:
            return i
    return min(len(old), len(new))


def _goes_on(old: tuple[str, ...], new: tuple[str, ...], kept: int) -> bool:
    """Whether `new` only carries on the last word of `old`."""
    return kept == len(old) - 1 and len(new) > kept and new[kept].startswith(old[kept])
