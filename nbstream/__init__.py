"""Record, stream and study live speech in a Jupyter notebook.

>>> import nbstream as nb
>>> with nb.record("sample", "local") as session:  # doctest: +SKIP
...     session.wait()
>>> session.turns  # doctest: +SKIP

Names are imported when they are used, so ``import nbstream`` loads neither PyAudio nor
websocket-client, matplotlib, pandas or the recogniser.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from nbstream._version import __version__

if TYPE_CHECKING:
    from nbstream import plots as plots
    from nbstream import timing as timing
    from nbstream.checkup.report import doctor as doctor
    from nbstream.engine import Engine as Engine
    from nbstream.engine import open_session as open  # noqa: F401
    from nbstream.engine import record as record
    from nbstream.errors import AuthError as AuthError
    from nbstream.errors import ConnectError as ConnectError
    from nbstream.errors import NbstreamError as NbstreamError
    from nbstream.errors import ParameterError as ParameterError
    from nbstream.errors import RecogniserError as RecogniserError
    from nbstream.errors import ServerError as ServerError
    from nbstream.errors import SourceError as SourceError
    from nbstream.errors import StateError as StateError
    from nbstream.errors import StoreError as StoreError
    from nbstream.services import AssemblyAI as AssemblyAI
    from nbstream.services import Local as Local
    from nbstream.services import Replay as Replay
    from nbstream.services import ask_key as ask_key
    from nbstream.session import Session as Session
    from nbstream.sources import AudioFile as AudioFile
    from nbstream.sources import BrowserMicrophone as BrowserMicrophone
    from nbstream.sources import Dialogue as Dialogue
    from nbstream.sources import Microphone as Microphone
    from nbstream.sources import Sample as Sample
    from nbstream.sources import devices as devices
    from nbstream.store import recover as recover
    from nbstream.widgets import Recorder as Recorder
    from nbstream.widgets.replaying import replay as replay

# name -> (module, name there); the module itself where that is empty
_WHERE = {
    "Recorder": ("widgets", "Recorder"),
    "record": ("engine", "record"),
    "replay": ("widgets.replaying", "replay"),
    "open": ("engine", "open_session"),
    "Session": ("session", "Session"),
    "Engine": ("engine", "Engine"),
    "AssemblyAI": ("services", "AssemblyAI"),
    "Local": ("services", "Local"),
    "Replay": ("services", "Replay"),
    "ask_key": ("services", "ask_key"),
    "Sample": ("sources", "Sample"),
    "Dialogue": ("sources", "Dialogue"),
    "AudioFile": ("sources", "AudioFile"),
    "Microphone": ("sources", "Microphone"),
    "BrowserMicrophone": ("sources", "BrowserMicrophone"),
    "devices": ("sources", "devices"),
    "doctor": ("checkup.report", "doctor"),
    "recover": ("store", "recover"),
    "timing": ("timing", ""),
    "plots": ("plots", ""),
} | {
    name: ("errors", name)
    for name in (
        "NbstreamError",
        "ParameterError",
        "SourceError",
        "ConnectError",
        "AuthError",
        "ServerError",
        "RecogniserError",
        "StoreError",
        "StateError",
    )
}

__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'nbstream' has no attribute {name!r}")
    module, inner = _WHERE[name]
    loaded = importlib.import_module(f"nbstream.{module}")
    if "nbstream.session" in sys.modules:
        _hand_down()
    value = getattr(loaded, inner) if inner else loaded
    globals()[name] = value
    return value


def _hand_down() -> None:
    """Let sessions be inspected and shared: they know nothing of what stands above them."""
    session = sys.modules["nbstream.session"].Session
    session.viewer = staticmethod(lambda one: _inspector().Inspector(one))
    session.shower = staticmethod(lambda one: _inspector().show(one))
    session.sharer = staticmethod(_share)
    if browser := sys.modules.get("nbstream.sources.browser"):
        browser.BrowserMicrophone.shower = staticmethod(lambda one: _microphone().show(one))


def _microphone() -> Any:
    return importlib.import_module("nbstream.widgets.microphone")


def _inspector() -> Any:
    return importlib.import_module("nbstream.widgets.inspector")


def _share(*given: Any, **options: Any) -> Any:
    return importlib.import_module("nbstream.share").share(*given, **options)


def __dir__() -> list[str]:
    return sorted(__all__)
