"""What can be watched: settings, trainers and models that are refused, and the section of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, DatasetDict
from tiny import CHATML, make_model, make_tokenizer
from transformers import (
    EarlyStoppingCallback,
    LlamaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.integrations.deepspeed import set_hf_deepspeed_config, unset_hf_deepspeed_config

from hf_lmt.recipes.evaluation_section import watching_faults, watching_settings
from hf_lmt.training.watching.degeneration_watch import DegenerationWatch
from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback
from hf_lmt.training.watching.recipe_callbacks import callbacks_from
from hf_lmt.training.watching.sample import choose_sample
from hf_lmt.translation.prompt_registry import STYLES
from hf_miwv.common.errors import InputError
from tests.lmt.training.watching.test_watching import make_trainer


def make_rows(count: int = 30) -> Dataset:
    directions = ("en-de", "de-en", "zh-nl", "nl-zh")
    return Dataset.from_list(
        [
            {
                "source_lang": name[:2],
                "target_lang": name[3:],
                "source": f"{name} {number}",
                "target": f"text {number}",
                "auxiliary_lang": "fr",
                "auxiliary": f"texte {number}",
            }
            for number in range(count)
            for name in directions
        ]
    )


ROWS = make_rows()


@pytest.mark.parametrize(
    ("rows", "given", "words"),
    [
        (DatasetDict({"dev": ROWS}), {}, "DatasetDict: give a datasets.Dataset"),
        (ROWS.remove_columns("target"), {}, "no column 'target'"),
        (ROWS, {"per_direction": 0}, "per_direction 0"),
        (ROWS, {"seed": -1}, "seed -1"),
        (ROWS, {"directions": ["en-kk", "*-zh"]}, "none with text in en-kk"),
        (ROWS, {"directions": "en-de"}, "give a list"),
        (ROWS, {"directions": ["en-xx"]}, "no language 'xx'"),
        (ROWS, {"metrics": ["chrf"]}, "metric 'chrf'"),
        (ROWS, {"metrics": "bleu"}, "give a list"),
        (ROWS, {"beams": 0}, "beams 0"),
        (ROWS, {"max_new_tokens": 0}, "max_new_tokens 0"),
        (ROWS, {"hints": "selve"}, "did you mean 'self'"),
        (ROWS.remove_columns(["auxiliary", "auxiliary_lang"]), {"hints": "given"}, "no row has an aux"),
        (ROWS, {"prompt": STYLES["tower"], "hints": "self"}, "has no form for them"),
        (ROWS, {"prompt": "lmd"}, "prompt 'lmd'"),
    ],
    ids=range(15),
)
def test_refused_rows_and_settings(rows: Any, given: dict[str, Any], words: str, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        TranslationEvaluationCallback(trainer, rows, **{"per_direction": 2, **given})


@pytest.mark.parametrize("kind", [TranslationEvaluationCallback, DegenerationWatch])
def test_refused_trainers(kind: Any, tmp_path: Path) -> None:
    def refused(trainer: Any, words: str) -> None:
        with pytest.raises(InputError, match=words):
            kind(trainer, ROWS, per_direction=1)

    refused(make_trainer(tmp_path, eval_strategy="no"), "eval_strategy is 'no'")
    trainer = make_trainer(tmp_path)
    trainer.processing_class = None
    refused(trainer, "processing_class=tokenizer")
    trainer = make_trainer(tmp_path)
    trainer.args.predict_with_generate = True
    refused(trainer, "predict_with_generate=True")
    trainer = make_trainer(tmp_path)
    trainer.is_fsdp_enabled = True
    refused(trainer, "FSDP divides")
    trainer = make_trainer(tmp_path)
    trainer.processing_class = make_tokenizer()
    refused(trainer, "no chat template")
    assert kind(trainer, ROWS, per_direction=1, form="text").sample.counts["chosen"] == 4
    trainer = make_trainer(tmp_path)
    trainer.model = T5ForConditionalGeneration(
        T5Config(vocab_size=10, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    )
    refused(trainer, "is_encoder_decoder")


class ZeroThree:
    """What DeepSpeed's settings say of themselves to transformers, DeepSpeed not being needed."""

    def is_zero3(self) -> bool:
        return True


def test_zero_3_is_refused(tmp_path: Path) -> None:
    trainer, settings = make_trainer(tmp_path), ZeroThree()
    set_hf_deepspeed_config(settings)
    try:
        with pytest.raises(InputError, match="DeepSpeed ZeRO-3 divides"):
            TranslationEvaluationCallback(trainer, ROWS, per_direction=1)
    finally:
        unset_hf_deepspeed_config()


