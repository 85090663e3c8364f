"""A resumed training sees the same rows in the same batches as one that was never interrupted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from trainers import make_trainer

from hf_miwv.callbacks.callbacks import MIWVDriftCallback, MIWVSelectionCallback
from hf_miwv.callbacks.choice_file import CHOICE
from hf_miwv.common.errors import InputError


@pytest.fixture(scope="module")
def embedder(embedder_folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(embedder_folder), device="cpu")


def train(folder: Path, embedder: Any, refresh: Any, resume: Any = None, drift: bool = False, **more: Any) -> Any:
    """8 of 24 rows, 2 a batch, 3 epochs, a checkpoint after each step."""
    trainer = make_trainer(folder, learning_rate=0.1, num_train_epochs=3, save_strategy="steps", save_steps=1, **more)
    trainer.add_callback(MIWVSelectionCallback(trainer, 0.34, refresh=refresh, embedder=embedder))
    if drift:
        trainer.add_callback(MIWVDriftCallback(trainer, sample=6, embedder=embedder))
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def copy(folder: Path, target: Path, last: int) -> Path:
    """The output folder as it was when checkpoint `last` was the newest."""
    shutil.copytree(folder, target)
    for checkpoint in target.glob("checkpoint-*"):
        if int(checkpoint.name.rpartition("-")[2]) > last:
            shutil.rmtree(checkpoint)
    return target


def assert_same(resumed: Any, whole: Any, steps: int) -> None:
    assert resumed.seen == whole.seen[-len(resumed.seen) :]
    assert len(resumed.seen) == steps
    pairs = zip(resumed.model.parameters(), whole.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    losses = [
        [entry["loss"] for entry in trainer.state.log_history if "loss" in entry] for trainer in (resumed, whole)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("refresh", "workers", "accumulate", "steps"),
    [
        pytest.param("never", 0, 1, (5,), marks=pytest.mark.slow),
        ("epoch", 0, 1, (3, 4, 5)),  # 4: the end of an epoch, saved before the rows are scored again
        pytest.param("epoch", 1, 1, (4, 6), marks=pytest.mark.slow),
        pytest.param(2, 0, 1, (2, 4, 5), marks=pytest.mark.slow),  # 2: one batch of the old rows is fetched already
        pytest.param(3, 1, 1, (3, 5, 8), marks=pytest.mark.slow),  # 3: the new rows wait for the next epoch
        pytest.param(1, 0, 2, (1, 2, 3), marks=pytest.mark.slow),
    ],
)
def test_the_same_batches(
    refresh: Any,
    workers: int,
    accumulate: int,
    steps: tuple[int, ...],
    embedder: Any,
    tmp_path: Path,
) -> None:
    settings = {
        "dataloader_num_workers": workers,
        "gradient_accumulation_steps": accumulate,
    }
    whole = train(tmp_path / "whole", embedder, refresh, **settings)
    overlaps = [e["miwv_overlap"] for e in whole.state.log_history if "miwv_overlap" in e]
    assert refresh == "never" or min(overlaps) < 1  # else any choice would do
    left = whole.state.global_step
    for step in steps:
        latest = copy(tmp_path / "whole", tmp_path / f"latest-{step}", step)
        resumed = train(latest, embedder, refresh, resume=True, **settings)
        assert_same(resumed, whole, (left - step) * accumulate)
    older = copy(tmp_path / "whole", tmp_path / "older", left)
    resumed = train(older, embedder, refresh, str(older / f"checkpoint-{steps[0]}"), **settings)
    assert_same(resumed, whole, (left - steps[0]) * accumulate)


def test_a_second_training_in_the_same_folder_begins_with_the_first_choice(embedder: Any, tmp_path: Path) -> None:
    one = train(tmp_path, embedder, "epoch")
    two = train(tmp_path, embedder, "epoch")
    assert two.seen == one.seen
    record = json.loads((tmp_path / CHOICE).read_text())
    assert record["first"]["step"] == 0
    assert record["current"]["step"] == 8
    assert record["next"] is None


def test_a_kill_between_a_checkpoint_and_its_choice(embedder: Any, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", embedder, 2)
    folder = copy(tmp_path / "whole", tmp_path / "killed", 4)
    shutil.move(folder / "checkpoint-4" / CHOICE, folder / CHOICE)
    assert_same(train(folder, embedder, 2, resume=True), whole, 8)


def test_a_choice_that_is_not_there_is_not_guessed(embedder: Any, tmp_path: Path) -> None:
    train(tmp_path / "whole", embedder, "epoch")
    checkpoint = tmp_path / "whole" / "checkpoint-5"
    with pytest.raises(InputError, match=r"goes on at step 5, and its choice of rows is not in"):
        train(tmp_path / "elsewhere", embedder, "epoch", resume=str(checkpoint))
    shutil.copytree(checkpoint, tmp_path / "other" / "checkpoint-5")
    state = tmp_path / "other" / "checkpoint-5" / "trainer_state.json"
    record = json.loads(state.read_text())
    record["log_history"][-1]["loss"] += 1.0  # a checkpoint of another run under the same name
    state.write_text(json.dumps(record))
    with pytest.raises(InputError, match="its choice of rows is not in"):
        train(tmp_path / "other", embedder, "epoch", resume=str(checkpoint))
    (checkpoint / CHOICE).unlink()
    with pytest.raises(InputError, match=r"miwv_choice\.json, or give refresh='never'"):
        train(tmp_path / "whole", embedder, "epoch", resume=str(checkpoint))
    train(tmp_path / "whole", embedder, "never", resume=str(checkpoint))


@pytest.mark.slow
def test_another_fraction_or_other_rows(embedder: Any, tmp_path: Path) -> None:
    whole = train(tmp_path, embedder, "never")
    trainer = make_trainer(tmp_path, num_train_epochs=3)
    trainer.add_callback(MIWVSelectionCallback(trainer, 0.25, embedder=embedder))
    with pytest.raises(InputError, match="8 chosen rows, and fraction now keeps 6"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-5"))
    kept = set(whole.train_dataset.rows[:4])
    rows = [row for place, row in enumerate(whole.train_dataset.dataset) if place not in kept]
    trainer = make_trainer(tmp_path, rows)
    trainer.add_callback(MIWVSelectionCallback(trainer, "0.4", embedder=embedder))
    with pytest.raises(InputError, match="4 of its 8 rows are not in this training set"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-5"))


def test_drift_counts_from_the_first_measurement(embedder: Any, tmp_path: Path) -> None:
    def falls(trainer: Any) -> list[float]:
        return [e["miwv_probe_fall"] for e in trainer.state.log_history if "miwv_probe_fall" in e]

    some = make_trainer(tmp_path / "rows").train_dataset.select(range(4))
    settings = {"evaluation": some, "eval_strategy": "epoch", "drift": True}
    whole = train(tmp_path / "whole", embedder, "never", **settings)
    folder = copy(tmp_path / "whole", tmp_path / "later", 6)
    resumed = train(folder, embedder, "never", resume=True, **settings)
    assert falls(resumed) == pytest.approx(falls(whole))
    assert len(falls(whole)) == 4
