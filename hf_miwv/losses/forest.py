"""The passes of all rows as trees, so that tokens which two passes share are run once.

The one-shot pass of row i begins, token for token, with the zero-shot pass of its neighbor k. So
row k is run once, as the trunk of a tree, and every row whose neighbor it is goes on from it: with
K neighbors (1 + K) x T0 tokens in all (T0: tokens of all rows alone), against (1 + 2K) x T0 for each
pass alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from hf_miwv.common.models.rope import CHANGES, LengthRule
from hf_miwv.common.models.row_tokens import common_prefix_length
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.losses.losses import Branch, Tree

TREE_TOKENS = 2048  # a tree grows to this, or to TRUNKS times its trunk, before another is begun:
MANY_TREE_TOKENS = 3072  # the same with several neighbors, where a row is the trunk of as many branches more
TRUNKS = 4  # a second tree costs its trunk again, but an endless one could not be halved for memory
LEAST_SHARED = 16  # tokens; to share less is not worth a branch


class Unit(NamedTuple):
    """Hold the passes that are run as one tree, by pass numbers (see Passes).

    Attributes:
        trunk (`int`): Number of the pass that is the trunk.
        scored (`bool`): Whether the trunk's own loss is wanted.
        branches (`tuple[int, ...]`): Numbers of the passes that go on from it.
        forks (`tuple[int, ...]`): Tokens of the trunk that each of them shares.
        tokens (`int`): Tokens of the tree.
    """

    trunk: int
    scored: bool
    branches: tuple[int, ...]
    forks: tuple[int, ...]
    tokens: int


@dataclass
class Forest:
    """Hold all passes as units, each pass scored once."""

    passes: Passes
    packed: bool = True  # False: the model's own attention, and no unit has branches
    units: list[Unit] = field(default_factory=list)
    reuse: Counter[str] = field(default_factory=Counter)  # one-shot passes by what they share

    @property
    def lengths(self) -> np.ndarray:
        """Return (U,) tokens of each unit."""
        return np.array([unit.tokens for unit in self.units], dtype=np.int64)

    def outputs(self, index: int) -> list[int]:
        """List the passes whose losses a unit computes, in the order in which it returns them.

        Args:
            index (`int`): Number of the unit.

        Returns:
            `list[int]`: Numbers of the passes.
        """
        unit = self.units[index]
        return [unit.trunk, *unit.branches] if unit.scored else list(unit.branches)

    def tree(self, index: int) -> Tree:
        """Return the token ids of a unit.

        Args:
            index (`int`): Number of the unit.

        Returns:
            `Tree`: The ids.
        """
        unit = self.units[index]
        trunk = self.passes[unit.trunk]
        branches = []
        for number, fork in zip(unit.branches, unit.forks, strict=True):
            ids, response = self.passes[number]
            branches.append(Branch(fork, ids[fork:], response))
        return Tree(trunk.ids, trunk.response if unit.scored else 0, tuple(branches))


def grow_forest(
    passes: Passes,
    neighbors: np.ndarray,
    *,
    tree_tokens: int = TREE_TOKENS,
    obstacle: str | None = None,
    rule: LengthRule | None = None,
) -> Forest:
    """Put every pass that can be run into units.

    Args:
        passes (`Passes`): The (1 + K) N passes of N rows.
        neighbors (`np.ndarray`): (N,) or (N, K), the row whose zero-shot pass each one-shot pass may go on from.
        tree_tokens (`int`, *optional*, defaults to `2048`): A tree takes no further branch beyond this
            many tokens (or beyond TRUNKS times its trunk); the trunk is then run again in another tree.
        obstacle (`str`, *optional*): Why no pass may share with another (the model or its attention does
            not allow).
        rule (`LengthRule`, *optional*): For models whose rotary frequencies hang on the length of a pass:
            two passes share only where theirs are the same, as in the pass that each would be alone.

    Returns:
        `Forest`: The units, and how many one-shot passes share what.
    """
    forest = Forest(passes, packed=obstacle is None)
    # Passes of two length classes are rotated otherwise: one is not the beginning of the other.
    classes = None if rule is None else rule.classes(passes.whole_lengths)
    rows, lengths = len(passes.responses), passes.lengths
    children: list[list[tuple[int, int]]] = [[] for _ in range(rows)]
    alone: list[int] = []
    trunks = neighbors.reshape(-1)
    for number in (rows + np.flatnonzero(lengths[rows:])).tolist():
        neighbor = int(trunks[number - rows])
        differs = classes is not None and classes[neighbor] != classes[number]
        fork, shared = _fork(passes, number, neighbor, obstacle or (CHANGES if differs else None))
        forest.reuse[shared] += 1
        if fork:
            children[neighbor].append((number, fork))
        else:
            alone.append(number)
    for row in range(rows):
        forest.units += _units(passes, row, bool(lengths[row]), children[row], tree_tokens)
    forest.units += [Unit(number, True, (), (), int(lengths[number])) for number in alone]
    return forest


def _fork(passes: Passes, number: int, neighbor: int, obstacle: str | None) -> tuple[int, str]:
    """Count the tokens that a one-shot pass shares with its neighbor's zero-shot pass.

    0 where it runs alone. Also says so in words.
    """
    if obstacle:
        return 0, f"nothing: {obstacle}"
    one_shot = passes[number]
    trunk = passes[neighbor].ids
    context_length = len(one_shot.ids) - one_shot.response  # the response itself is never shared
    shared = common_prefix_length(trunk, one_shot.ids[:context_length])
    if shared == len(trunk):
        return shared, "all of the neighbor's pass"
    openings = passes.openings
    opens_otherwise = openings is not None and openings[passes.row_of(number)] != openings[neighbor]
    # A branch costs a segment of its own in every layer, so a few shared tokens save nothing.
    if shared < LEAST_SHARED:
        if number in passes.trimmed:
            return 0, "nothing: the demonstration is trimmed"
        if opens_otherwise:
            return 0, "nothing: its own system turn or tools come first"
        return 0, "nothing: the template rewrites it"
    if opens_otherwise:
        return shared, "the beginning: its own system turn or tools come first"
    return shared, "the beginning: the template rewrites the rest"


def _units(passes: Passes, row: int, scored: bool, children: list[tuple[int, int]], tree_tokens: int) -> list[Unit]:
    """Make the trees of one trunk: as few as the limit on their size allows."""
    trunk = len(passes[row].ids)
    limit = max(tree_tokens, TRUNKS * trunk)
    groups: list[list[tuple[int, int]]] = [[]]
    tokens = trunk
    for number, fork in children:
        more = len(passes[number].ids) - fork
        # A new tree runs its trunk again; without a limit a popular neighbor would make one that fits no memory.
        if groups[-1] and tokens + more > limit:
            groups.append([])
            tokens = trunk
        groups[-1].append((number, fork))
        tokens += more
    units = []
    for position, group in enumerate(groups):
        if not group and not scored:
            continue
        extra = sum(len(passes[number].ids) - fork for number, fork in group)
        units.append(
            Unit(
                row,
                scored and position == 0,
                tuple(number for number, _ in group),
                tuple(fork for _, fork in group),
                trunk + extra,
            )
        )
    return units
