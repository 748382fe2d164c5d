"""A microphone that speaks what a test plays: a PulseAudio server of its own, on no hardware.

    with virtual_mic() as mic, mic.in_this_process():
        with Microphone() as source:
            mic.play("speech.wav")     # 16 kHz mono 16-bit arrives sample-exact

Other processes (a browser, a kernel) hear it with ``env={**os.environ, **mic.env}``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

START_S = 20
ALSA_CONFIG = """\
pcm_type.pulse { lib "libasound_module_pcm_pulse.so" }
pcm.!default { type pulse }
ctl.!default { type pulse }
"""
# PortAudio finds no device with this one. (It ends the process if there is no pcm at all.)
NO_DEVICE_CONFIG = "pcm.!default { type hw card 99 }\nctl.!default { type hw card 99 }\n"


class VirtualMic:
    """A running PulseAudio server whose default source is what `play` plays.

    Attributes
    ----------
    env : dict
        What a process needs in its environment to see this microphone and no other.
    """

    def __init__(
        self, folder: Path, device_names: Sequence[str], n_channels: int, rate_hz: int
    ) -> None:
        names = "".join(f"pcm.{name} {{ type pulse }}\n" for name in device_names)
        config = folder / "asound.conf"
        config.write_text(ALSA_CONFIG + names)
        socket = folder / "native"
        self.env = {
            "ALSA_CONFIG_PATH": str(config),
            "HOME": str(folder),
            "PULSE_SERVER": f"unix:{socket}",
            "XDG_RUNTIME_DIR": str(folder),
        }
        # Without norewinds the first samples after a silence can be lost.
        self._server = subprocess.Popen(
            [
                "pulseaudio",
                *("-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"),
                "--disable-shm=yes",
                "--log-level=error",
                *("-L", f"module-native-protocol-unix auth-anonymous=1 socket={socket}"),
                "-L",
                f"module-null-sink sink_name=vmic rate={rate_hz} channels={n_channels} "
                "format=s16le norewinds=1",
            ],
            env={**os.environ, **self.env},
        )

    def wait_until_ready(self) -> None:
        """Return when the server answers."""
        deadline_s = time.monotonic() + START_S
        while self._run("pactl", "info").returncode:
            assert self._server.poll() is None, "pulseaudio has ended"
            assert time.monotonic() < deadline_s, "pulseaudio does not answer"

    def play(self, path: str | os.PathLike[str]) -> subprocess.Popen[bytes]:
        """Speak a WAV file into the microphone; returns at once, `wait` on what it gives."""
        return subprocess.Popen(
            ["paplay", "--device=vmic", os.fspath(path)], env={**os.environ, **self.env}
        )

    def as_input(self, name: str) -> None:
        """Be an input of that name as well: browsers leave out what listens to a loudspeaker."""
        self._plug(name)

    @contextlib.contextmanager
    def plugged(self, name: str) -> Iterator[None]:
        """Be an input of that name meanwhile, as one that is plugged in and pulled out again."""
        module = self._plug(name)
        try:
            yield
        finally:
            self._run("pactl", "unload-module", module)

    def _plug(self, name: str) -> str:
        source = (
            "master=vmic.monitor",
            f"source_name={name}",
            f"source_properties=device.description={name}",
        )
        module = self._pactl("load-module", "module-remap-source", *source)
        self._pactl("set-default-source", name)
        return module

    def mute(self, name: str, is_off: bool) -> None:
        """Switch the input of that name off, as its key or the system's settings do, or on."""
        self._pactl("set-source-mute", name, str(int(is_off)))

    def freeze(self) -> None:
        """Let the microphone give nothing more, without an error, as a hanging device does."""
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._server.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """Let nothing be captured meanwhile, nor caught up with: the computer sleeps."""
        self._pactl("suspend-sink", "vmic", "1")
        self._pactl("suspend-source", "@DEFAULT_SOURCE@", "1")
        try:
            yield
        finally:
            self._pactl("suspend-sink", "vmic", "0")
            self._pactl("suspend-source", "@DEFAULT_SOURCE@", "0")

    def kill(self) -> None:
        """Pull the microphone out."""
        self._server.kill()
        self._server.wait()

    @contextlib.contextmanager
    def in_this_process(self) -> Iterator[None]:
        """Put `env` into this process's environment for a while."""
        before = {name: os.environ.get(name) for name in self.env}
        os.environ.update(self.env)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def _pactl(self, *command: str) -> str:
        done = self._run("pactl", *command)
        assert not done.returncode, done.stderr
        return done.stdout.decode().strip()

    def _run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        env = {**os.environ, **self.env}
        return subprocess.run(command, env=env, capture_output=True, check=False, timeout=START_S)


@contextlib.contextmanager
def virtual_mic(
    device_names: Sequence[str] = (), n_channels: int = 1, rate_hz: int = 16_000
) -> Iterator[VirtualMic]:
    """Start a virtual microphone, ready when this returns, and stop it in any case.

    Parameters
    ----------
    device_names : sequence of str
        More names for the same microphone, beside "default".
    n_channels : int
        How many channels it has.
    rate_hz : int
        Its rate; what is played at this rate arrives sample-exact.
    """
    with tempfile.TemporaryDirectory(prefix="vmic-") as folder:
        mic = VirtualMic(Path(folder), device_names, n_channels, rate_hz)
        try:
            mic.wait_until_ready()
            yield mic
        finally:
            mic.kill()
