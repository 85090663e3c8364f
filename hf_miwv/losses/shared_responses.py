"""The same few responses behind each of many contexts: every context is run once, as a trunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.losses.demonstrations import Pass, Passes


@dataclass
class SharedResponses(Passes):
    """Hold N (1 + A) passes: pass i is trunk i, which has nothing to score; pass N + iA + a response a behind i.

    `zero_shot` holds the trunks, `one_shot` what stands before response a of trunk i (number iA + a), empty
    where such a pass cannot be run; `responses` is N times empty, so that no trunk is scored.
    """

    shared: TokenTable = field(default_factory=TokenTable)  # A responses
    rows: Sequence[int] | None = None  # (N,) the row that a trunk is of, where there may be several of one row

    def __getitem__(self, index: int) -> Pass:
        trunks = len(self.zero_shot)
        if index < trunks:
            return Pass(self.zero_shot[index], 0)
        response = self.shared[(index - trunks) % len(self.shared)]
        return Pass(self.one_shot[index - trunks] + response, len(response))

    def row_of(self, index: int) -> int:
        """Return the row that the trunk of a pass is of.

        Args:
            index (`int`): Number of the pass.

        Returns:
            `int`: Number of the row.
        """
        trunk = super().row_of(index)
        return trunk if self.rows is None else self.rows[trunk]

    @property
    def whole_lengths(self) -> np.ndarray:
        """Return ((1 + A) N,) tokens of each pass as a trunk or path."""
        return np.concatenate([self.zero_shot.lengths, self._path_lengths])

    @property
    def lengths(self) -> np.ndarray:
        """Return ((1 + A) N,) tokens of each pass, 0 where it is not run by itself."""
        return np.concatenate([np.zeros(len(self.zero_shot), dtype=np.int64), self._path_lengths])

    @property
    def _path_lengths(self) -> np.ndarray:
        contexts = self.one_shot.lengths
        responses = np.tile(self.shared.lengths, len(self.zero_shot))
        return np.where((contexts > 0) & (responses > 0), contexts + responses, 0)

    def trunk_numbers(self) -> np.ndarray:
        """Return (N, A) the trunk that each pass goes on from, as `grow_forest` wants it."""
        return np.repeat(np.arange(len(self.zero_shot))[:, None], len(self.shared), axis=1)

    def append(self, trunk: list[int], contexts: list[list[int]]) -> None:
        """Add a trunk and what stands before each response.

        Args:
            trunk (`list[int]`): Token ids.
            contexts (`list[list[int]]`): A lists of ids, empty for a pass that cannot be run.
        """
        self.zero_shot.append(trunk)
        self.responses.append([])
        for context in contexts:
            self.one_shot.append(context)
