"""How much audio goes into one message, and how soon the next one may follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nbstream.audio import SAMPLE_RATE_HZ

MIN_MESSAGE_MS: Final = 50
MAX_MESSAGE_MS: Final = 1000


def next_chunk(
    waiting_frames: int, *, ended: bool, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> tuple[int, int]:
    """Size of the next audio message, as (frames of audio, frames of silence behind them).

    The service takes 50 to 1000 ms a message and ends the session on anything else, so a piece
    that is too short waits for more, and the last piece is padded with silence.

    Parameters
    ----------
    waiting_frames : int
        Frames recorded but not sent yet.
    ended : bool
        Whether no more audio will come.

    Returns
    -------
    tuple of int
        ``(0, 0)`` if there is nothing to send now.
    """
    shortest = sample_rate_hz * MIN_MESSAGE_MS // 1000
    longest = sample_rate_hz * MAX_MESSAGE_MS // 1000
    if waiting_frames < shortest:
        return (waiting_frames, shortest - waiting_frames) if ended and waiting_frames else (0, 0)
    if waiting_frames <= longest:
        return waiting_frames, 0
    # Leave enough behind for a whole message: a tail that has to be padded is a last resort.
    return (longest - shortest if waiting_frames < longest + shortest else longest), 0


@dataclass(slots=True)
class Pace:
    """Keeps a stream below `max_speed` times real time, but for a burst.

    Parameters
    ----------
    max_speed : float or None
        Seconds of audio a second; None for no limit (a server that slows us by itself).
    burst_s : float
        Seconds of audio that may go ahead of the pace, so that a short stall is caught up at once.
    """

    max_speed: float | None
    burst_s: float = 5.0

    def wait_s(self, elapsed_s: float, sent_s: float) -> float:
        """Seconds to wait before the next message.

        `elapsed_s` is the time since the first message, `sent_s` the audio sent since then.
        """
        if self.max_speed is None:
            return 0.0
        return max(0.0, (sent_s - self.burst_s) / self.max_speed - elapsed_s)
