"""`hf-lmt train`: the loss is the plain one, a kill changes nothing, the folder is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import datasets
import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from datasets import load_dataset
from pictures_models import make_picture_model
from plain import plain_loss
from safetensors.torch import load_file
from tiny import CHATML, make_model, make_tokenizer
from transformers import AttentionInterface

from hf_lmt.commands.train import train_command
from hf_lmt.data.method.prompts import prompt_ids
from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from hf_lmt.training.segment_attention import NAME, segment_attention
from hf_lmt.translation.prompt_registry import read_prompt_identity
from hf_miwv.common.command_line import Commands
from hf_miwv.common.runs.workspace import workspace_of
from tests.lmt.data.prepare.prepared_rows import lines, table

pytest.importorskip("trl")
pytest.importorskip("peft")

LANGUAGES = ("en", "zh", "de", "nl")
ON_CPU = {"use_cpu": True, "bf16": False, "activation_checkpointing": False}


@pytest.fixture(autouse=True)
def cache(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "hf_lmt")
    caplog.set_level("INFO", "hf_miwv")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3 with a chat template, saved."""
    folder = tmp_path_factory.mktemp("tiny")
    make_model("qwen3").save_pretrained(folder)
    make_tokenizer(bos=False, chat_template=CHATML).save_pretrained(folder)
    return folder


@pytest.fixture
def recipe(tmp_path: Path, tiny: Path) -> dict[str, Any]:
    """Three steps of four rows each."""
    return {
        "data": [{"path": table(tmp_path / "t.jsonl", lines(12, LANGUAGES)), "corpus": "mine"}],
        "directions": ["en-*"],
        "curation": {"contamination": {"sets": "none"}},
        "seed": 3,
        "model_name_or_path": str(tiny),
        "eos_token": "<|im_end|>",
        "max_steps": 3,
        "global_batch_size": 4,
        "per_device_train_batch_size": 2,
        "learning_rate": 1e-2,
        "max_length": 400,
        "output_dir": str(tmp_path / "out"),
        **ON_CPU,
    }


@click.group(cls=Commands)
def door() -> None:
    pass


door.add_command(train_command)


def write(recipe: dict[str, Any], folder: Path) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), "utf-8")
    return path


def invoke(recipe: dict[str, Any], folder: Path, *words: object) -> Result:
    path = write(recipe, folder)
    return CliRunner().invoke(door, ["train", "--config", str(path), *map(str, words)])


def succeed(recipe: dict[str, Any], folder: Path, *words: object) -> dict[str, Any]:
    result = invoke(recipe, folder, *words)
    if result.exception:
        raise AssertionError(result.output) from result.exception
    return record(Path(recipe["output_dir"]))


def refused(result: Result, *messages: str) -> None:
    assert result.exit_code == 2, (result.output, result.exception)
    for message in messages:
        assert message in " ".join(result.output.split())


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text("utf-8"))


def losses(run: dict[str, Any]) -> list[float]:
    return [entry["loss"] for entry in run["loss_curve"]]


def prepared(recipe: dict[str, Any], folder: Path) -> Path:
    """The recipe's rows, made beforehand."""
    own = {name: recipe[name] for name in ("data", "directions", "curation", "seed")}
    path = folder / "rows.yaml"
    path.write_text(yaml.safe_dump(own), "utf-8")
    prepare(read_data_recipe(path), folder / "rows", progress=False)
    return folder / "rows"


def plain_mean(rows: list[dict[str, Any]]) -> float:
    """Mean -log p over the tokens of targets and their ends, one row at a time."""
    model, tokenizer = make_model("qwen3"), make_tokenizer(bos=False, chat_template=CHATML)
    total, tokens = 0.0, 0
    for row in rows:
        prompt = prompt_ids(tokenizer, row)
        text = f"{row['completion'][0]['content']}<|im_end|>\n"
        target = tokenizer(text, add_special_tokens=False)["input_ids"]
        total += plain_loss(model, prompt, target) * len(target)
        tokens += len(target)
    return total / tokens


