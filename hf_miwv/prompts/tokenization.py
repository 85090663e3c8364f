"""Every row read, rendered and tokenized once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import xxhash

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.row_tokens import RowTokens, TokenTable
from hf_miwv.common.progress import stage
from hf_miwv.common.reading.kinds import RowError
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.prompts.choose_prompts import Prompts
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import Row, Rows
from hf_miwv.rows.turns import ASSISTANT, SYSTEM

UNREADABLE_ROWS = ("refuse", "flag")
FIRST_ROWS = 5  # of each kind of fault, the rows that are named
KINDS = 20  # of faults, that a message lists


@dataclass
class TokenizedRows:
    """x and y of N rows as token ids, and what is known of the rows from their text alone."""

    rows: Rows
    prompts: TokenTable = field(default_factory=TokenTable)  # N sequences
    responses: TokenTable = field(default_factory=TokenTable)  # N sequences, before any cutting
    endings: TokenTable = field(default_factory=TokenTable)  # N sequences, that end the turn
    empty: list[bool] = field(default_factory=list)  # (N,) nothing but white space as response
    duplicate: list[bool] = field(default_factory=list)  # (N,) x occurs more than once
    digests: list[bytes] = field(default_factory=list)  # (N,) of x as text; of its number for an unreadable row
    groups: list[int] = field(default_factory=list)  # (N,) the first row with the same x
    openings: list[int] = field(default_factory=list)  # (N,) digest of system turn and tools, 0 of none
    undesired: list[bool] = field(default_factory=list)  # (N,) the row says its response is bad
    faults: dict[int, RowError] = field(default_factory=dict)  # by row, where it cannot be read
    unused: Counter[str] = field(default_factory=Counter)  # rows, by the name of what they have
    lost_prompt_ends: int = 0  # rows whose prompt, rendered alone, goes on where y begins
    earlier_answers: int = 0  # rows with answers before the one that is scored

    def __getitem__(self, index: int) -> Row:
        tokens = RowTokens(self.prompts[index], self.responses[index], self.endings[index])
        return Row(self.rows, index, tokens)

    def __len__(self) -> int:
        return len(self.rows)

    def append(self, example: Example, tokens: RowTokens) -> None:
        """Add the next row, all but what hangs on the other rows.

        Args:
            example (`Example`): The row, read.
            tokens (`RowTokens`): Its ids.
        """
        fault = example.fault or tokens.fault
        if fault is not None:
            self.faults[len(self.empty)] = fault
        self.prompts.append(tokens.prompt)
        self.responses.append(tokens.response)
        self.endings.append(tokens.ending)
        self.empty.append(not example.has_response or not tokens.response)
        self.undesired.append(example.undesired)
        self.lost_prompt_ends += tokens.lost > 0
        turns = example.turns or ()
        opening = [turn for turn in example.conversation if turn["role"] == SYSTEM], example.tools
        self.openings.append(xxhash.xxh3_64_intdigest(json_text(opening).encode()) if any(opening) else 0)
        self.earlier_answers += any(turn["role"] == ASSISTANT for turn in turns)

    def mark_duplicates(self, prompts: Sequence[str | bytes]) -> None:
        """Find the rows with the same x.

        Args:
            prompts (`Sequence[str | bytes]`): (N,) x of each row as text, or a digest of it.
        """
        first: dict[str | bytes, int] = {}
        self.groups = [first.setdefault(prompt, row) for row, prompt in enumerate(prompts)]
        counts = Counter(self.groups)
        self.duplicate = [counts[group] > 1 for group in self.groups]

    def check_responses(self) -> None:
        """Check that a row has a response.

        Raises:
            InputError: none has one.
        """
        if all(self.empty):
            raise InputError(f"none of the {len(self)} rows has a response: nothing can be scored")

    def trainer_counts(self, max_length: int) -> dict[str, int]:
        """Count the rows whose response a trainer cuts at `max_length` tokens of a sequence.

        Args:
            max_length (`int`): Tokens of a sequence, at most.

        Returns:
            `dict[str, int]`: "responses_cut": some of y is left; "responses_gone": nothing of it is.
        """
        prompts, responses = self.prompts.lengths, self.responses.lengths
        long = (prompts + responses > max_length) & (responses > 0)
        gone = long & (prompts >= max_length)
        return {"responses_cut": int((long & ~gone).sum()), "responses_gone": int(gone.sum())}

    def fault_counts(self) -> list[dict[str, Any]]:
        """Count the rows that cannot be read by kind, the most frequent first.

        Returns:
            `list[dict[str, Any]]`: Of each kind "fault" (in words), "rows", and "first" (the numbers of the first
            rows).
        """
        by_kind: dict[str, list[int]] = defaultdict(list)
        for row, fault in self.faults.items():
            by_kind[fault.kind].append(row)
        return [
            {"fault": kind, "rows": len(rows), "first": rows[:FIRST_ROWS]}
            for kind, rows in sorted(by_kind.items(), key=lambda item: (-len(item[1]), item[1]))
        ]


def tokenize_rows(
    rows: Rows, prompts: Prompts, progress: bool = True, unreadable_rows: str = "refuse"
) -> TokenizedRows:
    """Read, render and tokenize every row once.

    Args:
        rows (`Rows`): N rows.
        prompts (`Prompts`): The template with its tokenizer.
        progress (`bool`, *optional*, defaults to `True`): Whether a bar is shown.
        unreadable_rows (`str`, *optional*, defaults to `"refuse"`): "refuse" rows that cannot be read or
            rendered, after all rows were looked at, or "flag" them.

    Returns:
        `TokenizedRows`: N rows as token ids.

    Raises:
        InputError: rows that cannot be read or rendered, counted by kind, unless they are to be
            flagged; no row with a response.
    """
    table = TokenizedRows(rows)
    with stage("tokenizing", "row", len(rows), show=progress) as bar:
        for examples in rows.blocks():
            for example, tokens in zip(examples, encode_readable(examples, prompts), strict=True):
                row = len(table.empty)
                table.append(example, tokens)
                # A row that cannot be read has no prompt that another could have, too. Digests, not texts: 16
                # bytes a row, however long the prompts are.
                table.digests.append(_digest(tokens.text if row not in table.faults else f"row {row}"))
                if row not in table.faults:
                    table.unused.update(prompts.unrendered(example))
            bar.update(len(examples))
    table.mark_duplicates(table.digests)
    # Only after all rows, so that one run names every fault and not the first one alone.
    if table.faults and unreadable_rows == "refuse":
        raise InputError(_faults_message(table))
    table.check_responses()
    return table


def encode_readable(examples: list[Example], prompts: Prompts) -> list[RowTokens]:
    """Tokenize the rows that can be read; the others have their fault instead.

    Args:
        examples (`list[Example]`): N rows.
        prompts (`Prompts`): The template with its tokenizer.

    Returns:
        `list[RowTokens]`: N rows as ids.
    """
    tokens = iter(prompts.encode([example for example in examples if example.fault is None]))
    return [next(tokens) if example.fault is None else RowTokens([], [], fault=example.fault) for example in examples]


def _digest(text: str) -> bytes:
    return xxhash.xxh3_128_digest(text.encode())


def _faults_message(table: TokenizedRows) -> str:
    advice = "mend or remove them, or give --unreadable-rows flag to keep them in place, unscored"
    row, fault = next(iter(table.faults.items()))
    if len(table.faults) == 1:
        return f"{table.rows.location(row)}: {fault}; {advice.replace('them', 'it', 2)}"
    kinds = table.fault_counts()
    lines = [
        f"{kind['rows']} row{'s' * (kind['rows'] != 1)}: {kind['fault']} "
        f"(row{'s' * (len(kind['first']) != 1)} {', '.join(map(str, kind['first']))}"
        f"{' ...' if kind['rows'] > FIRST_ROWS else ''})"
        for kind in kinds[:KINDS]
    ]
    if len(kinds) > KINDS:
        lines.append(f"and {len(kinds) - KINDS} more kinds of faults")
    return (
        f"{len(table.faults)} of {len(table)} rows cannot be read; the first is "
        f"{table.rows.location(row)}: {fault}\n  " + "\n  ".join(lines) + f"\n{advice}"
    )
