"""The filter on a score that a corpus brings along, such as the margins of WikiMatrix or NLLB."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow

from hf_lmt.data.curation.length_filters import check_number
from hf_lmt.data.curation.step import Step, reasons
from hf_miwv.common.errors import InputError


@dataclass
class Score(Step):
    """Takes rows whose score is below `least` or above `most`, or is no number.

    The score is a cell that the source keeps as a column: `--cells score,en,de`. Rows without one,
    from another source of a recipe, stay, and are counted. Which scores are good depends on what
    made them, so there is no default: WikiMatrix was mined with 1.04 and more, CCMatrix with 1.06
    (arXiv 1907.05791, 1911.04944).

    Args:
        column (`str`, *optional*, defaults to `"score"`): Name of the column that holds the score.
        least (`float`, *optional*): The lowest score of a row that stays.
        most (`float`, *optional*): The highest score of a row that stays.

    Attributes:
        notes (`dict[str, Any]`): "without", rows without a score.

    Raises:
        InputError: neither limit is there, one is no number, or `least` is above `most`; of rows
            none of which has the column.
    """

    name: ClassVar[str] = "score"

    column: str = "score"
    least: float | None = None
    most: float | None = None
    notes: dict[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.least is None and self.most is None:
            raise InputError("score: give least or most, as in score: {least: 1.05}")
        for name in ("least", "most"):
            if getattr(self, name) is not None:
                check_number(f"score: {name}", getattr(self, name), -math.inf)
        if self.least is not None and self.most is not None and self.least > self.most:
            raise InputError(f"score: least {self.least} is above most {self.most}")

    def load(self) -> None:
        """Begin to count anew."""
        self.notes = {"without": 0}

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge the rows, as `Step` says."""
        if self.column not in rows.column_names:
            raise InputError(
                f"score: the rows have no column {self.column!r} (they have "
                f"{', '.join(rows.column_names)}); name it among the cells of the source, as in "
                f"--cells {self.column},en,de, or give column"
            )
        cells = rows[self.column].to_pylist()
        values = np.array([math.nan if cell is None else _number(cell) for cell in cells])
        absent = np.array([cell is None for cell in cells], bool)
        self.notes["without"] = self.notes.get("without", 0) + int(absent.sum())
        # Comparing with nan warns, and is False, as it should be: rows without a score stay.
        with np.errstate(invalid="ignore"):
            return reasons(
                {
                    "score is no number": np.isnan(values) & ~absent,
                    "score too low": values < (-math.inf if self.least is None else self.least),
                    "score too high": values > (math.inf if self.most is None else self.most),
                }
            )


def _number(cell: Any) -> float:
    """Read the number that a cell holds, NaN for none."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return math.nan
