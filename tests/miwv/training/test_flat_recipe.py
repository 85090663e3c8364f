"""A recipe in TRL's own names, trained: held-out rows, rows behind one another, several data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from datasets import Dataset
from plain import plain_alpaca, plain_loss
from tiny import make_model, make_rows, make_tokenizer

from hf_miwv.__main__ import main
from hf_miwv.common.errors import InputError
from hf_miwv.training.recipe_rows import origin_of, read_rows

pytest.importorskip("trl")
pytest.importorskip("peft")


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def content(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> dict[str, Any]:
    data = tmp_path / "data"
    data.mkdir()
    lines(data / "train.jsonl", make_rows(16)[:12])
    lines(data / "test.jsonl", make_rows(16)[12:])
    return {
        "model_name_or_path": str(model_folder),
        "use_cpu": True,
        "dataset_name": str(data),
        "scoring": {"embedder": str(embedder_folder)},
        "selection": {"fraction": 0.5},
        "max_steps": 2,
        "per_device_train_batch_size": 3,
        "learning_rate": 1e-2,
        "bf16": False,
        "activation_checkpointing": False,
        "output_dir": str(tmp_path / "tuned"),
    }


def invoke(content: dict[str, Any], folder: Path, *words: object) -> Result:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return CliRunner().invoke(main, ["train", "--config", str(path), *map(str, words)])


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text("utf-8"))


def test_held_out_rows_are_measured_by_the_plain_loss(content: dict[str, Any], tmp_path: Path) -> None:
    content |= {"eval_strategy": "steps", "eval_steps": 1, "eval_on_start": True, "eos_token": "</s>"}
    result = invoke(content, tmp_path)
    assert result.exit_code == 0, result.output
    run = record(tmp_path / "tuned")
    assert run["data"]["held_out"]["rows"] == 4
    assert [entry["step"] for entry in run["held_out"]["losses"]] == [0, 1, 2]
    model, tokenizer = make_model("llama"), make_tokenizer()
    total, tokens = 0.0, 0
    for row in make_rows(16)[12:]:
        prompt, response = (
            tokenizer(text, add_special_tokens=False)["input_ids"] for text in (plain_alpaca(row), row["output"])
        )
        labeled = [*response, tokenizer.eos_token_id]
        total += plain_loss(model, [tokenizer.bos_token_id, *prompt], labeled) * len(labeled)
        tokens += len(labeled)
    assert run["held_out"]["losses"][0]["loss"] == pytest.approx(total / tokens, abs=1e-4)
    assert "On 4 held-out rows it was" in (tmp_path / "tuned" / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_rows_behind_one_another_are_the_same_training(content: dict[str, Any], tmp_path: Path) -> None:
    assert invoke(content, tmp_path).exit_code == 0
    padded = record(tmp_path / "tuned")
    content |= {"padding_free": True, "output_dir": str(tmp_path / "flat")}
    result = invoke(content, tmp_path)
    assert result.exit_code == 0, result.output
    flat = record(tmp_path / "flat")
    assert flat["settings"]["max_length"] == padded["settings"]["max_length"]
    for before, after in zip(padded["loss_curve"], flat["loss_curve"], strict=True):
        assert after["loss"] == pytest.approx(before["loss"], abs=1e-4)


def test_an_end_that_the_vocabulary_lacks_is_refused(content: dict[str, Any], tmp_path: Path) -> None:
    result = invoke(content, tmp_path, "--eos_token", "'<|nope|>'")
    assert result.exit_code == 2
    assert "eos_token '<|nope|>' is not in the tokenizer's vocabulary" in " ".join(result.output.split())


def test_data_sets_are_joined_in_their_order_and_by_their_shares(tmp_path: Path) -> None:
    first = lines(tmp_path / "a.jsonl", [{"prompt": f"a{i}", "completion": "x", "more": 1} for i in range(10)])
    second = lines(tmp_path / "b.jsonl", [{"prompt": f"b{i}", "completion": "y", "more": 2} for i in range(4)])
    columns = ["prompt", "completion"]
    entries = [
        {"path": str(first), "columns": columns},
        {"path": "json", "data_files": str(second), "columns": columns, "split": "train[:3]"},
    ]
    rows = read_rows(entries)
    assert rows["prompt"] == [*(f"a{i}" for i in range(10)), "b0", "b1", "b2"]
    assert rows.column_names == columns
    shared = [{**entries[0], "fraction": 3}, {"path": str(second), "columns": columns, "fraction": 1}]
    assert [name[0] for name in read_rows(shared)["prompt"]] == ["a"] * 10 + ["b"] * 3
    assert origin_of([{"path": str(first), "split": "train", "name": "x"}]) == {
        "source": "a.jsonl",
        "split": "train",
        "config": "x",
    }
    assert origin_of(shared) == {"source": "a.jsonl + b.jsonl"}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"path": "a.jsonl", "columns": ["nope"]}], "has no column 'nope'; it has prompt, completion"),
        ([{"path": "a.jsonl"}, {"path": "c.jsonl"}], "its columns are prompt, and those of the first data set"),
        ([{"path": "a.jsonl", "fraction": 1}, {"path": "c.jsonl"}], "give each data set a fraction above 0"),
        ([{"path": "owner/data", "data_dir": "x"}], "data_dir and data_files can be given for files and folders"),
        ([{"path": "json", "data_files": {"train": "a.jsonl"}}], "data_files: give a file or a list of files"),
    ],
)
def test_data_sets_that_cannot_be_joined(
    entries: list[dict[str, Any]], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "a.jsonl", [{"prompt": "a", "completion": "x"}] * 2)
    lines(tmp_path / "c.jsonl", [{"prompt": "c"}] * 2)
    with pytest.raises(InputError, match=message):
        read_rows(entries)


def test_shares_are_those_of_trl(tmp_path: Path) -> None:
    from trl import DatasetMixtureConfig, get_dataset
    from trl.scripts.utils import DatasetConfig

    paths = [
        lines(tmp_path / f"{name}.jsonl", [{"prompt": f"{name}{i}"} for i in range(n)])
        for name, n in (("a", 9), ("b", 7))
    ]
    mixture = DatasetMixtureConfig(
        datasets=[
            DatasetConfig(path="json", data_files=str(path), fraction=share)
            for path, share in zip(paths, (0.3, 0.7), strict=True)
        ]
    )
    reference: Dataset = get_dataset(mixture)["train"]
    ours = read_rows([{"path": str(path), "fraction": share} for path, share in zip(paths, (0.3, 0.7), strict=True)])
    assert ours["prompt"] == reference["prompt"]
