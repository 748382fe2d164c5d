"""What a person sees in a notebook: `Recorder`, and the three parts that it is made of.

| part | shows |
|---|---|
| `Status` | state in words, time, level, the last problem with its hint |
| `Waveform` | the last 30 s of sound and the turns in it |
| `Turns` | the transcript, and the table of turns |

A part is one Python file with one ``.js`` and one ``.css``, used as they are. Python sets traits,
JavaScript sends messages; everything that is needed to draw is in traits, so that a view that
joins late is right at once.
"""

from __future__ import annotations

from nbstream.widgets.recorder import Recorder

__all__ = ["Recorder"]
