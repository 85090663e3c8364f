"""The package as a whole: its face, its structure."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import hf_miwv

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hf_miwv"
MODULES = sorted(".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py"))
DOOR = {
    "__main__",
    "common.app.serving",
    "common.command_line",
    "common.hub.push_command",
    "common.reading.options",
    "common.recipes.overrides",
    "common.recipes.packages",
    "common.recipes.recipe_commands",
    "common.recipes.yaml_file",
    "common.recipes.yaml_text",
    "training.train_recipe",
}


def is_door(module: str) -> bool:
    """Whether a file may read options and YAML: commands, and what they share."""
    return module in DOOR or module.startswith("commands.")


def path_of(module: str) -> Path:
    return PACKAGE / f"{module.replace('.', '/')}.py"


def test_the_public_names_are_all() -> None:
    for name in hf_miwv.__all__:
        assert callable(getattr(hf_miwv, name))
        assert name not in MODULES, f"a module {name} would take the place of {name}()"
    assert dir(hf_miwv) == sorted(hf_miwv.__all__)
    assert set(hf_miwv._HOMES) == set(hf_miwv.__all__)
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        _ = hf_miwv.scores


def test_only_the_door_reads_options_and_yaml() -> None:
    for module in MODULES:
        text = path_of(module).read_text()
        reads = re.search(r"^(import|from) (click|yaml|argparse)\b|sys\.argv", text, re.MULTILINE)
        writes = module.endswith("_card")  # cards begin with YAML
        assert not reads or is_door(module) or writes, module


def test_importing_the_package_is_light() -> None:
    code = "import sys, hf_miwv; assert not {'torch', 'numpy', 'datasets'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("file", sorted((ROOT / "recipes" / "accelerate").glob("*.yaml")))
def test_launch_files_are_what_accelerate_reads(file: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(file))
    text = file.read_text()
    assert config.num_processes >= 1
    assert f"recipe copy accelerate/{file.stem}\n" in text
    assert f"--config_file {file.name} " in text
    assert re.search(r"-m hf_(miwv|lmt) \w", text)
