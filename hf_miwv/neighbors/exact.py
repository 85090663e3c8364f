"""Unit vectors -> each row's nearest other rows, exactly."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from hf_miwv.common.errors import InputError

Queries = range | np.ndarray | None  # row indices; None: every row
QUERY_BLOCK = 1024  # rows that are searched for at a time
KEY_BLOCK = 16384  # rows that they are compared with at a time


def nearest_neighbors(
    vectors: np.ndarray,
    *,
    device: torch.device | str = "cpu",
    query_block: int = QUERY_BLOCK,
    key_block: int = KEY_BLOCK,
    progress: Callable[[int], object] | None = None,
    queries: Queries = None,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find for each row i of `queries` argmax over j != i of <v_i, v_j>, and that cosine (2511.07074).

    With `groups`, over the j of another group than i's (ours: the paper allows every other row);
    where all rows are of one group, as without.

    Exact, in float32, in blocks. Beside the vectors, which may be a memory map, the CPU holds one
    query_block x key_block matrix (64 MiB) and little else; an accelerator also holds the vectors,
    or, where they do not fit, one block of them at a time. A row is excluded by its index, so a
    repeated prompt may be a neighbor. Equal cosines go to the lower index; cosines that differ by
    less than 1e-6 may change places with another blocking.

    Args:
        vectors (`np.ndarray`): (N, D) float32, each of length 1.
        device (`torch.device | str`, *optional*, defaults to `"cpu"`): Device of the products.
        query_block (`int`, *optional*, defaults to `1024`): Rows that are searched for at a time.
        key_block (`int`, *optional*, defaults to `16384`): Rows that they are compared with at a time.
        progress (`Callable[[int], object]`, *optional*): Called with the number of rows done, block by block.
        queries (`range | np.ndarray`, *optional*): The rows to search for, all by default; several processes
            can each take a part.
        groups (`np.ndarray`, *optional*): (N,) integers, equal where rows may not be each other's neighbor.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: Of the Q queries (Q,) int64 indices and (Q,) float32 cosines.

    Raises:
        InputError: fewer than two rows, a vector that is not finite, or a query that is no row.
    """
    index, cosines = k_nearest_neighbors(
        vectors,
        1,
        device=device,
        query_block=query_block,
        key_block=key_block,
        progress=progress,
        queries=queries,
        groups=groups,
    )
    return index[:, 0], cosines[:, 0]


