"""What was found out about this place, as values; `gather` fills them, `rows` judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

State = Literal["ok", "note", "missing"]


class Problem(NamedTuple):
    """What does not work, and what to do; false if there is nothing to say."""

    message: str = ""
    hint: str = ""

    def __bool__(self) -> bool:
        return bool(self.message)


NO_PROBLEM: Final = Problem()


@dataclass(frozen=True, slots=True)
class Kernel:
    """The notebook's kernel that asks."""

    has_control: bool = True  # takes messages past its cells
    has_subshells: bool = True  # answers widgets while a cell runs
    front_end: str = ""  # "VS Code", "Colab", "JupyterHub"; empty if nothing tells


@dataclass(frozen=True, slots=True)
class Server:
    """A Jupyter server that runs on this machine and answers."""

    url: str  # without its token
    is_loopback: bool = True  # listens on loopback only
    is_secure: bool = False  # speaks TLS itself
    has_proxy: bool | None = None  # jupyter-server-proxy; None if it does not tell
    is_ours: bool = False  # started this kernel


@dataclass(frozen=True, slots=True)
class Recording:
    """What ``session.json`` of a recording says of its source; anything may stand in it."""

    name: str
    source: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""  # why it can't be read
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. The defaults are a place where everything is there."""

    versions: Mapping[str, str] = field(default_factory=dict)  # of what is installed
    python: str = ""
    kernel: Kernel | None = None
    microphones: tuple[str, ...] = ()
    microphone_problem: Problem = NO_PROBLEM
    key: Literal["", "environment", "asked", "unusable"] = ""
    key_hint: str = ""
    network: str = ""  # what was reached, or may be; empty if it was not asked for, or can't be
    network_problem: Problem = NO_PROBLEM
    weights: str = ""  # where they are
    local_problem: Problem = NO_PROBLEM
    trial: str = ""  # what a trial of the recogniser gave; empty if it was not asked for
    folder: str = ""
    folder_problem: Problem = NO_PROBLEM
    free_bytes: int | None = None
    loopback_problem: str = ""
    known_routes: tuple[str, ...] = ()  # what this version can go by
    servers: tuple[Server, ...] = ()
    recordings: tuple[Recording, ...] = ()  # with a browser's microphone, newest first


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Attributes
    ----------
    state : {"ok", "note", "missing"}
        Works; works with a limit, or not known; can't be had here.

    """

    group: str
    name: str
    state: State
    found: str
    todo: str = ""
