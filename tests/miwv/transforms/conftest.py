"""Rows with their embeddings."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset

from hf_miwv.transforms.steps import EmbedPrompts, RenderPrompts
from tests.miwv.transforms.transform_chain import odd_rows


@pytest.fixture(scope="module")
def embedded(model_folder: Path, embedder_folder: Path) -> Dataset:
    rendered = Dataset.from_list(odd_rows()).map(RenderPrompts(model_folder), batched=True)
    return rendered.map(EmbedPrompts(embedder_folder, device="cpu"), batched=True)
