"""`replay`: a recorded session in a `Recorder`, as if it were live."""

from __future__ import annotations

from pathlib import Path

from nbstream.engine import open_session
from nbstream.errors import StateError
from nbstream.services import Replay
from nbstream.session import Session
from nbstream.sources import AudioFile
from nbstream.widgets.recorder import Recorder


def replay(
    session: Session | str | Path,
    speed: float = 1.0,
    *,
    folder: str | Path = "recordings",
) -> Recorder:
    """Play a recorded session through a `Recorder` as if it were live.

    Press Record, or call ``start()``: its audio is the source, and what the service said then
    comes again, word for word and when it came. No key, no network and no recogniser are needed.
    Each press makes a new session, with a folder of its own.

    Parameters
    ----------
    session : Session or path
        What is played: a session, its folder, or a file that it was packed into.
    speed : float
        Seconds of audio a second; 1.0 as it was spoken, 0 as fast as it can be read.
    folder : str or Path
        Where the new sessions' folders are made.

    Returns
    -------
    Recorder
        At the end of a cell it shows itself.

    Raises
    ------
    StateError
        If the session is still being recorded.
    StoreError
        If there is no such session.
    ParameterError
        If `speed` is out of range.

    Examples
    --------
    >>> nb.replay("recordings/2026-01-31T14-05-09Z", speed=2)  # doctest: +SKIP

    """
    if not isinstance(session, Session):
        session = open_session(session)
    if session.is_live:
        raise StateError(
            "the session is still being recorded.",
            hint="Replay it when it has ended.",
            state=session.state,
        )
    source = AudioFile(session.folder / "audio.wav", speed, speakers=session.speakers)
    source.label = session.name or session.folder.name
    service = Replay(session.folder, speed=speed)
    return Recorder(source, service, folder=folder)
