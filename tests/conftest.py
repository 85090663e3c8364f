"""Fixtures for all tests: tiny models as folders, no network."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent
CACHE = tempfile.mkdtemp(prefix="hf-datasets-")  # not the user's own, and nothing left in it
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)
os.environ["HF_DATASETS_CACHE"] = CACHE
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from collections.abc import Iterator

import pytest
import torch
from datasets import Dataset
from hub.clients import speak_to
from hub.server import HubServer
from tiny import CHATML, make_model, make_rows, make_tokenizer
from transformers import BertConfig, BertModel

# Tests that start processes, trainers or servers, or load models again and again: what `make test-quick`
# leaves out, and what the mark `integration` chooses.
INTEGRATION = (
    "benchmarks/",
    "documents/test_examples.py",
    "documents/test_notebooks.py",
    "documents/test_site.py",
    "documents/test_uv_examples.py",
    "lmt/app/",
    "lmt/commands/",
    "lmt/data/curation/test_contamination_hub.py",
    "lmt/data/curation/test_quality_estimation.py",
    "lmt/data/mixture/",
    "lmt/data/prepare/",
    "lmt/evaluation/comet/",
    "lmt/evaluation/report/",
    "lmt/evaluation/sets/",
    "lmt/evaluation/test_evaluate_",
    "lmt/model_card/",
    "lmt/pipeline/",
    "lmt/recipes/",
    "lmt/rewards/test_rewards_in_a_trainer.py",
    "lmt/rewards/test_served_comet.py",
    "lmt/synthesis/",
    "lmt/test_full_round.py",
    "lmt/test_fuzz.py",
    "lmt/test_pool.py",
    "lmt/training/",
    "lmt/translation/test_translation_command.py",
    "lmt/translation/test_translator.py",
    "miwv/app/",
    "miwv/callbacks/",
    "miwv/commands/",
    "miwv/common/hub/",
    "miwv/common/models/test_hub_errors.py",
    "miwv/common/models/test_model_kinds.py",
    "miwv/common/models/test_quantized.py",
    "miwv/common/runs/test_processes.py",
    "miwv/comparing/",
    "miwv/judging/",
    "miwv/neighbors/test_neighbor_index.py",
    "miwv/pipeline/",
    "miwv/results/test_methods",
    "miwv/rows/test_spooling_processes.py",
    "miwv/rows/test_whole_rows",
    "miwv/scoring/",
    "miwv/training/",
    "miwv/transforms/",
    "test_earlier_folders.py",
    "test_extras.py",
    "test_portability.py",
    "test_wheel.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(INTEGRATION):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def embedder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT as a plain transformers folder; sentence-transformers opens it."""
    folder = tmp_path_factory.mktemp("embedder")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=400,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    BertModel(config).eval().save_pretrained(folder)
    tokenizer = make_tokenizer(bos=True)
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with its tokenizer, saved."""
    folder = tmp_path_factory.mktemp("model")
    make_model("llama").save_pretrained(folder)
    make_tokenizer(chat_template=CHATML).save_pretrained(folder)
    return folder


@pytest.fixture
def rows() -> Dataset:
    return Dataset.from_list(make_rows())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub on the loopback address, to which this process's clients speak."""
    server = HubServer()
    speak_to(server, tmp_path / "home", monkeypatch)
    yield server
    server.shutdown()
