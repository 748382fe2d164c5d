"""Where audio goes: `AssemblyAI`, `Local` or `Replay`. Endpoint, credentials, options, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nbstream.errors import ParameterError
from nbstream.secret import Secret
from nbstream.services.assemblyai import HOSTS, AssemblyAI
from nbstream.services.key import KEY_VARIABLE, ask_key, found_key
from nbstream.services.local import Local
from nbstream.services.replay import Replay

__all__ = [
    "HOSTS",
    "KEY_VARIABLE",
    "AssemblyAI",
    "Local",
    "Replay",
    "Service",
    "ask_key",
    "found_key",
    "resolve",
    "resolve_again",
]


class Service(Protocol):
    """What the engine needs to know of a service."""

    name: str
    model: str
    max_speed: float | None
    usd_per_hour: float
    options: dict[str, Any]

    def check(self) -> None:
        """Raise what can be known before a socket opens: no key, a bad option, no recogniser."""

    def url(self) -> str:
        """Full address of the next connection; may start a server first."""

    def headers(self) -> dict[str, Secret]:
        """Headers of the handshake, credentials included."""

    def describe(self) -> dict[str, Any]:
        """What ``session.json`` keeps of it: never a credential."""


def resolve(service: Service | str | None) -> Service:
    """A service from its name; None takes AssemblyAI if there is a key, else the recogniser."""
    if service is None:
        return AssemblyAI() if found_key() else Local()
    if isinstance(service, str):
        if service not in ("assemblyai", "local"):
            raise ParameterError(
                f"service {service!r} is not known.",
                hint='Use "assemblyai", "local", or an object such as nb.AssemblyAI(...).',
                parameter="service",
            )
        return AssemblyAI() if service == "assemblyai" else Local()
    return service


def resolve_again(description: Mapping[str, Any]) -> Service:
    """A service like the one that `Service.describe` told of; without what it kept secret."""
    options = {k: v for k, v in description.get("options", {}).items() if v != "***"}
    if description.get("name") == Replay.name:
        raise ParameterError(
            "a replayed session can't be transcribed by what it was replayed from.",
            hint='Give a service, such as "local".',
            parameter="service",
        )
    if description.get("name") == "local":
        return Local(**options)
    endpoint = str(description.get("endpoint", HOSTS[None]))
    return AssemblyAI(str(description.get("model")), endpoint=endpoint, **options)
