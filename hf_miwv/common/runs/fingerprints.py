"""Hashes of what a result depends on: the rows, the weights, the tokenizer, the tokens."""

from __future__ import annotations

import json
from typing import Any

import torch
import xxhash
from datasets import Dataset

from hf_miwv.common.models.row_tokens import TokenTable

BLOCK = 1000  # rows hashed at a time


def content_fingerprint(dataset: Dataset) -> str:
    """Hash every column of every row, in order, wherever the data set came from.

    Args:
        dataset (`Dataset`): The rows.

    Returns:
        `str`: Hexadecimal digits.
    """
    digest = xxhash.xxh3_128(str(dataset.features).encode())
    arrow = dataset.with_format("arrow")
    for start in range(0, len(dataset), BLOCK):
        # Combined, because the same rows may lie in other chunks in another file.
        table = arrow[start : start + BLOCK].combine_chunks()
        for batch in table.to_batches():
            digest.update(batch.serialize())
    return digest.hexdigest()


def model_fingerprint(model: torch.nn.Module) -> str:
    """Hash every parameter and buffer as loaded: name, type, shape and bytes.

    Weights that are kept off the machine's memory ("meta") count by name and shape only.

    Args:
        model (`torch.nn.Module`): The loaded model.

    Returns:
        `str`: Hexadecimal digits.
    """
    digest = xxhash.xxh3_128()
    for name, tensor in model.state_dict().items():
        if not isinstance(tensor, torch.Tensor):
            continue
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if not tensor.is_meta:
            content = tensor.detach().contiguous().cpu().reshape(-1).view(torch.uint8)
            digest.update(content.numpy().data)
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """Hash the parts of the tokenizer that decide how it splits.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.

    Returns:
        `str`: 32 hexadecimal digits.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        state = repr((type(tokenizer).__name__, sorted(tokenizer.get_vocab().items())))
    else:
        rules = json.loads(backend.to_str())
        state = json.dumps({**rules, "truncation": None, "padding": None})  # set by its last use
    return xxhash.xxh3_128_hexdigest(state.encode())


def token_fingerprint(*tables: TokenTable) -> str:
    """Hash every token id and where each sequence ends.

    Args:
        *tables (`TokenTable`): The sequences.

    Returns:
        `str`: Hexadecimal digits.
    """
    digest = xxhash.xxh3_128()
    for table in tables:
        digest.update(table.lengths.tobytes())
        digest.update(table.flat.tobytes())
    return digest.hexdigest()
