"""Trainers on tiny models, which keep what they were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset
from tiny import make_model, make_rows, make_tokenizer
from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments


class RecordingTrainer(Trainer):
    """Keeps the token ids of every batch that it trains on."""

    seen: list[list[list[int]]]

    def training_step(self, model: Any, inputs: dict[str, Any], *rest: Any) -> Any:
        real = [
            ids[mask.bool()].tolist() for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
        ]
        self.seen = [*getattr(self, "seen", []), real]
        return super().training_step(model, inputs, *rest)


def make_texts(count: int = 24) -> list[dict[str, str]]:
    """Rows of prompt and completion whose tokens do not run into each other."""
    return [{"prompt": row["instruction"] + "\n", "completion": row["output"]} for row in make_rows(count)]


def tokenize(texts: list[dict[str, str]], tokenizer: Any) -> Dataset:
    """Ids and labels as TRL makes them: prompt masked, EOS at the end."""
    rows = []
    for text in texts:
        prompt = tokenizer(text["prompt"])["input_ids"]
        ids = tokenizer(text["prompt"] + text["completion"] + tokenizer.eos_token)["input_ids"]
        rows.append({"input_ids": ids, "labels": [-100] * len(prompt) + ids[len(prompt) :]})
    return Dataset.from_list(rows)


def make_trainer(folder: Path, dataset: Any = None, evaluation: Any = None, **settings: Any) -> Any:
    """A stock Trainer that records, for a tiny Llama on tokenized rows, with these settings."""
    tokenizer = make_tokenizer()
    arguments = {
        "output_dir": str(folder),
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
        "per_device_train_batch_size": 2,
        "num_train_epochs": 2,
        "save_strategy": "no",
        "logging_steps": 1,
        "learning_rate": 1e-2,
        **settings,
    }
    return RecordingTrainer(
        make_model("llama"),
        args=TrainingArguments(**arguments),
        train_dataset=tokenize(make_texts(), tokenizer) if dataset is None else dataset,
        eval_dataset=evaluation,
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
    )
