"""The house: which room may lean on which, and what the two packages share."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From top to bottom; rooms of one line stand side by side and do not lean on each other.
ROOMS = {
    "hf_miwv": [
        ["__main__"],
        ["commands"],
        ["trials"],
        ["comparing", "training", "callbacks", "transforms", "pipeline"],
        ["scoring"],
        ["selection", "app", "judging", "losses"],
        ["results", "neighbors"],
        ["prompts"],
        ["rows"],
        ["common"],
    ],
    "hf_lmt": [
        ["__main__"],
        ["commands"],
        ["app"],
        ["training"],
        ["model_card"],
        ["recipes"],
        ["synthesis", "rewards"],
        ["evaluation"],
        ["translation"],
        ["pipeline"],
        ["data"],
        ["comet"],
        ["directions"],
        ["languages"],
        ["language_codes"],
        ["pool", "registry"],
    ],
}
SHARED = ("hf_miwv.common", "hf_miwv.losses")  # all that hf_lmt may import of hf_miwv


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    module_of(path): path
    for package in ROOMS
    for path in sorted((ROOT / package).rglob("*.py"))
    if "modules/hf_lmt_" not in path.as_posix()  # loaded by `evaluate`, by path
}


def imports(module: str) -> Iterator[str]:
    """Yield the modules of this project that a module imports, wherever in its text."""
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in ROOMS)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import"
            if node.module and node.module.split(".")[0] in ROOMS:
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in MODULES else node.module for name in whole)


GRAPH = {module: set(imports(module)) - {module} for module in MODULES}
FACES = set(ROOMS)  # their names are looked up when first used, from any room


def within(module: str, folder: str) -> bool:
    return module == folder or module.startswith(f"{folder}.")


def level(module: str) -> tuple[int, str]:
    package, room = module.split(".")[:2]
    (number,) = [number for number, rooms in enumerate(ROOMS[package]) if room in rooms]
    return number, room


def test_every_room_has_its_level() -> None:
    for package, levels in ROOMS.items():
        rooms = {module.split(".")[1] for module in MODULES if within(module, package) and module != package}
        assert rooms == {room for rooms in levels for room in rooms}


def test_the_foundation_leans_on_nothing_of_ours() -> None:
    wrong = {
        module: [name for name in names if not within(name, "hf_miwv.common")]
        for module, names in GRAPH.items()
        if within(module, "hf_miwv.common")
    }
    assert {module: names for module, names in wrong.items() if names} == {}


def test_hf_lmt_takes_the_foundation_and_the_losses_only() -> None:
    wrong = {
        (module, name)
        for module, names in GRAPH.items()
        if within(module, "hf_lmt")
        for name in names
        if within(name, "hf_miwv") and not any(within(name, shared) for shared in SHARED)
    }
    assert wrong == set()


def test_hf_miwv_takes_nothing_of_hf_lmt() -> None:
    assert [
        module for module in GRAPH if within(module, "hf_miwv") and any(within(n, "hf_lmt") for n in GRAPH[module])
    ] == []


@pytest.mark.parametrize("package", ROOMS)
def test_imports_run_downward_only(package: str) -> None:
    upward = []
    for module in GRAPH.keys() - FACES:
        for name in GRAPH[module] - FACES:
            if within(module, package) and within(name, package):
                (number, room), (below, room_below) = level(module), level(name)
                if room != room_below and number >= below:
                    upward.append(f"{module} -> {name}")
    assert sorted(upward) == []


def test_no_imports_in_a_circle() -> None:
    # A room's `__init__.py` is its face, imported by whoever asks for a file beside it.
    graph = {module: names for module, names in GRAPH.items() if MODULES[module].name != "__init__.py"}
    list(TopologicalSorter(graph).static_order())  # raises CycleError on a circle


def test_what_is_marked_as_integration_is_there() -> None:
    from conftest import INTEGRATION, TESTS

    files = [path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")]
    assert [prefix for prefix in INTEGRATION if not any(file.startswith(prefix) for file in files)] == []
