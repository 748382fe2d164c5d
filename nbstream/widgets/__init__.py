"""What a person sees in a notebook: `Recorder`, and the two parts that it is made of.

| part | shows |
|---|---|
| `Status` | state in words, time, level, the last problem with its hint |
| `View` | sound, transcript and table of a session |

What they run in the page is in `nbstream.front`. Python sets traits, JavaScript sends messages;
everything that is needed to draw is in traits, so that a view that joins late is right at once.
"""

from __future__ import annotations

from nbstream.widgets.recorder import Recorder

__all__ = ["Recorder"]