def k_nearest_neighbors(
    vectors: np.ndarray,
    count: int,
    *,
    device: torch.device | str = "cpu",
    query_block: int = QUERY_BLOCK,
    key_block: int = KEY_BLOCK,
    progress: Callable[[int], object] | None = None,
    queries: Queries = None,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the `count` rows with the highest cosines, as `nearest_neighbors` finds the first of them.

    Args:
        vectors (`np.ndarray`): (N, D) float32, each of length 1.
        count (`int`): Neighbors of each row, K.
        device (`torch.device | str`, *optional*, defaults to `"cpu"`): Device of the products.
        query_block (`int`, *optional*, defaults to `1024`): Rows that are searched for at a time.
        key_block (`int`, *optional*, defaults to `16384`): Rows that they are compared with at a time.
        progress (`Callable[[int], object]`, *optional*): Called with the number of rows done, block by block.
        queries (`range | np.ndarray`, *optional*): The rows to search for, all by default.
        groups (`np.ndarray`, *optional*): (N,) integers, equal where rows may not be each other's neighbor.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: Of the Q queries (Q, K) int64 indices and (Q, K) float32 cosines,
        falling, equal ones by row order; -1 and nan where fewer than K rows may be a neighbor.

    Raises:
        InputError: as in `nearest_neighbors`.
    """
    check_vectors(vectors)
    wanted = query_rows(queries, len(vectors))
    keys = _as_tensor(vectors, torch.device(device))
    kinds = None if is_single_group(groups) else torch.as_tensor(groups, device=device)

    def forbidden(rows: torch.Tensor) -> _Forbidden:
        return _Forbidden(rows, None, None) if kinds is None else _Forbidden(None, kinds[rows], kinds)

    # One matrix for all blocks: a fresh one for each would be 64 MiB to allocate every time.
    scratch = torch.empty((min(query_block, len(wanted)), min(key_block, len(keys))), device=device)
    return _search_in_blocks(keys, keys, wanted, count, scratch, forbidden, progress)


def k_nearest_of_set(
    vectors: np.ndarray,
    set_vectors: np.ndarray,
    count: int,
    *,
    groups: np.ndarray,
    set_groups: np.ndarray,
    device: torch.device | str = "cpu",
    progress: Callable[[int], object] | None = None,
    queries: Queries = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find for each row i of `queries` the `count` rows of another set with the highest cosines.

    Always exact, 2 N M D operations: the other set is thought of as far smaller than the rows.

    Args:
        vectors (`np.ndarray`): (N, D) float32, each of length 1.
        set_vectors (`np.ndarray`): (M, D) float32, each of length 1.
        count (`int`): Neighbors of each row, K.
        groups (`np.ndarray`): (N,) integers.
        set_groups (`np.ndarray`): (M,) integers, equal to that of a row whose neighbor they may not be.
        device (`torch.device | str`, *optional*, defaults to `"cpu"`): Device of the products.
        progress (`Callable[[int], object]`, *optional*): Called with the number of rows done, block by block.
        queries (`range | np.ndarray`, *optional*): The rows to search for, all by default.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: Of the Q queries (Q, K) int64 indices in the other set and (Q, K)
        float32 cosines, falling, equal ones by row order; -1 and nan where fewer than K rows may be a
        neighbor.

    Raises:
        InputError: as in `nearest_neighbors`.
    """
    check_vectors(vectors)
    check_vectors(set_vectors)
    wanted = query_rows(queries, len(vectors))
    rows, keys = (_as_tensor(part, torch.device(device)) for part in (vectors, set_vectors))
    kinds, set_kinds = (torch.as_tensor(part, device=device) for part in (groups, set_groups))

    def forbidden(positions: torch.Tensor) -> _Forbidden:
        return _Forbidden(None, kinds[positions], set_kinds)

    scratch = torch.empty((min(QUERY_BLOCK, len(wanted)), min(KEY_BLOCK, len(keys))), device=device)
    return _search_in_blocks(rows, keys, wanted, count, scratch, forbidden, progress)


def check_vectors(vectors: np.ndarray, block: int = 16384) -> None:
    """Check that there are two rows at least, and that every vector is finite; block by block.

    Args:
        vectors (`np.ndarray`): (N, D) float32.
        block (`int`, *optional*, defaults to `16384`): Rows that are looked at together.

    Raises:
        InputError: fewer than two rows, or a vector that is not finite, by its row.
    """
    count = len(vectors)
    if count < 2:
        raise InputError(f"{count} row: a nearest neighbor needs at least two rows")
    for start in range(0, count, block):
        finite = np.isfinite(vectors[start : start + block]).all(axis=1)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite)[0])
            raise InputError(f"row {row}: the embedder gave a vector that is not finite")


def query_rows(queries: Queries, rows: int) -> np.ndarray:
    """Return the queries as row indices.

    Args:
        queries (`range | np.ndarray`, *optional*): Row indices; None for every row.
        rows (`int`): Number of rows.

    Returns:
        `np.ndarray`: (Q,) int64 indices.

    Raises:
        InputError: one of them is no row.
    """
    if queries is None:
        return np.arange(rows)
    wanted = np.asarray(queries, dtype=np.int64)
    outside = wanted[(wanted < 0) | (wanted >= rows)]
    if len(outside):
        raise InputError(f"query {outside[0]}: no such row; give rows from 0 to {rows - 1}")
    return wanted


def is_single_group(groups: np.ndarray | None) -> bool:
    """Check whether these groups forbid no row in particular: there are none, or all rows are of one.

    Args:
        groups (`np.ndarray`, *optional*): (N,) integers.

    Returns:
        `bool`: True where every other row may be a neighbor.
    """
    return groups is None or bool((groups == groups[0]).all())


