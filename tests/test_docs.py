"""The documents tell the truth: module map, commands, names, links, notebooks."""

from __future__ import annotations

import re

import nbformat
import pytest

import nbstream
from nbstream import tables
from scripts import make_docs
from scripts.make_notebooks import NOTEBOOKS, RUN, bare, build
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")
DESIGN = (ROOT / "DESIGN.md").read_text("utf-8")
DOCS = ["README.md", "DESIGN.md", "CHANGELOG.md"] + [
    f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))
]


def test_the_module_map_matches_the_tree() -> None:
    """Each module in the map exists, and each module that exists is in the map."""
    (block,) = re.findall(r"```\nnbstream/\n(.*?)```", DESIGN, re.DOTALL)
    mapped, package = set(), ""
    for line in block.splitlines():
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        if indent == 2:
            package = name if name.endswith("/") else ""
            mapped.add(name)
        else:
            mapped.add(package + name)
    detailed = {name.split("/")[0] for name in mapped if not name.endswith("/") and "/" in name}
    there = set()
    for path in (ROOT / "nbstream").iterdir():
        if path.is_dir() and path.name != "__pycache__":
            there.add(path.name + "/")
            if path.name in detailed:
                modules = (p.name for p in path.glob("*.py") if not p.name.startswith("__"))
                there |= {f"{path.name}/{name}" for name in modules}
        elif path.suffix == ".py":
            there.add(path.name)
    assert mapped == there


@pytest.mark.parametrize("name", DOCS)
def test_links_lead_somewhere(name: str) -> None:
    """Every relative link and picture of a document exists."""
    path = ROOT / name
    links = re.findall(r"\]\(([^)#]+)", path.read_text("utf-8"))
    for link in links:
        if not link.startswith("http"):
            assert (path.parent / link).exists(), link


def test_the_definitions_in_the_docs_are_those_of_the_code() -> None:
    """The page on timing is made from `timing.DEFINITIONS`."""
    page = make_docs.TIMING.read_text("utf-8")
    assert page == make_docs.with_part(page, "definitions", make_docs.definitions())


def test_the_readme_names_only_what_there_is() -> None:
    """Each ``nb.name`` and each ``make target`` in the README exists."""
    for name in set(re.findall(r"\bnb\.(\w+)", README)):
        assert name in nbstream.__all__, name
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_readme_names_every_public_name() -> None:
    """What can be used is in the README or in the docs."""
    text = "".join((ROOT / name).read_text("utf-8") for name in DOCS)
    for name in set(nbstream.__all__) - {"__version__"}:
        assert name in text, name


def test_ci_runs_the_readmes_test_command() -> None:
    """`.ci/run` calls what the README tells people to call, nothing else."""
    commands = [
        line
        for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert commands == ["make test"]
    assert "make test" in README


def test_tables_are_documented() -> None:
    """The README names each table of the schema."""
    for table in tables.SCHEMA:
        assert f"`{table}`" in README, table


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_what_their_text_makes(name: str) -> None:
    """The notebook in the repository is the one its text makes; few of them have outputs."""
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    nbformat.validate(notebook)
    assert build(NOTEBOOKS[name]) == (bare(notebook) if name in RUN else notebook)
