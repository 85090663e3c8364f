"""A stock Trainer with the callbacks: the chosen rows and no others, and no other trace."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, IterableDataset
from sentence_transformers import SentenceTransformer
from tiny import make_model, make_tokenizer
from trainers import make_texts, make_trainer, tokenize
from transformers import T5Config, T5ForConditionalGeneration, Trainer

from hf_miwv import score
from hf_miwv.callbacks.callbacks import MIWVDriftCallback, MIWVSelectionCallback
from hf_miwv.callbacks.choice_file import CHOICE
from hf_miwv.common.errors import InputError
from hf_miwv.common.trainer.live_trainer import undisturbed


@pytest.fixture(scope="module")
def embedder(embedder_folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(embedder_folder), device="cpu")


@pytest.fixture(scope="module")
def best(embedder: SentenceTransformer) -> list[int]:
    """The 24 rows by falling MIWV, as `score` has it from their text."""
    scored = score(
        Dataset.from_list(make_texts()),
        make_model("llama"),
        tokenizer=make_tokenizer(),
        embedder=embedder,
        progress=False,
    )
    return np.argsort(-np.array(scored["miwv"]), kind="stable").tolist()


def logged(trainer: Any, name: str) -> list[Any]:
    return [entry[name] for entry in trainer.state.log_history if name in entry]


@pytest.mark.parametrize(
    ("fraction", "batch", "accumulate", "workers"),
    [
        (0.25, 2, 1, 0),
        ("0.34", 3, 1, 2),
        (0.5, 2, 4, 0),
        (1, 5, 1, 0),
        (0.1, 2, 1, 0),
    ],
)
def test_the_chosen_rows_are_trained_on_and_no_others(
    fraction: Any,
    batch: int,
    accumulate: int,
    workers: int,
    embedder: Any,
    best: list[int],
    tmp_path: Path,
) -> None:
    trainer = make_trainer(
        tmp_path,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulate,
        dataloader_num_workers=workers,
    )
    whole = trainer.train_dataset
    trainer.add_callback(MIWVSelectionCallback(trainer, fraction, embedder=embedder))
    kept = int(24 * float(fraction))
    chosen = sorted(best[:kept])
    assert [trainer.train_dataset[i] for i in range(kept)] == [whole[i] for i in chosen]
    trainer.train()
    for epoch in (0, 1):
        batches = math.ceil(kept / batch)
        rows = [row for rows in trainer.seen[epoch * batches :][:batches] for row in rows]
        assert sorted(rows) == sorted(whole[i]["input_ids"] for i in chosen)
    assert trainer.state.global_step == 2 * math.ceil(batches / accumulate)
    assert trainer.state.max_steps == trainer.state.global_step
    assert logged(trainer, "miwv_rows_with_score") == [24]
    above = logged(trainer, "miwv_lowest_chosen")[0] > logged(trainer, "miwv_quantile_50")[0]
    assert above == (kept <= 12)
    assert len(logged(trainer, "loss")) == trainer.state.global_step  # none was displaced


def test_text_rows_and_rows_in_a_list(embedder: Any, best: list[int], tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    tokens = tokenize(make_texts(), tokenizer)
    for number, dataset in enumerate([list(tokens), tokens.with_format("torch")]):
        trainer = make_trainer(tmp_path / str(number), dataset)
        MIWVSelectionCallback(trainer, 0.25, embedder=embedder)
        assert trainer.train_dataset.rows == sorted(best[:6])

    def collate(rows: list[dict[str, str]]) -> dict[str, Any]:
        texts = tokenize([dict(row) for row in rows], tokenizer).to_list()
        return trainer.data_collator(texts)

    dataset = Dataset.from_list(make_texts())
    trainer = make_trainer(tmp_path / "text", dataset, remove_unused_columns=False)
    trainer.add_callback(MIWVSelectionCallback(trainer, 0.25, embedder=embedder))
    assert trainer.train_dataset.rows == sorted(best[:6])


def test_the_choice_is_read_where_nothing_changed(
    embedder: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = make_trainer(tmp_path)
    MIWVSelectionCallback(first, 0.25, embedder=embedder)
    written = (tmp_path / CHOICE).read_bytes()
    (tmp_path / "miwv_neighbors.npz").unlink()  # whoever scores again writes it again
    again = make_trainer(tmp_path)
    again.add_callback(MIWVSelectionCallback(again, 0.25, embedder=embedder))
    assert again.train_dataset.rows == first.train_dataset.rows
    assert (tmp_path / CHOICE).read_bytes() == written
    assert not (tmp_path / "miwv_neighbors.npz").exists()
    assert not list(tmp_path.glob("*.work"))
    changed = make_trainer(tmp_path)
    changed.model.model.embed_tokens.weight.data[5] += 1.0
    MIWVSelectionCallback(changed, 0.5, embedder=embedder)
    assert "(not the same: fraction, model)" in caplog.text
    record = json.loads((tmp_path / CHOICE).read_text())
    assert len(record["first"]["rows"]) == len(record["current"]["rows"]) == 12


def test_a_killed_scoring_goes_on(embedder: Any, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    forward, passes = trainer.model.model.forward, []

    def failing(*args: Any, **kwargs: Any) -> Any:
        passes.append(1)
        if len(passes) > 14:
            raise KeyboardInterrupt
        return forward(*args, **kwargs)

    trainer.model.model.forward = failing
    with pytest.raises(KeyboardInterrupt):
        MIWVSelectionCallback(trainer, 0.25, embedder=embedder, batch_tokens=60)
    journal = (tmp_path / "miwv.work" / "process-0-of-1" / "losses.jsonl").read_text()
    assert journal.count("\n") > 0
    trainer.model.model.forward = forward
    MIWVSelectionCallback(trainer, 0.25, embedder=embedder, batch_tokens=60)
    straight = make_trainer(tmp_path / "straight")
    MIWVSelectionCallback(straight, 0.25, embedder=embedder, batch_tokens=60)
    assert trainer.train_dataset.rows == straight.train_dataset.rows


@pytest.mark.parametrize("refresh", ["epoch", 2, 5])
@pytest.mark.parametrize("workers", [0, 2])
def test_refresh_changes_the_rows_and_not_their_number(
    refresh: Any, workers: int, embedder: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer(tmp_path, learning_rate=0.1, num_train_epochs=3, dataloader_num_workers=workers)
    whole = [row["input_ids"] for row in trainer.train_dataset]
    trainer.add_callback(MIWVSelectionCallback(trainer, 0.34, refresh=refresh, embedder=embedder))
    sets = [set(trainer.train_dataset.rows)]
    change = trainer.train_dataset.change
    trainer.train_dataset.change = lambda rows, **more: (sets.append(set(rows)), change(rows))
    trainer.train()
    overlaps = logged(trainer, "miwv_overlap")
    assert len(overlaps) == {"epoch": 2, 2: 5, 5: 2}[refresh]
    assert min(overlaps) < 1
    assert trainer.state.global_step == 12
    assert all(len(rows) == 8 for rows in sets)
    seen = [[whole.index(row) for row in batch] for batch in trainer.seen]
    epochs = [{row for batch in seen[start : start + 4] for row in batch} for start in (0, 4, 8)]
    if refresh == "epoch" or workers:
        assert epochs[0] == sets[0]
        assert all(epoch in sets for epoch in epochs)  # one choice in each epoch
    elif refresh == 2:  # after step 2 the third batch is fetched already
        assert {row for batch in seen[:3] for row in batch} <= sets[0]
        assert not {row for batch in seen[:4] for row in batch} <= sets[0]
    assert ("from the next epoch on" in caplog.text) == (refresh != "epoch" and workers > 0)


def test_drift_is_logged_and_the_training_is_the_same_to_the_last_bit(embedder: Any, tmp_path: Path) -> None:
    def train(drift: bool) -> Any:
        few = tokenize(make_texts(4), make_tokenizer())
        trainer = make_trainer(
            tmp_path / str(drift),
            evaluation={"a": few, "b": few},
            eval_strategy="epoch",
            eval_on_start=True,
        )
        for layer in trainer.model.model.layers:
            layer.self_attn.attention_dropout = 0.2  # so that random states count
        if drift:
            trainer.add_callback(MIWVDriftCallback(trainer, sample=8, embedder=embedder))
        trainer.train()
        return trainer

    with_drift, without = train(True), train(False)
    pairs = zip(with_drift.model.state_dict().values(), without.model.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert logged(with_drift, "loss") == logged(without, "loss")
    means = logged(with_drift, "miwv_probe_mean")
    assert len(means) == 3  # before, and after each epoch, though there are two evaluation sets
    falls = [means[0] - mean for mean in means]
    assert logged(with_drift, "miwv_probe_fall") == pytest.approx(falls)
    assert len(set(means)) == 3
    assert set(logged(with_drift, "miwv_probe_rows")) == {8}
    losses = [np.array(logged(with_drift, f"miwv_probe_loss_{n}_shot")) for n in ("zero", "one")]
    np.testing.assert_allclose(losses[1] - losses[0], means)


def test_the_drift_sample_comes_from_all_rows(embedder: Any, tmp_path: Path) -> None:
    both, alone = make_trainer(tmp_path / "both"), make_trainer(tmp_path / "alone")
    both.add_callback(MIWVSelectionCallback(both, 0.25, embedder=embedder))
    for trainer in (both, alone):
        trainer.add_callback(MIWVDriftCallback(trainer, sample=8, embedder=embedder))
        trainer.train()
    first = [logged(trainer, "miwv_probe_mean")[0] for trainer in (both, alone)]
    assert first[0] == first[1]


def test_modes_hooks_and_random_states_are_put_back(embedder: Any, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    model = trainer.model.train()
    model.model.layers[0].eval()
    model.gradient_checkpointing_enable()
    model.enable_input_require_grads()
    modes = [module.training for module in model.modules()]
    attention = model.config._attn_implementation
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    MIWVSelectionCallback(trainer, 0.25, embedder=embedder)
    assert [module.training for module in model.modules()] == modes
    assert not model.lm_head._forward_pre_hooks
    assert model.config._attn_implementation == attention
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert after == states
    trainer.train()
    assert all(torch.isfinite(weight).all() for weight in model.parameters())


def test_whatever_scoring_draws_at_random_is_undone() -> None:
    model = torch.nn.Linear(2, 2)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with undisturbed(model):
        torch.rand(3), np.random.rand(3), random.shuffle([1, 2, 3])
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert after == states


def test_lengths_may_order_the_batches_of_a_choice_that_stays(embedder: Any, best: list[int], tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, train_sampling_strategy="group_by_length")
    whole = trainer.train_dataset
    trainer.add_callback(MIWVSelectionCallback(trainer, 0.25, embedder=embedder))
    trainer.train()
    rows = [row for batch in trainer.seen[:3] for row in batch]
    assert sorted(rows) == sorted(whole[i]["input_ids"] for i in best[:6])


def streamed() -> IterableDataset:
    def rows() -> Iterator[dict[str, Any]]:
        yield from tokenize(make_texts(), make_tokenizer())

    return IterableDataset.from_generator(rows)


@pytest.mark.parametrize(
    ("settings", "given", "message"),
    [
        ({}, {"fraction": 0.01}, "keeps 0, and one batch takes 2 .*smaller per_device_train_batch"),
        ({"per_device_train_batch_size": 8}, {"fraction": 0.3}, "of 24 rows keeps 7, and one batch"),
        ({}, {"fraction": 1.5}, r"outside \(0, 1\]"),
        ({}, {"fraction": "few"}, "is not a number"),
        ({}, {"refresh": "epochs"}, "refresh 'epochs' is not one of ours: did you mean 'epoch'"),
        ({}, {"refresh": 0}, "refresh 0: give never, epoch, or a number of steps above 0"),
        ({}, {"refresh": True}, "refresh True"),
        (
            {"train_sampling_strategy": "group_by_length"},
            {"refresh": "epoch"},
            "train_sampling_strategy='random' or refresh='never'",
        ),
        ({"train_sampling_strategy": "batch_rebalance"}, {"refresh": 3}, "'batch_rebalance'"),
        (
            {"dataloader_num_workers": 1, "dataloader_persistent_workers": True},
            {"refresh": "epoch"},
            "dataloader_persistent_workers=False",
        ),
        ({}, {"max_length": 1000}, "above the model's own limit of 512 tokens"),
    ],
)
def test_bad_settings(
    settings: dict[str, Any], given: dict[str, Any], message: str, embedder: Any, tmp_path: Path
) -> None:
    trainer = make_trainer(tmp_path, **settings)
    whole = trainer.train_dataset
    with pytest.raises(InputError, match=message):
        MIWVSelectionCallback(trainer, **{"fraction": 0.25, "embedder": embedder, **given})
    assert trainer.train_dataset is whole


@pytest.mark.parametrize(
    ("dataset", "settings", "message"),
    [
        (streamed, {"max_steps": 2}, "spool it to Arrow first: datasets.Dataset.from_generator"),
        (lambda: tokenize(make_texts(1), make_tokenizer()), {}, "has 1 row; a row is scored behind"),
        (
            lambda: tokenize(make_texts(), make_tokenizer()).add_column("seq_lengths", [[1]] * 24),
            {},
            "set packing=False",
        ),
        (
            lambda: tokenize(make_texts(), make_tokenizer()).remove_columns("labels"),
            {},
            "nothing says where the response begins.*assistant_only_loss=True",
        ),
        (
            lambda: Dataset.from_dict({"input_ids": [[1, 30, 40]] * 24, "labels": [[-100] * 3] * 24}),
            {},
            "none of the 24 rows has a response",
        ),
    ],
)
@pytest.mark.parametrize("kind", [MIWVSelectionCallback, MIWVDriftCallback])
def test_bad_training_sets(
    kind: Any, dataset: Any, settings: dict[str, Any], message: str, embedder: Any, tmp_path: Path
) -> None:
    trainer = make_trainer(tmp_path, dataset(), **settings)
    given = {"fraction": 0.5} if kind is MIWVSelectionCallback else {}
    with pytest.raises(InputError, match=message):
        kind(trainer, embedder=embedder, **given)


def test_rows_without_a_score_are_never_chosen(embedder: Any, tmp_path: Path) -> None:
    texts = make_texts()
    for row in range(0, 24, 2):
        texts[row]["completion"] = ""
    trainer = make_trainer(tmp_path, tokenize(texts, make_tokenizer()))
    callback = MIWVSelectionCallback(trainer, 0.5, embedder=embedder)
    assert trainer.train_dataset.rows == list(range(1, 24, 2))
    assert callback is not None
    other = make_trainer(tmp_path / "other", tokenize(texts, make_tokenizer()))
    with pytest.raises(InputError, match="13 of 24 rows are to be kept, but only 12 have a score"):
        MIWVSelectionCallback(other, 0.55, embedder=embedder)


def test_other_bad_input(embedder: Any, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    with pytest.raises(InputError, match="sample 1: give 2 or more rows"):
        MIWVDriftCallback(trainer, sample=1, embedder=embedder)
    MIWVSelectionCallback(trainer, 0.25, embedder=embedder)
    with pytest.raises(InputError, match="chosen already"):
        MIWVSelectionCallback(trainer, 0.25, embedder=embedder)
    bare = make_trainer(tmp_path)
    bare.processing_class = None
    with pytest.raises(InputError, match="give it processing_class=tokenizer"):
        MIWVSelectionCallback(bare, 0.25, embedder=embedder)
    config = T5Config(vocab_size=400, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    seq2seq: Any = Trainer(
        T5ForConditionalGeneration(config),
        args=bare.args,
        processing_class=make_tokenizer(),
        train_dataset=bare.train_dataset,
    )
    with pytest.raises(InputError, match="encoder-decoder"):
        MIWVSelectionCallback(seq2seq, 0.25, embedder=embedder)
