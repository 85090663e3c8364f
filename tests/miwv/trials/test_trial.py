"""A whole trial on a tiny model: its numbers, its files, a kill in the middle, and bad inputs."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from datasets import Dataset, load_dataset
from plain import plain_alpaca, plain_loss
from tiny import make_rows
from transformers import AutoModelForCausalLM, AutoTokenizer

from hf_miwv import InputError, trial
from hf_miwv.__main__ import main
from hf_miwv.trials import trial as module
from hf_miwv.trials import tuned_arms
from hf_miwv.trials.differences import difference_of, spread_of

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in ("trl", "peft")), reason="trl and peft are not installed"
)

SETTINGS: dict[str, Any] = {
    "methods": ["miwv", "random"],
    "fraction": "0.5",
    "seeds": 2,
    "held_out": 0.3,
    "training": {"per_device_train_batch_size": 4, "max_length": 256, "learning_rate": 0.01, "num_train_epochs": 1},
    "lora": {"r": 2, "target_modules": ["q_proj"]},
    "loading": {"device": "cpu"},
    "source_column": "kind",
    "progress": False,
}


def rows() -> list[dict[str, str]]:
    return [{**row, "kind": "ab"[index % 2]} for index, row in enumerate(make_rows(24))]


def run_trial(model: Path, embedder: Path, output: Path, **changes: Any) -> Any:
    settings = {**SETTINGS, "scoring": {"embedder": str(embedder), "progress": False}, **changes}
    return trial(Dataset.from_list(rows()), str(model), output_dir=output, **settings)


@pytest.fixture(scope="module")
def finished(model_folder: Path, embedder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished") / "TRIAL"
    run_trial(model_folder, embedder_folder, output)
    return output


def record_of(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


def test_the_numbers_are_those_of_the_losses(finished: Path, model_folder: Path) -> None:
    run, table = record_of(finished), load_dataset(str(finished), split="train").to_pandas()
    model = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    whole = rows()
    with torch.no_grad():
        for position, loss in zip(table["row"], table["loss_untuned"], strict=True):
            row = whole[position]
            context = tokenizer(plain_alpaca(row))["input_ids"]
            response = tokenizer(row["output"], add_special_tokens=False)["input_ids"]
            assert loss == pytest.approx(plain_loss(model, context, response), abs=1e-5)
    assert len({row["instruction"] for row in whole} & {whole[position]["instruction"] for position in table["row"]})
    differences = np.stack([table[f"loss_miwv_{seed}"] - table[f"loss_random_{seed}"] for seed in range(2)])
    (compared,) = run["comparisons"]
    of_random = np.stack([table[f"loss_random_{seed}"] for seed in range(2)])
    expected = difference_of(differences, spread_of([of_random]).seeds)
    assert (compared["mean"], *compared["interval"], compared["p"]) == pytest.approx(tuple(expected), abs=1e-12)
    assert compared["corrected_p"] == compared["p"]
    assert run["measurements"]["loss"]["untuned"] == pytest.approx(table["loss_untuned"].mean())
    by_kind = run["groups"]["kind"]
    members = [whole[position]["kind"] == "a" for position in table["row"]]
    assert by_kind["a"]["miwv"] == pytest.approx(differences[:, members].mean())
    for name, arm in run["arms"].items():
        assert [part["steps"] for part in arm["trainings"]] == [2, 2], name
        # Tuned at all: the losses are not those of the model before.
        assert abs(table[f"loss_{name}_0"] - table["loss_untuned"]).max() > 1e-4


def test_the_page_says_the_verdict_and_leaves_no_model_behind(finished: Path) -> None:
    page = (finished / "trial.html").read_text()
    assert record_of(finished)["verdict"].split(",")[0] in page
    assert "<script" not in page
    assert not list(finished.rglob("*.safetensors"))
    assert not finished.with_name("TRIAL.work").exists()


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_to_the_same_result(
    finished: Path, model_folder: Path, embedder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, tuned = tuned_arms.measure, tuned_arms.train
    trained: list[Any] = []

    def killed(common: Any, source: str, *rest: Any) -> Any:
        if "random-0" in source:
            raise KeyboardInterrupt
        return measure(common, source, *rest)

    def counted(*arguments: Any, **words: Any) -> Any:
        trained.append(words["output_dir"])
        return tuned(*arguments, **words)

    monkeypatch.setattr(tuned_arms, "measure", killed)
    with pytest.raises(KeyboardInterrupt):
        run_trial(model_folder, embedder_folder, tmp_path / "TRIAL")
    monkeypatch.setattr(tuned_arms, "measure", measure)
    monkeypatch.setattr(tuned_arms, "train", counted)
    # Nothing is scored again, though another number of threads would round the scores otherwise.
    monkeypatch.setattr(module, "score_before_tuning", None)
    run_trial(model_folder, embedder_folder, tmp_path / "TRIAL")
    assert [folder.name for folder in trained] == ["random-0", "random-1"]
    first, second = record_of(finished), record_of(tmp_path / "TRIAL")
    for run in (first, second):
        del run["timing"]
    assert first == second
    assert (finished / "trial.html").read_bytes() == (tmp_path / "TRIAL" / "trial.html").read_bytes()


def test_a_finished_trial_is_not_run_again(
    finished: Path, model_folder: Path, embedder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuned_arms, "train", None)
    assert run_trial(model_folder, embedder_folder, finished)["verdict"] == record_of(finished)["verdict"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 1}, "--seeds 1: from one training there is no interval"),
        ({"equal": "rows"}, "--equal rows"),
        ({"evaluate": ["bleu"]}, "--evaluate bleu: is no measurement of ours"),
        ({"evaluate": []}, "nothing to measure"),
        ({"evaluate": ["judge"]}, "--evaluate judge and --judge belong together"),
        ({"source_column": "knd"}, "--source-column knd: did you mean 'kind'"),
        ({"methods": ["target_gain", "random"]}, "needs a target set; give --demonstrations-from TARGET"),
        ({"fraction": "0.1"}, "fewer than the 4 of one step"),
    ],
)
def test_bad_input_is_refused_before_any_work(
    changes: dict[str, Any], message: str, model_folder: Path, embedder_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        run_trial(model_folder, embedder_folder, tmp_path / "TRIAL", **changes)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_prints_the_table_and_the_verdict(
    finished: Path, model_folder: Path, embedder_folder: Path, tmp_path: Path
) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    words = [
        *("trial", data, "--model", model_folder, "--embedder", embedder_folder, "--methods", "miwv,random"),
        *("--fraction", "0.5", "--seeds", "2", "--held-out", "0.3", "--num-train-epochs", "1", "--lora-r", "2"),
        *("--per-device-train-batch-size", "4", "--device", "cpu", "--equal", "tokens", "--output", tmp_path / "OUT"),
    ]
    done = CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "7 held-out rows" in done.output or "held-out rows, 2 seeds, equal tokens" in done.output
    assert "four times out of five" in done.output
