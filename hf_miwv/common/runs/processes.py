"""Several processes at one job, as `accelerate launch` starts them; alone, all of it is trivial."""

from __future__ import annotations

import atexit
import os
from typing import Any, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")


class Processes(NamedTuple):
    """Number the processes at one job.

    Attributes:
        rank (`int`): Number of this process, from 0.
        world (`int`): Number of processes.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def launched(cls) -> Processes:
        """Read the launcher's environment; join the group of processes if it names one.

        Returns:
            `Processes`: This process among those that the launcher started.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) < 2:
            return cls()
        import torch
        from accelerate import PartialState

        state = PartialState(cpu=not torch.cuda.is_available())
        atexit.register(state.destroy_process_group)  # or the process may abort as it ends
        return cls(state.process_index, state.num_processes)

    @property
    def first(self) -> bool:
        """Check whether this process is number 0, which reads, writes and logs for all."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, by rank, on every process.

        Args:
            value (`T`): This process's value; pickled between processes.

        Returns:
            `list[T]`: The values.
        """
        if self.world == 1:
            return [value]
        from accelerate.utils import gather_object

        return gather_object([value])

    def agree(self, value: T) -> T:
        """Return the first process's value, on every process.

        Args:
            value (`T`): This process's value; those of others than the first are ignored.

        Returns:
            `T`: The first one's value.
        """
        return self.gather(value)[0]

    def deal(self, sizes: np.ndarray) -> np.ndarray:
        """Deal items to the processes: the largest first, each to the process with the least so far.

        So all have about the same total.

        Args:
            sizes (`np.ndarray`): (N,) int64 sizes of the items.

        Returns:
            `np.ndarray`: Indices of this process's items, ascending.
        """
        owner = np.zeros(len(sizes), dtype=np.int64)
        totals = [0] * self.world
        for item in np.argsort(-sizes, kind="stable").tolist() if self.world > 1 else ():
            owner[item] = totals.index(min(totals))
            totals[owner[item]] += int(sizes[item])
        return np.flatnonzero(owner == self.rank)

    def name(self) -> str:
        """Return the name of this process: process-0-of-1."""
        return f"process-{self.rank}-of-{self.world}"


def gather_dict(processes: Processes, values: dict[Any, Any]) -> dict[Any, Any]:
    """Merge every process's dictionary into one.

    Args:
        processes (`Processes`): The processes.
        values (`dict[Any, Any]`): This process's dictionary.

    Returns:
        `dict[Any, Any]`: All of them; of equal keys that of the last process.
    """
    return {key: value for part in processes.gather(values) for key, value in part.items()}