def test_virtual_tokens_are_refused(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    trainer = make_trainer(tmp_path)
    trainer.model = peft.get_peft_model(
        make_model("llama"), peft.PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")
    )
    with pytest.raises(InputError, match="virtual tokens"):
        TranslationEvaluationCallback(trainer, ROWS, per_direction=1)


@pytest.mark.parametrize(
    ("name", "greater", "words"),
    [
        ("eval_chrf_en2x", None, None),
        ("bleu_x2zh_high", None, None),
        ("eval_fan_in_x2en", False, None),
        ("eval_loss", None, None),
        ("eval_chrf_en2y", None, "did you mean"),
        ("eval_chrf_en2x", False, "greater_is_better=True"),
        ("eval_fan_in_x2en", None, "greater_is_better=False"),
        ("eval_off_target_kk2x", None, "not among"),
    ],
    ids=range(8),
)
def test_metric_for_best_model(name: str, greater: bool | None, words: str | None, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, metric_for_best_model=name, greater_is_better=greater)
    if words is None:
        TranslationEvaluationCallback(trainer, ROWS, per_direction=1)
        return
    with pytest.raises(InputError, match=f"(?i){words}"):
        TranslationEvaluationCallback(trainer, ROWS, per_direction=1)


def test_a_loss_is_better_when_lower(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, metric_for_best_model="eval_loss_x2en")
    with pytest.raises(InputError, match="greater_is_better=False"):
        DegenerationWatch(trainer, ROWS, per_direction=1)
    trainer.args.greater_is_better = False
    DegenerationWatch(trainer, ROWS, per_direction=1)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"per_directon": 3}, ["unknown key 'per_directon'; did you mean 'per_direction'"]),
        ({"directions": ["en-no", False]}, ["directions: "]),
        ({"directions": ["en-no"]}, ["no language 'no'"]),
        (
            {"beams": True, "per_direction": 0, "metrics": ["blue"], "seed": 1.5},
            ["beams: True is not a whole number", "per_direction 0: give 1 or more", "metrics", "seed"],
        ),
        ({"hints": False}, ["put it in quotes"]),
        ("loss", ["give a mapping"]),
        ({"sets": ["flores-dev"], "translate": False, "early_stopping": None}, []),
    ],
    ids=range(7),
)
def test_faults_of_the_section(section: Any, words: list[str]) -> None:
    found = watching_faults(section)
    assert len(found) == len(words)
    for word in words:
        assert any(word.lower() in fault.lower() for fault in found), found
    if found:
        with pytest.raises(InputError):
            watching_settings(section)


def test_callbacks_of_the_section(tmp_path: Path) -> None:
    section: dict[str, Any] = {"sets": ["dev"], "per_direction": 2, "early_stopping": 3}
    trainer = make_trainer(tmp_path, metric_for_best_model="eval_chrf_x2en")
    losses, scores, stop = callbacks_from(section, trainer, ROWS, prompt=STYLES["lmt"])
    assert isinstance(losses, DegenerationWatch)
    assert isinstance(scores, TranslationEvaluationCallback)
    assert isinstance(stop, EarlyStoppingCallback)
    assert stop.early_stopping_patience == 3
    assert losses.sample == scores.sample == choose_sample(ROWS, 2)
    assert callbacks_from({"translate": False, "losses": False}, trainer, ROWS) == []
    trainer.args.metric_for_best_model = None
    with pytest.raises(InputError, match="early_stopping goes by metric_for_best_model"):
        callbacks_from(section, trainer, ROWS)


class BareModel(torch.nn.Module):
    """A model of somebody's own, which only gives a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))


def classifier() -> Any:
    return LlamaForSequenceClassification(make_model("llama").config)


def with_adapter(model: Any) -> Any:
    peft = pytest.importorskip("peft")
    return peft.get_peft_model(model, peft.LoraConfig(task_type="SEQ_CLS"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (classifier, r"a reward model or classifier of whole texts \(LlamaForSequenceClassification\)"),
        (
            lambda: with_adapter(classifier()),
            r"a reward model or classifier of whole texts \(LlamaForSequenceClassification\)",
        ),
        (lambda: make_model("llama").model, r"without generate\(\) \(LlamaModel\)"),
        (BareModel, r"without generate\(\) \(BareModel\)"),
    ],
)
@pytest.mark.parametrize("callback", [TranslationEvaluationCallback, DegenerationWatch])
def test_models_that_write_nothing(callback: Any, make: Any, words: str, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.model = make()
    with pytest.raises(InputError, match=f"the model of this Trainer is {words}"):
        callback(trainer, ROWS)


def test_a_reward_trainer_is_refused(tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    tokenizer = make_tokenizer(chat_template=CHATML)
    config = make_model("llama").config
    config.num_labels, config.pad_token_id = 1, tokenizer.pad_token_id
    pairs = Dataset.from_list([{"prompt": "a ", "chosen": "b", "rejected": "c"}] * 2)
    trainer = trl.RewardTrainer(
        LlamaForSequenceClassification(config),
        args=trl.RewardConfig(
            output_dir=str(tmp_path), use_cpu=True, report_to=[], bf16=False, eval_strategy="steps", eval_steps=1
        ),
        train_dataset=pairs,
        eval_dataset=pairs,
        processing_class=tokenizer,
    )
    with pytest.raises(InputError, match="the model of this RewardTrainer is a reward model"):
        TranslationEvaluationCallback(trainer, ROWS)
