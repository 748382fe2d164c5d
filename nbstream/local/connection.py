"""One connection: messages in, messages out, and a recogniser between them.

Tasks of a connection, all on the server's event loop::

    _read        socket -> checks -> queue; stops reading while too much audio waits
    _recognise   queue -> recogniser (in a thread of the pool) -> turns -> socket
    _deliver     messages that a fault holds back -> socket
    _heartbeats  every 5 s, if asked for
    _expire      ends the session at its cap

The first that ends, or raises, ends the connection. Everything that has to keep its order with the
audio goes through the queue; what is wrong is refused at once.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from websockets.asyncio.server import ServerConnection

from nbstream.local import checks
from nbstream.local.checks import AudioRules, Refusal, Settings
from nbstream.local.faults import Faults
from nbstream.local.incoming import Incoming
from nbstream.local.model import Model
from nbstream.local.recogniser import SpeechOnset, Stream, TurnUpdate
from nbstream.local.turns import Message, Turns

HEARTBEAT_S: Final = 5.0
_SILENCE_MS: Final = 1000
_LONGEST_BACKLOG_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast audio is taken.

    Parameters
    ----------
    max_speed : float or None
        Recognise no more seconds of audio a second than this; None for as fast as it goes.
    strict : bool
        Refuse audio that comes much faster than it is spoken (3007).
    pause_at_s : float or None
        Stop reading the socket while more audio than this waits, so that a fast client is slowed
        down and nothing is lost; None to read on, up to 5 min waiting (3007).
    """

    max_speed: float | None = None
    strict: bool = False
    pause_at_s: float | None = 10.0


@dataclass(frozen=True, slots=True)
class _Audio:
    data: bytes
    length_ms: float