def _as_tensor(vectors: np.ndarray, device: torch.device) -> torch.Tensor:
    """Put the vectors on `device`, uncopied on the CPU; leave them there if they would fill a CUDA device."""
    with warnings.catch_warnings():  # of a read-only memory map; nothing here writes to it
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        tensor = torch.from_numpy(vectors)
    if device.type == "cuda" and vectors.nbytes > 0.8 * torch.cuda.mem_get_info(device)[0]:
        return tensor
    return tensor.to(device)


class _Forbidden(NamedTuple):
    """Which keys may not be neighbors: each query itself, by its key; or those of its group."""

    itself: torch.Tensor | None  # (Q,)
    query_groups: torch.Tensor | None  # (Q,)
    key_groups: torch.Tensor | None  # (K,)

    def apply(self, cosines: torch.Tensor, offset: int) -> None:
        """Put the cosines of such pairs at -inf, in a block of keys that begins at `offset`."""
        end = offset + cosines.shape[1]
        if self.itself is not None:
            inside = torch.nonzero((self.itself >= offset) & (self.itself < end)).squeeze(1)
            cosines[inside, self.itself[inside] - offset] = -torch.inf
        if self.query_groups is not None and self.key_groups is not None:
            cosines.masked_fill_(self.query_groups[:, None] == self.key_groups[offset:end], -torch.inf)


def _search_in_blocks(
    rows: torch.Tensor,
    keys: torch.Tensor,
    wanted: np.ndarray,
    count: int,
    scratch: torch.Tensor,
    forbidden: Callable[[torch.Tensor], _Forbidden],
    progress: Callable[[int], object] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the `count` nearest keys of each wanted row, as many rows at a time as `scratch` has."""
    index = np.empty((len(wanted), count), dtype=np.int64)
    cosines = np.empty((len(wanted), count), dtype=np.float32)
    for start in range(0, len(wanted), len(scratch) or 1):
        block = slice(start, min(start + len(scratch), len(wanted)))
        positions = torch.from_numpy(wanted[block])
        queries = rows[positions.to(rows.device)].to(scratch.device)
        index[block], cosines[block] = _search(queries, keys, count, scratch, forbidden(positions.to(scratch.device)))
        if progress:
            progress(block.stop - block.start)
    return index, cosines


def _search(
    queries: torch.Tensor, keys: torch.Tensor, count: int, scratch: torch.Tensor, forbidden: _Forbidden
) -> tuple[np.ndarray, np.ndarray]:
    """Find the `count` nearest keys of one block of queries, on the device of `scratch` (queries x keys).

    A block of keys that lies elsewhere is moved there for its product.
    """
    device, width = scratch.device, scratch.shape[1]
    best = torch.full((len(queries), count), -torch.inf, device=device)
    index = torch.full((len(queries), count), -1, device=device)
    for offset in range(0, len(keys), width):
        block = keys[offset : offset + width].to(device)
        cosines = torch.mm(queries, block.T, out=scratch[: len(queries), : len(block)])
        forbidden.apply(cosines, offset)
        values, columns = _largest(cosines, count)
        # A stable sort with the earlier blocks in front, so that of equal cosines the lower index comes first.
        values, order = torch.cat([best, values], dim=1).sort(dim=1, descending=True, stable=True)
        best = values[:, :count]
        index = torch.cat([index, columns + offset], dim=1).gather(1, order[:, :count])
    # A forbidden row has been put at -inf, and stands here only where fewer than `count` are allowed.
    missing = best.isneginf()
    return index.masked_fill(missing, -1).cpu().numpy(), best.masked_fill(missing, torch.nan).cpu().numpy()


def _largest(cosines: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the `count` largest of each row and their columns, falling; overwrites them in `cosines`."""
    values, columns = [], []
    for _ in range(min(count, cosines.shape[1])):
        # torch.topk breaks ties as it likes; max takes the first of several equal maxima.
        value, column = cosines.max(dim=1, keepdim=True)
        cosines.scatter_(1, column, -torch.inf)
        values.append(value)
        columns.append(column)
    return torch.cat(values, dim=1), torch.cat(columns, dim=1)
