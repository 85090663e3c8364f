"""One round of DiverseEvol (arXiv 2311.08182): rows in the order of greedy k-center."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hf_miwv.neighbors.farthest_first import farthest_first

MAX_CENTERS = 10_000  # rows that are ordered (ours): 15 % of 63,655 are 9,548, and each costs 2 N D operations
STARTS = 100  # rows that are drawn before the first far one, the paper's; here at most a hundredth of all (ours)


def kcenter_order(means: np.ndarray, keys: Sequence[bytes], device: torch.device | str = "cpu") -> np.ndarray:
    """Order rows by greedy k-center on their mean last hidden state, after some that are drawn.

    DiverseEvol begins with 100 random rows, and ten times tunes the model, embeds all rows anew by the mean last
    hidden state over the whole sequence, and adds the 100 farthest. This is one round, by the states of the
    untuned model, which the rows' own passes have anyway: prompt and response, by Euclidean distance. The states
    are those that go into the output layer. The draw is by the rows' keys.

    Args:
        means (`np.ndarray`): (N, D) float32.
        keys (`Sequence[bytes]`): N digests of the rows' content.
        device (`torch.device | str`, *optional*, defaults to `"cpu"`): Device of the products.

    Returns:
        `np.ndarray`: (min(N, MAX_CENTERS),) int64 positions.
    """
    drawn = sorted(range(len(keys)), key=keys.__getitem__)
    starts = drawn[: max(1, min(STARTS, len(keys) // 100))]
    return farthest_first(means, starts, MAX_CENTERS, device)
