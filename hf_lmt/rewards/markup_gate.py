"""The gate on what a translation carries over unchanged: numbers, tags, placeholders, line breaks."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hf_lmt.rewards.gate import Reasons, gate
from hf_lmt.rewards.reward_columns import check_columns

TAG = re.compile(r"</?[A-Za-z][\w:.-]*(?:\s[^<>]*)?/?>")
PLACEHOLDER = re.compile(
    r"\{\{[^{}\s]{1,60}\}\}|\$?\{[^{}\s]{0,60}\}|%\(\w+\)[sdif]|%(?:\d+\$)?[sdif](?!\w)|(?<!\w)__\w+?__(?!\w)"
)
NUMBER = re.compile(r"\d+(?:[.,'’٫٬\u00a0\u202f]\d+)*")


@gate
def no_markup_lost(
    completions: Sequence[str], source: Sequence[str] | None = None, target: Any = None, **_: Any
) -> Reasons:
    """Ask for the numbers, tags, placeholders and line breaks of the source.

    - Tags (`<b>`, `</a>`, `<br/>`) and placeholders (`{name}`, `{{x}}`, `${x}`, `%s`, `%(name)d`, `__X__`): each
      stands as often as in the source.
    - Numbers: each of two significant digits or more is there, in figures of any script, whatever its
      separators and zeros at its ends ("24,000" may become "2.4万").
    - Lines that are not blank: as many as in the source.

    What the reference has not kept either does not count. All of this is ours.

    Reads `source`; and `target`, where it is there.

    Args:
        completions (`Sequence[Completion]`): (N,) texts or conversations.
        source (`Sequence[str]`): (N,) source texts.
        target (`Sequence[str]`, *optional*): (N,) references.
        **_ (`Any`): Other columns.

    Returns:
        `list[float]`: (N,) 0.0 or 1.0.

    Raises:
        InputError: The column is missing or has another length.
    """
    check_columns("no_markup_lost", len(completions), source=source)
    references = source if target is None else target
    return [
        _lost(text, origin, reference)
        for text, origin, reference in zip(completions, source or (), references or (), strict=True)
    ]


def _lost(text: str, source: str, reference: str) -> str | None:
    """Return what is lost first, or None."""
    for name, pattern in (("tags", TAG), ("placeholders", PLACEHOLDER)):
        expected = Counter(pattern.findall(source))
        if expected == Counter(pattern.findall(reference)) != Counter(pattern.findall(text)):
            return f"{name} lost or added"
    if _numbers(source) & _numbers(reference) - _numbers(text):
        return "numbers lost"
    if _lines(source) == _lines(reference) != _lines(text):
        return "line breaks lost or added"
    return None


def _numbers(text: str) -> set[str]:
    """Return the significant digits of each number that has two or more."""
    digits = (
        "".join(str(unicodedata.decimal(digit)) for digit in number if digit.isdecimal()).strip("0")
        for number in NUMBER.findall(text)
    )
    return {digit for digit in digits if len(digit) > 1}


def _lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())
