"""Files of other programs: one module a format.

`talk`: what every writer takes. `formats`: which there are, `write` and `read`. `changes`: what
was edited elsewhere. `tiers`: spans that do not overlap, for `textgrid`, `eaf`, `audacity`, `rttm`.
`cues`: what can be read in time, for `subtitles`. `pieces`: the words of a text, with times.
`flat`: tables. `prose`: text and Markdown. `ctm`, `stm`: for scoring. `sound`: the audio. `clean`:
hostile text made harmless. `spans`: what readers find. `file`: as a whole, or not at all.
"""

from nbstream.export.changes import changes
from nbstream.export.formats import FORMATS, Format, read, read_spans, write
from nbstream.export.talk import Talk, talk_of

__all__ = ["FORMATS", "Format", "Talk", "changes", "read", "read_spans", "talk_of", "write"]
