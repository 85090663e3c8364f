"""Tokenized rows of a Trainer -> x and y: where the response begins, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hf_miwv.callbacks.chat_reading import ChatReader
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.row_tokens import RowTokens, encode
from hf_miwv.prompts.chat_text import EMPTY_BLOCK

LABELED = ("input_ids", "labels")
MASKS = ("completion_mask", "assistant_masks")  # what TRL kept before it wrote labels
PREFERENCE = ("prompt_ids", "chosen_ids")  # y = chosen
LONGEST_BLOCK = 24  # ids in which an empty think block ends


def token_columns(row: Mapping[str, Any]) -> tuple[str, ...] | None:
    """List the columns that x and y are read from.

    Args:
        row (`Mapping[str, Any]`): A row of the training set.

    Returns:
        `tuple[str, ...] | None`: The columns; None where a row has no ids.
    """
    for wanted in (PREFERENCE, LABELED[:1]):
        if set(wanted) <= set(row):
            known = (*PREFERENCE, *LABELED, *MASKS, "attention_mask")
            return tuple(name for name in known if name in row)
    return None


class TokenReader:
    """Divide tokenized rows into x, y and ending, by the marks that this chat template writes.

    y is the last labeled span, less what ends the turn (the template's ending, EOS tokens). An
    empty think block in front of it belongs to x, as in the text path.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The trainer's tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.chat = _chat_reader(tokenizer)
        endings = self.chat.template.endings if self.chat else []
        self._endings = [encode(tokenizer, [ending])[0] for ending in endings if ending]
        added = tokenizer.added_tokens_decoder
        self._stops = {
            token for ending in self._endings for token in ending if token in added and added[token].special
        }
        self._stops.add(tokenizer.eos_token_id)
        self._tokenizer = tokenizer

    def split(self, row: Mapping[str, Any]) -> RowTokens:
        """Divide a row.

        Args:
            row (`Mapping[str, Any]`): The row, by column.

        Returns:
            `RowTokens`: y is empty where nothing is labeled, x where nothing is before y.
        """
        prompt, labeled = _spans(row)
        block = self._empty_block(labeled) if prompt else 0
        prompt, labeled = prompt + labeled[:block], labeled[block:]
        response = self.without_ending(labeled)
        return RowTokens(prompt, response, labeled[len(response) :])

    def _empty_block(self, ids: list[int]) -> int:
        """Count the ids at the beginning that are a think block with nothing in it."""
        text = self._tokenizer.decode(ids[:LONGEST_BLOCK], skip_special_tokens=False)
        block = EMPTY_BLOCK.match(text)
        if block is None:
            return 0
        alone = encode(self._tokenizer, [block[0]])[0]
        return len(alone) if ids[: len(alone)] == alone else 0

    def without_ending(self, response: list[int]) -> list[int]:
        """Remove the end of turn, whole or begun, and EOS tokens from y.

        Args:
            response (`list[int]`): Ids of y.

        Returns:
            `list[int]`: The ids that are left.
        """
        before: list[int] = []
        while before != response:
            before = response
            response = self._without_last_ending(response)
        return response

    def _without_last_ending(self, response: list[int]) -> list[int]:
        for ending in self._endings:
            for size in range(len(ending), 0, -1):
                # A trainer that cuts a row may cut the ending itself, so its beginning counts, too.
                begun = ending[:size]
                if response[-size:] == begun and self._stops.intersection(begun):
                    return response[:-size]
        return response[:-1] if response and response[-1] in self._stops else response


def _spans(row: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """Return all ids before the last labeled span, and that span."""
    if "chosen_ids" in row:
        return _list(row["prompt_ids"]), _list(row["chosen_ids"])
    ids = np.asarray(row["input_ids"])
    labels = np.asarray(row["labels"]) if "labels" in row else ids
    labeled = labels != -100
    for mask in MASKS:
        if mask in row:
            labeled = labeled & (np.asarray(row[mask]) == 1)
    if "attention_mask" in row:
        unpadded = np.asarray(row["attention_mask"]) == 1
        ids, labeled = ids[unpadded], labeled[unpadded]
    labeled_positions = np.flatnonzero(labeled)
    if len(labeled_positions) == 0:
        return ids.tolist(), []
    end = int(labeled_positions[-1]) + 1
    before = np.flatnonzero(~labeled[:end])
    start = int(before[-1]) + 1 if len(before) else 0
    return ids[:start].tolist(), ids[start:end].tolist()


def _list(ids: Any) -> list[int]:
    return np.asarray(ids, dtype=np.int64).tolist()


def _chat_reader(tokenizer: Any) -> ChatReader | None:
    try:
        return ChatReader(tokenizer)
    except InputError:
        return None
