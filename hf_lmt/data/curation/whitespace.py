"""The step that trims texts rather than taking rows: blanks and line breaks at their ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow
import pyarrow.compute as pc

from hf_lmt.data.curation.step import Step
from hf_lmt.data.hashing import text_column

SIDES = ("source", "target")
_RUN = r"[\s\v\x{85}\x{a0}\x{2028}\x{2029}]+"


@dataclass
class Whitespace(Step):
    """Trim both sides of each row, and count the texts that changed; no row is taken.

    White space within a text stays as it is unless `inner` is set: then each run of it, line breaks
    among them, becomes one blank. Not among the defaults, since layout may be meant; the choice is
    ours.

    Args:
        inner (`bool`, *optional*, defaults to `False`): Whether to make one blank of each run within a text, too.

    Attributes:
        notes (`dict[str, Any]`): "trimmed", {side: texts that changed}.
    """

    name: ClassVar[str] = "whitespace"

    inner: bool = False
    notes: dict[str, Any] = field(default_factory=dict, init=False)

    def load(self) -> None:
        """Begin to count anew."""
        self.notes = {"trimmed": dict.fromkeys(SIDES, 0)}

    def transform(self, rows: pyarrow.Table) -> pyarrow.Table:
        """Trim the texts of rows, and count those that change in `notes`.

        Args:
            rows (`pyarrow.Table`): A batch of rows.

        Returns:
            `pyarrow.Table`: The batch with trimmed texts, all other columns as they are.
        """
        for side in SIDES:
            texts = text_column(rows, side, required=False)
            changed = pc.utf8_trim_whitespace(texts)
            if self.inner:
                changed = pc.replace_substring_regex(changed, _RUN, " ")
            different = pc.sum(pc.cast(pc.not_equal(changed, texts), pyarrow.int64())).as_py() or 0
            self.notes["trimmed"][side] += different
            if different:
                # The type of the column stays, because the blocks of a data set must agree in it.
                column_index, kind = rows.column_names.index(side), rows.schema.field(side).type
                rows = rows.set_column(column_index, side, changed.cast(kind))
        return rows

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Keep every row: this step only changes texts."""
        return [None] * len(rows)
