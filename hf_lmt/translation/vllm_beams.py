"""Beams over vLLM's engine: for every token a call of it with all beams of all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from hf_lmt.translation.search import FEW_ENDS, BeamSearch

NextTokens = Callable[[list[list[int]]], list[list[tuple[int, float]]]]
"""(N,) texts as token ids to the `tokens_to_draw` most probable next tokens of each: id, nats."""


def tokens_to_draw(beams: int) -> int:
    """Count the tokens of each beam among which are B that do not end a text.

    In form "text", where hundreds of tokens end a text, a beam with more than FEW_ENDS of them among
    its most probable would lose some of its continuations.

    Args:
        beams (`int`): B.

    Returns:
        `int`: Tokens.
    """
    return beams + FEW_ENDS


def search_beams(
    next_tokens: NextTokens, prompts: Sequence[list[int]], caps: Sequence[int], ends: Sequence[int], beams: int
) -> list[list[int]]:
    """Return the best continuation of each prompt, by the search that our own decoder has.

    vLLM's own `LLM.beam_search` (0.32) divides scores by the length of prompt and text together, knows a
    single end token, takes one cap for all and runs every row to it.

    Args:
        next_tokens (`Callable`): The engine.
        prompts (`Sequence[list[int]]`): (R,) prompts as token ids.
        caps (`Sequence[int]`): (R,) tokens that each continuation may have, 1 or more.
        ends (`Sequence[int]`): Token ids that end a text.
        beams (`int`): Beams of the search, 2 or more.

    Returns:
        `list[list[int]]`: (R,) token ids, the end token included.
    """
    search = BeamSearch(torch.tensor(caps), torch.tensor(ends), beams)
    numbers = list(range(len(prompts)))  # of the rows that have not ended
    texts: list[list[list[int]]] = [[list(prompt)] for prompt in prompts]  # prompt and tokens of each beam
    written: dict[int, list[int]] = {}
    while numbers:
        # One call for all rows: what they share, prompts and beams' common beginnings, is in vLLM's prefix cache.
        drawn = torch.tensor(next_tokens([text for row in texts for text in row]), dtype=torch.float64)
        drawn = drawn.view(len(numbers), -1, *drawn.shape[1:])
        step = search.advance_drawn(drawn[..., 1].float(), drawn[..., 0].long())
        texts = [
            [[*row[parent], token] for parent, token in zip(parents, tokens, strict=True)]
            for row, parents, tokens in zip(texts, step.parents.tolist(), step.tokens.tolist(), strict=True)
        ]
        for row in search.done.nonzero()[:, 0].tolist():
            written[numbers[row]] = search.best(row)
        open_rows = (~search.done).nonzero()[:, 0]
        search.keep(open_rows)
        numbers, texts = [numbers[row] for row in open_rows.tolist()], [texts[row] for row in open_rows.tolist()]
    return [written[number] for number in range(len(prompts))]
