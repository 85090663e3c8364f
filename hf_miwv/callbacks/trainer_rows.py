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
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.row_tokens import RowTokens, TokenTable, start_tokens
from hf_miwv.prompts.chat_prompts import ChatPrompts
from hf_miwv.prompts.choose_prompts import Prompts, choose_prompts
from hf_miwv.prompts.text_prompts import TextPrompts
from hf_miwv.prompts.tokenization import TokenizedRows, encode_readable, tokenize_rows
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import BLOCK, Rows
from hf_miwv.rows.schema import Shape, recognize

logger = logging.getLogger(__name__)


@dataclass
class TrainerRows:
    """Hold the N rows of a training set, ready for the passes.

    Attributes:
        table (`TokenizedRows`): x and y of each row.
        prompts (`Prompts`): The template with its tokenizer.
        keys (`list[str]`): Of each row, a digest of the ids of its x and y, whatever its position.
    """

    table: TokenizedRows
    prompts: Prompts
    keys: list[str]


def read_trainer_rows(dataset: Any, tokenizer: Any, progress: bool = True) -> TrainerRows:
    """Read every row of a training set, tokenized or text, with the trainer's own ids.

    Tokenized rows (`input_ids` with `labels`, or `prompt_ids` with `chosen_ids`) keep their ids.
    Where conversations are kept beside them, x and y are divided as `hf_miwv.score` divides them,
    if it would make the same ids, and else by the labels; a demonstration is an earlier exchange.
    Where none are kept, `TokenReader` divides the ids, and where the chat template gives all rows
    back from their text, they are conversations; else a blank line stands between demonstration
    and x.

    The text columns alone (a known shape, or prompt and chosen) are read where there are no ids,
    and where no row has a token without label before y.

    Args:
        dataset (`Any`): The training set.
        tokenizer (`PreTrainedTokenizerBase`): The trainer's tokenizer.
        progress (`bool`, *optional*, defaults to `True`): Whether a bar is shown.

    Returns:
        `TrainerRows`: The rows.

    Raises:
        InputError: neither ids with a prompt nor text columns of a known shape.
    """
    columns = token_columns(dataset[0])
    if columns is None:
        return _from_text(dataset, tokenizer, progress, "the rows have no token ids")
    reader = TokenReader(tokenizer)
    parts = (reader.split(row) for row in _rows(dataset, columns))
    kept = _kept_conversations(dataset)
    if kept is not None and reader.chat:
        return _from_kept(kept, parts, tokenizer)
    rows = DecodedRows(parts, tokenizer)
    with_prompt = np.flatnonzero(rows.prompts.lengths).tolist()
    if not with_prompt:
        return _from_text(dataset, tokenizer, progress, "every token is labeled")
    chats = rows.read_by(reader.chat) if reader.chat else rows
    unread = sum(chats[row].turns is None for row in with_prompt)
    if 0 < unread < len(with_prompt):
        logger.warning(
            "%d of %d rows are not what the chat template makes of a conversation: each row's "
            "demonstration is joined to it as text",
            unread,
            len(with_prompt),
        )
    if reader.chat and not unread:
        return _from_ids(chats, reader.chat)
    return _from_ids(rows, TextPrompts("plain", tokenizer))


def sample_rows(keys: Sequence[str], size: int, seed: int) -> list[int]:
    """Choose the rows with the lowest hashes of seed and key.

    Args:
        keys (`Sequence[str]`): N keys.
        size (`int`): Most rows to choose.
        seed (`int`): Seed of the hash.

    Returns:
        `list[int]`: Positions of the rows, ascending.
    """
    hashes = [xxhash.xxh3_128_digest(f"{seed} {key}".encode()) for key in keys]
    return sorted(sorted(range(len(keys)), key=lambda row: (hashes[row], row))[:size])