def test_a_recipe_to_a_folder(
    recipe: dict[str, Any], tmp_path: Path, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from huggingface_hub import ModelCard
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    recipe |= {"global_batch_size": 36, "per_device_train_batch_size": 6}  # all rows at once
    run = succeed(recipe, tmp_path)
    out = tmp_path / "out"
    rows = load_dataset(str(prepared(recipe, tmp_path)), split="train").to_list()
    assert (len(rows), run["rows"]["used"], run["steps"]) == (36, 36, 3)
    assert run["settings"]["gradient_accumulation_steps"] == 6
    assert losses(run)[0] == pytest.approx(plain_mean(rows), abs=1e-4)
    assert losses(run)[2] < losses(run)[0]

    before = load_file(tiny / "model.safetensors")
    after = AutoModelForCausalLM.from_pretrained(out)
    assert not torch.equal(after.state_dict()["model.norm.weight"], before["model.norm.weight"])
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.chat_template == CHATML
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert end in GenerationConfig.from_pretrained(out).eos_token_id
    style = read_prompt_identity(out)
    assert style is not None
    assert (style.name, style.form, style.thinking) == ("released", "conversation", "disabled")
    assert yaml.safe_load((out / "recipe.yaml").read_text()) == recipe
    card = ModelCard.load(out / "README.md")
    assert (card.data.base_model, card.data.library_name) == (None, "transformers")
    assert card.data.language == ["de", "en", "nl", "zh"]
    assert (out / "training_curve.png").stat().st_size > 1000
    assert not list(out.glob("*.bin"))
    assert not workspace_of(out).exists()

    succeed(recipe, tmp_path)
    assert "already holds this result, whole: nothing to do" in caplog.text
    assert record(out)["timing"] == run["timing"]
    refused(invoke(recipe, tmp_path, "--max_steps", 5), "another run (not the same: max_steps)")


@pytest.mark.slow
def test_rows_made_before_are_taken_as_they_are(recipe: dict[str, Any], tmp_path: Path) -> None:
    whole = losses(succeed(recipe, tmp_path))
    rows = prepared(recipe, tmp_path)
    recipe |= {"output_dir": str(tmp_path / "other"), "data": [{"path": str(rows)}]}
    refused(invoke(recipe, tmp_path), "taken as they are; directions, curation would have no")
    del recipe["directions"], recipe["curation"]
    assert losses(succeed(recipe, tmp_path)) == whole
    assert (rows / "README.md").exists()


@pytest.mark.slow
def test_padding_free_batches_have_the_loss_of_padded_ones(recipe: dict[str, Any], tmp_path: Path) -> None:
    padded = losses(succeed(recipe, tmp_path))
    calls: list[int] = []

    def counting(*given: Any, **named: Any) -> Any:
        calls.append(named["max_length_q"])
        return segment_attention(*given, **named)

    AttentionInterface.register(NAME, counting)
    recipe |= {"padding_free": True, "output_dir": str(tmp_path / "flat")}
    try:
        assert losses(succeed(recipe, tmp_path)) == pytest.approx(padded, abs=1e-4)
    finally:
        AttentionInterface.register(NAME, segment_attention)
    assert len(calls) == 2 * 3 * 2  # layers, steps, batches of a step: no mask over all tokens


def test_text_prompts_train_a_base_model(recipe: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "base"
    make_model("llama").save_pretrained(folder)
    make_tokenizer(bos=True).save_pretrained(folder)
    recipe["model_name_or_path"] = str(folder)
    del recipe["eos_token"]
    refused(invoke(recipe, tmp_path), "no chat template; for a base model give pmp: {form: text}")
    run = succeed({**recipe, "pmp": {"form": "text"}}, tmp_path)
    style = read_prompt_identity(tmp_path / "out")
    assert style is not None
    assert style.form == "text"
    assert run["checks"]["special_tokens"] == ["</s>"]


def test_a_mixture_is_packed_and_trained_whole(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe |= {
        "mixture": {"shares": {"monolingual": 0, "zh": 0, "en": 1}},
        "packing": True,
        "max_length": 200,
        "packing_strategy": "bfd_split",
    }
    run = succeed(recipe, tmp_path)
    assert run["kind"] == "continued pre-training"
    assert run["rows"]["tokens"] == run["rows"]["target_tokens"]
    assert read_prompt_identity(tmp_path / "out") is None
    batch = run["checks"]["first_batch"]
    assert batch["rows"] == 2
    assert 200 < batch["tokens"] <= 400
    assert losses(run)[-1] < losses(run)[0]


@pytest.mark.parametrize(
    "keys",
    [
        {"lora_r": 4, "lora_target_modules": "all-linear"},
        {"lora_r": 4, "lora_target_modules": ["q_proj", "v_proj"], "merge": True},
        {"lora_r": 4, "load_in_4bit": True, "dtype": "float32"},
    ],
    ids=["lora", "merged", "qlora"],
)
def test_adapters(keys: dict[str, Any], recipe: dict[str, Any], tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    if "load_in_4bit" in keys:
        pytest.importorskip("bitsandbytes")
    run = succeed({**recipe, **keys, "use_peft": True}, tmp_path)
    out = tmp_path / "out"
    adapter = out / "adapter" if "merge" in keys else out
    weights = load_file(adapter / "adapter_model.safetensors")
    assert run["model"]["trained_parameters"] == sum(part.numel() for part in weights.values())
    assert any(part.abs().max() > 0 for name, part in weights.items() if "lora_B" in name)
    assert losses(run)[-1] < losses(run)[0]
    assert (out / "generation_config.json").exists()
    if "merge" in keys:
        ids = torch.arange(10, 30)[None]
        beside = PeftModel.from_pretrained(make_model("qwen3"), adapter).eval()
        merged = AutoModelForCausalLM.from_pretrained(out).eval()
        with torch.no_grad():
            assert torch.allclose(merged(ids).logits, beside(ids).logits, atol=1e-4)
            assert not torch.allclose(merged(ids).logits, make_model("qwen3")(ids).logits)


def test_a_loss_that_is_no_number_stops_before_the_weights_change(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe |= {"max_steps": 6, "save_steps": 1, "learning_rate": 1e38, "warmup_steps": 3, "max_grad_norm": 0.0}
    result = invoke(recipe, tmp_path)
    refused(result, "stopped before the weights changed, and checkpoint-", "is kept", "'good morn")
    step = int(result.output.partition("step ")[2].partition(":")[0])
    checkpoints = workspace_of(tmp_path / "out") / "checkpoints"
    assert (checkpoints / f"checkpoint-{step - 1}" / "whole").exists()
    assert result.output.count("en-") == 4  # the rows of the step


def test_rows_with_a_token_that_the_model_does_not_have_are_refused(recipe: dict[str, Any], tmp_path: Path) -> None:
    """The tokenizer has a token more than the model has embeddings, and one row uses it."""
    tokenizer = make_tokenizer(bos=False, chat_template=CHATML)
    fillers = [f"<|filler{number}|>" for number in range(400 - len(tokenizer))]
    tokenizer.add_tokens([*fillers, "quagga"])
    folder = tmp_path / "larger"
    make_model("qwen3").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    rows = lines(12, LANGUAGES)
    rows[7]["de"] += " quagga"
    recipe["data"] = [{"path": table(tmp_path / "tool.jsonl", rows), "corpus": "mine"}]
    recipe["model_name_or_path"] = str(folder)
    refused(
        invoke(recipe, tmp_path), "en-de row ", "the token 'quagga' has the id 400", "resize_token_embeddings(401)"
    )


def test_a_model_of_text_and_pictures_is_refused_before_rows_are_made(recipe: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    make_picture_model("gemma3").save_pretrained(folder)
    make_tokenizer(bos=False, chat_template=CHATML).save_pretrained(folder)
    recipe["model_name_or_path"] = str(folder)
    result = invoke(recipe, tmp_path)
    refused(result, "is a model of text and pictures", "give its text part as a model of its own")
    assert "joining rows" not in result.output
