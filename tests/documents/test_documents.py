"""README, docs and the other pages: their commands parse, their code, links and trees hold."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from hf_lmt.__main__ import main as lmt_main
from hf_lmt.data.curation.curation_settings import steps_from
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_miwv.__main__ import main as miwv_main
from hf_miwv.results.methods import METHODS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "recipes" / "README.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
DOORS = {"hf-miwv": miwv_main, "hf-lmt": lmt_main, "hf_miwv": miwv_main, "hf_lmt": lmt_main}
NOT_RUN_HERE = ("axolotl", "llamafactory-cli", "swift")  # trainers that are not installed here, as the page says
FILE = re.compile(r"[\w./-]+\.(?:py|csv|md|yaml|jinja)\b|\b\w+/(?=[\s,:.]|$)")


def blocks(page: Path, kind: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [body for label, body in fenced if label == kind]


def commands() -> Iterator[Any]:
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    yield pytest.param(words, id=f"{page.relative_to(ROOT)}: {line[:60]}")


def parse(door: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Read the words as click does when the command is run, and stop there."""
    if isinstance(door, click.Group):
        assert words[0] in door.commands, f"no command {words[0]}"
        parse(door.commands[words[0]], words[1:], click.Context(door, parent=parent))
    else:
        door.make_context(door.name, list(words), parent=parent)


@pytest.mark.parametrize("words", commands())
def test_commands_parse(words: list[str]) -> None:
    if words[0] in DOORS:
        parse(DOORS[words[0]], words[1:])
    elif words[:2] == ["accelerate", "launch"]:
        package, *own = words[words.index("-m") + 1 :]
        parse(DOORS[package], own)
    elif words[:2] in (["trl", "sft"], ["trl", "grpo"]):
        parser = pytest.importorskip(f"trl.scripts.{words[1]}").make_parser()
        assert not any(parser.parse_args_and_config([*words[2:], "--use_cpu", "--bf16", "False"])[4:])
    elif words[0] in NOT_RUN_HERE:
        assert (ROOT / "docs" / "use-the-rows-elsewhere.md").read_text("utf-8").count("not run here") == 5
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file()
    else:
        assert words[:2] == ["pip", "install"]
    for word in words:  # files of ours
        if word.startswith(("recipes/", "examples/", "benchmarks/")):
            assert (ROOT / word).exists(), word


def python_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f"{page.relative_to(ROOT)}: {number}")
        for page in PAGES
        for number, block in enumerate(blocks(page, "python"))
    ]


@pytest.mark.parametrize("block", python_blocks())
def test_python_names_and_arguments_exist(block: str) -> None:
    """What is imported from us is public, and is called with arguments that it has."""
    tree = ast.parse(block)
    ours: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("hf_miwv", "hf_lmt"):
            face = importlib.import_module(node.module)
            for alias in node.names:
                assert alias.name in face.__all__
                ours[alias.name] = getattr(face, alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ours:
            given = {word.arg: None for word in node.keywords if word.arg}
            inspect.signature(ours[node.func.id]).bind_partial(*node.args, **given)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_readme_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f"](docs/{page.name})" in text, page.name


def recipes() -> list[Any]:
    return [
        pytest.param(block, id=page.name) for page in PAGES for block in blocks(page, "yaml") if "output_dir:" in block
    ]


@pytest.mark.parametrize("block", recipes())
def test_recipes_are_read(block: str, tmp_path: Path) -> None:
    pytest.importorskip("trl")
    path = tmp_path / "recipe.yaml"
    path.write_text(block, "utf-8")
    assert read_training_recipe(path).data.sources


def tree_of(page: str) -> list[str]:
    (tree,) = [block for block in blocks(ROOT / page, "") if "hf_miwv/" in block]
    return tree.splitlines()


def named_in(page: str) -> Iterator[tuple[Path, list[str]]]:
    """(folder, names) of each line: the folder that it begins with, else the one it is within."""
    within: list[tuple[int, Path]] = [(-1, ROOT)]
    for line in tree_of(page):
        depth = len(line) - len(line.lstrip())
        head = re.match(r" {0,4}(\w+)/", line)
        if depth <= 4:  # deeper ones go on with the words of the line before
            within = [one for one in within if one[0] < depth]
        if head:
            within.append((depth, within[-1][1] / head.group(1)))
        yield within[-1][1], FILE.findall(line)


@pytest.mark.parametrize("page", ["README.md", "docs/where-things-are.md"])
def test_all_that_a_tree_names_exists(page: str) -> None:
    missing = []
    for folder, names in named_in(page):
        assert folder.is_dir(), folder
        places = [folder, folder.parent, *(path for path in folder.iterdir() if path.is_dir())]
        missing += [
            f"{folder.relative_to(ROOT)}: {name}"
            for name in names
            if not any((place / name).exists() for place in places)
        ]
    assert missing == []


def test_the_map_names_every_room() -> None:
    text = (ROOT / "docs" / "where-things-are.md").read_text("utf-8")
    missing = [
        path.name
        for package in ("hf_miwv", "hf_lmt", "tests")
        for path in (ROOT / package).rglob("*")
        if path.is_dir()
        and any(inner.name != "__pycache__" for inner in path.iterdir())
        and path.name != "__pycache__"
        and f"{path.name}/" not in text
        and not path.name.startswith("hf_lmt_")
    ]
    assert missing == []


def test_every_room_says_its_purpose_in_one_line() -> None:
    for package in ("hf_miwv", "hf_lmt"):
        for path in (ROOT / package).rglob("__init__.py"):
            assert re.match(r'"""[A-Z][^\n]{10,}[.:]', path.read_text("utf-8")), path


def test_the_readme_tree_names_every_folder_at_the_top() -> None:
    text = "\n".join(tree_of("README.md"))
    ignored = (ROOT / ".gitignore").read_text().split()
    for path in ROOT.iterdir():
        if path.is_dir() and not path.name.startswith(".") and f"{path.name}/" not in ignored:
            assert path.name.endswith(".egg-info") or f"{path.name}/" in text, path.name


def test_what_is_off_by_default_is_switched_on_as_the_page_says() -> None:
    page = " ".join((ROOT / "docs" / "choices.md").read_text("utf-8").split())
    section = page.partition("in a recipe `")[2].partition("`")[0]
    names = [step.name for step in steps_from(yaml.safe_load(section)["curation"])]
    assert {"identification", "quality"} <= set(names)
    assert not {"identification", "quality"} & {step.name for step in steps_from({})}


def test_every_method_is_on_the_page_and_random_has_no_low() -> None:
    page = (ROOT / "docs" / "choosing-data.md").read_text("utf-8")
    rows = page.partition("| method | needs of `score` |")[2].partition("\n\n")[0].splitlines()[2:]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    low = [f"{name}_low" for name in named if not name.startswith("random")]
    assert sorted([*named, *low]) == sorted(METHODS)
