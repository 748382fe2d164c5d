"""How right the automatic text is: word and character error rates, and where the errors are.

Counted by jiwer. The errors are those of the fewest edits that turn what was said (the reference)
into what was recognised: a substitution, a deletion (said, not recognised) or an insertion
(recognised, not said) each. WER = (S + D + I) / words said, so it may be more than 1. Over all,
counts are added up before they are divided.
"""

from __future__ import annotations

import html
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from nbstream import export
from nbstream.errors import ParameterError
from nbstream.text import valid

Normalise = Callable[[str], str]

_COUNTS: Final = ("n_words", "hits", "substitutions", "deletions", "insertions")
_WHOLE: Final = ("n_turns", *_COUNTS, "n_characters", "character_errors")
_SHARE: Final = 0.5  # of the shorter of turn and span, that makes them one stretch of speech
_HOW: Final = (
    "A text, a list with a text for each final turn, a path (.txt, .TextGrid and others with text "
    "and times), or a table with start_s, end_s and text."
)


def normalise(text: str) -> str:
    """The default: case, punctuation and symbols do not count, digits and spelling do.

    Unicode NFC and casefold; every punctuation mark and symbol becomes a space, but not an
    apostrophe inside a word (don't, however it is curled), nor a point, comma or colon between
    digits (3.5); whitespace is collapsed. "5" and "five", "colour" and "color" stay different.
    """
    folded = unicodedata.normalize("NFC", text).casefold().replace("\u2019", "'")
    found = []
    for before, sign, after in zip(" " + folded, folded, folded[1:] + " ", strict=False):
        is_inside = (sign == "'" and before.isalnum() and after.isalnum()) or (
            sign in ".,:" and before.isdigit() and after.isdigit()
        )
        is_mark = unicodedata.category(sign)[0] in "PS" and not is_inside
        found.append(" " if is_mark else sign)
    return " ".join("".join(found).split())


@dataclass(frozen=True, slots=True)
class Stretch:
    """One thing to compare: a turn, or what turns and spans of the reference have in common."""

    reference: str
    hypothesis: str
    connection: int | None = None
    turn_order: int | None = None
    n_turns: int = 0
    start_s: float = float("nan")
    end_s: float = float("nan")


