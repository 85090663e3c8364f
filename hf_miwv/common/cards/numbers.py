"""Write numbers and shares for people."""

from __future__ import annotations

from collections.abc import Iterable

PERCENTS = (0, 1, 5, 25, 50, 75, 95, 99, 100)


def write_number(value: float | None, digits: int = 3) -> str:
    """Write a statistic for print: counts with thousands separators, measures with `digits` decimals.

    Args:
        value (`float`, *optional*): The number; None where there is none.
        digits (`int`, *optional*, defaults to `3`): Decimals of a measure.

    Returns:
        `str`: The number, or a dash.

    >>> [write_number(value) for value in (12345, 0.25, None)]
    ['12,345', '0.250', '–']
    """
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def write_share(part: int, whole: int) -> str:
    """Write a count with its share of the whole.

    Args:
        part (`int`): The count.
        whole (`int`): The count of all; 0 leaves the share out.

    Returns:
        `str`: Both, the share in percent.

    >>> write_share(366, 990)
    '366 (37.0 %)'
    """
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else f"{part:,}"


def write_some(names: Iterable[object], limit: int) -> str:
    """Write the first names of many, and how many more there are.

    Args:
        names (`Iterable[object]`): All names.
        limit (`int`): Names that are written.

    Returns:
        `str`: The names on one line.

    >>> write_some(["en-de", "en-fr", "en-zh"], 2)
    'en-de, en-fr and 1 more'
    """
    words = list(map(str, names))
    more = len(words) - limit
    return ", ".join(words[:limit]) + (f" and {more} more" if more > 0 else "")
