"""The rows of a Trainer's training set, tokenized or text -> x and y as token ids."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash
from datasets import Dataset

from hf_miwv.callbacks.chat_reading import ChatReader
from hf_miwv.callbacks.chosen_view import fetch
from hf_miwv.callbacks.token_reading import TokenReader, token_columns
from hf_miwv.errors import InputError
from hf_miwv.prompts import Prompts, choose_prompts
from hf_miwv.rows import BLOCK, Rows
from hf_miwv.schema import Example, Shape, recognize
from hf_miwv.text_prompts import TextPrompts
from hf_miwv.tokenization import TokenizedRows, tokenize_rows
from hf_miwv.tokens import RowTokens, TokenTable, start_tokens

logger = logging.getLogger(__name__)


@dataclass
class TrainerRows:
    """The N rows of a training set, ready for the passes.

    keys: of each row, a digest of the ids of its x and y, whatever its place.
    """

    table: TokenizedRows
    prompts: Prompts
    keys: list[str]


def read_trainer_rows(dataset: Any, tokenizer: Any, progress: bool = True) -> TrainerRows:
    """Every row of a training set, tokenized or text, as `hf_miwv.score` has it.

    Tokenized rows (`input_ids` with `labels`, or `prompt_ids` with `chosen_ids`) are divided by
    `TokenReader` and read back as text. Where the chat template gives back all of them, they are
    conversations, and a demonstration is an earlier exchange; else it is text, and a blank line
    divides it from x. Then x and y are tokenized apart, so that scores are those of the text; where
    the trainer's tokenizer joined the end of the prompt to the response, it is part of y here.

    The text columns (a known shape, or prompt and chosen) are read where there are no ids, where no
    row has a token without label before y, and where conversations are kept that cannot be read
    off the ids.

    Raises:
        InputError: neither ids with a prompt nor text columns of a known shape.
    """
    columns = token_columns(dataset[0])
    if columns is None:
        return _from_text(dataset, tokenizer, progress, "the rows have no token ids")
    reader = TokenReader(tokenizer)
    rows = DecodedRows((reader.split(row) for row in _rows(dataset, columns)), tokenizer)
    with_prompt = np.flatnonzero(rows.prompts.lengths).tolist()
    if not with_prompt:
        return _from_text(dataset, tokenizer, progress, "every token is labelled")
    chats = rows.read_by(reader.chat) if reader.chat else rows
    unread = sum(chats[row].turns is None for row in with_prompt)
    if unread and _conversational(dataset):
        reason = f"{unread} rows are not what the chat template makes of turns alone"
        return _from_text(dataset, tokenizer, progress, reason)
    if 0 < unread < len(with_prompt):
        logger.warning(
            "%d of %d rows are not what the chat template makes of a conversation: each row's "
            "demonstration is joined to it as text", unread, len(with_prompt),
        )  # fmt: skip
    if reader.chat and not unread:
        return _from_rows(chats, reader.chat, progress)
    return _from_rows(rows, TextPrompts("plain", tokenizer), progress)


def sample_rows(keys: Sequence[str], size: int, seed: int) -> list[int]:
    """The rows with the lowest hashes of seed and key, at most `size`, in row order."""
    hashes = [xxhash.xxh3_128_digest(f"{seed} {key}".encode()) for key in keys]
    return sorted(sorted(range(len(keys)), key=lambda row: (hashes[row], row))[:size])


class DecodedRows(Rows):
    """Rows known by their token ids, as the text or the conversations that these stand for."""

    def __init__(
        self, parts: Iterable[RowTokens], tokenizer: Any, chat: ChatReader | None = None
    ) -> None:
        self.prompts, self.responses = TokenTable(), TokenTable()
        for part in parts:
            self.prompts.append(part.prompt)
            self.responses.append(part.response)
        self._tokenizer = tokenizer
        self._start = start_tokens(tokenizer)
        self._chat = chat

    def read_by(self, chat: ChatReader) -> DecodedRows:
        """The same rows as conversations."""
        same = DecodedRows((), self._tokenizer, chat)
        same.prompts, same.responses = self.prompts, self.responses
        return same

    def __len__(self) -> int:
        return len(self.responses)

    def __getitem__(self, index: int) -> Example:
        prompt, response = self.prompts[index], self._text(self.responses[index])
        example = self._chat.read(self._text(prompt), response) if self._chat else None
        if example is not None:
            return example
        begun = prompt[: len(self._start)] == self._start
        return Example(self._text(prompt[len(self._start) * begun :]), "", None, response)

    def slice(self, start: int, size: int) -> list[Example]:
        return [self[index] for index in range(start, min(start + size, len(self)))]

    def _text(self, ids: list[int]) -> str:
        return self._tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )


def _from_rows(rows: DecodedRows, prompts: Prompts, progress: bool) -> TrainerRows:
    table = tokenize_rows(rows, prompts, progress)
    known = rows.prompts.lengths > 0  # x is nowhere, which is not the same as an empty prompt
    table.empty = [empty or not row for empty, row in zip(table.empty, known, strict=True)]
    return TrainerRows(table, prompts, _keys(table))


def _from_text(dataset: Any, tokenizer: Any, progress: bool, reason: str) -> TrainerRows:
    shape = _shape(dataset)
    if shape is None:
        raise InputError(
            f"the training set cannot be scored: {reason}, so nothing says where the response "
            "begins, and no text columns of a known shape are kept; give rows of prompt and "
            "completion, or set assistant_only_loss=True for messages, or label the response only"
        )
    logger.info("%s: the rows are scored as text (%s)", reason, " + ".join(shape.columns.values()))
    rows = Rows(dataset, shape, "the training set")
    prompts = choose_prompts(None, tokenizer, shape.name, rows[0].turns is not None)
    table = tokenize_rows(rows, prompts, progress)
    reader = TokenReader(tokenizer)  # TRL keeps completions with EOS behind them
    responses = TokenTable(reader.without_ending(table.responses[i]) for i in range(len(table)))
    table.empty = [
        empty or not length for empty, length in zip(table.empty, responses.lengths, strict=True)
    ]
    table.responses = responses
    return TrainerRows(table, prompts, _keys(table))


def _conversational(dataset: Any) -> bool:
    """Whether conversations are kept beside the ids."""
    shape = _shape(dataset)
    return shape is not None and Rows(dataset, shape)[0].turns is not None


def _shape(dataset: Any) -> Shape | None:
    if not isinstance(dataset, Dataset):
        return None
    names = dataset.column_names
    preference = {"prompt": "prompt", "completion": "chosen"}
    try:
        return recognize(names, preference if {"prompt", "chosen"} <= set(names) else None)
    except InputError:
        return None


def _rows(dataset: Any, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    if isinstance(dataset, Dataset) and dataset.format["type"] != "custom":
        dataset = dataset.with_format(None).select_columns(list(columns))
    for start in range(0, len(dataset), BLOCK):
        yield from fetch(dataset, range(start, min(start + BLOCK, len(dataset))))


def _keys(table: TokenizedRows) -> list[str]:
    return [
        _digest(table.prompts[index]) + _digest(table.responses[index])
        for index in range(len(table))
    ]


def _digest(ids: list[int]) -> str:
    return xxhash.xxh3_64_hexdigest(np.array(ids, dtype=np.int32).tobytes())
