"""The engine: records a source, streams it to a service, keeps everything in a folder.

```
IDLE -> CONNECTING -> RECORDING <-> RECONNECTING -> DRAINING -> STOPPED
   any of them --------------------------------------------> FAILED (what is on disk stays whole)
```

`recorder`: the state machine. `context`: what its threads share. `capture`: the source -> the
recording. `transcription`: each of its channels -> the service. `sender`: a stretch of one, however
often the network breaks. `link`: one connection in use. `filling`: gaps, afterwards. `limits`: when
it ends by itself. `state`: what a view may know.
"""

from __future__ import annotations

import weakref
from pathlib import Path

from nbstream.engine.filling import fill_gaps
from nbstream.engine.limits import Limits
from nbstream.engine.recorder import Engine
from nbstream.engine.state import Snapshot, State
from nbstream.errors import ParameterError
from nbstream.pack import is_packed, unpack
from nbstream.services import Service
from nbstream.services import resolve as resolve_service
from nbstream.session import Session
from nbstream.sources import Source
from nbstream.sources import resolve as resolve_source
from nbstream.store import Folder

__all__ = ["Engine", "Limits", "Snapshot", "State", "open_session", "record"]


def open_session(path: str | Path, *, into: str | Path | None = None) -> Session:
    """Open the folder of an earlier session, or a file that `Session.pack` made of one.

    Parameters
    ----------
    path : path
        Folder, or file.
    into : path, optional
        Where the folder of a file is made. By default it is temporary and gone when Python ends,
        and what was annotated with it.

    Raises
    ------
    StoreError
        If there is no session in it, or a file could do harm.

    """
    if is_packed(path):
        path = unpack(path, into)
    elif into is not None:
        raise ParameterError(
            f"into= is for a file, and {path} is none.", hint="Leave it out.", parameter="into"
        )
    return Session(Folder.open_(path), fill=fill_gaps)


def record(
    source: Source | str | Path = "sample",
    service: Service | str | None = None,
    *,
    folder: str | Path = "recordings",
    name: str = "",
    seconds: float | None = None,
    max_minutes: float | None = None,
    idle_stop_s: float | None = None,
    max_cost: float | None = None,
) -> Session:
    """Start recording and return the live session. Raises if it can't start.

    Parameters
    ----------
    source : Source or str
        ``"sample"``, ``"mic"``, a file's path, or a source such as ``nb.AudioFile(path, speed=2)``.
        With ``speakers=`` a source keeps its channels apart: each is heard by a connection of its
        own, which is paid for as any other.
    service : Service or str, optional
        ``"assemblyai"``, ``"local"``, or an object. By default AssemblyAI if there is a key,
        else the local recogniser.
    folder : str or Path
        Where the session's own folder is made.
    name : str
        Goes into the folder's name.
    seconds : float, optional
        Stop after so many seconds of audio.
    max_minutes, idle_stop_s, max_cost : float, optional
        Stop after so many minutes, so many seconds without a word, or so many (estimated) US
        dollars.

    Returns
    -------
    Session
        Recording. End it with ``stop()``, or use it as a context manager. It ends by itself when
        nothing holds it any more.

    """
    engine = Engine(
        resolve_source(source),
        resolve_service(service),
        folder=folder,
        name=name,
        seconds=seconds,
        max_minutes=max_minutes,
        idle_stop_s=idle_stop_s,
        max_cost=max_cost,
    )
    engine.start()
    assert engine.session is not None
    # The engine keeps a session of its own, so that this one is gone when its user forgets it.
    handle = Session(engine.session.data, engine, fill=fill_gaps)
    weakref.finalize(handle, engine.forget).atexit = False
    return handle
