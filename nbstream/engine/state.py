"""Where a session is, and what a view may know of it at one instant."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.StrEnum):
    """Where a session is."""

    IDLE = enum.auto()
    CONNECTING = enum.auto()
    RECORDING = enum.auto()
    RECONNECTING = enum.auto()
    PAUSED = enum.auto()
    DRAINING = enum.auto()
    STOPPED = enum.auto()
    FAILED = enum.auto()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.STOPPED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The session at one instant, for views. Times in seconds, level in dBFS.

    `behind_s` is audio recorded but not sent yet; `retry_in_s` counts down to the next attempt to
    connect. `billed_s` adds up open sockets, as the service does, and `cost_usd` is an estimate
    from it. `silent_s` is for how long a live source has been as good as silent, 0 where that tells
    nothing. `message` and `hint` are the last problem; `model` is the one really used, `expires_at`
    the server's cap in Unix seconds.
    """

    state: State
    elapsed_s: float = 0.0
    audio_s: float = 0.0
    behind_s: float = 0.0
    retry_in_s: float | None = None
    billed_s: float = 0.0
    cost_usd: float = 0.0
    level_dbfs: float = -96.0
    clipped: bool = False
    silent_s: float = 0.0
    n_turns: int = 0
    n_partials: int = 0
    overflows: int = 0
    connection: int | None = None
    message: str = ""
    hint: str = ""
    folder: str = ""
    model: str | None = None
    expires_at: float | None = None

    def __str__(self) -> str:
        minutes, seconds = divmod(int(self.audio_s), 60)
        link = "no connection" if self.connection is None else f"connection {self.connection}"
        return (
            f"{self.state.upper()} {minutes}:{seconds:02d} | 16000 Hz | {self.n_turns} turns, "
            f"{self.n_partials} partial | {self.overflows} overflow | {link}"
        )
