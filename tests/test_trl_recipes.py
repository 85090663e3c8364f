"""TRL's keys in both recipes: those that are accepted act as in TRL, the others are refused with a reason."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import make_model
from trl_recipes import BESIDE, TRL_RECIPES, other_value

from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_keys import TRL_REFUSED as REFUSED_BY_LMT
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.training.tuning import training_arguments
from hf_miwv.common.errors import InputError
from hf_miwv.common.recipes.trl_keys import FORMER, NO_EFFECT, PUSHING, REFUSED, sft_hints, trl_hints
from hf_miwv.training.recipe_keys import TRL_REFUSED
from hf_miwv.training.sft_tuning import Tuning, _arguments
from hf_miwv.training.train_recipe import Recipe, read_recipe

trl = pytest.importorskip("trl")
pytest.importorskip("peft")

FIELDS = {field.name: field for field in dataclasses.fields(trl.SFTConfig) if field.init}
OF_ALL = {name for keys in REFUSED.values() for name in keys}
OF_MIWV = OF_ALL | {name for keys in TRL_REFUSED.values() for name in keys}
OF_LMT = OF_ALL | {name for keys in REFUSED_BY_LMT.values() for name in keys}
ELSEWHERE = {*PUSHING, *NO_EFFECT, "output_dir", "model_init_kwargs"}  # tested below
# acted on by us, before TRL has the rows, or by the loading of the model
LOADING = {"use_cpu", "trust_remote_code"}
BY_US = {"max_length", "eos_token", "pad_to_multiple_of"}


def miwv_recipe(text: str, folder: Path) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(text + "selection: {fraction: 0.1}\n", "utf-8")
    return read_recipe(path)


def faults_of(path: Path, package: str) -> list[str]:
    try:
        read_recipe(path) if package == "miwv" else read_training_recipe(path, (), Launch())
    except InputError as error:
        return error.faults
    return []


def reference_of(name: str, value: Any, folder: Path) -> Any:
    """trl.SFTConfig itself; or the error that it raises on this machine."""
    try:
        return trl.SFTConfig(output_dir=str(folder / "trl"), **{name: value}, **BESIDE.get(name, {}), use_cpu=True)
    except (ValueError, ImportError) as error:
        return error


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - OF_MIWV - ELSEWHERE - LOADING))
def test_an_accepted_key_acts_in_hf_miwv_as_in_trl(name: str, tmp_path: Path) -> None:
    value = other_value(FIELDS[name], sft_hints()[name])
    content = {
        "model_name_or_path": "owner/model",
        "dataset_name": "owner/data",
        "dataset_test_split": "test",
        "output_dir": "out",
        "use_cpu": True,
        name: value,
        **BESIDE.get(name, {}),
    }
    reference = reference_of(name, value, tmp_path)
    recipe = miwv_recipe(yaml.safe_dump(content), tmp_path)
    tuning = Tuning("owner/model", recipe.loading, recipe.training, None, None, None)
    if isinstance(reference, Exception):
        with pytest.raises(InputError, match="the trainer refuses the recipe"):
            _arguments(tuning, tmp_path / "trl", make_model("llama"))
        return
    made = _arguments(tuning, tmp_path / "trl", make_model("llama"))
    assert getattr(made, name) == getattr(reference, name)
    default = trl.SFTConfig(output_dir=str(tmp_path / "trl"), use_cpu=True)
    assert getattr(made, name) != getattr(default, name) or name == "dataloader_pin_memory"  # off without a GPU


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - OF_LMT - ELSEWHERE - {"use_cpu", "seed"}))
def test_an_accepted_key_acts_in_hf_lmt_as_in_trl(name: str, tmp_path: Path) -> None:
    value = other_value(FIELDS[name], sft_hints()[name])
    content = {
        "model_name_or_path": "owner/model",
        "dataset_name": "owner/data",
        "curation": {"contamination": {"sets": "none"}},
        "evaluation": {"sets": ["held-out.csv"]},
        "output_dir": "out",
        "use_cpu": True,
        name: value,
        **BESIDE.get(name, {}),
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    reference = reference_of(name, value, tmp_path)
    if name == "packing":
        with pytest.raises(InputError, match="packing: it would join several rows to one"):
            read_training_recipe(path, (), Launch())
        return
    if name == "use_liger_kernel" and find_spec("liger_kernel") is None:
        with pytest.raises(InputError, match="use_liger_kernel needs the package liger-kernel"):
            read_training_recipe(path, (), Launch())
        return
    recipe = read_training_recipe(path, (), Launch())
    if isinstance(reference, Exception):
        with pytest.raises(InputError, match="the trainer refuses the recipe"):
            training_arguments(recipe, tmp_path / "trl", None)
        return
    made = training_arguments(recipe, tmp_path / "trl", None)
    if name in ("max_length", "chat_template_path"):  # acted on before TRL has the rows
        assert recipe.training[name] == value
    else:
        assert getattr(made, name) == getattr(reference, name)


@pytest.mark.parametrize("name", sorted(OF_MIWV | OF_LMT))
def test_a_refused_key_says_why_and_the_value_that_holds_anyway_is_accepted(name: str, tmp_path: Path) -> None:
    hints = trl_hints()
    tables = {"miwv": {**REFUSED, **TRL_REFUSED}, "lmt": {**REFUSED, **REFUSED_BY_LMT}}
    for package, table in tables.items():
        for why, keys in table.items():
            if name not in keys:
                continue
            text = {"model_name_or_path": "o/m", "dataset_name": "o/d", "output_dir": "out"}
            path = tmp_path / f"{package}.yaml"
            for value in [*keys[name], "a value that it never has"]:
                content = {**text, "selection": {"count": 1}} if package == "miwv" else text
                path.write_text(yaml.safe_dump({**content, name: value}), "utf-8")
                faults = faults_of(path, package)
                assert faults == ([] if value in keys[name] else [f"{name} cannot be given: {why}"])
    assert name in hints


@pytest.mark.parametrize("name", TRL_RECIPES)
def test_recipes_of_trl_are_read_by_hf_miwv(name: str, tmp_path: Path) -> None:
    content = yaml.safe_load(TRL_RECIPES[name])
    recipe = miwv_recipe(TRL_RECIPES[name], tmp_path)
    assert recipe.model == content["model_name_or_path"]
    assert str(recipe.output_dir) == content["output_dir"]
    paths = [entry["path"] for entry in content.get("datasets", [])] or [content["dataset_name"]]
    assert [entry["path"] for entry in recipe.datasets] == paths
    for key in ("learning_rate", "max_steps", "optim", "adam_beta2", "lr_scheduler_type"):
        assert recipe.training.get(key) == (
            float(content[key]) if key == "learning_rate" and key in content else content.get(key)
        )
    if content.get("use_peft"):
        assert recipe.lora is not None
        assert (recipe.lora["r"], recipe.lora["lora_alpha"]) == (content["lora_r"], content["lora_alpha"])
    if content.get("load_in_4bit"):
        assert recipe.loading["quantization"] == "4bit"
    if content.get("model_init_kwargs"):
        assert recipe.loading == {"dtype": "float32", "attn_implementation": "sdpa"}
    if content.get("eval_strategy"):
        assert recipe.test_split == "test"
    expected = {"repo_id": content["hub_model_id"]} if content.get("push_to_hub") else {}
    if name == "published":
        expected |= {"private": False, "every_save": True}
    assert recipe.hub == expected


@pytest.mark.parametrize("name", TRL_RECIPES)
def test_recipes_of_trl_are_read_by_hf_lmt(name: str, tmp_path: Path) -> None:
    content = yaml.safe_load(TRL_RECIPES[name])
    ours = "directions: [en-de, de-en]\ncuration: {contamination: {sets: none}}\nevaluation: {sets: [held-out.csv]}\n"
    path = tmp_path / "recipe.yaml"
    path.write_text(TRL_RECIPES[name] + ours, "utf-8")
    recipe = read_training_recipe(path, (), Launch())
    paths = [entry["path"] for entry in content.get("datasets", [])] or [content["dataset_name"]]
    assert [source.path for source in recipe.data.sources] == paths
    if name == "mixture":
        assert [source.config for source in recipe.data.sources] == [None, "english"]
        assert recipe.model["attn_implementation"] == "sdpa"
    assert recipe.output == Path(content["output_dir"])
    assert recipe.hub.get("repo_id") == content.get("hub_model_id")
    assert [source.path for source in read_data_recipe(path).sources] == paths  # as `prepare` reads it


def test_both_packages_say_what_has_no_effect(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    miwv_recipe(TRL_RECIPES["qlora"], tmp_path)
    assert "dataset_num_proc has no effect here: rows are tokenized once" in caplog.text


def test_a_former_name_is_of_no_release_of_today() -> None:
    assert not FORMER.keys() & trl_hints().keys()


def test_data_and_named_data_sets_cannot_both_be(tmp_path: Path) -> None:
    content = {"dataset_name": "a/b", "data": [{"path": "x"}], "datasets": [{"path": "y", "columns": ["z"]}]}
    with pytest.raises(InputError) as refused:
        read_data_recipe(content)
    assert [fault.partition(":")[0] for fault in refused.value.faults] == [
        "dataset_name and datasets both say where rows come from; leave one out",
        "data and dataset_name, datasets both say where rows come from; leave one out",
        "datasets",
    ]
