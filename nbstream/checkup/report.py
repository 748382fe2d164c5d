"""The doctor's report, and `doctor`, which makes one of this place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nbstream.checkup import show
from nbstream.checkup.facts import Facts, Row
from nbstream.checkup.rows import obstacles, rows, verdict


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """What `doctor` found: a table in a cell and in a terminal.

    Attributes
    ----------
    rows : tuple of Row
        ``group``, ``name``, ``state`` ("ok", "note", "missing"), ``found`` and ``todo`` of each
        check.
    verdict : str
        One sentence.
    can_record : bool
        Whether anything can be recorded here: a folder and a service are there. Files and the
        sample need no microphone.

    """

    rows: tuple[Row, ...]
    verdict: str
    can_record: bool

    def __repr__(self) -> str:
        return show.as_text(list(self.rows), self.verdict)

    def _repr_html_(self) -> str:
        return show.as_html(list(self.rows), self.verdict)


def report(facts: Facts) -> Report:
    """Judge what was found out."""
    return Report(tuple(rows(facts)), verdict(facts), not obstacles(facts))


def doctor(
    folder: str | os.PathLike[str] = "recordings", *, network: bool = False, local: bool = False
) -> Report:
    """Find out what works here, and what to do about what does not.

    Nothing is changed, and nothing leaves this machine unless `network` asks for it. Jupyter
    servers on this machine are asked, without their token, whether they have
    jupyter-server-proxy. A key is neither shown nor tried.

    Parameters
    ----------
    folder : path
        Where recordings are to be; those that are there are looked at.
    network : bool
        Whether to reach for the service: address, TCP, TLS. No session is opened.
    local : bool
        Whether to start the local recogniser and have it hear a second of the sample.

    """
    from nbstream.checkup.gather import gather

    return report(gather(Path(folder), network=network, local=local))
