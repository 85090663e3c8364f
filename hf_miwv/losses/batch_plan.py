"""The batch plan: which sequences are run together, fixed on disk before the first batch."""

from __future__ import annotations

import numpy as np


class BatchPlan:
    """Hold sequences in falling length, cut into batches by a token budget.

    A batch is as many sequences, in order, as fit `budget` tokens: packed, their sum; padded, (number in the batch) x
    (longest in the batch). One sequence alone may exceed it. The longest come first, so that a lack of memory shows at
    once. Order and budgets determine every batch, so a resumed run repeats the same batches to the last bit.

    Args:
        lengths (`np.ndarray`): (N,) tokens of each sequence.
        order (`np.ndarray`): Indices of the sequences to run, in falling length.
        budgets (`list[tuple[int, int]]`): (position in the order, tokens of a batch from there on): first the
            budget that was asked for, then those that `halve` made after an out-of-memory error.
        packed (`bool`, *optional*, defaults to `False`): Whether the sequences of a batch lie one behind the
            other, without padding.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        order: np.ndarray,
        budgets: list[tuple[int, int]],
        packed: bool = False,
    ) -> None:
        self.order = order
        self.budgets = budgets
        self.packed = packed
        self._lengths = lengths[order]
        self._sums = np.concatenate([[0], np.cumsum(self._lengths)])

    @classmethod
    def new(cls, lengths: np.ndarray, budget: int, packed: bool = False) -> BatchPlan:
        """Make the plan for N sequences, ties in their order.

        Args:
            lengths (`np.ndarray`): (N,) tokens of each sequence.
            budget (`int`): Tokens of a batch, at most.
            packed (`bool`, *optional*, defaults to `False`): Whether batches are packed, or padded.

        Returns:
            `BatchPlan`: The plan.
        """
        return cls(lengths, np.argsort(-lengths, kind="stable"), [(0, budget)], packed)

    def batch_end(self, start: int) -> int:
        """Return the position after the batch that begins at `start`.

        Args:
            start (`int`): Position in the order.

        Returns:
            `int`: The position.
        """
        budget = self._budget(start)
        if self.packed:
            end = int(np.searchsorted(self._sums, self._sums[start] + budget, side="right")) - 1
        else:
            end = start + budget // max(1, int(self._lengths[start]))
        # A batch ends where a later budget begins, so that batches that were run before a halving stay the same.
        later = [position for position, _ in self.budgets if position > start]
        return min(max(end, start + 1), len(self.order), *later)

    def tokens(self, start: int, end: int) -> int:
        """Count the tokens that the model is run on for the batch start..end, padding included.

        Args:
            start (`int`): First position of the batch.
            end (`int`): Position after its last.

        Returns:
            `int`: Tokens.
        """
        if self.packed:
            return int(self._sums[end] - self._sums[start])
        return (end - start) * int(self._lengths[start])

    def halve(self, start: int) -> bool:
        """Halve the budget from `start` on; return False where the batch is one sequence already.

        Args:
            start (`int`): Position of the batch that did not fit into memory.

        Returns:
            `bool`: Whether the budget could be halved.
        """
        size = self.batch_end(start) - start
        if size <= 1:
            return False
        # Halving the budget alone might leave the batch as it was, where rows are short of it.
        half = self.tokens(start, start + size // 2)
        self.budgets.append((start, min(self._budget(start) // 2, half)))
        return True

    def _budget(self, start: int) -> int:
        return [budget for position, budget in self.budgets if position <= start][-1]
