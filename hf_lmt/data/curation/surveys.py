"""The base of steps that judge rows by other rows: see all first, then say who goes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow
import xxhash

from hf_lmt.data.curation.step import Step
from hf_lmt.data.hashing import decision_hashes, direction_column, optional_texts, row_keys
from hf_miwv.common.errors import InputError

BATCH = 10_000  # rows
Reasons = Sequence[str | None]


@dataclass
class SurveyStep(Step):
    """A step that finds its reasons in the survey, and then hands them out in the rows' order."""

    _reasons: np.ndarray = field(init=False, repr=False, compare=False)  # (N,) positions in `words`
    _rows_answered: int = field(init=False, repr=False, compare=False, default=0)

    words: ClassVar[Reasons] = ()

    def __post_init__(self) -> None:
        self._reasons = np.zeros(0, np.int8)

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        # `curate` shows the surveyed rows again, each once and in their order, so
        # counting them is enough to know which they are.
        """Return the reasons of the next rows, in the order of the survey."""
        first, self._rows_answered = self._rows_answered, self._rows_answered + len(rows)
        if self._rows_answered > len(self._reasons):
            raise InputError(
                f"{self.name}: was given rows that it has not surveyed; give it to "
                "curate(rows, [...]), which lets it see all rows first"
            )
        return [self.words[code] for code in self._reasons[first : self._rows_answered]]

    def _set_reasons(self, codes: np.ndarray) -> None:
        self._reasons, self._rows_answered = codes.astype(np.int8), 0


def preferences(batch: pyarrow.Table, decision: str) -> tuple[np.ndarray, ...]:
    """Compute what decides between rows that say the same: the least row stays.

    Args:
        batch (`pyarrow.Table`): A batch of rows.
        decision (`str`): Name of the decision, so that each step draws by hashes of its own.

    Returns:
        `tuple[np.ndarray, ...]`: (B,) whether there is no auxiliary, (B,) hash of the decision, (B,) hash of the
        content.
    """
    bare = np.array([not text for text in optional_texts(batch, "auxiliary")], bool)
    hashes = decision_hashes(f"curation {decision}", 0, direction_column(batch), row_keys(batch))
    # The content as a last resort: rows of equal hash are ordered by what they hold, and not by who comes first.
    contents = _digests([_content(row) for row in batch.to_pylist()])
    return bare, hashes, contents


def _content(row: dict[str, Any]) -> str:
    # Of its position in a multi-way corpus only that it has one, or the file that it stands in would decide.
    return json.dumps({**row, "line": row.get("line") is not None}, sort_keys=True, default=str)


def _digests(texts: list[str]) -> np.ndarray:
    digests = map(xxhash.xxh3_64_intdigest, map(str.encode, texts))
    return np.fromiter(digests, np.uint64, len(texts))
