"""Filters on how long the texts are: nothing at all, too short or long, too unlike each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow

from hf_lmt.data.characters import characters, invisible_table, weighted_lengths
from hf_lmt.data.curation.step import Step, reasons
from hf_lmt.data.hashing import text_column
from hf_miwv.common.errors import InputError


@dataclass
class Empty(Step):
    """Takes rows with a side that shows nothing: null, blanks, control or zero-width characters."""

    name: ClassVar[str] = "empty"

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge the rows, as `Step` says."""
        blank = {}
        for side in ("source", "target"):
            content = characters(text_column(rows, side, required=False))
            blank[f"{side} empty"] = content.sums(~invisible_table()[content.codes]) == 0
        return reasons(blank)


@dataclass
class Length(Step):
    """Takes rows with a side shorter than `least` or longer than `most`.

    Lengths are in characters of an alphabet: one of Chinese counts 3, of kana and Hangul 2, of
    Ethiopic 1.5 (`characters.WEIGHTS`), so that the limits say the same in all scripts. The
    defaults are ours: nothing is too short that is not empty, and 3,000 are about the 1,024 tokens
    that fine-tuning reads at most (arXiv 2511.07003), both sides together.

    Args:
        least (`float`, *optional*, defaults to `1`): Characters of an alphabet that a side has at least.
        most (`float`, *optional*, defaults to `3000`): Characters of an alphabet that a side has at most.

    Raises:
        InputError: a limit is no number or below 0, or `least` is above `most`.
    """

    name: ClassVar[str] = "length"

    least: float = 1
    most: float = 3000

    def __post_init__(self) -> None:
        check_number("length: least", self.least, 0)
        check_number("length: most", self.most, 0)
        if self.least > self.most:
            raise InputError(f"length: least {self.least} is above most {self.most}")

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge the rows, as `Step` says."""
        wrong = {}
        for side in ("source", "target"):
            lengths = weighted_lengths(text_column(rows, side))
            wrong[f"{side} too short"] = lengths < self.least
            wrong[f"{side} too long"] = lengths > self.most
        return reasons(wrong)


@dataclass
class LengthRatio(Step):
    """Takes rows with one side much longer than the other.

        (longer + allowance) / (shorter + allowance)  >  most

    with lengths as in `Length`. 3.0 is the "max length ratio" of arXiv 2511.07003, which does not
    say of what; words would not do for scripts without blanks, nor bare characters, of which
    Chinese needs a third. The allowance, also ours, leaves room to short texts: "And I did." may
    well become a sentence. Of NTREX-128's human translations (1,685 lines, 58 languages) this
    takes 0.008 % of the pairs with English or Chinese, never more than 2 lines of a direction.

    Args:
        most (`float`, *optional*, defaults to `3.0`): The largest ratio of a row that stays, 1 or more.
        allowance (`float`, *optional*, defaults to `10.0`): Characters of an alphabet that are added to both
            lengths.

    Raises:
        InputError: `most` is no number or below 1, or `allowance` below 0.
    """

    name: ClassVar[str] = "length_ratio"

    most: float = 3.0
    allowance: float = 10.0

    def __post_init__(self) -> None:
        check_number("length_ratio: most", self.most, 1)
        check_number("length_ratio: allowance", self.allowance, 0)

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        # The allowance goes to both sides before they are compared, so that it counts little for long texts.
        """Judge the rows, as `Step` says."""
        source, target = (weighted_lengths(text_column(rows, side)) + self.allowance for side in ("source", "target"))
        return reasons(
            {
                "source much longer": source > self.most * target,
                "target much longer": target > self.most * source,
            }
        )


def check_number(name: str, value: Any, minimum: float, maximum: float = math.inf) -> None:
    """Check that a setting is a number within its limits.

    Args:
        name (`str`): Name of the setting, for the message.
        value (`Any`): Its value.
        minimum (`float`): The smallest that may be.
        maximum (`float`, *optional*, defaults to `math.inf`): The largest that may be.

    Raises:
        InputError: it is no number, or outside of them.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not minimum <= value <= maximum:
        limits = f"from {minimum:g} to {maximum:g}" if np.isfinite(maximum) else f"of at least {minimum:g}"
        raise InputError(f"{name} {value!r}: give a number {limits}")
