"""The package as a whole: its face, its structure."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import hf_miwv

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hf_miwv"
MODULES = sorted(".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py"))
DOOR = {
    "__main__",
    "commands",
    "config",
    "data_options",
    "demo",
    "door",
    "precision_command",
    "yaml_text",
    "app.app_command",
    "comparing.compare_command",
    "publishing.push_command",
    "judging.answer_command",
    "judging.judge_command",
    "training.recipe",
    "training.train_command",
}


def path_of(module: str) -> Path:
    return PACKAGE / f"{module.replace('.', '/')}.py"


def imported(module: str) -> set[str]:
    """The modules of this package that a module imports, wherever in its text."""
    tree = ast.parse(path_of(module).read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hf_miwv"):
            home = (node.module or "").partition(".")[2]
            found |= {home, *(f"{home}.{alias.name}".lstrip(".") for alias in node.names)}
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{module}: relative import"
    return found & set(MODULES)


def test_the_public_names_are_all() -> None:
    for name in hf_miwv.__all__:
        assert callable(getattr(hf_miwv, name))
        assert name not in MODULES, f"a module {name} would take the place of {name}()"
    assert dir(hf_miwv) == sorted(hf_miwv.__all__)
    assert set(hf_miwv._HOMES) == set(hf_miwv.__all__)
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        _ = hf_miwv.scores


def test_imports_run_downward_only() -> None:
    graph = {module: imported(module) for module in MODULES if not module.endswith("__init__")}
    list(TopologicalSorter(graph).static_order())  # raises CycleError on a circle
    assert graph["schema"] == {"errors"}
    assert graph["errors"] == set()
    for module, below in graph.items():
        if module not in DOOR:
            assert not below & DOOR, f"{module} imports the door"


def test_only_the_door_reads_options_and_yaml() -> None:
    for module in MODULES:
        text = path_of(module).read_text()
        reads = re.search(r"^(import|from) (click|yaml|argparse)\b|sys\.argv", text, re.MULTILINE)
        writes = module.rpartition(".")[2] == "card"  # cards begin with YAML
        assert not reads or module in DOOR or writes, module


def test_importing_the_package_is_light() -> None:
    code = "import sys, hf_miwv; assert not {'torch', 'numpy', 'datasets'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("file", sorted((ROOT / "recipes" / "accelerate").glob("*.yaml")))
def test_launch_files_are_what_accelerate_reads(file: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(file))
    text = file.read_text()
    assert config.num_processes >= 1
    assert f"--config_file recipes/accelerate/{file.name}" in text
    assert re.search(r"-m hf_(miwv|lmt) \w", text)
