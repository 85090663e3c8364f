"""Each row alone and behind its nearest neighbor: the passes, and what was cut for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from hf_miwv.common.models.row_tokens import TokenTable, encode, stand_in_token, start_tokens
from hf_miwv.common.progress import stage
from hf_miwv.prompts.choose_prompts import Prompts
from hf_miwv.prompts.tokenization import TokenizedRows
from hf_miwv.rows.schema import Flag, Status

RESPONSE_HEADING = "### Response:"  # before y in Cherry_LLM's direct answer score


class Pass(NamedTuple):
    """Hold a sequence of token ids, of which the last `response` are scored."""

    ids: list[int]
    response: int


@dataclass
class Passes:
    """Hold the 2N forward passes: pass i is row i alone, pass N + i is row i behind its neighbor.

    Both are over the same response. A pass that cannot be run has length 0.
    """

    zero_shot: TokenTable  # N sequences: all before the response
    one_shot: TokenTable = field(default_factory=TokenTable)  # N sequences, empty where dropped
    responses: TokenTable = field(default_factory=TokenTable)  # N sequences, cut to the limit
    status: list[Status] = field(default_factory=list)  # (N,) before the losses are known
    flags: list[list[Flag]] = field(default_factory=list)  # (N,)

    def __getitem__(self, index: int) -> Pass:
        rows = len(self.responses)
        context = self.zero_shot[index] if index < rows else self.one_shot[index - rows]
        response = self.responses[index % rows]
        return Pass(context + response, len(response))

    @property
    def lengths(self) -> np.ndarray:
        """Return (2N,) tokens of each pass, 0 where it cannot be run."""
        contexts = np.concatenate([self.zero_shot.lengths, self.one_shot.lengths])
        responses = np.tile(self.responses.lengths, 2)
        return np.where((contexts > 0) & (responses > 0), contexts + responses, 0)


def build_passes(
    table: TokenizedRows,
    neighbors: np.ndarray,
    prompts: Prompts,
    max_length: int,
    progress: bool = True,
) -> Passes:
    """Build both passes of each row within `max_length` tokens (the rules are ours: the paper is silent).

    The demonstration is cut from its left to make room; the row itself never is. Only a row that
    alone exceeds the limit has its response cut on the right, in both passes alike, and is
    flagged; it then has no room for a demonstration.

    Args:
        table (`TokenizedRows`): N rows.
        neighbors (`np.ndarray`): (N,) the row that is each row's demonstration.
        prompts (`Prompts`): The template with its tokenizer.
        max_length (`int`): Tokens of a pass, at most.
        progress (`bool`, *optional*, defaults to `True`): Show a bar.

    Returns:
        `Passes`: 2N passes.
    """
    passes = Passes(table.prompts)
    with stage("demonstrations", "row", len(table), show=progress) as bar:
        for index in range(len(table)):
            row = table[index]
            # The row itself has the first claim on the limit; the demonstration gets the room that is left.
            whole = [] if table.empty[index] else row.tokens.response
            response = whole[: max(0, max_length - len(row.tokens.prompt))]
            context, trimmed = None, False
            if response:
                neighbor = table[int(neighbors[index])]
                context, trimmed = prompts.one_shot(row, neighbor, max_length - len(response))
            passes.one_shot.append(context or [])
            passes.responses.append(response)
            passes.status.append(_status(table, index, context))
            present_flags: dict[Flag, bool] = {
                "demonstration_trimmed": context is not None and trimmed,
                "response_truncated": len(response) < len(whole),
                "undesired_response": table.undesired[index],
                "duplicate_prompt": table.duplicate[index],
            }
            passes.flags.append([flag for flag, present in present_flags.items() if present])
            bar.update()
    return passes


def flag_duplicate_neighbors(passes: Passes, neighbors: np.ndarray, groups: list[int]) -> None:
    """Flag the rows whose neighbor has their prompt, though another prompt was asked for.

    Args:
        passes (`Passes`): 2N passes, whose flags are added to.
        neighbors (`np.ndarray`): (N,) the neighbor of each row.
        groups (`list[int]`): (N,) rows of the same prompt have the same number.
    """
    for row, neighbor in enumerate(neighbors.tolist()):
        if neighbor >= 0 and groups[row] == groups[neighbor]:
            passes.flags[row].append("duplicate_neighbor")


def response_context(method: str, tokenizer: Any) -> list[int]:
    """Return the ids that stand before y where x is left out, by the method that asks for it.

    "ifd": what the tokenizer puts before a text, and `### Response:`, whatever the template of
    the rows (Cherry_LLM, arXiv 2308.12032). "superfiltering": what the tokenizer puts before a
    text alone, or, where that is nothing, the token that stands in for an empty prompt, so that
    the first token of y has a context (ours: arXiv 2402.00530's code leaves that token out).

    Args:
        method (`str`): "ifd" or "superfiltering".
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the model.

    Returns:
        `list[int]`: Token ids.
    """
    start = start_tokens(tokenizer)
    if method == "ifd":
        return start + encode(tokenizer, [RESPONSE_HEADING])[0]
    return start or [stand_in_token(tokenizer)]


def response_passes(passes: Passes, context: list[int], max_length: int) -> Passes:
    """Put the same N responses each behind `context` alone: passes 0 to N - 1, the others empty.

    A row with an empty response, and one that would exceed `max_length` tokens, has no pass.

    Args:
        passes (`Passes`): The 2N passes of the rows.
        context (`list[int]`): The ids that stand before each response.
        max_length (`int`): Tokens of a pass, at most.

    Returns:
        `Passes`: N passes with N empty ones behind.
    """
    room = max_length - len(context)
    lengths = passes.responses.lengths.tolist()
    return Passes(
        TokenTable(context if length <= room else [] for length in lengths),
        TokenTable([] for _ in lengths),
        passes.responses,
    )


def _status(table: TokenizedRows, index: int, context: list[int] | None) -> Status:
    if index in table.faults:
        return "unreadable"
    if table.empty[index]:
        return "empty_response"
    return "ok" if context else "demonstration_dropped"
