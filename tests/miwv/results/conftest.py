"""Rows that a tiny model has scored, with the losses of all methods."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset, load_dataset

from hf_miwv.rows.schema import ALSO
from tests.miwv.rating_judges import rating_judge
from tests.miwv.results.methods_rows import score_tiny, some_rows, some_target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, embedder_folder: Path) -> Path:
    """24 rows scored with the losses that the methods need, one of them without a response."""
    output = tmp_path_factory.mktemp("methods") / "scored"
    score_tiny(some_rows(), embedder_folder, output=output)
    return output


@pytest.fixture(scope="module")
def complete_folder(tmp_path_factory: pytest.TempPathFactory, embedder_folder: Path, model_folder: Path) -> Path:
    """The same rows with what every method needs."""
    output = tmp_path_factory.mktemp("methods") / "complete"
    score_tiny(
        some_rows(),
        embedder_folder,
        output_dir=output,
        neighbors=2,
        also=ALSO,
        keep_embeddings=True,
        demonstrations_from=some_target(),
        complexity_scorer=model_folder,
        quality_scorer=model_folder,
        rating_judge=rating_judge(),
    )
    return output


@pytest.fixture(scope="module")
def scored(folder: Path) -> Dataset:
    return load_dataset(str(folder), split="train")
