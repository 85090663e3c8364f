"""SelectIT (arXiv 2402.16705): the model to be tuned rates each row from 1 to 5, and how sure it is counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from hf_miwv.common.models.row_tokens import TokenTable, encode, start_tokens
from hf_miwv.losses.shared_responses import SharedResponses
from hf_miwv.rows.rows import Rows

RATINGS = ("1", "2", "3", "4", "5")
ALPHA = 0.2  # weight of the spread over the prompts, the paper's
# Five prompts, as many as the paper's, in words of our own.
RATING_PROMPTS = (
    "Here are an instruction and a response. How well does the response do what the instruction asks? Rate it from 1, "
    "not at all, to 5, completely. Answer with 1 to 5.",
    "You judge examples for teaching a language model. How much would a model learn from the example below, from 1, "
    "nothing, to 5, very much? Answer with 1 to 5.",
    "Read the pair of instruction and response below. Is the response correct, complete and clear? Give one number, "
    "where 1 is bad and 5 is excellent. Answer with 1 to 5.",
    "A careful reader grades answers. Which grade does this answer to the instruction deserve, from 1, useless, to 5, "
    "as good as it can be? Answer with 1 to 5.",
    "Rate the quality of the training example that follows, on a scale from 1, very low, to 5, very high. Answer with "
    "1 to 5.",
)
ANSWER = "\n\nThe answer is:"


def rating_passes(rows: Rows, prompt: str, tokenizer: Any, max_length: int) -> SharedResponses:
    """Put the five ratings behind each row with a rating prompt around it; a rating is a branch of a token or two.

    A response too long for the limit is cut on its right (ours); a row whose instruction alone is too long, or
    that cannot be read, has no pass.

    Args:
        rows (`Rows`): N rows.
        prompt (`str`): The rating prompt.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the model.
        max_length (`int`): Tokens of a pass, at most.

    Returns:
        `SharedResponses`: N trunks with five passes each.
    """
    ratings = encode(tokenizer, [f" {rating}" for rating in RATINGS])
    passes = SharedResponses(TokenTable(), shared=TokenTable(ratings))
    start, end = start_tokens(tokenizer), encode(tokenizer, [ANSWER])[0]
    room = max_length - len(start) - len(end) - max(len(rating) for rating in ratings)
    for block in rows.blocks():
        heads = encode(
            tokenizer, [f"{prompt}\n\nInstruction:\n{example.bare_prompt}\n\nResponse:\n" for example in block]
        )
        responses = encode(tokenizer, [example.shown_response for example in block])
        for example, head, response in zip(block, heads, responses, strict=True):
            is_usable = example.fault is None and len(head) < room and bool(response)
            trunk = [*start, *head, *response[: room - len(head)], *end] if is_usable else []
            passes.append(trunk, [trunk] * len(RATINGS))
    return passes


def token_ratings(losses: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Compute SelectIT's score at token level from the losses of the five ratings.

    P'_k = P(k) / sum over 1..5 of P; S_base = argmax_k P'_k, of equals the lowest;
    S_token = S_base x (1/4) sum over k of |P'_k - P'_S_base|. The public code has a further softmax over these
    probabilities, and fixed token ids; here it is the paper's formula, and a rating may be several tokens.

    Args:
        losses (`np.ndarray`): (N, 5) float64, mean nats per token of the rating.
        lengths (`np.ndarray`): (5,) tokens of each rating.

    Returns:
        `np.ndarray`: (N,) float64 in [0, 5]; nan where a loss is not known.
    """
    known, probabilities = rating_probabilities(losses, lengths)
    highest = probabilities.max(axis=1, keepdims=True)
    sureness = (highest - probabilities).sum(axis=1) / (len(RATINGS) - 1)
    return np.where(known, (probabilities.argmax(axis=1) + 1) * sureness, np.nan)


def rating_probabilities(losses: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute each rating's probability among all ratings.

    Args:
        losses (`np.ndarray`): (N, K) float64, mean nats per token of the K ratings.
        lengths (`np.ndarray`): (K,) tokens of each rating.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: (N,) bool, whether all losses are known, and (N, K) float64 probabilities
        that add up to 1, all equal where they are not.
    """
    log_probabilities = -losses * lengths
    known = np.isfinite(log_probabilities).all(axis=1)
    shifted = np.where(known[:, None], log_probabilities, 0.0)
    # Less the largest, so that very unlikely ratings do not all become 0.
    weights = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return known, weights / weights.sum(axis=1, keepdims=True)


def sentence_ratings(ratings: np.ndarray) -> np.ndarray:
    """Compute SelectIT's score at sentence level: mean over the prompts / (1 + ALPHA x standard deviation).

    The standard deviation is divided by the number of prompts (the paper is silent). Its level of several model
    sizes is left out: one model is tuned here.

    Args:
        ratings (`np.ndarray`): (5, N) float64, `token_ratings` by each prompt.

    Returns:
        `np.ndarray`: (N,) float64; nan where one is not known.
    """
    return ratings.mean(axis=0) / (1 + ALPHA * ratings.std(axis=0))
