"""Transcribe afterwards what could not be transcribed while it was recorded."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING

from nbstream.audio import SAMPLE_RATE_HZ
from nbstream.engine.context import Context
from nbstream.engine.sender import Sender
from nbstream.errors import NbstreamError
from nbstream.services import resolve, resolve_again

if TYPE_CHECKING:
    from nbstream.services import Service
    from nbstream.session import Session
    from nbstream.store import Folder


def fill_gaps(folder: Folder, session: Session, service: Service | str | None) -> float:
    """Have every stretch that is missing transcribed, one after the other, from the folder.

    Events are appended, so what was there stays. Times of arrival go on counting from the
    session's beginning by the wall clock: they tell when it was filled, not a latency.

    Returns
    -------
    float
        Seconds of audio that were transcribed now; of channels that are kept apart, all added up.

    Raises
    ------
    StoreError
        If it is being recorded.
    NbstreamError
        What kept the service from it; what was filled until then stays.

    """
    used = resolve_again(folder.meta["service"]) if service is None else resolve(service)
    used.check()
    missing = folder.missing()
    if not missing:
        return 0.0
    began = datetime.fromisoformat(folder.meta["started_at"]).timestamp()
    folder.reopen()
    context = Context(folder, used, session, time.monotonic() - (time.time() - began))
    context.captured.set()
    done = threading.Event()
    # A peer that takes nothing blocks the sender, so somebody else has to look.
    watch = threading.Thread(
        target=_watch, args=(context, done), name="nbstream-watch", daemon=True
    )
    watch.start()
    try:
        for start, end, channel in missing:
            # Somebody waits for this call: what refuses it is raised at once.
            Sender(context, start, end, channel=channel, is_patient=False).run()
    finally:
        done.set()
        watch.join()
        context.close_links()
        with contextlib.suppress(NbstreamError):
            if folder.state == "interrupted":
                folder.update(state="recovered")
        folder.close()
    left = sum(end - start for start, end, _ in folder.missing())
    return (sum(end - start for start, end, _ in missing) - left) / SAMPLE_RATE_HZ


def _watch(context: Context, done: threading.Event) -> None:
    """Once a second, cut links that are dead."""
    while not done.wait(1.0):
        for link in list(context.links):
            link.look()
