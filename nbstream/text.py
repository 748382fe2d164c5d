"""Text that others wrote: what is no text in it hides nothing of the rest."""

from __future__ import annotations


def decoded(line: bytes) -> str:
    """A line of a file of ours: halves of surrogate pairs as they are, U+FFFD for damage."""
    try:
        return line.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace")


def valid(text: str) -> str:
    """`text` with U+FFFD in the place of halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
