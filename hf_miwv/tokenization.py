"""Every row read, rendered and tokenized once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import xxhash
from tqdm.auto import tqdm

from hf_miwv.errors import InputError
from hf_miwv.prompts import Prompts
from hf_miwv.rows import Row, Rows
from hf_miwv.schema import Example
from hf_miwv.tokens import RowTokens, TokenTable


@dataclass
class TokenizedRows:
    """x and y of N rows as token ids, and what is known of the rows from their text alone."""

    rows: Rows
    prompts: TokenTable = field(default_factory=TokenTable)  # N sequences
    responses: TokenTable = field(default_factory=TokenTable)  # N sequences, before any cutting
    empty: list[bool] = field(default_factory=list)  # (N,) nothing but white space as response
    duplicate: list[bool] = field(default_factory=list)  # (N,) x occurs more than once
    groups: list[int] = field(default_factory=list)  # (N,) the first row with the same x

    def __getitem__(self, index: int) -> Row:
        tokens = RowTokens(self.prompts[index], self.responses[index])
        return Row(self.rows, index, tokens)

    def __len__(self) -> int:
        return len(self.rows)


def tokenize_rows(rows: Rows, prompts: Prompts, progress: bool = True) -> TokenizedRows:
    """Read, render and tokenize every row once.

    Raises:
        InputError: a row that cannot be read or rendered (named), or no row with a response.
    """
    table = TokenizedRows(rows)
    first: dict[bytes, int] = {}
    with tqdm(total=len(rows), desc="tokenizing", unit="row", disable=not progress) as bar:
        for examples in rows.blocks():
            encoded = _encode(examples, prompts, len(table.groups))
            for example, tokens in zip(examples, encoded, strict=True):
                text = xxhash.xxh3_128_digest(prompts.prompt_text(example).encode())
                table.groups.append(first.setdefault(text, len(table.groups)))
                table.prompts.append(tokens.prompt)
                table.responses.append(tokens.response)
                table.empty.append(not example.response.strip() or not tokens.response)
            bar.update(len(examples))
    counts = Counter(table.groups)
    table.duplicate = [counts[group] > 1 for group in table.groups]
    if all(table.empty):
        raise InputError(f"none of the {len(rows)} rows has a response: nothing can be scored")
    return table


def _encode(examples: list[Example], prompts: Prompts, first: int) -> list[RowTokens]:
    """prompts.encode, with the row named where one is refused."""
    try:
        return prompts.encode(examples)
    except InputError:
        for offset, example in enumerate(examples):
            try:
                prompts.encode([example])
            except InputError as error:
                raise InputError(f"row {first + offset}: {error}") from error
        raise
