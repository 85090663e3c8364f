"""Whether the model has an embedding for every token id that it will be run on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.row_tokens import TokenTable


def vocabulary_size(model: Any) -> int:
    """Count the token ids that the model knows: the rows of its embedding, or of its output layer if fewer.

    Whole tables count, also where a process holds a part of them only.

    Args:
        model (`PreTrainedModel`): The loaded model.

    Returns:
        `int`: The number of ids.
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
        model (`PreTrainedModel`): The loaded model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer, to name an id that is unknown.
        tables (`Iterable[TokenTable]`): Ids of N rows each.
        words (`Callable[[int], str]`, *optional*): Names a row in the message, by its number.

    Raises:
        InputError: a row has a token without an embedding: token, id and row.
    """
    size = vocabulary_size(model)
    for table in tables:
        # One comparison over all rows: on an accelerator the lookup of such an id ends the process without a reason.
        flat = table.flat
        if len(flat) == 0 or int(flat.max()) < size:
            continue
        position = int(np.argmax(flat >= size))
        row = int(np.searchsorted(np.cumsum(table.lengths), position, side="right"))
        raise unknown_token(tokenizer, int(flat[position]), size, words(row))


def check_ids(model: Any, tokenizer: Any, ids: Sequence[int], words: str) -> None:
    """Check some token ids against the model's embedding.

    Args:
        model (`PreTrainedModel`): The loaded model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer, to name an id that is unknown.
        ids (`Sequence[int]`): The ids.
        words (`str`): Name of the ids in the message.

    Raises:
        InputError: one of them has no embedding.
    """
    size = vocabulary_size(model)
    unknown = [token for token in ids if token >= size]
    if unknown:
        raise unknown_token(tokenizer, unknown[0], size, words)


def unknown_token(tokenizer: Any, token: int, size: int, words: str) -> InputError:
    """Make the error for a token id that the model has no embedding for.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
        token (`int`): The id.
        size (`int`): Ids that the model knows.
        words (`str`): Name of the row or text in the message.

    Returns:
        `InputError`: The error, to be raised.
    """
    name = tokenizer.convert_ids_to_tokens(token)
    return InputError(
        f"{words}: the token {name!r} has the id {token}, and the model has embeddings for the "
        f"ids 0 to {size - 1} only; give the tokenizer that belongs to the model, or make room for "
        f"the tokens first: model.resize_token_embeddings({len(tokenizer)}), then save_pretrained"
    )
