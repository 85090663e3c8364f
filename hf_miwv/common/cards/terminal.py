"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


LEAST_WIDTH = 100  # columns, where the output is not a terminal
MOST_SHOWN = 400  # characters of a text that can still matter on the widest terminal


def stderr_console() -> Console:
    """A console on stderr, at least `LEAST_WIDTH` wide where that is not a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        console.width = max(LEAST_WIDTH, console.width)
    return console


def new_table(title: str, *headers: str, words: int = 1) -> Table:
    """A table in the one style: the first `words` columns to the left, numbers to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        show_header=any(headers),
    )
    for index, header in enumerate(headers):
        table.add_column(header, justify="left" if index < words else "right", no_wrap=True)
    return table


def plain(text: str) -> Text:
    """The text on one line and without meaning to rich or the terminal: no markup, no escapes."""
    from rich.text import Text

    line = " ".join(text[:MOST_SHOWN].split())
    return Text("".join(letter if letter.isprintable() else " " for letter in line))