@dataclass(frozen=True, slots=True)
class Alignment:
    """Two texts, word by word, as they were compared.

    `parts` are (what, said, recognised), `what` being ``"equal"``, ``"substitute"``, ``"delete"``
    or ``"insert"``.
    """

    title: str
    parts: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        return " ".join(_MARKED[what].format(a=said, b=heard) for what, said, heard in self.parts)

    def to_html(self) -> str:
        """Marked by strokes and signs as well as by colour."""
        shown = []
        for what, said, heard in self.parts:
            one = html.escape(heard if what == "equal" else "")
            if what in ("substitute", "insert"):
                one += f'<del style="{_WRONG}">&minus;{html.escape(heard)}</del>'
            if what in ("substitute", "delete"):
                one += f'<ins style="{_RIGHT}">+{html.escape(said)}</ins>'
            shown.append(one)
        return f"<p><b>{html.escape(self.title)}</b> <span dir=auto>{' '.join(shown)}</span></p>"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Alignments; shows itself at the end of a cell. ``print`` writes it as text."""

    alignments: list[Alignment] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(f"{one.title}: {one}" for one in self.alignments)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        legend = (
            f'<p><small>Recognised, not said: <del style="{_WRONG}">&minus;word</del>. '
            f'Said, not recognised: <ins style="{_RIGHT}">+word</ins>.</small></p>'
        )
        return "<div>" + legend + "".join(one.to_html() for one in self.alignments) + "</div>"


_MARKED: Final = {
    "equal": "{b}",
    "substitute": "[-{b}-]{{+{a}+}}",
    "delete": "{{+{a}+}}",
    "insert": "[-{b}-]",
}
# Text of the theme on a tint: readable on light and dark.
_WRONG: Final = "background:#d55e0055;text-decoration:line-through"
_RIGHT: Final = "background:#0072b255;text-decoration:underline"


def error_rates(stretches: Sequence[Stretch], how: Normalise = normalise) -> pd.DataFrame:
    """Word and character error rates of each stretch, and over all.

    Returns
    -------
    DataFrame
        A row a stretch, ``scope`` "turn", and a last one, "all": ``connection``, ``turn_order``
        (of the first turn), ``n_turns``, ``start_s``, ``end_s``, ``reference`` and ``hypothesis``
        as they were compared, ``n_words`` of the reference, ``hits``, ``substitutions``,
        ``deletions``, ``insertions``, ``wer``, ``n_characters``, ``character_errors``, ``cer``.
        Rates are shares (0.1 is 10 %), NaN where nothing was said but something recognised.

    """
    jiwer = _jiwer()
    made = []
    for one in stretches:
        said, heard = _ready(one.reference, how), _ready(one.hypothesis, how)
        by_word, by_sign = jiwer.process_words(said, heard), jiwer.process_characters(said, heard)
        row: dict[str, Any] = {name: getattr(one, name) for name in _PLACE}
        row |= {"scope": "turn", "reference": said, "hypothesis": heard}
        row |= {name: getattr(by_word, name) for name in _COUNTS[1:]}
        row["n_words"] = by_word.hits + by_word.substitutions + by_word.deletions
        row["n_characters"] = by_sign.hits + by_sign.substitutions + by_sign.deletions
        row["character_errors"] = by_sign.substitutions + by_sign.deletions + by_sign.insertions
        made.append(row)
    total: dict[str, Any] = {name: sum(row[name] for row in made) for name in _WHOLE}
    table = pd.DataFrame([*made, total | {"scope": "all"}], columns=list(_COLUMNS))
    errors = table["substitutions"] + table["deletions"] + table["insertions"]
    table["wer"] = _rate(errors, table["n_words"])
    table["cer"] = _rate(table["character_errors"], table["n_characters"])
    return table.astype(_COLUMNS)


def compare(stretches: Sequence[Stretch], how: Normalise = normalise) -> Comparison:
    """Where the errors are, word by word; words as they were compared."""
    jiwer = _jiwer()
    found = []
    for number, one in enumerate(stretches):
        made = jiwer.process_words(_ready(one.reference, how), _ready(one.hypothesis, how))
        parts = tuple(
            (
                chunk.type,
                " ".join(made.references[0][chunk.ref_start_idx : chunk.ref_end_idx]),
                " ".join(made.hypotheses[0][chunk.hyp_start_idx : chunk.hyp_end_idx]),
            )
            for chunk in made.alignments[0]
        )
        title = f"{one.start_s:.2f} s" if one.start_s == one.start_s else f"text {number}"
        found.append(Alignment(title, parts))
    return Comparison(found)


def from_corrections(turns: pd.DataFrame) -> list[Stretch]:
    """Turns that were corrected: what the service wrote against what a person wrote."""
    return [
        Stretch(str(row.corrected), row.transcript, *_place(row))
        for row in _rows(turns[turns["corrected"].notna()])
    ]


def from_reference(
    turns: pd.DataFrame, reference: str | Path | Iterable[str] | pd.DataFrame
) -> list[Stretch]:
    """Final turns against what somebody else wrote.

    Raises
    ------
    ParameterError
        If the reference can't be read, holds no text, or does not go with the turns.

    """
    turns = turns[turns["is_final"]]
    if isinstance(reference, str | Path):
        text = _read(reference)
        if isinstance(text, str):
            return [Stretch(text, " ".join(turns["transcript"]), n_turns=len(turns))]
        reference = text
    if isinstance(reference, pd.DataFrame):
        return _by_time(turns, reference)
    texts = list(reference)
    if len(texts) != len(turns) or not all(isinstance(text, str) for text in texts):
        raise ParameterError(
            f"the reference is no list of {len(turns)} texts, one for each final turn.",
            hint=_HOW,
            parameter="reference",
        )
    return [
        Stretch(text, row.transcript, *_place(row))
        for text, row in zip(texts, _rows(turns), strict=True)
    ]


def _read(reference: str | Path) -> str | pd.DataFrame:
    path = Path(reference).expanduser()
    looks_like_one = len(str(reference).split()) == 1 and path.suffix
    # Path.is_file raises of a text that is too long for a name.
    if isinstance(reference, str) and not (looks_like_one or os.path.isfile(path)):
        return reference
    if path.suffix.lower() != ".txt":
        return export.read_spans(path)
    try:
        text = path.read_text("utf-8-sig")
        # Labels of Audacity are called so as well.
        return export.read_spans(path) if re.match(r"[\d.]+\t[\d.]+\t", text) else text
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"{path} can't be read as text: {error}.", hint=_HOW, parameter="reference"
        ) from error


def _by_time(turns: pd.DataFrame, spans: pd.DataFrame) -> list[Stretch]:
    """Turns and spans that overlap by more than half of the shorter are one stretch."""
    missing = {"start_s", "end_s", "text"} - set(spans.columns)
    if missing:
        raise ParameterError(
            f"the reference lacks {', '.join(sorted(missing))}.", hint=_HOW, parameter="reference"
        )
    spans = spans[spans["text"].fillna("").str.strip() != ""].sort_values("start_s")
    if spans.empty:
        raise ParameterError("the reference holds no text.", hint=_HOW, parameter="reference")
    turns = turns[turns["start_s"].notna()].sort_values("start_s")
    a, b = (one[["start_s", "end_s"]].to_numpy(np.float64) for one in (turns, spans))
    starts, ends = np.maximum.outer(a[:, 0], b[:, 0]), np.minimum.outer(a[:, 1], b[:, 1])
    shorter_s = np.minimum.outer(a[:, 1] - a[:, 0], b[:, 1] - b[:, 0])
    linked = (ends - starts) > _SHARE * np.maximum(shorter_s, 1e-9)
    if "speaker" in spans.columns:
        who, other = turns["speaker"].fillna("").to_numpy(), spans["speaker"].fillna("").to_numpy()
        if set(who) & set(other) - {""}:  # Else they are called by other names.
            linked &= (who[:, None] == other) | (who == "")[:, None] | (other == "")
    rows = _rows(turns)
    found = []
    for mine, theirs in _groups(linked):
        text = " ".join(spans["text"].iloc[theirs])
        place = np.concatenate([a[mine], b[theirs]])
        edges = (float(place[:, 0].min()), float(place[:, 1].max()))
        first = rows[mine[0]] if mine else None
        key: Any = (None, None) if first is None else (first.connection, first.turn_order)
        heard = " ".join(rows[at].transcript for at in mine)
        found.append(Stretch(text, heard, key[0], key[1], len(mine), *edges))
    return sorted(found, key=lambda one: one.start_s)


def _groups(linked: Any) -> list[tuple[list[int], list[int]]]:
    """Rows and columns that hang together, directly or through others."""
    rows, columns = set(range(linked.shape[0])), set(range(linked.shape[1]))
    found = []
    while rows or columns:
        mine: set[int] = {min(rows)} if rows else set()
        theirs: set[int] = set() if rows else {min(columns)}
        while True:
            more = set(np.flatnonzero(linked[sorted(mine)].any(axis=0)).tolist()) if mine else set()
            new = more - theirs
            theirs |= new
            back = np.flatnonzero(linked[:, sorted(theirs)].any(axis=1)).tolist() if theirs else []
            if not new and set(back) <= mine:
                break
            mine |= set(back)
        rows, columns = rows - mine, columns - theirs
        found.append((sorted(mine), sorted(theirs)))
    return found


def _rows(turns: pd.DataFrame) -> list[Any]:
    return list(turns.itertuples())


def _place(row: Any) -> tuple[int, int, int, float, float]:
    return row.connection, row.turn_order, 1, row.start_s, row.end_s


@lru_cache(maxsize=1 << 12)
def _default(text: str) -> str:
    return normalise(text)


def _ready(text: str, how: Normalise) -> str:
    made = _default(text) if how is normalise else how(text)
    if not isinstance(made, str):
        raise ParameterError(
            f"normalise={how!r} made {type(made).__name__} of a text.",
            hint="A function that takes a text and returns a text.",
            parameter="normalise",
        )
    return " ".join(valid(made).split())


def _rate(errors: pd.Series, total: pd.Series) -> pd.Series:
    """0 where nothing was said and nothing recognised; NaN where only something was recognised."""
    return (errors / total.where(total > 0)).mask((errors == 0) & (total == 0), 0.0)


_PLACE: Final = ("connection", "turn_order", "n_turns", "start_s", "end_s")
_COLUMNS: Final[dict[str, Any]] = (
    {"scope": "string", "connection": "Int64", "turn_order": "Int64", "n_turns": "int64"}
    | {"start_s": "float64", "end_s": "float64", "reference": "string", "hypothesis": "string"}
    | dict.fromkeys(_COUNTS, "int64")
    | {"wer": "float64", "n_characters": "int64", "character_errors": "int64", "cer": "float64"}
)


def _jiwer() -> Any:
    try:
        import jiwer
    except ImportError as error:
        raise ParameterError(
            "error rates are counted by jiwer, which is not installed.",
            hint="pip install 'nbstream[wer]'",
        ) from error
    return jiwer
