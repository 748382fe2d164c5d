"""A text that keeps itself to itself."""

from __future__ import annotations

from typing import Any


class Secret:
    """A key or token: shown by no repr, traceback or list of variables, and not pickled."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text.strip()

    def reveal(self) -> str:
        """The text itself. Only for a handshake's header."""
        return self._text

    def fits_a_header(self) -> bool:
        """Whether it could be a key at all; a line break in it could end in a log."""
        return bool(self._text) and self._text.isascii() and self._text.isprintable()

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled")
