"""AssemblyAI Streaming v3 without I/O: text and numbers in, text and numbers out.

`parameters`: options -> URL and ``UpdateConfiguration``, ranges checked.
`messages`: what the server says -> events, what we say -> text.
`closing`: how a connection ended -> error, hint and whether to try again.
`endpointing`: how long the service waits in silence.
`chunking`: how much audio goes into one message, and how soon the next may go.
"""

from nbstream.protocol.chunking import Pace, next_chunk
from nbstream.protocol.closing import Ending, ending
from nbstream.protocol.endpointing import PRESETS, Preset, turn_silences_ms
from nbstream.protocol.messages import decode, force_endpoint, keep_alive, terminate
from nbstream.protocol.parameters import (
    DEFAULT_MODEL,
    MODELS,
    PARAMETERS,
    Options,
    Parameter,
    check,
    ineffective,
    is_pro,
    query,
    update_configuration,
)

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "PARAMETERS",
    "PRESETS",
    "Ending",
    "Options",
    "Pace",
    "Parameter",
    "Preset",
    "check",
    "decode",
    "ending",
    "force_endpoint",
    "ineffective",
    "is_pro",
    "keep_alive",
    "next_chunk",
    "query",
    "terminate",
    "turn_silences_ms",
    "update_configuration",
]
