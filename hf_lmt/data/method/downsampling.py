"""Strategic Downsampling: keep the rows out of English and Chinese, thin those into them.

Multi-way rows used both ways put one English or Chinese sentence behind dozens of sources. Trained
on all of them, the directions into English and Chinese collapse: fluent text that ignores its
source (arXiv 2511.07003).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

from hf_lmt.data.hashing import (
    Batch,
    below,
    check_seed,
    check_share,
    column_names,
    decision_hashes,
    direction_codes,
    direction_column,
    key_column,
    text_column,
)
from hf_lmt.data.method.mapping import check_batch
from hf_lmt.directions import (
    Direction,
    check_globs,
    is_reverse,
    match_directions,
    most_specific,
    parse_direction,
)
from hf_lmt.pool import explained_deaths
from hf_miwv.common.errors import InputError

logger = logging.getLogger(__name__)

DEFAULT_RATE = 0.05  # the peak of the inverted V over p in arXiv 2511.07003
BETWEEN_PIVOTS = ("en-zh", "zh-en")  # both forward: only a rule that names them reaches them
DECISION = "downsampling"
KEY_COLUMNS = ("source_lang", "target_lang", "row_key", "corpus", "source", "target")
READ = (*KEY_COLUMNS, "line")
KEYED = ("source_lang", "target_lang", "row_key", "line")  # enough where every row has a key
BATCH = 10_000  # rows
RULES = 2  # part of the pickle, so of the cache's name: raise it when other rows come to be kept


@dataclass
class StrategicDownsampling:
    """Keep each row of a direction with that direction's rate, by hash.

        keep  iff  hash(seed, direction, key) / 2^64 < rate(direction)

    By default the rate is 0.05 for X->En and X->Zh and 1 for all else, En<->Zh among them (section
    "Strategic Downsampling" of arXiv 2511.07003; that all reverse rows are thinned, and not those
    of multi-way corpora alone, is our choice, as is the seed). The rows of 5 % are among those of
    10 %, and no order of rows, shards, `num_proc` or stream changes them. Copies of a row are kept
    or dropped together.

    Examples:
        >>> thinned = StrategicDownsampling(seed=7)(dataset)                        # doctest: +SKIP
        >>> thinned = dataset.filter(StrategicDownsampling(seed=7), batched=True)   # doctest: +SKIP

    Args:
        rate (`float`, *optional*, defaults to `0.05`): The share of rows kept of X->En and X->Zh.
        rates (`Mapping[str, float]`, *optional*, defaults to `{}`): Shares by direction or glob, such as
            {"*-en": 0.1, "kk-en": 1}; the most specific one counts. A glob does not reach En<->Zh: name
            them.
        counts (`Mapping[str, int]`, *optional*, defaults to `{}`): How many rows to keep, by direction
            or glob, in place of a rate: of each direction the `count` rows of the lowest hashes, or all
            with a warning where there are fewer. This needs the whole data set, so not `filter` and not
            a stream; of a DatasetDict each split counts apart.
        seed (`int`, *optional*, defaults to `0`): Seed of the hash, 0 or more.
        multiway_only (`bool`, *optional*, defaults to `False`): Thin only multi-way rows, those with a
            number in the column `line` (their position in a multi-way corpus, null elsewhere), and keep
            every other row.

    Raises:
        InputError: A share outside [0, 1], a count below 0, a seed below 0, a direction or glob
            that matches none of ours; on rows, an unknown language or a missing column.
    """

    rate: float = DEFAULT_RATE
    _: KW_ONLY
    rates: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    multiway_only: bool = False

    def __post_init__(self) -> None:
        check_share("rate", self.rate)
        check_seed(self.seed)
        self.rates = _checked("rates", self.rates)
        self.counts = _checked("counts", self.counts)
        for glob, share in self.rates.items():
            check_share(f"rates: {glob}:", share)
        for glob, count in self.counts.items():
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise InputError(f"counts: {glob}: {count!r}: give a number of rows, 0 or more")

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "rules": RULES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: value for name, value in state.items() if name != "rules"})

    def __call__(self, rows: Any, num_proc: int | None = None) -> Any:
        """Return the rows that stay, in their order; for a batch, whether each stays.

        Args:
            rows (`Dataset | IterableDataset | DatasetDict | Batch`): Rows, a dict of splits, or a batch of
                columns, as `filter(..., batched=True)` passes it, a DataFrame too. Columns: source_lang, target_lang;
                row_key, or source, target and, if there is one, corpus.
            num_proc (`int`, *optional*): Processes, for a `Dataset`.

        Returns:
            `Dataset | IterableDataset | DatasetDict | list[bool]`: The rows that stay; for a batch, (B,)
            bool.
        """
        if isinstance(rows, (DatasetDict, IterableDatasetDict)):
            return type(rows)({name: self(split, num_proc) for name, split in rows.items()})
        if isinstance(rows, Dataset):
            return self._thin(rows, num_proc)
        if self.counts:
            raise InputError(
                f"counts ({', '.join(self.counts)}) need the whole data set to find the lowest "
                "hashes: call StrategicDownsampling(...)(dataset) on a Dataset instead of filter "
                "or a stream, or give rates"
            )
        if isinstance(rows, IterableDataset):
            return rows.filter(self, batched=True)
        check_batch(self, rows)
        return self.mask(rows).tolist()

    def rate_of(self, direction: Direction) -> float:
        """Return the share of a direction's rows that is kept where no count is set for it.

        Args:
            direction (`Direction`): The direction.

        Returns:
            `float`: The share, in [0, 1].
        """
        glob = _rule(str(direction), tuple(self.rates))
        if glob is not None:
            return float(self.rates[glob])
        return float(self.rate) if is_reverse(direction) else 1.0

    def count_of(self, direction: Direction) -> int | None:
        """Return how many of a direction's rows are kept; None where its rate decides.

        Args:
            direction (`Direction`): The direction.

        Returns:
            `int | None`: Rows.
        """
        glob = _rule(str(direction), tuple(self.counts))
        return None if glob is None else self.counts[glob]

    def _thin(self, dataset: Dataset, num_proc: int | None) -> Dataset:
        if not len(dataset):
            return dataset
        if num_proc in (None, 1) or self.counts:
            kept = dataset.select(np.flatnonzero(self.kept(dataset)))
        else:
            arrow = dataset.with_format("arrow")  # only what decides becomes Python objects
            with explained_deaths(num_proc):
                kept = arrow.filter(self, batched=True, batch_size=BATCH, num_proc=num_proc)
            format_before = dict(dataset.format)
            kept = kept.with_format(**format_before.pop("format_kwargs"), **format_before)
        logger.info("Strategic Downsampling: %s of %s rows stay", len(kept), len(dataset))
        return kept

    def mask(self, batch: Batch) -> np.ndarray:
        """Decide which rows of a batch the rates keep; a direction with a count is kept whole.

        Args:
            batch (`Batch`): Columns of B rows.

        Returns:
            `np.ndarray`: (B,) bool.
        """
        directions = direction_column(batch)
        rates = [self._open_rate(_direction(name)) for name in _names(directions)]
        row_rates = np.array(rates, np.float64)[direction_codes(directions)]
        # Rows that no rate below 1 reaches are kept without a hash: forward directions are most of the rows.
        decided = self._reaches(batch, row_rates < 1)
        mask = np.ones(len(directions), bool)
        if decided.any():
            mask[decided] = below(_hashes(self.seed, batch, directions, decided), row_rates[decided])
        return mask

    def _open_rate(self, direction: Direction) -> float:
        return 1.0 if self.count_of(direction) is not None else self.rate_of(direction)

    def _reaches(self, batch: Batch, rows: np.ndarray) -> np.ndarray:
        """Return `rows`, (B,) bool, or the multi-way ones among them where no others are thinned."""
        if not self.multiway_only:
            return rows
        if "line" not in column_names(batch):
            raise InputError(
                "the rows have no column 'line', which tells multi-way rows from others: give "
                "each row its place in the multi-way corpus, null elsewhere, or leave out "
                "multiway_only"
            )
        return rows & _not_null(batch["line"])

    def kept(self, dataset: Dataset) -> np.ndarray:
        """Decide which rows stay: by rate, and of each counted direction the lowest hashes.

        Holds 16 bytes for each row of a counted direction, and one for every row.

        Args:
            dataset (`Dataset`): N rows.

        Returns:
            `np.ndarray`: (N,) bool.
        """
        masks: list[np.ndarray] = []
        counted: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
        arrow = dataset.with_format("arrow")
        direction_column(arrow[:1])  # says which column is missing
        for first, batch in _batches(arrow):
            masks.append(self.mask(batch))
            for name, positions, hashes in self.counted_rows(batch):
                counted[name].append((positions + first, hashes))
        mask = np.concatenate(masks)
        # In the order of names, so that the warnings come in the same order whatever the order of rows.
        for name, parts in sorted(counted.items()):
            positions, hashes = (np.concatenate(part) for part in zip(*parts, strict=True))
            self.warn_of_few(name, len(positions))
            mask[positions] = False
            # Ties go by the order of the rows.
            mask[positions[np.argsort(hashes, kind="stable")[: self.count_of(_direction(name))]]] = True
        return mask

    def counted_rows(self, batch: Batch) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Find the rows of a batch that a count is over.

        Args:
            batch (`Batch`): Columns of B rows.

        Yields:
            `tuple[str, np.ndarray, np.ndarray]`: A direction with a count, and (K,) positions and hashes of its rows
            in the batch; of all rows, those of the lowest hashes stay.
        """
        if not self.counts:
            return
        directions = direction_column(batch)
        for code, name in enumerate(_names(directions)):
            if self.count_of(_direction(name)) is not None:
                rows = self._reaches(batch, direction_codes(directions) == code)
                yield name, np.flatnonzero(rows), _hashes(self.seed, batch, directions, rows)

    def warn_of_few(self, name: str, rows: int) -> None:
        """Warn where a direction has fewer rows than its count asks for.

        Args:
            name (`str`): The direction.
            rows (`int`): Its rows.
        """
        if rows < (count := self.count_of(_direction(name)) or 0):
            logger.warning("counts: %s: %s asked for, only %s rows", name, count, rows)


