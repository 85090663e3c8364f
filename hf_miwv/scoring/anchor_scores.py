"""Nuggets (arXiv 2312.10302): how many anchor rows each row helps as their worked example."""

from __future__ import annotations

import numpy as np

from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.losses.shared_responses import SharedResponses
from hf_miwv.prompts.choose_prompts import Prompts
from hf_miwv.prompts.tokenization import TokenizedRows

ANCHORS = 8  # rows (ours; the paper has 100): each is one more pass behind every row


def anchor_passes(
    passes: Passes, table: TokenizedRows, anchors: np.ndarray, prompts: Prompts, max_length: int
) -> SharedResponses:
    """Put each anchor row behind each row as its worked example; the row is the trunk of these passes.

    An anchor is not put behind itself (ours), nor behind a row without a response. A row is cut on its left
    where it leaves the anchor no room, and then shares nothing.

    Args:
        passes (`Passes`): The passes of the N rows alone.
        table (`TokenizedRows`): The N rows.
        anchors (`np.ndarray`): (A,) rows.
        prompts (`Prompts`): The template with its tokenizer.
        max_length (`int`): Tokens of a pass, at most.

    Returns:
        `SharedResponses`: N trunks with A passes each.
    """
    responses = TokenTable(passes.responses[anchor] for anchor in anchors.tolist())
    behind = SharedResponses(TokenTable(), shared=responses)
    rows = [(anchor, table[anchor], len(passes.responses[anchor])) for anchor in anchors.tolist()]
    for index in range(len(table)):
        row = table[index]
        contexts: list[list[int]] = []
        for anchor, anchor_row, length in rows:
            is_run = index != anchor and not table.empty[index] and length > 0
            context = prompts.one_shot(anchor_row, row, max_length - length)[0] if is_run else None
            contexts.append(context or [])
        trunk = [*row.tokens.prompt, *row.tokens.response][:max_length]
        behind.append(trunk if any(contexts) else [], contexts)
    return behind


def helped_anchors(zero_shot: np.ndarray, behind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute of each row the share of anchors that it helps, and by how much on average.

    share(z) = mean over anchors a of [L(y_a|x_a, z) < L(y_a|x_a)]: the mean log-probability of the anchor's
    response rises with z before it. Anchors whose loss behind z is not known are not counted.

    Args:
        zero_shot (`np.ndarray`): (A,) float64, L(y_a|x_a) in nats per response token.
        behind (`np.ndarray`): (N, A) float64, L(y_a|x_a, z), nan where unknown.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: (N,) float64 in [0, 1], and (N,) float64 nats; nan where no anchor counts.
    """
    gains = zero_shot - behind
    known = np.isfinite(gains)
    count = known.sum(axis=1)
    share = np.where(known, gains > 0, False).sum(axis=1) / np.maximum(count, 1)
    mean = np.where(known, gains, 0).sum(axis=1) / np.maximum(count, 1)
    return np.where(count > 0, share, np.nan), np.where(count > 0, mean, np.nan)
