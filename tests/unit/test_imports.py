"""Imports run one way, from the scripts down to the options, and never in a circle; those inside functions count."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# From top to bottom: a module imports from its own floor or from one below.
FLOORS = (
    ("work.scripts", "work.web", "work.checks", "work.__main__", "benchmarks"),
    ("work.api", "work"),
    ("work.training", "work.projector", "work.metrics", "work.video"),
    ("work.inference",),
    ("work.faces",),
    ("work.loading",),
    ("work.datasets", "work.criteria"),
    ("work.models",),
    ("convert_weights",),
    (
        "work.configs",
        "work.errors",
        "work.files",
        "work.locks",
        "work.runtime",
        "work.archives",
        "work.downloads",
        "work.workers",
        "work.progress",
        "work.report",
        "work.signals",
        "work.compiler",
        "work.installation",
    ),
)


def modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    found = {}
    for folder in ("work", "convert_weights", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name[: -len(".__init__")] if name.endswith(".__init__") else name] = path
    return found


MODULES = modules()


def imported(name: str) -> set[str]:
    """The modules of this repository that a module imports anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name}: imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & set(MODULES)) or {node.module}
            if inner - set(MODULES):  # also names of the package itself
                found.add(node.module)
    return (found & set(MODULES)) - {name}


GRAPH = {name: imported(name) for name in MODULES}


def floor(name: str) -> int:
    """The number of a module's floor, counted from the top; the longest entry that fits counts."""
    fits = [
        (len(prefix), number)
        for number, prefixes in enumerate(FLOORS)
        for prefix in prefixes
        if name == prefix or (name.startswith(f"{prefix}.") and prefix != "work")
    ]
    assert fits, f"{name}: on which floor does it lie? Add it to FLOORS"
    return max(fits)[1]


def circles() -> list[set[str]]:
    """Sets of modules that reach each other through imports."""
    reached = {name: reachable(name) for name in GRAPH}
    found: list[set[str]] = []
    for name in GRAPH:
        circle = {other for other in reached[name] if name in reached[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def reachable(name: str) -> set[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        new = GRAPH[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def test_the_graph_is_seen():
    assert "work.errors" in GRAPH["work.scripts.age_photo"]
    assert "work.inference.photos" in GRAPH["work.scripts.age_photo"]  # inside a function
    assert "work.runtime" in GRAPH["work.scripts.demo"]  # from work import runtime


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_down(name):
    up = {other for other in GRAPH[name] if floor(other) < floor(name)}
    assert up == set(), f"{name} imports from above it"


def test_there_are_no_circles():
    assert [sorted(circle) for circle in circles()] == []
