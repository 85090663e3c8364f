"""Rows with tools and reasoning, from the file to scores, choice and training."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_templates import (
    DATED,
    REASONING,
    answer,
    user,
)
from datasets import Dataset
from plain import plain_loss
from sentence_transformers import SentenceTransformer
from tiny import WORDS, make_model

from hf_miwv import InputError, score
from hf_miwv.callbacks.trainer_rows import read_trainer_rows
from hf_miwv.common.runs.folder import read_record
from hf_miwv.prompts.chat_prompts import ChatPrompts
from hf_miwv.rows.examples import read_example
from hf_miwv.rows.rows import Row
from hf_miwv.rows.schema import recognize
from tests.miwv.rows.whole_rows import CONVERSATIONS, mixed, score_rows, tokenizer_with
from tests.miwv.transforms.transform_chain import chain, check_equal


def test_scores_equal_the_plain_loop_over_the_ids_of_the_trainer(scored: Dataset) -> None:
    model, prompts = make_model("llama", positions=4096), ChatPrompts(tokenizer_with(REASONING))
    dataset = mixed()
    shape = recognize(dataset.column_names)
    examples = [read_example(row, shape, index) for index, row in enumerate(dataset)]
    tokens = prompts.encode(examples)
    rows = [Row(examples, index, tokens[index]) for index in range(len(examples))]  # type: ignore[arg-type]
    for index, row in enumerate(scored):
        alone = tokens[index]
        context, _ = prompts.one_shot(rows[index], rows[row["neighbor"]], 2000)
        assert context is not None
        zero_shot = plain_loss(model, alone.prompt, alone.response)
        one_shot = plain_loss(model, context, alone.response)
        assert row["loss_zero_shot"] == pytest.approx(zero_shot, abs=1e-4)
        assert row["loss_one_shot"] == pytest.approx(one_shot, abs=1e-4)
        assert row["response_tokens"] == len(alone.response)
    assert np.ptp(np.array(scored["miwv"])) > 0.1


def test_the_map_chain_equals_score(scored: Dataset, folder: Path, embedder_folder: Path) -> None:
    # in one batch, as `score` embeds them: rows with the same prompt are equally near
    check_equal(chain(mixed(), folder, embedder_folder, batch_size=64), scored)


def test_callback_and_train_have_the_ids_of_the_trainer(
    scored: Dataset, embedder_folder: Path, tmp_path: Path
) -> None:
    trl = pytest.importorskip("trl")
    from hf_miwv.callbacks.live_scoring import LiveScorer
    from hf_miwv.training.chosen_rows import prepare_rows

    tokenizer = tokenizer_with(REASONING)
    trainer = trl.SFTTrainer(
        make_model("llama", positions=4096),
        args=trl.SFTConfig(
            output_dir=str(tmp_path),
            use_cpu=True,
            report_to=[],
            max_length=None,
            bf16=False,
            disable_tqdm=True,
        ),
        train_dataset=mixed(),
        processing_class=tokenizer,
    )
    rows = read_trainer_rows(trainer.train_dataset, tokenizer)
    scores = LiveScorer(trainer, rows, SentenceTransformer(str(embedder_folder), device="cpu"))()
    np.testing.assert_allclose(scores.miwv, scored["miwv"], atol=1e-4)
    shape = recognize(CONVERSATIONS[0])
    trained = prepare_rows(scored, shape, ChatPrompts(tokenizer), tokenizer, 4096)
    assert trained.dataset["input_ids"][:] == trainer.train_dataset["input_ids"][:]


def test_another_description_of_a_tool_is_another_row(scored: Dataset, folder: Path, embedder_folder: Path) -> None:
    rows = json.loads(json.dumps(CONVERSATIONS))
    index = next(i for i, row in enumerate(rows) if row["tools"])
    rows[index]["tools"][0]["function"]["description"] = "name the rain"
    other = score(
        Dataset.from_list(rows, on_mixed_types="use_json"),
        str(folder),
        embedder=str(embedder_folder),
        device="cpu",
        progress=False,
        keep_embeddings=True,
    )
    assert other["loss_zero_shot"][index] != scored["loss_zero_shot"][index]
    same = score(
        mixed(),
        str(folder),
        embedder=str(embedder_folder),
        device="cpu",
        progress=False,
        keep_embeddings=True,
        embed_text="bare",
    )
    bare = score(
        Dataset.from_list(rows, on_mixed_types="use_json"),
        str(folder),
        device="cpu",
        embedder=str(embedder_folder),
        progress=False,
        keep_embeddings=True,
        embed_text="bare",
    )
    assert bare["prompt_embedding"][index] != same["prompt_embedding"][index]


def test_rows_that_differ_in_their_system_prompt_are_no_duplicates(embedder_folder: Path) -> None:
    for row, column in (
        ({"messages": [user("hello"), answer("world")]}, "system"),
        ({"instruction": "hello", "output": "world"}, "system"),
        ({"prompt": "hello", "completion": "world"}, "system"),
    ):
        rows = [{**row, column: text} for text in WORDS.split()[:4]]
        flags = score_rows(rows, embedder_folder)["miwv_flags"]
        assert [flag for row_flags in flags for flag in row_flags] == []


def test_the_date_of_the_first_run_is_the_date_of_all(
    embedder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "scored"
    rows = [row for row in CONVERSATIONS if "date_string" not in row["chat_template_kwargs"]]

    def on(day: date, **settings: Any) -> Dataset:
        class Day(date):
            @classmethod
            def today(cls) -> date:  # type: ignore[override]
                return day

        monkeypatch.setattr("hf_miwv.prompts.run_date.date", Day)
        return score_rows(rows, embedder_folder, DATED, **settings)

    first = on(date(2026, 11, 29), output=output)
    run = read_record(output)
    assert run is not None
    assert run["template"]["date"] == "2026-11-29"
    written = (output / "run.json").read_bytes()
    again = on(date(2026, 11, 30), output=output)  # the same command next day
    assert (output / "run.json").read_bytes() == written
    assert again["miwv"][:] == first["miwv"][:]
    other = on(date(2026, 11, 30))
    assert other["loss_zero_shot"][:] != first["loss_zero_shot"][:]
    given = on(date(2026, 11, 30), date="2026-11-29")
    assert given["loss_zero_shot"][:] == first["loss_zero_shot"][:]
    with pytest.raises(InputError, match=r"date '29\.11\.2026' is no day; write it as 2026-11-29"):
        on(date(2026, 11, 30), date="29.11.2026")


def test_the_date_is_kept_over_a_kill(embedder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, rows = tmp_path / "scored", CONVERSATIONS[:4]
    whole = score_rows(rows, embedder_folder, DATED, date="2026-11-29")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hf_miwv.scoring.journey.Journey.compute_losses", killed)
        with pytest.raises(KeyboardInterrupt):
            score_rows(rows, embedder_folder, DATED, output=output, date="2026-11-29")
    resumed = score_rows(rows, embedder_folder, DATED, output=output)
    assert resumed["loss_zero_shot"][:] == whole["loss_zero_shot"][:]
    run = read_record(output)
    assert run is not None
    assert run["template"]["date"] == "2026-11-29"
