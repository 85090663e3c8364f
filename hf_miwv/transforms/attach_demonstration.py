"""The only map transform that knows the whole data set: each row's nearest other row beside it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xxhash
from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.devices import pick_device
from hf_miwv.neighbors.exact import nearest_neighbors
from hf_miwv.neighbors.index import choose_search, indexed_neighbors
from hf_miwv.rows.columns import read_embeddings
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import EMBEDDING_COLUMN, Flag, Shape, recognize
from hf_miwv.transforms.base import (
    DEMONSTRATION,
    RENDERED,
    Batch,
    Transform,
    TypedColumn,
    read_examples,
    refuse_taken,
    score_columns,
    take,
)

ATTACHED = ("row", "neighbor", "neighbor_similarity", "miwv_flags")


class Neighborhood(NamedTuple):
    """Hold the facts that only all N rows together determine.

    Attributes:
        rows_by_key (`Mapping[bytes, Sequence[int]]`): Digest of prompt and response -> the rows that have both.
        neighbors (`np.ndarray`): (N,) the nearest other row of each row.
        cosines (`np.ndarray`): (N,) float32, the cosine with that row.
        flags (`list[list[Flag]]`): (N,) the flags that prompts alone decide.
    """

    rows_by_key: Mapping[bytes, Sequence[int]]
    neighbors: np.ndarray
    cosines: np.ndarray
    flags: list[list[Flag]]


@dataclass
class AttachDemonstration(Transform):
    """Add each row's nearest other row: argmax over j != i of the cosine (arXiv 2511.07074).

    The new columns are `row`, `neighbor` (a `row`), `neighbor_similarity`, `miwv_flags` (of what
    the prompts alone say) and the neighbor's prompt and response as `demonstration_...`:

    Examples:
        >>> AttachDemonstration.from_dataset(embedded)(embedded[:1])           # doctest: +SKIP
        {'row': [0], 'neighbor': [7], 'neighbor_similarity': [0.83], 'miwv_flags': [[]],
         'demonstration_instruction': ['Name a river.'], 'demonstration_input': [''],
         'demonstration_output': ['The Seine']}

    A row is recognized by its rendered prompt and response, wherever it stands. Copies of a row are
    told apart by their index, so a data set that has some needs `with_indices=True`.

    The search runs at the first batch, so a `map` that is a cache hit does not search. `num_proc`
    is refused: every process would search.

    Args:
        dataset (`Dataset`): All rows, with the columns of RenderPrompts and EmbedPrompts. Use
            `from_dataset`, which checks them.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set, for
            rows of another shape.
        search (`str`, *optional*, defaults to `"exact"`): "exact", or "index" (see
            `hf_miwv.neighbors.index`).
        avoid_duplicate_neighbors (`bool`, *optional*, defaults to `False`): Take the nearest row with
            another prompt as the neighbor (ours; in the paper it may have the same).
        device (`str`, *optional*): Where to search; by default the accelerator at hand, else the CPU.

    Raises:
        InputError: A row that is not in the data set, a copy without its index, columns that are
            already present, or what `hf_miwv.neighbors.exact.nearest_neighbors` refuses.
    """

    dataset: Dataset
    _: KW_ONLY
    columns: Mapping[str, str] | None = None
    search: str = "exact"
    avoid_duplicate_neighbors: bool = False
    device: str | None = None

    @classmethod
    def from_dataset(
        cls,
        embedded: Dataset,
        *,
        columns: Mapping[str, str] | None = None,
        search: str = "auto",
        avoid_duplicate_neighbors: bool = False,
        device: str | None = None,
    ) -> AttachDemonstration:
        """Make the step for rows that RenderPrompts and EmbedPrompts went over.

        Args:
            embedded (`Dataset`): All rows, with `rendered_prompt` and `prompt_embedding`.
            columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set, for
                rows of another shape.
            search (`str`, *optional*, defaults to `"auto"`): "exact", "index", or "auto", which decides by
                the number of rows (see `hf_miwv.neighbors.index`).
            avoid_duplicate_neighbors (`bool`, *optional*, defaults to `False`): Take the nearest row with
                another prompt as the neighbor (ours; in the paper it may have the same).
            device (`str`, *optional*): Where to search; by default the accelerator at hand, else the CPU.

        Returns:
            `AttachDemonstration`: The step, to be mapped over the same rows.

        Raises:
            InputError: No single `Dataset`, a missing column, or an unknown search.
        """
        if not isinstance(embedded, Dataset):
            raise InputError(
                f"the rows came as {type(embedded).__name__}; neighbors need the whole set: give "
                'one datasets.Dataset (of a DatasetDict, choose the split: embedded["train"])'
            )
        names = embedded.column_names
        for column, step in ((RENDERED, "RenderPrompts"), (EMBEDDING_COLUMN, "EmbedPrompts")):
            if column not in names:
                raise InputError(f"the rows have no column {column!r}: map {step} first")
        needed = [RENDERED, EMBEDDING_COLUMN, *recognize(names, columns).columns.values()]
        return cls(
            embedded.with_format(None).select_columns(needed),
            columns=columns,
            search=choose_search(len(embedded), search),
            avoid_duplicate_neighbors=avoid_duplicate_neighbors,
            device=device,
        )

    def __call__(self, batch: Batch, indices: Sequence[int] | None = None) -> dict[str, Any]:
        """Return the new columns of B rows: row, neighbor, cosine, flags and the neighbor's columns."""
        names = list(self._shape.columns.values())
        refuse_taken(batch, [*ATTACHED, *(DEMONSTRATION + name for name in names)])
        rows = self._find(batch, indices)
        neighbors = self._neighborhood.neighbors[rows].tolist()
        demonstrations = self.dataset.select_columns(names)[neighbors]
        columns = score_columns(
            {
                "row": rows,
                "neighbor": neighbors,
                "neighbor_similarity": self._neighborhood.cosines[rows].tolist(),
                "miwv_flags": [self._neighborhood.flags[row] for row in rows],
            }
        )
        for name in names:
            feature = self.dataset.features[name]
            columns[DEMONSTRATION + name] = TypedColumn(demonstrations[name], feature)
        return columns

    @cached_property
    def _shape(self) -> Shape:
        return recognize(self.dataset.column_names, self.columns)

    @cached_property
    def _neighborhood(self) -> Neighborhood:
        self.refuse_worker()
        prompts = list(self.dataset[RENDERED])
        groups = np.unique(np.array(prompts, dtype=object), return_inverse=True)[1]
        neighbors, cosines = self._search(groups if self.avoid_duplicate_neighbors else None)
        counts = Counter(prompts)
        flags: list[list[Flag]] = [[] for _ in prompts]
        for row, prompt in enumerate(prompts):
            if counts[prompt] > 1:
                flags[row].append("duplicate_prompt")
            if self.avoid_duplicate_neighbors and groups[row] == groups[neighbors[row]]:
                flags[row].append("duplicate_neighbor")
        rows_by_key: dict[bytes, list[int]] = defaultdict(list)
        examples = (row for block in Rows(self.dataset, self._shape).blocks() for row in block)
        for row, (prompt, example) in enumerate(zip(prompts, examples, strict=True)):
            rows_by_key[_key(prompt, example.shown_response)].append(row)
        return Neighborhood(rows_by_key, neighbors, cosines, flags)

    def _search(self, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        vectors = read_embeddings(self.dataset)
        lengths = np.linalg.norm(vectors, axis=1)
        # A product of vectors of other lengths is no cosine, and the longest one would be everybody's neighbor.
        far = np.flatnonzero(np.abs(lengths - 1) > 1e-3)
        if len(far):
            raise InputError(
                f"row {far[0]}: column {EMBEDDING_COLUMN!r} has a vector of length "
                f"{lengths[far[0]]:.3g}; give unit vectors, as EmbedPrompts does"
            )
        if self.search == "index":
            return indexed_neighbors(vectors, groups=groups)[:2]
        return nearest_neighbors(vectors, device=pick_device(self.device), groups=groups)

    def _find(self, batch: Batch, indices: Sequence[int] | None) -> list[int]:
        """Return the (B,) rows of the data set that stand in this batch."""
        row_indices = []
        prompts = take(batch, RENDERED, "RenderPrompts")
        examples = read_examples(batch, self._shape)
        for offset, (prompt, example) in enumerate(zip(prompts, examples, strict=True)):
            rows = self._neighborhood.rows_by_key.get(_key(prompt, example.shown_response), [])
            index = None if indices is None else indices[offset]
            # Copies have different neighbors (each other, for one), so the row must know which of them it is.
            if len(rows) > 1 and index not in rows:
                raise InputError(
                    f"rows {rows[0]} and {rows[1]} have the same prompt and response: to tell "
                    "them apart, call map(..., batched=True, with_indices=True) on the very data "
                    "set that this AttachDemonstration was made from"
                )
            if not rows:
                raise InputError(
                    f"this batch: row {offset} is not in the data set that the neighbors are "
                    "from; call AttachDemonstration.from_dataset on the one that is mapped"
                )
            row_indices.append(rows[0] if len(rows) == 1 or index is None else index)
        return row_indices


def _key(prompt: str, response: str) -> bytes:
    return xxhash.xxh3_128_digest(f"{len(prompt)} {prompt}{response}".encode())
