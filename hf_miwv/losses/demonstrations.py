"""Each row alone and behind its nearest neighbors: the passes, and what was cut for them."""

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
    """Hold the (1 + K) N forward passes: pass i is row i alone, pass N + iK + k is row i behind its neighbor k.

    All of a row are over the same response. A pass that cannot be run has length 0.
    """

    zero_shot: TokenTable  # N sequences: all before the response
    one_shot: TokenTable = field(default_factory=TokenTable)  # K N sequences, empty where dropped
    responses: TokenTable = field(default_factory=TokenTable)  # N sequences, cut to the limit
    status: list[Status] = field(default_factory=list)  # (N,) before the losses are known
    flags: list[list[Flag]] = field(default_factory=list)  # (N,)
    trimmed: set[int] = field(default_factory=set)  # passes whose demonstration was cut to fit
    openings: list[int] | None = None  # (N,) equal where rows have the same system turn and tools, if that is known
    target_rows: int = 0  # rows at the end that are trunks alone: those of a target set

    def __getitem__(self, index: int) -> Pass:
        rows = len(self.responses)
        context = self.zero_shot[index] if index < rows else self.one_shot[index - rows]
        response = self.responses[self.row_of(index)]
        return Pass(context + response, len(response))

    @property
    def neighbors(self) -> int:
        """Return K, the one-shot passes of each row."""
        return len(self.one_shot) // max(1, len(self.responses))

    def row_of(self, index: int) -> int:
        """Return the row whose response a pass is over.

        Args:
            index (`int`): Number of the pass.

        Returns:
            `int`: Number of the row.
        """
        rows = len(self.responses)
        return index if index < rows else (index - rows) // self.neighbors

    def location(self, index: int) -> str:
        """Name the row whose response a pass is over, as messages do.

        Args:
            index (`int`): Number of the pass.

        Returns:
            `str`: The name.
        """
        row, scored_rows = self.row_of(index), len(self.responses) - self.target_rows
        return f"row {row}" if row < scored_rows else f"row {row - scored_rows} of the target set"

    @property
    def whole_lengths(self) -> np.ndarray:
        """Return ((1 + K) N,) tokens of each pass as a trunk or path, also where it has no response to score."""
        contexts = np.concatenate([self.zero_shot.lengths, self.one_shot.lengths])
        return contexts + self._response_lengths

    @property
    def lengths(self) -> np.ndarray:
        """Return ((1 + K) N,) tokens of each pass, 0 where it cannot be run."""
        whole, responses = self.whole_lengths, self._response_lengths
        return np.where((whole > responses) & (responses > 0), whole, 0)

    @property
    def _response_lengths(self) -> np.ndarray:
        responses = self.responses.lengths
        return np.concatenate([responses, np.repeat(responses, self.neighbors)])


def build_passes(
    table: TokenizedRows,
    neighbors: np.ndarray,
    prompts: Prompts,
    max_length: int,
    progress: bool = True,
) -> Passes:
    """Build all passes of each row within `max_length` tokens (the rules are ours: the paper is silent).

    The demonstration is cut from its left to make room; the row itself never is. Only a row that
    alone exceeds the limit has its response cut on the right, in all passes alike, and is
    flagged; it then has no room for a demonstration.

    Args:
        table (`TokenizedRows`): N rows.
        neighbors (`np.ndarray`): (N,) or (N, K), the rows that are each row's demonstrations, one in a pass;
            -1 for none.
        prompts (`Prompts`): The template with its tokenizer.
        max_length (`int`): Tokens of a pass, at most.
        progress (`bool`, *optional*, defaults to `True`): Show a bar.

    Returns:
        `Passes`: (1 + K) N passes.
    """
    passes = Passes(table.prompts)
    neighbors = neighbors.reshape(len(table), -1)
    if neighbors.shape[1] > 1 and prompts.name == "chat":  # records of one neighbor keep their words
        passes.openings = table.openings
    with stage("demonstrations", "row", len(table), show=progress) as bar:
        for index in range(len(table)):
            row = table[index]
            # The row itself has the first claim on the limit; the demonstration gets the room that is left.
            whole = [] if table.empty[index] else row.tokens.response
            response = whole[: max(0, max_length - len(row.tokens.prompt))]
            passes.responses.append(response)
            has_demonstration = is_trimmed = False
            for neighbor in neighbors[index].tolist():
                context, trimmed = None, False
                if response and neighbor >= 0:
                    context, trimmed = prompts.one_shot(row, table[neighbor], max_length - len(response))
                if context and trimmed:
                    passes.trimmed.add(len(table) + len(passes.one_shot))
                passes.one_shot.append(context or [])
                has_demonstration |= bool(context)
                is_trimmed |= context is not None and trimmed
            passes.status.append(_status(table, index, has_demonstration))
            present_flags: dict[Flag, bool] = {
                "demonstration_trimmed": is_trimmed,
                "response_truncated": len(response) < len(whole),
                "undesired_response": table.undesired[index],
                "duplicate_prompt": table.duplicate[index],
            }
            passes.flags.append([flag for flag, present in present_flags.items() if present])
            bar.update()
    return passes


