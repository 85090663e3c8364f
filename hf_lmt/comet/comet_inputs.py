"""Token ids as a COMET encoder reads them: one text alone, or several joined in one sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

UNUSED_POSITIONS = 2
"""Positions of XLM-R's configuration that no token has: they are counted from its padding id 1."""
SPECIAL_TOKENS = 2
"""Room that unbabel-comet leaves beside each text; <s> and </s> are counted twice, as there."""


def text_ids(tokenizer: Any, texts: Sequence[str], positions: int) -> list[list[int]]:
    """Tokenize texts one by one, cut to what unbabel-comet keeps of each.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): That of the encoder.
        texts (`Sequence[str]`): (N,) texts.
        positions (`int`): `max_position_embeddings` of the encoder, 514 for XLM-R: 510 tokens are kept.

    Returns:
        `list[list[int]]`: (N,) ids, with `<s>` before and `</s>` behind.
    """
    limit = positions - UNUSED_POSITIONS - SPECIAL_TOKENS
    return tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]


def joined_ids(tokenizer: Any, segments: Sequence[Sequence[int]], positions: int) -> list[int]:
    """Join the ids of texts to `<s> a </s></s> b </s>`, cut to the longest that the encoder can read.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): That of the encoder.
        segments (`Sequence[Sequence[int]]`): Ids of each text as `text_ids` gives them, the translation first.
        positions (`int`): `max_position_embeddings` of the encoder.

    Returns:
        `list[int]`: The ids of the one sequence; without padding ids, which unbabel-comet takes out of texts
        that spell them.
    """
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    ids = [start]
    for number, segment in enumerate(segments):
        plain = [token for token in segment if token != tokenizer.pad_token_id]
        ids += [*([end] if number else []), *plain[1:-1], end]
    return ids[: positions - UNUSED_POSITIONS]


def length_batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Group sequences of like length, so that few tokens are padding.

    Args:
        lengths (`Sequence[int]`): (N,) tokens of each sequence.
        batch_tokens (`int`): Most tokens of a batch, padding among them; one sequence may be longer.

    Yields:
        `list[int]`: Indices of the sequences of a batch, the shortest batch first.
    """
    batch: list[int] = []
    for index in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[index] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
