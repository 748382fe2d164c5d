"""Promises that hold for every test: no thread dies or outlives it, and nobody sleeps."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.browser import Lab
    from tests.scripted import ScriptedServer

ROOT = Path(__file__).parent.parent
_real_sleep = time.sleep

# Generated cases are the same in each run, so that one that fails says something of the change;
# `make fuzz` looks for others.
_always: dict[str, Any] = {
    "deadline": None,  # times on a busy machine say nothing
    "suppress_health_check": [HealthCheck.function_scoped_fixture],  # tmp_path: written anew
}
settings.register_profile("same", derandomize=True, **_always)
settings.register_profile("fuzz", max_examples=3000, **_always)
settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What happens in real time a busy machine can spoil: twice more then.

    The summary lists those; one that fails three times fails. Those in a browser take longest, and
    so they begin: else one worker would have the last of them when the others have nothing to do.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)
    for item in items:
        if item.get_closest_marker("browser") or item.get_closest_marker("quiet"):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test, or our own code, that sleeps is an error: wait on an event instead."""
    ours = (str(ROOT / "tests"), str(ROOT / "nbstream"))

    def sleep(seconds: float) -> None:
        caller = sys._getframe(1).f_code.co_filename
        if caller.startswith(ours):
            raise AssertionError(f"time.sleep({seconds}) in {caller}")
        _real_sleep(seconds)

    monkeypatch.setattr(time, "sleep", sleep)


@pytest.fixture(autouse=True)
def no_lost_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A thread of ours that dies by an exception, or outlives its test, fails the test."""
    died: list[str] = []
    monkeypatch.setattr(
        threading, "excepthook", lambda args: died.append(f"{args.thread}: {args.exc_value!r}")
    )
    before = set(threading.enumerate())
    yield
    ours = [t for t in threading.enumerate() if t not in before and t.name.startswith("nbstream-")]
    for thread in ours:
        thread.join(10)
    assert not died, died
    assert not [t for t in ours if t.is_alive()]


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of this project use no key of the person who runs them."""
    monkeypatch.delenv("ASSEMBLYAI_API_KEY", raising=False)


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What this person chose in a recorder is neither used nor changed."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab beside the tests."""
    from tests.browser import lab

    with lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="module")
def service() -> Iterator[ScriptedServer]:
    """A service that hears everything and says nothing."""
    from tests.page_microphone import silent_service

    with silent_service() as service:
        yield service
