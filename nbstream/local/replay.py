"""A session that was recorded, told again: its own messages, as its own audio comes in.

Nothing is recognised here. A message is sent once as much audio has come as had been sent when the
service said it, after the time that it took then. What was caught up later, faster than it was
spoken, comes as it would have come live.

Turns are told word for word where one connection heard them and hears them now. Where several did,
or where this one begins later, their numbers and times are put on this connection's clock. Turns
that gave way to others in the session (see `tables.fold`) are left out.
"""

from __future__ import annotations

import asyncio
import bisect
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from websockets.asyncio.server import ServerConnection

from nbstream import events as ev
from nbstream import tables
from nbstream.audio import SAMPLE_RATE_HZ
from nbstream.errors import StoreError
from nbstream.eventlog import EventLog
from nbstream.local import checks
from nbstream.local.access import SESSION_CAP_S
from nbstream.tables import CHUNK_RECORD, TurnKey

MOST_DELAY_S: Final = 5.0  # while nothing was sent the session stood still; a replay goes on
HURRIED: Final = 1.25  # a connection that was sent more than so many seconds a second
_LATE_S: Final = 0.5  # about what live text comes behind speech
# Of a connection, or about it; everything else is about what was said.
_NOT_TOLD: Final = (ev.Begin, ev.Termination, ev.ServerFault, ev.Heartbeat)


@dataclass(frozen=True, slots=True)
class Told:
    """A message, and when it is due.

    Parameters
    ----------
    position : int
        Frames of the recording that have to have come.
    delay_s : float
        From then on.
    text : str
        The message, word for word.
    event : ServerEvent
        The same, read.
    connection : int
        The one that said it.
    start_frame : int
        Where in the recording the clock of that connection started.
    turn : TurnKey, optional
        The turn that it belongs to.
    """

    position: int
    delay_s: float
    text: str
    event: ev.ServerEvent
    connection: int
    start_frame: int
    turn: TurnKey | None = None