class DecodedRows(Rows):
    """Read rows known by their token ids as the text or the conversations that these stand for.

    Args:
        parts (`Iterable[RowTokens]`): Ids of the rows.
        tokenizer (`PreTrainedTokenizerBase`): The trainer's tokenizer.
        chat (`ChatReader`, *optional*): Reads their text as conversations.
    """

    def __init__(self, parts: Iterable[RowTokens], tokenizer: Any, chat: ChatReader | None = None) -> None:
        self.prompts, self.responses, self.endings = TokenTable(), TokenTable(), TokenTable()
        for part in parts:
            self.prompts.append(part.prompt)
            self.responses.append(part.response)
            self.endings.append(part.ending)
        self._tokenizer = tokenizer
        self._start = start_tokens(tokenizer)
        self._chat = chat

    def read_by(self, chat: ChatReader) -> DecodedRows:
        """Return the same rows as conversations.

        Args:
            chat (`ChatReader`): Reads their text.

        Returns:
            `DecodedRows`: The rows, over the same ids.
        """
        same = DecodedRows((), self._tokenizer, chat)
        same.prompts, same.responses, same.endings = self.prompts, self.responses, self.endings
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
        """Decode up to `size` rows from row `start` on.

        Args:
            start (`int`): Number of the first row, from 0.
            size (`int`): Rows to decode.

        Returns:
            `list[Example]`: The rows.
        """
        return [self[index] for index in range(start, min(start + size, len(self)))]

    def _text(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _from_ids(rows: DecodedRows, prompts: Prompts) -> TrainerRows:
    table = TokenizedRows(rows)
    for index in range(len(rows)):
        tokens = RowTokens(rows.prompts[index], rows.responses[index], rows.endings[index])
        example = rows[index]
        # x is nowhere, which is not the same as an empty prompt: no y to be scored
        tokens = tokens if tokens.prompt else tokens._replace(response=[])
        table.append(example, tokens)
    table.check_responses()
    table.mark_duplicates([prompts.prompt_text(rows[index]) for index in range(len(rows))])
    return TrainerRows(table, prompts, _keys(table))


def _from_kept(rows: Rows, parts: Iterable[RowTokens], tokenizer: Any) -> TrainerRows:
    """Read conversations that are kept beside the trainer's ids."""
    prompts = ChatPrompts(tokenizer)
    table, texts, differing = TokenizedRows(rows), [], 0
    trainer_tokens = iter(parts)
    for index, (example, rendered) in enumerate(_encoded(rows, prompts)):
        ids = next(trainer_tokens)
        fault = example.fault or rendered.fault
        if fault is not None:
            raise InputError(f"{rows.location(index)}: {fault}") from fault
        # The ids that are trained on are scored, but only the text says where the ending begins.
        tokens = _cut_like(rendered, ids)
        if tokens is None:
            differing += 1
            # where every token is labeled, only the text says where y begins
            tokens = ids if ids.prompt else rendered
        table.append(example, tokens)
        texts.append(rendered.text)
    table.check_responses()
    table.mark_duplicates(texts)
    if differing:
        logger.warning(
            "%d of %d rows have other ids in the trainer than this tokenizer makes of their text: "
            "the trainer's are scored",
            differing,
            len(rows),
        )
    return TrainerRows(table, prompts, _keys(table))


def _encoded(rows: Rows, prompts: Prompts) -> Iterator[tuple[Example, RowTokens]]:
    for examples in rows.blocks():
        yield from zip(examples, encode_readable(examples, prompts), strict=True)


def _cut_like(rendered: RowTokens, ids: RowTokens) -> RowTokens | None:
    """Cut the row as rendered from its text where the trainer's ids end; None where those are others."""
    whole = [*rendered.prompt, *rendered.response, *rendered.ending]
    trained = [*ids.prompt, *ids.response, *ids.ending]
    if len(trained) <= len(rendered.prompt) or whole[: len(trained)] != trained:
        return None
    behind = whole[len(rendered.prompt) : len(trained)]
    length = len(rendered.response)
    return rendered._replace(response=behind[:length], ending=behind[length:])


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
    prompts = choose_prompts(None, tokenizer, shape.name, rows.conversational())
    table = tokenize_rows(rows, prompts, progress)
    reader = TokenReader(tokenizer)  # TRL keeps completions with EOS behind them
    responses = TokenTable(reader.without_ending(table.responses[index]) for index in range(len(table)))
    table.empty = [empty or not length for empty, length in zip(table.empty, responses.lengths, strict=True)]
    table.responses = responses
    return TrainerRows(table, prompts, _keys(table))


def _kept_conversations(dataset: Any) -> Rows | None:
    """Return the conversations that are kept beside the ids; None where there are none."""
    shape = _shape(dataset)
    rows = None if shape is None else Rows(dataset, shape, "the training set")
    return rows if rows is not None and rows.conversational() else None


def _shape(dataset: Any) -> Shape | None:
    if not isinstance(dataset, Dataset):
        return None
    names = dataset.column_names
    try:
        return recognize(names)
    except InputError:
        return None


def _rows(dataset: Any, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    if isinstance(dataset, Dataset) and dataset.format["type"] != "custom":
        # A format would make tensors of the ids, and other columns would be decoded for nothing.
        dataset = dataset.with_format(None).select_columns(list(columns))
    for start in range(0, len(dataset), BLOCK):
        yield from fetch(dataset, range(start, min(start + BLOCK, len(dataset))))


def _keys(table: TokenizedRows) -> list[str]:
    return [_digest(table.prompts[index]) + _digest(table.responses[index]) for index in range(len(table))]


def _digest(ids: list[int]) -> str:
    return xxhash.xxh3_64_hexdigest(np.array(ids, dtype=np.int32).tobytes())
