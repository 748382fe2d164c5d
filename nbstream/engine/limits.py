"""When a recording ends by itself."""

from __future__ import annotations

from dataclasses import dataclass

from nbstream.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Limits:
    """When a recording ends by itself.

    Parameters
    ----------
    seconds : float, optional
        Seconds of audio, to the frame.
    max_minutes : float, optional
        Minutes since the start.
    idle_stop_s : float, optional
        Seconds without a word from anybody.
    max_cost : float, optional
        Estimated cost in US dollars, by the service's `usd_per_hour`.

    """

    seconds: float | None = None
    max_minutes: float | None = None
    idle_stop_s: float | None = None
    max_cost: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ParameterError(f"{name} {value!r} must be over 0.", parameter=name)

    def reached(self, elapsed_s: float, silent_s: float, cost_usd: float) -> str:
        """Which limit has been reached, in words; empty if none."""
        if self.max_minutes is not None and elapsed_s >= self.max_minutes * 60:
            return f"max_minutes={self.max_minutes:g} is over"
        if self.idle_stop_s is not None and silent_s >= self.idle_stop_s:
            return f"nobody spoke for idle_stop_s={self.idle_stop_s:g} seconds"
        if self.max_cost is not None and cost_usd >= self.max_cost:
            return f"max_cost={self.max_cost:g} USD is reached (estimate)"
        return ""