class Connection:
    """Serves one connection that has been let in.

    Parameters
    ----------
    websocket : ServerConnection
        Open; closed by `run` after ``Terminate``, otherwise by the caller.
    pool : Executor
        Where the recogniser runs; one call at a time for each connection.
    cap_s : float
        Longest duration of the session.
    """

    def __init__(
        self,
        websocket: ServerConnection,
        settings: Settings,
        *,
        model: Model,
        pool: Executor,
        rates: Rates,
        faults: Faults,
        cap_s: float,
    ) -> None:
        self._websocket = websocket
        self._settings = settings  # as of the last message read
        self._pool = pool
        self._rates = rates
        self._faults = faults
        self._cap_s = cap_s if faults.session_cap_s is None else faults.session_cap_s
        self._incoming = Incoming(settings)
        self._stream = Stream(model, **settings.recogniser())
        self._turns = Turns(settings, faults)
        self._rules = AudioRules(settings, strict_rate=rates.strict)
        self._queue: asyncio.Queue[_Audio | Settings | str] = asyncio.Queue()
        self._waiting_ms = 0.0  # audio in the queue
        self._held: asyncio.Queue[tuple[float, str]] = asyncio.Queue()  # due, by the clock
        self._room = asyncio.Event()
        self._room.set()
        self._recognised_ms = 0.0
        self._free_at_s = 0.0  # when max_speed lets the next audio through
        self._silent_from_ms = 0
        self._loudest = 0.0  # speech probability since the last heartbeat
        self._began_s = time.monotonic()
        self.is_mute = faults.mute

    async def run(self) -> None:
        """Serve until the session ends; raises `Refusal` or ``ConnectionClosed``."""
        await self._begin()
        jobs = (self._recognise, self._read, self._deliver, self._heartbeats, self._expire)
        tasks = [asyncio.create_task(job()) for job in jobs]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            next(task for task in tasks if task.done()).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def send(self, message: Message) -> None:
        """Send one message, unless the connection is mute."""
        if self.is_mute:
            return
        if self._faults.unknown_fields:
            message = message | {"x_note": "new", "x_nested": {"list": [1, None, "two"]}}
        text = json.dumps(message, ensure_ascii=False)
        if self._faults.message_delay_s:
            is_speech = message["type"] in ("Turn", "SpeechStarted")
            delay_s = self._faults.message_delay_s if is_speech else 0.0
            self._held.put_nowait((time.monotonic() + delay_s, text))
        else:
            await self._write(text)

    async def _write(self, text: str) -> None:
        if self._faults.fragments:
            middle = len(text) // 2
            await self._websocket.send([text[:middle], text[middle:]])
        else:
            await self._websocket.send(text)

    async def _deliver(self) -> None:
        """Send what is held back when it is due, in order."""
        while True:
            due_s, text = await self._held.get()
            await asyncio.sleep(due_s - time.monotonic())
            await self._write(text)
            self._held.task_done()

    async def _begin(self) -> None:
        await asyncio.sleep(self._faults.begin_delay_s)
        begin = {
            "type": "Begin",
            "id": str(uuid.uuid4()),
            "expires_at": int(time.time() + self._cap_s),
            "configuration": self._settings.configuration(),
        }
        if not self._faults.no_begin:
            await self.send(begin)
        if self._faults.unknown_type:
            await self.send({"type": "Novelty", "level": 3, "of": ["this", "that"]})

    async def _read(self) -> None:
        is_ended = False
        while True:
            await self._room.wait()
            limit_s = None if is_ended else self._settings.inactivity_timeout_s
            try:
                async with asyncio.timeout(limit_s):
                    message = await self._websocket.recv()
            except TimeoutError:
                raise checks.inactivity(limit_s or 0) from None
            if is_ended:
                continue  # read on, so that a Close is answered
            if isinstance(message, bytes):
                self._take_audio(message)
                continue
            kind, fields = checks.message_type(message)
            is_ended = kind == "Terminate"
            if kind == "UpdateConfiguration":
                self._settings = self._settings.updated(fields)
                self._queue.put_nowait(self._settings)
            elif kind != "KeepAlive":
                self._queue.put_nowait(kind)

    def _take_audio(self, data: bytes) -> None:
        length_ms = self._rules.take(len(data), time.monotonic() - self._began_s)
        self._waiting_ms += length_ms
        self._queue.put_nowait(_Audio(data, length_ms))
        waiting_s = self._waiting_ms / 1000
        if waiting_s > _LONGEST_BACKLOG_S:
            raise Refusal(3007, f"Too much audio buffered: {waiting_s:.1f} sec. waiting")
        pause_at_s = None if self._rates.strict else self._rates.pause_at_s
        if pause_at_s is not None and waiting_s > pause_at_s:
            self._room.clear()

    async def _recognise(self) -> None:
        await self._go_wrong()
        while True:
            item = await self._queue.get()
            if isinstance(item, _Audio):
                await self._recognise_audio(item)
            elif isinstance(item, Settings):
                self._turns.settings = item
                self._stream.configure(**item.recogniser())
            elif item == "ForceEndpoint":
                await self._tell(await self._in_pool(self._stream.force_endpoint))
            else:
                await self._terminate()
                return

    async def _recognise_audio(self, audio: _Audio) -> None:
        if self._rates.max_speed is not None:
            now_s = time.monotonic()
            self._free_at_s = max(self._free_at_s, now_s)
            await asyncio.sleep(self._free_at_s - now_s)
            self._free_at_s += audio.length_ms / 1000 / self._rates.max_speed
        await self._tell(await self._in_pool(self._feed, self._incoming.samples(audio.data)))
        self._loudest = max(self._loudest, self._stream.speech_probability)
        await self._tell_silence()
        self._recognised_ms += audio.length_ms
        self._waiting_ms -= audio.length_ms
        if self._waiting_ms / 1000 <= (self._rates.pause_at_s or 0):
            self._room.set()
        await self._go_wrong()

    def _feed(self, samples: np.ndarray[Any, np.dtype[np.int16]]) -> list[Any]:
        return list(self._stream.feed(samples))

    async def _in_pool(self, function: Callable[..., list[Any]], *args: Any) -> list[Any]:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    async def _tell(self, events: Iterable[SpeechOnset | TurnUpdate]) -> None:
        for message in self._turns.messages(events):
            await self.send(message)

    async def _tell_silence(self) -> None:
        at_ms = self._stream.audio_ms
        if self._turns.is_open or self._stream.speech_probability >= 0.5:
            self._silent_from_ms = at_ms
        elif at_ms - self._silent_from_ms >= _SILENCE_MS:
            if self._turns.settings.flag("acknowledge_silence"):
                start_ms = self._silent_from_ms
                await self.send({"type": "Silence", "start_ms": start_ms, "end_ms": at_ms})
            self._silent_from_ms = at_ms

    async def _terminate(self) -> None:
        await self._tell(await self._in_pool(self._feed, self._incoming.tail()))
        await self._tell(await self._in_pool(self._stream.finish))
        for message in self._turns.last_messages():
            await self.send(message)
        await asyncio.sleep(self._faults.termination_delay_s)
        if not self._faults.no_termination:
            await self.send(
                {
                    "type": "Termination",
                    "audio_duration_seconds": round(self._rules.received_ms / 1000),
                    "session_duration_seconds": round(time.monotonic() - self._began_s),
                }
            )
        await self._held.join()
        if self.is_mute:
            await asyncio.Event().wait()
        await self._websocket.close(1000, "Session Ended")

    async def _heartbeats(self) -> None:
        before_ms = 0.0
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            received_ms, loudest, self._loudest = self._rules.received_ms, self._loudest, 0.0
            if self._turns.settings.flag("session_heartbeat"):
                await self.send(
                    {
                        "type": "Heartbeat",
                        "total_audio_received_ms": round(received_ms),
                        "total_duration_ms": round(1000 * (time.monotonic() - self._began_s)),
                        "realtime_factor": round((received_ms - before_ms) / 1000 / HEARTBEAT_S, 3),
                        "max_speech_probability": round(loudest, 4),
                    }
                )
            before_ms = received_ms

    async def _expire(self) -> None:
        await asyncio.sleep(self._cap_s - (time.monotonic() - self._began_s))
        raise Refusal(*checks.EXPIRED)

    async def _go_wrong(self) -> None:
        """Do what the fault switches ask for at this place of the audio."""
        faults, at_s = self._faults, self._recognised_ms / 1000

        def is_due(after_s: float | None) -> bool:
            return after_s is not None and at_s >= after_s

        if is_due(faults.mute_after_s):
            self.is_mute = True
        if is_due(faults.freeze_after_s):
            self.is_mute = True
            self._websocket.transport.pause_reading()
            await asyncio.Event().wait()
        if is_due(faults.tcp_drop_after_s):
            # Zero linger: a reset, not an orderly end.
            tcp = self._websocket.transport.get_extra_info("socket")
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._websocket.transport.abort()
            await asyncio.Event().wait()
        if is_due(faults.close_1000_after_s):
            await self._websocket.close(1000)
            await asyncio.Event().wait()
        if is_due(faults.error_after_s):
            raise Refusal(faults.error_code, faults.error_text)
