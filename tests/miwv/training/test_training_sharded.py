"""`hf-miwv train` with `fsdp: full_shard` in its recipe: scored whole, trained in shards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import make_rows
from transformers import AutoModelForCausalLM

TESTS = Path(__file__).parents[2]
LAUNCH_FILE = TESTS.parent / "recipes" / "accelerate" / "multi_gpu.yaml"
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch", "--config_file")
SCRIPT = """
import sys
from cpus_as_gpus import take_cpus_for_gpus

if "--fsdp" in sys.argv:
    take_cpus_for_gpus()
from hf_miwv.commands.train import train_command

train_command()
"""

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in ("trl", "peft")), reason="trl and peft are not installed"
)


def train(recipe: dict[str, Any], folder: Path, *keys: str) -> dict[str, Any]:
    settings = {**yaml.safe_load(LAUNCH_FILE.read_text()), "num_processes": 2, "main_process_port": 0}
    (folder / "launch.yaml").write_text(yaml.safe_dump(settings))
    (folder / "train.py").write_text(SCRIPT)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    done = subprocess.run(
        [*ACCELERATE, folder / "launch.yaml", folder / "train.py", "--config", folder / "recipe.yaml", *keys],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS.parent)))},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((Path(recipe["output_dir"]) / "run.json").read_text())


@pytest.mark.slow
def test_shards_by_the_recipe_have_the_curve_of_ddp(model_folder: Path, embedder_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in make_rows(12)))
    recipe = {
        "model_name_or_path": str(model_folder),
        "data": {"source": str(tmp_path / "rows.jsonl")},
        "scoring": {"embedder": str(embedder_folder), "output_dir": str(tmp_path / "scored")},
        "selection": {"fraction": 0.5},
        "global_batch_size": 2,
        "per_device_train_batch_size": 1,
        "max_steps": 6,
        "learning_rate": 1e-2,
        "bf16": False,
        "activation_checkpointing": False,
        "output_dir": str(tmp_path / "ddp"),
    }
    ddp = train(recipe, tmp_path)
    shards = train(
        {
            **recipe,
            "fsdp_config": {"transformer_layer_cls_to_wrap": ["LlamaDecoderLayer"]},
            "output_dir": str(tmp_path / "shards"),
        },
        tmp_path,
        "--fsdp",
        "full_shard",
    )
    curves = [[entry["loss"] for entry in run["loss_curve"]] for run in (ddp, shards)]
    assert len(curves[0]) == 6
    assert curves[1] == pytest.approx(curves[0], abs=1e-5)
    weights = [AutoModelForCausalLM.from_pretrained(tmp_path / name).state_dict() for name in ("ddp", "shards")]
    for name, values in weights[0].items():
        assert (values - weights[1][name]).abs().max() < 1e-4
