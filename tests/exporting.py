"""Talks made by hand, hostile ones among them, and the programs that open what is exported."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest

from nbstream.export import Talk
from nbstream.export.talk import ADDED, ANNOTATIONS, with_annotations
from nbstream.tables import SCHEMA

HOSTILE = [
    "<script>alert(1)</script> & <b>bold</b>",
    '=HYPERLINK("http://x.invalid","y")',
    "+1 -2 @SUM(A1) \t\r\n next line",
    "\u0634\u0643\u0631\u0627 \u202eevil\u202c \u200f\u0645\u0631\u062d\u0628\u0627 \u202eopen",
    "00:00:01,000 --> 00:00:02,000\n\n42\n-->",
    r"{\an8}{\k100}brace\Nline\hspace {unclosed",
    'item [2]: class = "IntervalTier" name = "x" intervals [1]: text = "q" """',
    "\x00\x01\x1b[31m\ufffe\x85\u2028end",
    ";; SPEAKER talk 1 0 1 <NA> <NA> x",
    "]]> <!-- <!DOCTYPE a> &lol; %x;",
    "[label] (note) Ada: (mark)",
    "NOTE WEBVTT\n\nSTYLE",
    "../../etc/passwd",
    "日本語の文字起こしは空白がありません" * 6,
    "x" * 10_000,
    "word " * 2_000,
]
NAMES = ["ada", 'B/o"b, \n<x>: y', "turns@words.2@", "../../x", "", "a b"]


def talk(
    turns: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]] = (),
    **about: Any,
) -> Talk:
    """A talk of these turns: ``text``, ``start_s``, ``end_s``; ``speaker``, ``words``..."""
    rows, words = [], []
    for number, turn in enumerate(turns):
        row = dict.fromkeys(SCHEMA["turns"])
        row |= {"connection": 0, "turn_order": number, "is_final": True, "arrived_s": 0.0}
        row |= {"n_words": 0, "n_partials": 0, "is_formatted": True, "revision": 0}
        row |= {k: v for k, v in turn.items() if k in row}
        row["transcript"] = turn["text"]
        rows.append(row)
        words += [
            dict.fromkeys(SCHEMA["words"])
            | {"connection": 0, "turn_order": number, "word": i, "is_final": True}
            | {"text": text, "start_s": start_s, "end_s": end_s, "confidence": 0.9}
            for i, (text, start_s, end_s) in enumerate(turn.get("words", spread(turn)))
        ]
    notes = [
        {"id": f"id{i}", "author": "ada", "at": "", **row} for i, row in enumerate(annotations)
    ]
    table = pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in notes], dtype=dtype)
            for name, dtype in ANNOTATIONS.items()
        }
    )
    given = frame("turns", rows)
    ends = [turn["end_s"] for turn in turns if turn.get("end_s") is not None]
    return Talk(
        **{
            "name": "talk",
            "turns": with_annotations(given, table),
            "words": frame("words", words),
            "annotations": table,
            "duration_s": max([1.0, *ends]),
        }
        | about
    )


def frame(table: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table of the schema."""
    return pd.DataFrame(
        {
            name: pd.Series([row[name] for row in rows], dtype=dtype)
            for name, (dtype, _) in SCHEMA[table].items()
            if name not in ADDED
        }
    )


def spread(turn: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Words of a turn, evenly over its time."""
    if turn.get("start_s") is None:
        return []
    texts = turn["text"].split()
    step_s = (turn["end_s"] - turn["start_s"]) / max(1, len(texts))
    return [
        (text, turn["start_s"] + i * step_s, turn["start_s"] + (i + 1) * step_s)
        for i, text in enumerate(texts)
    ]


def hostile() -> Talk:
    """Every hostile text said by every sort of name, labelled and noted with the next one."""
    turns = [
        {"text": text, "start_s": 4.0 * i, "end_s": 4.0 * i + 3, "speaker": NAMES[i % len(NAMES)]}
        for i, text in enumerate(HOSTILE)
    ]
    notes = [
        {"kind": kind, "start_s": 4.0 * i, "end_s": 4.0 * i + 3, "value": HOSTILE[i - 1]}
        | {"connection": 0, "turn_order": i}
        for i in range(len(HOSTILE))
        for kind in ("label", "note")
    ]
    notes += [
        {"kind": "mark", "start_s": 1.0 + i, "end_s": 1.0 + i, "value": text}
        for i, text in enumerate(HOSTILE)
    ]
    return talk(turns, notes, name='../../ta/lk"\n<x>')


def run(program: str, *arguments: Any, package: str = "") -> str:
    """What a program of somebody else prints; the test fails if it is not there, or complains."""
    if shutil.which(program) is None:
        pytest.fail(f"{program} is missing: apt-get install {package or program}")
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    return done.stdout.decode("utf-8")
