"""What a transcript or a name may hold, made harmless for formats that are one line a span."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Line ends of every kind, other control characters, and what XML can't hold.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NO_XML: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")
_OPENS: Final = dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c") | dict.fromkeys(
    "\u2066\u2067\u2068", "\u2069"
)
_WIDE: Final = str.maketrans("{}<>", "\uff5b\uff5d\uff1c\uff1e")


def clean(text: object) -> str:
    """`text` on one line, without control characters; empty for None and NA.

    Marks that turn the direction of writing are closed where the text ends, so that they reach no
    further. Cleaning what is clean changes nothing.
    """
    if not isinstance(text, str):
        return ""
    text = _CONTROL.sub(" ", _NO_XML.sub("\ufffd", text))
    text = re.sub(" {2,}", " ", text).strip()
    return text + _unclosed(text)


def token(name: str) -> str:
    """`name` as one word, for formats whose fields are separated by spaces; never empty."""
    return re.sub(r"[^\w.@+-]+", "_", clean(name)).strip("_") or "unknown"


def fold(text: object) -> str:
    """What two texts have in common that differ only as formats make them differ."""
    return unicodedata.normalize("NFKC", clean(text)).replace("\u2060", "")


def no_tags(text: str) -> str:
    """`text` with wide brackets, for formats in which narrow ones are tags without an escape."""
    return text.translate(_WIDE)


def _unclosed(text: str) -> str:
    waiting: list[str] = []
    for letter in text:
        if letter in _OPENS:
            waiting.append(_OPENS[letter])
        elif waiting and letter == waiting[-1]:
            waiting.pop()
    return "".join(reversed(waiting))
