"""A microphone, read through PyAudio.

PortAudio calls us on a thread of its own, once a block; there we only put the block on a queue.
Its callback is the one way by which PyAudio says that audio was lost and still gives the audio
after the loss: a blocking read either throws that block away or keeps silent about the loss.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbstream.audio import BYTES_PER_SAMPLE, CHUNK_FRAMES, SAMPLE_RATE_HZ, Chunk
from nbstream.errors import SourceError, StateError
from nbstream.sources import speakers as names
from nbstream.sources.convert import Converter, cut, floats
from nbstream.sources.portaudio import Device, choose, inputs, portaudio
from nbstream.sources.quiet import quiet_stderr

if TYPE_CHECKING:
    from typing import Self

# PortAudio makes the device's buffer three blocks long. A cell that keeps the interpreter to itself
# for longer than that loses audio; a longer block would make everything live later.
BLOCK_MS: Final = 100
POLL_S: Final = 0.1
STALLED_S: Final = 2.0
# A Bluetooth headset needs its time to become a microphone.
FIRST_BLOCK_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Block:
    pcm: bytes
    overflowed: bool
    captured_s: float


class Microphone:
    """A microphone of the machine that the kernel runs on.

    A device that can't do 16 kHz mono is opened as it likes to be, and its audio is downmixed and
    resampled (with soxr, from the extra ``audio``).

    Parameters
    ----------
    device : int or str, optional
        Index as in `devices`, or a part of the name that only one device has, in any case.
        The system's default device if not given.
    speakers : sequence of str, optional
        Who is on each channel, from the device's first one on. With two names or more, so many
        channels are recorded and kept apart, each with a connection of its own (and its price);
        otherwise the device is mixed into one channel.

    Raises
    ------
    ParameterError
        For speakers of which one is empty or comes twice.
    """

    kind: str = "mic"
    live: bool = True
    speed: float = 1.0
    warning: str = ""

    def __init__(self, device: int | str | None = None, *, speakers: Sequence[str] = ()) -> None:
        self.device = device
        self.speakers: tuple[str, ...] = names.checked(speakers)
        self.label: str = "microphone" if device is None else f"microphone: {device}"
        self._blocks: queue.SimpleQueue[_Block] = queue.SimpleQueue()
        self._converter: Converter | None = None
        self._n_channels = 1  # as the device gives them
        self._undo = contextlib.ExitStack()

    def __repr__(self) -> str:
        device = [] if self.device is None else [repr(self.device)]
        speakers = [f"speakers={self.speakers!r}"] if self.speakers else []
        return f"Microphone({', '.join(device + speakers)})"

    def check(self) -> None:
        """Look for PyAudio and the device without opening it.

        Raises
        ------
        SourceError
            If PyAudio, PortAudio or the device is missing, several devices fit, or it has fewer
            channels than speakers were named.
        """
        with portaudio() as (_, audio):
            self._choose(audio)

    def __enter__(self) -> Self:
        with quiet_stderr(), contextlib.ExitStack() as undo:
            pyaudio, audio = undo.enter_context(portaudio())
            device = self._choose(audio)
            self.label = f"microphone: {device.name}"
            self._blocks = queue.SimpleQueue()
            stream, rate_hz, self._n_channels = self._open(pyaudio, audio, device)
            undo.callback(_close, stream)
            self._converter = Converter(rate_hz, self.label, len(self.speakers) or 1)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._converter = None
        # Not silenced: a sound server that hangs would keep this process silent with it.
        self._undo.close()

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """Yield what the device records, from the moment it was opened.

        ``overflows`` of a chunk says how often the device lost audio before it. What was recorded
        by the time that `stop` is set still comes.

        Parameters
        ----------
        stop : Event
            Ends the iteration within about 0.1 s.

        Raises
        ------
        SourceError
            If the device gives nothing for 2 s.
        """
        convert = self._converter
        if convert is None:
            raise StateError(
                f"{self.label} is not open.", hint="Read it inside `with source:`.", state="closed"
            )
        n_channels = len(self.speakers) or 1
        frame_bytes = BYTES_PER_SAMPLE * n_channels
        chunk_bytes = CHUNK_FRAMES * frame_bytes
        waiting = bytearray()
        overflows = 0
        captured_s = block_s = time.monotonic()
        for block in self._until(stop):
            waiting += convert(floats(block.pcm, self._n_channels))
            overflows += block.overflowed
            block_s = block.captured_s
            while len(waiting) >= chunk_bytes:
                pcm = bytes(waiting[:chunk_bytes])
                del waiting[:chunk_bytes]
                # What still waits was recorded after this chunk. Blocks may come in a burst.
                waiting_s = len(waiting) / frame_bytes / SAMPLE_RATE_HZ
                captured_s = max(captured_s, block_s - waiting_s)
                yield Chunk(pcm, captured_s, overflows, n_channels=n_channels)
                overflows = 0
        waiting += convert(floats(b"", self._n_channels), last=True)
        for pcm in cut([bytes(waiting)], n_channels):
            yield Chunk(pcm, max(captured_s, block_s), overflows, n_channels=n_channels)
            overflows = 0

    def _until(self, stop: threading.Event) -> Iterator[_Block]:
        quiet_s, patience_s = 0.0, FIRST_BLOCK_S
        while not stop.is_set():
            try:
                block = self._blocks.get(timeout=POLL_S)
            except queue.Empty:
                # Waits are counted, since a clock also runs while a busy cell keeps the
                # interpreter from everybody and while the computer sleeps.
                quiet_s += POLL_S
                if quiet_s >= patience_s:
                    raise SourceError(
                        f"{self.label} stalls: no samples for {patience_s:g} s.",
                        hint="Check that it is plugged in and that no other program holds it. "
                        "What was recorded is kept.",
                        source=self.label,
                    ) from None
                continue
            quiet_s, patience_s = 0.0, STALLED_S
            yield block
        for _ in range(self._blocks.qsize()):
            yield self._blocks.get()

    def _choose(self, audio: Any) -> Device:
        device = choose(inputs(audio), self.device)
        if device.channels < len(self.speakers):
            label = f"microphone: {device.name}"
            raise names.wrong_number(label, device.channels, self.speakers)
        return device

    def _open(self, pyaudio: Any, audio: Any, device: Device) -> tuple[Any, int, int]:
        """Open the device at the first rate and channel count it takes."""
        blocks = self._blocks
        is_apart = len(self.speakers) > 1
        counts = [len(self.speakers)] if is_apart else range(1, min(2, device.channels) + 1)

        def receive(pcm: bytes, n_frames: int, times: object, status: int) -> tuple[None, int]:
            overflowed = bool(status & pyaudio.paInputOverflow)
            blocks.put(_Block(pcm, overflowed, time.monotonic()))
            return None, pyaudio.paContinue

        refused: dict[str, OSError | ValueError] = {}
        for rate_hz in (SAMPLE_RATE_HZ, device.default_rate_hz):
            for n_channels in counts:
                try:
                    stream = audio.open(
                        rate=rate_hz,
                        channels=n_channels,
                        format=pyaudio.paInt16,
                        input=True,
                        input_device_index=device.index,
                        frames_per_buffer=rate_hz * BLOCK_MS // 1000,
                        stream_callback=receive,
                    )
                except (OSError, ValueError) as error:
                    refused[f"{rate_hz} Hz with {n_channels} channel(s): {error}"] = error
                else:
                    return stream, rate_hz, n_channels
        raise SourceError(
            f"{self.label} can't be opened: {'; '.join(refused)}.",
            hint="Close other programs that use it, or choose another device from nb.devices().",
            source=self.label,
        ) from next(reversed(refused.values()))


def _close(stream: Any) -> None:
    with contextlib.suppress(OSError):  # a device that was pulled out
        stream.close()
