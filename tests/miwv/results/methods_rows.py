"""Rows that a tiny model scores, with the losses of all methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset
from tiny import make_model, make_rows, make_tokenizer

from hf_miwv import score
from hf_miwv.rows.schema import ALSO_COLUMNS

ALSO = tuple(ALSO_COLUMNS)


def score_tiny(rows: list[dict[str, str]], embedder_folder: Path, **settings: Any) -> Dataset:
    settings = {"tokenizer": make_tokenizer(), "progress": False, "also": ALSO, **settings}
    model = settings.pop("model", None) or make_model("llama")
    return score(Dataset.from_list(rows), model, embedder=str(embedder_folder), **settings)


def some_rows() -> list[dict[str, str]]:
    rows = make_rows()
    rows[3]["output"] = ""
    rows[20] = dict(rows[6])  # a copy of another row
    return rows


def some_target() -> list[dict[str, str]]:
    """Rows of a target set, with other prompts."""
    return [{**row, "instruction": f"please {row['instruction']}"} for row in make_rows(4)]
