"""The batch plan: which sequences are run together, fixed on disk before the first batch."""

from __future__ import annotations

import numpy as np


class BatchPlan:
    """Sequences in falling length, cut into batches by a token budget.

    A batch is as many sequences, in order, as fit `budget` tokens with padding: (number in the
    batch) x (longest in the batch) <= budget; one sequence alone may exceed it. The longest come
    first, so that a lack of memory shows at once. `budgets` is a list of (position in the order,
    budget from there on): the first entry is the budget that was asked for, later ones are made
    by `halve` after an out-of-memory error. Order and budgets determine every batch, so a resumed
    run repeats the same batches to the last bit.
    """

    def __init__(
        self, lengths: np.ndarray, order: np.ndarray, budgets: list[tuple[int, int]]
    ) -> None:
        self.order = order
        self.budgets = budgets
        self._lengths = lengths[order]

    @classmethod
    def new(cls, lengths: np.ndarray, budget: int) -> BatchPlan:
        """The plan for sequences of these lengths (N,), ties in their given order."""
        return cls(lengths, np.argsort(-lengths, kind="stable"), [(0, budget)])

    def batch_end(self, start: int) -> int:
        """The position after the batch that begins at `start`."""
        budget = self._budget(start)
        fits = max(1, budget // max(1, int(self._lengths[start])))
        later = [position for position, _ in self.budgets if position > start]
        return min(start + fits, len(self.order), *later)

    def halve(self, start: int) -> bool:
        """Half the budget from `start` on; False where the batch there is one sequence already."""
        size = self.batch_end(start) - start
        if size <= 1:
            return False
        longest = int(self._lengths[start])
        self.budgets.append((start, min(self._budget(start) // 2, (size // 2) * longest)))
        return True

    def _budget(self, start: int) -> int:
        return [budget for position, budget in self.budgets if position <= start][-1]
