"""Names of channels that are kept apart, as a user gives them."""

from __future__ import annotations

from collections.abc import Sequence

from nbstream.errors import ParameterError, SourceError

HINT = 'Give one name a channel, such as speakers=("agent", "caller").'


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """`names` without spaces around them.

    Raises
    ------
    ParameterError
        If one is empty, or comes twice, or they are one text instead of several.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ParameterError(f"speakers {names!r} are not names.", hint=HINT, parameter="speakers")
    speakers = tuple(name.strip() for name in names)
    if "" in speakers:
        raise ParameterError(
            f"speakers {names!r}: a name is empty.", hint=HINT, parameter="speakers"
        )
    if len(set(speakers)) < len(speakers):
        raise ParameterError(
            f"speakers {names!r}: a name comes twice.", hint=HINT, parameter="speakers"
        )
    return speakers


def wrong_number(label: str, n_channels: int, speakers: Sequence[str]) -> SourceError:
    """The error of a source that has another number of channels than names were given."""
    return SourceError(
        f"{label} has {_counted(n_channels, 'channel')}, and speakers has "
        f"{_counted(len(speakers), 'name')}: {', '.join(speakers)}.",
        hint=f"{HINT} Without speakers, channels are mixed into one.",
        source=label,
    )


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
