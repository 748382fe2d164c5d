"""A JupyterLab or Notebook server and a Chromium to look at it with, as a person would.

with lab(folder) as server, chromium() as browser:
    notebook = server.open(browser, "demo.ipynb", ["1 + 1"])
    notebook.run(0)
    notebook.output(0).wait_for()
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    expect,
    sync_playwright,
)

expect.set_options(timeout=30_000)  # as all of Playwright's else; a busy machine needs it

ROOT = Path(__file__).parent.parent
START_S = 60
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
NOTIFICATIONS = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
APPS = {  # module, the class that is configured, path of a notebook's page
    "lab": ("jupyterlab", "LabApp", "doc/tree"),
    "notebook": ("notebook", "JupyterNotebookApp", "notebooks"),
}
IPYKERNEL_6 = "ipykernel==6.31.*"
RUN = "index => { const nb = jupyterapp.shell.currentWidget.content; nb.activeCellIndex = index; }"


def chromium_path() -> str:
    """Debian's Chromium, or another one that is installed."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    assert found, "no Chromium: apt-get install chromium"
    return found


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        with contextlib.closing(browser):
            yield browser


def ipykernel_6() -> Path:
    """A folder that shadows the installed ipykernel with version 6; made if it is missing."""
    made = Path(sys.prefix) / "ipykernel6"
    with (made.parent / "ipykernel6.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Tests run side by side.
        if not made.exists():
            begun = made.with_suffix(".begun")
            shutil.rmtree(begun, ignore_errors=True)
            pip = (sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check")
            subprocess.run([*pip, "--no-deps", "--target", str(begun), IPYKERNEL_6], check=True)
            begun.rename(made)
    return made


class Notebook:
    """An open notebook: runs its cells, finds their outputs, keeps what the console complains."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(30_000)
        page.on("console", self._hear)
        page.on("pageerror", self._hear_error)
        self._url = url

    def load(self) -> None:
        """Open it, or open it again, and wait until its kernel is there."""
        self.page.goto(self._url)
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
            "?.connectionStatus === 'connected'",
            timeout=START_S * 1000,
        )
        self.page.wait_for_function(
            "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
        )

    def run(self, index: int, *, wait: bool = True) -> None:
        """Run a cell, and wait until it has run."""
        cell = self.cell(index)
        before = self._count(index)
        self.page.evaluate(RUN, index)
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-cell'); }")
        if wait:
            self.page.wait_for_function(
                "([index, before]) => { const n = jupyterapp.shell.currentWidget.content"
                ".widgets[index].model.executionCount; return n !== null && n !== before; }",
                arg=[index, before],
            )
        cell.scroll_into_view_if_needed()

    def cell(self, index: int) -> Locator:
        """The cell of that number."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def output(self, index: int) -> Locator:
        """What the cell has given."""
        return self.cell(index).locator(".jp-OutputArea-output")

    def restart(self) -> None:
        """Have a new kernel in the stead of the old one."""
        self.page.evaluate(
            "async () => { await jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"
        )
        self.load()

    def command(self, name: str, **arguments: Any) -> None:
        """Execute one of JupyterLab's commands, and wait for it."""
        self.page.evaluate(
            "async ([name, args]) => { await jupyterapp.commands.execute(name, args); }",
            [name, arguments],
        )

    def _count(self, index: int) -> int | None:
        found: int | None = self.page.evaluate(
            "i => jupyterapp.shell.currentWidget.content.widgets[i].model.executionCount", index
        )
        return found

    def _hear_error(self, error: Error) -> None:
        # JupyterLab 4.6 itself fails now and then, as when its tool bar is squeezed.
        if re.search(r"blob:|labextensions", str(error.stack)):
            self.complaints.append(f"{error} {error.stack}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")


class Lab:
    """A running JupyterLab, or Notebook, on loopback that serves `folder`."""

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str],
        app: str = "lab",
        base_url: str = "/",
        token: str = "",
        host: str = "127.0.0.1",
    ) -> None:
        module, configured, self._path = APPS[app]
        self.folder = folder
        self._token = token
        self._opened: dict[str, Notebook] = {}
        self.log = folder / "jupyterlab.log"
        settings = folder / "settings"
        notifications = settings / NOTIFICATIONS
        notifications.parent.mkdir(parents=True)
        notifications.write_text(json.dumps(NO_NEWS))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._loopback_url = f"http://127.0.0.1:{port}{base_url.rstrip('/')}"
        self.url = self._loopback_url.replace("127.0.0.1", host)
        own = {
            "HOME": str(folder),
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        inherited = {k: v for k, v in os.environ.items() if k != "ASSEMBLYAI_API_KEY"}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", module, "--allow-root", "--no-browser"),
                    *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
                    *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"),
                    f"--ServerApp.base_url={base_url}",
                    f"--ServerApp.allow_remote_access={self.url != self._loopback_url}",
                    *(f"--{one}.expose_app_in_browser=True" for _, one, _ in APPS.values()),
                    f"--{configured}.user_settings_dir={settings}",
                    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                ],
                env={**inherited, **own, **env},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        # After a test run that is torn down the hard way, a survivor would keep the port.
        atexit.register(self.stop)

    def wait_until_ready(self) -> None:
        """Return when the server answers."""
        deadline_s = time.monotonic() + START_S
        never = threading.Event()
        while True:
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, self.log.read_text()
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"{self._loopback_url}/api", timeout=5).close()
                return
            never.wait(0.1)

    def open(
        self,
        browser: Browser,
        name: str,
        cells: Sequence[str],
        *,
        kernel: str = "python3",
        width: int = 1300,
        height: int = 900,
    ) -> Notebook:
        """Write a notebook of code cells and open it in a window of that size.

        What a test that failed has left of it, and tries again, is gone before that.
        """
        before = self._opened.get(name)
        if before is not None:
            before.page.context.close()
        path = self.folder / name
        path.write_text(json.dumps(notebook_of(cells, kernel)))
        page = browser.new_context(viewport={"width": width, "height": height}).new_page()
        login = f"?token={self._token}" if self._token else ""
        notebook = Notebook(page, f"{self.url}/{self._path}/{name}{login}")
        notebook.load()
        if before is not None:
            notebook.restart()
            notebook.complaints.clear()  # JupyterLab's own, of that
        self._opened[name] = notebook
        return notebook

    def add_ipykernel_6(self) -> str:
        """Offer a kernel of ipykernel 6; its name."""
        spec = self.folder / "data" / "kernels" / "ipykernel6" / "kernel.json"
        spec.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        path = os.pathsep.join([str(ipykernel_6()), "${PYTHONPATH}"])
        named = {"display_name": "ipykernel 6", "language": "python"}
        spec.write_text(json.dumps({"argv": command, "env": {"PYTHONPATH": path}} | named))
        return "ipykernel6"

    def stop(self) -> None:
        """Stop the server and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def lab(folder: Path, env: Mapping[str, str] | None = None, **how: str) -> Iterator[Lab]:
    """Start a server that is ready when this returns, and stop it in any case.

    `how` may be: `app` ("lab" or "notebook"), `base_url`, `token`, and `host`, the name by which
    pages know it; the browser must be told that it is this machine.
    """
    server = Lab(folder, env or {}, **how)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


def notebook_of(cells: Sequence[str], kernel: str = "python3") -> dict[str, Any]:
    """A notebook of code cells, as JSON."""
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "execution_count": None,
                "metadata": {},
                "outputs": [],
                "source": re.sub(r"^ {8}", "", source, flags=re.MULTILINE).strip(),
            }
            for number, source in enumerate(cells)
        ],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": kernel}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
