"""The notebook's side of this machine: kernel, running servers, loopback. Nothing leaves it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from nbstream.channel import HOST, LOOPBACK_NAMES
from nbstream.checkup.facts import Kernel, Server

_PATIENCE_S: Final = 2.0
_ANY: Final = ("", "*", "0.0.0.0", "::")
_PROXY: Final = "server-proxy/servers-info"  # jupyter-server-proxy answers there, to who is let in
_NOTHING: Final = "server-proxy/nothing"


def kernel() -> Kernel | None:
    """The kernel that this runs in, if it is a notebook's."""
    ipython = sys.modules.get("IPython")  # who runs in a kernel has loaded it
    found = getattr(ipython.get_ipython(), "kernel", None) if ipython else None
    if found is None:
        return None
    features = getattr(found, "kernel_info", {}).get("supported_features", ())
    return Kernel(
        has_control=isinstance(getattr(found, "control_handlers", None), dict),
        has_subshells="kernel subshells" in features,
        front_end=_front_end(),
    )


def _front_end() -> str:
    if "google.colab" in sys.modules:
        return "Colab"
    if "JUPYTERHUB_SERVICE_PREFIX" in os.environ:
        return "JupyterHub"
    # A server that was started in VS Code's terminal leaves this to its kernels, too.
    in_code = "VSCODE_PID" in os.environ and not any(s.is_ours for s in servers())
    return "VS Code" if in_code else ""


def loopback_problem() -> str:
    """Why no port of this machine can be opened and reached; empty if one can."""
    try:
        with socket.create_server((HOST, 0)) as listener:
            listener.settimeout(_PATIENCE_S)
            with socket.create_connection(listener.getsockname(), _PATIENCE_S):
                listener.accept()[0].close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def servers() -> tuple[Server, ...]:
    """The Jupyter servers of this person that answer.

    Read from the files they leave: jupyter_server, which can list them, need not be installed
    where the kernel is. The token that stands there is neither used nor kept.
    """
    return tuple(filter(None, (_server(info) for info in _infos())))


def _infos() -> Iterator[dict[str, Any]]:
    try:
        from jupyter_core.paths import jupyter_runtime_dir
    except ImportError:
        return
    for path in sorted(Path(jupyter_runtime_dir()).glob("jpserver-*.json")):
        with contextlib.suppress(OSError, ValueError):
            info = json.loads(path.read_text("utf-8"))
            if isinstance(info, dict):
                yield info


def _server(info: dict[str, Any]) -> Server | None:
    host, base = str(info.get("hostname", "")), str(info.get("base_url") or "/")
    port, is_secure = info.get("port"), bool(info.get("secure"))
    if not isinstance(port, int) or info.get("sock"):
        return None  # It listens on a file.
    base = base if base.endswith("/") else f"{base}/"
    address = HOST if host in (*_ANY, "localhost") else host
    if _status(address, port, is_secure, f"{base}api") != http.HTTPStatus.OK:
        return None  # It was killed and left its file.
    known = _status(address, port, is_secure, base + _PROXY)
    unknown = _status(address, port, is_secure, base + _NOTHING)
    shown = "localhost" if host in (*_ANY, *LOOPBACK_NAMES) else host
    return Server(
        url=f"http{'s' if is_secure else ''}://{shown}:{port}{base}",
        is_loopback=host in LOOPBACK_NAMES,
        is_secure=is_secure,
        has_proxy=has_proxy(known, unknown),
        is_ours=str(info.get("pid")) == os.environ.get("JPY_PARENT_PID"),
    )


def has_proxy(known: int | None, unknown: int | None) -> bool | None:
    """Whether a server has jupyter-server-proxy, from what it answers who is not logged in.

    Parameters
    ----------
    known, unknown : int or None
        HTTP status for an address of jupyter-server-proxy, and for one that nobody answers; None
        if there was no answer.

    """
    if known == http.HTTPStatus.NOT_FOUND:
        return False
    return None if known is None or known == unknown else True


def _status(host: str, port: int, is_secure: bool, path: str) -> int | None:
    # Its certificate is made out to another name than loopback, and nothing secret is said.
    connection = (
        http.client.HTTPSConnection(
            host, port, timeout=_PATIENCE_S, context=ssl._create_unverified_context()
        )
        if is_secure
        else http.client.HTTPConnection(host, port, timeout=_PATIENCE_S)
    )
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError):
            return None
