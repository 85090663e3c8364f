"""Any text as Markdown that means nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

# A single underscore between letters is never markup in Markdown, so it stays readable.
MARKUP = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")


def one_line(text: str) -> str:
    """The text with every run of white space, line breaks among it, as one space."""
    return " ".join(text.split())


def escape(text: Any) -> str:
    """Any value as one line of Markdown text that means nothing but itself, also in a table.

    >>> escape("a|b `c` [d]")
    'a\\\\|b \\\\`c\\\\` \\\\[d\\\\]'
    """
    return MARKUP.sub(r"\\\g<0>", one_line(str(text)))


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; every cell is escaped, so cells hold text and not markup."""
    lines = [header, ["---"] * len(header), *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
