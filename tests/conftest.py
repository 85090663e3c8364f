"""Fixtures for all tests: tiny models as folders, no network."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

CACHE = tempfile.mkdtemp(prefix="hf-datasets-")  # not the user's own, and nothing left in it
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)
os.environ["HF_DATASETS_CACHE"] = CACHE
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from hub.clients import speak_to
from hub.server import HubServer
from tiny import CHATML, make_model, make_rows, make_tokenizer
from transformers import BertConfig, BertModel


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
