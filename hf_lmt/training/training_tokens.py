"""Rows to token ids and labels: the loss is over the target and its end, or over a whole text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.control_tokens import conversation_ids, holds_control, text_ids
from hf_lmt.data.prepare.row_batches import BATCH, write_rows
from hf_lmt.training.prepared_rows import describe
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.template_errors import ChatTemplateError, apply_chat_template
from hf_miwv.common.models.vocabulary import unknown_token

MASKED = -100  # a label that torch's cross-entropy passes over
IDS = pa.list_(pa.int32())
SCHEMA = pa.schema({"input_ids": IDS, "labels": IDS, "row": pa.int64(), "cut": pa.bool_()})


class Tokenized(NamedTuple):
    """Hold tokenized rows.

    Attributes:
        dataset (`Dataset`): Columns "input_ids", "labels", "row" (index among the rows) and "cut" (to the length).
        counts (`dict[str, int]`): "rows", "used", "no_room" and "cut" rows; "tokens", "target_tokens" and the
            "longest" sequence in tokens.
    """

    dataset: Dataset
    counts: dict[str, int]


def tokenize_rows(rows: Dataset, tokenizer: Any, max_length: int | None, path: Path, *, progress: bool) -> Tokenized:
    """Make input_ids = prompt + target + end, labels = -100 over the prompt; or all of a text.

    A conversation is what the chat template makes of it, as `prompts.prompt_ids` renders the
    prompt; a text gets the tokenizer's end-of-sequence token behind it. Control tokens that texts
    hold are encoded as text (`control_tokens`). Sequences longer than
    `max_length` are cut at their end; rows whose prompt alone has that length are left out, and
    both are counted. The file at `path` is written once; a killed run begins it again.

    Args:
        rows (`Dataset`): N rows with prompt and completion (conversations or strings), or with text.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
        max_length (`int`, *optional*): Tokens of a sequence, at most; None cuts nothing.
        path (`Path`): File to write.
        progress (`bool`): Show a bar.

    Returns:
        `Tokenized`: N sequences at most.

    Raises:
        InputError: of a row, the ids of the prompt are not the beginning of those of the whole, so
            that training and translating would differ; no row is left; no end is known.
    """
    arrow = rows.with_format("arrow")
    make = _text_ids if "text" in rows.column_names else _prompt_ids
    if tokenizer.eos_token_id is None:
        raise InputError(
            "the tokenizer has no end-of-sequence token, so the model could not learn to stop; give eos_token"
        )

    def part(first: int, last: int) -> pa.Table:
        columns = [
            name for name in ("prompt", "completion", "chat_template_kwargs", "text") if name in rows.column_names
        ]
        batch = arrow.select_columns(columns)[first:last]
        try:
            pairs = make(batch, tokenizer)
        except _TemplateRowError as fault:
            raise InputError(f"{describe(rows[first + fault.index])}: {fault}") from fault
        _check_prefixes(pairs, rows, first, tokenizer)
        return _table(pairs, first, max_length)

    tokens = write_rows(path, len(rows), part, num_proc=1, words="tokens", progress=progress)
    if not len(tokens):
        raise InputError(
            f"none of the {len(rows)} rows has room for a target: their prompts alone have "
            f"{max_length} tokens or more; give a larger max_length"
        )
    return Tokenized(tokens, _count(tokens, len(rows)))


def open_tokens(path: Path, rows: Dataset) -> Tokenized:
    """Open the tokens that `tokenize_rows` wrote.

    Args:
        path (`Path`): The file.
        rows (`Dataset`): The rows that they were made of.

    Returns:
        `Tokenized`: The tokens.
    """
    tokens = Dataset.from_file(str(path))
    return Tokenized(tokens, _count(tokens, len(rows)))


def check_embeddings(tokens: Dataset, rows: Dataset, tokenizer: Any, size: int) -> None:
    """Check that the model has an embedding for every token of the rows.

    Args:
        tokens (`Dataset`): As `tokenize_rows` makes them, of these `rows`.
        rows (`Dataset`): The rows.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
        size (`int`): Token ids that the model knows.

    Raises:
        InputError: a token has none: token, id and row.
    """
    for batch in tokens.with_format("arrow").iter(BATCH):
        ids = batch["input_ids"].combine_chunks()
        flat = ids.flatten().to_numpy()
        if len(flat) == 0 or int(flat.max()) < size:
            continue
        position = int(np.argmax(flat >= size))
        ends = np.cumsum(np.diff(ids.offsets.to_numpy()))
        example = int(np.searchsorted(ends, position, side="right"))
        row = rows[int(batch["row"][example].as_py())]
        raise unknown_token(tokenizer, int(flat[position]), size, describe(row))


Pair = tuple[list[int], list[int]]  # of the prompt, of the whole


class _TemplateRowError(InputError):
    """Name a row of a batch, by its index there, on which the chat template fails."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


def _text_ids(batch: pa.Table, tokenizer: Any) -> list[Pair]:
    """Return the ids of texts with their end, behind prompts without tokens."""
    end = tokenizer.eos_token
    texts = [text.removesuffix(end) for text in batch["text"].to_pylist()]
    encoded = tokenizer([text + end for text in texts])["input_ids"]
    for index, text in enumerate(texts):
        # A text may spell a control token; as one id it would steer the model.
        if holds_control(tokenizer, [text]):
            encoded[index] = [
                *text_ids(tokenizer, text, add_special_tokens=True),
                tokenizer.eos_token_id,
            ]
    for ids in encoded:  # a tokenizer that adds its end by itself would end the text twice
        if ids[-2:] == [tokenizer.eos_token_id] * 2:
            ids.pop()
    return [([], ids) for ids in encoded]


