"""Rows to prompts for GRPO: the rows of fine-tuning, of which the model writes the targets itself."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.method.prompts import prompt_ids
from hf_lmt.data.prepare.row_batches import write_rows
from hf_lmt.training.training_tokens import MASKED, SCHEMA, Tokenized, open_tokens
from hf_miwv.common.errors import InputError

LEFT_OUT = ("completion", "chat_template_kwargs")
"""Columns that rewards are not called with: the target again, as a turn, and arguments of the chat template."""


def tokenize_prompts(
    rows: Dataset, tokenizer: object, max_prompt_length: int, path: Path, *, progress: bool
) -> Tokenized:
    """Make the token ids that the model starts its translations from, as `prompts.prompt_ids` renders them.

    Rows whose prompt is longer are left out and counted: cut, a prompt would ask for something else. The file at
    `path` is written once; a killed run begins it again.

    Args:
        rows (`Dataset`): With prompts, conversations or strings.
        tokenizer (`PreTrainedTokenizerBase`): The model's.
        max_prompt_length (`int`): Tokens of a prompt, at most.
        path (`Path`): The file to write.
        progress (`bool`): Whether to show a bar.

    Returns:
        `Tokenized`: Columns as of `tokenize_rows`, with no label.

    Raises:
        InputError: No prompt is short enough.
    """
    read = [name for name in ("prompt", "chat_template_kwargs") if name in rows.column_names]
    columns = rows.select_columns(read)

    def part(first: int, last: int) -> pa.Table:
        ids = [prompt_ids(tokenizer, columns[row]) for row in range(first, last)]
        kept = [index for index, prompt in enumerate(ids) if len(prompt) <= max_prompt_length]
        labels = [[MASKED] * len(ids[index]) for index in kept]
        positions = [first + index for index in kept]
        return pa.table([[ids[index] for index in kept], labels, positions, [False] * len(kept)], schema=SCHEMA)

    write_rows(path, len(rows), part, num_proc=1, words="prompts", progress=progress)
    tokens = open_tokens(path, rows)
    if not len(tokens.dataset):
        raise InputError(
            f"none of the {len(rows)} prompts has {max_prompt_length} tokens or fewer; give a larger max_prompt_length"
        )
    return tokens


def rows_to_translate(rows: Dataset, tokens: Tokenized) -> Dataset:
    """Return the rows whose prompts were kept, with all columns that rewards may read.

    Args:
        rows (`Dataset`): As `tokenize_prompts` got them.
        tokens (`Tokenized`): What it made of them.

    Returns:
        `Dataset`: The rows in their order.
    """
    kept = rows.select(tokens.dataset["row"])
    return kept.remove_columns([name for name in LEFT_OUT if name in kept.column_names])
