"""Whether the model has an embedding for every token id that it will be run on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.row_tokens import TokenTable


def vocabulary_size(model: Any) -> int:
    """Token ids that the model knows: the rows of its embedding, or of its output layer if fewer.

    Whole tables count, also where a process holds a part of them only.
    """
    sizes = [
        int(getattr(layer, name))
        for layer, name in (
            (model.get_input_embeddings(), "num_embeddings"),
            (model.get_output_embeddings(), "out_features"),
        )
        if getattr(layer, name, None)
    ]
    return min(sizes) if sizes else int(model.get_input_embeddings().weight.shape[0])


def check_tables(
    model: Any,
    tokenizer: Any,
    tables: Iterable[TokenTable],
    words: Callable[[int], str] = "row {}".format,
) -> None:
    """Check the token ids of rows against the model's embedding.

    Args:
        tables: of N rows each, their ids.
        words: how the message calls a row, by its number.

    Raises:
        InputError: a row has a token without an embedding: token, id and row.
    """
    size = vocabulary_size(model)
    for table in tables:
        flat = table.flat
        if len(flat) == 0 or int(flat.max()) < size:
            continue
        position = int(np.argmax(flat >= size))
        row = int(np.searchsorted(np.cumsum(table.lengths), position, side="right"))
        raise unknown_token(tokenizer, int(flat[position]), size, words(row))


def check_ids(model: Any, tokenizer: Any, ids: Sequence[int], words: str) -> None:
    """Check some token ids, which the message calls `words`. Raises InputError as above."""
    size = vocabulary_size(model)
    unknown = [token for token in ids if token >= size]
    if unknown:
        raise unknown_token(tokenizer, unknown[0], size, words)


def unknown_token(tokenizer: Any, token: int, size: int, words: str) -> InputError:
    """The error for a token id that the model has no embedding for."""
    name = tokenizer.convert_ids_to_tokens(token)
    return InputError(
        f"{words}: the token {name!r} has the id {token}, and the model has embeddings for the "
        f"ids 0 to {size - 1} only; give the tokenizer that belongs to the model, or make room for "
        f"the tokens first: model.resize_token_embeddings({len(tokenizer)}), then save_pretrained"
    )
