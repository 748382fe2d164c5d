"""A headless Firefox, by WebDriver BiDi: the little of it that tests need.

with firefox(microphone.env) as page:
    page.go("http://127.0.0.1:8888/lab")
    page.wait_for("() => window.jupyterapp")
    page.evaluate("name => document.title + name", "!")
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.browser import START_S

DEADLINE_S = 60
VIEWPORT = {"width": 1300, "height": 900}
PREFS: dict[str, bool | int | str] = {
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.firstRunURL": "",
    "media.autoplay.blocking_policy": 0,
    "media.autoplay.default": 0,  # an AudioContext runs though nobody has touched the page
    # Where no thread has a realtime priority, a busy machine is late by more than the usual.
    "media.cubeb_latency_mtg_frames": 9600,
    "network.connectivity-service.enabled": False,
    "permissions.default.microphone": 1,  # everybody may have it
    "remote.prefs.recommended": True,
    "toolkit.startup.max_resumed_crashes": -1,
}


class FirefoxError(Exception):
    """What Firefox, or a script in its page, has complained about."""


def firefox_path() -> str:
    """Debian's Firefox, or another one that is installed."""
    found = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
    assert found, "no Firefox: apt-get install firefox-esr"
    return found


class FirefoxPage:
    """The one page of a Firefox.

    Attributes
    ----------
    complaints : list of str
        Errors that its console shows, as far as they were heard by the last call.
    """

    def __init__(self, line: ClientConnection) -> None:
        self.complaints: list[str] = []
        self._line = line
        self._ids = itertools.count()
        self._call("session.new", capabilities={})
        self._call("session.subscribe", events=["log.entryAdded"])
        # The window that it opens by itself never has the focus, without which nothing is current.
        self._context = self._call("browsingContext.create", type="window")["context"]
        self._call("browsingContext.setViewport", context=self._context, viewport=VIEWPORT)

    def go(self, url: str, wait: str = "complete") -> None:
        """Load a page."""
        self._call("browsingContext.navigate", context=self._context, url=url, wait=wait)

    def evaluate(self, function: str, *arguments: Any) -> Any:
        """What a function of JavaScript gives, async or not; to the page it is a person's doing."""
        given = ", ".join(map(json.dumps, arguments))
        answer = self._call(
            "script.callFunction",
            functionDeclaration=f"async () => JSON.stringify(await ({function})({given}) ?? null)",
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise FirefoxError(f"{answer['exceptionDetails']['text']}\n{function}")
        return json.loads(answer["result"]["value"])

    def wait_for(self, function: str, *arguments: Any) -> Any:
        """Wait until the function gives something true, and return that."""
        deadline_s = time.monotonic() + DEADLINE_S
        never = threading.Event()
        while not (found := self.evaluate(function, *arguments)):
            assert time.monotonic() < deadline_s, (function, arguments)
            never.wait(0.05)
        return found

    def before_each_page(self, function: str) -> None:
        """Have a function run in each page that is loaded from now on, before its own scripts."""
        self._call("script.addPreloadScript", functionDeclaration=function)

    def prefer(self, name: str, value: int) -> None:
        """Change a preference while it runs."""
        # Only windows of Firefox's own may do so; all of them are as good.
        tree = self._call("browsingContext.getTree", **{"moz:scope": "chrome"})
        answer = self._call(
            "script.evaluate",
            expression=f"Services.prefs.setIntPref({json.dumps(name)}, {value})",
            target={"context": tree["contexts"][0]["context"]},
            awaitPromise=False,
        )
        assert "success" == answer["type"], answer

    def screenshot(self, path: Path) -> None:
        """Save what is to be seen, as PNG."""
        answer = self._call("browsingContext.captureScreenshot", context=self._context)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _call(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        self._line.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._line.recv(DEADLINE_S))
            if answer.get("id") != number:
                self._hear(answer)
                continue
            if answer["type"] == "error":
                raise FirefoxError(f"{method}: {answer['error']}: {answer['message']}")
            return answer["result"]

    def _hear(self, event: Any) -> None:
        entry = event.get("params", {})
        if entry.get("level") == "error":
            frames = (entry.get("stackTrace") or {}).get("callFrames", [])
            self.complaints.append(f"{entry['text']} {[frame['url'] for frame in frames]}")


@contextlib.contextmanager
def firefox(
    env: Mapping[str, str], prefs: Mapping[str, bool | int | str] | None = None
) -> Iterator[FirefoxPage]:
    """Start one with a profile of its own, and end it in any case.

    Parameters
    ----------
    env : mapping
        More for its environment, as where its microphone is.
    prefs : mapping
        More preferences, as in about:config.
    """
    with tempfile.TemporaryDirectory(prefix="firefox-") as profile:
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});"
            for name, value in {**PREFS, **(prefs or {})}.items()
        ]
        (Path(profile) / "user.js").write_text("\n".join(lines))
        process = subprocess.Popen(
            [
                *(firefox_path(), "--headless", "--no-remote", "--profile", profile),
                *("--remote-debugging-port=0", "--remote-allow-system-access"),
            ],
            env={**os.environ, **env, "HOME": profile},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with connect(_address(process), proxy=None, max_size=None) as line:
                yield FirefoxPage(line)
        finally:
            process.terminate()
            try:
                process.wait(START_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    """Where it listens, as it says; all that it says later is thrown away."""
    assert process.stderr
    said = ""
    patience = threading.Timer(START_S, process.kill)
    patience.start()
    for line in process.stderr:
        said += line
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
            patience.cancel()
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return f"{found[1]}/session"
    raise AssertionError(f"Firefox did not start: {said}")