def _prompt_ids(batch: pa.Table, tokenizer: Any) -> list[Pair]:
    """Return the ids of each row's prompt, and of prompt, target and end together."""
    prompts, completions = (batch[name].to_pylist() for name in ("prompt", "completion"))
    if isinstance(prompts[0], str):
        return _plain_pairs(prompts, completions, tokenizer)
    template_arguments = (
        batch["chat_template_kwargs"].to_pylist()
        if "chat_template_kwargs" in batch.column_names
        else [None] * len(prompts)
    )
    rows = list(zip(prompts, completions, template_arguments, strict=True))
    wholes, starts = [], []
    for index, (prompt_turns, target_turns, row_arguments) in enumerate(rows):
        try:
            wholes.append(_rendered(tokenizer, prompt_turns + target_turns, row_arguments, False))
            starts.append(_rendered(tokenizer, prompt_turns, row_arguments, True))
        except ChatTemplateError as fault:
            raise _TemplateRowError(str(fault), index) from fault
    pairs = _encoded(tokenizer, starts, wholes, add_special_tokens=False)  # the template has them
    for row_index, (prompt, completion, row_arguments) in enumerate(rows):
        if holds_control(tokenizer, (turn["content"] for turn in prompt + completion)):
            start, whole = (
                conversation_ids(tokenizer, turns, row_arguments, add_generation_prompt=add_generation_prompt)
                for turns, add_generation_prompt in ((prompt, True), (prompt + completion, False))
            )
            pairs[row_index] = (start, whole)
    return pairs


def _plain_pairs(prompts: list[str], completions: list[str], tokenizer: Any) -> list[Pair]:
    end = tokenizer.eos_token
    texts = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
    wholes = [text + end for text in texts]
    pairs = _encoded(tokenizer, prompts, wholes, add_special_tokens=True)
    for index, text in enumerate(texts):
        if holds_control(tokenizer, [text]):
            start, whole = (text_ids(tokenizer, part, add_special_tokens=True) for part in (prompts[index], text))
            pairs[index] = (start, [*whole, tokenizer.eos_token_id])
    return pairs


def _encoded(tokenizer: Any, prompts: list[str], wholes: list[str], *, add_special_tokens: bool) -> list[Pair]:
    encoded = [
        tokenizer(texts, add_special_tokens=add_special_tokens, verbose=False)["input_ids"]
        for texts in (prompts, wholes)
    ]
    return list(zip(*encoded, strict=True))


def _rendered(tokenizer: Any, turns: list[Any], arguments: dict[str, Any] | None, ask: bool) -> str:
    return apply_chat_template(tokenizer, turns, tokenize=False, add_generation_prompt=ask, **(arguments or {}))


def _check_prefixes(pairs: Sequence[Pair], rows: Dataset, first: int, tokenizer: Any) -> None:
    """Check that the ids of each prompt begin those of its whole row."""
    for index, (prompt, whole) in enumerate(pairs):
        if whole[: len(prompt)] != prompt:
            row = rows[first + index]
            raise InputError(
                f"{describe(row)}: the ids of the prompt, {tokenizer.decode(prompt)[-60:]!r}, are "
                "not the beginning of those of the whole row, so training and translating would "
                "differ; change the chat template or the form of the prompts (pmp)"
            )


def _table(pairs: Sequence[Pair], first: int, max_length: int | None) -> pa.Table:
    """Cut sequences to the length, label their targets, and leave out rows without room for one."""
    limit = max_length or max((len(whole) for _, whole in pairs), default=0) + 1
    kept = [
        (first + position, prompt, whole)
        for position, (prompt, whole) in enumerate(pairs)
        if len(prompt) < limit and whole
    ]
    ids = [whole[:limit] for _, _, whole in kept]
    labels = [[MASKED] * len(prompt) + whole[len(prompt) : limit] for _, prompt, whole in kept]
    positions = [row_index for row_index, _, _ in kept]
    cut = [len(whole) > limit for _, _, whole in kept]
    return pa.table([ids, labels, positions, cut], schema=SCHEMA)


def _count(tokens: Dataset, rows: int) -> dict[str, int]:
    """Count rows and tokens in the file itself: those of a run that went on, too."""
    counts = {
        "rows": rows,
        "used": len(tokens),
        "no_room": rows - len(tokens),
        "cut": 0,
        "tokens": 0,
        "target_tokens": 0,
        "longest": 0,
    }
    for batch in tokens.with_format("arrow").iter(BATCH):
        lengths = np.diff(batch["input_ids"].combine_chunks().offsets.to_numpy())
        labels = batch["labels"].combine_chunks().flatten().to_numpy()
        counts["cut"] += int(batch["cut"].to_numpy().sum())
        counts["tokens"] += int(lengths.sum())
        counts["target_tokens"] += int((labels != MASKED).sum())
        counts["longest"] = max(counts["longest"], int(lengths.max()))
    return counts
