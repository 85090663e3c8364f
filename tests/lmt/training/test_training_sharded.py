"""Weights in shards, for real: two processes on the CPU, killed and resumed, with the curve of DDP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from killing import kill_launch
from transformers import AutoModelForCausalLM

from hf_miwv.common.runs.workspace import workspace_of
from tests.lmt.training.test_training import (  # noqa: F401
    cache,
    invoke,
    losses,
    recipe,
    record,
    refused,
    tiny,
    write,
)
from tests.lmt.training.test_training_processes import finish
from tests.lmt.training.test_training_processes import launch as launch_ddp

pytest.importorskip("trl")
pytest.importorskip("peft")

TESTS = Path(__file__).parents[2]
LAUNCH_FILES = TESTS.parent / "recipes" / "accelerate"
SCRIPT = """
import json, os, sys
from pathlib import Path
from cpus_as_gpus import take_cpus_for_gpus

take_cpus_for_gpus()
from datasets import Dataset
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.training.training import train
from hf_lmt.training.watching.degeneration_watch import DegenerationWatch
from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback
from hf_miwv.callbacks.callbacks import MIWVDriftCallback, MIWVSelectionCallback
from hf_miwv.common.errors import InputError

seen = {"refused": [], "divided": []}

class Look(TrainerCallback):
    def on_step_end(self, args, state, control, model=None, **_):
        weights = list(model.parameters())
        seen["divided"].append([
            all(isinstance(one, DTensor) for one in weights),
            sum(one.to_local().numel() if isinstance(one, DTensor) else one.numel() for one in weights),
        ])

def watch(trainer):
    rows = Dataset.from_list([{"source_lang": "en", "target_lang": "de", "source": "a", "target": "b"}])
    for make in (
        lambda: TranslationEvaluationCallback(trainer, rows), lambda: DegenerationWatch(trainer, rows),
        lambda: MIWVSelectionCallback(trainer, 0.5), lambda: MIWVDriftCallback(trainer, sample=4),
    ):
        try:
            make()
        except InputError as error:
            seen["refused"].append(str(error))
    return [Look()]

train(read_training_recipe(Path(sys.argv[1])), watchers=[watch])
Path(sys.argv[2]).joinpath(f"seen-{os.environ['RANK']}.json").write_text(json.dumps(seen))
"""


def launch(name: str, recipe: dict[str, Any], folder: Path) -> subprocess.Popen[bytes]:  # noqa: F811
    """Start the shipped launch file's training with two processes on the CPU."""
    settings = yaml.safe_load((LAUNCH_FILES / f"{name}.yaml").read_text())
    # The recipe trains in float32; the files for DeepSpeed say bf16.
    settings |= {"num_processes": 2, "main_process_port": 0, "mixed_precision": "no"}
    (folder / "launch.yaml").write_text(yaml.safe_dump(settings))
    (folder / "train.py").write_text(SCRIPT)
    path = write(recipe, folder)
    environment = {
        **os.environ,
        "HF_DATASETS_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS.parent))),
    }
    module = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(folder / "launch.yaml")]
    with open(folder / "launch.log", "ab") as log:
        return subprocess.Popen(
            [*module, str(folder / "train.py"), str(path), str(folder)],
            env=environment,
            stdout=log,
            stderr=log,
        )


def kill_after_first_checkpoint(process: subprocess.Popen[bytes], output: Path) -> None:
    while not list(workspace_of(output).glob("checkpoints/*/whole")):
        assert process.poll() is None, (output.parent / "launch.log").read_text()[-4000:]
        time.sleep(0.002)
    kill_launch(process)
    assert not output.exists()


NEEDS_DEEPSPEED = pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model_keys", "tolerance"),
    [
        ("fsdp2", {}, 1e-5),
        ("fsdp2", {"use_peft": True}, 1e-5),
        # Adapters in bfloat16: two sums in another order are 0.4 % apart.
        pytest.param(
            "fsdp2",
            {"use_peft": True, "load_in_4bit": True},
            1e-2,
            marks=pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"),
        ),
        pytest.param("deepspeed_zero2", {}, 1e-5, marks=NEEDS_DEEPSPEED),
        pytest.param("deepspeed_zero3", {}, 1e-5, marks=NEEDS_DEEPSPEED),
    ],
    ids=["fsdp", "fsdp-lora", "fsdp-qlora", "zero2", "zero3"],
)
def test_shards_killed_have_the_curve_of_ddp(
    name: str,
    model_keys: dict[str, Any],
    tolerance: float,
    recipe: dict[str, Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    recipe |= {"max_steps": 6, "save_steps": 2, **model_keys, "output_dir": str(tmp_path / "ddp")}
    finish(launch_ddp(recipe, tmp_path), tmp_path)
    recipe["output_dir"] = str(tmp_path / "shards")
    kill_after_first_checkpoint(launch(name, recipe, tmp_path), tmp_path / "shards")
    finish(launch(name, recipe, tmp_path), tmp_path)

    ddp, shards = record(tmp_path / "ddp"), record(tmp_path / "shards")
    assert shards["launch"]["sharding"] == {"fsdp2": "fsdp"}.get(name, name.removeprefix("deepspeed_"))
    assert len(losses(ddp)) == 6
    assert losses(shards) == pytest.approx(losses(ddp), abs=tolerance)
    seen = [json.loads((tmp_path / f"seen-{rank}.json").read_text()) for rank in range(2)]
    for process in seen:
        assert 0 < len(process["divided"]) <= 4  # steps behind the checkpoint
        if name == "fsdp2":
            assert all(divided for divided, _ in process["divided"])
        refusals = ["divides the model's weights over the processes" in message for message in process["refused"]]
        assert sum(refusals) == (0 if name == "deepspeed_zero2" else 4)
    if name == "fsdp2" and not model_keys:
        parts = [process["divided"][0][1] for process in seen]
        assert sum(parts) == shards["model"]["parameters"]
        assert max(parts) < 0.6 * sum(parts)
    loaded = {
        run: AutoModelForCausalLM.from_pretrained(tmp_path / run, dtype="float32").state_dict()
        for run in ("ddp", "shards")
    }
    assert list((tmp_path / "shards").glob("*model.safetensors"))
    assert not list((tmp_path / "shards").rglob("*.bin"))
    for weight, values in loaded["ddp"].items():
        assert (values - loaded["shards"][weight]).abs().max() < 10 * tolerance


@pytest.mark.parametrize(("name", "sharding"), [("FSDP", "fsdp"), ("DEEPSPEED", "zero2")])
def test_shards_that_accelerate_would_not_make_are_refused(
    name: str,
    sharding: str,
    recipe: dict[str, Any],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    refused(invoke(recipe, tmp_path), f"asks for {sharding}, which accelerate has for several accelerators only")
    assert not (tmp_path / "out").exists()
