"""Sound from the page to the folder, whole, by each route and whatever the kernel does meanwhile.

One recording for each place: the kernel idles, computes in C, Python and NumPy, sleeps, draws, and
the line is cut; then Stop is pressed while a cell computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import Lab, lab
from tests.page_course import N_FIGURES, take_all
from tests.page_microphone import (
    check,
    listening_chromium,
    sounds,
    write_speech,
)
from tests.scripted import ScriptedServer

pytestmark = pytest.mark.browser

SPEECH_S = 20.0
ELSEWHERE = "hub.test"  # a host that is not loopback, for the page


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("speech") / "speech.wav", SPEECH_S)


@pytest.fixture(scope="module")
def browser(speech: Path) -> Iterator[Browser]:
    with listening_chromium(speech) as browser:
        yield browser


def check_all(
    server: Lab, browser: Browser, service: ScriptedServer, route: str, ipykernel: int = 7
) -> dict[str, Any]:
    """Record in that place; all of it is there. Returns what session.json says of the source."""
    kernel = server.add_ipykernel_6() if ipykernel == 6 else "python3"
    taken = take_all(
        server,
        browser,
        service,
        route=route,
        kernel=kernel,
        seconds=SPEECH_S,
    )
    source: dict[str, Any] = check(taken.folder, SPEECH_S)["source"]
    assert (route, ipykernel) == (source["route"], taken.ipykernel)
    assert list(range(taken.captured)) == [chunk.seq for chunk in taken.came]
    ends = list(accumulate(chunk.frames for chunk in taken.came))
    n_kept = ends.index(sounds(taken.folder / "audio.wav").size)
    assert ends[-1] - ends[n_kept] < 16_000  # behind the stop, of which a busy page hears later
    assert (1, 4) == (source["pages"], source["lines"])
    assert {"route": route, "why": "the first that answered"} == source["tried"][-1]
    assert abs(source["clock"]["drift_ms"]) < 200
    assert 0 <= source["clock"]["uncertainty_ms"] < 100
    assert 2 * N_FIGURES == taken.figures
    assert taken.complaints == []
    assert taken.stop_ms is not None  # it did not wait for the cell
    return source


@pytest.mark.parametrize(
    ("route", "ipykernel"), [("direct", 7), ("direct", 6), ("control", 6), ("comm", 7)]
)
def test_in_lab(
    server: Lab, browser: Browser, service: ScriptedServer, route: str, ipykernel: int
) -> None:
    """JupyterLab beside the browser: by socket, and without one through the widget."""
    check_all(server, browser, service, route, ipykernel)


def test_in_notebook_7_elsewhere(
    speech: Path, browser: Browser, service: ScriptedServer, tmp_path: Path
) -> None:
    """A page elsewhere: by jupyter-server-proxy, under a base URL and with a token."""
    pytest.importorskip("jupyter_server_proxy")
    far = {"base_url": "/hub/user/", "token": "a-token", "host": ELSEWHERE}
    with lab(tmp_path, app="notebook", **far) as server:
        origin = server.url.removesuffix("/hub/user")
        flags = [
            f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
            f"--unsafely-treat-insecure-origin-as-secure={origin}",
        ]
        with listening_chromium(speech, flags, browser) as browser:
            source = check_all(server, browser, service, "proxy")
            assert f"the page is at {ELSEWHERE}" in source["tried"][0]["why"]
