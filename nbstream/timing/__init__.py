"""Turn timing: latency, endpointing, pauses, floor transfers, stability of partials.

`definitions`: what each figure means. `turns`: one row a turn, or a word. `clock`: when audio was
captured and sent. `context`: model, settings and commands. `edges`: where speech begins and ends.
`reference`: speakers from elsewhere. `floor`: who
took the floor. `summary`: percentiles. `accessor`: ``df.nbstream``.
"""

from nbstream.timing.accessor import Accessor
from nbstream.timing.clock import CaptureClock, SendClock
from nbstream.timing.context import Commands
from nbstream.timing.definitions import DEFINITIONS, Definition, definitions
from nbstream.timing.edges import Spans, edges
from nbstream.timing.floor import floor_transfer_ms
from nbstream.timing.reference import speakers
from nbstream.timing.summary import gathered, percentile, summary
from nbstream.timing.turns import labels, turns, words

__all__ = [
    "DEFINITIONS",
    "Accessor",
    "CaptureClock",
    "Commands",
    "Definition",
    "SendClock",
    "Spans",
    "definitions",
    "edges",
    "floor_transfer_ms",
    "gathered",
    "labels",
    "percentile",
    "speakers",
    "summary",
    "turns",
    "words",
]
