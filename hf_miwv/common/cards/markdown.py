"""Any text as Markdown that means nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

# A single underscore between letters is never markup in Markdown, so it stays readable.
MARKUP = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")


def single_line(text: str) -> str:
    """Put a text on one line: every run of white space, line breaks among it, becomes one space.

    Args:
        text (`str`): Any text.

    Returns:
        `str`: The line.
    """
    return " ".join(text.split())


def escape(text: Any) -> str:
    r"""Write any value as one line of Markdown text that means nothing but itself, also in a table.

    Args:
        text (`Any`): The value.

    Returns:
        `str`: The escaped line.

    >>> escape("a|b `c` [d]")
    'a\\|b \\`c\\` \\[d\\]'
    """
    return MARKUP.sub(r"\\\g<0>", single_line(str(text)))


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write a Markdown table; every cell is escaped, so cells hold text and not markup.

    Args:
        header (`Sequence[str]`): Names of the columns, not escaped.
        rows (`Iterable[Sequence[Any]]`): Cells, row by row.

    Returns:
        `str`: The table, without a line break at its end.
    """
    lines = [header, ["---"] * len(header), *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
