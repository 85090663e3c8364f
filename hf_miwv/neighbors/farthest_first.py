"""Points -> an order in which each is the farthest from all before it; centers of groups of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

ROUNDS = 20  # of the group centers, at most (ours)


def farthest_first(
    points: np.ndarray, starts: Sequence[int], count: int, device: torch.device | str = "cpu"
) -> np.ndarray:
    """Order points greedily: after the starts, always the point with the largest distance to those before it.

    next = argmax over i of min over j taken of |p_i - p_j|, of equals the first: the greedy k-center of
    DiverseEvol (arXiv 2311.08182), by Euclidean distance. 2 N D operations for each point taken.

    Args:
        points (`np.ndarray`): (N, D) float32.
        starts (`Sequence[int]`): Points that are taken first, at least one.
        count (`int`): Points to take, the starts among them.
        device (`torch.device | str`, *optional*, defaults to `"cpu"`): Device of the products.

    Returns:
        `np.ndarray`: (min(count, N),) int64 positions, in the order in which they are taken.
    """
    vectors = torch.from_numpy(np.ascontiguousarray(points)).to(device)
    norms = (vectors * vectors).sum(dim=1)
    nearest = torch.full((len(vectors),), torch.inf, device=vectors.device)  # squared distance to those taken
    order: list[int] = []
    for step in range(min(count, len(vectors))):
        # torch.argmax takes any of equals; max takes the first.
        row = int(starts[step]) if step < len(starts) else int(nearest.max(dim=0).indices)
        order.append(row)
        nearest = torch.minimum(nearest, (norms + norms[row] - 2 * (vectors @ vectors[row])).clamp(min=0))
        nearest[order] = -1  # a copy of a point taken has distance 0, and is still behind no point
    return np.array(order, dtype=np.int64)


def group_centers(points: np.ndarray, start: int, count: int) -> np.ndarray:
    """Find the points nearest to the centers of `count` groups, by k-means.

    Begun with `farthest_first`, so that no running generator has a say (ours), then Lloyd's rounds until no
    point changes its group, ROUNDS at most.

    Args:
        points (`np.ndarray`): (N, D) float32.
        start (`int`): The first center.
        count (`int`): Groups.

    Returns:
        `np.ndarray`: (A,) int64 positions, ascending, A <= count: two centers may have one nearest point.
    """
    centers = points[farthest_first(points, [start], count)].astype(np.float64)
    groups = None
    for _ in range(ROUNDS):
        latest = _squared_distances(points, centers).argmin(axis=1)
        if groups is not None and np.array_equal(latest, groups):
            break
        groups = latest
        for group in range(len(centers)):
            if (groups == group).any():
                centers[group] = points[groups == group].mean(axis=0, dtype=np.float64)
    return np.unique(_squared_distances(points, centers).argmin(axis=0))


def _squared_distances(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return (N, K) squared distances."""
    norms = np.einsum("nd,nd->n", points, points)[:, None] + (centers * centers).sum(axis=1)
    return norms - 2 * (points @ centers.astype(np.float32).T)
