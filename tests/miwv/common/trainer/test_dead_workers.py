"""A process that loads batches and is killed: told, with what is kept, by the words torch really uses."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.trainer.checkpoints import MARK
from hf_miwv.common.trainer.dead_workers import explained_dead_workers


class Deadly(Dataset[int]):
    """Rows whose reading ends the process that reads them."""

    def __init__(self, killed: bool) -> None:
        self._killed = killed

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        if self._killed:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)


@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize(
    ("checkpoint", "words"),
    [("checkpoint-3", "checkpoint-3 is kept, and the same command goes on"), (None, "no checkpoint was there yet")],
)
def test_the_death_of_a_worker_is_told(killed: bool, checkpoint: str | None, words: str, tmp_path: Path) -> None:
    if checkpoint is not None:
        (tmp_path / checkpoint).mkdir()
        (tmp_path / checkpoint / MARK).touch()
    with pytest.raises(InputError, match=words), explained_dead_workers(tmp_path):
        list(DataLoader(Deadly(killed), num_workers=1))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes do not fit"), explained_dead_workers(tmp_path):
        raise RuntimeError("shapes do not fit")
