"""Rows through steps, one after another, and the count of what each took."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.curation.step import Step, changes, surveys
from hf_lmt.data.hashing import direction_codes, direction_column
from hf_miwv.common.errors import InputError
from hf_miwv.common.internals.of_datasets import fingerprint_of
from hf_miwv.common.progress import stage

BATCH = 10_000  # rows
REJECT_COLUMNS = ("rejected_by", "reason")


class Curated(NamedTuple):
    """Hold the rows that stay and, where asked for, those that go.

    Attributes:
        rows (`Dataset`): Those that every step kept, in their order.
        rejects (`Dataset`, *optional*): The others, in their order, with `rejected_by` (the step's name)
            and `reason`; None where they were not asked for.
        counts (`dict[str, Any]`): `rows_in` and `rows_out`; `directions`, {direction: {"in": rows,
            "out": rows}}; `steps`, a list in order with `name`, `rows_in`, `rejected`, `reasons`
            ({reason: rows}), `directions` ({direction: {"in": rows, "rejected": rows}}) and the
            `notes` of the step.
    """

    rows: Dataset
    rejects: Dataset | None
    counts: dict[str, Any]


def curate(rows: Dataset, steps: Sequence[Step], *, keep_rejects: bool = False, progress: bool = True) -> Curated:
    """Keep the rows that no step has a reason against.

    Steps come in their order; each sees only rows that those before it left. Which rows stay
    depends on no order of rows. Rows are read batch by batch, and held are a few bytes for each.

    Args:
        rows (`Dataset`): With source_lang, target_lang, source and target.
        steps (`Sequence[Step]`): Such as `steps_from(None)` returns; a step may come once.
        keep_rejects (`bool`, *optional*, defaults to `False`): Return the rejected rows, too.
        progress (`bool`, *optional*, defaults to `True`): Show a bar for each step.

    Returns:
        `Curated`: The rows that stay, the rejected ones, and the counts.

    Raises:
        InputError: A column is missing, two steps have one name, there is no row, or none stays
            (the message says which step took how many); and what the steps raise.
    """
    _check(rows, steps)
    for step in steps:
        step.load()
    codes, names = _directions(rows)
    outcome = _Outcome(np.zeros(len(rows), np.int16), [(None, None)])
    counted = []
    for step in steps:
        before = outcome.staying
        if changes(step):
            rows = _transformed(step, rows)
        if not step.idle:
            _apply(step, rows, outcome, progress)
        counted.append(_step_counts(step, before, outcome, codes, names))
    counts = {
        "rows_in": len(rows),
        "rows_out": int(outcome.staying.sum()),
        "directions": _by_direction(names, codes, {"in": None, "out": outcome.staying}),
        "steps": counted,
    }
    if not counts["rows_out"]:
        raise InputError(_nothing_left(counts))
    rejects = _rejects(rows, outcome) if keep_rejects else None
    return Curated(_left(rows, outcome), rejects, counts)


class _Outcome(NamedTuple):
    """codes: (N,) positions in `labels`, 0 for rows that stay; labels: (step, reason) of each."""

    codes: np.ndarray
    labels: list[tuple[str | None, str | None]]

    @property
    def staying(self) -> np.ndarray:
        """Return (N,) bool, the rows that stay."""
        return self.codes == 0


def _check(rows: Dataset, steps: Sequence[Step]) -> None:
    if not len(rows):
        raise InputError("there are no rows to curate; give at least one")
    direction_column(rows.with_format("arrow")[:1])  # says which column is missing
    names = [step.name for step in steps]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"step {name!r} is there {names.count(name)} times; give it once")


def _directions(rows: Dataset) -> tuple[np.ndarray, list[str]]:
    """Return (N,) positions in the sorted names of the directions, and these names."""
    arrow = rows.select_columns(["source_lang", "target_lang"]).with_format("arrow")
    code_of: dict[str, int] = {}
    parts = []
    for batch in arrow.iter(BATCH):
        column = direction_column(batch)
        codes_of_batch = [code_of.setdefault(name, len(code_of)) for name in column.dictionary.to_pylist()]
        parts.append(np.array(codes_of_batch, np.int32)[direction_codes(column)])
    # The codes were given in the order of rows; sorted names make the counts the same for any order.
    order = sorted(code_of)
    renamed = np.argsort(np.array([code_of[name] for name in order]))
    return renamed[np.concatenate(parts)].astype(np.int32), order


def _apply(step: Step, rows: Dataset, outcome: _Outcome, progress: bool) -> None:
    """Let the step survey and judge the rows that stay, and write down what it says."""
    if surveys(step):
        step.survey(_left(rows, outcome))
    known: dict[str | None, int] = {None: 0}
    total = int(outcome.staying.sum())
    with stage(step.name, "row", total, show=progress) as bar:
        for first, batch in _staying_batches(rows, outcome):
            reasons = step(batch)
            for reason in set(reasons) - known.keys():
                known[reason] = len(outcome.labels)
                outcome.labels.append((step.name, reason))
            # The step saw only the rows that were staying, so its reasons go back to
            # their positions among all rows of the batch.
            judged = first + np.flatnonzero(outcome.codes[first : first + BATCH] == 0)
            outcome.codes[judged] = [known[reason] for reason in reasons]
            bar.update(len(batch))


def _transformed(step: Step, rows: Dataset) -> Dataset:
    """Return the rows as the step changes them. Not from the cache: the step counts as it changes."""
    arrow = rows.with_format("arrow")
    changed = arrow.map(
        step.transform,
        batched=True,
        batch_size=BATCH,
        desc=step.name,
        load_from_cache_file=False,
        new_fingerprint=f"{fingerprint_of(rows)}-{step.name}",
    )
    return changed.with_format(None)


def _left(rows: Dataset, outcome: _Outcome) -> Dataset:
    """Write out the rows that stay: `select` would read them one by one, thirty times slower."""
    if outcome.staying.all():
        return rows

    def staying(batch: pa.Table, indices: list[int]) -> pa.Table:
        return batch.filter(pa.array(outcome.codes[indices] == 0))

    return _written(rows, staying, "keeping")


def _written(rows: Dataset, change: Callable[[pa.Table, list[int]], pa.Table], description: str) -> Dataset:
    """Call `map` over Arrow tables; the result is in the cache on disk, or in memory where `rows` is."""
    arrow = rows.with_format("arrow")
    changed = arrow.map(change, with_indices=True, batched=True, batch_size=BATCH, desc=description)
    return changed.with_format(None)


def _staying_batches(rows: Dataset, outcome: _Outcome) -> Iterator[tuple[int, pa.Table]]:
    """Yield each batch's first position and those of its rows that stay, where there are any."""
    arrow = rows.with_format("arrow")
    for first, batch in zip(range(0, len(rows), BATCH), arrow.iter(BATCH), strict=True):
        mask = outcome.codes[first : first + BATCH] == 0
        if mask.any():
            yield first, batch if mask.all() else batch.filter(pa.array(mask))


def _step_counts(
    step: Step, before: np.ndarray, outcome: _Outcome, codes: np.ndarray, names: list[str]
) -> dict[str, Any]:
    rejected = before & ~outcome.staying
    per_label = np.bincount(outcome.codes, minlength=len(outcome.labels))
    reasons_and_rows = [
        (str(reason), int(rows))
        for (name, reason), rows in zip(outcome.labels, per_label, strict=True)
        if name == step.name
    ]
    return {
        "name": step.name,
        "rows_in": int(before.sum()),
        "rejected": int(rejected.sum()),
        "reasons": dict(
            sorted(reasons_and_rows, key=lambda reason_and_rows: (-reason_and_rows[1], reason_and_rows[0]))
        ),
        "directions": _by_direction(names, codes, {"in": before, "rejected": rejected}),
        "notes": dict(getattr(step, "notes", {})),
    }


def _by_direction(
    names: list[str], codes: np.ndarray, masks: dict[str, np.ndarray | None]
) -> dict[str, dict[str, int]]:
    """Return {direction: {name of a mask: rows of the direction where (N,) the mask holds}}."""
    counts = {
        key: np.bincount(codes if mask is None else codes[mask], minlength=len(names)).tolist()
        for key, mask in masks.items()
    }
    return {name: {key: counts[key][code] for key in masks} for code, name in enumerate(names)}


def _rejects(rows: Dataset, outcome: _Outcome) -> Dataset:
    """Return the rejected rows with `rejected_by` and `reason`, instead of columns of these names."""
    labels = [pa.array(part, pa.string()) for part in zip(*outcome.labels, strict=True)]
    kept = [name for name in rows.column_names if name not in REJECT_COLUMNS]

    def rejected(batch: pa.Table, indices: list[int]) -> pa.Table:
        codes = outcome.codes[indices]
        chosen = batch.filter(pa.array(codes > 0))
        for name, texts in zip(REJECT_COLUMNS, labels, strict=True):
            chosen = chosen.append_column(name, texts.take(pa.array(codes[codes > 0])))
        return chosen

    return _written(rows.select_columns(kept), rejected, "rejects")


def _nothing_left(counts: dict[str, Any]) -> str:
    rejected_by_step = [f"{step['name']} {step['rejected']:,}" for step in counts["steps"] if step["rejected"]]
    return (
        f"no row is left of {counts['rows_in']:,}; taken by the steps: {', '.join(rejected_by_step)}; "
        "look at the rows, or set the step that takes too many otherwise or to false"
    )