def _batches(arrow: Dataset) -> Iterator[tuple[int, pyarrow.Table]]:
    """Yield the position of each batch's first row, and the columns that decide about its rows.

    Texts are read only where a row has no key.
    """
    present = [name for name in READ if name in arrow.column_names]
    keyed = [name for name in KEYED if name in present]
    narrow = arrow.select_columns(keyed if "row_key" in present else present)
    for first, batch in zip(range(0, len(arrow), BATCH), narrow.iter(BATCH), strict=True):
        if "row_key" in present and not _has_keys(batch):
            batch = arrow.select_columns(present)[first : first + BATCH]
        yield first, batch


def _has_keys(batch: pyarrow.Table) -> bool:
    keys = text_column(batch, "row_key", required=False)
    return not keys.null_count and not pyarrow.compute.equal(keys, "").true_count


def _hashes(seed: int, batch: Batch, directions: pyarrow.DictionaryArray, rows: np.ndarray) -> np.ndarray:
    """Hashes of those rows of a batch, (sum of `rows`,) uint64."""
    names, chosen = column_names(batch), pyarrow.array(rows)
    chosen_directions = directions.filter(chosen)
    if "row_key" in names:
        keys = text_column(batch, "row_key", required=False).fill_null("").filter(chosen)
        # Without keys the hash is of the contents, so the texts have to be read as well.
        if not pyarrow.compute.equal(keys, "").true_count:
            return decision_hashes(DECISION, seed, chosen_directions, keys)
    needed = [name for name in KEY_COLUMNS if name in names]
    columns = [text_column(batch, name, name in ("source", "target")) for name in needed]
    table = pyarrow.table([column.filter(chosen) for column in columns], needed)
    return decision_hashes(DECISION, seed, chosen_directions, key_column(table))


