"""PortAudio through PyAudio: loading it without noise, the microphones there are, choosing one."""

from __future__ import annotations

import contextlib
import io
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbstream.errors import SourceError
from nbstream.sources.quiet import quiet_stderr

if TYPE_CHECKING:
    import pandas as pd

WITHOUT: Final = 'Without a microphone, source="sample" and the path of an audio file work.'
INSTALL: Final = (
    "Debian and Ubuntu: apt-get install portaudio19-dev, then pip install 'nbstream[mic]'. "
    "macOS: brew install portaudio, then pip install 'nbstream[mic]'. "
    f"Windows: pip install 'nbstream[mic]'. {WITHOUT}"
)


@dataclass(frozen=True, slots=True)
class Device:
    """A microphone as PortAudio lists it."""

    index: int
    name: str
    channels: int
    default_rate_hz: int
    is_default: bool
    host_api: str


def devices() -> pd.DataFrame:
    """List the microphones of this machine.

    Returns
    -------
    DataFrame, shape (n_devices, 6)
        ``index`` (for `Microphone`), ``name``, ``channels``, ``default_rate_hz``, ``is_default``
        and ``host_api``. Empty where there is no microphone.

    Raises
    ------
    SourceError
        If PyAudio or PortAudio is missing.
    """
    import pandas as pd

    with portaudio() as (_, audio):
        found = inputs(audio)
    columns = {
        "index": "int64",
        "name": "object",
        "channels": "int64",
        "default_rate_hz": "int64",
        "is_default": "bool",
        "host_api": "object",
    }
    rows = [[getattr(device, column) for column in columns] for device in found]
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def _load_pyaudio() -> Any:
    """Import PyAudio, which prints to stdout when its C module can't be loaded."""
    try:
        loaded = "pyaudio" in sys.modules
        with contextlib.nullcontext() if loaded else contextlib.redirect_stdout(io.StringIO()):
            import pyaudio
    except ModuleNotFoundError as error:
        raise SourceError("PyAudio is not installed.", hint=INSTALL, source="mic") from error
    except ImportError as error:
        raise SourceError(
            f"PyAudio is installed, but the PortAudio library that it needs is not: {error}.",
            hint="Debian and Ubuntu: apt-get install libportaudio2. macOS: brew install portaudio. "
            f"Windows: pip install --force-reinstall pyaudio. {WITHOUT}",
            source="mic",
        ) from error
    return pyaudio


@contextlib.contextmanager
def portaudio() -> Iterator[tuple[Any, Any]]:
    """Start PortAudio, give (module, PyAudio object), and end it."""
    pyaudio = _load_pyaudio()
    try:
        with quiet_stderr():
            audio = pyaudio.PyAudio()
    except OSError as error:
        raise SourceError(
            f"PortAudio can't be started: {error}.", hint=WITHOUT, source="mic"
        ) from error
    try:
        yield pyaudio, audio
    finally:
        with quiet_stderr():
            audio.terminate()


def inputs(audio: Any) -> list[Device]:
    """List what can record."""
    try:
        default = audio.get_default_input_device_info()["index"]
    except OSError:
        default = None
    found = []
    for index in range(audio.get_device_count()):
        info = audio.get_device_info_by_index(index)
        if info["maxInputChannels"] < 1:
            continue
        name = info["name"]
        found.append(
            Device(
                index=index,
                # PyAudio leaves bytes that it can't decode.
                name=name.decode(errors="replace") if isinstance(name, bytes) else name,
                channels=info["maxInputChannels"],
                default_rate_hz=int(info["defaultSampleRate"]),
                is_default=index == default,
                host_api=audio.get_host_api_info_by_index(info["hostApi"])["name"],
            )
        )
    return found


def choose(found: list[Device], wanted: int | str | None) -> Device:
    """Pick the one device that `wanted` (an index, a part of a name, None: the default) means.

    Raises
    ------
    SourceError
        If there is no device, or not exactly one that fits; it lists the candidates.
    """
    if not found:
        raise SourceError(
            "no microphone: the machine that the kernel runs on "
            f"({socket.gethostname()}) has no audio input.",
            hint="A kernel on another machine can't reach the microphone of this one: in a "
            f'notebook, source="browser" records with the one of your browser. {WITHOUT}',
            source="mic",
        )
    fitting = _fitting(found, wanted)
    if len(fitting) == 1:
        return fitting[0]
    asked = "the system's default" if wanted is None else repr(wanted)
    if fitting:
        message = f"several microphones match {asked}: {_listed(fitting)}."
    else:
        message = f"no microphone matches {asked}: found {_listed(found)}."
    raise SourceError(
        message,
        hint="Pass the number, or a part of the name that only one of them has.",
        source=str(wanted),
    )


def _fitting(found: list[Device], wanted: int | str | None) -> list[Device]:
    if wanted is None:
        return [device for device in found if device.is_default]
    if not isinstance(wanted, str):
        return [device for device in found if device.index == wanted]
    part = wanted.casefold()
    fitting = [device for device in found if part in device.name.casefold()]
    fitting = [device for device in fitting if part == device.name.casefold()] or fitting
    # Windows lists a device once for each host API; the default device's is the one to take.
    home = {device.host_api for device in found if device.is_default}
    at_home = [device for device in fitting if device.host_api in home]
    return at_home if len(at_home) == 1 else fitting


def _listed(found: list[Device]) -> str:
    return ", ".join(f"[{device.index}] {device.name}" for device in found)
