"""The front end as text: modules that are joined for a page."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from nbstream import front

MODULES = sorted(path.name for path in front.FOLDER.glob("*.js"))
ENTRIES = [
    name for name in MODULES if "\nexport default" in (front.FOLDER / name).read_text("utf-8")
]
NAMES = re.compile(
    r"^(?:export )?(?:async )?(?:function\*?|class|const|let)\s+"
    r"(?:(\w+)|[\[{]([^\]}=]*)[\]}])",
    re.MULTILINE,
)


def top_level_names(text: str) -> list[str]:
    """Names that a module declares at its top level; nothing inside it begins a line."""
    found: list[str] = []
    for name, several in NAMES.findall(text):
        found += [name] if name else re.findall(r"\w+", several)
    return found


def test_top_level_names_are_unique_over_all_modules() -> None:
    """Joined modules share one scope: a name that two of them declare would not parse."""
    counts = Counter(
        name for module in MODULES for name in top_level_names((front.FOLDER / module).read_text())
    )
    assert len(counts) > 50
    assert not [name for name, n in counts.items() if n > 1]


@pytest.mark.parametrize("name", MODULES)
def test_a_joined_module_parses(name: str, tmp_path: Path) -> None:
    """Whatever a page takes as its entry is one module without imports from neighbours."""
    node = shutil.which("node")
    assert node, "no Node: apt-get install nodejs"
    joined = tmp_path / "joined.mjs"
    joined.write_text(front.module(name), "utf-8")
    run = subprocess.run([node, "--check", joined], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert not re.search(r"^import\b|^export (?!default\b)", front.module(name), re.MULTILINE)


def test_a_module_stands_behind_those_it_needs_and_once() -> None:
    """The order is that of the imports, so that what a module uses has been made."""
    names = front.needed("view.js")
    assert len(names) == len(set(names))
    assert names[-1] == "view.js"
    assert names.index("palette.js") < names.index("elements.js") < names.index("waveform.js")
    assert names.index("pyramid.js") < names.index("store.js") < names.index("feed.js")


def test_every_file_is_used_by_a_widget() -> None:
    """Nothing lies about that no page takes, and no style sheet without its module."""
    used = {name for entry in ENTRIES for name in front.needed(entry)}
    assert set(MODULES) == used
    sheets = {path.stem for path in front.FOLDER.glob("*.css")}
    assert sheets <= {name.removesuffix(".js") for name in MODULES}


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_style_has_the_sheet_of_each_module_once(entry: str) -> None:
    """What a page takes as its style has the sheets of all its modules."""
    style = front.style(entry)
    for name in front.needed(entry):
        sheet = front.FOLDER / name.replace(".js", ".css")
        assert not sheet.exists() or style.count(sheet.read_text("utf-8")) == 1


def test_a_class_is_dressed_by_one_sheet() -> None:
    """The sheets of all widgets meet in a page: one name for two things dresses both as both."""
    same_element = {".nbs-view", ".nbs-detail"}  # of which another part sees as well
    dressed = [
        name
        for sheet in front.FOLDER.glob("*.css")
        for name in set(re.findall(r"^(\.nbs-[\w-]+)(?=,$| \{)", sheet.read_text("utf-8"), re.M))
    ]
    assert len(dressed) > 50
    assert same_element == {name for name, n in Counter(dressed).items() if n > 1}


@pytest.mark.parametrize("entry", ENTRIES)
def test_only_default_exports_leave_an_entry(entry: str) -> None:
    """Of an entry the default export alone is left: that is what anywidget takes."""
    assert len(re.findall(r"^export ", front.module(entry), re.MULTILINE)) == 1
