"""A tokenizer with more ids than the model has embeddings is refused before anything is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tiny import make_model, make_rows, make_tokenizer
from trainers import make_texts, make_trainer, tokenize

from hf_miwv import InputError, score
from hf_miwv.callbacks.callbacks import MIWVSelectionCallback
from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.common.models.vocabulary import check_tables, vocabulary_size
from hf_miwv.transforms.attach_demonstration import AttachDemonstration
from hf_miwv.transforms.measure_losses import MeasureLosses
from hf_miwv.transforms.steps import EmbedPrompts, RenderPrompts

NEW = "<|tool|>"
MESSAGE = r"{}: the token '<\|tool\|>' has the id \d+, and the model has embeddings for the ids "


def larger_tokenizer(**kind: Any) -> Any:
    """One that has a token more than make_model() has embeddings."""
    tokenizer = make_tokenizer(**kind)
    missing = 400 - len(tokenizer)
    tokenizer.add_tokens([f"<|filler{number}|>" for number in range(missing)])
    tokenizer.add_special_tokens({"additional_special_tokens": [NEW]})
    assert tokenizer.convert_tokens_to_ids(NEW) == 400
    return tokenizer


def rows_with_the_token(column: str) -> Dataset:
    rows = make_rows(8)
    rows[5][column] += NEW
    return Dataset.from_list(rows)


@pytest.fixture
def source(tmp_path: Path) -> str:
    make_model("llama").save_pretrained(tmp_path / "model")
    larger_tokenizer().save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


class Untouched:
    """An embedder that must not be used before the check."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the embedder was used: {name}")


@pytest.mark.parametrize("column", ["instruction", "output"])
def test_score_names_token_id_and_row(column: str, source: str) -> None:
    """Before the embedder is asked for anything."""
    with pytest.raises(InputError, match=MESSAGE.format("row 5") + "0 to 399 only; give the token"):
        score(rows_with_the_token(column), source, embedder=Untouched(), progress=False)


def test_a_larger_tokenizer_whose_new_tokens_do_not_occur_is_fine(source: str, embedder_folder: Path) -> None:
    rows = Dataset.from_list(make_rows(8))
    scored = score(rows, source, embedder=str(embedder_folder), device="cpu", progress=False)
    assert set(scored["miwv_status"]) == {"ok"}


def test_the_model_made_larger_as_the_message_says_is_scored(embedder_folder: Path) -> None:
    model, tokenizer = make_model("llama"), larger_tokenizer()
    model.resize_token_embeddings(len(tokenizer))
    scored = score(
        rows_with_the_token("output"),
        model,
        tokenizer=tokenizer,
        embedder=str(embedder_folder),
        progress=False,
    )
    assert set(scored["miwv_status"]) == {"ok"}


def test_the_callbacks_refuse_it_too(embedder_folder: Path, tmp_path: Path) -> None:
    texts = make_texts()
    texts[7]["completion"] += NEW
    trainer = make_trainer(tmp_path, tokenize(texts, larger_tokenizer()))
    trainer.processing_class = larger_tokenizer()
    with pytest.raises(InputError, match=MESSAGE.format("row 7")):
        MIWVSelectionCallback(trainer, 0.5, embedder=str(embedder_folder))


def test_the_map_steps_refuse_it_too(source: str, embedder_folder: Path) -> None:
    rendered = rows_with_the_token("output").map(RenderPrompts(source), batched=True)
    embedded = rendered.map(EmbedPrompts(str(embedder_folder), device="cpu"), batched=True)
    attach = AttachDemonstration.from_dataset(embedded, device="cpu")
    attached = embedded.map(attach, with_indices=True, batched=True)
    with pytest.raises(InputError, match=MESSAGE.format("this batch: row 5")):
        attached.map(MeasureLosses(source, device="cpu"), batched=True)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_smaller_of_embedding_and_output_layer_counts(kind: str) -> None:
    model = make_model(kind, tied=False)
    assert vocabulary_size(model) == 400
    model.lm_head.out_features = 300
    assert vocabulary_size(model) == 300


def test_the_first_row_that_has_such_a_token_is_named() -> None:
    tables = [TokenTable([[1], [], [399, 2]]), TokenTable([[], [3], [4, 400, 401], [500]])]
    with pytest.raises(InputError, match=r"^row 2: .*<\|tool\|>.* id 400"):
        check_tables(make_model("llama"), larger_tokenizer(), tables)
    check_tables(make_model("llama"), larger_tokenizer(), tables[:1])


def test_training_refuses_a_tokenizer_whose_end_has_no_embedding(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    from hf_miwv.training.sft_tuning import Tuning, try_out

    make_model("llama").save_pretrained(tmp_path)
    tokenizer = larger_tokenizer()
    tokenizer.eos_token = NEW
    tokenizer.save_pretrained(tmp_path)
    tuning = Tuning(str(tmp_path), {"device": "cpu"}, {}, None, None, None)
    with pytest.raises(InputError, match=MESSAGE.format("what ends and fills up rows in training")):
        try_out(tuning)
