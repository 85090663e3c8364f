"""The interface of a curation step: a filter that says for each row why it should go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Protocol

import numpy as np
import pyarrow
from datasets import Dataset

from hf_lmt.data.hashing import Batch
from hf_miwv.common.errors import InputError


class Step(Protocol):
    """Judge rows: a dataclass of plain settings that derives from this class.

    `name` is what a recipe calls it and what its rejects are counted under, such as
    "length_ratio". Rows have source_lang, target_lang, source and target; what else a step reads
    it must do without where it is missing. What a step decides about a row must depend neither
    on the order of the rows nor on where batches begin. What else is to be recorded of a run, a
    step says in an attribute `notes`, a dict that JSON can hold.
    """

    name: ClassVar[str]

    @property
    def idle(self) -> bool:
        """Return whether its settings leave nothing to look for; then it is passed over without a bar."""
        return False

    def load(self) -> None:
        """Read what the step needs, such as a model, before any step begins.

        So that what cannot be read stops the run at once. The default does nothing.
        """
        return

    def transform(self, rows: pyarrow.Table) -> pyarrow.Table:
        """Return the rows with changed texts, before any of them is judged.

        For steps that mend rather than take; they keep the number and the order of rows. The
        default changes nothing.

        Args:
            rows (`pyarrow.Table`): B rows.

        Returns:
            `pyarrow.Table`: B rows.
        """
        return rows

    def survey(self, rows: Dataset) -> None:
        """Look at all rows that earlier steps left, before the first of them is judged.

        For steps that judge a row by others (duplicates, caps). `curate` calls it once, and then
        the step with these rows batch by batch: each row once, in their order. The default does
        nothing, and such a step judges each row alone.

        Args:
            rows (`Dataset`): All N rows.
        """
        return

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge B rows.

        Reasons are counted by their text: keep them few (no text or number of the row in them).

        Args:
            rows (`pyarrow.Table`): B rows.

        Returns:
            `list[str | None]`: (B,) a short reason for each row that should go, None for each that stays.
        """
        ...


def surveys(step: Step) -> bool:
    """Check whether a step judges rows by other rows, and so must see all of them first.

    Args:
        step (`Step`): The step.

    Returns:
        `bool`: True where its class has a `survey` of its own.
    """
    return type(step).survey is not Step.survey


def changes(step: Step) -> bool:
    """Check whether a step changes rows.

    Args:
        step (`Step`): The step.

    Returns:
        `bool`: True where its class has a `transform` of its own.
    """
    return type(step).transform is not Step.transform


def keeps(step: Step) -> Callable[[Batch], list[bool]]:
    """Make a predicate for `datasets`' filter of a step that judges each row alone.

    Examples:
        >>> dataset.filter(keeps(LengthRatio()), batched=True)                      # doctest: +SKIP

    Args:
        step (`Step`): The step.

    Returns:
        `Callable[[Batch], list[bool]]`: A batch of columns -> (B,) bool, whether each row stays.

    Raises:
        InputError: The step changes rows, or must see all of them first; `curate` does both.
    """
    if changes(step):
        raise InputError(
            f"{step.name}: changes rows, and filter only takes them: give it to curate(rows, [...]) instead"
        )
    if surveys(step):
        raise InputError(
            f"{step.name}: judges rows by other rows, and filter shows it one batch at a time: "
            f"give it to curate(rows, [...]) instead"
        )
    return partial(_mask, step)


def _mask(step: Step, batch: Batch) -> list[bool]:
    rows = batch if isinstance(batch, pyarrow.Table) else pyarrow.table(dict(batch))
    return [reason is None for reason in step(rows)]


def with_reason(rejected: np.ndarray, reason: str) -> list[str | None]:
    """Give the rejected rows their reason.

    Args:
        rejected (`np.ndarray`): (B,) bool.
        reason (`str`): The reason, the same for all.

    Returns:
        `list[str | None]`: (B,) the reason where a row is rejected, else None.
    """
    return [reason if gone else None for gone in rejected.tolist()]


def reasons(cases: Mapping[str, np.ndarray]) -> list[str | None]:
    """Give each row the first reason that holds of it.

    Args:
        cases (`Mapping[str, np.ndarray]`): Reason -> (B,) bool, in the order in which they count; one at least.

    Returns:
        `list[str | None]`: (B,) reasons, None for a row of which none holds.
    """
    first_reasons = np.full(len(next(iter(cases.values()))), None, object)
    # From the last reason to the first, so that the first one that holds is what remains.
    for reason, rejected in reversed(list(cases.items())):
        first_reasons[rejected] = reason
    return first_reasons.tolist()
