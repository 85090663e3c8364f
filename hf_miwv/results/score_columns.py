"""The columns that scoring adds, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hf_miwv.common.errors import InputError
from hf_miwv.rows.schema import ALSO_COLUMNS, INFLUENCE_COLUMNS, SCORE_COLUMNS

if TYPE_CHECKING:
    import datasets
    import pyarrow

REQUESTED_NUMBERS = (
    *ALSO_COLUMNS.values(),
    "miwv_spread",
    *INFLUENCE_COLUMNS,
    "target_gain",
    "kcenter_rank",
    "selectit",
    "selectit_sentence",
    "nuggets",
    "nuggets_gain",
    "deita",
    "deita_complexity",
    "deita_quality",
    "alpagasus",
)  # of each row, where the scoring was asked for it


@dataclass(frozen=True)
class ScoreColumns:
    """Hold the columns that scoring adds, as arrays over N rows.

    Attributes:
        row (`np.ndarray`): (N,) int64, the row's index in the input of `score`.
        miwv (`np.ndarray`): (N,) float64, nats per response token; nan where unknown.
        loss_zero_shot (`np.ndarray`): (N,) float64, nats per response token; nan where unknown.
        loss_one_shot (`np.ndarray`): (N,) float64, nats per response token; nan where unknown.
        neighbor (`np.ndarray`): (N,) int64, the `row` of the demonstration; -1 where there is none.
        neighbor_similarity (`np.ndarray`): (N,) float64, cosine; nan where there is no neighbor.
        response_tokens (`np.ndarray`): (N,) int64.
        status (`list[str]`): N words, each a `Status`.
        flags (`list[list[str]]`): N lists of words, each a `Flag`.
        loss_response_alone (`np.ndarray`, *optional*): (N,) float64, nats per response token, nan where
            unknown; None where the scoring was not asked for it.
        loss_response_bare (`np.ndarray`, *optional*): The same of another context.
        miwv_spread (`np.ndarray`, *optional*): (N,) float64, the standard deviation of MIWV over several
            neighbors, nan where fewer than two are known; None where there was one neighbor.
        influence (`np.ndarray`, *optional*): (N,) float64, nats per response token that the row saves others
            as an example; nan where it is nobody's, None where the scoring was not asked for it.
        influence_diverse (`np.ndarray`, *optional*): The same, weighted by (1 - cosine) / 2.
        target_gain (`np.ndarray`, *optional*): (N,) float64, nats per response token that examples of the target
            set save the row; nan where unknown, None where the scoring had no target set.
        kcenter_rank (`np.ndarray`, *optional*): (N,) float64, the order in which k-center takes the rows, from 0;
            nan where it does not, None where the scoring was not asked for it.
        selectit (`np.ndarray`, *optional*): (N,) float64, the model's rating by one prompt; as above.
        selectit_sentence (`np.ndarray`, *optional*): (N,) float64, by five prompts; as above.
        nuggets (`np.ndarray`, *optional*): (N,) float64, the share of anchors that the row helps; as above.
        nuggets_gain (`np.ndarray`, *optional*): (N,) float64, nats that it saves them on average; as above.
        deita (`np.ndarray`, *optional*): (N,) float64, sum over the exchanges of complexity x quality; as above.
        deita_complexity (`np.ndarray`, *optional*): (N,) float64, mean complexity of the instructions, 1 to 6; as
            above.
        deita_quality (`np.ndarray`, *optional*): (N,) float64, mean quality of the answers, 1 to 6; as above.
        alpagasus (`np.ndarray`, *optional*): (N,) float64, a judge's rating, 0 to 5; as above.
    """

    row: np.ndarray
    miwv: np.ndarray
    loss_zero_shot: np.ndarray
    loss_one_shot: np.ndarray
    neighbor: np.ndarray
    neighbor_similarity: np.ndarray
    response_tokens: np.ndarray
    status: list[str]
    flags: list[list[str]]
    loss_response_alone: np.ndarray | None = None
    loss_response_bare: np.ndarray | None = None
    miwv_spread: np.ndarray | None = None
    influence: np.ndarray | None = None
    influence_diverse: np.ndarray | None = None
    target_gain: np.ndarray | None = None
    kcenter_rank: np.ndarray | None = None
    selectit: np.ndarray | None = None
    selectit_sentence: np.ndarray | None = None
    nuggets: np.ndarray | None = None
    nuggets_gain: np.ndarray | None = None
    deita: np.ndarray | None = None
    deita_complexity: np.ndarray | None = None
    deita_quality: np.ndarray | None = None
    alpagasus: np.ndarray | None = None

    @classmethod
    def from_dataset(cls, dataset: datasets.Dataset) -> ScoreColumns:
        """Read these columns, and no others, of a data set that `score` or `select` wrote.

        Args:
            dataset (`Dataset`): N scored rows.

        Returns:
            `ScoreColumns`: The columns.

        Raises:
            InputError: one of the columns is missing.
        """
        missing = [name for name in SCORE_COLUMNS if name not in dataset.column_names]
        if missing:
            raise InputError(
                f"the data set has no column {', '.join(missing)}: give a folder that "
                "`hf-miwv score` or `hf-miwv select` wrote"
            )
        # Columns of other methods exist only where the scoring was asked for them.
        requested = [name for name in REQUESTED_NUMBERS if name in dataset.column_names]
        table = dataset.select_columns([*SCORE_COLUMNS, *requested]).with_format("arrow")[:]
        return cls(
            row=_integers(table["row"]),
            miwv=_floats(table["miwv"]),
            loss_zero_shot=_floats(table["loss_zero_shot"]),
            loss_one_shot=_floats(table["loss_one_shot"]),
            neighbor=_integers(table["neighbor"]),
            neighbor_similarity=_floats(table["neighbor_similarity"]),
            response_tokens=_integers(table["response_tokens"]),
            status=table["miwv_status"].to_pylist(),
            flags=table["miwv_flags"].to_pylist(),
            **{name: _floats(table[name]) for name in requested},
        )

    @property
    def scored(self) -> np.ndarray:
        """Return (N,) bool: the rows that have a MIWV."""
        return np.isfinite(self.miwv)


def _floats(column: pyarrow.ChunkedArray) -> np.ndarray:
    """Return a column as (N,) float64, null as nan."""
    return column.cast("float64").fill_null(float("nan")).to_numpy()


def _integers(column: pyarrow.ChunkedArray) -> np.ndarray:
    """Return a column as (N,) int64, null as -1."""
    return column.cast("int64").fill_null(-1).to_numpy()
