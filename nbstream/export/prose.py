"""Transcripts to read: plain text and Markdown."""

from __future__ import annotations

import re
from itertools import groupby

from nbstream.export.clean import clean
from nbstream.export.talk import Talk
from nbstream.export.tiers import KINDS, MARKS

_MARKDOWN = re.compile(r"[\\`*_\[\]|~]|^(?:[#>+-]|\d+(?=[.)]))")


def text(talk: Talk, *, speakers: bool = True, times: bool = False) -> str:
    """One turn a line: what was said, behind who said it, where that is known.

    Parameters
    ----------
    talk : Talk
        The session.
    speakers, times : bool
        Whether lines begin with the speaker, and with the time.
    """
    lines = []
    for turn in filter(lambda turn: turn.text, talk.said()):
        at = f"[{clock(turn.start_s)}] " if times and turn.is_timed else ""
        who = f"{turn.speaker}: " if speakers and turn.speaker else ""
        lines.append(f"{at}{who}{turn.text}\n")
    return "".join(lines)


def markdown(talk: Talk, *, times: bool = True) -> str:
    """A heading, turns under their speakers, with labels and notes, and free notes at the end."""
    said = [turn for turn in talk.said() if turn.text]
    speakers = [name for name in dict.fromkeys(turn.speaker for turn in said) if name]
    facts = [talk.started_at[:19].replace("T", " "), clock(talk.duration_s)]
    facts += [", ".join(speakers)] if speakers else []
    parts = [f"# {_escaped(talk.title)}", " · ".join(_escaped(f) for f in facts if f)]
    remarks = {
        (int(row["connection"]), int(row["turn_order"])): (clean(row["label"]), clean(row["note"]))
        for row in talk.turns.to_dict("records")
    }
    for speaker, turns in groupby(said, key=lambda turn: turn.speaker):
        parts += [f"**{_escaped(speaker)}**"] if speaker else []
        for turn in turns:
            at = f"`{clock(turn.start_s)}` " if times and turn.is_timed else ""
            label, note = remarks[turn.key]
            tagged = f" *({_escaped(label)})*" if label else ""
            parts.append(f"{at}{_escaped(turn.text)}{tagged}")
            parts += [f"> {_escaped(note)}"] if note else []
    parts += _free(talk)
    return "\n\n".join(parts) + "\n"


def clock(seconds: float) -> str:
    """``0:07``, ``1:02:03``."""
    minutes, second = divmod(int(seconds) if seconds == seconds else 0, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def _free(talk: Talk) -> list[str]:
    """Labels and notes of spans, and marks: a list."""
    table = talk.annotations
    free = table[
        table["kind"].isin(KINDS) & (table["turn_order"].isna() | (table["kind"] == "mark"))
    ]
    items = [
        f"- `{clock(row['start_s'])} to {clock(row['end_s'])}` {_escaped(row['kind'])}: "
        f"{_escaped(clean(row['value']) or MARKS[:-1])}"
        for row in free.to_dict("records")
    ]
    return ["## Notes", "\n".join(items)] if items else []


def _escaped(text: str) -> str:
    safe = text.replace("&", "&amp;").replace("<", "&lt;")
    return _MARKDOWN.sub(_escape, safe)


def _escape(match: re.Match[str]) -> str:
    found = match.group()
    # Of "1." at the beginning, which would be a list, the point is what can be escaped.
    return found + "\\" if found.isdigit() else "\\" + found
