"""Recipes: bad ones are refused with all their faults, and the command line replaces keys."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_miwv import InputError
from hf_miwv.common.recipes.packages import locate
from hf_miwv.training.train_recipe import read_recipe

GOOD = {
    "model_name_or_path": "owner/model",
    "data": "{source: owner/data}",
    "selection": "{fraction: 0.01}",
    "output_dir": "out",
}

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in ("trl", "peft")), reason="trl and peft are not installed"
)


def write(folder: Path, **sections: str | None) -> Path:
    """GOOD with these keys in place of its own; None leaves one out."""
    lines = {**GOOD, **sections}
    path = folder / "recipe.yaml"
    path.write_text("".join(f"{k}: {v}\n" for k, v in lines.items() if v is not None))
    return path


@pytest.mark.parametrize(
    ("keys", "messages"),
    [
        ({"modle": "{name: x}"}, ["unknown key 'modle'; the nearest of"]),
        ({"model_nmae_or_path": "x"}, ["unknown key 'model_nmae_or_path'; did you mean 'model_name_or_path'?"]),
        ({"model_name_or_path": None}, ["model_name_or_path is missing: a Hub id, a folder or a GGUF file"]),
        ({"data": "[a]"}, ["data: give a mapping of keys to values, not ['a']"]),
        ({"lora": "null"}, ["lora: give a mapping of keys to values (for all of peft's defaults: {})"]),
        ({"output_dir": None}, ["output_dir is missing"]),
        ({"learning_rat": "1.0e-5"}, ["unknown key 'learning_rat'; did you mean "]),
        ({"warmup_ratio": "0.03"}, ["unknown key 'warmup_ratio'; its name is warmup_steps (below 1 it is a share"]),
        ({"torch_dtype": "bfloat16"}, ["unknown key 'torch_dtype'; its name is dtype now"]),
        ({"model_name_or_path": "'package:../x'"}, ["model_name_or_path: package:../x: give package:NAME/PATH"]),
        ({"data": "{source: 'package:a..b/c'}"}, ["data: source: package:a..b/c: give package:"]),
        ({"data": "{source: 'package:'}"}, ["package:: give package:NAME/PATH"]),
        ({"data": "{source: 'package:os/../x'}"}, ["give package:NAME/PATH"]),
        ({"data": "{source: 'package:hf_miwv//etc'}"}, ["give package:NAME/PATH"]),
        ({"data": "{source: 'package:sys/x'}"}, ["this needs the package sys, which is not"]),
        ({"data": "{source: 'package:__main__/x'}"}, ["this needs the package --main--, which is not"]),
        ({"learning_rate": "fast"}, ["learning_rate: 'fast' is not a number"]),
        ({"num_train_epochs": "yes"}, ["num_train_epochs: True is not a number"]),
        ({"max_steps": "2.7"}, ["max_steps: 2.7 is not a whole number"]),
        ({"max_steps": "2e1"}, ["max_steps: '2e1' is not a whole number"]),
        ({"save_strategy": "no"}, ["save_strategy: YAML reads this word as False; put it in quotes"]),
        (
            {"lr_scheduler_type": "cosin"},
            ["lr_scheduler_type: 'cosin' is not one of its values; did you mean 'cosine'"],
        ),
        ({"loss_type": "nil"}, ["loss_type: 'nil' is not one of its values; did you mean 'nll'?"]),
        ({"run_name": "7"}, ["YAML reads 7 as a number, and this is text; put it in"]),
        ({"bf16": "true", "fp16": "true"}, ["give one of bf16 and fp16"]),
        ({"packing": "true"}, ["packing cannot be given: each row stays a sequence"]),
        ({"hub_model_id": "a/b"}, ["hub_model_id: no effect without push_to_hub: true"]),
        ({"push_to_hub": "true"}, ["push_to_hub: you are not logged in, so the owner of out is not known"]),
        ({"push_to_hub": "true", "hub_model_id": "a/b", "hub": "{repo_id: a/c}"}, ["repo_id is 'a/c', and TRL's"]),
        ({"hub_token": "hf_x"}, ["hub_token cannot be given: a recipe holds no token"]),
        ({"hub": "{every_save: true}"}, ["hub: every_save: nothing says where to; give repo_id"]),
        ({"hub": "{repo_id: here, private: 1}"}, ["hub: private: 1 is not true or false"]),
        ({"hub": "{repo_id: here}"}, ["hub: repo_id 'here': the Hub does not take it"]),
        ({"hub": "{repo_id: a/b, revison: x}"}, ["unknown key 'revison'; did you mean 'revision'"]),
        (
            {"hub": "{repo_id: a/b}", "model_name_or_path": "./here", "use_peft": "true"},
            ["hub: the adapter would name its base model by a local path"],
        ),
        ({"resume_from_checkpoint": "x"}, ["a killed run goes on by itself"]),
        ({"chat_template_path": "x"}, ["chat_template_path cannot be given: training uses the tokens that were"]),
        ({"bnb_4bit_quant_type": "fp4"}, ["bnb_4bit_quant_type cannot be given: 4-bit weights are NF4"]),
        ({"assistant_only_loss": "true"}, ["assistant_only_loss cannot be given: the loss is over the response"]),
        ({"model_init_kwargs": "{low_cpu: 1}"}, ["model_init_kwargs: low_cpu: only dtype, torch_dtype"]),
        ({"model_init_kwargs": "{dtype: float16}", "dtype": "float32"}, ["dtype says 'float32'; give one"]),
        ({"scoring": "{pooling: cls}"}, ["scoring: pooling: 'cls' is not one of its values"]),
        ({"scoring": "{also: ifd}"}, ["also: 'ifd' is not a list"]),
        ({"scoring": "{model_revision: main}"}, ["model_revision cannot be given: give it at the top"]),
        ({"scoring": "{overwrite: true}"}, ["overwrite cannot be given: what is there and is not of this"]),
        ({"scoring": "{dataset: x}"}, ["scoring: unknown key 'dataset'"]),
        ({"scoring": "{field: x}"}, ["field cannot be given: give it in the section data"]),
        ({"data": "{source: rows.json, field: 3}"}, ["data: field: YAML reads 3 as a number"]),
        ({"data": None}, ["data: source is missing: give a Hub id, a file or a folder, or dataset_name"]),
        ({"dataset_name": "a/b"}, ["data: source and dataset_name or datasets both say where rows come from"]),
        ({"data": None, "dataset_name": "a/b", "datasets": "[{path: a/c}]"}, ["dataset_name and datasets both say"]),
        ({"data": None, "dataset_config": "x"}, ["dataset_config: of which data set? give dataset_name"]),
        ({"data": None, "datasets": "[{pth: a/c}]"}, ["datasets, number 1: give a mapping with a path"]),
        ({"data": None, "datasets": "[{path: a, splt: b}]"}, ["number 1: unknown key 'splt'; did you mean 'split'"]),
        ({"eval_strategy": "steps"}, ["eval_strategy: there is nothing to evaluate on; give dataset_test_split"]),
        ({"dataset_streaming": "true"}, ["dataset_streaming cannot be given: rows are read as a whole"]),
        ({"selection": "{}"}, ["selection: give one of fraction, count and threshold; got none"]),
        ({"selection": "{fraction: 0.1, count: 3}"}, ["got fraction and count"]),
        ({"selection": "{fraction: 2}"}, ["selection: fraction 2 is outside (0, 1]"]),
        ({"selection": "{fraction: 0.1, method: mivw}"}, ["method 'mivw' is not one of ours: did you"]),
        ({"selection": "{fraction: 0.1, method: ifd}"}, ["in scoring, also: [ifd]"]),
        ({"selection": "{fraction: 0.1, diversity: 0.9}"}, ["in scoring, keep_embeddings: true"]),
        ({"load_in_4bit": "true"}, ["load_in_4bit holds the weights still, so full tuning cannot be; add use_peft"]),
        (
            {"load_in_4bit": "true", "load_in_8bit": "true", "use_peft": "true"},
            ["give one of load_in_4bit and load_in_8bit"],
        ),
        ({"dtype": "float16"}, ["dtype: float16: full tuning in it loses the small steps"]),
        ({"dtype": "fp32"}, ["dtype: 'fp32' is not one of its values"]),
        ({"lora_r": "8"}, ["lora_r: no effect without use_peft: true"]),
        ({"use_peft": "true", "lora_r": "8.5"}, ["lora_r: 8.5 is not a whole number"]),
        ({"lora": "{r: 8.5}"}, ["lora: r: 8.5 is not a whole number"]),
        ({"lora": "{bias: some}"}, ["lora: bias: 'some' is not one of its values"]),
        ({"lora": "{target_modules: [1]}"}, ["lora: target_modules: [1] is not a"]),
        ({"lora": "{task_type: CAUSAL_LM}"}, ["task_type cannot be given"]),
        ({"global_batch_size": "12"}, ["global_batch_size 12 is no multiple of 8: 1 process x 8 rows"]),
        ({"global_batch_size": "many"}, ["global_batch_size: 'many' is not a whole number or null"]),
        (
            {"global_batch_size": "8", "gradient_accumulation_steps": "2"},
            ["gradient_accumulation_steps follows from global_batch_size and the processes; give one of them"],
        ),
        (
            {"modle": "{}", "max_steps": "x", "bf_16": "no", "selection": "{}", "data": "{}"},
            [
                "unknown key 'modle'",
                "max_steps: 'x'",
                "unknown key 'bf_16'; did you mean 'bf16'",
                "selection: give one of",
                "data: source is missing",
            ],
        ),
    ],
)
def test_what_is_refused(
    keys: dict[str, str], messages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError) as refused:
        read_recipe(write(tmp_path, **keys))
    for message in messages:
        assert message in str(refused.value)


def test_numbers_that_yaml_reads_as_text_are_numbers(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, learning_rate="2e-5", weight_decay="0"))
    assert recipe.training == {"learning_rate": 2e-5, "weight_decay": 0}


def test_an_adapter_takes_the_keys_and_defaults_of_trl(tmp_path: Path) -> None:
    from trl import ModelConfig, get_peft_config

    assert read_recipe(write(tmp_path)).lora is None
    assert read_recipe(write(tmp_path, lora="{}")).lora == {}
    recipe = read_recipe(write(tmp_path, use_peft="true", lora_r="8", use_rslora="true", lora="{bias: all}"))
    expected = get_peft_config(ModelConfig(use_peft=True, lora_r=8, use_rslora=True))
    assert recipe.lora is not None
    for name, value in recipe.lora.items():
        assert value == ("all" if name == "bias" else getattr(expected, name))
    assert recipe.lora["lora_dropout"] == 0.05  # TRL's default; peft's is 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--max_steps", "3"], {"max_steps": 3, "seed": 1}),
        (["--max-steps=3", "--learning_rate", "1e-5"], {"max_steps": 3, "learning_rate": 1e-5, "seed": 1}),
        (["--seed", "2", "--seed", "3", "--bf16", "false"], {"seed": 3, "bf16": False}),
        (["--save_strategy", "'no'"], {"save_strategy": "no", "seed": 1}),
    ],
)
def test_the_command_line_replaces_keys(words: list[str], expected: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path, seed="1")
    recipe = read_recipe(path, words, Path("elsewhere"))
    assert recipe.training == expected
    assert recipe.output_dir == Path("elsewhere")


def test_the_command_line_replaces_keys_of_sections(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path), ["--selection.fraction", "0.5", "--scoring.max_length=128"])
    assert (recipe.selection, recipe.scoring) == ({"fraction": 0.5}, {"max_length": 128})
    assert "selection.fraction: 0.5" in recipe.text.splitlines()[0]
    assert yaml.safe_load(recipe.text)["scoring"] == {"max_length": 128}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max_step", "3"], "unknown key 'max_step'; did you mean 'max_steps'"),
        (["--max_steps"], "--max_steps: give a key of the recipe and its value"),
        (["max_steps", "3"], "max_steps: give a key of the recipe and its value"),
        (["--max_steps", "three"], "max_steps: 'three' is not a whole number"),
        (["--output_dir.x", "x"], "--output_dir.x: output_dir of the recipe has no keys to change"),
    ],
)
def test_command_line_faults_are_refused(words: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_recipe(write(tmp_path), words)
    assert message in str(refused.value)


def test_sections_of_before_are_read_and_said_in_the_keys_of_today(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "model: {name: owner/model, attention: sdpa, device: cpu, load_in_4bit: true, revision: abc}\n"
        "data: {source: owner/data, split: 'train[:9]'}\nselection: {count: 2}\n"
        "scoring: {max_length: 64, attention: eager}\ntraining: {max_steps: 3}\nlora: {r: 4}\n"
        "output: {folder: out, scored: kept, license: mit}\n"
    )
    recipe = read_recipe(path, ["--max_steps", "5"])
    assert recipe.loading == {
        "revision": "abc",
        "attn_implementation": "sdpa",
        "device": "cpu",
        "quantization": "4bit",
    }
    assert recipe.datasets == [{"path": "owner/data", "split": "train[:9]"}]
    assert recipe.scoring == {"max_length": 64, "attn_implementation": "eager"}
    assert (recipe.training, recipe.lora) == ({"max_steps": 5}, {"r": 4})  # peft's defaults, as ever
    assert (recipe.output_dir, recipe.scored, recipe.license) == (Path("out"), "kept", "mit")
    assert "attn_implementation for attention" in caplog.text
    assert "the section training is of before: write its keys at the top of the recipe" in caplog.text
    assert "scoring.output_dir for scored" in caplog.text
    path.write_text(path.read_text() + "model_name_or_path: owner/other\n")
    with pytest.raises(InputError, match="model: name: model_name_or_path is given at the top, too"):
        read_recipe(path)


@pytest.mark.parametrize(("processes", "each", "accumulation"), [(1, 4, 32), (8, 4, 4), (4, 2, 16)])
def test_the_accumulation_follows_from_the_processes(
    processes: int, each: int, accumulation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    path = write(tmp_path, per_device_train_batch_size=str(each), global_batch_size="128")
    assert read_recipe(path).training["gradient_accumulation_steps"] == accumulation


def test_package_names() -> None:
    assert locate("package:hf_miwv/sample/instructions.jsonl").endswith("instructions.jsonl")
    assert locate("owner/name") == "owner/name"
    with pytest.raises(InputError, match="the package hf_miwv has no sample/nothing"):
        locate("package:hf_miwv/sample/nothing")
    with pytest.raises(InputError, match="no-such-package"):
        locate("package:no_such_package/model")
