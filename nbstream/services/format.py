"""The one audio format that a session is recorded in, as options of a service."""

from __future__ import annotations

from typing import Any

from nbstream import protocol
from nbstream.audio import SAMPLE_RATE_HZ
from nbstream.errors import ParameterError


def with_format(options: protocol.Options) -> dict[str, Any]:
    """`options` with the one audio format that a session is recorded in."""
    fixed = {"sample_rate": SAMPLE_RATE_HZ, "encoding": "pcm_s16le"}
    for name, value in fixed.items():
        if options.get(name, value) != value:
            raise ParameterError(
                f"{name} {options.get(name)!r} can't be used: sessions are {value}.",
                hint=f"Leave {name} out; sources of other formats are converted.",
                parameter=name,
            )
    return fixed | dict(options)
