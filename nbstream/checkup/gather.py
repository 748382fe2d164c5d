"""Finding out about this place: the thin edge. Nothing is changed, nothing is sent anywhere.

Unless asked: `reach` goes as far as a TLS handshake, `tried` starts the recogniser.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import platform
import shutil
import socket
import ssl
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from nbstream import services, sources, store
from nbstream.checkup import jupyter
from nbstream.checkup.facts import NO_PROBLEM, Facts, Problem, Recording
from nbstream.checkup.rows import EXTRAS
from nbstream.errors import NbstreamError, SourceError, StoreError
from nbstream.local import weights
from nbstream.protocol.closing import KEY_HINT
from nbstream.sources.pagestates import ROUTES
from nbstream.store import files

PACKAGES: Final = (
    "nbstream",
    "anywidget",
    "ipywidgets",
    "ipykernel",
    "jupyterlab",
    "notebook",
    "jupyter-server",
    "jupyter-server-proxy",
    *sorted({package for _, packages in EXTRAS.values() for package in packages}),
)
_PATIENCE_S: Final = 5.0
_RECENT: Final = 3
_LOOKED_AT: Final = 200  # folders, newest first


def gather(folder: str | Path, *, network: bool = False, local: bool = False) -> Facts:
    """Find out everything; takes a second or two, see `nbstream.checkup.doctor`."""
    microphones, microphone_problem = _microphones()
    path = Path(folder).expanduser().absolute()
    weights_folder, local_problem = _local()
    trial, trial_problem = tried() if local and not local_problem else ("", NO_PROBLEM)
    host = urlsplit(services.HOSTS[None]).hostname or ""
    reached, network_problem = reach(host) if network else ("", NO_PROBLEM)
    key = services.found_key()
    free_bytes, folder_problem = room(path)
    return Facts(
        versions=dict(_versions()),
        python=f"{platform.python_version()} on {platform.platform(terse=True)}, {sys.executable}",
        kernel=jupyter.kernel(),
        microphones=microphones,
        microphone_problem=microphone_problem,
        key=""
        if key is None
        else "unusable"
        if not key.fits_a_header()
        else "environment"
        if os.environ.get(services.KEY_VARIABLE, "").strip()
        else "asked",
        key_hint=KEY_HINT,
        network=reached,
        network_problem=network_problem,
        weights=weights_folder,
        local_problem=local_problem or trial_problem,
        trial=trial,
        folder=str(path),
        folder_problem=folder_problem,
        free_bytes=free_bytes,
        loopback_problem=jupyter.loopback_problem(),
        known_routes=tuple(ROUTES),
        servers=jupyter.servers(),
        recordings=tuple(itertools.islice(recordings(path), _RECENT)),
    )


def room(folder: Path) -> tuple[int | None, Problem]:
    """Free bytes where `folder` is or would be, and why nothing can be recorded into it.

    A file without a name is written there and is gone again; `folder` is not made.
    """
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(4096))
            file.flush()
            files.lock(file)  # as some network drives refuse
    except OSError as error:
        problem = files.cannot("write into", there, error)
        return None, _problem(problem)
    with contextlib.suppress(OSError):
        return shutil.disk_usage(there).free, NO_PROBLEM
    return None, NO_PROBLEM


def recordings(folder: Path) -> Iterator[Recording]:
    """Recordings in `folder` whose source was a browser, newest first; damaged ones, too."""
    try:
        paths = list(store.sessions(folder))
    except (StoreError, OSError):
        return
    for path in paths[: -_LOOKED_AT - 1 : -1]:
        try:
            about = json.loads((path / "session.json").read_text("utf-8"))
            source = about["source"]
            if not isinstance(source, dict):
                raise TypeError("its source is none")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            yield Recording(path.name, problem=f"{type(error).__name__}: {error}")
            continue
        if source.get("kind") == "browser":
            yield Recording(path.name, source, is_running=_is_running(path))


def reach(host: str, port: int = 443) -> tuple[str, Problem]:
    """Whether a host has an address and speaks TLS; no request is made, so nothing is billed."""
    hint = "Check the network, the firewall and DNS."
    proxied = ""
    if {"https", "all"} & set(urllib.request.getproxies()):
        proxied = "a proxy is set, by which it may be reached all the same"
    begun_s = time.monotonic()
    try:
        with (
            socket.create_connection((host, port), _PATIENCE_S) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
        ):
            took_ms = (time.monotonic() - begun_s) * 1000
            found = f"{host} was reached by {secure.version()} in {took_ms:.0f} ms"
            return f"{found}; no session was opened", NO_PROBLEM
    except socket.gaierror as error:
        return proxied, Problem(f"{host} has no address here: {error.strerror}", hint)
    except ssl.SSLCertVerificationError as error:
        hint = "Something between here and there shows its own certificate; ask who runs it."
        return proxied, Problem(f"{host} has no certificate to trust: {error.verify_message}", hint)
    except OSError as error:
        return proxied, Problem(f"{host} can't be reached: {error.strerror or error}", hint)


def tried() -> tuple[str, Problem]:
    """Start the local recogniser and have it hear a second of the sample."""
    from nbstream.engine import record

    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nbstream-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            session = record(sources.Sample(speed=0), services.Local(), folder=folder, seconds=1.0)
            session.wait()
        except NbstreamError as error:
            return "", _problem(error)
        heard_s = session.duration_s
    took_s = time.monotonic() - begun_s
    return f"started, and heard {heard_s:.1f} s of the sample, in {took_s:.1f} s", NO_PROBLEM


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def _microphones() -> tuple[tuple[str, ...], Problem]:
    try:
        found: Any = sources.devices()
    except SourceError as error:
        return (), _problem(error)
    names = [f"{d.name} (default)" if d.is_default else d.name for d in found.itertuples()]
    return tuple(names), NO_PROBLEM


def _local() -> tuple[str, Problem]:
    try:
        services.Local().check()
        return str(weights.packaged_folder()), NO_PROBLEM
    except NbstreamError as error:
        return "", _problem(error)


def _problem(error: NbstreamError) -> Problem:
    return Problem(error.message.rstrip("."), error.hint)


def _is_running(path: Path) -> bool:
    try:
        return store.is_being_recorded(path)
    except OSError:
        return False
