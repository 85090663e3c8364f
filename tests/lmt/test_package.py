"""The package as a whole: its face, its structure, its door."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hf_lmt

PACKAGE = Path(__file__).parents[2] / "hf_lmt"
MODULES = sorted(".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py"))
LIGHT = "{'torch', 'numpy', 'datasets', 'transformers', 'trl', 'matplotlib', 'pyarrow'}"


def is_door(module: str) -> bool:
    """Commands, and programs that another Python environment runs."""
    return module == "__main__" or module.startswith("commands.") or module.endswith("_worker")


def path_of(module: str) -> Path:
    return PACKAGE / f"{module.replace('.', '/')}.py"


def test_the_public_names_are_all() -> None:
    for name in hf_lmt.__all__:
        home = importlib.import_module(hf_lmt._HOMES[name])
        assert getattr(hf_lmt, name) is getattr(home, name)
        assert name not in MODULES, f"a module {name} would take the place of {name}"
    assert dir(hf_lmt) == sorted(hf_lmt.__all__)
    assert set(hf_lmt._HOMES) == set(hf_lmt.__all__)
    with pytest.raises(AttributeError, match="no attribute 'languges'"):
        _ = hf_lmt.languges


def test_the_names_for_type_checkers_are_the_same() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    found = {
        alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert found == hf_lmt._HOMES


def test_only_the_door_reads_options() -> None:
    for module in MODULES:
        text = path_of(module).read_text()
        reads = re.search(r"^(import|from) (click|argparse)\b|sys\.argv", text, re.MULTILINE)
        assert not reads or is_door(module), module


@pytest.mark.parametrize("module", ["hf_lmt", "hf_lmt.__main__", "hf_lmt.directions"])
def test_importing_is_light(module: str) -> None:
    code = f"import sys, {module}; assert not {LIGHT} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--help"], 0, "languages    Show the languages"),
        (["languages", "--help"], 0, "--json"),
        (["langauges"], 2, "no such command 'langauges': did you mean 'languages'?"),
        (["languages", "zho"], 2, "Error: no language 'zho': it is called 'zh' here"),
    ],
)
def test_the_door_helps_and_refuses(arguments: list[str], code: int, message: str) -> None:
    command = [sys.executable, "-m", "hf_lmt", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
