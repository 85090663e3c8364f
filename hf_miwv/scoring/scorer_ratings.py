"""Deita (arXiv 2312.15685): two models that were tuned to rate, one an instruction, one the answer to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from hf_miwv.common.models.row_tokens import TokenTable, common_prefix_length, encode, start_tokens
from hf_miwv.losses.shared_responses import SharedResponses
from hf_miwv.rows.exchanges import Exchange
from hf_miwv.scoring.self_ratings import rating_probabilities

RATINGS = ("1", "2", "3", "4", "5", "6")
# In words of our own, for scorers that were tuned on no other. The paper's scorers expect the prompts of their cards.
COMPLEXITY_PROMPT = (
    "How complex is the instruction below? Rate it from 1, very simple, to 6, very complex.\n\n"
    "Instruction:\n{instruction}\n\nComplexity: "
)
QUALITY_PROMPT = (
    "How good is the response to the instruction below? Rate it from 1, very bad, to 6, very good.\n\n"
    "Instruction:\n{instruction}\n\nResponse:\n{output}\n\nQuality: "
)
_PLACEHOLDER = re.compile(r"\{(instruction|output)\}")


def render(prompt: str, exchange: Exchange) -> str:
    """Put an exchange in the place of a prompt's placeholders; other braces stay as they are.

    Args:
        prompt (`str`): The prompt, with {instruction} and {output}.
        exchange (`Exchange`): The exchange.

    Returns:
        `str`: The text.

    >>> render("Rate {instruction} {x} ", Exchange("{output}", "5"))
    'Rate {output} {x} '
    """
    return _PLACEHOLDER.sub(lambda placeholder: getattr(exchange, placeholder[1]), prompt)


def rating_tokens(prompt: str, tokenizer: Any) -> list[list[int]]:
    """Find the tokens that each of RATINGS has behind the prompt, in one text with it.

    Behind a space "1" may be a token with the space in it or one without, by the tokenizer, so the ratings are what
    differs between the six whole texts.

    Args:
        prompt (`str`): The prompt.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the scorer.

    Returns:
        `list[list[int]]`: Six lists of ids; of most tokenizers each has one.
    """
    text = render(prompt, Exchange("a", "a"))
    whole = encode(tokenizer, [text + rating for rating in RATINGS])
    shared = min(common_prefix_length(whole[0], other) for other in whole[1:])
    return [ids[shared:] for ids in whole]


def scorer_passes(
    exchanges: Sequence[Exchange], rows: Sequence[int], prompt: str, tokenizer: Any, max_length: int
) -> SharedResponses:
    """Put the six ratings behind each exchange in its prompt; a rating is a branch of a token.

    The text is tokenized as a whole, as the scorer's own code does. An output too long for the limit is cut on its
    right, and its tokens are then joined with those of the prompt's end (ours: the public code cuts whatever stands
    at the end, the place of the rating included); an instruction is not, and then there is no pass.

    Args:
        exchanges (`Sequence[Exchange]`): M exchanges.
        rows (`Sequence[int]`): (M,) the row that each is of.
        prompt (`str`): The prompt, with placeholders.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the scorer.
        max_length (`int`): Tokens of a pass, at most.

    Returns:
        `SharedResponses`: M trunks with six passes each.
    """
    ratings = rating_tokens(prompt, tokenizer)
    passes = SharedResponses(TokenTable(), shared=TokenTable(ratings), rows=rows)
    start = start_tokens(tokenizer)
    room = max_length - len(start) - max(len(rating) for rating in ratings)
    texts = encode(tokenizer, [render(prompt, exchange) + RATINGS[0] for exchange in exchanges])
    for exchange, ids in zip(exchanges, texts, strict=True):
        # What ends in other tokens than the rating, as behind a prompt that ends in a number, is not rated.
        context = ids[: -len(ratings[0])] if ids[-len(ratings[0]) :] == ratings[0] else []
        if len(context) > room:
            context = _cut(exchange, prompt, tokenizer, room, len(ratings[0]))
        trunk = [*start, *context] if context else []
        passes.append(trunk, [trunk] * len(RATINGS))
    return passes


def _cut(exchange: Exchange, prompt: str, tokenizer: Any, room: int, rating: int) -> list[int]:
    """Return the context with as much of the output as there is room for; [] where there is none for a token."""
    head, placeholder, tail = prompt.rpartition("{output}")
    if not placeholder:
        return []
    before, output, behind = encode(
        tokenizer, [render(head, exchange), exchange.output, render(tail, exchange) + RATINGS[0]]
    )
    behind = behind[:-rating]
    room -= len(before) + len(behind)
    return [*before, *output[:room], *behind] if room > 0 else []


def expected_ratings(losses: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Compute the expectation over the six ratings: sum over k of k x p_k, p the softmax of their logits.

    The logits of one position differ from the negative losses by what is common to all six, which softmax takes out.
    Of ratings of several tokens the logarithm of the probability is taken for the logit (ours).

    Args:
        losses (`np.ndarray`): (M, 6) float64, mean nats per token of the rating.
        lengths (`np.ndarray`): (6,) tokens of each rating.

    Returns:
        `np.ndarray`: (M,) float64 in [1, 6]; nan where a loss is not known.
    """
    known, probabilities = rating_probabilities(losses, lengths)
    return np.where(known, probabilities @ np.arange(1.0, 7.0), np.nan)


def exchange_scores(
    complexity: np.ndarray, quality: np.ndarray, rows: Sequence[int], count: int
) -> dict[str, np.ndarray]:
    """Compute Deita's score of each row: the sum over its exchanges of complexity x quality.

    A row has no score where one of its exchanges was not rated; the public code takes 3.0 for that rating.

    Args:
        complexity (`np.ndarray`): (M,) float64, `expected_ratings` of the exchanges' instructions.
        quality (`np.ndarray`): (M,) float64, of their answers.
        rows (`Sequence[int]`): (M,) the row of each exchange.
        count (`int`): Rows, N.

    Returns:
        `dict[str, np.ndarray]`: (N,) float64 each: `deita`, and the means over the row's exchanges `deita_complexity`
        and `deita_quality`; nan for a row without a rated exchange.
    """
    numbers = np.asarray(rows, dtype=np.int64)
    exchanges = np.bincount(numbers, minlength=count)
    sums = {
        name: np.bincount(numbers, weights=values, minlength=count)
        for name, values in (("", complexity * quality), ("_complexity", complexity), ("_quality", quality))
    }
    # A nan among the exchanges of a row makes its sum nan.
    divisors = {"": np.ones(count), "_complexity": exchanges, "_quality": exchanges}
    return {
        f"deita{name}": np.where(exchanges > 0, values / np.maximum(divisors[name], 1), np.nan)
        for name, values in sums.items()
    }
