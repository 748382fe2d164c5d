"""What a saved notebook keeps of a session: HTML that needs no kernel, no script and no network.

It reads well wherever it is shown: trusted or not in JupyterLab, as a page of its own, and where
every style is taken away, as on GitHub. So there is no SVG, no script and no style sheet in it;
picture and sound are inside; every text is escaped.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import math
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from nbstream import plots
from nbstream.audio import PcmArray
from nbstream.sources.compressed import BYTES_PER_S, compressed
from nbstream.tables import TurnRow, in_order

NEWEST: Final = 200  # turns
SOUND_BYTES: Final = 750_000  # a megabyte once it is text
_CARD = "max-width:1100px;padding:12px 16px;border:1px solid #8888;border-radius:6px"
_CELL = "padding:2px 10px 2px 0;text-align:left;vertical-align:top"
_NUMBER = "padding:2px 10px 2px 0;text-align:right;vertical-align:top;white-space:nowrap"


class Recorded(Protocol):
    """A session, as far as it is needed here."""

    @property
    def name(self) -> str:
        """What it was called."""

    @property
    def folder(self) -> Path:
        """Where it is."""

    @property
    def meta(self) -> dict[str, Any]:
        """What ``session.json`` says."""

    @property
    def state(self) -> str:
        """Where it is: "stopped", "recording"..."""

    @property
    def duration_s(self) -> float:
        """Length of the recording."""

    @property
    def turns(self) -> pd.DataFrame:
        """One row a turn."""

    @property
    def annotations(self) -> pd.DataFrame:
        """One row an annotation."""

    @property
    def gaps(self) -> pd.DataFrame:
        """One row a hole."""

    @property
    def connections(self) -> pd.DataFrame:
        """One row a connection."""

    def fold_rows(self) -> list[TurnRow]:
        """The turns."""

    def peaks(self) -> npt.NDArray[np.int16]:
        """Lowest and highest sample of each 10 ms."""

    def audio(self) -> PcmArray:
        """The samples."""

    def timing(self) -> pd.DataFrame:
        """One row a turn."""


def report_html(session: Recorded, *, sound: bool = True, again: str = "") -> str:
    """A page's worth on a session.

    Parameters
    ----------
    session : Session
        Live or not.
    sound : bool
        Whether it can be played, if it is not too long for that.
    again : str
        How to go on, in words; text.

    """
    rows = in_order(session.fold_rows())
    name = session.name or session.folder.name
    parts = [
        f"<p><strong>{escape(name)}</strong><br>{escape(' · '.join(_facts(session, rows)))}</p>",
        _picture(session, rows),
        _sound(session) if sound else "",
        _table(rows),
        _p(_marked(session)),
        _p(_timing(session)),
        _p(_holes(session)),
        f"<p>{escape(again)} <code>nb.open({escape(repr(shown_path(session.folder)), quote=False)})"
        "</code> opens this one.</p>",
    ]
    return f'<div style="{_CARD}">{"".join(parts)}</div>'


def report_text(session: Recorded) -> str:
    """The same in plain words, for where no HTML is shown."""
    rows = in_order(session.fold_rows())
    name = session.name or session.folder.name
    said = [f"{clock_text(row.start_s)} {_who(row)}{row.transcript}" for row in rows[-NEWEST:]]
    head = f"{name}: {', '.join(_facts(session, rows))}"
    return "\n".join([head, *said, shown_path(session.folder)])


def shown_path(folder: Path) -> str:
    """`folder` as one would write it in the notebook: a saved one need not name a home."""
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _facts(session: Recorded, rows: Sequence[TurnRow]) -> list[str]:
    meta, n_final = session.meta, sum(row.is_final for row in rows)
    service = meta.get("service", {})
    models = session.connections["model"].dropna()
    model = str(models.iloc[-1]) if len(models) else str(service.get("model") or "")
    name = {"assemblyai": "AssemblyAI", "local": "local"}.get(service.get("name"), "")
    facts = [
        _when(meta.get("started_at", "")),
        clock_text(session.duration_s),
        " ".join(filter(None, [name, model])),
        f"{n_final} turn{'' if n_final == 1 else 's'}",
    ]
    if "cost_usd" in meta and service.get("name") != "local":
        billed_min = meta.get("billed_s", 0.0) / 60
        facts.append(f"{billed_min:.1f} min billed, about {meta['cost_usd']:.2f} USD")
    if session.state != "stopped":
        facts.append(session.state)
    return [fact for fact in facts if fact]


def _when(started_at: str) -> str:
    with contextlib.suppress(ValueError):
        # Where it was recorded; a reader elsewhere sees which time that was.
        return datetime.fromisoformat(started_at).astimezone().strftime("%d %b %Y, %H:%M (UTC%z)")
    return ""


def _picture(session: Recorded, rows: list[TurnRow]) -> str:
    peaks = session.peaks()
    if not len(peaks):
        return ""
    gaps = session.gaps
    png = plots.picture(
        peaks,
        # Numbers of turns begin anew on each connection.
        [dataclasses.replace(row, turn_order=i) for i, row in enumerate(rows)],
        session.turns.assign(turn_order=range(len(rows))),
        end_s=session.duration_s,
        marks_s=[at_s for at_s, _ in _marks(session)],
        pauses_s=gaps.loc[gaps["kind"] == "pause", "start_s"].tolist(),
    )
    about = f"Waveform of {clock_text(session.duration_s)} with {len(rows)} turns"
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return f'<p><img src="{source}" alt="{about}" style="max-width:100%"></p>'


def _sound(session: Recorded) -> str:
    n_channels = max(1, len(session.meta.get("speakers", [])))
    where = escape(f"{shown_path(session.folder)}/audio.wav")
    data, kind = b"", ""
    if 0 < session.duration_s * BYTES_PER_S * n_channels <= SOUND_BYTES:
        samples = session.audio()
        data, kind = compressed(lambda: [samples], len(samples), n_channels)
    if not 0 < len(data) <= SOUND_BYTES:
        return f"<p>Too long to be kept in the notebook: the sound is <code>{where}</code>.</p>"
    source = f"data:{kind};base64," + base64.b64encode(data).decode("ascii")
    # What is inside is read where a page takes the player away.
    player = f'<audio controls src="{source}" style="width:100%;max-width:480px">'
    return f"<p>{player}The sound is <code>{where}</code>.</audio></p>"


def _table(rows: Sequence[TurnRow]) -> str:
    if not rows:
        return "<p>Nobody said a word.</p>"
    has_speakers = any(row.speaker for row in rows)
    names = ["turn", "start (s)", *["speaker"] * has_speakers, "text"]
    head = "".join(f'<th style="{_CELL};white-space:nowrap">{name}</th>' for name in names)
    numbered = list(enumerate(rows))[-NEWEST:]
    body = "".join(f"<tr>{_cells(i, row, has_speakers)}</tr>" for i, row in numbered)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    earlier = len(rows) - NEWEST
    rest = f"<p>{earlier} earlier turns are in the folder.</p>" if earlier > 0 else ""
    return f'<div style="max-height:24em;overflow:auto">{table}</div>{rest}'


def _cells(number: int, row: TurnRow, has_speakers: bool) -> str:
    text = escape(row.transcript) if row.is_final else f"<em>{escape(row.transcript)}</em>"
    start = f"{row.start_s:.2f}" if math.isfinite(row.start_s) else ""
    cells = [(cell, _NUMBER) for cell in (str(number), start)]
    cells += [(escape(row.speaker or ""), _CELL)] * has_speakers
    cells.append((text, _CELL))
    return "".join(f'<td style="{style}">{cell}</td>' for cell, style in cells)


def _marks(session: Recorded) -> list[tuple[float, str]]:
    table = session.annotations
    table = table[table["kind"] == "mark"].sort_values("start_s")
    texts = table["value"].fillna("").astype(str)
    return list(zip(table["start_s"].tolist(), texts.tolist(), strict=True))


def _marked(session: Recorded) -> str:
    said = [f"{clock_text(at_s)} {text}".strip() for at_s, text in _marks(session)]
    rest = f" and {len(said) - NEWEST} more" if len(said) > NEWEST else ""
    return f"Marked: {', '.join(said[:NEWEST])}{rest}." if said else ""


def _timing(session: Recorded) -> str:
    """Medians, where there are any."""
    try:
        table = session.timing()
    except Exception:  # A figure that can't be had must not cost the report.
        return ""
    said = []
    for column, words in (
        ("first_partial_ms", "first words {} after they were begun"),
        ("ttfs_ms", "final text {} after the last word"),
        ("fto_ms", "floor transfers {}"),
    ):
        median_ms = pd.to_numeric(table[column], errors="coerce").median()
        if pd.notna(median_ms):
            said.append(words.format(f"{median_ms:.0f} ms"))
    return f"Medians: {', '.join(said)}." if said else ""


def _holes(session: Recorded) -> str:
    """What the recording or its transcript leaves out, in words."""
    table = session.gaps
    said = []
    for kind, words in (("pause", "{} pause"), ("gap", "{} gap"), ("overflow", "{} overflow")):
        of = table[table["kind"] == kind]
        if len(of):
            lost_s = of["lost_s"].sum() if kind != "gap" else (of["end_s"] - of["start_s"]).sum()
            plural = "" if len(of) == 1 else "s"
            said.append(f"{words.format(len(of))}{plural} ({lost_s:.1f} s)")
    return f"Left out: {', '.join(said)}; see session.gaps." if said else ""


def _who(row: TurnRow) -> str:
    return f"{row.speaker}: " if row.speaker else ""


def clock_text(s: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    if not math.isfinite(s):
        return "-"
    minutes, seconds = divmod(int(s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _p(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""
