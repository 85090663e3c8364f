"""Conversations with tools and reasoning, and their scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chat_templates import (
    PLAIN,
    ROWS,
)
from datasets import Dataset
from tiny import make_model, make_tokenizer

from hf_miwv import score

# Prompt and completion, tools and arguments, in one file: what trl reads, too.
CONVERSATIONS: list[dict[str, Any]] = [
    {"tools": None, "chat_template_kwargs": {}, **row}
    for name, (row, as_trained) in ROWS.items()
    if row is as_trained and "null content" not in name
]


def mixed() -> Dataset:
    return Dataset.from_list(CONVERSATIONS, on_mixed_types="use_json")


def tokenizer_with(template: str) -> Any:
    return make_tokenizer(bos=False, chat_template=template)


def score_rows(rows: list[dict[str, Any]], embedder_folder: Path, template: str = PLAIN, **settings: Any) -> Dataset:
    return score(
        Dataset.from_list(rows, on_mixed_types="use_json"),
        make_model("llama"),
        tokenizer=tokenizer_with(template),
        embedder=str(embedder_folder),
        progress=False,
        **settings,
    )