class Recording:
    """What was said in a session, by channel.

    Parameters
    ----------
    path : Path
        Its folder.

    Raises
    ------
    StoreError
        If there is no session in it, or it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        log = EventLog(path / "events.jsonl")
        try:
            json.loads((path / "session.json").read_text("utf-8"))
            log.scan()
            data = (path / "chunks.bin").read_bytes()
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{path} can't be replayed: {error}.", hint="Is it a session's folder?", path=path
            ) from error
        self._entries = log[:]
        self._chunks = np.frombuffer(data, CHUNK_RECORD, len(data) // CHUNK_RECORD.itemsize)
        self._fold = tables.fold(self._entries)
        self._told: dict[int | None, list[Told]] = {}

    @cached_property
    def begin(self) -> dict[str, Any]:
        """The first ``Begin``; empty if there was none."""
        found = (e.event.raw for e in self._entries if isinstance(e.event, ev.Begin))
        begin: dict[str, Any] = json.loads(next(found, "{}"))
        return begin

    def told(self, channel: int | None) -> list[Told]:
        """All that was said on a channel, in the order in which it is due."""
        if channel not in self._told:
            opened = {
                e.connection: e.event
                for e in self._entries
                if isinstance(e.event, ev.Connected)
                and e.connection is not None
                and e.event.channel in (channel, None)
            }
            found = [
                told
                for connection, event in opened.items()
                for told in self._said(connection, event.start_frame)
            ]
            self._told[channel] = sorted(found, key=lambda told: told.position)
        return self._told[channel]

    def _said(self, connection: int, start_frame: int) -> Iterator[Told]:
        """What one connection said, in order."""
        sent = self._chunks[self._chunks["connection"] == connection]
        ends, at_s = np.maximum.accumulate(sent["frame"] + sent["n_frames"]), sent["at_s"]
        is_hurried = self._is_hurried(sent)
        onset: list[Told] = []  # belongs to the turn that follows it
        before = start_frame
        for entry in self._entries:
            event = entry.event
            if entry.connection != connection or isinstance(event, _NOT_TOLD):
                continue
            if not isinstance(event, ev.ServerEvent):
                continue
            n = int(np.searchsorted(at_s, entry.at_s, side="right"))
            position = int(ends[n - 1]) if n else start_frame
            delay_s = max(0.0, entry.at_s - float(at_s[n - 1])) if n else 0.0
            if is_hurried:
                live = self._live_position(event, start_frame, before)
                position, delay_s = min(position, live), 0.0
            before = position = max(position, before)
            told = Told(position, delay_s, event.raw, event, connection, start_frame)
            if isinstance(event, ev.SpeechStarted):
                onset.append(told)
            elif isinstance(event, ev.Turn):
                key = (connection, event.turn_order)
                if self._fold.find(key) is not None:
                    yield from (replace(one, turn=key) for one in [*onset, told])
                onset = []
            else:
                yield told

    def _is_hurried(self, sent: np.ndarray[Any, Any]) -> bool:
        if len(sent) < 2:
            return False
        took_s = float(sent["at_s"][-1] - sent["at_s"][0])
        return int(sent["n_frames"].sum()) / SAMPLE_RATE_HZ > HURRIED * (took_s + 1.0)

    def _live_position(self, event: ev.ServerEvent, start_frame: int, before: int) -> int:
        """Where it would have come, had its audio been sent as it was spoken."""
        if isinstance(event, ev.SpeechStarted):
            end_ms = event.timestamp_ms
        elif isinstance(event, ev.Turn) and event.words:
            end_ms = event.words[-1].end_ms
        else:
            return before
        return start_frame + round((end_ms / 1000 + _LATE_S) * SAMPLE_RATE_HZ)


@dataclass(slots=True)
class _Clock:
    """Puts turns on the clock of this connection: their numbers, their times."""

    start_frame: int
    is_whole: bool  # one connection heard all, so that numbers can stay
    orders: dict[TurnKey, int] = field(default_factory=dict)

    def text(self, told: Told) -> str:
        """The message as it is sent here; word for word, if it fits."""
        shift_ms = round((told.start_frame - self.start_frame) / SAMPLE_RATE_HZ * 1000)
        order = None
        if told.turn is not None:
            new = told.turn[1] if self.is_whole else len(self.orders)
            order = self.orders.setdefault(told.turn, new)
        if not shift_ms and self.is_whole:
            return told.text
        message = json.loads(told.text)
        if isinstance(told.event, ev.Turn):
            message["turn_order"] = order
            _shift_words(message, shift_ms)
        elif isinstance(told.event, ev.SpeechStarted):
            message["timestamp"] += shift_ms
        elif isinstance(told.event, ev.Silence):
            message["start_ms"] += shift_ms
            message["end_ms"] += shift_ms
        elif isinstance(told.event, ev.LLMGatewayResponse):
            message["turn_order"] = self._order(told, told.event.turn_order)
        elif isinstance(told.event, ev.SpeakerRevision):
            for revision in message["revisions"]:
                revision["turn_order"] = self._order(told, int(revision["turn_order"]))
                _shift_words(revision, shift_ms)
        return json.dumps(message, ensure_ascii=False)

    def _order(self, told: Told, order: int) -> int:
        """The number here of a turn that was told before; -1 of one that was not."""
        return self.orders.get((told.connection, order), -1)


def _shift_words(message: dict[str, Any], shift_ms: int) -> None:
    for word in message.get("words") or ():
        word["start"] += shift_ms
        word["end"] += shift_ms


class ReplayConnection:
    """Serves one connection that has been let in.

    Parameters
    ----------
    websocket : ServerConnection
        Open; closed by `run` after ``Terminate``, otherwise by the caller.
    recording : Recording
        What is told.
    channel : int, optional
        The one that this connection hears; None where there is only one.
    start_frame : int
        Where in the recording its audio begins.
    speed : float
        Seconds of audio a second, by which delays are shortened; 0: there are none.
    """

    def __init__(
        self,
        websocket: ServerConnection,
        recording: Recording,
        *,
        channel: int | None = None,
        start_frame: int = 0,
        speed: float = 1.0,
    ) -> None:
        self.is_mute = False
        self._websocket = websocket
        self._recording = recording
        self._speed = speed
        told = recording.told(channel)
        begun: dict[TurnKey, int] = {}  # where each turn began to be told
        for one in told:
            if one.turn is not None:
                begun.setdefault(one.turn, one.position)
        self._begun = begun
        # A connection that begins later is told what the one before it did not begin to tell.
        self._told = [
            one
            for one in told
            if not start_frame or begun.get(one.turn or (-1, -1), one.position) > start_frame
        ]
        is_whole = len({one.turn[0] for one in told if one.turn is not None}) <= 1
        self._clock = _Clock(start_frame, is_whole)
        self._position = start_frame
        self._start_frame = start_frame
        self._reached: list[tuple[int, float]] = [(start_frame, time.monotonic())]
        self._is_ended = False
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Serve until the session ends; raises `Refusal` or ``ConnectionClosed``."""
        began_s = time.monotonic()
        # Its own but for its end, which has passed: a client would look for another connection.
        begin = {"type": "Begin", "id": "replay"} | self._recording.begin
        await self._send(json.dumps(begin | {"expires_at": int(time.time() + SESSION_CAP_S)}))
        reading = asyncio.create_task(self._read())
        telling = asyncio.create_task(self._tell())
        try:
            await asyncio.wait((reading, telling), return_when=asyncio.FIRST_COMPLETED)
            next(task for task in (reading, telling) if task.done()).result()
            heard_s = (self._position - self._start_frame) / SAMPLE_RATE_HZ
            end = {
                "type": "Termination",
                "audio_duration_seconds": round(heard_s),
                "session_duration_seconds": round(time.monotonic() - began_s),
            }
            await self._send(json.dumps(end))
            await self._websocket.close(1000, "Session Ended")
        finally:
            reading.cancel()
            telling.cancel()
            await asyncio.gather(reading, telling, return_exceptions=True)

    async def _read(self) -> None:
        """Count audio; read on to the close."""
        while True:
            message = await self._websocket.recv()
            if isinstance(message, bytes):
                self._position += len(message) // 2
                self._reached.append((self._position, time.monotonic()))
            else:
                self._is_ended |= checks.message_type(message)[0] == "Terminate"
            self._news.set()

    async def _tell(self) -> None:
        """Send each message when it is due, until ``Terminate`` and what is due then."""
        for told in self._told:
            await self._wait(lambda told=told: self._position >= told.position)  # type: ignore[misc]
            if self._position < told.position:
                # It ends sooner than the session did. What was begun is told to its end.
                begun = self._begun.get(told.turn or (-1, -1), told.position) <= self._position
                if not (begun and isinstance(told.event, ev.Turn) and told.event.end_of_turn):
                    continue
            elif self._speed:
                at = bisect.bisect_left(self._reached, (told.position, -math.inf))
                due_s = self._reached[at][1] + min(told.delay_s / self._speed, MOST_DELAY_S)
                await asyncio.sleep(due_s - time.monotonic())
            await self._send(self._clock.text(told))
        await self._wait(lambda: False)

    async def _wait(self, until: Callable[[], bool]) -> None:
        while not (until() or self._is_ended):
            self._news.clear()
            await self._news.wait()

    async def _send(self, text: str) -> None:
        await self._websocket.send(text)
