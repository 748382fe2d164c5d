"""Files of other tools: one module a format.

`rttm`, `textgrid`: who spoke when.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from nbstream.errors import ParameterError
from nbstream.export import rttm, textgrid

_READERS = {".rttm": rttm.read, ".textgrid": textgrid.read}


def read_spans(path: str | Path) -> pd.DataFrame:
    """Who spoke when, from a file: RTTM or Praat's TextGrid.

    Returns
    -------
    DataFrame
        ``start_s``, ``end_s``, ``speaker``, ``text``; in order.

    Raises
    ------
    ParameterError
        If the file is of another kind, or can't be read as what it is called.

    """
    path = Path(path).expanduser()
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ParameterError(
            f"{path.name} is of no kind that can be read here.",
            hint="Reference spans come from .rttm and .TextGrid files.",
            parameter="reference",
        )
    if not path.is_file():
        raise ParameterError(f"there is no file {path}.", parameter="reference")
    spans = pd.DataFrame(reader(path), columns=["start_s", "end_s", "speaker", "text"])
    return spans.astype(
        {"start_s": float, "end_s": float, "speaker": "string", "text": "string"}
    ).sort_values("start_s", ignore_index=True)
