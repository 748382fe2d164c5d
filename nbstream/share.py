"""A session as one HTML file, for somebody who has no kernel, no key and no nbstream.

The page says everything in plain HTML, so that it can be read, and printed, where no script runs;
`front/sharepage.js` adds the waveform and sound from each word. It needs no network and may use
none: its policy allows its own script, its own style, and data inside the file.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from nbstream import front, plots, timing
from nbstream._version import __version__
from nbstream.audio import PcmArray
from nbstream.errors import NbstreamError, ParameterError
from nbstream.export.clean import clean
from nbstream.export.file import replacing
from nbstream.export.talk import Said, Talk, talk_of
from nbstream.front.page import snapshot_json
from nbstream.session import Session
from nbstream.sources.compressed import compressed
from nbstream.tables import in_order

_READ_S: Final = 10
_LEAST_BYTES_PER_S: Final = 1500  # of a channel; speech that is compressed well has more
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_SERVICES: Final = {"assemblyai": "AssemblyAI", "local": "local recogniser", "replay": "a replay"}
_LANGUAGE: Final = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*")

Json = dict[str, Any]


def share(
    session: Session,
    path: str | Path,
    *,
    timing: bool = True,
    audio: bool = True,
    max_mb: float = 25,
) -> Path:
    """Write a session to one HTML file; see `Session.share`."""
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise ParameterError(
            f"{path.name!r} is no name of a page.", hint='Call it "talk.html".', parameter="path"
        )
    talk = talk_of(session)
    sound = _sound(session, path, max_mb) if audio else ""
    page = _page(session, talk, sound, with_timing=timing).encode("utf-8", "replace")
    if len(page) > max_mb * 1e6:
        raise _too_large(path, len(page), max_mb)
    with replacing(path) as new:
        new.write_bytes(page)
    return path


# -- the page ----------------------------------------------------------------------------------


def _page(session: Session, talk: Talk, sound: str, *, with_timing: bool) -> str:
    said = [turn for turn in talk.said() if turn.is_timed]
    said.sort(key=lambda turn: (turn.start_s, turn.key))
    labels = session.labels
    script = front.module("sharepage.js") + "\nsharePage(document);\n"
    style = front.style("sharepage.js") + _colours(labels)
    title = escape(talk.title)
    data = json.dumps(_state(session, talk, said)).replace("<", "\\u003c")
    parts = [
        f"<h1>{title}</h1>",
        _facts(session, said),
        f'<section aria-label="Sound"><div class="listen">{sound}</div><div id="sound"></div>',
        _picture(session, talk),
        "</section>",
        _transcript(talk, said, list(labels)),
        _marks(talk),
        _timing(session) if with_timing else "",
        _footer(bool(sound)),
    ]
    # What the page may do: nothing but what is in it. A script that got in would not run.
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="nbstream {__version__}">
<title>{title}</title>
<style>{style}</style>
</head>
<body class="nbs-part nbs-share">
<main>
{"".join(f"{part}{chr(10)}" for part in parts if part)}</main>
<script type="application/json" id="session">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _colours(labels: dict[str, str]) -> str:
    """A rule for each label: a style in an attribute would not be allowed."""
    return "".join(
        f"\n.nbs-share .label-{n} {{ --label: {colour}; }}"
        for n, colour in enumerate(labels.values())
        if _COLOUR.fullmatch(colour)
    )


def _state(session: Session, talk: Talk, said: list[Said]) -> Json:
    """What `front/store.js` takes: final turns, as they were corrected; no path of this machine."""
    state = snapshot_json(session)
    by_key = {turn.key: turn for turn in said}
    turns = []
    for turn in state["turns"]:
        corrected = by_key.get((turn["connection"], turn["turn"]))
        if corrected is None:
            continue
        words = [
            [
                word.text,
                _number(word.start_s),
                _number(word.end_s),
                _number(word.confidence),
            ]
            for word in corrected.words
        ]
        turn |= {"text": corrected.text, "speaker": corrected.speaker or None, "words": words}
        turns.append(turn)
    head = state["head"]
    speakers = dict.fromkeys(turn["speaker"] for turn in turns if turn["speaker"])
    head = head | {"folder": session.folder.name, "speakers": list(speakers)}
    gaps = [gap | {"cause": _without_path(session, str(gap["cause"]))} for gap in state["gaps"]]
    return state | {"head": head, "turns": turns, "gaps": gaps}


def _without_path(session: Session, text: str) -> str:
    for place in (session.folder.parent, Path.home()):
        if len(place.parts) > 1:
            text = text.replace(str(place), "")
    return text


def _facts(session: Session, said: list[Said]) -> str:
    service = session.meta.get("service", {})
    models = session.connections["model"].dropna()
    model = str(models.iloc[-1]) if len(models) else str(service.get("model") or "")
    by = " ".join(filter(None, [_SERVICES.get(str(service.get("name")), ""), model]))
    speakers = list(dict.fromkeys(turn.speaker for turn in said if turn.speaker))
    facts = {
        "Recorded": _when(str(session.meta.get("started_at", ""))),
        "Length": _clock(session.duration_s),
        "Turns": str(len(said)),
        "Speakers": ", ".join(speakers),
        "Transcribed by": by,
        "State": "" if session.state == "stopped" else session.state,
    }
    rows = [
        f"<div><dt>{name}</dt><dd>{escape(clean(fact))}</dd></div>"
        for name, fact in facts.items()
        if fact
    ]
    return f'<dl class="facts">{"".join(rows)}</dl>'


def _picture(session: Session, talk: Talk) -> str:
    peaks = session.peaks()
    if not len(peaks):
        return ""
    turns = talk.turns
    table = turns.assign(
        transcript=turns["corrected"].fillna(turns["transcript"]),
        speaker=turns["speaker_corrected"].fillna(turns["speaker"]),
    )
    rows = [row for row in in_order(session.fold_rows()) if row.is_final]
    png = plots.picture(peaks, rows, table, end_s=session.duration_s)
    about = f"Waveform of {talk.title}, {_clock(session.duration_s)}, with {len(rows)} turns"
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return f'<img class="picture" src="{source}" alt="{escape(about)}">'


def _transcript(talk: Talk, said: list[Said], labels: list[str]) -> str:
    rows = {
        (int(row["connection"]), int(row["turn_order"])): row
        for row in talk.turns.to_dict("records")
    }
    turns = [_turn(turn, rows[turn.key], labels) for turn in said]
    body = f'<ol id="turns"{_language(talk)}>{"".join(turns)}</ol>'
    return f"<h2>Transcript</h2>{body if turns else '<p>Nothing was transcribed.</p>'}"


def _turn(turn: Said, row: dict[Any, Any], labels: list[str]) -> str:
    who = f'<p class="who"><bdi>{escape(turn.speaker)}</bdi></p>' if turn.speaker else ""
    if not pd.isna(row["speaker_corrected"]) and not pd.isna(row["speaker"]):
        who += f" <small>recognised as <bdi>{escape(clean(row['speaker']))}</bdi></small>"
    more = [_label(name, labels) for name in _several(row["label"])]
    if not pd.isna(row["note"]):
        more.append(f'<p class="note" dir="auto">Note: {escape(clean(row["note"]))}</p>')
    if not pd.isna(row["corrected"]):
        was = escape(clean(row["transcript"])) or "nothing"
        more.append(f'<p class="was">Recognised as: <span dir="auto">{was}</span></p>')
    key = f"{turn.key[0]}.{turn.key[1]}"
    return (
        f'<li class="turn" data-key="{key}"><span class="at">{_clock(turn.start_s)}</span>'
        f'<div>{who}<p class="said" dir="auto">{escape(turn.text)}</p>{"".join(more)}</div></li>\n'
    )


def _label(name: str, labels: list[str]) -> str:
    number = f" label-{labels.index(name)}" if name in labels else ""
    return f'<span class="label{number}"><bdi>{escape(clean(name))}</bdi></span>'


def _marks(talk: Talk) -> str:
    """What was noted about spans and instants, and not about turns."""
    table = talk.annotations
    table = table[table["turn_order"].isna() & table["start_s"].notna()].sort_values("start_s")
    items = []
    for kind, value, start_s, end_s in zip(
        table["kind"], table["value"], table["start_s"], table["end_s"], strict=True
    ):
        times = _clock(start_s) + (f" to {_clock(end_s)}" if end_s - start_s >= 1 else "")
        text = f"{clean(kind)}: {clean(value)}" if clean(value) else clean(kind)
        items.append(
            f'<li><button type="button" class="at" data-at="{start_s:.3f}">{times}</button> '
            f"<bdi>{escape(text)}</bdi></li>"
        )
    return f'<h2>Marks and spans</h2><ul class="marks">{"".join(items)}</ul>' if items else ""


def _timing(session: Session) -> str:
    """Medians and their intervals, where there are any."""
    try:
        table = timing.summary(session)
        about = timing.definitions()
    except NbstreamError:  # A figure that can't be had must not cost the page.
        return ""
    rows = []
    table = table[table["n"] > 0]
    has_tail = bool(table["p90"].notna().any())  # of few turns nobody knows it
    for figure, row in table.iterrows():
        digits = 0 if str(figure).endswith(("_ms", "_wpm")) else 2
        what, unit = about["formula"][str(figure)], about["unit"][str(figure)]
        cells = [f"{row['n']:.0f}", _figure(row["p50"], digits)]
        low, high = (_figure(row[name], digits) for name in ("p50_low", "p50_high"))
        cells.append(f"{low} to {high}" if low and high else "")
        cells += [_figure(row["p90"], digits)] * has_tail
        name = re.sub(r"_(ms|s|wpm)$", "", str(figure)).replace("_", " ")
        head = f"{escape(name)}, {escape(str(unit))}<small>{escape(str(what))}</small>"
        body = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{head}</th>{body}</tr>')
    if not rows:
        return ""
    names = ["Figure", "Turns", "Median", "95 % interval", *["90 % below"] * has_tail]
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        '<h2 id="timing">Timing</h2><div class="wide" role="region" aria-labelledby="timing" '
        f'tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )


def _footer(has_sound: bool) -> str:
    does = "plays from there" if has_sound else "shows it"
    keys = (
        f"A click on a word {does}. In the transcript, \u2191 and \u2193 go to the turn before and "
        "the next, \u2190 and \u2192 to words, Enter to the turn"
        + ("; space plays and pauses." if has_sound else ".")
    )
    return f'<footer><p class="keys">{keys}</p><p>Made with nbstream {__version__}.</p></footer>'


# -- sound -------------------------------------------------------------------------------------


def _sound(session: Session, path: Path, max_mb: float) -> str:
    if not session.duration_s:
        return ""
    n_channels = session.data.n_channels
    least_bytes = session.duration_s * n_channels * _LEAST_BYTES_PER_S
    if least_bytes > max_mb * 1e6:  # No need to compress it first.
        raise _too_large(path, least_bytes * 4 / 3, max_mb)

    def blocks() -> Iterator[PcmArray]:
        for start_s in np.arange(0, session.duration_s, _READ_S):
            yield session.audio(start_s, start_s + _READ_S)

    data, kind = compressed(blocks, session.data.n_frames, n_channels)
    if len(data) * 4 / 3 > max_mb * 1e6:
        raise _too_large(path, len(data) * 4 / 3, max_mb)
    source = f"data:{kind};base64," + base64.b64encode(data).decode("ascii")
    return f'<audio controls preload="auto" aria-label="The recording" src="{source}"></audio>'


def _too_large(path: Path, n_bytes: float, max_mb: float) -> ParameterError:
    return ParameterError(
        f"{path.name} would have about {n_bytes / 1e6:.1f} MB, more than max_mb={max_mb:g}.",
        hint=f"audio=False leaves the sound out; max_mb={math.ceil(n_bytes * 1.05 / 1e6)} "
        "allows it.",
        parameter="max_mb",
    )


# -- texts -------------------------------------------------------------------------------------


def _several(labels: Any) -> list[str]:
    return [] if pd.isna(labels) else [name for name in str(labels).split("; ") if name]


def _language(talk: Talk) -> str:
    """The language of what was said, for who reads it aloud."""
    found = talk.turns["language_code"].dropna()
    code = str(found.mode().iloc[0]).replace("_", "-") if len(found) else ""
    return f' lang="{code}"' if _LANGUAGE.fullmatch(code) else ""


def _when(started_at: str) -> str:
    with contextlib.suppress(ValueError):
        # Where it was recorded; a reader elsewhere sees which time that was.
        return datetime.fromisoformat(started_at).astimezone().strftime("%d %b %Y, %H:%M (UTC%z)")
    return ""


def _clock(s: float) -> str:
    minutes, seconds = divmod(int(s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _figure(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def _number(value: float) -> float | None:
    return round(float(value), 3) if math.isfinite(value) else None
