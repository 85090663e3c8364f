"""A folder of conversations and its scores."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_templates import (
    REASONING,
)
from datasets import Dataset
from tiny import make_model

from hf_miwv import score
from tests.miwv.rows.whole_rows import mixed, tokenizer_with


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose chat template takes reasoning and tools."""
    path = tmp_path_factory.mktemp("reasoning")
    make_model("llama", positions=4096).save_pretrained(path)
    tokenizer_with(REASONING).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def scored(folder: Path, embedder_folder: Path) -> Dataset:
    return score(mixed(), str(folder), embedder=str(embedder_folder), device="cpu", progress=False)
