"""`Folder`: one session's folder, being written or read.

Who writes what while recording: audio the capture thread alone; `chunks.bin` and events anybody,
under `_lock`; ``session.json`` under `_lock`; annotations any process (see `annotations`). The
lock is held for one append, never while calling out. Whoever returns from an append knows that the
bytes have left this process, so a killed kernel loses nothing; `sync` (once a second) makes them
outlive a power cut.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from nbstream import audio, tables
from nbstream import events as ev
from nbstream.errors import StoreError
from nbstream.eventlog import EventLog
from nbstream.store import files
from nbstream.store.annotations import Annotations
from nbstream.store.files import cannot, is_being_recorded
from nbstream.store.mend import mend_audio, mend_chunks, mend_events
from nbstream.tables import CHUNK_RECORD

FORMAT_VERSION: Final = 1
_ENDED: Final = ("stopped", "failed", "recovered")
_PACKED: Final = struct.Struct("<qiid")  # a CHUNK_RECORD; forty times a second, so not by NumPy


@dataclass(frozen=True, slots=True)
class Damage:
    """What a reader had to leave out of a folder that was not closed."""

    torn_events: int = 0
    torn_bytes: int = 0
    stale_header: bool = False
    torn_annotations: int = 0

    def __bool__(self) -> bool:
        return any((self.torn_events, self.torn_bytes, self.stale_header, self.torn_annotations))


class Folder:
    """One session's folder, being written or read. Made by `create` or `open_`."""

    def __init__(self, path: Path, meta: dict[str, Any]) -> None:
        self.path = path
        self.meta = meta
        self.damage = Damage()
        self.sample_rate_hz: int = meta["sample_rate_hz"]
        self.n_channels: int = meta["channels"]
        self.speakers = tuple(meta["speakers"])
        self.frame_bytes = audio.BYTES_PER_SAMPLE * self.n_channels
        self.n_frames = 0
        self.entries = EventLog(path / "events.jsonl")  # everything that happened so far
        self.annotations = Annotations(path / "annotations.jsonl")
        # Guards events.jsonl, chunks.bin and session.json; signals a new entry or the end.
        self._lock = threading.Lock()
        self.changed = threading.Condition(self._lock)
        self.writing = False
        self._audio: IO[bytes] | None = None
        self._header: IO[bytes] | None = None
        self._events: IO[bytes] | None = None
        self._chunks: IO[bytes] | None = None
        # Guards closing against `sync`, which runs on another thread.
        self._sync_lock = threading.Lock()
        self._reader: IO[bytes] | None = None
        self._read_lock = threading.Lock()

    @classmethod
    def create(cls, parent: str | Path, name: str, meta: dict[str, Any]) -> Folder:
        """Make a new folder under `parent` and open it for writing.

        `meta` goes into ``session.json``; with ``speakers`` in it, the audio has a channel of each.

        Raises
        ------
        StoreError
            If `parent` can't be made or written.

        """
        parent = Path(parent).expanduser().absolute()
        now = datetime.now(UTC)
        try:
            path = files.new_folder(parent, name, now)
        except OSError as error:
            raise cannot("make a session folder in", parent, error) from error
        head = {"format": FORMAT_VERSION, "name": name, "started_at": now.isoformat()}
        speakers = list(meta.get("speakers", ()))
        head |= {"sample_rate_hz": audio.SAMPLE_RATE_HZ, "channels": len(speakers) or 1}
        self = cls(path, head | {"speakers": speakers, "state": "idle"} | meta)
        try:
            # Unbuffered: what an append wrote survives a killed process.
            self._audio = open(path / "audio.wav", "xb", buffering=0)  # noqa: SIM115
            self._audio.write(self.wav_header())
            self._header = open(path / "audio.wav", "r+b", buffering=0)  # noqa: SIM115
            self._events = open(path / "events.jsonl", "xb", buffering=0)  # noqa: SIM115
            self._chunks = open(path / "chunks.bin", "xb", buffering=0)  # noqa: SIM115
            self.entries.hold()
            files.lock(self._header)
            self.writing = True
            self.update()
        except (OSError, StoreError) as error:
            self._close_files()
            with contextlib.suppress(OSError):
                self.discard()  # No half a folder, which nothing could open.
            if isinstance(error, StoreError):
                raise
            raise cannot("write", path, error) from error
        return self

    @classmethod
    def open_(cls, path: str | Path) -> Folder:
        """Open a folder for reading, whether or not it was closed properly.

        Raises
        ------
        StoreError
            If `path` is not a session folder, or of a newer format.

        """
        path = Path(path).expanduser().absolute()
        try:
            meta: dict[str, Any] = {"channels": 1, "speakers": ()}  # of a folder that does not say
            meta |= json.loads((path / "session.json").read_text("utf-8"))
            version = int(meta["format"])
            _check(meta)
        except FileNotFoundError as error:
            raise StoreError(
                f"no session in {path}: it has no session.json.",
                hint=files.choices(path),
                path=path,
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"session.json of {path} can't be read: {error}.",
                hint="Restore it from a copy, or play audio.wav on its own.",
                path=path,
            ) from error
        if version > FORMAT_VERSION:
            raise StoreError(
                f"{path} has format {version}, and this version reads up to {FORMAT_VERSION}.",
                hint="pip install -U nbstream",
                path=path,
            )
        self = cls(path, meta)
        self._load()
        return self

    @property
    def state(self) -> str:
        """State as last written; ``"interrupted"`` for a recording that nobody is writing."""
        state: str = self.meta.get("state", "idle")
        return state if self.writing or state in _ENDED else "interrupted"

    def reopen(self) -> None:
        """Open an ended session for more events, as when gaps are filled. Audio stays as it is.

        Raises
        ------
        StoreError
            If it is being recorded, here or by another process.

        """
        if self.writing or is_being_recorded(self.path):
            raise StoreError(
                f"{self.path} is being recorded right now.",
                hint="Wait until it has ended.",
                path=self.path,
            )
        recover(self.path)  # A torn last line would swallow the next one.
        try:
            self._header = open(self.path / "audio.wav", "r+b", buffering=0)  # noqa: SIM115
            self._events = open(self.path / "events.jsonl", "ab", buffering=0)  # noqa: SIM115
            self._chunks = open(self.path / "chunks.bin", "ab", buffering=0)  # noqa: SIM115
            files.lock(self._header)
        except OSError as error:
            self._close_files()
            raise cannot("write", self.path, error) from error
        self.damage = Damage()
        self.entries.hold()
        self.writing = True

    # -- writing -----------------------------------------------------------------------------

    def append_audio(self, pcm: bytes, captured_s: float) -> int:
        """Append PCM and say where it begins, in frames. Only the capture thread may call it."""
        frame = self.n_frames
        n_frames = len(pcm) // self.frame_bytes
        self._append(self._audio, pcm)
        # After the samples, so that a reader who sees the new length finds them; before the
        # record, so that a disk that is full now leaves length and header in agreement.
        self.n_frames = frame + n_frames
        self._append_chunk(frame, n_frames, -1, captured_s)
        return frame

    def note_sent(self, frame: int, n_frames: int, connection: int, sent_s: float) -> None:
        """Record that a message with these frames was handed to the network."""
        self._append_chunk(frame, n_frames, connection, sent_s)

    def append_event(self, event: ev.Event, at_s: float, connection: int | None = None) -> None:
        """Append an event to disk, then to `entries`, and wake whoever follows."""
        # Rounded here, so that a session reads the same live and from its folder.
        entry = ev.Entry(round(at_s, 6), connection, event)
        line = json.dumps(entry.as_record(), ensure_ascii=False) + "\n"
        with self._lock:
            self._append(self._events, line.encode("utf-8", "surrogatepass"))
            assert self._events is not None
            self.entries.added(self._events.tell())
            self.changed.notify_all()

    def update(self, **fields: Any) -> None:
        """Change fields of ``session.json``; replaced as a whole, so it is never torn."""
        with self._lock:
            self.meta |= fields
            new = self.path / "session.json.new"
            try:
                new.write_text(json.dumps(self.meta, indent=2, ensure_ascii=False) + "\n", "utf-8")
                os.replace(new, self.path / "session.json")
            except OSError as error:
                with contextlib.suppress(OSError):
                    new.unlink(missing_ok=True)
                raise cannot("write", self.path, error) from error

    def sync(self) -> None:
        """Refresh the WAV header and push everything to the disk itself."""
        with self._sync_lock:
            if self._header is not None:
                if os.fstat(self._header.fileno()).st_nlink == 0:
                    raise StoreError(
                        f"{self.path} was deleted while it was recorded into.",
                        hint="Record again; what was recorded so far is gone with it.",
                        path=self.path,
                    )
                self._header.seek(0)
                self._header.write(self.wav_header())
            for file in (self._audio, self._events, self._chunks):
                if file is not None:
                    os.fsync(file.fileno())

    def close(self) -> None:
        """End writing. What was read stays readable."""
        if not self.writing:
            return
        try:
            self.sync()
        finally:
            self._close_files()
            self.release()

    def discard(self) -> None:
        """Remove a folder that holds nothing: only what `create` made, and only without audio."""
        if self.n_frames:
            raise StoreError(f"{self.path} holds audio: not removed.", path=self.path)
        self.entries.keep()
        for name in ("audio.wav", "events.jsonl", "chunks.bin", "session.json"):
            (self.path / name).unlink(missing_ok=True)
        self.path.rmdir()

    # -- reading -----------------------------------------------------------------------------

    def read_pcm(self, frame: int, n_frames: int, channel: int | None = None) -> bytes:
        """PCM of `n_frames` frames from `frame` on, or less where the recording ends.

        Of one channel alone, or as they are stored: interleaved.
        """
        n_frames = min(n_frames, self.n_frames - frame)
        if n_frames <= 0:
            return b""
        with self._read_lock:
            try:
                if self._reader is None:
                    self._reader = open(self.path / "audio.wav", "rb")  # noqa: SIM115
                self._reader.seek(audio.WAV_HEADER_BYTES + frame * self.frame_bytes)
                pcm = self._reader.read(n_frames * self.frame_bytes)
            except OSError as error:
                raise cannot("read", self.path, error) from error
            if not self.writing:  # A session may be held for days; its file need not be.
                self._reader.close()
                self._reader = None
        if channel is None or self.n_channels == 1:
            return pcm
        return audio.to_array(pcm, self.n_channels)[:, channel].tobytes()

    def chunk_records(self) -> npt.NDArray[Any]:
        """Records of ``chunks.bin``, dtype `CHUNK_RECORD`; a torn last one is left out."""
        try:
            data = (self.path / "chunks.bin").read_bytes()
        except OSError as error:
            raise cannot("read", self.path, error) from error
        return np.frombuffer(data, CHUNK_RECORD, count=len(data) // CHUNK_RECORD.itemsize)

    def missing(self) -> list[tuple[int, int, int | None]]:
        """Stretches not transcribed: (start, end) in frames, channel; see `tables.missing`."""
        return tables.missing(
            self.entries[:],
            self.chunk_records(),
            self.n_frames,
            self.sample_rate_hz,
            self.n_channels,
        )

    def wav_header(self) -> bytes:
        """The header that ``audio.wav`` has to have now."""
        return audio.wav_header(self.n_frames, self.sample_rate_hz, self.n_channels)

    def release(self) -> None:
        """Close the files that reading keeps open; they are opened again when needed."""
        self.entries.release()
        with self._read_lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    # -- inside ------------------------------------------------------------------------------

    def _append(self, file: IO[bytes] | None, data: bytes) -> None:
        if file is None:
            raise StoreError(f"{self.path} is not open for writing.", path=self.path)
        try:
            files.append(file, data)
        except OSError as error:
            raise cannot("write", self.path, error) from error

    def _close_files(self) -> None:
        with self._sync_lock, self._lock:
            for file in (self._audio, self._header, self._events, self._chunks):
                if file is not None:
                    file.close()
            self._audio = self._header = self._events = self._chunks = None
            self.writing = False
            self.changed.notify_all()

    def _append_chunk(self, frame: int, n_frames: int, connection: int, at_s: float) -> None:
        record = _PACKED.pack(frame, n_frames, connection, at_s)
        with self._lock:
            self._append(self._chunks, record)

    def _load(self) -> None:
        wav = self.path / "audio.wav"
        try:
            n_bytes = wav.stat().st_size - audio.WAV_HEADER_BYTES
            with open(wav, "rb") as file:
                header = file.read(audio.WAV_HEADER_BYTES)
            torn = self.entries.scan()
            torn_annotations = self.annotations.torn()
        except OSError as error:
            raise cannot("read", self.path, error) from error
        self.n_frames = max(0, n_bytes // self.frame_bytes)
        self.writing = False
        if not is_being_recorded(self.path):
            self.damage = Damage(
                torn_events=int(torn),
                torn_bytes=max(0, n_bytes) % self.frame_bytes,
                stale_header=header != self.wav_header(),
                torn_annotations=int(torn_annotations),
            )
        elif torn_annotations:
            self.damage = Damage(torn_annotations=1)


def _check(meta: dict[str, Any]) -> None:
    """Raise ValueError unless audio can be read as `meta` says; it may come from anywhere."""
    rate_hz, n_channels, speakers = (meta[k] for k in ("sample_rate_hz", "channels", "speakers"))
    if type(rate_hz) is not int or not 1000 <= rate_hz <= 768_000:
        raise ValueError(f"sample_rate_hz is {rate_hz!r}")
    if type(n_channels) is not int or not 1 <= n_channels <= 256:
        raise ValueError(f"channels is {n_channels!r}")
    if not all(isinstance(name, str) for name in speakers) or len(speakers) not in (0, n_channels):
        raise ValueError(f"speakers is {speakers!r}")


def recover(path: str | Path) -> Damage:
    """Mend a folder whose recording was killed, and say what was wrong.

    The header gets the true length, a torn frame at the end is cut off, and a torn last event,
    which nobody can read, is moved to ``events.torn``, a torn last annotation to
    ``annotations.torn``. Nothing else changes; a folder that is in order, or being recorded, is
    left alone.

    Raises
    ------
    StoreError
        If another process is recording into it.

    """
    path = Path(path).expanduser()
    if is_being_recorded(path):
        raise StoreError(
            f"{path} is being recorded right now.", hint="Stop that recording first.", path=path
        )
    folder = Folder.open_(path)
    damage = folder.damage
    if not damage and folder.state in _ENDED:
        return damage
    try:
        n_bytes = folder.n_frames * folder.frame_bytes
        mend_audio(path / "audio.wav", folder.wav_header(), n_bytes)
        if damage.torn_events:
            mend_events(path / "events.jsonl")
        folder.annotations.mend()
        mend_chunks(path / "chunks.bin")
    except OSError as error:
        raise cannot("mend", path, error) from error
    if folder.meta.get("state") not in _ENDED:
        folder.update(state="recovered", audio_frames=folder.n_frames)
    return damage
