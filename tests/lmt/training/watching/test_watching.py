"""A training that is watched by direction: what is counted, logged, written, and left alone."""

from __future__ import annotations

import json
import logging
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny import CHATML, make_model, make_tokenizer
from transformers import (
    DataCollatorForSeq2Seq,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from hf_lmt.data.corpora.load import load
from hf_lmt.directions import Direction, match_directions
from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_lmt.evaluation.metrics.corpus_scores import corpus_scores
from hf_lmt.training.watching import evaluation_callback
from hf_lmt.training.watching.degeneration_watch import DegenerationWatch
from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback
from hf_lmt.training.watching.group_table import GroupTable, brief
from hf_lmt.training.watching.live_model import style_of
from hf_lmt.training.watching.sample import choose_sample
from hf_lmt.translation.translator import Translator
from hf_miwv.common.trainer.training_table import print_as_table
from hf_miwv.losses.losses import token_losses

SAMPLE = Path(evaluation_callback.__file__).parents[2] / "sample" / "sentences.csv"
ASKED = ("en-de", "de-en", "zh-nl", "nl-zh", "en-zh")
SHORT: dict[str, Any] = {"per_direction": 2, "max_new_tokens": 8}
SHORTER: dict[str, Any] = {"per_direction": 1, "max_new_tokens": 4, "directions": ["en-de"]}


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The first rows of the sample corpus in a few directions."""
    lines = SAMPLE.read_text("utf-8").splitlines()[:13]
    path = tmp_path_factory.mktemp("rows") / "sentences.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return load(str(path), match_directions(ASKED)).rows


def make_trainer(folder: Path, kind: str = "llama", **settings: Any) -> Any:
    """A stock Trainer on a few tokenized texts, with a chat template for the prompts."""
    tokenizer = make_tokenizer(chat_template=CHATML)
    texts = ["name the capital of france", "hello world", "what is water made of", "add two"]
    ids = [tokenizer(text)["input_ids"] for text in texts]
    dataset = Dataset.from_dict({"input_ids": ids, "labels": ids})
    arguments = {
        "output_dir": str(folder),
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
        "per_device_train_batch_size": 2,
        "max_steps": 4,
        "save_strategy": "no",
        "eval_strategy": "steps",
        "eval_steps": 2,
        "logging_steps": 1,
        "learning_rate": 1e-2,
        **settings,
    }
    model = make_model(kind)
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.1  # so that a random state that moved would show
    return Trainer(
        model,
        args=TrainingArguments(**arguments),
        train_dataset=dataset,
        eval_dataset=dataset,
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
    )


class Heard(TrainerCallback):
    """Keeps the metrics that evaluations come with."""

    def __init__(self) -> None:
        self.metrics: list[dict[str, float]] = []

    def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.metrics.append(given["metrics"])


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_scores_are_those_of_the_translator(kind: str, rows: Dataset, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, kind)
    watch = TranslationEvaluationCallback(trainer, rows, **SHORT)
    trainer.add_callback(watch)
    metrics = trainer.evaluate()
    sample = watch.sample.rows
    assert len(sample) == 2 * len(ASKED)
    translator = Translator(make_model(kind), make_tokenizer(chat_template=CHATML), num_beams=1, max_new_tokens=8)
    for name in ASKED:
        own = [row for row in sample if str(row.direction) == name]
        texts = translator([row.source for row in own], *Direction(*name.split("-")))
        expected = corpus_scores(texts, [row.target for row in own], own[0].direction.target)
        assert metrics[f"eval_chrf_{name}"] == expected["chrf++"].value
        assert metrics[f"eval_bleu_{name}"] == expected["bleu"].value
    mean = np.mean([metrics["eval_chrf_en-de"], metrics["eval_chrf_en-zh"]])
    assert metrics["eval_chrf_en2x"] == pytest.approx(mean)
    mean = np.mean([metrics[f"eval_chrf_{name}"] for name in ASKED])
    assert metrics["eval_chrf_overall"] == pytest.approx(mean)
    assert metrics["eval_chrf_x2en_high"] == metrics["eval_chrf_de-en"]
    assert 0 <= metrics["eval_fan_in_x2zh"] <= 1
    logged = [entry for entry in trainer.state.log_history if "eval_chrf_overall" in entry]
    assert [entry["eval_chrf_overall"] for entry in logged] == [metrics["eval_chrf_overall"]]


@pytest.mark.parametrize("bar", [True, False])
def test_groups_alone_are_printed(
    bar: bool, rows: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    trainer = make_trainer(tmp_path, disable_tqdm=not bar, max_steps=2)
    print_as_table(trainer, GroupTable)
    trainer.add_callback(TranslationEvaluationCallback(trainer, rows, **SHORT))
    trainer.train()
    assert "{" not in "".join(capsys.readouterr())  # no dict, as transformers prints them
    printed = [record.getMessage() for record in caplog.records]
    logged = {name for entry in trainer.state.log_history for name in entry}
    assert {"eval_chrf_en2x", "eval_chrf_en2x_high", "eval_chrf_en-de", "eval_copy_en2x"} <= logged
    rows_of_table = [line.split() for line in printed if "/2 " in line]
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert [(row[0], row[1]) for row in rows_of_table] == [(f"{n}/2", f"{losses[n - 1]:.4g}") for n in (1, 2)]
    assert "evaluation after step 2:" in printed
    (loss,) = (entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry)
    assert any(line.strip().startswith(f"loss {loss:.4g}") for line in printed)
    groups = {line.split(":")[0].strip() for line in printed if "chrf" in line}
    assert groups == {group for group in COLUMNS if f"eval_chrf_{group}" in logged}
    assert brief({"eval_copy_overall": 0.0, "eval_blank_overall": 0.1, "lr": 0.0}) == {
        "eval_blank_overall": 0.1,
        "lr": 0.0,
    }


def test_blank_translations_score_nothing(rows: Dataset, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    head = trainer.model.get_output_embeddings()
    head.weight = torch.nn.Parameter(torch.zeros_like(head.weight))
    head.bias = torch.nn.Parameter(torch.nn.functional.one_hot(torch.tensor(2), 400).float() * 9)  # </s> at once
    trainer.add_callback(TranslationEvaluationCallback(trainer, rows, **SHORT))
    metrics = trainer.evaluate()
    assert metrics["eval_chrf_overall"] == metrics["eval_bleu_en2x"] == 0
    assert metrics["eval_blank_overall"] == 1
    assert metrics["eval_fan_in_overall"] == 0


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
def test_training_is_left_as_it_is(checkpointing: bool, rows: Dataset, tmp_path: Path) -> None:
    def losses(watched: bool) -> tuple[list[float], Any]:
        trainer = make_trainer(tmp_path / str(watched), gradient_checkpointing=checkpointing, eval_steps=1)
        if watched:
            trainer.add_callback(DegenerationWatch(trainer, rows, per_direction=1))
            trainer.add_callback(TranslationEvaluationCallback(trainer, rows, **SHORTER))
        trainer.train()
        found = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        return found, trainer.model.state_dict()

    (alone, weights), (watched, same) = losses(False), losses(True)
    assert len(alone) == 4
    assert alone == watched
    assert all(torch.equal(weight, same[name]) for name, weight in weights.items())


def test_the_mode_of_each_module_is_put_back(rows: Dataset, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    watch = TranslationEvaluationCallback(trainer, rows, **SHORT)
    trainer.model.train()
    trainer.model.model.layers[0].eval()
    before = [module.training for module in trainer.model.modules()]
    state = torch.random.get_rng_state()
    trainer.callback_handler.callbacks.append(watch)
    watch.on_evaluate(trainer.args, trainer.state, trainer.control, metrics={"eval_runtime": 1.0})
    assert [module.training for module in trainer.model.modules()] == before
    assert torch.equal(torch.random.get_rng_state(), state)


def test_losses_by_direction(rows: Dataset, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    watch = DegenerationWatch(trainer, rows, per_direction=3, batch_tokens=200)
    trainer.add_callback(watch)
    metrics = trainer.evaluate()
    tokenizer, model = trainer.processing_class, make_model("llama")
    style = style_of(None, None, tokenizer)
    nats, tokens = 0.0, 0
    for row in watch.sample.rows:
        if str(row.direction) == "nl-zh":
            prompt = style.ids(tokenizer, row.source, *row.direction)
            target = tokenizer(row.target, add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logits = model(torch.tensor([prompt + target])).logits[0, len(prompt) - 1 : -1]
            nats += float(token_losses(logits, torch.tensor(target)).sum())
            tokens += len(target)
    assert metrics["eval_loss_nl-zh"] == pytest.approx(nats / tokens, rel=1e-5)
    pair = metrics["eval_loss_nl-zh"], metrics["eval_loss_en-zh"]
    assert metrics["eval_loss_x2zh"] == pytest.approx(np.mean(pair))
    assert (tmp_path / "loss_by_group.png").read_bytes().startswith(b"\x89PNG")


def best_of(trainer: Any, key: str) -> tuple[dict[int, float], Any]:
    history = trainer.state.log_history
    return {entry["step"]: entry[key] for entry in history if key in entry}, trainer.state


def test_best_checkpoint_and_files(rows: Dataset, tmp_path: Path) -> None:
    key = "eval_chrf_en2x"
    trainer = make_trainer(
        tmp_path,
        save_strategy="steps",
        save_steps=1,
        eval_steps=1,
        max_steps=3,
        metric_for_best_model=key,
        load_best_model_at_end=True,
        learning_rate=0.1,
    )
    trainer.add_callback(TranslationEvaluationCallback(trainer, rows, **SHORT))
    trainer.train()
    scores, state = best_of(trainer, key)
    assert len(set(scores.values())) > 1
    assert state.best_metric == max(scores.values())
    assert scores[state.best_global_step] == state.best_metric
    assert state.best_model_checkpoint == str(tmp_path / f"checkpoint-{state.best_global_step}")
    for step in (1, 2, 3):
        record = json.loads((tmp_path / "evaluations" / f"step-{step}.json").read_text("utf-8"))
        assert record["step"] == step
        assert record["groups"]["en2x"]["chrf"]["mean"] == scores[step]
        assert record["directions"]["en-de"]["scores"]["chrf++"]["signature"]
        assert record["subset"]["chosen"] == 10
        copy = tmp_path / f"checkpoint-{step}" / "evaluation.json"
        assert json.loads(copy.read_text("utf-8")) == record
    assert (tmp_path / "chrf_by_group.png").exists()
    assert not list(tmp_path.glob("evaluations/*.part"))
    last = (tmp_path / "evaluations" / "step-3.json").read_bytes()
    again = trainer.evaluate()  # the best model, at the last step
    assert again[key] == state.best_metric
    assert (tmp_path / "evaluations" / "step-3.json").read_bytes() == last
    final = json.loads((tmp_path / "evaluations" / "final.json").read_text("utf-8"))
    assert final["groups"]["en2x"]["chrf"]["mean"] == state.best_metric


@pytest.mark.parametrize("stop_first", [False, True], ids=["last", "first"])
def test_early_stopping(stop_first: bool, rows: Dataset, tmp_path: Path, caplog: Any) -> None:
    trainer = make_trainer(
        tmp_path,
        save_strategy="steps",
        save_steps=1,
        eval_steps=1,
        max_steps=8,
        metric_for_best_model="chrf_en2x",
        load_best_model_at_end=True,
        learning_rate=0.0,
    )
    watch = TranslationEvaluationCallback(trainer, rows, **SHORTER)
    callbacks = [watch, EarlyStoppingCallback(2)]
    for callback in reversed(callbacks) if stop_first else callbacks:
        trainer.add_callback(callback)
    trainer.train()
    assert trainer.state.global_step == 3  # nothing is learned: two evaluations without a gain
    assert trainer.state.best_global_step == 1
    assert "early stopping is disabled" not in caplog.text
    kinds = [type(one) for one in trainer.callback_handler.callbacks]
    assert kinds.count(TranslationEvaluationCallback) == 1


def test_resume_keeps_the_subset_and_the_numbers(rows: Dataset, tmp_path: Path) -> None:
    def run(folder: Path, resume: bool) -> list[dict[str, Any]]:
        trainer = make_trainer(folder, save_strategy="steps", save_steps=2)
        given = rows.shuffle(seed=3) if resume else rows
        trainer.add_callback(TranslationEvaluationCallback(trainer, given, **SHORT))
        trainer.train(resume_from_checkpoint=str(folder / "checkpoint-2") if resume else None)
        paths = sorted((folder / "evaluations").iterdir())
        return [{**json.loads(path.read_text("utf-8")), "seconds": 0} for path in paths]

    whole = run(tmp_path, False)
    (tmp_path / "evaluations" / "step-4.json").unlink()
    assert run(tmp_path, True) == whole
    assert [one["step"] for one in whole] == [2, 4]


def test_several_evaluation_sets_are_one_evaluation(rows: Dataset, tmp_path: Path) -> None:
    trainer, heard = make_trainer(tmp_path), Heard()
    trainer.eval_dataset = dict.fromkeys(("one", "two"), trainer.eval_dataset)
    trainer.add_callback(TranslationEvaluationCallback(trainer, rows, **SHORT))
    trainer.add_callback(heard)
    for _ in range(2):
        assert "eval_chrf_en2x" in trainer.evaluate()
    assert ["eval_chrf_en2x" in one for one in heard.metrics] == [True, False, True, False]
    assert "eval_chrf_en2x" not in trainer.evaluate(trainer.eval_dataset["one"], metric_key_prefix="test")


def test_the_script_of_the_docstring(rows: Dataset, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    rows.select_columns(["source_lang", "target_lang", "source", "target"]).to_csv("dev.csv")
    made = make_trainer(tmp_path)
    names = {
        "Trainer": Trainer,
        "Dataset": Dataset,
        "model": make_model("llama"),
        "TranslationEvaluationCallback": TranslationEvaluationCallback,
        "arguments": made.args,
        "tokenized": made.train_dataset,
        "tokenized_dev": made.eval_dataset,
        "tokenizer": made.processing_class,
        "collator": made.data_collator,
    }
    script = str(evaluation_callback.__doc__).partition("subclasses:\n")[2]
    script = textwrap.dedent(script)
    assert len(script.strip().splitlines()) == 5
    exec(script.replace("per_direction=20", "per_direction=1, max_new_tokens=8"), names)  # noqa: S102
    assert (tmp_path / "evaluations" / "step-4.json").exists()


def test_with_lora(rows: Dataset, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    trl = pytest.importorskip("trl")
    logging.getLogger("datasets").setLevel(logging.ERROR)
    texts = Dataset.from_dict({"prompt": ["add two"] * 4, "completion": [" and three"] * 4})
    trainer = trl.SFTTrainer(
        make_model("qwen3"),
        args=trl.SFTConfig(
            output_dir=str(tmp_path),
            use_cpu=True,
            bf16=False,
            report_to=[],
            disable_tqdm=True,
            max_steps=2,
            eval_strategy="steps",
            eval_steps=1,
            learning_rate=0.5,
            save_strategy="no",
            gradient_checkpointing=True,
            warmup_steps=0,
            lr_scheduler_type="constant",
        ),
        train_dataset=texts,
        eval_dataset=texts,
        processing_class=make_tokenizer(chat_template=CHATML),
        peft_config=peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=0.5),
    )
    heard = Heard()
    trainer.add_callback(DegenerationWatch(trainer, rows, per_direction=2))
    trainer.add_callback(TranslationEvaluationCallback(trainer, rows, **SHORT))
    trainer.add_callback(heard)
    trainer.train()
    first, last = heard.metrics
    assert first["eval_loss_en2x"] != last["eval_loss_en2x"]  # the adapter is at work
    translator = Translator(
        trainer.model.merge_and_unload().eval(),
        trainer.processing_class,
        num_beams=1,
        max_new_tokens=8,
    )
    own = [row for row in choose_sample(rows, 2).rows if str(row.direction) == "en-de"]
    texts_now = translator([row.source for row in own], "en", "de")
    expected = corpus_scores(texts_now, [row.target for row in own], "de")
    assert last["eval_chrf_en-de"] == pytest.approx(expected["chrf++"].value)
