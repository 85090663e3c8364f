"""Write numbers and shares for people."""

from __future__ import annotations

from collections.abc import Iterable

PERCENTS = (0, 1, 5, 25, 50, 75, 95, 99, 100)


def write_number(value: float | None, digits: int = 3) -> str:
    """A statistic in print: counts with thousands separators, measures with `digits` decimals.

    >>> [write_number(value) for value in (12345, 0.25, None)]
    ['12,345', '0.250', '–']
    """
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def write_share(part: int, whole: int) -> str:
    """A count with its share of the whole.

    >>> write_share(366, 990)
    '366 (37.0 %)'
    """
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else f"{part:,}"


def write_some(names: Iterable[object], limit: int) -> str:
    """The first names of many, and how many more there are.

    >>> write_some(["en-de", "en-fr", "en-zh"], 2)
    'en-de, en-fr and 1 more'
    """
    words = list(map(str, names))
    more = len(words) - limit
    return ", ".join(words[:limit]) + (f" and {more} more" if more > 0 else "")