def _not_null(column: Any) -> np.ndarray:
    """Check which values are not null: (B,) bool.

    A data set with a format of torch, numpy or pandas has nan where a number is null.
    """
    if not isinstance(column, (pyarrow.Array, pyarrow.ChunkedArray)):
        plain = column.tolist() if hasattr(column, "tolist") else list(column)
        column = pyarrow.array(plain, from_pandas=True)
    return column.is_valid().to_numpy(zero_copy_only=False)


def _names(directions: pyarrow.DictionaryArray) -> list[str]:
    return directions.dictionary.to_pylist()


_direction = lru_cache(maxsize=4096)(parse_direction)


@lru_cache(maxsize=4096)
def _rule(name: str, globs: tuple[str, ...]) -> str | None:
    """Return the glob that decides about a direction; En<->Zh only by name."""
    glob = most_specific({*globs, *BETWEEN_PIVOTS}, parse_direction(name))
    return glob if glob in globs else None


def _checked(option: str, globs: Any) -> dict[str, Any]:
    if not isinstance(globs, Mapping):
        raise InputError(f'{option} {globs!r}: give directions with a number each, such as {{"*-en": ...}}')
    try:
        match_directions(globs)
        check_globs({*globs, *BETWEEN_PIVOTS})
    except InputError as error:
        raise InputError(f"{option}: {error}") from error
    return dict(sorted(globs.items()))
