"""Pictures with matplotlib: `ax` in, Axes out. Data comes as arrays and tables, not as a session.

`session`: waveform and turns. `timing`: floor transfers, latencies, talk time. `stability`: how
texts grew. `report`: all of it on a page. `style`: colours, hatches, legends. `fit`: text that
keeps to its room.

Who and which is told by lane, letter and lightness; a hatch says that something is not plain: a
partial, an overlap, a revised word. So a picture printed in grey says the same.
"""

from nbstream.plots.picture import picture
from nbstream.plots.report import report
from nbstream.plots.session import session, turns
from nbstream.plots.stability import stability
from nbstream.plots.timing import floor_transfers, latencies, silences, talk_time

__all__ = [
    "floor_transfers",
    "latencies",
    "picture",
    "report",
    "session",
    "silences",
    "stability",
    "talk_time",
    "turns",
]
