"""compute_metrics in real trainers: one that generates, and two whose output is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tiny import make_model, make_tokenizer
from transformers import (
    DataCollatorForSeq2Seq,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    T5Config,
    T5ForConditionalGeneration,
    Trainer,
    TrainingArguments,
)

from hf_lmt.evaluation.metrics.compute_metrics import make_compute_metrics
from hf_lmt.evaluation.metrics.corpus_scores import corpus_scores
from hf_miwv.common.errors import InputError

SENTENCES = ["name the capital of france", "hello world", "what is water made of"]


def tiny_t5(tokenizer: Any) -> T5ForConditionalGeneration:
    torch.manual_seed(7)
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=400,
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=1,
            num_heads=4,
            decoder_start_token_id=tokenizer.pad_token_id,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            initializer_factor=3.0,
        )
    )


def tokenized(tokenizer: Any) -> Dataset:
    rows = [tokenizer(text, text_target=text) for text in SENTENCES]
    return Dataset.from_list([{name: row[name] for name in ("input_ids", "labels")} for row in rows])


@pytest.mark.parametrize("generates", [True, False])
def test_a_trainer_of_an_encoder_decoder(generates: bool, tmp_path: Path) -> None:
    tokenizer = make_tokenizer(bos=False)
    model = tiny_t5(tokenizer)
    seen = []
    compute = make_compute_metrics(tokenizer, "en", ["bleu", "chrf++", "ter"])

    def watched(prediction: Any) -> dict[str, float]:
        seen.append(prediction)
        return compute(prediction)

    trainer = Seq2SeqTrainer(
        model=model,
        args=Seq2SeqTrainingArguments(
            str(tmp_path),
            predict_with_generate=generates,
            generation_max_length=8,
            use_cpu=True,
            report_to=[],
            per_device_eval_batch_size=2,
        ),
        eval_dataset=tokenized(tokenizer),
        data_collator=DataCollatorForSeq2Seq(tokenizer, model),
        compute_metrics=watched,
    )
    if not generates:
        with pytest.raises(InputError, match="predict_with_generate=True"):
            trainer.evaluate()
        return
    found = trainer.evaluate()
    ids = seen[0].predictions
    texts = [
        tokenizer.decode([one for one in row if one >= 0], skip_special_tokens=True).strip() for row in ids.tolist()
    ]
    expected = corpus_scores(texts, SENTENCES, "en", ["bleu", "chrf++", "ter"])
    assert {name: found[f"eval_{name}"] for name in expected} == {
        name: score.value for name, score in expected.items()
    }


def test_logits_of_a_causal_model_are_refused(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    rows = [{"input_ids": [5, 6, 7, 8], "labels": [5, 6, 7, 8]}] * 2
    trainer = Trainer(
        model=make_model("llama"),
        args=TrainingArguments(str(tmp_path), use_cpu=True, report_to=[]),
        eval_dataset=Dataset.from_list(rows),
        compute_metrics=make_compute_metrics(tokenizer, "en"),
    )
    with pytest.raises(InputError, match="TranslationEvaluationCallback"):
        trainer.evaluate()


@pytest.mark.parametrize(
    ("target", "metrics", "message"),
    [("xx", ["bleu"], "no language 'xx'"), ("de", ["blue"], "no metric 'blue'")],
)
def test_mistyped_settings(target: str, metrics: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_compute_metrics(make_tokenizer(), target, metrics)
