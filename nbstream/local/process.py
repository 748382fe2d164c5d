"""The local recogniser as a process: arguments, ready line, signals, exit status."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nbstream.errors import NbstreamError

if TYPE_CHECKING:
    from nbstream.local.model import Model
    from nbstream.local.replay import Recording

KEY_VARIABLE = "NBSTREAM_LOCAL_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options of `serve`, under the same names."""
    add = parser.add_argument
    add("--port", type=int, default=8900, metavar="N", help="0 takes a free one (default 8900)")
    add("--host", default="127.0.0.1", help="where to listen (default 127.0.0.1)")
    add("--allow-remote", action="store_true", help="let --host be other than this machine")
    add("--key", default="", help=f"the one right API key; better in {KEY_VARIABLE}")
    add("--certfile", type=Path, metavar="PEM", help="certificate: speak TLS")
    add("--keyfile", type=Path, metavar="PEM", help="its private key")
    add("--max-speed", type=float, metavar="X", help="at most X seconds of audio a second")
    add("--strict-rate", action="store_true", help="refuse audio much faster than it is spoken")
    add("--single-use-tokens", action="store_true", help="a token opens one session only")
    add("--faults", action="store_true", help="for tests: allow _fault=NAME:VALUE in queries")
    add("--with-parent", action="store_true", help="end when stdin ends")
    add("--replay", type=Path, metavar="FOLDER", help="tell a recorded session again instead")


def serve(
    *,
    port: int = 8900,
    host: str = "127.0.0.1",
    allow_remote: bool = False,
    key: str = "",
    certfile: Path | None = None,
    keyfile: Path | None = None,
    max_speed: float | None = None,
    strict_rate: bool = False,
    single_use_tokens: bool = False,
    faults: bool = False,
    with_parent: bool = False,
    replay: Path | None = None,
) -> int:
    """Serve until Ctrl+C or SIGTERM; prints one line with the address when ready.

    Parameters
    ----------
    key : str
        Empty takes the one in the environment variable `KEY_VARIABLE`; if there is none either,
        any key is right.
    faults : bool
        Whether connections may ask for faults in their query.
    with_parent : bool
        End, too, when stdin does: with the process that holds its other end; Ctrl+C is then that
        process's affair and ignored here.
    replay : Path, optional
        A session's folder: its messages are told again as its audio comes in, and nothing is
        recognised.
    **options
        As `server.Server`.

    Returns
    -------
    int
        Exit status: 0 after a proper end, 1 if it could not start (one sentence on stderr).
    """
    try:
        model = _model(replay)
        from nbstream.local.server import Server

        server = Server(
            model,
            host=host,
            port=port,
            key=key or os.environ.get(KEY_VARIABLE, ""),
            max_speed=max_speed,
            strict_rate=strict_rate,
            faults_by_query=faults,
            single_use_tokens=single_use_tokens,
            certfile=certfile,
            keyfile=keyfile,
            allow_remote=allow_remote,
        )

        async def main() -> None:
            stop = asyncio.Event()
            if with_parent:
                _stop_with_stdin(stop)
                # A notebook's interrupt goes to the kernel's whole process group; it is meant for
                # the cell, not for us.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                _stop_on_signals(stop, signal.SIGTERM)
            else:
                _stop_on_signals(stop, signal.SIGTERM, signal.SIGINT)
            await server.run(
                stop, lambda: print(f"nbstream local recogniser ready at {server.url}", flush=True)
            )

        asyncio.run(main())
    except KeyboardInterrupt:
        return 0
    except NbstreamError as exc:
        print(exc, file=sys.stderr)
        return 1
    except OSError as exc:
        taken = exc.errno == errno.EADDRINUSE
        why = "the port is in use" if taken else (exc.strerror or exc)
        print(
            f"the local recogniser cannot listen on {host} port {port}: {why}."
            " Choose another --port, or 0 for a free one.",
            file=sys.stderr,
        )
        return 1
    return 0


def _model(replay: Path | None) -> Model | Recording:
    if replay is not None:
        from nbstream.local.replay import Recording

        return Recording(replay)
    from nbstream.local.model import Model

    return Model.load()


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m nbstream.local``."""
    parser = argparse.ArgumentParser(
        prog="python -m nbstream.local",
        description="A speech recogniser on this machine that speaks AssemblyAI Streaming v3.",
    )
    add_arguments(parser)
    return serve(**vars(parser.parse_args(arguments)))


def _stop_on_signals(stop: asyncio.Event, *numbers: signal.Signals) -> None:
    loop = asyncio.get_running_loop()
    for number in numbers:
        # Windows, or not the main thread: Ctrl+C arrives as KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)


def _stop_with_stdin(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def watch() -> None:
        # The bare descriptor: a reader of sys.stdin would hold its lock when Python exits.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="nbstream-parent", daemon=True).start()
