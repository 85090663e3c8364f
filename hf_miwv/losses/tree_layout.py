"""How trees lie in a packed sequence: which tokens each token may see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch


class Segment(NamedTuple):
    """Tokens start..end of a packed sequence; the path to them is trunk..trunk + fork before."""

    start: int
    end: int
    trunk: int
    fork: int  # 0: the segment is itself a trunk


class Paths(NamedTuple):
    """Hold the S segments as sequences of different lengths, for a kernel that takes all at once."""

    keys: torch.Tensor  # (P,) places of what each segment sees, one path behind the other
    query_ends: torch.Tensor  # (S + 1,) int32: 0, then the end of each segment's own tokens
    key_ends: torch.Tensor  # (S + 1,) int32: the same of each path in `keys`
    max_queries: int
    max_keys: int


@dataclass
class Layout:
    """Hold the segments of a packed sequence, in order and without gaps."""

    segments: list[Segment]
    windows: set[int | None]  # the sliding windows that the model's layers ask for are added here
    _masks: dict[tuple[Any, ...], torch.Tensor] = field(default_factory=dict)
    _paths: dict[Any, Paths] = field(default_factory=dict)

    def mask(self, segment: Segment, window: int | None, device: Any) -> torch.Tensor | None:
        """Return the mask of a segment, (S, fork + S) bool.

        Token i of the segment sees token j of its path if fork + i - window < j <= fork + i; None where
        plain causal attention says the same.

        Args:
            segment (`Segment`): A segment of S tokens.
            window (`int`, *optional*): Tokens that a token sees, itself included; None for all.
            device (`torch.device`): Where the mask is made.

        Returns:
            `torch.Tensor | None`: The mask, made once for all segments of the same shape.
        """
        size = segment.end - segment.start
        narrow = window if window is not None and window < segment.fork + size else None
        if segment.fork == 0 and narrow is None:
            return None
        key = (size, segment.fork, narrow, device)
        # Every layer asks for the same masks, and rows of equal lengths share them.
        if key not in self._masks:
            mask = torch.ones(size, segment.fork + size, dtype=torch.bool, device=device)
            mask = mask.tril(segment.fork)
            self._masks[key] = mask if narrow is None else mask.triu(segment.fork - narrow + 1)
        return self._masks[key]

    def paths(self, device: Any) -> Paths:
        """Return the segments as `Paths`, made once for each device.

        Args:
            device (`torch.device`): Device of the tensors.

        Returns:
            `Paths`: The segments.
        """
        if device not in self._paths:
            self._paths[device] = _paths(self.segments, device)
        return self._paths[device]


_layout: ContextVar[Layout] = ContextVar("layout")


@contextmanager
def attending(layout: Layout) -> Iterator[None]:
    """Set the layout of the packed sequence that the model is run on within.

    Args:
        layout (`Layout`): The layout.
    """
    token = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(token)


def current_layout() -> Layout:
    """Return the layout that the model is being run on."""
    return _layout.get()


def _paths(segments: Sequence[Segment], device: Any) -> Paths:
    start, end, trunk, fork = np.array(segments, dtype=np.int64).T
    segment_lengths = end - start
    key_ends = np.concatenate([[0], np.cumsum(fork + segment_lengths)])
    within = np.arange(key_ends[-1]) - np.repeat(key_ends[:-1], fork + segment_lengths)
    # the first `fork` of a path lie at the trunk's beginning, the rest at the segment's
    before = within < np.repeat(fork, fork + segment_lengths)
    keys = within + np.where(
        before, np.repeat(trunk, fork + segment_lengths), np.repeat(start - fork, fork + segment_lengths)
    )
    return Paths(
        torch.from_numpy(keys).to(device),
        torch.from_numpy(np.concatenate([[0], end]).astype(np.int32)).to(device),
        torch.from_numpy(key_ends.astype(np.int32)).to(device),
        int(segment_lengths.max()),
        int((fork + segment_lengths).max()),
    )
