"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


LEAST_WIDTH = 100  # columns, where the output is not a terminal
MAX_SHOWN_CHARACTERS = 400  # characters of a text that can still matter on the widest terminal


def stderr_console() -> Console:
    """Make a console on stderr, at least `LEAST_WIDTH` wide where that is not a terminal.

    Returns:
        `Console`: The console.
    """
    from rich.console import Console

    console = Console(stderr=True)
    # In logs of CI and pipes rich assumes 80 columns, which would break the tables.
    if not console.is_terminal:
        console.width = max(LEAST_WIDTH, console.width)
    return console


def new_table(title: str, *headers: str, words: int = 1) -> Table:
    """Make a table in the one style: words to the left, numbers to the right.

    Args:
        title (`str`): The title.
        *headers (`str`): Names of the columns; no header is shown where all are empty.
        words (`int`, *optional*, defaults to `1`): The number of first columns that hold words.

    Returns:
        `Table`: The table, without rows.
    """
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
    """Put a text on one line, without meaning to rich or the terminal: no markup, no escapes.

    Args:
        text (`str`): Any text; the first MAX_SHOWN_CHARACTERS characters are used.

    Returns:
        `Text`: The line.
    """
    from rich.text import Text

    line = " ".join(text[:MAX_SHOWN_CHARACTERS].split())
    return Text("".join(letter if letter.isprintable() else " " for letter in line))
