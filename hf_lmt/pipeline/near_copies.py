"""Near duplicates of all tasks: signed, dealt to buckets by bands, compared, and connected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hf_lmt.data.curation.near_duplicates import (
    NearDuplicates,
    connected,
    crowded_entries,
    near_pairs,
    rows_stood_for,
)
from hf_lmt.data.curation.signatures import SignedRows, band_hashes, sign_rows
from hf_lmt.data.hashing import direction_codes, direction_column
from hf_lmt.pipeline.rows_left import SurveyTask
from hf_lmt.pipeline.sharded_work import ROW, ShardedWork, buckets_of, write_array
from hf_miwv.common.executors.run_stages import Stage

ENTRY = np.dtype([("group", "u8"), ("position", "i8")])  # position: among the signed rows of its task
SIGNED = "near-signed"  # a folder for each task
SIGNED_FILES = ("signatures.bin", "keys.bin")  # in it: the fields of `signatures.Signed`
DEALT = 2_000_000  # entries that are held before they are dealt to the files of buckets
COMPARED = 20_000_000  # entries that are compared at a time, in expectation


@dataclass(frozen=True)
class NearCopies:
    """Survey rows of a direction that are nearly the same.

    Args:
        threshold (`float`): As in `NearDuplicates`.
    """

    threshold: float
    name: str = "near-duplicates"
    step: str = NearDuplicates.name
    reason: str = str(NearDuplicates.words[1])

    def dealing(self, work: ShardedWork) -> SignRows:
        """Make the step that signs rows, and deals their bands.

        Args:
            work (`ShardedWork`): What every task knows.

        Returns:
            `SignRows`: The last step of a stage.
        """
        return SignRows(work, self)

    def finding(self, work: ShardedWork, file: int) -> list[Stage]:
        """List the stage that compares the rows of a bucket, and the one of one task that connects pairs.

        Args:
            work (`ShardedWork`): What every task knows.
            file (`int`): Number of the writing that rows are in.

        Returns:
            `list[Stage]`: The stages, in their order.
        """
        return [
            Stage(f"find-{self.name}", [FindNear(work, self)], work.tasks, work.describe),
            Stage(f"connect-{self.name}", [ConnectNear(work, self)], 1, work.describe),
        ]


class SignRows(SurveyTask[NearCopies]):
    """Write the signatures of the rows of a task, and deal their bands to buckets."""

    type = "🫂 - DEDUP"

    def _task(self, data: Iterator[pa.Table], rank: int) -> None:
        columns, count, waiting = self.work.columns(), 0, 0
        with ExitStack() as stack:
            folder = stack.enter_context(self.work.whole_folder(SIGNED, rank))
            files = [stack.enter_context(open(folder / name, "wb")) for name in SIGNED_FILES]
            entries: list[np.ndarray] = []
            for batch, direction in _by_direction(data):
                signed = sign_rows(batch.select(columns), batch[ROW].to_numpy(), NearDuplicates.name)
                for file, values in zip(files, signed, strict=True):
                    file.write(values.tobytes())
                for hashes in band_hashes(signed.signatures, direction, self.survey.threshold):
                    part = np.empty(len(hashes), ENTRY)
                    part["group"], part["position"] = hashes, np.arange(count, count + len(hashes))
                    entries.append(part)
                    waiting += len(hashes)
                count += len(signed.keys)
                if waiting >= DEALT:
                    self._deal(np.concatenate(entries), folder)
                    entries, waiting = [], 0
            self._deal(np.concatenate([np.zeros(0, ENTRY), *entries]), folder)
        self.stat_update("signed", value=count)

    def _deal(self, entries: np.ndarray, folder: Path) -> None:
        """Append entries to the files of their buckets."""
        numbers = buckets_of(entries["group"], self.work.tasks)
        order = np.argsort(numbers, kind="stable")
        ends = np.searchsorted(numbers[order], np.arange(self.work.tasks), "right")
        for bucket, part in enumerate(np.split(entries[order], ends[:-1])):
            with open(_bands_path(folder, bucket), "ab") as file:
                file.write(part.tobytes())


class FindNear(SurveyTask[NearCopies]):
    """Compare the rows that share a band of a bucket, and write the pairs that are alike."""

    type = "🫂 - DEDUP"

    def _task(self, data: Any, rank: int) -> None:
        paths = [_bands_path(self.work.path(SIGNED, f"{task:05d}"), rank) for task in range(self.work.tasks)]
        parts = 1 + sum(path.stat().st_size for path in paths) // (COMPARED * ENTRY.itemsize)
        rows, pairs = _signed_rows(self.work), np.zeros((2, 0), np.int64)
        for part in range(parts):
            groups, positions = [], []
            for path, first in zip(paths, rows.firsts.tolist(), strict=False):
                entries = np.fromfile(path, ENTRY)
                # A part is a range of the bucket's hashes, so that rows of one hash are in one part.
                entries = entries[buckets_of(entries["group"], self.work.tasks * parts) == rank * parts + part]
                groups.append(entries["group"])
                positions.append(entries["position"] + first)
            all_groups, all_positions = np.concatenate(groups), np.concatenate(positions)
            crowded = crowded_entries(all_groups)
            pairs_of_part = near_pairs(rows, all_positions[crowded], all_groups[crowded], self.survey.threshold)
            pairs = connected(np.concatenate((pairs, pairs_of_part), axis=1))
        write_array(self.work.path("near-pairs", f"{rank:05d}.npy"), pairs)


class ConnectNear(SurveyTask[NearCopies]):
    """Connect the pairs of all buckets, and say which rows go: those that a better one stands for."""

    type = "🫂 - DEDUP"

    def _task(self, data: Any, rank: int) -> None:
        pairs = np.zeros((2, 0), np.int64)
        for bucket in range(self.work.tasks):
            pairs_of_bucket = np.load(self.work.path("near-pairs", f"{bucket:05d}.npy"), allow_pickle=False)
            pairs = connected(np.concatenate((pairs, pairs_of_bucket), axis=1))
        rows = _signed_rows(self.work)
        gone = rows_stood_for(rows, pairs)
        task_of_row = np.searchsorted(rows.firsts, gone, "right") - 1
        for task in range(self.work.tasks):
            self.work.write_gone(self.survey.name, task, "all", rows.keys(gone[task_of_row == task])["row"])
        self.stat_update("dropped", value=len(gone))


def _by_direction(blocks: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, str]]:
    """Yield the rows of each direction of the blocks, with its name."""
    for block in blocks:
        if not len(block):
            continue
        directions = direction_column(block)
        for code, name in enumerate(directions.dictionary.to_pylist()):
            yield block.filter(pa.array(direction_codes(directions) == code)), name


def _bands_path(folder: Path, bucket: int) -> Path:
    return folder / f"bands-{bucket:05d}.bin"


def _signed_rows(work: ShardedWork) -> SignedRows:
    """Return the signed rows of all tasks."""
    folders = [work.path(SIGNED, f"{task:05d}") for task in range(work.tasks)]
    return SignedRows(*([folder / name for folder in folders] for name in SIGNED_FILES))