def target_passes(
    passes: Passes,
    table: TokenizedRows,
    target: TokenizedRows,
    neighbors: np.ndarray,
    prompts: Prompts,
    max_length: int,
    progress: bool = True,
) -> tuple[Passes, np.ndarray]:
    """Put each row behind its neighbors in another set of rows, one at a time: pass N + M + iK + k.

    Rows 0 to N - 1 of the passes are the rows, with nothing to run alone; rows N to N + M - 1 those of the
    target set, prompt and response together as trunks that are not scored, so that a trunk is run where it is
    a neighbor and not else. Each response is that of `passes`.

    Args:
        passes (`Passes`): The passes of the N rows behind their own neighbors.
        table (`TokenizedRows`): The N rows.
        target (`TokenizedRows`): M rows of another set.
        neighbors (`np.ndarray`): (N, K), rows of `target`; -1 for none.
        prompts (`Prompts`): The template with its tokenizer.
        max_length (`int`): Tokens of a pass, at most.
        progress (`bool`, *optional*, defaults to `True`): Show a bar.

    Returns:
        `tuple[Passes, np.ndarray]`: (1 + K)(N + M) passes, and (N + M, K) the rows whose trunk they go on from.
    """
    count = neighbors.shape[1]
    zero_shot = TokenTable([] for _ in range(len(table)))
    joined = Passes(zero_shot, responses=TokenTable(passes.responses[row] for row in range(len(table))))
    joined.target_rows = len(target)
    if prompts.name == "chat":
        joined.openings = [*table.openings, *target.openings]
    with stage("target demonstrations", "row", len(table), show=progress) as bar:
        for index in range(len(table)):
            row, response = table[index], joined.responses[index]
            for neighbor in neighbors[index].tolist():
                context, trimmed = None, False
                if response and neighbor >= 0:
                    context, trimmed = prompts.one_shot(row, target[neighbor], max_length - len(response))
                if context and trimmed:
                    joined.trimmed.add(len(table) + len(target) + len(joined.one_shot))
                joined.one_shot.append(context or [])
            bar.update()
    for index in range(len(target)):
        tokens = target[index].tokens
        joined.zero_shot.append([*tokens.prompt, *tokens.response][:max_length])
        joined.responses.append([])
        for _ in range(count):
            joined.one_shot.append([])
    trunks = np.full((len(table) + len(target), count), -1)
    trunks[: len(table)] = np.where(neighbors < 0, -1, neighbors + len(table))
    return joined, trunks


def flag_duplicate_neighbors(passes: Passes, neighbors: np.ndarray, groups: list[int]) -> None:
    """Flag the rows of which a neighbor has their prompt, though another prompt was asked for.

    Args:
        passes (`Passes`): (1 + K) N passes, whose flags are added to.
        neighbors (`np.ndarray`): (N, K) the neighbors of each row, -1 for none.
        groups (`list[int]`): (N,) rows of the same prompt have the same number.
    """
    for row, neighbors_of_row in enumerate(neighbors.tolist()):
        if any(neighbor >= 0 and groups[row] == groups[neighbor] for neighbor in neighbors_of_row):
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
        passes (`Passes`): The passes of the N rows.
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


def _status(table: TokenizedRows, index: int, has_demonstration: bool) -> Status:
    if index in table.faults:
        return "unreadable"
    if table.empty[index]:
        return "empty_response"
    return "ok" if has_demonstration else "demonstration_dropped"
