"""Folders that are there, prompts that differ, and globs without rows."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from datasets import load_dataset
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.data.method.prompts import translation_prompt
from hf_miwv.common.errors import InputError
from tests.lmt.data.method.test_prompts import QWEN3
from tests.lmt.data.prepare.prepared_rows import (
    NO_SETS,
    PLAIN,
    lines,
    make,
    rows_of,
    table,
)


def test_a_finished_folder_is_not_made_again_and_another_is_not_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = table(tmp_path / "t.jsonl", lines(10))
    recipe = {**PLAIN, "data": [{"path": path}]}
    make(tmp_path, recipe)
    before = (tmp_path / "rows" / "run.json").stat().st_mtime_ns
    with caplog.at_level(logging.INFO):
        make(tmp_path, recipe)
    assert (tmp_path / "rows" / "run.json").stat().st_mtime_ns == before
    assert "already holds this result" in caplog.text
    with pytest.raises(InputError, match=r"not the same: .*seed.*--overwrite"):
        make(tmp_path, {**recipe, "seed": 4})
    assert make(tmp_path, {**recipe, "seed": 4}, overwrite=True)["settings"]["seed"] == 4


def test_a_glob_without_rows_is_a_warning_and_a_name_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = table(tmp_path / "t.jsonl", lines(10, ("en", "de")))
    recipe = {**PLAIN, "data": [{"path": path}], "directions": ["en-*"]}
    run = make(tmp_path, recipe)
    assert "58 asked directions have no row: en-zh, en-ar" in caplog.text
    assert len(run["counts"]["directions_without_rows"]) == 58
    with pytest.raises(InputError, match=r"en-kk, kk-en: asked for by name.*there are: en-de"):
        make(tmp_path, {**recipe, "directions": ["en-*", "kk-en", "en-kk"]}, "named")
    thin = {**recipe, "directions": ["en-de", "de-en"], "downsampling": {"counts": {"en-de": 0}}}
    with pytest.raises(InputError, match=r"de-en: .*of 10 read: downsampled 10"):
        make(tmp_path, {**thin, "downsampling": {"rate": 1e-9}}, "thin")
    assert make(tmp_path, {**thin, "downsampling": {"rate": 0.0}}, "none")["rows"] == 10


def test_what_took_all_rows_is_said(tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", lines(10, ("en", "de")))
    recipe = {"data": [{"path": path, "caps": {"*-*": 0}}], "curation": NO_SETS}
    with pytest.raises(InputError, match="no row is left; of 20 read: capped 20"):
        make(tmp_path, recipe)
    wrong = [
        {
            "source_lang": "en",
            "target_lang": "de",
            "source": "a",
            "target": "b",
            "auxiliary_lang": "de",
            "auxiliary": "c",
        }
    ]
    path = table(tmp_path / "w.jsonl", wrong)
    with pytest.raises(InputError, match=r"w.jsonl:1: auxiliary_lang is de, a language of en-de"):
        make(tmp_path, {"data": [{"path": path}], "curation": NO_SETS}, "wrong")


@pytest.mark.parametrize(
    ("template", "thinking", "lead"),
    [(QWEN3, "disabled", ""), (QWEN3, "template", "<think>\n\n</think>\n\n")],
)
def test_train_and_inference_prompts_are_compared(template: str, thinking: str, lead: str, tmp_path: Path) -> None:
    make_tokenizer(bos=False, chat_template=template).save_pretrained(tmp_path / "model")
    path = table(tmp_path / "t.jsonl", lines(10, ("en", "de", "nl")))
    recipe = {
        **PLAIN,
        "data": [{"path": path}],
        "pmp": {"thinking": thinking},
        "model_name_or_path": str(tmp_path / "model"),
    }
    check = make(tmp_path, recipe)["prompt_check"]
    assert (check["checked"], check["before_target"]) == ("yes", [lead])
    assert check["rows"] == len(rows_of(tmp_path / "rows"))


def test_prompts_that_differ_stop_the_run(tmp_path: Path) -> None:
    uneven = CHATML.replace("assistant\n{% endif %}", "assistant: {% endif %}")
    make_tokenizer(bos=False, chat_template=uneven).save_pretrained(tmp_path / "model")
    make_tokenizer(bos=False).save_pretrained(tmp_path / "base")
    path = table(tmp_path / "t.jsonl", lines(10, ("en", "de")))
    recipe = {**PLAIN, "data": [{"path": path}]}
    for name, words in (
        ("model", "differ from token"),
        ("base", r"pmp: \{form: text\}"),
        ("gone", "no tokenizer can be read"),
    ):
        with pytest.raises(InputError, match=words):
            make(tmp_path, {**recipe, "model_name_or_path": str(tmp_path / name)}, f"at-{name}")
        assert not (tmp_path / f"at-{name}").exists()
    text = {**recipe, "pmp": {"form": "text"}, "model_name_or_path": str(tmp_path / "base")}
    assert make(tmp_path, text, "text")["prompt_check"]["checked"] == "yes"


def test_trl_trains_on_the_folder_as_it_is(tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    path = table(tmp_path / "t.jsonl", lines(6, ("en", "de", "nl")))
    make(tmp_path, {**PLAIN, "data": [{"path": path}]})
    rows = load_dataset(str(tmp_path / "rows"), split="train")
    tokenizer = make_tokenizer(bos=False, chat_template=QWEN3)
    settings = SFTConfig(
        output_dir=str(tmp_path / "tuned"),
        max_steps=1,
        report_to="none",
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=2,
        save_strategy="no",
        max_length=512,
    )
    trainer = SFTTrainer(make_model("qwen3"), args=settings, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    batch = next(iter(trainer.get_train_dataloader()))
    targets = {tokenizer.decode([one for one in labels.tolist() if one >= 0]).strip() for labels in batch["labels"]}
    wanted = {row["target"] for row in rows}
    assert all(any(text.startswith(target) for target in wanted) for text in targets)


def test_prompts_equal_the_inference_prompt(tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", lines(10, ("en", "de", "nl")))
    make(tmp_path, {**PLAIN, "data": [{"path": path}], "pmp": False})
    for row in rows_of(tmp_path / "rows"):
        prompt = translation_prompt(row["source"], row["source_lang"], row["target_lang"])
        assert row["prompt"] == [{"role": "user", "content": prompt}]
        assert row["hinted"] is False
